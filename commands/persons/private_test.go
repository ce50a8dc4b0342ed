package persons_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"lodge/commands/persons"
	"lodge/log/vfs"
)

// modes checks that every file in a folder has mode 0600, and returns how many there are.
func modes(t *testing.T, folder string) (n int) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", e.Name(), info.Mode().Perm())
		}
	}
	return len(entries)
}

// TestKeysAreForTheirOwnerAlone: when they are made, and, where others might have read them, from the next start on.
func TestKeysAreForTheirOwnerAlone(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "keys")
	reopen := func() *persons.Keys {
		k, err := persons.Open(vfs.Private, folder)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	k := reopen()
	o := seal(t, k, ada(1))
	if n := modes(t, folder); n != 2 {
		t.Errorf("there are %d files", n)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"identity", "00000000000000000001.keys"} {
		if err := os.Chmod(filepath.Join(folder, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	k = reopen()
	modes(t, folder)
	if err := o.check(k); err != nil {
		t.Error(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestGivingUpMoreThanAFile: what is made is for its owner alone, too.
func TestGivingUpMoreThanAFile(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "keys")
	s, err := persons.Look(vfs.Private, folder)
	if err != nil {
		t.Fatal(err)
	}
	const end = 2<<20 + 5
	if err := errors.Join(s.GiveUp(end), s.Close()); err != nil {
		t.Fatal(err)
	}
	if n := modes(t, folder); n != 4 {
		t.Errorf("there are %d files", n)
	}
	k, err := persons.Open(vfs.Private, folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []persons.KeyID{1, 1 << 20, 1<<20 + 1, end - 1} {
		if erased, err := k.Erased(id); err != nil || !erased {
			t.Errorf("key %d is erased: %v, error %v", id, erased, err)
		}
	}
	if o := seal(t, k, ada(1)); o.id != end {
		t.Errorf("key %d is given, not %d", o.id, end)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
}
