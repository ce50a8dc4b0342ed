package vfs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"lodge/log/vfs"
)

// modeOf returns who may do what with a file or folder.
func modeOf(t *testing.T, name string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(name)
	must(t, err)
	return info.Mode().Perm()
}

// TestPrivate: what is made is for its owner alone, and what was for others is not any more once it is opened, however it is.
func TestPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	must(t, vfs.MkdirAllSynced(vfs.Private, dir))
	if mode := modeOf(t, dir); mode != 0o700 {
		t.Errorf("the folder has mode %o", mode)
	}
	name := filepath.Join(dir, "file")
	must(t, vfs.AtomicWriteFile(vfs.Private, name, []byte("secret")))
	if mode := modeOf(t, name); mode != 0o600 {
		t.Errorf("a file is made with mode %o", mode)
	}
	for how, open := range map[string]func(string) (vfs.File, error){"read": vfs.Private.Open, "write": vfs.Private.OpenReadWrite, "empty": vfs.Private.Create} {
		for was, want := range map[fs.FileMode]fs.FileMode{0o640: 0o600, 0o666: 0o600, 0o777: 0o600, 0o600: 0o600} {
			must(t, os.Chmod(name, was))
			f, err := open(name)
			must(t, err)
			must(t, f.Close())
			if mode := modeOf(t, name); mode != want {
				t.Errorf("to %s: mode %o becomes %o", how, was, mode)
			}
		}
	}
	must(t, os.Chmod(name, 0o400))
	f, err := vfs.Private.Open(name)
	must(t, err)
	must(t, f.Close())
	if mode := modeOf(t, name); mode != 0o400 {
		t.Errorf("a narrower mode becomes %o", mode)
	}
	must(t, os.Chmod(name, 0o640))
	f, err = vfs.Default.Open(name)
	must(t, err)
	must(t, f.Close())
	if mode := modeOf(t, name); mode != 0o640 {
		t.Errorf("Default makes %o of it", mode)
	}
}
