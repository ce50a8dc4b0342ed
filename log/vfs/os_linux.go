package vfs

import (
	"os"
	"runtime"
	"syscall"
)

// SyncData calls fdatasync. It allocates nothing.
func (f *osFile) SyncData() error {
	fd := int(f.Fd())
	err := syscall.Fdatasync(fd)
	for err == syscall.EINTR {
		err = syscall.Fdatasync(fd)
	}
	runtime.KeepAlive(f)
	if err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}
