package persons

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path"
	"strconv"
	"strings"
	"sync/atomic"

	"lodge/log"
	"lodge/log/vfs"
)

const (
	headerBytes   = KeyBytes
	headerMagic   = "LODGEKEY"
	headerVersion = 1
	fileSuffix    = ".keys"
)

// file is an open file of keys.
type file struct {
	vfs.File
	name   string
	first  KeyID
	size   atomic.Uint64 // keys that are durable
	broken bool          // an append failed: nothing more is appended. Guarded by Keys.made
}

func (f *file) keys() uint64      { return f.size.Load() }
func (f *file) end() KeyID        { return f.first + KeyID(f.size.Load()) }
func (f *file) at(id KeyID) int64 { return headerBytes + KeyBytes*int64(id-f.first) }

func fileName(dir string, first KeyID) string {
	return path.Join(dir, fmt.Sprintf("%020d%s", first, fileSuffix))
}

func header(first KeyID) []byte {
	b := make([]byte, headerBytes)
	copy(b, headerMagic)
	binary.BigEndian.PutUint32(b[8:], headerVersion)
	binary.BigEndian.PutUint64(b[20:], uint64(first))
	binary.BigEndian.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli))
	return b
}

// createFile makes a file with its first block durable, or leaves none.
func createFile(fs vfs.FS, dir string, first KeyID, b *block) (*file, error) {
	name := fileName(dir, first)
	opened, err := fs.Create(name)
	if err != nil {
		return nil, err
	}
	f := &file{File: opened, name: name, first: first}
	_, err = f.WriteAt(header(first), 0)
	if err == nil {
		err = f.append(b)
	}
	if err == nil {
		err = fs.SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), fs.Remove(name))
	}
	return f, nil
}

// append makes a block durable behind those that are there. What an append that failed has left is of no use to anybody, and no key of it is given.
func (f *file) append(b *block) error {
	_, err := f.WriteAt(b[:], f.at(f.end()))
	if err == nil {
		err = f.SyncData()
	}
	f.broken = err != nil
	if err == nil {
		f.size.Add(blockKeys)
	}
	return err
}

// openFiles opens the files of keys in order. The last one, when it has no header, was being made when the power failed: no key of it was given, and its name is used again.
func (k *Keys) openFiles() (files []*file, err error) {
	names, err := k.fs.List(k.dir)
	if err != nil {
		return nil, fmt.Errorf("open the keys of persons: %w", err)
	}
	names = keyFiles(names)
	for i, name := range names {
		f, err := k.openFile(name)
		switch {
		case err != nil:
			return files, fmt.Errorf("open the keys of persons: %w", err)
		case f == nil && i < len(names)-1:
			return files, log.NewError(log.Corrupt, "open the keys of persons", "%s has no header: %s", path.Join(k.dir, name), another)
		case f == nil:
			return files, nil
		}
		files = append(files, f)
	}
	return files, nil
}

// checkGaps refuses files between which keys are missing, or behind which, of those before had.
func (k *Keys) checkGaps(files []*file, had KeyID) error {
	missing := func(from, to KeyID) error {
		return log.NewError(log.Corrupt, "open the keys of persons", "keys %d to %d are missing in %s: %s", from, to-1, k.dir, remedy)
	}
	expected := KeyID(1)
	for _, f := range files {
		if f.first > expected {
			return missing(expected, f.first)
		}
		expected = f.end()
	}
	if had > expected {
		return missing(expected, had)
	}
	return nil
}

func keyFiles(names []string) (found []string) {
	for _, name := range names {
		if strings.HasSuffix(name, fileSuffix) {
			found = append(found, name)
		}
	}
	return found
}

// openFile opens one file; nil when it has no header.
func (k *Keys) openFile(name string) (_ *file, err error) {
	first, err := strconv.ParseUint(strings.TrimSuffix(name, fileSuffix), 10, 63)
	if err != nil || first == 0 || path.Join(k.dir, name) != fileName(k.dir, KeyID(first)) {
		return nil, log.NewError(log.Corrupt, "open "+path.Join(k.dir, name), "the name is not that of a file of keys: take it away")
	}
	f := &file{name: path.Join(k.dir, name), first: KeyID(first)}
	if f.File, err = k.fs.OpenReadWrite(f.name); err != nil {
		return nil, err
	}
	there, err := f.readHeader()
	if err != nil || !there {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// readHeader checks the header and learns how many keys there are: a part of one counts, since keys are given from behind all that may have been.
func (f *file) readHeader() (there bool, err error) {
	size, err := f.Size()
	if err != nil {
		return false, err
	}
	if size < headerBytes {
		return false, nil
	}
	b := make([]byte, headerBytes)
	if _, err := f.ReadAt(b, 0); err != nil {
		return false, err
	}
	if [headerBytes]byte(b) == zeros {
		return false, nil
	}
	switch {
	case string(b[:8]) != headerMagic || binary.BigEndian.Uint32(b[28:]) != crc32.Checksum(b[:28], castagnoli):
		return false, log.NewError(log.Corrupt, "open "+f.name, "the header is damaged: "+another)
	case binary.BigEndian.Uint32(b[8:]) != headerVersion:
		return false, log.NewError(log.UnsupportedFormat, "open "+f.name, "version %d is newer than this program", binary.BigEndian.Uint32(b[8:]))
	case KeyID(binary.BigEndian.Uint64(b[20:])) != f.first:
		return false, log.NewError(log.Corrupt, "open "+f.name, "it begins with key %d: give it its name back", binary.BigEndian.Uint64(b[20:]))
	}
	f.size.Store(uint64((size - headerBytes + KeyBytes - 1) / KeyBytes))
	return true, nil
}

// leaveOutPart leaves the part of a key at the end out of the count.
func (f *file) leaveOutPart() error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	f.size.Store(uint64((size - headerBytes) / KeyBytes))
	return nil
}
