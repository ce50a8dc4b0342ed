package projections

import (
	"io"
	"os"
	"path/filepath"

	"lodge/log"
	"lodge/log/vfs"
)

// lockName is the file that the store which has the folder holds locked.
const lockName = "LOCK"

// lockFolder takes the folder for one store. The error has code Locked when another store has it, in this process or in another one:
// what a second one knows of versions and checkpoints would not stay true, and it would clean away what the first one builds.
func lockFolder(dir string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	lock, err := vfs.Default.Lock(filepath.Join(dir, lockName))
	if log.CodeOf(err) == log.Locked {
		return nil, log.NewError(log.Locked, "open projections "+dir, "another store has the folder; a second one needs a folder of its own")
	}
	return lock, err
}
