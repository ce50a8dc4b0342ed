package commands

import (
	"context"
	"fmt"
	"time"

	"lodge/domain/event"
	"lodge/log"
)

const (
	replayBytes = 4 << 20
	retryAfter  = 100 * time.Millisecond // between attempts to rebuild a state
)

// ready makes sure that the state is the log's, and rebuilds it after a failed commit.
func (p *processor) ready() error {
	if p.down == nil && !p.pipe.bust.Load() {
		return nil
	}
	p.drain()
	if p.pipe.bust.Load() {
		p.opts.Logger.Error("commit failed, rebuilding the state", "partition", p.partition, "error", p.pipe.cause)
		p.down, p.retryAt = p.pipe.cause, time.Time{}
		p.state = nil
		p.pipe.mend()
	}
	if time.Now().Before(p.retryAt) {
		return p.down
	}
	st, err := p.load(context.Background())
	if err != nil {
		p.goDown(err)
		return err
	}
	p.state, p.down = st, nil
	p.armAll()
	return nil
}

// goDown gives up the state. It is rebuilt for the first command that comes after a moment.
func (p *processor) goDown(err error) {
	p.opts.Logger.Error("state lost", "partition", p.partition, "error", err)
	p.state, p.down, p.retryAt = nil, err, time.Now().Add(retryAfter)
}

// load rebuilds the state from the latest snapshot and the log behind it.
func (p *processor) load(ctx context.Context) (*state, error) {
	st := newState(p.opts)
	if p.snapshots != nil {
		st = p.snapshots.read(ctx, p.partition)
	}
	progress := OpenProgress{Partition: p.partition, FromSnapshot: st.events()}
	err := catchUp(ctx, p.lg, p.partition, st, func(replayed, total int64) {
		if p.opts.OnOpen != nil {
			progress.Replayed, progress.Total = replayed, total
			p.opts.OnOpen(progress)
		}
	})
	return st, err
}

// catchUp applies what is committed behind st, which is not to be used after an error. The last topic is measured first: whatever an event rests on of the topics before its own was committed before
// it, so that it is within what is measured afterwards.
func catchUp(ctx context.Context, lg log.Reader, n log.Partition, st *state, progress func(replayed, total int64)) error {
	var end [topicCount]log.Offset
	total := int64(0)
	for topic := topicCount - 1; topic >= 0; topic-- {
		_, high, err := lg.Offsets(ctx, log.TopicPartition{Topic: topicNames[topic], Partition: n})
		if err != nil {
			return err
		}
		end[topic] = high
		total += int64(high)
	}
	before := st.events()
	known, newer := st.requests, [topicCount]*requests{}
	for topic := range topicCount {
		st.requests = newRequests(known.limits)
		newer[topic] = st.requests
		for st.next[topic] < end[topic] {
			if err := catchUpSome(ctx, lg, n, st, topic, end[topic]); err != nil {
				return err
			}
			if progress != nil {
				progress(st.events()-before, total)
			}
		}
	}
	st.requests = known.merged(newer[:]...)
	return nil
}

// catchUpSome applies one fetch.
func catchUpSome(ctx context.Context, lg log.Reader, n log.Partition, st *state, topic int, end log.Offset) error {
	tp := log.TopicPartition{Topic: topicNames[topic], Partition: n}
	got, err := lg.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: st.next[topic], MaxBytes: replayBytes})
	if err != nil {
		return err
	}
	records := got.Records
	if len(records) == 0 || records[0].Offset != st.next[topic] {
		return log.NewError(log.Corrupt, "replay "+tp.String(), "no record at offset %d below %d", st.next[topic], end)
	}
	for len(records) > 0 && st.next[topic] < end {
		count, err := applyCommand(st, topic, records)
		if err != nil {
			return fmt.Errorf("replay %s: %w", tp, err)
		}
		records = records[count:]
	}
	return nil
}

// applyCommand applies the first command in records, which is a batch, and returns how many events it has.
func applyCommand(st *state, topic int, records []log.Record) (int, error) {
	base := st.next[topic]
	var first *event.Envelope
	count := 0
	for count < len(records) && records[count].CRC == records[0].CRC {
		r := &records[count]
		e, err := decodeRecord(r)
		if err != nil {
			return 0, err
		}
		if first == nil {
			first = e
		} else if e.RequestID != first.RequestID {
			break
		}
		if r.Offset != st.next[topic] {
			return 0, log.NewError(log.Corrupt, "replay", "%s follows offset %d: the events between were lost to a repair of the log, and a state without them would be wrong. "+
				"Put back the side files that the repair kept, or the folder from before it", r.Position(), st.next[topic]-1)
		}
		if err := st.apply(topic, e); err != nil {
			return 0, err
		}
		count++
	}
	st.remember(first, topic, base, count)
	return count, nil
}

func decodeRecord(r *log.Record) (*event.Envelope, error) {
	e, err := event.Decode(r.Value, r.HeaderValue)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Position(), err)
	}
	return e, nil
}

// readAnswer reads the events of a request that was applied before. It runs on the goroutine of whoever waits.
func (e *Engine) readAnswer(ctx context.Context, p *Pending) (Result, error) {
	tp := log.TopicPartition{
		Topic:     topicNames[p.replay.topic()],
		Partition: e.partitionOf(p.command.Body.HotelID()),
	}
	result := Result{Replayed: true}
	base, count := p.replay.offset(), p.replay.count()
	for at := base; len(result.Events) < count; {
		got, err := e.lg.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: at, MaxBytes: 1})
		if err != nil {
			return Result{}, fmt.Errorf("read the answer of request %s: %w", p.command.RequestID, err)
		}
		if len(got.Records) == 0 {
			return Result{}, log.NewError(log.Corrupt, "read "+tp.String(), "no record at offset %d", at)
		}
		for i := range min(len(got.Records), count-len(result.Events)) {
			if err := result.addReplayed(&got.Records[i], p); err != nil {
				return Result{}, err
			}
		}
		at = base + log.Offset(len(result.Events))
	}
	return result, nil
}

// addReplayed checks that a record is of p's request, and appends its event.
func (r *Result) addReplayed(record *log.Record, p *Pending) error {
	e, err := decodeRecord(record)
	if err != nil {
		return err
	}
	if e.RequestID != p.command.RequestID {
		return log.NewError(log.Corrupt, "read "+record.Position().String(), "not an event of request %s", p.command.RequestID)
	}
	if e.RequestFingerprint != p.finger && e.RequestFingerprint != p.plain {
		return ErrRequestReused
	}
	r.Events = append(r.Events, e)
	r.Position = record.Position()
	return nil
}

var zeroID [16]byte

// unixSeconds returns t in seconds since 1970, as far as 32 bits go.
func unixSeconds(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), 1<<32-1))
}
