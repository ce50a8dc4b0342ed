package commitlog

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// The file of a tag index lies beside its segment. It is disposable: checked when it is read, not synced, made anew when it is missing,
// damaged, or not of the bytes that the segment has now. Integers are big endian:
//
//	 0  4 bytes  "LDGg"
//	 4  uint16   version = 1
//	 6  uint16   bytes of the tag header's name
//	 8  int64    base offset of the segment
//	16  int64    bytes of the segment that the index describes: all
//	24  int64    the offset behind them
//	32  uint32   CRC of the first batch, as its header says it
//	36  uint32   CRC of the last batch
//	40  uint32   position of the last batch
//	44  uint32   stretches
//	48  uint32   CRC-32C of the rest of the file: bytes 0 to 48 and 52 to the end
//	52           the tag header's name
//	             stretches: relative base offset uint32, position uint32, bytes of the filter uint32 (bit 31: perhaps anything)
//	             their filters
//
// A filter is a Bloom filter of as many bits as its bytes have, with 7 probes for each mark: see bloomAdd.
const (
	tagMagic      = "LDGg"
	tagVersion    = 1
	tagHeaderSize = 52
	tagCRCAt      = 48
	stretchSize   = 12
	stretchAny    = 1 << 31
)

// encode returns the file of a sealed index. mu must be held.
func (x *tagIndex) encode() []byte {
	all := append(x.stretches[:len(x.stretches):len(x.stretches)], x.open)
	if x.done == 0 {
		all = nil
	}
	b := append(make([]byte, 0, tagHeaderSize+len(x.header)+len(all)*(stretchSize+64)), tagMagic...)
	b = binary.BigEndian.AppendUint16(b, tagVersion)
	b = binary.BigEndian.AppendUint16(b, uint16(len(x.header)))
	b = binary.BigEndian.AppendUint64(b, uint64(x.base))
	b = binary.BigEndian.AppendUint64(b, uint64(x.done))
	b = binary.BigEndian.AppendUint64(b, uint64(x.next))
	for _, n := range [...]uint32{x.first, x.last.crc, x.last.pos, uint32(len(all)), 0} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	b = append(b, x.header...)
	for _, s := range all {
		size := uint32(len(s.bloom))
		if s.any {
			size |= stretchAny
		}
		b = binary.BigEndian.AppendUint32(b, s.rel)
		b = binary.BigEndian.AppendUint32(b, s.pos)
		b = binary.BigEndian.AppendUint32(b, size)
	}
	for _, s := range all {
		b = append(b, s.bloom...)
	}
	binary.BigEndian.PutUint32(b[tagCRCAt:], tagCRC(b))
	return b
}

func tagCRC(b []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, b[:tagCRCAt]), castagnoli, b[tagHeaderSize:])
}

// decodeTagIndex reads back what encode wrote for a segment of that base and size, and a header of that name. The filters lie in b.
func decodeTagIndex(b []byte, base log.Offset, segmentBytes int64, header string) (*tagIndex, error) {
	x := newTagIndex(base, header)
	switch {
	case len(b) < tagHeaderSize:
		return nil, indexError("%d bytes are less than a header", len(b))
	case string(b[:4]) != tagMagic || binary.BigEndian.Uint16(b[4:]) != tagVersion:
		return nil, indexError("not a tag index of version %d", tagVersion)
	case binary.BigEndian.Uint32(b[tagCRCAt:]) != tagCRC(b):
		return nil, indexError("its CRC is wrong")
	case log.Offset(binary.BigEndian.Uint64(b[8:])) != base || int64(binary.BigEndian.Uint64(b[16:])) != segmentBytes:
		return nil, indexError("it describes another segment or another state of it")
	}
	name, rest := int(binary.BigEndian.Uint16(b[6:])), b[tagHeaderSize:]
	if len(rest) < name || string(rest[:name]) != header {
		return nil, indexError("its tags are those of another header")
	}
	x.done, x.next = segmentBytes, log.Offset(binary.BigEndian.Uint64(b[24:]))
	x.first = binary.BigEndian.Uint32(b[32:])
	x.last = lastBatch{crc: binary.BigEndian.Uint32(b[36:]), pos: binary.BigEndian.Uint32(b[40:])}
	return x, x.decodeStretches(rest[name:], int(binary.BigEndian.Uint32(b[44:])))
}

// decodeStretches checks all that find takes for granted.
func (x *tagIndex) decodeStretches(b []byte, n int) error {
	if n > len(b)/stretchSize || (n == 0) != (x.done == 0) {
		return indexError("%d bytes do not hold %d stretches", len(b), n)
	}
	filters := b[n*stretchSize:]
	before := int64(-1)
	for i := range n {
		entry := b[i*stretchSize:]
		s := stretch{rel: binary.BigEndian.Uint32(entry), pos: binary.BigEndian.Uint32(entry[4:])}
		size := binary.BigEndian.Uint32(entry[8:])
		s.any = size&stretchAny != 0
		size &^= stretchAny
		behind := i > 0 && s.rel <= x.open.rel
		if int64(s.pos) <= before || i == 0 && s.pos != 0 || int64(s.pos) >= x.done || behind || x.base+log.Offset(s.rel) >= x.next {
			return indexError("its stretch %d is out of order", i)
		}
		if int64(size) > int64(len(filters)) {
			return indexError("the filter of its stretch %d is cut off", i)
		}
		s.bloom, filters = filters[:size:size], filters[size:]
		if i > 0 {
			x.stretches = append(x.stretches, x.open)
		}
		x.open, before = s, int64(s.pos)
	}
	if len(filters) > 0 {
		return indexError("bytes behind its last filter")
	}
	if n > 0 && (x.last.pos < x.open.pos || int64(x.last.pos) >= x.done) {
		return indexError("its last batch is not in its last stretch")
	}
	x.sealed = n > 0
	return nil
}

// readTags reads the tag index of a segment from its file, and returns how many bytes that took.
func (l *Log) readTags(s *segment, header string) (x *tagIndex, read int, err error) {
	b, err := vfs.ReadFile(l.fs, s.sibling(tagSuffix))
	if err != nil {
		return nil, 0, err
	}
	if x, err = decodeTagIndex(b, s.base, s.size.Load(), header); err != nil {
		return nil, len(b), err
	}
	return x, len(b), x.checkEnds(l.fs, s)
}

// checkEnds compares the first and the last batch with those that the index was made of: a segment may have been
// written anew with the same size.
func (x *tagIndex) checkEnds(fsys vfs.FS, s *segment) error {
	if x.done == 0 {
		return nil
	}
	file, err := fsys.Open(s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	first, err := headerAt(file, 0)
	if err != nil {
		return err
	}
	last, err := headerAt(file, int64(x.last.pos))
	if err != nil {
		return err
	}
	if first.CRC != x.first || last.CRC != x.last.crc || last.NextOffset() != x.next || int64(x.last.pos)+int64(last.Size()) != x.done {
		return indexError("it describes other batches than the segment has")
	}
	return nil
}

func headerAt(file vfs.File, pos int64) (record.Header, error) {
	var b [record.HeaderSize]byte
	if err := readFull(file, b[:], pos); err != nil {
		return record.Header{}, err
	}
	return record.ParseHeader(b[:])
}

// writeTags leaves the file of a segment's index, if it has one that is complete. A failure costs only time later.
func (l *Log) writeTags(s *segment) {
	x := s.tags.Load()
	if x == nil || len(x.header) > math.MaxUint16 {
		return
	}
	x.mu.Lock()
	if x.done != s.size.Load() {
		x.mu.Unlock()
		return
	}
	x.seal()
	b := x.encode()
	x.mu.Unlock()
	if err := l.replace(s.sibling(tagSuffix), b); err != nil {
		l.logger.Warn("tag index not written; it will be made anew", "partition", l.tp.String(), "segment", s.name(), "error", err)
	}
}
