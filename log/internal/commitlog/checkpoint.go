package commitlog

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"path"

	"lodge/log"
	"lodge/log/vfs"
)

// checkpointName is the file in a partition's folder that says what of it is durable.
const checkpointName = "checkpoint"

// checkpoint is what was known to be durable at one moment. Invariant: first <= start <= durable, blobAt <= durable, clean <= durable, and
// full and then open ascend, from first.
type checkpoint struct {
	tp      log.TopicPartition
	first   log.Offset // base of the first segment; one below it is to be removed, one at or above it must be there
	start   log.Offset // first kept record; see start.go for one that moved since
	durable log.Offset // everything below is on disk
	full    []extent   // all full segments whose end is <= durable
	open    log.Offset // base of the segment behind those, which must be there
	since   int64      // when that was begun, milliseconds
	blobAt  log.Offset // blob describes everything below
	blob    []byte     // the caller's
	clean   log.Offset // everything below was compacted; see compact.go
	horizon int64      // when the last tombstone below clean may go, milliseconds; 0: there is none
	swap    swap       // which segments are being replaced by one
}

// extent is a full segment as it must be found.
type extent struct {
	base    log.Offset
	bytes   int64
	maxTime int64 // youngest timestamp, milliseconds
}

// The checkpoint file; integers are big endian:
//
//	 0  4 bytes  "LDGc"
//	 4  uint32   version = 2
//	 8  uint32   CRC-32C of all below
//	12  int64    start
//	    int64    durable
//	    int64    open
//	    int64    since
//	    int64    blobAt
//	    int64    first      ┐
//	    int64    clean      │ not in version 1, where first is start
//	    int64    horizon    │ and the others are 0
//	    int64    swap base  │
//	    int64    swap end   ┘
//	    int32    partition
//	    uint32   n, then n bytes: topic
//	    uint32   n, then n times: base int64, bytes int64, maxTime int64
//	    uint32   n, then n bytes: blob
const (
	checkpointMagic   = "LDGc"
	checkpointVersion = 2
	extentSize        = 24
)

func (c *checkpoint) encode() []byte {
	b := append([]byte(checkpointMagic), 0, 0, 0, checkpointVersion, 0, 0, 0, 0)
	for _, v := range []int64{int64(c.start), int64(c.durable), int64(c.open), c.since, int64(c.blobAt),
		int64(c.first), int64(c.clean), c.horizon, int64(c.swap.base), int64(c.swap.end)} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(c.tp.Partition))
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.tp.Topic)))
	b = append(b, c.tp.Topic...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.full)))
	for _, e := range c.full {
		b = binary.BigEndian.AppendUint64(b, uint64(e.base))
		b = binary.BigEndian.AppendUint64(b, uint64(e.bytes))
		b = binary.BigEndian.AppendUint64(b, uint64(e.maxTime))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.blob)))
	b = append(b, c.blob...)
	binary.BigEndian.PutUint32(b[8:], crcOf(b[12:]))
	return b
}

// decodeCheckpoint reads what encode wrote. Errors have code Corrupt or UnsupportedFormat.
func decodeCheckpoint(b []byte) (*checkpoint, error) {
	if len(b) < 12 || string(b[:4]) != checkpointMagic {
		return nil, checkpointError("it does not begin as a checkpoint")
	}
	if crcOf(b[12:]) != binary.BigEndian.Uint32(b[8:]) {
		return nil, checkpointError("its CRC is wrong")
	}
	version := binary.BigEndian.Uint32(b[4:])
	if version < 1 || version > checkpointVersion {
		return nil, log.NewError(log.UnsupportedFormat, "read checkpoint", "version %d is not 1 to %d", version, checkpointVersion)
	}
	r := fields{rest: b[12:]}
	c := &checkpoint{start: log.Offset(r.int64()), durable: log.Offset(r.int64()), open: log.Offset(r.int64()), since: r.int64(), blobAt: log.Offset(r.int64())}
	c.first = c.start
	if version > 1 {
		c.first, c.clean, c.horizon = log.Offset(r.int64()), log.Offset(r.int64()), r.int64()
		c.swap = swap{base: log.Offset(r.int64()), end: log.Offset(r.int64())}
	}
	c.tp.Partition = log.Partition(r.uint32())
	c.tp.Topic = log.Topic(r.take(r.uint32(), 1))
	for extents := r.take(r.uint32(), extentSize); len(extents) > 0; extents = extents[extentSize:] {
		e := fields{rest: extents}
		c.full = append(c.full, extent{base: log.Offset(e.int64()), bytes: e.int64(), maxTime: e.int64()})
	}
	if n := r.uint32(); n > 0 {
		c.blob = r.take(n, 1)
	}
	if r.bad || len(r.rest) > 0 {
		return nil, checkpointError("its fields do not fill it")
	}
	return c, c.check()
}

func (c *checkpoint) check() error {
	if c.first < 0 || c.start < c.first || c.start > c.durable || c.blobAt < 0 || c.blobAt > c.durable {
		return checkpointError("offsets %d, %d, %d, %d make no sense together", c.first, c.start, c.blobAt, c.durable)
	}
	if c.clean < 0 || c.clean > c.durable || c.swap.base < 0 || c.swap.end < c.swap.base || c.swap.end > c.durable {
		return checkpointError("offsets %d, %d to %d, %d of compaction make no sense together", c.clean, c.swap.base, c.swap.end, c.durable)
	}
	due := c.first
	for i, e := range c.full {
		if e.bytes <= 0 || i == 0 && e.base != due || i > 0 && e.base <= due {
			return checkpointError("its segment %d is out of order", i)
		}
		due = e.base
	}
	if c.open > c.durable || len(c.full) == 0 && c.open != due || len(c.full) > 0 && c.open <= due {
		return checkpointError("its open segment %d is out of order", c.open)
	}
	return nil
}

func checkpointError(format string, args ...any) error {
	return log.NewError(log.Corrupt, "read checkpoint", format, args...)
}

// fields reads fields from the front of rest. After one that is not there bad is set.
type fields struct {
	rest []byte
	bad  bool
}

func (r *fields) take(n uint32, size int) []byte {
	want := int64(n) * int64(size)
	if r.bad || want > int64(len(r.rest)) {
		r.bad = true
		return nil
	}
	b := r.rest[:want:want]
	r.rest = r.rest[want:]
	return b
}

func (r *fields) int64() int64 {
	if b := r.take(8, 1); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *fields) uint32() uint32 {
	if b := r.take(4, 1); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// readCheckpoint returns the checkpoint in dir, or nil when there is none.
func readCheckpoint(fsys vfs.FS, dir string) (*checkpoint, error) {
	b, err := vfs.ReadFile(fsys, path.Join(dir, checkpointName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeCheckpoint(b)
}

func (c *checkpoint) write(fsys vfs.FS, dir string) error {
	return vfs.AtomicWriteFile(fsys, path.Join(dir, checkpointName), c.encode())
}

func crcOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
