package platform

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	temporary := path + ".new"
	if err := os.WriteFile(temporary, key, 0o600); err != nil {
		return nil, fmt.Errorf("write the key of quotes: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return nil, fmt.Errorf("write the key of quotes: %w", err)
	}
	return key, nil
}
