package platform

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSessionKeys(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	p := &Platform{dir: t.TempDir(), opts: Options{Clock: func() time.Time { return at }}}
	path := filepath.Join(p.dir, sessionKeysFile)
	first, err := p.currentKeys()
	if err != nil || len(first) != 1 {
		t.Fatal(first, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if again, err := p.currentKeys(); err != nil || len(again) != 1 || !bytes.Equal(again[0].Secret, first[0].Secret) {
		t.Errorf("other keys the second time: %v", err)
	}
	at = at.Add(31 * 24 * time.Hour)
	second, err := p.currentKeys()
	if err != nil || len(second) != 2 || second[1].ID != first[0].ID || second[0].ID == first[0].ID {
		t.Errorf("after a month: %d keys, %v", len(second), err)
	}
	at = at.Add(3 * 24 * time.Hour)
	if last, err := p.currentKeys(); err != nil || len(last) != 1 || last[0].ID != second[0].ID {
		t.Errorf("the old key stays: %d keys, %v", len(last), err)
	}
	for _, damage := range []string{"", "{", "[]", `[{"id":1}]`} {
		if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := p.currentKeys(); err == nil {
			t.Errorf("%q is taken", damage)
		}
	}
}
