package commands

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"

	"github.com/google/uuid"

	"lodge/log"
)

// requests remembers which request ids a partition has applied, and where in the log their events are. The answer itself is not
// kept: it is read back from the log.
//
// Entries of 32 bytes stand in order of application in a line of chunks; a hash table of 256 independently growing
// parts finds them by id, with 4 bytes a slot and at most 3/4 of the slots taken. That makes 38 to 43 bytes for each request, and no growth
// stops the processor for longer than it takes to rehash 1/256 of them.
//
// Not safe for concurrent use: it belongs to the processor.
type requests struct {
	limits requestLimits
	newest uint32 // the latest command time seen, in seconds

	// Entries head to tail-1 are remembered; entry n lies in chunks[n/chunkLen - first/chunkLen] where first is head rounded down.
	chunks     []*[chunkLen]requestEntry
	head, tail uint64

	seed  maphash.Seed
	parts [256]requestPart
}

type requestLimits struct {
	ttl  uint32 // seconds
	kept int    // this many of the latest are never forgotten
	most int
}

// requestEntry is one applied request. fp holds the first 4 bytes of the fingerprint: enough to refuse most other bodies at once; the whole
// fingerprint is compared when the answer is read from the log.
type requestEntry struct {
	id   uuid.UUID
	ref  requestRef
	time uint32 // command time in seconds since 1970, 0 if before
	fp   uint32
}

// requestPart is an open-addressing table with linear probing. A slot holds the low 32 bits of an entry's number, 0 when free;
// entry numbers whose low 32 bits are 0 are never given to a request: there lies a hole, an entry without a ref.
type requestPart struct {
	slots []uint32
	used  int
}

const (
	chunkLen     = 4096
	requestBytes = 32
)

// requestRef says where a request's events are: 21 bits of count, 3 bits of topic plus one (so that a ref is never zero), 40 bits of offset.
type requestRef uint64

const (
	refOffsetMax = 1<<40 - 1
	refCountMax  = 1<<21 - 1
)

func newRequestRef(topic int, base log.Offset, count int) requestRef {
	return requestRef(uint64(count)<<43 | uint64(topic+1)<<40 | uint64(base))
}

func (r requestRef) topic() int         { return int(r>>40&7) - 1 }
func (r requestRef) offset() log.Offset { return log.Offset(r & refOffsetMax) }
func (r requestRef) count() int         { return int(r >> 43) }

func newRequests(limits requestLimits) *requests {
	return &requests{limits: limits, head: 1, tail: 1, seed: maphash.MakeSeed()}
}

// len returns the number of entries, which may count a hole as one.
func (r *requests) len() int { return int(r.tail - r.head) }

// find returns the entry of id, or nil.
func (r *requests) find(id uuid.UUID) *requestEntry {
	part, slot := r.probe(id)
	if part.slots == nil || part.slots[slot] == 0 {
		return nil
	}
	return r.entry(r.number(part.slots[slot]))
}

// full reports whether a new id has no place: as many as allowed are remembered and the oldest must stay.
func (r *requests) full() bool {
	return r.len() >= r.limits.most && !r.forgettable()
}

// put remembers an id, anew when it was used before: the line has a hole where it was.
func (r *requests) put(e requestEntry) {
	if known := r.find(e.id); known != nil {
		r.remove(e.id)
		*known = requestEntry{}
	}
	r.add(e)
}

// add remembers an id that find does not know, and forgets what has become too old.
func (r *requests) add(e requestEntry) {
	r.newest = max(r.newest, e.time)
	if uint32(r.tail) == 0 {
		r.push(requestEntry{}) // a hole: see requestPart
	}
	number := r.push(e)
	r.insert(e.id, number)
	for range 2 {
		if r.forgettable() {
			r.forget()
		}
	}
}

func (r *requests) forgettable() bool {
	return r.len() > r.limits.kept && uint64(r.oldest().time)+uint64(r.limits.ttl) < uint64(r.newest)
}

func (r *requests) oldest() *requestEntry { return r.entry(r.head) }

// forget drops the oldest entry.
func (r *requests) forget() {
	if e := r.oldest(); e.ref != 0 {
		r.remove(e.id)
	}
	r.head++
	if r.head%chunkLen == 0 {
		r.chunks = slices.Delete(r.chunks, 0, 1)
	}
}

// push appends an entry to the line and returns its number.
func (r *requests) push(e requestEntry) uint64 {
	number := r.tail
	r.tail++
	if number%chunkLen == 0 || len(r.chunks) == 0 {
		r.chunks = append(r.chunks, new([chunkLen]requestEntry))
	}
	*r.entry(number) = e
	return number
}

func (r *requests) entry(number uint64) *requestEntry {
	return &r.chunks[number/chunkLen-r.head/chunkLen][number%chunkLen]
}

// number widens a slot's 32 bits: fewer than 2^32 entries are remembered, so there is one answer.
func (r *requests) number(slot uint32) uint64 {
	return r.head + uint64(slot-uint32(r.head))
}

// probe returns the part of id and the slot where it is or would be.
func (r *requests) probe(id uuid.UUID) (*requestPart, uint32) {
	h := maphash.Bytes(r.seed, id[:])
	part := &r.parts[byte(h)]
	if part.slots == nil {
		return part, 0
	}
	mask := uint32(len(part.slots) - 1)
	slot := uint32(h>>8) & mask
	for part.slots[slot] != 0 && r.entry(r.number(part.slots[slot])).id != id {
		slot = (slot + 1) & mask
	}
	return part, slot
}

func (r *requests) insert(id uuid.UUID, number uint64) {
	part, _ := r.probe(id)
	if 4*(part.used+1) > 3*len(part.slots) {
		r.grow(part)
	}
	_, slot := r.probe(id)
	part.slots[slot] = uint32(number)
	part.used++
}

// grow doubles a part, from 8 slots on.
func (r *requests) grow(part *requestPart) {
	old := part.slots
	part.slots = make([]uint32, max(8, 2*len(old)))
	for _, number := range old {
		if number != 0 {
			_, slot := r.probe(r.entry(r.number(number)).id)
			part.slots[slot] = number
		}
	}
}

// remove frees the slot of id and moves back those behind it that had to give way (Knuth 6.4, algorithm R).
func (r *requests) remove(id uuid.UUID) {
	part, hole := r.probe(id)
	mask := uint32(len(part.slots) - 1)
	part.used--
	for next := (hole + 1) & mask; part.slots[next] != 0; next = (next + 1) & mask {
		other := r.entry(r.number(part.slots[next])).id
		home := uint32(maphash.Bytes(r.seed, other[:])>>8) & mask
		if (next-home)&mask >= (next-hole)&mask {
			part.slots[hole] = part.slots[next]
			hole = next
		}
	}
	part.slots[hole] = 0
}

// all calls f for every entry, oldest first.
func (r *requests) all(f func(*requestEntry)) {
	for n := r.head; n < r.tail; n++ {
		if e := r.entry(n); e.ref != 0 {
			f(e)
		}
	}
}

// bytes returns the memory taken.
func (r *requests) bytes() int {
	n := len(r.chunks) * chunkLen * requestBytes
	for i := range r.parts {
		n += 4 * len(r.parts[i].slots)
	}
	return n
}

// merged returns r's requests and those that came after them, each topic's by itself, in order of their times, and forgets what is too old
// among all of them. A replay goes topic by topic: in one line, what was replayed first would be forgotten first however young,
// and if it may not be forgotten yet nothing behind it would be.
func (r *requests) merged(newer ...*requests) *requests {
	newer = slices.DeleteFunc(newer, func(n *requests) bool { return n.len() == 0 })
	if len(newer) == 0 {
		return r
	}
	if later, ok := r.after(newer); ok {
		for _, e := range later {
			r.put(e)
		}
		return r
	}
	var entries []requestEntry
	r.all(func(e *requestEntry) {
		if !slices.ContainsFunc(newer, func(n *requests) bool { return n.find(e.id) != nil }) {
			entries = append(entries, *e)
		}
	})
	for _, n := range newer {
		n.all(func(e *requestEntry) { entries = append(entries, *e) })
	}
	slices.SortStableFunc(entries, func(a, b requestEntry) int { return cmp.Compare(a.time, b.time) })
	out := newRequests(r.limits)
	for _, e := range entries {
		out.put(e)
	}
	return out
}

// after returns the requests that came later in order of their times, and false when one of them is older than the latest of r.
func (r *requests) after(newer []*requests) (later []requestEntry, ok bool) {
	for _, n := range newer {
		n.all(func(e *requestEntry) { later = append(later, *e) })
	}
	slices.SortStableFunc(later, func(a, b requestEntry) int { return cmp.Compare(a.time, b.time) })
	return later, len(later) == 0 || later[0].time >= r.newest
}

// requestFP is the part of a fingerprint that is kept in memory.
func requestFP(fingerprint [16]byte) uint32 { return binary.LittleEndian.Uint32(fingerprint[:4]) }
