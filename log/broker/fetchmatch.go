package broker

import (
	"context"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
)

// matchBuffers holds what filtered fetches read into. What they return is copied, so that it holds no more than itself.
var matchBuffers = buffers{keepMax: 1 << 20}

// matching is a fetch with a filter on its way.
type matching struct {
	p       *partition
	tp      log.TopicPartition
	matcher *record.Matcher
	buffer  []byte
	left    int // bytes that may still be read
	room    int // bytes that may still be decoded
	result  log.FetchResult
}

// fetchMatching is Fetch with a filter. It reads, from one stretch to the next that the tag indexes do not rule out, until MaxBytes were
// read or the high watermark is reached, and then waits for more as long as it has found nothing.
func (b *Broker) fetchMatching(ctx context.Context, req log.FetchRequest) (log.FetchResult, error) {
	if err := req.Filter.Validate(); err != nil {
		return log.FetchResult{}, err
	}
	p, err := b.partition(req.TopicPartition, "fetch")
	if err != nil {
		return log.FetchResult{}, err
	}
	buffer := matchBuffers.get()
	defer matchBuffers.put(buffer)
	bytesMax := fetchBytes(req.MaxBytes)
	f := matching{
		p: p, tp: req.TopicPartition, matcher: record.NewMatcher(req.Filter, p.config().TagHeader), buffer: *buffer,
		left: bytesMax, room: max(bytesMax, decodedBytesMax), result: log.FetchResult{Next: req.Offset},
	}
	err = f.run(ctx, time.Now().Add(req.MaxWait))
	*buffer = f.buffer
	return f.result, err
}

// run reads and waits until there is a match, the limit is reached or the time is up.
func (f *matching) run(ctx context.Context, deadline time.Time) error {
	for {
		err := f.read(ctx)
		if len(f.result.Records) > 0 {
			return nil // what went wrong behind them the next fetch will meet
		}
		wait := time.Until(deadline)
		if err != nil || f.left <= 0 || wait <= 0 {
			return err
		}
		if err := f.p.awaitData(ctx, log.FetchRequest{TopicPartition: f.tp, Offset: f.result.Next, MaxWait: wait}); err != nil {
			return err
		}
	}
}

// read gets as far as the high watermark or the limits allow.
func (f *matching) read(ctx context.Context) error {
	for f.left > 0 && f.room > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		from := f.result.Next
		batches, next, err := f.next()
		if err != nil {
			return err
		}
		if err := f.decode(batches, from, next); err != nil {
			return err
		}
		if f.result.Next >= f.result.HighWatermark {
			return nil
		}
	}
	return nil
}

// next returns the next batches that may hold a match, in f.buffer, and the offset behind them.
func (f *matching) next() (batches []byte, next log.Offset, err error) {
	p := f.p
	p.files.RLock()
	defer p.files.RUnlock()
	bounds, err := p.bounds(f.result.Next)
	if err != nil {
		return nil, 0, err
	}
	f.result.LogStart, f.result.HighWatermark = bounds.LogStart, bounds.HighWatermark
	if f.result.Next >= bounds.HighWatermark {
		return nil, f.result.Next, nil
	}
	found, err := p.log.ReadMatching(f.buffer, f.result.Next, bounds.HighWatermark, f.left, f.matcher)
	f.left -= found.Read
	if cap(found.Batches) > cap(f.buffer) {
		f.buffer = found.Batches[:0]
	}
	return found.Batches, found.Next, err
}

// decode takes the matching records of some batches into the result and moves its Next to next, or behind the batch that reaches
// the limit of what is decoded.
func (f *matching) decode(batches []byte, from, next log.Offset) error {
	for len(batches) > 0 {
		h, err := record.ParseHeader(batches)
		if err != nil {
			return err
		}
		before := len(f.result.Records)
		if f.result.Records, err = record.DecodeMatching(f.result.Records, batches[:h.Size()], f.tp, from, f.matcher); err != nil {
			return err
		}
		for i := range f.result.Records[before:] {
			f.room -= f.result.Records[before+i].Size + recordOverhead
		}
		batches = batches[h.Size():]
		if f.result.Next = h.NextOffset(); f.room <= 0 && len(batches) > 0 {
			return nil
		}
	}
	f.result.Next = next
	return nil
}

// marksOf returns the marks of a batch that is compressed, with the tags in header, and nil for another: the log reads those itself.
func (p *partition) marksOf(b *log.Batch) (marks []uint32, header string) {
	if b.Compression == log.Uncompressed {
		return nil, ""
	}
	header = p.config().TagHeader
	return record.MarksOf(make([]uint32, 0, len(b.Records)), b.Records, header), header
}
