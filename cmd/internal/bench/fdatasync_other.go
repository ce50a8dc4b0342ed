//go:build !linux

package bench

import "os"

// fdatasync is a whole fsync where there is nothing lighter.
func fdatasync(f *os.File) error { return f.Sync() }
