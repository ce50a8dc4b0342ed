package queue

import (
	"encoding/binary"
	"maps"
	"math/bits"
	"slices"

	"lodge/log"
)

// How a partition's standing is stored
//
// As entries of a compacted topic, so that the last one of each key counts: the head, and blocks of 64 offsets. What changed
// since the last call of Changes is written as one batch: all of it is there after a crash, or none. A block wholly below the floor, or
// that says nothing, has no value: a tombstone.
//
//	head    version=1 · floor uvarint · next uvarint
//	block   version=1 · done 8 bytes little-endian · count uvarint · count × (index byte · state byte · deliveries uvarint ·
//	        at varint (milliseconds) · length of cause uvarint · cause)

const version = 1

// Head is the key of the entry that holds floor and next.
const Head int64 = -1

// Entry is one piece of the standing: the head, or a block by its number.
type Entry struct {
	Key   int64
	Value []byte // nil: a tombstone
}

// Changes returns what is to be stored since the last call, the head first; nil when there is nothing.
func (p *Partition) Changes() []Entry {
	if !p.moved && len(p.changed) == 0 {
		return nil
	}
	head := []byte{version}
	head = binary.AppendUvarint(head, uint64(p.floor))
	head = binary.AppendUvarint(head, uint64(p.next))
	entries := []Entry{{Key: Head, Value: head}}
	for _, b := range slices.Sorted(maps.Keys(p.changed)) {
		entries = append(entries, Entry{Key: b, Value: p.encodeBlock(b)})
	}
	p.moved = false
	clear(p.changed)
	return entries
}

// Blocks returns the keys under which something is stored, without the head: what to write tombstones for when the queue is deleted.
func (p *Partition) Blocks() []int64 {
	blocks := map[int64]bool{}
	for b := range p.done {
		blocks[b] = true
	}
	for offset := range p.items {
		blocks[block(offset)] = true
	}
	return slices.Sorted(maps.Keys(blocks))
}

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
	there       bool
	done        map[int64]uint64
	items       map[int64]map[log.Offset]*item
}

// Load takes one entry in. The error has code Corrupt or UnsupportedFormat; then nothing of it is taken.
func (l *Loader) Load(e Entry) error {
	if l.done == nil {
		l.done, l.items = map[int64]uint64{}, map[int64]map[log.Offset]*item{}
	}
	if e.Value == nil {
		delete(l.done, e.Key)
		delete(l.items, e.Key)
		return nil
	}
	r := reader{rest: e.Value}
	if v := r.byte(); v != version && !r.short {
		return log.NewError(log.UnsupportedFormat, "load queue", "version %d, known is %d", v, version)
	}
	if e.Key == Head {
		floor, next := r.uvarint(), r.uvarint()
		if !r.ended() || floor > next || next > 1<<62 {
			return corrupt(e.Key)
		}
		l.floor, l.next, l.there = log.Offset(floor), log.Offset(next), true
		return nil
	}
	done, items, ok := r.block(e.Key)
	if !ok {
		return corrupt(e.Key)
	}
	l.done[e.Key], l.items[e.Key] = done, items
	return nil
}

func corrupt(key int64) error {
	return log.NewError(log.Corrupt, "load queue", "entry %d is not what was written", key)
}

// Partition returns what was loaded, or a new one at start when nothing was.
func (l *Loader) Partition(config log.QueueConfig, start log.Offset) *Partition {
	p := New(config, start)
	if !l.there {
		return p
	}
	p.floor, p.next, p.moved = l.floor, l.next, false
	for b, done := range l.done {
		if (b+1)*blockSize > int64(p.floor) && done != 0 {
			p.done[b] = done
		}
	}
	for _, items := range l.items {
		for offset, it := range items {
			if offset < p.floor || offset >= p.next {
				continue
			}
			p.items[offset] = it
			p.timers.Push(timer{at: it.at, offset: offset})
			if it.state == waiting && p.exhausted(it) {
				p.enqueue(offset, it)
			}
		}
	}
	slices.SortFunc(p.timers, func(a, b timer) int { return int(max(-1, min(1, a.at-b.at))) }) // a sorted slice is a heap
	return p
}

// reader reads numbers one after the other. After the first that is not there all are 0 and short is set.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.short, r.rest = true, nil
		return make([]byte, max(0, min(n, 8)))
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) byte() byte { return r.take(1)[0] }

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.short, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.short, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) ended() bool { return !r.short && len(r.rest) == 0 }

// block reads a block's value behind its version.
func (r *reader) block(number int64) (done uint64, items map[log.Offset]*item, ok bool) {
	done = binary.LittleEndian.Uint64(r.take(8))
	count := r.uvarint()
	if number < 0 || number > 1<<56 || r.short || count > blockSize || int(count) > blockSize-bits.OnesCount64(done) {
		return 0, nil, false
	}
	items = make(map[log.Offset]*item, count)
	last := -1
	for range count {
		index, it := int(r.byte()), &item{state: state(r.byte())}
		deliveries := r.uvarint()
		it.at = r.varint()
		length := r.uvarint()
		if r.short || length > causeMax {
			return 0, nil, false
		}
		it.deliveries, it.cause = int32(deliveries), string(r.take(int(length)))
		if r.short || index <= last || index >= blockSize || it.state > waiting || deliveries > 1<<30 || done&(1<<index) != 0 {
			return 0, nil, false
		}
		last = index
		items[log.Offset(number*blockSize+int64(index))] = it
	}
	return done, items, r.ended()
}
