package commitlog

import (
	"cmp"
	"math/bits"
	"slices"
	"sync"

	"lodge/log"
	"lodge/log/internal/record"
)

// Tag indexes
//
// A tag index says which keys and tags a segment's records have, stretch by stretch, so that a filtered read steps over stretches
// without reading them. It says "none" for certain and "perhaps" with an error of one in a hundred for each key or tag asked for:
//
//	segment   ┌───────────────┬───────────────┬───────────────┬── ─ ─
//	          │ 16 KiB of     │ 16 KiB of     │ one large     │ open
//	          │ whole batches │ whole batches │ batch         │
//	          └───────────────┴───────────────┴───────────────┴── ─ ─
//	index       place, bloom    place, bloom    place, bloom    set of marks
//
// A mark is a 32-bit hash of a key or a tag (package record). The writer adds the marks of what it writes to the index of the active
// segment; when the segment is full the index is left beside it as a disposable file, see tagfile.go. A filtered read that meets a segment
// without index makes one from the batches, as far as its own byte limit goes; the next read goes on.
//
// What lies behind an index's end is not known and must be read.

// stretchBytes is how much of a segment is described as one: chosen by measurement, see log/DESIGN.md.
const stretchBytes = 16 << 10

// bloomBits is the bits of a filter for each of its marks, bloomProbes how many of them a mark sets: 1 % errors.
const (
	bloomBits   = 10
	bloomProbes = 7
)

// tagIndex is the tag index of one segment. Safe for concurrent use.
type tagIndex struct {
	base   log.Offset
	header string // whose value is the tag

	owner *segment  // whose tags field it is in, unless the cache took it out
	cache *TagCache // or nil
	entry *tagEntry // owned by cache

	catching sync.Mutex // held while batches are read to go on with the index; locked before mu

	mu        sync.Mutex
	stretches []stretch  // complete ones, in order. Appended to only: a reader may keep the slice
	open      stretch    // the last one
	sealed    bool       // the marks of open are in its bloom filter; else they are in set, and open may grow
	set       markSet    // of open
	done      int64      // bytes of the segment taken in
	next      log.Offset // behind them
	first     uint32     // CRC of the first batch
	last      lastBatch
	broken    bool // a batch at done cannot be read: the index ends here
}

// lastBatch is how the end of what is described is known again.
type lastBatch struct{ pos, crc uint32 }

// stretch describes whole batches one behind the other.
type stretch struct {
	rel, pos uint32 // relative base offset and place of the first batch
	any      bool   // perhaps anything: it holds records that cannot be read
	bloom    []byte
}

func newTagIndex(base log.Offset, header string) *tagIndex {
	return &tagIndex{base: base, next: base, header: header}
}

// add takes in the batch at byte done; unreadable: its records have marks that are not known. mu must be held.
func (x *tagIndex) add(h *record.Header, marks []uint32, unreadable bool) {
	size := int64(h.Size())
	if x.done == 0 {
		x.first = h.CRC
		x.open = stretch{rel: uint32(h.BaseOffset - x.base)}
	} else if x.sealed || x.done+size-int64(x.open.pos) > stretchBytes {
		x.seal()
		x.stretches = append(x.stretches, x.open)
		x.cache.grow(x, x.open.memory())
		x.open = stretch{rel: uint32(h.BaseOffset - x.base), pos: uint32(x.done)}
		x.sealed = false
	}
	x.last = lastBatch{pos: uint32(x.done), crc: h.CRC}
	x.open.any = x.open.any || unreadable
	for _, m := range marks {
		x.set.add(m)
	}
	x.done += size
	x.next = h.NextOffset()
}

// seal gives the open stretch its filter, so that the index is complete as of now. mu must be held.
func (x *tagIndex) seal() {
	if x.sealed || x.done == 0 {
		return
	}
	x.open.bloom = x.set.bloom()
	x.set.clear()
	x.sealed = true
}

// memory returns about how many bytes a stretch takes.
func (s *stretch) memory() int64 { return int64(len(s.bloom)) + 48 }

// row is some stretches one behind the other.
type row struct {
	base     log.Offset // of the first batch
	pos, end int64
}

// find returns the first row of stretches at or after offset from that may hold what m chooses, of about bytesMax. Without
// one ok is false. next is the offset at which the index ends.
func (x *tagIndex) find(from log.Offset, m *record.Matcher, bytesMax int) (r row, next log.Offset, ok bool) {
	x.mu.Lock()
	list, open, done := x.stretches, x.open, x.done
	next = x.next
	openHolds := x.openHolds(m)
	x.mu.Unlock()
	if from >= next || done == 0 {
		return r, next, false
	}
	i, found := slices.BinarySearchFunc(list, from-x.base, func(s stretch, rel log.Offset) int { return cmp.Compare(log.Offset(s.rel), rel) })
	if !found {
		i--
	}
	if i == len(list)-1 && from >= x.base+log.Offset(open.rel) { // within the open one
		i++
	}
	i = max(i, 0)
	for i < len(list) && !list[i].mayHold(m) {
		i++
	}
	if i == len(list) && !openHolds {
		return r, next, false
	}
	first := open
	if i < len(list) {
		first = list[i]
	}
	r = row{base: x.base + log.Offset(first.rel), pos: int64(first.pos), end: done}
	for i++; i <= len(list); i++ {
		at, holds := open.pos, openHolds
		if i < len(list) {
			at, holds = list[i].pos, list[i].mayHold(m)
		}
		if !holds || int64(at)-r.pos >= int64(bytesMax) {
			r.end = int64(at)
			break
		}
	}
	return r, next, true
}

// openHolds reports whether the open stretch may hold a record that m chooses. mu must be held.
func (x *tagIndex) openHolds(m *record.Matcher) bool {
	if x.sealed {
		return x.open.mayHold(m)
	}
	return x.done > 0 && (x.open.any || x.set.holdsAny(m.TagMarks) && x.set.holdsAny(m.KeyMarks))
}

// mayHold reports whether the stretch may hold a record that m chooses.
func (s *stretch) mayHold(m *record.Matcher) bool {
	return s.any || bloomHoldsAny(s.bloom, m.TagMarks) && bloomHoldsAny(s.bloom, m.KeyMarks)
}

// bloomHoldsAny reports whether one of marks may be in the filter, or there are none to ask for.
func bloomHoldsAny(bloom []byte, marks []uint32) bool {
	for _, m := range marks {
		if bloomHolds(bloom, m) {
			return true
		}
	}
	return len(marks) == 0
}

func bloomHolds(bloom []byte, mark uint32) bool {
	n := uint64(len(bloom)) * 8
	if n == 0 {
		return false
	}
	at, step := probes(mark)
	for range bloomProbes {
		bit := uint64(at) * n >> 32
		if bloom[bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
		at += step
	}
	return true
}

func bloomAdd(bloom []byte, mark uint32) {
	n := uint64(len(bloom)) * 8
	at, step := probes(mark)
	for range bloomProbes {
		bit := uint64(at) * n >> 32
		bloom[bit/8] |= 1 << (bit % 8)
		at += step
	}
}

// probes makes two independent numbers of a mark (the finalizer of MurmurHash3, which Bloom filters are stored by).
func probes(mark uint32) (at, step uint32) {
	h := uint64(mark) * 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return uint32(h), uint32(h>>32) | 1
}

// markSet is a set of marks: open addressing, at most half full.
type markSet struct {
	slots []uint32 // 0: free
	zero  bool     // the mark 0 is in it
	n     int      // marks in slots
	last  uint32   // added last: tags repeat
}

const (
	markSlotsMin = 64
	markSlotsMax = 8192 // kept for the next stretch
)

func (s *markSet) add(mark uint32) {
	if mark == s.last && mark != 0 {
		return
	}
	s.last = mark
	if mark == 0 {
		s.zero = true
		return
	}
	if 2*s.n >= len(s.slots) {
		s.grow()
	}
	if i := s.slot(mark); s.slots[i] == 0 {
		s.slots[i] = mark
		s.n++
	}
}

// slot returns where mark is, or would be.
func (s *markSet) slot(mark uint32) int {
	mask := len(s.slots) - 1
	for i := int(mark*0x9e3779b1>>(32-uint(bits.Len(uint(mask))))) & mask; ; i = (i + 1) & mask {
		if s.slots[i] == 0 || s.slots[i] == mark {
			return i
		}
	}
}

func (s *markSet) grow() {
	old := s.slots
	s.slots = make([]uint32, max(markSlotsMin, 2*len(old)))
	for _, mark := range old {
		if mark != 0 {
			s.slots[s.slot(mark)] = mark
		}
	}
}

func (s *markSet) clear() {
	if len(s.slots) > markSlotsMax {
		s.slots = nil
	}
	clear(s.slots)
	*s = markSet{slots: s.slots}
}

// holdsAny reports whether one of marks is in the set, or there are none to ask for.
func (s *markSet) holdsAny(marks []uint32) bool {
	for _, m := range marks {
		if m == 0 && s.zero || m != 0 && s.n > 0 && s.slots[s.slot(m)] == m {
			return true
		}
	}
	return len(marks) == 0
}

// bloom returns a filter of the set, nil when it is empty.
func (s *markSet) bloom() []byte {
	n := s.n
	if s.zero {
		n++
	}
	if n == 0 {
		return nil
	}
	bloom := make([]byte, (n*bloomBits+7)/8)
	for _, mark := range s.slots {
		if mark != 0 {
			bloomAdd(bloom, mark)
		}
	}
	if s.zero {
		bloomAdd(bloom, 0)
	}
	return bloom
}
