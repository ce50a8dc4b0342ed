package api

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/availability"
	"lodge/projections/hotels"
	"lodge/projections/payments"
	"lodge/projections/reservations"
)

// The limits of folding a hotel's past; of events they are Options.PastEventsMax and PastAnonymousMax.
const (
	pastTimeMax  = 10 * time.Second
	pastReadSize = 4 << 20
)

// moment is a moment of a hotel's past: where each topic ends.
type moment struct {
	hotelID   string
	partition log.Partition
	time      time.Time
	at        log.Position             // the last event; its topic is empty when the moment is a time
	next      map[log.Topic]log.Offset // of topics that end at an offset rather than at the time
}

// asOf is a request that may ask for the past.
type asOf interface {
	GetAsOfTime() *timestamppb.Timestamp
	GetAsOfPosition() string
}

// moment returns the moment of a hotel's past that a request asks for, or nil when it asks for the present.
func (a *API) moment(ctx context.Context, hotelID string, req asOf) (*moment, error) {
	m := &moment{hotelID: hotelID, partition: a.deps.Store.PartitionFor(hotelID), next: map[log.Topic]log.Offset{}}
	if t := req.GetAsOfTime(); t != nil {
		var err error
		m.time, err = a.pastTime(t)
		return m, err
	}
	pos, named, err := parsePosition(req.GetAsOfPosition(), "as_of_position")
	if err != nil || !named {
		return nil, err
	}
	return m, a.momentAt(ctx, m, pos)
}

// pastTime returns a time that is over.
func (a *API) pastTime(t *timestamppb.Timestamp) (time.Time, error) {
	if t.CheckValid() != nil || t.AsTime().IsZero() {
		return time.Time{}, domain.Errorf(domain.InvalidArgument, "as_of_time", "that is no time")
	}
	at := t.AsTime()
	if now := a.opts.Clock(); at.After(now) {
		return at, domain.Errorf(domain.InvalidArgument, "as_of_time", "%s is in the future: it is %s", at.Format(time.RFC3339Nano), now.UTC().Format(time.RFC3339Nano))
	}
	return at, nil
}

// momentAt makes m the moment right after the event at a position.
func (a *API) momentAt(ctx context.Context, m *moment, pos log.Position) error {
	switch string(pos.Topic) {
	case event.HotelsTopic, event.InventoryTopic, event.BookingsTopic, event.PaymentsTopic:
	default:
		return domain.Errorf(ReasonInvalidPosition, "as_of_position", "topic %s has no events of hotels", pos.Topic)
	}
	if pos.Partition != m.partition {
		return domain.Errorf(ReasonInvalidPosition, "as_of_position", "%s is not in partition %d, where hotel %s is", pos, m.partition, m.hotelID)
	}
	_, end, err := a.deps.Log.Offsets(ctx, pos.TopicPartition())
	if err != nil {
		return err
	}
	if pos.Offset >= end {
		return domain.Errorf(ReasonInvalidPosition, "as_of_position", "there is nothing at %s: the topic's next offset there is %d", pos, end)
	}
	e, err := a.envelopeAt(ctx, pos)
	if err != nil {
		return err
	}
	m.time, m.at, m.next[pos.Topic] = e.Time, pos, pos.Offset+1
	return nil
}

// until says where a topic ends.
func (m *moment) until(topic log.Topic) projections.Until {
	if next, ok := m.next[topic]; ok {
		return projections.UntilOffset(next)
	}
	return projections.UntilTime(m.time)
}

// taken waits until a read model has everything of a topic that may be in the moment, for Options.FreshTimeout at most.
func (a *API) taken(ctx context.Context, projection string, topic log.Topic, m *moment) error {
	tp := log.TopicPartition{Topic: topic, Partition: m.partition}
	last := m.next[topic]
	if last == 0 {
		var err error
		if _, last, err = a.deps.Log.Offsets(ctx, tp); err != nil || last == 0 {
			return err
		}
	}
	pos := log.Position{Topic: tp.Topic, Partition: tp.Partition, Offset: last - 1}
	ctx, cancel := context.WithTimeout(ctx, a.opts.FreshTimeout)
	defer cancel()
	return freshError(a.deps.Store.WaitFor(ctx, projection, pos), pos)
}

// accountAsOf is account at a moment of the past.
func (a *API) accountAsOf(ctx context.Context, m *moment, id string) (*account, error) {
	if err := a.taken(ctx, reservations.Name, event.BookingsTopic, m); err != nil {
		return nil, err
	}
	if err := a.taken(ctx, payments.Name, event.PaymentsTopic, m); err != nil {
		return nil, err
	}
	r, err := a.reservations.AsOf(ctx, m.hotelID, id, m.until(event.BookingsTopic), a.envelopeAt)
	if err != nil {
		return nil, err
	}
	found, err := a.payments.AsOf(ctx, m.hotelID, id, m.until(event.PaymentsTopic))
	if err != nil {
		return nil, err
	}
	return a.openAccount(&r, found)
}

// past reads a hotel's past from the log. It is bounded in events and time.
type past struct {
	*API
	*moment
	ctx    context.Context
	events int    // read so far
	most   int    // that are read
	whom   string // that is told to, in an error; empty: anybody
}

// readPast calls f with a reader of a hotel's past.
func (a *API) readPast(ctx context.Context, m *moment, f func(*past) error) error {
	whose := "the hotels"
	if m.hotelID != "" {
		whose = "hotel " + m.hotelID
	}
	ctx, cancel := context.WithTimeoutCause(ctx, pastTimeMax, domain.Errorf(domain.LimitReached, "", "the past of %s takes longer than %s to read", whose, pastTimeMax))
	defer cancel()
	p := &past{API: a, moment: m, ctx: ctx, most: a.opts.PastEventsMax}
	if c := callerOf(ctx); c != nil && c.token == nil && !c.local {
		p.most, p.whom = a.opts.PastAnonymousMax, " to callers who have not said who they are"
	}
	err := f(p)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// each calls f for the hotel's events of a topic up to the moment.
func (p *past) each(topic log.Topic, f func(projections.Event) error) error {
	until := p.until(topic)
	filter := &log.Filter{Keys: [][]byte{[]byte(p.hotelID)}}
	return p.scan(log.TopicPartition{Topic: topic, Partition: p.partition}, filter, func(r *log.Record) (over bool, err error) { return p.take(r, until, f) })
}

// scan calls f for the records of a partition, all or those of a filter, until f says that it is over.
func (p *past) scan(tp log.TopicPartition, filter *log.Filter, f func(*log.Record) (over bool, err error)) error {
	start, end, err := p.deps.Log.Offsets(p.ctx, tp)
	if err != nil {
		return err
	}
	if start > 0 {
		return log.NewError(log.OffsetOutOfRange, "read the past", "%s begins at offset %d: the past of its hotels cannot be told any more", tp, start)
	}
	req := log.FetchRequest{TopicPartition: tp, MaxBytes: pastReadSize, Filter: filter}
	for req.Offset < end {
		if p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
		got, err := p.deps.Log.Fetch(p.ctx, req)
		if err != nil {
			return err
		}
		for i := range got.Records {
			over, err := f(&got.Records[i])
			if over || err != nil {
				return err
			}
		}
		if got.Next <= req.Offset {
			return nil // nothing more below the high watermark after all
		}
		req.Offset = got.Next
	}
	return nil
}

// take calls f for one record, unless the past is over.
func (p *past) take(r *log.Record, until projections.Until, f func(projections.Event) error) (over bool, err error) {
	e, err := decodeRecord(r)
	if err != nil {
		return false, err
	}
	if !until.Has(r.Offset, e.Time) {
		return true, nil
	}
	if err := p.count("hotel " + p.hotelID); err != nil {
		return false, err
	}
	return false, f(projections.Event{Position: r.Position(), Envelope: e})
}

// count counts an event that is read.
func (p *past) count(whose string) error {
	if p.events++; p.events > p.most {
		return domain.Errorf(domain.LimitReached, "", "%s had more than %d events until then, the most that are read to tell the past%s", whose, p.most, p.whom)
	}
	return nil
}

// house returns what the hotel was and had.
func (p *past) house() (*hotels.Past, error) {
	house := hotels.NewPast()
	return house, p.each(event.HotelsTopic, func(e projections.Event) error {
		house.Take(e)
		return nil
	})
}

// nowOrThen returns what a hotel is or has now, or, at a moment of the past, was or had then.
func nowOrThen[R any](ctx context.Context, a *API, m *moment, now func() (R, error), then func(*hotels.Past) (R, error)) (row R, err error) {
	if m == nil {
		return now()
	}
	house, err := a.houseAsOf(ctx, m)
	if err != nil {
		return row, err
	}
	return then(house)
}

// houseAsOf returns what a hotel was and had.
func (a *API) houseAsOf(ctx context.Context, m *moment) (house *hotels.Past, err error) {
	err = a.readPast(ctx, m, func(p *past) error {
		house, err = p.house()
		return err
	})
	return house, err
}

// calendar returns the nights [from, to) of a room type, or of all of the hotel's when roomTypeID is empty.
func (p *past) calendar(roomTypeID string, from, to domain.Date) (*availability.Past, error) {
	nights := availability.NewPast(p.hotelID, roomTypeID, from, to)
	if err := p.each(event.InventoryTopic, nights.Take); err != nil {
		return nil, err
	}
	return nights, p.each(event.BookingsTopic, nights.Take)
}
