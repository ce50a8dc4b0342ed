// Package queue is what a queue group knows of one partition: which records are delivered, to be delivered again, or done. It is a
// pure state machine: offsets, receipts and the time go in; what to deliver, what to bury and what to store come out.
// It has no clock, no lock and no I/O; package broker drives it, one call at a time.
//
//	p := queue.New(config, start, incarnation)
//	p.Expire(now)                              // deliveries whose time is up
//	offsets := p.Again(now, 10)                // to be delivered again ...
//	p.Fresh(offset, now)                       // ... and for the first time, in the order of the log
//	err := p.Ack(offset, delivery)
//	changes := p.Changes()                     // to be written, in this order, before anybody is answered
//	p.Load(key, value)                         // what Changes gave, at the next start
//
// Offsets below the floor are done. From next on nothing was delivered. Between them each offset is done, in flight, waiting
// to be delivered again, or dead: delivered often enough and waiting to be buried.
//
//	           floor                       next
//	─ ─ ─ ───────┼──────┬──────┬──────┬──────┼─────── ─ ─
//	   done      │flight│ done │ wait │ dead │   new
//
// A receipt's number is the incarnation and how often the record was delivered: so it names nothing of a standing that was made anew under
// the same names, after the topic, the group, or the end of the log was lost.
//
// It does not know records: who delivers reads them, and says Skip for offsets that the log no longer has.
package queue

import (
	"container/heap"
	"math/bits"
	"math/rand/v2"
	"time"

	"lodge/log"
)

// blockSize is how many offsets are stored together.
const blockSize = 64

// windowMax bounds the offsets between the floor and next, so that one record that is never acknowledged does not make the
// memory of those behind it grow without end: one bit each.
const windowMax = 1 << 22

// causeMax is the longest cause that is kept, in bytes.
const causeMax = 1 << 10

type state uint8

const (
	inFlight state = iota // delivered; at is the deadline
	waiting               // to be delivered again at at, or dead
)

// item is a record that was delivered and is not done.
type item struct {
	state      state
	deliveries int32
	at         int64  // milliseconds
	queued     bool   // in ready or dead
	cause      string // of the last failure
}

// Partition is a queue group's standing in one partition. Not for concurrent use.
type Partition struct {
	config  log.QueueConfig // complete
	number  Incarnation
	floor   log.Offset // Invariant: floor <= next, and the offset at the floor is not done unless it is next
	next    log.Offset
	items   map[log.Offset]*item
	done    map[int64]uint64 // of the offsets in [floor, next), by block
	timers  timers           // one for each item in flight or waiting; stale ones are skipped
	ready   offsets          // to be delivered again, lowest first
	dead    offsets          // to be buried
	changed map[int64]bool   // blocks to be stored
	stored  map[int64]bool   // blocks of which something is stored
	moved   bool             // floor or next is to be stored
}

// Incarnation tells a standing from others of the same names. Below 1<<31; those that were stored before there were any have 0.
type Incarnation uint32

// NewIncarnation returns one at random.
func NewIncarnation() Incarnation { return Incarnation(rand.Uint32() >> 1) }

// Deliveries returns how often a record had been delivered, with the delivery that the receipt is for.
func Deliveries(r log.Receipt) int { return int(uint32(r.Delivery)) }

// New returns a partition of which nothing below start is to be delivered, and nothing was.
func New(config log.QueueConfig, start log.Offset, number Incarnation) *Partition {
	return &Partition{config: config, number: number, floor: start, next: start, items: map[log.Offset]*item{}, done: map[int64]uint64{},
		changed: map[int64]bool{}, stored: map[int64]bool{}, moved: true}
}

// SetConfig changes the settings for what happens from now on.
func (p *Partition) SetConfig(config log.QueueConfig) { p.config = config }

// Floor returns the offset below which everything is done.
func (p *Partition) Floor() log.Offset { return p.floor }

// Next returns the offset from which on nothing was delivered.
func (p *Partition) Next() log.Offset { return p.next }

// Count returns how many records are in flight, and how many wait to be delivered again or buried.
func (p *Partition) Count() (flying, waits int) {
	for _, it := range p.items {
		if it.state == inFlight {
			flying++
		}
	}
	return flying, len(p.items) - flying
}

// Room returns how many records may be delivered for the first time.
func (p *Partition) Room() int {
	return max(0, min(p.config.InFlightMax-len(p.items), int(windowMax-(p.next-p.floor))))
}

// Takes reports whether the window reaches to offset: a gap in the log may be wider than that. When all below is done it does.
func (p *Partition) Takes(offset log.Offset) bool {
	return p.floor == p.next || offset-p.floor < windowMax
}

// Fresh delivers the record at offset, which is at or above Next and which it Takes, for the first time. Offsets between are skipped:
// the log has no record there.
func (p *Partition) Fresh(offset log.Offset, now time.Time) log.Receipt {
	p.Skip(offset)
	it := &item{}
	p.items[offset] = it
	p.next, p.moved = offset+1, true
	return p.deliver(offset, it, now)
}

// Skip says that the log has no record from Next up to offset.
func (p *Partition) Skip(to log.Offset) {
	if p.floor == p.next {
		p.jump(to)
		return
	}
	for o := p.next; o < to; {
		b, first := block(o), int(o%blockSize)
		n := min(blockSize-first, int(to-o))
		p.done[b] |= (^uint64(0) >> (blockSize - n)) << first
		p.changed[b] = true
		o += log.Offset(n)
	}
	if to > p.next {
		p.next, p.moved = to, true
		p.raiseFloor()
	}
}

func (p *Partition) deliver(offset log.Offset, it *item, now time.Time) log.Receipt {
	it.state, it.queued = inFlight, false
	it.deliveries++
	p.setTimer(offset, it, now.Add(p.config.Visibility))
	return log.Receipt{Offset: offset, Delivery: p.delivery(it)}
}

// delivery returns the number of an item's last delivery.
func (p *Partition) delivery(it *item) int64 { return int64(p.number)<<32 | int64(it.deliveries) }

// setTimer sets until when the item is as it is.
func (p *Partition) setTimer(offset log.Offset, it *item, at time.Time) {
	it.at = at.UnixMilli()
	heap.Push(&p.timers, timer{at: it.at, offset: offset})
	p.changed[block(offset)] = true
	if len(p.timers) > 2*len(p.items)+timersSpare {
		p.dropStaleTimers()
	}
}

// timersSpare is how many stale timers are no reason to look for them.
const timersSpare = 1024

// dropStaleTimers forgets timers of what is done or has another one: those of long deadlines would be many.
func (p *Partition) dropStaleTimers() {
	p.timers = p.timers[:0]
	for offset, it := range p.items {
		if !it.queued {
			p.timers = append(p.timers, timer{at: it.at, offset: offset})
		}
	}
	heap.Init(&p.timers)
}

// Again delivers up to limit records again, the lowest offsets first.
func (p *Partition) Again(now time.Time, limit int) (receipts []log.Receipt) {
	for len(p.ready) > 0 && len(receipts) < limit {
		offset := heap.Pop(&p.ready).(log.Offset)
		it := p.items[offset]
		if it == nil || !it.queued {
			continue
		}
		receipts = append(receipts, p.deliver(offset, it, now))
	}
	return receipts
}

// Ready reports whether Again would deliver something.
func (p *Partition) Ready() bool { return len(p.ready) > 0 }

// Expire looks at the time: deliveries whose deadline is over are to be delivered again, or dead, and what waited
// for now is ready.
func (p *Partition) Expire(now time.Time) {
	for len(p.timers) > 0 && p.timers[0].at <= now.UnixMilli() {
		t := heap.Pop(&p.timers).(timer)
		it := p.items[t.offset]
		if it == nil || it.at != t.at || it.queued {
			continue
		}
		if it.state == inFlight {
			it.cause = "visibility timeout"
			it.state = waiting
			p.changed[block(t.offset)] = true
		}
		p.enqueue(t.offset, it)
	}
}

// enqueue puts a waiting item where it is found: delivered again, or buried.
func (p *Partition) enqueue(offset log.Offset, it *item) {
	it.queued = true
	if p.exhausted(it) {
		heap.Push(&p.dead, offset)
	} else {
		heap.Push(&p.ready, offset)
	}
}

func (p *Partition) exhausted(it *item) bool {
	return p.config.DeliveriesMax >= 0 && int(it.deliveries) >= p.config.DeliveriesMax
}

// NextTime returns when Expire will have something to do, if ever. It may be a little early.
func (p *Partition) NextTime() (time.Time, bool) {
	if len(p.timers) == 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(p.timers[0].at), true
}

// Letter is a record to be buried.
type Letter struct {
	Offset     log.Offset
	Deliveries int
	Cause      string
}

// Dead returns the records that were delivered often enough, the lowest offsets first, at most limit. Each is returned
// once; Bury or Exhume follows.
func (p *Partition) Dead(limit int) (letters []Letter) {
	for len(p.dead) > 0 && len(letters) < limit {
		offset := heap.Pop(&p.dead).(log.Offset)
		if it := p.items[offset]; it != nil && it.queued {
			letters = append(letters, Letter{Offset: offset, Deliveries: int(it.deliveries), Cause: it.cause})
		}
	}
	return letters
}

// Bury says that a dead record lies in the dead-letter topic, or that the log no longer has it.
func (p *Partition) Bury(offset log.Offset) {
	if p.items[offset] != nil {
		p.finish(offset)
	}
}

// Exhume says that a dead record could not be buried: Dead returns it again.
func (p *Partition) Exhume(offset log.Offset) {
	if it := p.items[offset]; it != nil && it.queued {
		heap.Push(&p.dead, offset)
	}
}

// held returns the item that a receipt is for. The error has code VoidReceipt.
func (p *Partition) held(offset log.Offset, delivery int64) (*item, error) {
	it := p.items[offset]
	switch {
	case offset < 0 || offset >= p.next || delivery < 1:
		return nil, log.NewError(log.VoidReceipt, "receipt", "offset %d was not delivered", offset)
	case it == nil:
		return nil, log.NewError(log.VoidReceipt, "receipt", "offset %d is done", offset)
	case it.state != inFlight || p.delivery(it) != delivery:
		return nil, log.NewError(log.VoidReceipt, "receipt", "offset %d: delivery %d is over", offset, delivery)
	}
	return it, nil
}

// Ack says that a delivery did its work.
func (p *Partition) Ack(offset log.Offset, delivery int64) error {
	if _, err := p.held(offset, delivery); err != nil {
		return err
	}
	p.finish(offset)
	return nil
}

// Nack gives a delivery back, to be made again at due. With deliveries enough it is dead at once.
func (p *Partition) Nack(offset log.Offset, delivery int64, due time.Time, cause string) error {
	it, err := p.held(offset, delivery)
	if err != nil {
		return err
	}
	it.state, it.cause = waiting, cause[:min(len(cause), causeMax)]
	p.setTimer(offset, it, due)
	if p.exhausted(it) {
		p.enqueue(offset, it)
	}
	return nil
}

// Extend moves the deadline of a delivery.
func (p *Partition) Extend(offset log.Offset, delivery int64, deadline time.Time) error {
	it, err := p.held(offset, delivery)
	if err != nil {
		return err
	}
	p.setTimer(offset, it, deadline)
	return nil
}

// Release takes back a delivery that never reached anybody: it does not count, unless its time is up already.
func (p *Partition) Release(offset log.Offset, delivery int64) {
	if it, err := p.held(offset, delivery); err == nil {
		it.deliveries--
		it.state = waiting
		p.enqueue(offset, it)
		p.changed[block(offset)] = true
	}
}

// Advance says that the log has nothing below start any more.
func (p *Partition) Advance(start log.Offset) {
	for offset := range p.items {
		if offset < start {
			delete(p.items, offset)
			p.changed[block(offset)] = true
		}
	}
	p.jump(start)
	p.raiseFloor()
}

// jump makes everything below an offset done at once, however far that is. Nothing below it is outstanding.
func (p *Partition) jump(to log.Offset) {
	if to <= p.floor {
		return
	}
	p.floor, p.next, p.moved = to, max(p.next, to), true
	for b := range p.done {
		if (b+1)*blockSize <= int64(to) {
			delete(p.done, b)
			p.changed[b] = true
		}
	}
}

// finish makes an offset done.
func (p *Partition) finish(offset log.Offset) {
	delete(p.items, offset)
	b := block(offset)
	p.done[b] |= 1 << (offset % blockSize)
	p.changed[b] = true
	p.raiseFloor()
}

// raiseFloor moves the floor to the first offset that is not done.
func (p *Partition) raiseFloor() {
	was := p.floor
	for p.floor < p.next {
		b, first := block(p.floor), int(p.floor%blockSize)
		n := min(bits.TrailingZeros64(^(p.done[b] >> first)), blockSize-first)
		p.floor = min(p.next, p.floor+log.Offset(n))
		if n < blockSize-first {
			break
		}
	}
	if p.floor == was {
		return
	}
	p.moved = true
	for b := block(was); (b+1)*blockSize <= int64(p.floor); b++ {
		delete(p.done, b)
		p.changed[b] = true
	}
}

func block(offset log.Offset) int64 { return int64(offset) / blockSize }
