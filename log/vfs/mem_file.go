package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// SectorSize is the unit in which MemFS keeps or loses unsynced data, in bytes.
const SectorSize = 512

// versionsMax bounds the older contents that are remembered for an unsynced sector: the durable one and the newest.
const versionsMax = 4

type sector [SectorSize]byte

// memInode is a file's content, with all that a power loss might make of it. Guarded by MemFS.mu.
type memInode struct {
	data []byte

	// dirty holds, for each sector written since the last sync, what else it may hold after a power loss: first the
	// durable content, then some of what was written over since. nil stands for zeros.
	dirty map[int64][]*sector

	// forgotten holds sectors that were dirty when a sync failed. The kernel has marked them clean, so a later
	// sync does not write them; only writing them again does.
	forgotten map[int64][]*sector

	// sizes holds the durable size and those that the file had since; empty when the size is durable.
	sizes []int64
}

func newMemInode(data []byte) *memInode {
	return &memInode{data: data, dirty: map[int64][]*sector{}, forgotten: map[int64][]*sector{}}
}

// sectorAt returns a copy of the sector as it is now, padded with zeros, or nil when it is all zeros.
func (n *memInode) sectorAt(i int64) *sector {
	from := i * SectorSize
	if from >= int64(len(n.data)) {
		return nil
	}
	s := new(sector)
	copy(s[:], n.data[from:])
	if *s == (sector{}) {
		return nil
	}
	return s
}

// touch remembers what sectors [from, to) bytes hold before they change.
func (n *memInode) touch(from, to int64) {
	if to <= from {
		return
	}
	for i := from / SectorSize; i <= (to-1)/SectorSize; i++ {
		versions, ok := n.dirty[i]
		if !ok {
			versions = n.forgotten[i]
			delete(n.forgotten, i)
		}
		if len(versions) == versionsMax {
			copy(versions[1:], versions[2:])
			versions = versions[:versionsMax-1]
		}
		n.dirty[i] = append(versions, n.sectorAt(i))
	}
}

func (n *memInode) resize(size int64) {
	if size == int64(len(n.data)) {
		return
	}
	n.sizes = append(n.sizes, int64(len(n.data)))
	if size < int64(len(n.data)) {
		clear(n.data[size:])
		n.data = n.data[:size]
		return
	}
	if size > int64(cap(n.data)) {
		grown := make([]byte, len(n.data), size+size/2)
		copy(grown, n.data)
		n.data = grown
	}
	n.data = n.data[:size] // what lies behind len is always zero
}

func (n *memInode) truncate(size int64) {
	n.touch(size, int64(len(n.data)))
	n.resize(size)
}

func (n *memInode) writeAt(p []byte, off int64) {
	n.touch(off, off+int64(len(p)))
	if end := off + int64(len(p)); end > int64(len(n.data)) {
		n.resize(end)
	}
	copy(n.data[off:], p)
}

func (n *memInode) sync() {
	clear(n.dirty)
	n.sizes = nil
}

// syncFailed is a sync that failed: nothing became durable and the kernel forgot what was to be written.
func (n *memInode) syncFailed() {
	for i, versions := range n.dirty {
		n.forgotten[i] = versions
	}
	clear(n.dirty)
}

// memFile is an open file of a MemFS.
type memFile struct {
	fs     *MemFS
	inode  *memInode
	name   string
	write  bool
	closed bool // guarded by fs.mu
}

var errReadOnly = errors.New("file is open for reading only")

// begin locks the file system and checks that the file may be used. The caller unlocks when err is nil.
func (f *memFile) begin(op string, write bool) error {
	f.fs.mu.Lock()
	err := error(nil)
	if f.closed {
		err = fs.ErrClosed
	} else if write && !f.write {
		err = errReadOnly
	}
	if err != nil {
		f.fs.mu.Unlock()
		return pathError(op, f.name, err)
	}
	return nil
}

// ReadAt implements io.ReaderAt.
func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.begin("read", false); err != nil {
		return 0, err
	}
	defer f.fs.mu.Unlock()
	if off < 0 {
		return 0, pathError("read", f.name, fmt.Errorf("negative position %d", off))
	}
	if off >= int64(len(f.inode.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.inode.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.begin("write", true); err != nil {
		return 0, err
	}
	defer f.fs.mu.Unlock()
	if off < 0 {
		return 0, pathError("write", f.name, fmt.Errorf("negative position %d", off))
	}
	f.inode.writeAt(p, off)
	return len(p), nil
}

// Close implements io.Closer. It makes nothing durable.
func (f *memFile) Close() error {
	if err := f.begin("close", false); err != nil {
		return err
	}
	defer f.fs.mu.Unlock()
	f.closed = true
	return nil
}

// Size implements File.
func (f *memFile) Size() (int64, error) {
	if err := f.begin("size", false); err != nil {
		return 0, err
	}
	defer f.fs.mu.Unlock()
	return int64(len(f.inode.data)), nil
}

// Truncate implements File.
func (f *memFile) Truncate(size int64) error {
	if err := f.begin("truncate", true); err != nil {
		return err
	}
	defer f.fs.mu.Unlock()
	if size < 0 {
		return pathError("truncate", f.name, fmt.Errorf("negative size %d", size))
	}
	f.inode.truncate(size)
	return nil
}

// Sync implements File.
func (f *memFile) Sync() error {
	if err := f.begin("sync", false); err != nil {
		return err
	}
	defer f.fs.mu.Unlock()
	f.inode.sync()
	return nil
}

// SyncData implements File.
func (f *memFile) SyncData() error { return f.Sync() }

// SyncFailed plays a sync that fails as the kernel's do: nothing becomes durable, and what was to be written counts as
// clean, so that a later sync that succeeds does not write it either. For errorfs.
func (f *memFile) SyncFailed() {
	if f.begin("sync", false) == nil {
		defer f.fs.mu.Unlock()
		f.inode.syncFailed()
	}
}
