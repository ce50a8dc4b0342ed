package access

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"lodge/domain"
	"lodge/log"
)

// Log is what tokens and accounts are kept in.
type Log interface {
	log.Reader
	log.Writer
	log.Admin
}

// ledger is a compacted topic of one partition with a single writer, which is held in memory by whoever applies its records.
type ledger struct {
	lg    Log
	at    log.TopicPartition
	apply func(*log.Record) error // takes in one record; called by whoever holds mu

	mu   sync.Mutex // held while the log is written or read
	next log.Offset // read up to here
	cfg  log.TopicConfig
}

// open makes the topic when it is missing and reads it.
func (l *ledger) open(ctx context.Context) error {
	err := l.lg.CreateTopic(ctx, l.at.Topic, l.cfg)
	if err != nil && log.CodeOf(err) != log.TopicExists {
		return fmt.Errorf("make the topic %s: %w", l.at.Topic, err)
	}
	if l.next, _, err = l.lg.Offsets(ctx, l.at); err == nil {
		err = l.catchUp(ctx)
	}
	if err != nil {
		return fmt.Errorf("read the topic %s: %w", l.at.Topic, err)
	}
	return nil
}

// appendTries is how often an append finds that somebody else has written: nobody should.
const appendTries = 3

// append writes records behind all that has been read, as one, and takes in what is then there, also when it cannot know whether it has written. The caller
// holds mu.
func (l *ledger) append(ctx context.Context, records []log.Record) error {
	ctx = context.WithoutCancel(ctx) // half an append is worse than a late answer
	var err error
	for range appendTries {
		expect := l.next
		_, err = l.lg.Append(ctx, l.at, &log.Batch{Records: records, Expect: &expect})
		if read := l.catchUp(ctx); read != nil {
			return errors.Join(err, read)
		}
		if log.CodeOf(err) != log.OffsetMismatch {
			break
		}
	}
	return err
}

// catchUp takes in what the log has and has not been seen. The caller holds mu, or has the ledger alone.
func (l *ledger) catchUp(ctx context.Context) error {
	for {
		got, err := l.lg.Fetch(ctx, log.FetchRequest{TopicPartition: l.at, Offset: l.next})
		if err != nil {
			return err
		}
		for i := range got.Records {
			if err := l.apply(&got.Records[i]); err != nil {
				return fmt.Errorf("read the record at %s: %w", got.Records[i].Position(), err)
			}
		}
		if got.Next >= got.HighWatermark || got.Next <= l.next {
			l.next = max(l.next, got.Next)
			return nil
		}
		l.next = got.Next
	}
}

// full refuses what would be one too many.
func full(format string, args ...any) error {
	return domain.Errorf(domain.LimitReached, "", format, args...)
}
