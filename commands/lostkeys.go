package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/commands/persons"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

// LostKeys says what a folder of keys lacks of a log.
type LostKeys struct {
	Sealed   int64         // names, notes and reasons that the log has, each time that one was given
	Lost     int64         // of these, whose key is missing
	From, To time.Time     // when the first and the last of the lost ones were given
	End      persons.KeyID // behind the last key that the log names
}

// FindLostKeys holds all that the log has sealed against what there is of the keys. It changes nothing, and tells progress how many events it has looked at, and of how many. The error is
// log.Corrupt when a key is there and is another's: it is damaged or of another log, and nothing must be given up for it.
func FindLostKeys(ctx context.Context, lg log.Reader, partitions int, keys *persons.Survey, progress func(done, total int64)) (LostKeys, error) {
	found := LostKeys{End: 1}
	var all []log.TopicPartition
	for n := range partitions {
		all = append(all, bookingsPartition(n), paymentsPartition(n))
	}
	starts, ends := make([]log.Offset, len(all)), make([]log.Offset, len(all))
	var done, total int64 // events
	for i, tp := range all {
		var err error
		if starts[i], ends[i], err = lg.Offsets(ctx, tp); err != nil {
			return found, err
		}
		total += int64(ends[i] - starts[i])
	}
	for i, tp := range all {
		told := map[uint64]bool{} // the keys of the command before
		err := eachTagged(ctx, lg, tp, starts[i], ends[i], nil, func(r *log.Record, e *event.Envelope) error {
			progress(done+int64(r.Offset-starts[i]), total)
			return found.look(r, e, keys, told)
		})
		if err != nil {
			return found, err
		}
		done += int64(ends[i] - starts[i])
	}
	progress(total, total)
	return found, nil
}

// look holds one event against the keys. told are those of the events before it: what was written in one command has one key.
func (l *LostKeys) look(r *log.Record, e *event.Envelope, keys *persons.Survey, told map[uint64]bool) error {
	seals := hotel.SealsOf(e)
	offered := isOffer(e.Message)
	for _, s := range seals {
		id := persons.KeyID(s.Key)
		l.End = max(l.End, id+1)
		there := keys.Has(id)
		if there {
			if _, err := keys.OpenWords(id, s.Sealed); err != nil && !errors.Is(err, persons.ErrForgotten) {
				return fmt.Errorf("what is sealed in %s: %w", r.Position(), err)
			}
		}
		if !offered && !told[s.Key] {
			l.count(r.Timestamp, there)
		}
	}
	clear(told)
	for _, s := range seals {
		told[s.Key] = true
	}
	return nil
}

// isOffer reports whether an event places what an entry of the waiting list is offered: its guest is sealed as it was given with the entry.
func isOffer(m proto.Message) bool {
	placed, ok := m.(*eventpb.ReservationPlaced)
	return ok && placed.GetWaitingListEntryId() != ""
}

// count counts something that was given at a time.
func (l *LostKeys) count(at time.Time, there bool) {
	l.Sealed++
	if there {
		return
	}
	if l.Lost++; l.Lost == 1 || at.Before(l.From) {
		l.From = at
	}
	if at.After(l.To) {
		l.To = at
	}
}

func bookingsPartition(n int) log.TopicPartition {
	return log.TopicPartition{Topic: event.BookingsTopic, Partition: log.Partition(n)}
}

func paymentsPartition(n int) log.TopicPartition {
	return log.TopicPartition{Topic: event.PaymentsTopic, Partition: log.Partition(n)}
}
