package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// TempSuffix ends the names of files that are being written; what carries it after a crash is rubbish.
const TempSuffix = ".tmp"

// AtomicWriteFile makes name hold data, durably, or leaves it as it was: it writes name+TempSuffix, syncs
// it, renames it, and syncs the folder. Two callers must not write the same name at once.
func AtomicWriteFile(fsys FS, name string, data []byte) error {
	temp := name + TempSuffix
	if err := writeSynced(fsys, temp, data); err != nil {
		return fmt.Errorf("write %s: %w", temp, err)
	}
	if err := fsys.Rename(temp, name); err != nil {
		return fmt.Errorf("replace %s: %w", name, err)
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil {
		return fmt.Errorf("sync folder of %s: %w", name, err)
	}
	return nil
}

func writeSynced(fsys FS, name string, data []byte) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// ReadFile returns the content of the named file.
func ReadFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	n, err := f.ReadAt(data, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}

// Exists reports whether there is something of that name.
func Exists(fsys FS, name string) (bool, error) {
	_, err := fsys.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// MkdirAllSynced makes dir and its missing parents and syncs the folder of each one that it made, so that they are
// still there after a power loss.
func MkdirAllSynced(fsys FS, dir string) error {
	dir = path.Clean(dir)
	if there, err := Exists(fsys, dir); there || err != nil {
		return err
	}
	parent := path.Dir(dir)
	if parent != dir {
		if err := MkdirAllSynced(fsys, parent); err != nil {
			return err
		}
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	return fsys.SyncDir(parent)
}
