package broker

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"lodge/log"
	"lodge/log/vfs"
)

// model is a partition as simple as can be: a list of batches, of which the first few are committed.
type model struct {
	b         *Broker
	mem       *vfs.MemFS
	batches   []modelBatch
	committed int
	tickets   []log.Ticket // of the batches that are not committed
	serial    int
}

type modelBatch struct {
	values   []string
	base     log.Offset
	producer *log.ProducerSequence
}

func (m *model) end() log.Offset {
	if len(m.batches) == 0 {
		return 0
	}
	last := m.batches[len(m.batches)-1]
	return last.base + log.Offset(len(last.values))
}

// ofProducer returns the batches of one producer.
func (m *model) ofProducer(id int64) (found []modelBatch) {
	for _, b := range m.batches {
		if b.producer != nil && b.producer.ID == id {
			found = append(found, b)
		}
	}
	return found
}

// next returns the sequence that a producer's next batch has.
func (m *model) next(id int64) *log.ProducerSequence {
	s := &log.ProducerSequence{ID: id}
	if found := m.ofProducer(id); len(found) > 0 {
		last := found[len(found)-1]
		s.Sequence = last.producer.Sequence + int32(len(last.values))
	}
	return s
}

func (m *model) draw(t *rapid.T) modelBatch {
	b := modelBatch{base: m.end()}
	for range rapid.IntRange(1, 3).Draw(t, "records") {
		m.serial++
		b.values = append(b.values, fmt.Sprintf("%d%s", m.serial, make([]byte, rapid.IntRange(0, 700).Draw(t, "size"))))
	}
	if rapid.Bool().Draw(t, "idempotent") {
		b.producer = m.next(int64(rapid.IntRange(0, 2).Draw(t, "producer")))
	}
	return b
}

func (b modelBatch) batch() *log.Batch {
	batch := batchOf(b.values...)
	batch.Producer = b.producer
	return batch
}

func (m *model) enqueue(t *rapid.T) {
	b := m.draw(t)
	batch := b.batch()
	if rapid.Bool().Draw(t, "expect") {
		batch.Expect = offset(m.end())
	}
	ticket, err := m.b.Enqueue(tp0, batch)
	if err != nil || ticket.Base != b.base || ticket.Duplicate {
		t.Fatalf("enqueue at %d: %+v, %v", b.base, ticket, err)
	}
	m.batches, m.tickets = append(m.batches, b), append(m.tickets, ticket)
}

func (m *model) wait(t *rapid.T) {
	if len(m.tickets) == 0 {
		return
	}
	n := rapid.IntRange(0, len(m.tickets)-1).Draw(t, "ticket")
	if err := m.tickets[n].Wait(ctx); err != nil {
		t.Fatal(err)
	}
	m.commit() // one group: all of it was written
}

func (m *model) commit() { m.committed, m.tickets = len(m.batches), nil }

func (m *model) append(t *rapid.T) {
	b := m.draw(t)
	base, err := m.b.Append(ctx, tp0, b.batch())
	if err != nil || base != b.base {
		t.Fatalf("append at %d: %d, %v", b.base, base, err)
	}
	m.batches = append(m.batches, b)
	m.commit()
}

func (m *model) retry(t *rapid.T) {
	found := m.ofProducer(int64(rapid.IntRange(0, 2).Draw(t, "producer")))
	if len(found) == 0 {
		return
	}
	back := rapid.IntRange(1, len(found)).Draw(t, "back")
	b := found[len(found)-back]
	ticket, err := m.b.Enqueue(tp0, b.batch())
	if back > 5 {
		if log.CodeOf(err) != log.DuplicateSequence {
			t.Fatalf("retry of a batch %d back: %+v, %v", back, ticket, err)
		}
		return
	}
	if err != nil || !ticket.Duplicate || ticket.Base != b.base {
		t.Fatalf("retry of the batch at %d: %+v, %v", b.base, ticket, err)
	}
	if err := ticket.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if b.base >= m.committedEnd() {
		m.commit()
	}
}

func (m *model) committedEnd() log.Offset {
	if m.committed == len(m.batches) {
		return m.end()
	}
	return m.batches[m.committed].base
}

func (m *model) refused(t *rapid.T) {
	wrong := batchOf("wrong")
	wrong.Expect = offset(m.end() + log.Offset(rapid.IntRange(1, 3).Draw(t, "off")))
	if _, err := m.b.Enqueue(tp0, wrong); log.CodeOf(err) != log.OffsetMismatch {
		t.Fatalf("wrong expectation: %v", err)
	}
	gap := batchOf("gap")
	gap.Producer = m.next(int64(rapid.IntRange(0, 2).Draw(t, "producer")))
	gap.Producer.Sequence += int32(rapid.IntRange(1, 100).Draw(t, "gap"))
	if _, err := m.b.Enqueue(tp0, gap); log.CodeOf(err) != log.OutOfOrderSequence {
		t.Fatalf("gap: %v", err)
	}
}

func (m *model) checkpoint(t *rapid.T) {
	p, err := m.b.partition(tp0, "test")
	if err == nil {
		err = p.checkpoint()
	}
	if err != nil {
		t.Fatal(err)
	}
	if m.committedEnd() == log.Offset(p.checkpointed.Load()) && len(m.tickets) > 0 {
		return // nothing was committed since the last one, so nothing was done
	}
	m.commit()
}

func (m *model) reopen(t *rapid.T) {
	if err := m.b.Close(); err != nil {
		t.Fatal(err)
	}
	m.commit()
	m.open(t)
}

func (m *model) crash(t *rapid.T) {
	seed := rapid.Uint64().Draw(t, "crash")
	m.mem = m.mem.CrashClone(vfs.Randomly(rand.New(rand.NewPCG(seed, 0))))
	old := m.b
	m.open(t)
	_ = old.Close() // on the disk that lost its power: nobody sees it
	_, end, err := m.b.Offsets(ctx, tp0)
	if err != nil || end < m.committedEnd() || end > m.end() {
		t.Fatalf("end %d, %v; committed %d, enqueued %d", end, err, m.committedEnd(), m.end())
	}
	for len(m.batches) > 0 && m.batches[len(m.batches)-1].base >= end {
		m.batches = m.batches[:len(m.batches)-1]
	}
	if m.end() != end {
		t.Fatalf("end %d is within a batch", end)
	}
	m.commit()
}

func (m *model) open(t *rapid.T) {
	b, err := Open("dir", Options{FS: m.mem})
	if err != nil {
		t.Fatal(err)
	}
	m.b = b
}

// check compares what can be read with what is committed.
func (m *model) check(t *rapid.T) {
	records, err := readAll(m.b, tp0)
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != int(m.committedEnd()) {
		t.Fatalf("%d records, want %d", len(records), m.committedEnd())
	}
	for _, b := range m.batches[:m.committed] {
		for i, v := range b.values {
			if got := string(records[int(b.base)+i].Value); got != v {
				t.Fatalf("offset %d: %.10q, want %.10q", int(b.base)+i, got, v)
			}
		}
	}
	if next, err := m.b.NextOffset(tp0); err != nil || next != m.end() {
		t.Fatalf("next offset %d, %v; want %d", next, err, m.end())
	}
}

// TestModel compares a broker with the model under random calls, reopenings and crashes.
// Replay a failure with -rapid.seed, which rapid prints.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{mem: vfs.NewMem()}
		m.open(t)
		defer func() { _ = m.b.Close() }()
		config := log.TopicConfig{
			SegmentBytes: rapid.SampledFrom([]int64{4 << 10, 1 << 20}).Draw(t, "segment"),
			Durability:   log.Sync,
		}
		if err := m.b.CreateTopic(ctx, "t", config); err != nil {
			t.Fatal(err)
		}
		t.Repeat(map[string]func(*rapid.T){
			"enqueue": m.enqueue, "append": m.append, "wait": m.wait, "retry": m.retry, "refused": m.refused,
			"checkpoint": m.checkpoint, "reopen": m.reopen, "crash": m.crash, "": m.check,
		})
	})
}
