package api

import (
	"context"
	"slices"

	"lodge/log"
	"lodge/projections/availability"
)

// The most that is read of the log to say what has changed since a cursor; beyond it the whole calendar costs less.
const (
	sinceFetchesMax = 64 // of each topic
	sinceEventsMax  = 10_000
)

// touched returns the nights that may have changed between the cursor and what was just read. Not known: it cannot be told, because the log
// does not reach back so far, or too much has happened, or to all nights.
func (w *watch) touched(ctx context.Context) (touched []availability.Touched, known bool, err error) {
	for _, pos := range w.since {
		i := slices.IndexFunc(w.at, func(at log.Position) bool { return at.Topic == pos.Topic })
		if i < 0 {
			return nil, false, nil
		}
		more, known, err := w.touchedIn(ctx, pos, w.at[i].Offset)
		if !known || err != nil {
			return nil, false, err
		}
		if touched = append(touched, more...); len(touched) > sinceEventsMax {
			return nil, false, nil
		}
	}
	return touched, true, nil
}

// touchedIn looks at the hotel's events of one topic from pos to before end. What is behind is of no harm: it will be sent as it is now.
func (w *watch) touchedIn(ctx context.Context, pos log.Position, end log.Offset) (touched []availability.Touched, known bool, err error) {
	req := log.FetchRequest{
		TopicPartition: pos.TopicPartition(), Offset: pos.Offset, MaxBytes: 1 << 20, Filter: &log.Filter{Keys: [][]byte{[]byte(w.hotel)}},
	}
	for range sinceFetchesMax {
		if req.Offset >= end {
			return touched, true, nil
		}
		got, err := w.api.deps.Log.Fetch(ctx, req)
		if log.CodeOf(err) == log.OffsetOutOfRange {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		for i := range got.Records {
			e, err := decodeRecord(&got.Records[i])
			if err != nil {
				return nil, false, err
			}
			more, all := availability.TouchedBy(e.Message)
			if touched = append(touched, more...); all || len(touched) > sinceEventsMax {
				return nil, false, nil
			}
		}
		if got.Next <= req.Offset {
			return nil, false, nil // nothing more to read although there should be
		}
		req.Offset = got.Next
	}
	return nil, false, nil
}

// among returns the touched ones of the nights, each once.
func (w *watch) among(now []availability.Nights, touched []availability.Touched) (out []availability.Nights) {
	for i := range now {
		t := now[i]
		hit := make([]bool, len(t.Nights))
		for _, x := range touched {
			if x.RoomTypeID != t.RoomTypeID {
				continue
			}
			for d := max(x.From, w.from); d < min(x.To, w.to); d++ {
				hit[d-w.from] = true
			}
		}
		t.Nights = nil
		for j, n := range now[i].Nights {
			if hit[j] {
				t.Nights = append(t.Nights, n)
			}
		}
		if len(t.Nights) > 0 {
			out = append(out, t)
		}
	}
	return out
}
