package projections

import (
	"fmt"
	"sort"

	"lodge/domain/event"
	"lodge/log"
)

// batch is a stretch of one partition of one topic: all events in [from, next), and perhaps some before it.
type batch struct {
	topic      log.Topic
	from, next log.Offset
	events     []Event // by offset
}

// after returns the events at and behind next.
func (b *batch) after(next log.Offset) []Event {
	i := sort.Search(len(b.events), func(i int) bool { return b.events[i].Position.Offset >= next })
	return b.events[i:]
}

// truncate makes b end at end, if it goes past it.
func (b *batch) truncate(end log.Offset) {
	if b.next > end {
		b.events = b.events[:len(b.events)-len(b.after(end))]
		b.next = end
	}
}

// join appends what follows b.
func (b *batch) join(more *batch) {
	b.events = append(b.events, more.events...)
	b.next = more.next
}

// decode makes a batch of what a fetch from req.Offset found. When a record cannot be decoded the batch ends
// before it and the error says why.
func decode(req *log.FetchRequest, found *log.FetchResult) (*batch, error) {
	b := &batch{topic: req.Topic, from: req.Offset, next: found.Next, events: make([]Event, 0, len(found.Records))}
	d, at := headers{}, req.Offset
	for i := range found.Records {
		d.record = &found.Records[i]
		if d.record.Offset < at {
			continue // a duplicate
		}
		e, err := event.Decode(d.record.Value, d.get)
		if err != nil {
			b.next = d.record.Offset
			return b, fmt.Errorf("decode %s: %w", d.record.Position(), err)
		}
		b.events = append(b.events, Event{Position: d.record.Position(), Envelope: e})
		at = d.record.Offset + 1
	}
	return b, nil
}

type headers struct{ record *log.Record }

func (h *headers) get(key string) []byte {
	v, _ := h.record.Header(key)
	return v
}
