package queue

import (
	"container/heap"
	"encoding/binary"
	"maps"
	"math/bits"
	"slices"

	"lodge/log"
	"lodge/log/internal/varint"
)

// How a partition's standing is stored
//
// As entries of a compacted topic, so that the last one of each key counts: the head, and blocks of 64 offsets. What changed
// since the last call of Changes is written in its order: blocks, the head, and the tombstones of blocks that are wholly below the floor
// or say nothing. After a crash any first part of it may be there, and makes sense: a block beyond the head's next does not count,
// and one below its floor neither.
//
//	head    version=2 · floor uvarint · next uvarint · incarnation uvarint, which version 1 has not
//	block   version=1 · done 8 bytes little-endian · count uvarint · count × (index byte · state byte · deliveries uvarint ·
//	        at varint (milliseconds) · length of cause uvarint · cause)

const (
	version     = 1
	headVersion = 2
)

// Head is the key of the entry that holds floor and next.
const Head int64 = -1

// Entry is one piece of the standing: the head, or a block by its number.
type Entry struct {
	Key   int64
	Value []byte // nil: a tombstone
}

// Changes returns what is to be stored since the last call, in this order; nil when there is nothing.
func (p *Partition) Changes() []Entry {
	if !p.moved && len(p.changed) == 0 {
		return nil
	}
	head := []byte{headVersion}
	for _, n := range []uint64{uint64(p.floor), uint64(p.next), uint64(p.number)} {
		head = binary.AppendUvarint(head, n)
	}
	var entries, tombstones []Entry
	for _, b := range slices.Sorted(maps.Keys(p.changed)) {
		switch value := p.encodeBlock(b); {
		case value != nil:
			p.stored[b] = true
			entries = append(entries, Entry{Key: b, Value: value})
		case p.stored[b]:
			delete(p.stored, b)
			tombstones = append(tombstones, Entry{Key: b})
		}
	}
	entries = append(append(entries, Entry{Key: Head, Value: head}), tombstones...)
	p.moved = false
	clear(p.changed)
	return entries
}

// Blocks returns the keys under which something is stored, without the head: what to write tombstones for when the queue is deleted.
func (p *Partition) Blocks() []int64 { return slices.Sorted(maps.Keys(p.stored)) }

func (p *Partition) encodeBlock(b int64) []byte {
	var body []byte
	count := 0
	for i := range int64(blockSize) {
		it := p.items[log.Offset(b*blockSize+i)]
		if it == nil {
			continue
		}
		count++
		body = append(body, byte(i), byte(it.state))
		body = binary.AppendUvarint(body, uint64(it.deliveries))
		body = binary.AppendVarint(body, it.at)
		body = binary.AppendUvarint(body, uint64(len(it.cause)))
		body = append(body, it.cause...)
	}
	if count == 0 && p.done[b] == 0 {
		return nil
	}
	value := binary.LittleEndian.AppendUint64([]byte{version}, p.done[b])
	return append(binary.AppendUvarint(value, uint64(count)), body...)
}

// Loader puts stored entries together, in the order in which they were written.
type Loader struct {
	floor, next log.Offset
	number      Incarnation
	there       bool
	clamped     bool
	done        map[int64]uint64
	items       map[int64]map[log.Offset]*item
}

// Load takes one entry in. The error has code Corrupt or UnsupportedFormat; then nothing of it is taken.
func (l *Loader) Load(e Entry) error {
	if l.done == nil {
		l.done, l.items = map[int64]uint64{}, map[int64]map[log.Offset]*item{}
	}
	if e.Value == nil {
		if e.Key == Head {
			l.floor, l.next, l.there = 0, 0, false
		}
		delete(l.done, e.Key)
		delete(l.items, e.Key)
		return nil
	}
	r := varint.Reader{Rest: e.Value}
	known := byte(version)
	if e.Key == Head {
		known = headVersion
	}
	v := r.Byte()
	if !r.Bad && (v < version || v > known) {
		return log.NewError(log.UnsupportedFormat, "load queue", "version %d, known is %d", v, known)
	}
	if e.Key == Head {
		return l.loadHead(&r, v)
	}
	done, items, ok := readBlock(&r, e.Key)
	if !ok {
		return corrupt(e.Key)
	}
	l.done[e.Key], l.items[e.Key] = done, items
	return nil
}

// loadHead takes in the head behind its version.
func (l *Loader) loadHead(r *varint.Reader, version byte) error {
	floor, next, number := r.Uvarint(), r.Uvarint(), uint64(0)
	if version == headVersion {
		number = r.Uvarint()
	}
	if !r.Ended() || floor > next || next > 1<<62 || number >= 1<<31 {
		return corrupt(Head)
	}
	l.floor, l.next, l.number, l.there = log.Offset(floor), log.Offset(next), Incarnation(number), true
	return nil
}

func corrupt(key int64) error {
	return log.NewError(log.Corrupt, "load queue", "entry %d is not what was written", key)
}

// Empty reports whether nothing was loaded, or nothing was left of it.
func (l *Loader) Empty() bool { return !l.there && len(l.done) == 0 }

// Clamp says that the log ends at end, so that nothing from there on was delivered: after a power loss it may have lost records
// that were, and others will get their offsets. It reports whether that changes something: then what Partition returns is another incarnation, and
// its changes are to be stored before the log goes on.
func (l *Loader) Clamp(end log.Offset, number Incarnation) bool {
	if l.clamped = l.there && l.next > end; l.clamped {
		l.floor, l.next, l.number = min(l.floor, end), end, number
	}
	return l.clamped
}

// Partition returns what was loaded, or a new one at start when nothing was. It may be called again: each one is by itself.
func (l *Loader) Partition(config log.QueueConfig, start log.Offset, number Incarnation) *Partition {
	p := New(config, start, number)
	if l.there {
		p.floor, p.next, p.number, p.moved = l.floor, l.next, l.number, l.clamped
	}
	for b, done := range l.done {
		p.stored[b] = true
		p.loadBlock(b, done, l.items[b])
	}
	heap.Init(&p.timers)
	p.raiseFloor()
	return p
}

// loadBlock takes in what lies between the floor and next. The rest does not count, and is to be stored no longer.
func (p *Partition) loadBlock(b int64, done uint64, items map[log.Offset]*item) {
	kept := done
	if above := b*blockSize + blockSize - int64(p.next); above > 0 {
		kept = kept << min(above, blockSize) >> min(above, blockSize)
	}
	if (b+1)*blockSize <= int64(p.floor) {
		kept = 0
	}
	p.changed[b] = kept != done
	if kept != 0 {
		p.done[b] = kept
	}
	for offset, loaded := range items {
		if offset < p.floor || offset >= p.next {
			p.changed[b] = true
			continue
		}
		it := *loaded
		p.items[offset] = &it
		p.timers = append(p.timers, timer{at: it.at, offset: offset})
		if it.state == waiting && p.exhausted(&it) {
			p.enqueue(offset, &it)
		}
	}
	if !p.changed[b] {
		delete(p.changed, b)
	}
}

// readBlock reads a block's value behind its version.
func readBlock(r *varint.Reader, number int64) (done uint64, items map[log.Offset]*item, ok bool) {
	bitmap := r.Bytes(8)
	count := r.Uvarint()
	if number < 0 || number > 1<<56 || r.Bad {
		return 0, nil, false
	}
	done = binary.LittleEndian.Uint64(bitmap)
	if count > blockSize || int(count) > blockSize-bits.OnesCount64(done) {
		return 0, nil, false
	}
	items = make(map[log.Offset]*item, count)
	last := -1
	for range count {
		index, it := int(r.Byte()), &item{state: state(r.Byte())}
		deliveries := r.Uvarint()
		it.at = r.Varint()
		length := r.Uvarint()
		if r.Bad || length > causeMax {
			return 0, nil, false
		}
		it.deliveries, it.cause = int32(deliveries), string(r.Bytes(length))
		if r.Bad || index <= last || index >= blockSize || it.state > waiting || deliveries > 1<<30 || done&(1<<index) != 0 {
			return 0, nil, false
		}
		last = index
		items[log.Offset(number*blockSize+int64(index))] = it
	}
	return done, items, r.Ended()
}
