package producerstate

import (
	"lodge/log"
)

// BatchesMax is how many batches of a producer are remembered, as in Kafka: a producer may have
// this many in flight and retry any of them.
const BatchesMax = 5

// sequenceMask keeps sequences within 31 bits: after 2^31-1 comes 0.
const sequenceMask = 1<<31 - 1

// batch is one remembered batch.
type batch struct {
	sequence int32 // of its first record
	count    int32
	base     log.Offset
}

// next returns the sequence that follows b.
func (b batch) next() int32 { return (b.sequence + b.count) & sequenceMask }

// producer is what is known of one producer.
type producer struct {
	id      int64
	epoch   int16
	n       int8              // batches remembered; 1..BatchesMax
	batches [BatchesMax]batch // oldest first

	// Neighbors in order of last append: a list through the table with the oldest first.
	older, newer *producer
}

// last returns the newest batch.
func (p *producer) last() batch { return p.batches[p.n-1] }

// add remembers b as the newest batch.
func (p *producer) add(b batch) {
	if p.n == BatchesMax {
		copy(p.batches[:], p.batches[1:])
		p.n--
	}
	p.batches[p.n] = b
	p.n++
}

// Table is what one partition knows of its producers.
type Table struct {
	max       int
	producers map[int64]*producer
	oldest    *producer
	newest    *producer
}

// New returns an empty table for at most producersMax producers, which must be positive.
func New(producersMax int) *Table {
	return &Table{max: producersMax, producers: make(map[int64]*producer)}
}

// Len returns how many producers are remembered.
func (t *Table) Len() int { return len(t.producers) }

// Check says what to make of a batch of count records: with duplicate set, base is where the first
// attempt went; with a nil error and no duplicate, the batch is the producer's next.
//
// Errors have code InvalidArgument (a negative number), InvalidProducerEpoch (older than the one
// seen), OutOfOrderSequence (a gap, or a producer or epoch that does not begin at 0) or
// DuplicateSequence (a retry older than the batches remembered).
func (t *Table) Check(s log.ProducerSequence, count int) (base log.Offset, duplicate bool, err error) {
	if s.ID < 0 || s.Epoch < 0 || s.Sequence < 0 {
		return 0, false, log.NewError(log.InvalidArgument, op(s), "id, epoch and sequence must not be negative")
	}
	p := t.producers[s.ID]
	if p == nil {
		return 0, false, begins(s, "nothing is known of this producer")
	}
	if s.Epoch < p.epoch {
		return 0, false, log.NewError(log.InvalidProducerEpoch, op(s), "epoch %d is older than %d", s.Epoch, p.epoch)
	}
	if s.Epoch > p.epoch {
		return 0, false, begins(s, "the epoch is new")
	}
	return p.check(s, count)
}

// check compares with the batches of the same epoch.
func (p *producer) check(s log.ProducerSequence, count int) (log.Offset, bool, error) {
	next := p.last().next()
	if s.Sequence == next {
		return 0, false, nil
	}
	for _, b := range p.batches[:p.n] {
		if b.sequence == s.Sequence && int(b.count) == count {
			return b.base, true, nil
		}
	}
	if (next-s.Sequence)&sequenceMask <= sequenceMask/2 {
		return 0, false, log.NewError(log.DuplicateSequence, op(s),
			"sequence %d was appended before the last %d batches", s.Sequence, BatchesMax)
	}
	return 0, false, log.NewError(log.OutOfOrderSequence, op(s), "sequence %d where %d was expected", s.Sequence, next)
}

// begins returns an error unless s is the first batch of its producer and epoch.
func begins(s log.ProducerSequence, why string) error {
	if s.Sequence == 0 {
		return nil
	}
	return log.NewError(log.OutOfOrderSequence, op(s), "sequence %d where 0 was expected: %s", s.Sequence, why)
}

// Record remembers a batch that Check found to be new and that went to base.
func (t *Table) Record(s log.ProducerSequence, count int, base log.Offset) {
	p := t.producers[s.ID]
	if p == nil {
		p = &producer{id: s.ID}
		t.producers[s.ID] = p
	} else {
		t.unlink(p)
	}
	if p.epoch != s.Epoch {
		p.epoch, p.n = s.Epoch, 0
	}
	p.add(batch{sequence: s.Sequence, count: int32(count), base: base})
	t.link(p)
	t.trim()
}

// trim forgets the oldest producers beyond the limit.
func (t *Table) trim() {
	for len(t.producers) > t.max {
		p := t.oldest
		t.unlink(p)
		delete(t.producers, p.id)
	}
}

// link puts p behind the newest.
func (t *Table) link(p *producer) {
	p.older, p.newer = t.newest, nil
	if t.newest != nil {
		t.newest.newer = p
	} else {
		t.oldest = p
	}
	t.newest = p
}

// unlink takes p out of the order.
func (t *Table) unlink(p *producer) {
	if p.older != nil {
		p.older.newer = p.newer
	} else {
		t.oldest = p.newer
	}
	if p.newer != nil {
		p.newer.older = p.older
	} else {
		t.newest = p.older
	}
	p.older, p.newer = nil, nil
}

// op names the operation for errors.
func op(s log.ProducerSequence) string {
	return "append of producer " + producerName(s)
}
