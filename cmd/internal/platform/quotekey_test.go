package platform

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestQuoteKey(t *testing.T) {
	dir := t.TempDir()
	key, err := quoteKey(dir)
	if err != nil || len(key) != quoteKeyBytes {
		t.Fatalf("%d bytes, %v", len(key), err)
	}
	if again, err := quoteKey(dir); err != nil || !bytes.Equal(again, key) {
		t.Errorf("another key the second time, %v", err)
	}
	if other, err := quoteKey(t.TempDir()); err != nil || bytes.Equal(other, key) {
		t.Errorf("the same key in another folder, %v", err)
	}
	path := filepath.Join(dir, quoteKeyFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(path, key[:7], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := quoteKey(dir); err == nil {
		t.Error("a cut key is taken")
	}
}

func TestQuoteKeyOverWhatWasLeft(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, quoteKeyFile)
	if err := os.WriteFile(path+".new", []byte("cut"), 0o644); err != nil {
		t.Fatal(err)
	}
	key, err := quoteKey(dir)
	if err != nil || len(key) != quoteKeyBytes {
		t.Fatalf("%d bytes, %v", len(key), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("everybody may read the key: %v, %v", info, err)
	}
}
