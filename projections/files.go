package projections

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lodge/log"
)

// currentName is the file that names the version in service.
const currentName = "CURRENT"

func versionDir(number int) string { return "v" + strconv.Itoa(number) }

func shardFile(partition log.Partition) string { return fmt.Sprintf("shard-%d.db", partition) }

// readCurrent returns the number of the version in service, or 0 when there is none. A damaged file counts as none.
func readCurrent(dir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, currentName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the current version: %w", err)
	}
	return versionNumber(strings.TrimSuffix(string(text), "\n")), nil
}

// versionNumber returns k for "vk", or 0.
func versionNumber(name string) int {
	k, err := strconv.Atoi(strings.TrimPrefix(name, "v"))
	if err != nil || k < 1 || versionDir(k) != name {
		return 0
	}
	return k
}

// writeCurrent puts a version in service. When it returns nil, that is durable.
func writeCurrent(dir string, number int) error {
	name := filepath.Join(dir, currentName)
	if err := os.WriteFile(name+".tmp", []byte(versionDir(number)+"\n"), 0o644); err != nil {
		return fmt.Errorf("write the current version: %w", err)
	}
	if err := syncPath(name + ".tmp"); err != nil {
		return err
	}
	if err := os.Rename(name+".tmp", name); err != nil {
		return fmt.Errorf("write the current version: %w", err)
	}
	return syncPath(dir)
}

// clean removes all versions but keep: what a crash or a swap has left behind.
func clean(dir string, keep int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("clean: %w", err)
	}
	for _, e := range entries {
		if n := versionNumber(e.Name()); n > 0 && n != keep {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("clean: %w", err)
			}
		}
	}
	return nil
}

// lastVersion returns the highest version number that has a folder, or 0.
func lastVersion(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("list versions: %w", err)
	}
	last := 0
	for _, e := range entries {
		last = max(last, versionNumber(e.Name()))
	}
	return last, nil
}

// syncPath makes a file's bytes or a folder's entries durable.
func syncPath(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", name, err)
	}
	return nil
}
