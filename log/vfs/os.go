package vfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"lodge/log"
)

// Default is the operating system's file system. The log holds personal data, so what is made is not for others; the group may read it, for backups.
var Default FS = &osFS{file: 0o640, dir: 0o750}

// Private is Default for secrets: what is made is for its owner alone, and a file that others may read or write is taken from them when it is opened, or is not opened.
var Private FS = &osFS{file: 0o600, dir: 0o700, narrow: true}

type osFS struct {
	file, dir os.FileMode // of what is made
	narrow    bool        // files that are opened get no wider mode than that
}

func (o *osFS) Create(name string) (File, error) {
	return o.open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (o *osFS) Open(name string) (File, error) { return o.open(name, os.O_RDONLY) }

func (o *osFS) OpenReadWrite(name string) (File, error) { return o.open(name, os.O_RDWR) }

func (o *osFS) open(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, o.file)
	if err != nil {
		return nil, err
	}
	if o.narrow {
		if err := narrow(f, o.file); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return &osFile{File: f}, nil
}

// narrow takes from a file's mode what is not in another. After a power loss it may be as wide as before: whoever opens it next narrows it again.
func narrow(f *os.File, to os.FileMode) error {
	info, err := f.Stat()
	if err != nil || info.Mode().Perm()&^to == 0 {
		return err
	}
	return f.Chmod(info.Mode().Perm() & to)
}

func (*osFS) Remove(name string) error             { return os.Remove(name) }
func (*osFS) RemoveAll(name string) error          { return os.RemoveAll(name) }
func (*osFS) Rename(oldname, newname string) error { return os.Rename(oldname, newname) }
func (o *osFS) MkdirAll(dir string) error          { return os.MkdirAll(dir, o.dir) }

func (*osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (*osFS) Stat(name string) (FileInfo, error) {
	info, err := os.Stat(name)
	if err != nil {
		return FileInfo{}, err
	}
	return FileInfo{Size: info.Size(), Dir: info.IsDir()}, nil
}

func (*osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (o *osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, o.file)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close() // nothing was written
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, lockedError(name)
	}
	return nil, fmt.Errorf("lock %s: %w", name, err)
}

func lockedError(name string) error {
	return log.NewError(log.Locked, "lock "+name, "another process has it")
}

// osFile is an os.File with the operations that it lacks.
type osFile struct{ *os.File }

// Size returns the length from fstat.
func (f *osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
