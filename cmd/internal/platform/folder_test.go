package platform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFolderOfSomebodyElseIsRefused(t *testing.T) {
	for _, c := range []struct {
		names []string
		said  string // empty: it is taken
	}{
		{[]string{"letters.txt"}, "it has letters.txt."},
		{[]string{"a", "b", "c", "d", "e", "f", "g"}, "it has a, b, c, d, e and 2 more."},
		{[]string{"lost+found", ".DS_Store", quoteKeyFile, "notes"}, "it has notes."},
		{[]string{"lost+found", ".Trash-1000"}, ""},
		{nil, ""},
	} {
		dir := t.TempDir()
		for _, name := range c.names {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if c.said == "" {
			if err := checkFolder(dir); err != nil {
				t.Errorf("%v: %v", c.names, err)
			}
			continue
		}
		_, err := Open(t.Context(), dir, Options{})
		if err == nil || !strings.Contains(err.Error(), c.said) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v: %v", c.names, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != len(c.names) {
			t.Errorf("%v: now there is %v, %v", c.names, left, err)
		}
	}
	if err := checkFolder(filepath.Join(t.TempDir(), "new")); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkFolder(file); err == nil {
		t.Error("a file was taken for a folder")
	}
}
