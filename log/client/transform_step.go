package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"

	"lodge/log"
)

// step reads what there is, commits what is done with the intents of what comes next, and does that.
func (t *Transformer) step(ctx context.Context) error {
	if err := t.poll(ctx); err != nil {
		return err
	}
	work, offsets, err := t.plan(ctx)
	if err != nil {
		return err
	}
	err = t.consumer.commitAll(ctx, offsets)
	if log.CodeOf(err) == log.UnknownTopic && t.forget(ctx, offsets) {
		return nil
	}
	if err != nil {
		return err
	}
	for tp := range offsets {
		t.sources[tp].dirty = false
	}
	jobs := make([]*job, 0, len(work))
	for _, s := range work {
		s.pending = true
		j, err := t.job(ctx, s)
		if err != nil {
			return fmt.Errorf("%s, offsets %d to %d: %w", s.tp, s.position, s.last.End, err)
		}
		jobs = append(jobs, j)
	}
	if err := t.deliver(ctx, jobs); err != nil {
		return err
	}
	for _, s := range work {
		s.finish()
	}
	return nil
}

// forget begins sources anew that were deleted or retired, and reports whether there were some: a topic that is made again by the same name
// before the group forms anew stays assigned.
func (t *Transformer) forget(ctx context.Context, offsets map[log.TopicPartition]log.CommittedOffset) bool {
	there := maps.Clone(offsets)
	gone := t.consumer.forget(ctx, there)
	for tp := range offsets {
		if _, ok := there[tp]; !ok {
			t.sources[tp] = &source{tp: tp, last: intent{Producer: -1}}
			t.consumer.rewind(tp)
		}
	}
	return gone
}

// poll takes records in. It waits for some unless there is something else to do, as there is when the filter has left out all that there
// was: it is done with, and in key order other members wait for that.
func (t *Transformer) poll(ctx context.Context) error {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, s := range t.sources {
		if incomplete := s.pending && s.read < s.last.End; s.dirty || len(s.records) > 0 && !incomplete {
			cancel()
		}
	}
	records, err := t.consumer.pollUntil(waiting, t.gotAhead)
	if err != nil && (ctx.Err() != nil || !errors.Is(err, context.Canceled)) {
		return err
	}
	for i := range records {
		if s := t.sources[partitionOf(&records[i])]; s != nil {
			s.records = append(s.records, records[i])
		}
	}
	for tp, s := range t.sources {
		if read, ok := t.consumer.Position(tp); ok {
			s.read = read
		}
	}
	return nil
}

// gotAhead reports whether there are partitions that the consumer has read on in.
func (t *Transformer) gotAhead() bool {
	for tp, s := range t.sources {
		if read, ok := t.consumer.Position(tp); ok && read > s.read {
			return true
		}
	}
	return false
}

// plan returns what can be worked on, and what is to be committed before.
func (t *Transformer) plan(ctx context.Context) (work []*source, offsets map[log.TopicPartition]log.CommittedOffset, err error) {
	offsets = map[log.TopicPartition]log.CommittedOffset{}
	for tp, s := range t.sources {
		switch {
		case s.pending && s.read >= s.last.End:
			work = append(work, s) // taken over, and all of the range is here
		case s.pending: // the rest of it is on its way
		case len(s.records) > 0:
			if s.last, err = t.intend(ctx, s); err != nil {
				return nil, nil, err
			}
			metadata, err := s.last.encode()
			if err != nil {
				return nil, nil, err
			}
			offsets[tp] = log.CommittedOffset{Offset: s.position, Metadata: metadata}
			work = append(work, s)
		default:
			if s.read == s.position && !s.dirty {
				continue
			}
			s.position, s.dirty = s.read, true // what the filter left out is done with
			offsets[tp] = log.CommittedOffset{Offset: s.position, Metadata: s.last.done(s.position)}
		}
	}
	return work, offsets, nil
}

// intend makes the intent for the next range of s: the records that are here, up to RangeRecordsMax.
func (t *Transformer) intend(ctx context.Context, s *source) (intent, error) {
	n := min(len(s.records), t.opts.RangeRecordsMax)
	in := intent{Producer: s.last.Producer, Epoch: s.last.Epoch + 1, End: s.records[n-1].Offset + 1}
	if in.Producer < 0 || s.last.Epoch == math.MaxInt16 {
		var err error
		if in.Producer, err = t.producerID(ctx); err != nil {
			return in, err
		}
		in.Epoch = 0
	}
	for _, topic := range t.opts.Targets {
		l, err := t.layout(ctx, topic)
		if err != nil {
			return in, err
		}
		in.Routes = append(in.Routes, routing{Topic: topic, Layouts: []intentLayout{l}})
	}
	return in, nil
}

func (t *Transformer) producerID(ctx context.Context) (int64, error) {
	if a, ok := t.lg.(idAllocator); ok {
		return a.AllocateProducerID(ctx)
	}
	return rand.Int64(), nil
}

// layout returns a target's layout as it is now.
func (t *Transformer) layout(ctx context.Context, topic log.Topic) (intentLayout, error) {
	info, err := t.lg.DescribeTopic(ctx, topic)
	if err != nil {
		return intentLayout{}, err
	}
	r := newRoute(info)
	return intentLayout{Number: r.layout, Active: formatRuns(r.active)}, nil
}

// finish takes in that the range is in the output.
func (s *source) finish() {
	n := s.inRange()
	s.records = s.records[n:]
	s.position, s.pending, s.dirty = s.last.End, false, true
}

// inRange returns how many of the records belong to the range of the intent.
func (s *source) inRange() int {
	for i := range s.records {
		if s.records[i].Offset >= s.last.End {
			return i
		}
	}
	return len(s.records)
}
