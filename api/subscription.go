package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
)

// The pace of subscriptions.
const (
	heartbeatDefault = 10 * time.Second
	pollWait         = 5 * time.Second // one long poll of the log
	pollBytes        = 256 << 10
)

// subscription follows some partitions of a topic and hands what matches to a sink. One goroutine per partition polls
// the log; the caller's own does all the sending, so that the sink needs no lock.
type subscription struct {
	reader    log.Reader
	filter    eventFilter
	heartbeat time.Duration
	toEvent   func(*log.Record) (*lodgev1.Event, error)

	partitions []log.TopicPartition
	next       []log.Offset // by index in partitions: what is looked at next. Owned by run
	target     []log.Offset // the high watermarks at the start: behind them it has caught up
	caughtUp   bool
	announce   bool // its reader cannot know the partitions and where it begins in them, and must be able to go on from there
}

// sink takes what a subscription finds. An error ends the subscription.
type sink interface {
	event(e *lodgev1.Event) error
	caughtUp(c *lodgev1.Cursor) error
	heartbeat(c *lodgev1.Cursor) error
}

// found is what one poll brought: the records that match and how far it looked.
type found struct {
	lane    int
	records []log.Record
	next    log.Offset
}

// startAt says where a subscription begins, see SubscribeRequest. Zero: with the next event.
type startAt struct {
	beginning bool
	at        time.Time // not zero: from this time on
	offsets   map[log.TopicPartition]log.Offset
}

// begin finds the offsets to start from.
func (s *subscription) begin(ctx context.Context, start startAt) error {
	s.next = make([]log.Offset, len(s.partitions))
	s.target = make([]log.Offset, len(s.partitions))
	for i, tp := range s.partitions {
		first, high, err := s.reader.Offsets(ctx, tp)
		if err != nil {
			return err
		}
		s.target[i] = high
		switch offset, given := start.offsets[tp]; {
		case given && (offset < first || offset > high):
			return log.NewError(log.OffsetOutOfRange, "subscribe", "%s@%d is not in [%d, %d]", tp, offset, first, high)
		case given:
			s.next[i] = offset
		case start.beginning:
			s.next[i] = first
		case !start.at.IsZero():
			if s.next[i], err = s.reader.OffsetForTime(ctx, tp, start.at); err != nil {
				return err
			}
		default:
			s.next[i] = high
		}
	}
	return nil
}

// run sends until ctx ends or something fails, and returns why. Nothing of it is left running.
func (s *subscription) run(ctx context.Context, to sink) error {
	group, polls := errgroup.WithContext(ctx)
	results := make(chan found)
	for i := range s.partitions {
		group.Go(func() error { return s.poll(polls, i, s.next[i], results) })
	}
	group.Go(func() error { return s.send(polls, results, to) })
	err := group.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// poll reads one partition and hands over what it finds, waiting for the sender each time.
func (s *subscription) poll(ctx context.Context, lane int, from log.Offset, results chan<- found) error {
	req := log.FetchRequest{TopicPartition: s.partitions[lane], MaxBytes: pollBytes, Filter: s.filter.request()}
	for {
		req.Offset = from
		if from >= s.target[lane] { // what was there at the start is passed without waiting for a match
			req.MaxWait = min(pollWait, s.heartbeat)
		}
		got, err := s.reader.Fetch(ctx, req)
		if err != nil {
			return err
		}
		if got.Next == from {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		matching := got.Records[:0:0]
		for i := range got.Records {
			if s.filter.match(&got.Records[i]) {
				matching = append(matching, got.Records[i])
			}
		}
		select {
		case results <- found{lane: lane, records: matching, next: got.Next}:
			from = got.Next
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *subscription) send(ctx context.Context, results <-chan found, to sink) error {
	if err := s.checkCaughtUp(to); err != nil {
		return err
	}
	if !s.caughtUp && s.announce {
		if err := to.heartbeat(s.cursor()); err != nil {
			return err
		}
	}
	silence := time.NewTimer(s.heartbeat)
	defer silence.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-silence.C:
			if err := to.heartbeat(s.cursor()); err != nil {
				return err
			}
			silence.Reset(s.heartbeat)
		case f := <-results:
			sent, err := s.sendFound(f, to)
			if err != nil {
				return err
			}
			if sent {
				silence.Reset(s.heartbeat)
			}
		}
	}
}

func (s *subscription) sendFound(f found, to sink) (sent bool, err error) {
	for i := range f.records {
		e, err := s.toEvent(&f.records[i])
		if err != nil {
			return false, err
		}
		s.next[f.lane] = f.records[i].Offset + 1
		if err := to.event(e); err != nil {
			return false, err
		}
	}
	s.next[f.lane] = f.next
	return len(f.records) > 0, s.checkCaughtUp(to)
}

// checkCaughtUp tells the sink once when everything that was there at the start has been looked at.
func (s *subscription) checkCaughtUp(to sink) error {
	if s.caughtUp {
		return nil
	}
	for i := range s.next {
		if s.next[i] < s.target[i] {
			return nil
		}
	}
	s.caughtUp = true
	return to.caughtUp(s.cursor())
}

func (s *subscription) cursor() *lodgev1.Cursor {
	c := &lodgev1.Cursor{Positions: make([]string, len(s.partitions))}
	for i, tp := range s.partitions {
		c.Positions[i] = log.Position{Topic: tp.Topic, Partition: tp.Partition, Offset: s.next[i]}.String()
	}
	return c
}

// cursorOffsets reads the positions of a cursor, which must all lie in topics.
func cursorOffsets(topics, positions []string, field string) (map[log.TopicPartition]log.Offset, error) {
	offsets := make(map[log.TopicPartition]log.Offset, len(positions))
	for i, text := range positions {
		name := fmt.Sprintf("%s[%d]", field, i)
		pos, ok, err := parsePosition(text, name)
		if err != nil {
			return nil, err
		}
		if !ok || !slices.Contains(topics, string(pos.Topic)) {
			return nil, domain.Errorf(ReasonInvalidPosition, name, "%.300q is not a position in topic %s", text, strings.Join(topics, " or "))
		}
		offsets[pos.TopicPartition()] = pos.Offset
	}
	return offsets, nil
}
