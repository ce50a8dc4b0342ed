package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
)

// Batches is what ReadBatches found: whole encoded record batches one behind the other, in Kafka's
// RecordBatch v2 format, CRCs verified.
type Batches struct {
	Bytes         []byte     // the caller's; the first batch may begin before the offset asked for
	Next          log.Offset // where to go on
	LogStart      log.Offset
	HighWatermark log.Offset
}

// ReadBatches is Fetch without decoding: what a connection would send on. Same errors.
func (b *Broker) ReadBatches(ctx context.Context, req log.FetchRequest) (Batches, error) {
	return b.ReadBatchesInto(ctx, nil, req)
}

// ReadBatchesInto is ReadBatches into the caller's memory, if its capacity suffices (MaxBytes does unless
// one batch is larger): it spares a reader of much the garbage.
func (b *Broker) ReadBatchesInto(ctx context.Context, buffer []byte, req log.FetchRequest) (Batches, error) {
	p, err := b.partition(req.TopicPartition, "fetch")
	if err != nil {
		return Batches{}, err
	}
	if !req.Filter.All() {
		return Batches{}, log.NewError(log.InvalidArgument, "fetch "+req.TopicPartition.String(), "whole batches cannot be filtered")
	}
	req.MaxBytes = fetchBytes(req.MaxBytes)
	found, err := p.read(buffer, req)
	if err != nil || len(found.Bytes) > 0 || req.MaxWait <= 0 {
		return found, err
	}
	req.Offset = found.Next // behind what compaction emptied
	if err := p.awaitData(ctx, req); err != nil {
		return found, err
	}
	return p.read(buffer, req)
}

// fetchBytes returns how many bytes a fetch may read that asks for n.
func fetchBytes(n int) int {
	if n <= 0 {
		return fetchBytesDefault
	}
	return min(n, fetchBytesMax)
}

// Fetch implements log.Reader. MaxBytes is at most 128 MiB. Decoded records are at most 64 MiB, or MaxBytes when that is more, and one batch.
func (b *Broker) Fetch(ctx context.Context, req log.FetchRequest) (log.FetchResult, error) {
	if !req.Filter.All() {
		return b.fetchMatching(ctx, req)
	}
	found, err := b.ReadBatches(ctx, req)
	if err != nil {
		return log.FetchResult{}, err
	}
	return found.decode(req)
}

// fetch is Fetch from this partition, whatever has its name by now. It neither waits nor filters.
func (p *partition) fetch(req log.FetchRequest) (log.FetchResult, error) {
	req.TopicPartition, req.MaxBytes = p.tp, fetchBytes(req.MaxBytes)
	found, err := p.read(nil, req)
	if err != nil {
		return log.FetchResult{}, err
	}
	return found.decode(req)
}

// decode makes records of what a request has found.
func (f Batches) decode(req log.FetchRequest) (log.FetchResult, error) {
	result := log.FetchResult{Next: f.Next, LogStart: f.LogStart, HighWatermark: f.HighWatermark}
	err := decodeAll(&result, f.Bytes, req)
	return result, err
}

// decodeAll decodes batches that were verified into result. What is small compressed may be very large: it stops behind the batch that
// reaches decodedBytesMax.
func decodeAll(result *log.FetchResult, batches []byte, req log.FetchRequest) error {
	records := make([]log.Record, 0, min(countRecords(batches), len(batches)/recordBytesMin)) // compressed ones are made room for as they come
	decoded, decodedMax := 0, max(req.MaxBytes, decodedBytesMax)
	for len(batches) > 0 && decoded < decodedMax {
		h, err := record.ParseHeader(batches)
		if err != nil {
			return err
		}
		before := len(records)
		if records, err = record.Decode(records, batches[:h.Size()], req.TopicPartition, req.Offset); err != nil {
			return err
		}
		for i := range records[before:] {
			decoded += records[before+i].Size + recordOverhead
		}
		result.Next, batches = h.NextOffset(), batches[h.Size():]
	}
	result.Records = records
	return nil
}

// countRecords counts the records of some whole batches.
func countRecords(batches []byte) (n int) {
	for len(batches) > 0 {
		h, err := record.ParseHeader(batches)
		if err != nil {
			return n
		}
		n += int(h.Count)
		batches = batches[h.Size():]
	}
	return n
}

// read reads what is there.
func (p *partition) read(buffer []byte, req log.FetchRequest) (Batches, error) {
	p.files.RLock()
	defer p.files.RUnlock()
	found, err := p.bounds(req.Offset)
	if err != nil || req.Offset >= found.HighWatermark {
		return found, err
	}
	if found.Bytes, err = p.log.Read(buffer, req.Offset, found.HighWatermark, req.MaxBytes); err != nil {
		return found, err
	}
	if len(found.Bytes) == 0 { // compaction left nothing
		found.Next = found.HighWatermark
		return found, nil
	}
	found.Next, err = nextOffset(found.Bytes, req.Offset)
	return found, err
}

// bounds says where the partition begins and ends for a reader at offset, who must be within. files must be held.
func (p *partition) bounds(offset log.Offset) (Batches, error) {
	if p.gone != nil {
		return Batches{}, p.gone
	}
	found := Batches{Next: offset, LogStart: p.log.StartOffset(), HighWatermark: log.Offset(p.highWatermark.Load())}
	if offset < found.LogStart || offset > found.HighWatermark && offset > p.end() {
		return found, log.NewError(log.OffsetOutOfRange, "fetch "+p.tp.String(),
			"offset %d is not within %d..%d", offset, found.LogStart, p.end())
	}
	return found, nil
}

// nextOffset returns the offset behind the last of some whole batches.
func nextOffset(batches []byte, next log.Offset) (log.Offset, error) {
	for len(batches) > 0 {
		h, err := record.ParseHeader(batches)
		if err != nil {
			return next, err
		}
		next, batches = h.NextOffset(), batches[h.Size():]
	}
	return next, nil
}

// end returns the log's end: the offset of the next batch.
func (p *partition) end() log.Offset {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

// awaitData waits until the high watermark is above the request's offset, its time is up, or the
// partition goes.
func (p *partition) awaitData(ctx context.Context, req log.FetchRequest) error {
	defer p.b.waiting.Add(-1)
	if p.b.waiting.Add(1) > int64(p.b.opts.WaitersMax) {
		return log.NewError(log.LimitReached, "fetch "+p.tp.String(), "%d fetches wait for data", p.b.opts.WaitersMax)
	}
	timer := time.NewTimer(req.MaxWait)
	defer timer.Stop()
	for {
		grown := p.polls.arm()
		if grown == nil || log.Offset(p.highWatermark.Load()) > req.Offset {
			return nil
		}
		select {
		case <-grown:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// polls lets fetches wait for data without a goroutine or a list entry each: they share one channel that is
// closed when the high watermark moves.
type polls struct {
	armed atomic.Bool // somebody may wait: spares the writer the lock
	mu    sync.Mutex
	grown chan struct{}
	ended bool
}

// arm returns the channel that the next notify closes, or nil after end. The caller looks at the high
// watermark after arming, the writer at armed after moving it: one of them sees the other.
func (q *polls) arm() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return nil
	}
	if q.grown == nil {
		q.grown = make(chan struct{})
	}
	q.armed.Store(true)
	return q.grown
}

// notify wakes those that wait.
func (q *polls) notify() {
	if !q.armed.Load() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.armed.Store(false)
	if q.grown != nil {
		close(q.grown)
		q.grown = nil
	}
}

// end wakes those that wait and lets nobody wait again.
func (q *polls) end() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	q.armed.Store(true)
	q.notify()
}

// OffsetForTime implements log.Reader.
func (b *Broker) OffsetForTime(_ context.Context, tp log.TopicPartition, t time.Time) (log.Offset, error) {
	p, err := b.partition(tp, "find offset in")
	if err != nil {
		return log.NoOffset, err
	}
	p.files.RLock()
	defer p.files.RUnlock()
	if p.gone != nil {
		return log.NoOffset, p.gone
	}
	return p.log.OffsetForTime(t, log.Offset(p.highWatermark.Load()))
}

// Offsets implements log.Reader.
func (b *Broker) Offsets(_ context.Context, tp log.TopicPartition) (start, highWatermark log.Offset, err error) {
	p, err := b.partition(tp, "offsets of")
	if err != nil {
		return 0, 0, err
	}
	p.files.RLock()
	defer p.files.RUnlock()
	if p.gone != nil {
		return 0, 0, p.gone
	}
	return p.log.StartOffset(), log.Offset(p.highWatermark.Load()), nil
}

// NextOffset returns the log's end: the offset that the next enqueued batch will get. What lies between
// the high watermark and it is not committed yet.
func (b *Broker) NextOffset(tp log.TopicPartition) (log.Offset, error) {
	p, err := b.partition(tp, "next offset of")
	if err != nil {
		return log.NoOffset, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next, p.refused
}
