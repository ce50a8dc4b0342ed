package platform

import (
	"io"
	"path/filepath"

	"lodge/log"
	"lodge/log/vfs"
)

// lockFile is the broker's, within LogFolder.
const lockFile = "LOCK"

// Lock keeps every other process out of the data folder until the result is closed, without opening anything in it. The error is
// an *InUseError when another process has the folder.
func Lock(dir string) (io.Closer, error) {
	lock, err := vfs.Default.Lock(filepath.Join(LogFolder(dir), lockFile))
	if log.CodeOf(err) == log.Locked {
		return nil, &InUseError{Dir: dir, Err: err}
	}
	return lock, err
}
