package commitlog

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"

	"lodge/log"
)

// indexInterval is the distance in bytes between two entries of an index.
const indexInterval = 4 << 10

// place is an entry of the offset index: the batch with base offset base+rel begins at byte pos.
type place struct{ rel, pos uint32 }

// moment is an entry of the time index: no record before the batch with base offset base+rel is younger than before.
type moment struct {
	before int64 // milliseconds since 1970
	rel    uint32
}

// index finds places in one segment. It holds an entry for the first batch and then one every indexInterval
// bytes, unless a batch is longer. Invariant: places and moments ascend strictly; each moment has its place.
type index struct {
	base    log.Offset
	places  []place
	moments []moment
	maxTime int64 // of all records, milliseconds; noTime when there are none
}

const noTime = math.MinInt64

func newIndex(base log.Offset) *index { return &index{base: base, maxTime: noTime} }

// add takes in the batch that begins at pos. Batches come in order.
func (x *index) add(base log.Offset, maxTime, pos int64) {
	if n := len(x.places); n == 0 || pos-int64(x.places[n-1].pos) >= indexInterval {
		x.addEntry(uint32(base-x.base), uint32(pos))
	}
	x.maxTime = max(x.maxTime, maxTime)
}

func (x *index) addEntry(rel, pos uint32) {
	x.places = append(x.places, place{rel: rel, pos: pos})
	if n := len(x.moments); x.maxTime != noTime && (n == 0 || x.maxTime > x.moments[n-1].before) {
		x.moments = append(x.moments, moment{before: x.maxTime, rel: rel})
	}
}

// find returns the last known place at or before offset: its byte position and base offset.
func (x *index) find(offset log.Offset) (pos int64, base log.Offset) {
	rel := offset - x.base
	i, found := slices.BinarySearchFunc(x.places, rel, func(p place, rel log.Offset) int { return cmp.Compare(log.Offset(p.rel), rel) })
	if !found {
		i--
	}
	if i < 0 {
		return 0, x.base
	}
	return int64(x.places[i].pos), x.base + log.Offset(x.places[i].rel)
}

// findTime returns an offset before which all records are older than t (milliseconds).
func (x *index) findTime(t int64) log.Offset {
	i, _ := slices.BinarySearchFunc(x.moments, t, func(m moment, t int64) int { return cmp.Compare(m.before, t) })
	if i == 0 {
		return x.base
	}
	return x.base + log.Offset(x.moments[i-1].rel)
}

// Index files. Both begin with the same header; integers are big endian:
//
//	 0  4 bytes  "LDGo" offset index, "LDGt" time index
//	 4  uint16   version = 1
//	 6  uint16   0
//	 8  int64    base offset of the segment
//	16  int64    bytes of the segment that the index describes
//	24  int64    youngest timestamp in the segment, milliseconds
//	32  uint32   entries
//	36  uint32   CRC-32C of the rest of the file: bytes 0 to 36 and 40 to the end
//	40           entries: offset index: relative offset uint32, position uint32
//	                      time index: timestamp int64, relative offset uint32
const (
	indexHeaderSize = 40
	placeSize       = 8
	momentSize      = 12
	offsetMagic     = "LDGo"
	timeMagic       = "LDGt"
	indexVersion    = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (x *index) appendHeader(magic string, segmentBytes int64, entries int) []byte {
	b := append(make([]byte, 0, indexHeaderSize+entries*momentSize), magic...)
	b = binary.BigEndian.AppendUint16(b, indexVersion)
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(x.base))
	b = binary.BigEndian.AppendUint64(b, uint64(segmentBytes))
	b = binary.BigEndian.AppendUint64(b, uint64(x.maxTime))
	b = binary.BigEndian.AppendUint32(b, uint32(entries))
	return binary.BigEndian.AppendUint32(b, 0)
}

func sealIndex(b []byte) []byte {
	binary.BigEndian.PutUint32(b[36:], indexCRC(b))
	return b
}

func indexCRC(b []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, b[:36]), castagnoli, b[indexHeaderSize:])
}

func (x *index) encodePlaces(segmentBytes int64) []byte {
	b := x.appendHeader(offsetMagic, segmentBytes, len(x.places))
	for _, p := range x.places {
		b = binary.BigEndian.AppendUint32(b, p.rel)
		b = binary.BigEndian.AppendUint32(b, p.pos)
	}
	return sealIndex(b)
}

func (x *index) encodeMoments(segmentBytes int64) []byte {
	b := x.appendHeader(timeMagic, segmentBytes, len(x.moments))
	for _, m := range x.moments {
		b = binary.BigEndian.AppendUint64(b, uint64(m.before))
		b = binary.BigEndian.AppendUint32(b, m.rel)
	}
	return sealIndex(b)
}

// decodeIndex reads back what encodePlaces and encodeMoments wrote for a segment of that base and size.
func decodeIndex(places, moments []byte, base log.Offset, segmentBytes int64) (*index, error) {
	x := newIndex(base)
	entries, err := x.decodeHeader(places, offsetMagic, segmentBytes, placeSize)
	if err != nil {
		return nil, err
	}
	for ; len(entries) > 0; entries = entries[placeSize:] {
		x.places = append(x.places, place{rel: binary.BigEndian.Uint32(entries), pos: binary.BigEndian.Uint32(entries[4:])})
	}
	maxTime := x.maxTime
	entries, err = x.decodeHeader(moments, timeMagic, segmentBytes, momentSize)
	if err != nil {
		return nil, err
	}
	for ; len(entries) > 0; entries = entries[momentSize:] {
		x.moments = append(x.moments, moment{before: int64(binary.BigEndian.Uint64(entries)), rel: binary.BigEndian.Uint32(entries[8:])})
	}
	if x.maxTime != maxTime {
		return nil, indexError("the two disagree on the youngest record")
	}
	return x, x.check(segmentBytes)
}

func (x *index) decodeHeader(b []byte, magic string, segmentBytes int64, entrySize int) (entries []byte, err error) {
	switch {
	case len(b) < indexHeaderSize:
		return nil, indexError("%d bytes are less than a header", len(b))
	case string(b[:4]) != magic || binary.BigEndian.Uint32(b[4:]) != indexVersion<<16:
		return nil, indexError("not an index of version %d", indexVersion)
	case binary.BigEndian.Uint32(b[36:]) != indexCRC(b):
		return nil, indexError("its CRC is wrong")
	case log.Offset(binary.BigEndian.Uint64(b[8:])) != x.base || int64(binary.BigEndian.Uint64(b[16:])) != segmentBytes:
		return nil, indexError("it describes another segment or another state of it")
	}
	x.maxTime = int64(binary.BigEndian.Uint64(b[24:]))
	n := binary.BigEndian.Uint32(b[32:])
	if int64(len(b)-indexHeaderSize) != int64(n)*int64(entrySize) {
		return nil, indexError("%d bytes do not hold %d entries", len(b), n)
	}
	return b[indexHeaderSize:], nil
}

// check verifies the invariant of index: what passes can only point to wrong places if its CRC lies.
func (x *index) check(segmentBytes int64) error {
	for i, p := range x.places {
		if int64(p.pos) >= segmentBytes || i == 0 && p != (place{}) || i > 0 && (p.rel <= x.places[i-1].rel || p.pos <= x.places[i-1].pos) {
			return indexError("its entry %d is out of order", i)
		}
	}
	for i, m := range x.moments {
		if i > 0 && (m.before <= x.moments[i-1].before || m.rel <= x.moments[i-1].rel) || m.before > x.maxTime {
			return indexError("its time entry %d is out of order", i)
		}
		if pos, base := x.find(x.base + log.Offset(m.rel)); pos == 0 || base != x.base+log.Offset(m.rel) {
			return indexError("its time entry %d has no place", i)
		}
	}
	return nil
}

func indexError(format string, args ...any) error {
	return log.NewError(log.Corrupt, "read index", format, args...)
}
