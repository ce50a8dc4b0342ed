package platform

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lodge/log/vfs"
)

const (
	quoteKeyFile  = "quote.key"
	quoteKeyBytes = 32
)

// quoteKey returns the secret that this data folder signs quotes with. The first process makes it, for its user only; without the file
// quotes that are under way are refused, and nothing else is lost. The folder is locked, so nobody makes it at the same time.
func quoteKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, quoteKeyFile)
	key, err := os.ReadFile(path)
	switch {
	case err == nil && len(key) == quoteKeyBytes:
		return key, nil
	case err == nil:
		return nil, fmt.Errorf("read the key of quotes: %s has %d bytes, not %d; remove it to make another", path, len(key), quoteKeyBytes)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read the key of quotes: %w", err)
	}
	key = make([]byte, quoteKeyBytes)
	_, _ = rand.Read(key) // it never fails
	if err := writeKey(path, key); err != nil {
		return nil, fmt.Errorf("write the key of quotes: %w", err)
	}
	return key, nil
}

// writeKey makes the file whole and durable: one that a power loss cut short would keep the folder from being opened.
func writeKey(path string, key []byte) error {
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that was killed
		return err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(key)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return vfs.Default.SyncDir(filepath.Dir(path))
}
