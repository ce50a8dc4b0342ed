package bench

import (
	"os"

	"golang.org/x/sys/unix"
)

// fdatasync makes a file's data durable, and of its metadata only what is needed to read it back.
func fdatasync(f *os.File) error { return os.NewSyscallError("fdatasync", unix.Fdatasync(int(f.Fd()))) }
