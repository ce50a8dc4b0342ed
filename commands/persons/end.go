package persons

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path"

	"lodge/log"
)

// The file that says which keys there were when the folder was last opened: "LODGEEND", the number behind the last of them, and a CRC-32C of both. What was made since, the log names behind
// how far it was looked through then.
const (
	endFile  = "end"
	endMagic = "LODGEEND"
)

// endOf returns the number behind the last key of files.
func endOf(files []*file) KeyID {
	if n := len(files); n > 0 {
		return files[n-1].end()
	}
	return 1
}

// readEnd returns the number behind the last key that there was; 1 when it was never recorded.
func (k *Keys) readEnd() (KeyID, error) {
	b, err := k.ReadSmall(endFile, endMagic, 8)
	switch {
	case errors.Is(err, ErrDamaged):
		return 0, log.NewError(log.Corrupt, "open "+path.Join(k.dir, endFile), "it is damaged: put back another copy, or take the file away")
	case err != nil || b == nil:
		return 1, err
	}
	return KeyID(binary.BigEndian.Uint64(b)), nil
}

// recordEnd records the end of the files, when all keys before it are durable.
func (k *Keys) recordEnd(files []*file) (err error) {
	if n := len(files); n > 0 {
		if err = files[n-1].keepTail(); err == nil {
			err = k.fs.SyncDir(k.dir)
		}
	}
	if err == nil {
		err = k.WriteSmall(endFile, endMagic, binary.BigEndian.AppendUint64(nil, uint64(endOf(files))))
	}
	if err != nil {
		return fmt.Errorf("record which keys of persons there are: %w", err)
	}
	return nil
}

// keepTail makes durable what an append may have left that was not synced, because its process was killed or the sync failed: the last block, and the header. It is written again, since a sync that
// failed may not be repeated.
func (f *file) keepTail() error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	for _, part := range [][2]int64{{0, headerBytes}, {max(0, size-int64(len(block{}))), size}} {
		b := make([]byte, part[1]-part[0])
		if _, err := f.ReadAt(b, part[0]); err != nil {
			return err
		}
		if _, err := f.WriteAt(b, part[0]); err != nil {
			return err
		}
	}
	return f.Sync()
}
