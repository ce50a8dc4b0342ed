package commands

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lodge/domain/event"
	"lodge/log"
)

// memLog is a log in memory whose commits can be held back, be counted and fail. It keeps the contract of log.Writer: what was enqueued becomes visible when somebody has
// waited, and a failed commit takes everything behind it along and poisons the partition.
type memLog struct {
	mu         sync.Mutex
	partitions map[log.TopicPartition]*memPartition
	crc        uint32
	commits    atomic.Int64
	beforeWait func(tp log.TopicPartition) error // called for each commit without the lock, may block or fail it
	enqueueErr func(tp log.TopicPartition) error
	clock      func() time.Time // of records without a time; nil: they have none
}

type memPartition struct {
	records  []log.Record // all that were enqueued
	high     int          // committed
	poisoned error
}

func newMemLog() *memLog {
	return &memLog{partitions: make(map[log.TopicPartition]*memPartition)}
}

// restart returns a log with what was committed.
func (m *memLog) restart() *memLog {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := newMemLog()
	next.crc = m.crc
	for tp, p := range m.partitions {
		next.partitions[tp] = &memPartition{records: p.records[:p.high:p.high], high: p.high}
	}
	return next
}

func (m *memLog) at(tp log.TopicPartition) *memPartition {
	p := m.partitions[tp]
	if p == nil {
		p = new(memPartition)
		m.partitions[tp] = p
	}
	return p
}

func (m *memLog) Enqueue(tp log.TopicPartition, b *log.Batch) (log.Ticket, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.enqueueErr != nil {
		if err := m.enqueueErr(tp); err != nil {
			return log.Ticket{}, err
		}
	}
	p := m.at(tp)
	base := log.Offset(len(p.records))
	switch {
	case p.poisoned != nil:
		return log.Ticket{}, p.poisoned
	case b.Expect != nil && *b.Expect != base:
		return log.Ticket{}, log.NewError(log.OffsetMismatch, "append "+tp.String(), "expected %d, the end is %d", *b.Expect, base)
	}
	m.crc++
	for i := range b.Records {
		r := copied(&b.Records[i], tp, base+log.Offset(i), m.crc)
		if m.clock != nil && r.Timestamp.IsZero() {
			r.Timestamp = m.clock()
		}
		p.records = append(p.records, r)
	}
	return log.Ticket{Base: base, Count: len(b.Records), Waiter: &memWaiter{m, tp, len(p.records)}}, nil
}

func copied(r *log.Record, tp log.TopicPartition, at log.Offset, crc uint32) log.Record {
	c := log.Record{
		Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Timestamp: r.Timestamp,
		Topic: tp.Topic, Partition: tp.Partition, Offset: at, CRC: crc,
	}
	for _, h := range r.Headers {
		c.Headers = append(c.Headers, log.Header{Key: h.Key, Value: bytes.Clone(h.Value)})
	}
	return c
}

func (m *memLog) Append(ctx context.Context, tp log.TopicPartition, b *log.Batch) (log.Offset, error) {
	t, err := m.Enqueue(tp, b)
	if err != nil {
		return log.NoOffset, err
	}
	return t.Base, t.Wait(ctx)
}

type memWaiter struct {
	m   *memLog
	tp  log.TopicPartition
	end int
}

func (w *memWaiter) Wait(context.Context) error {
	var failed error
	if w.m.beforeWait != nil {
		failed = w.m.beforeWait(w.tp)
	}
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	p := w.m.at(w.tp)
	if p.high >= w.end {
		return nil
	}
	if failed != nil && p.poisoned == nil {
		p.poisoned = log.NewError(log.Poisoned, "append "+w.tp.String(), "%w", failed)
	}
	if p.poisoned != nil {
		return p.poisoned
	}
	p.high = len(p.records)
	w.m.commits.Add(1)
	return nil
}

func (m *memLog) Fetch(_ context.Context, req log.FetchRequest) (log.FetchResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.at(req.TopicPartition)
	if int(req.Offset) > p.high {
		return log.FetchResult{}, log.NewError(log.OffsetOutOfRange, "fetch "+req.TopicPartition.String(), "%d is above %d", req.Offset, p.high)
	}
	end := int(req.Offset)
	for size := 0; end < p.high; end++ {
		if last := end > int(req.Offset) && p.records[end].CRC != p.records[end-1].CRC; last && size >= req.MaxBytes {
			break
		}
		size += len(p.records[end].Value) + 100
	}
	records := append([]log.Record(nil), p.records[req.Offset:end]...)
	if !req.Filter.All() {
		records = slices.DeleteFunc(records, func(r log.Record) bool { return !req.Filter.Matches(&r, event.HeaderType) })
	}
	return log.FetchResult{Records: records, Next: log.Offset(end), HighWatermark: log.Offset(p.high)}, nil
}

func (m *memLog) OffsetForTime(context.Context, log.TopicPartition, time.Time) (log.Offset, error) {
	return 0, log.NewError(log.InvalidArgument, "offset for time", "not kept")
}

func (m *memLog) Offsets(_ context.Context, tp log.TopicPartition) (start, high log.Offset, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return 0, log.Offset(m.at(tp).high), nil
}
