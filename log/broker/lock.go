package broker

import (
	"errors"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"lodge/log"
	"lodge/log/vfs"
)

// lockFile is locked by the process that has the folder, and says which one that is.
const lockFile = "LOCK"

// lockDir takes the folder for this process. When another has it the error has code Locked and names
// the folder and, if it can be told, the process.
func lockDir(fs vfs.FS, dir string) (io.Closer, error) {
	file := path.Join(dir, lockFile)
	lock, err := fs.Lock(file)
	if log.CodeOf(err) == log.Locked {
		return nil, log.NewError(log.Locked, "open "+dir, "the folder is in use by %s", lockHolder(fs, file))
	}
	if err != nil {
		return nil, err
	}
	if err := writeHolder(fs, file); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// writeHolder leaves this process's number in the lock file, for a person to read.
func writeHolder(fs vfs.FS, file string) error {
	f, err := fs.OpenReadWrite(file)
	if err != nil {
		return err
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return errors.Join(err, f.Close())
}

// lockHolder describes the process whose number is in the lock file.
func lockHolder(fs vfs.FS, file string) string {
	b, err := vfs.ReadFile(fs, file)
	if pid, e := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && e == nil {
		return "process " + strconv.Itoa(pid)
	}
	return "another process"
}
