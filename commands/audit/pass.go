package audit

import (
	"context"
	"fmt"

	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
)

// pass is one reading of a partition number: hotels first, then bookings with the inventory brought up to each decision, then payments.
type pass struct {
	*auditor
	n      log.Partition
	cut    *cut
	nights *occupancy // nil: this pass looks at ids only
	ids    *identities
}

func (p *pass) run(ctx context.Context) error {
	if p.memory != nil {
		if err := p.memory.restore(p); err != nil {
			return err
		}
	}
	hotels, inventory, bookings, payments := p.cursor(hotelsTopic), p.cursor(inventoryTopic), p.cursor(bookingsTopic), p.cursor(paymentsTopic)
	if err := p.each(ctx, hotels, p.cut.ends[hotelsTopic], p.hotelEvent); err != nil {
		return err
	}
	err := p.each(ctx, bookings, p.cut.ends[bookingsTopic], func(at log.Position, e *event.Envelope) error {
		if mark, ok := inventoryMark(e); ok && p.nights != nil {
			if err := p.bringUp(ctx, inventory, mark, at, e); err != nil {
				return err
			}
		}
		p.booking(at, e)
		return nil
	})
	if err != nil {
		return err
	}
	if p.nights != nil {
		p.nights.turned.end(p)
	}
	if err := p.pay(ctx, payments); err != nil {
		return err
	}
	if p.memory != nil {
		if err := p.keep(ctx, inventory); err != nil {
			return err
		}
	}
	return p.each(ctx, inventory, p.cut.ends[inventoryTopic], p.inventoryEvent)
}

// keep has remembered what was read so far: inventory behind the latest decision is for the decisions to come.
func (p *pass) keep(ctx context.Context, inventory *cursor) error {
	if p.nights != nil {
		p.cut.mark, p.cut.marked = inventory.next, p.cut.chains[inventoryTopic]
	}
	if err := p.each(ctx, inventory, p.cut.mark, p.inventoryEvent); err != nil {
		return err
	}
	return p.memory.save(p)
}

// pay reads the payments: up to where the bookings that are read allow what they give back, and then what the bookings rest on.
func (p *pass) pay(ctx context.Context, payments *cursor) error {
	paid := func(at log.Position, e *event.Envelope) error {
		p.ids.payment(p, at, e)
		return nil
	}
	if err := p.each(ctx, payments, p.cut.settled, paid); err != nil {
		return err
	}
	p.ids.due(p, log.Position{Topic: topicNames[paymentsTopic], Partition: p.n, Offset: p.cut.settled})
	if err := p.each(ctx, payments, p.cut.ends[paymentsTopic], paid); err != nil {
		return err
	}
	p.ids.captured(p, p.end(paymentsTopic))
	return nil
}

func (p *pass) end(topic int) log.Position {
	return log.Position{Topic: topicNames[topic], Partition: p.n, Offset: p.cut.ends[topic]}
}

// bringUp applies the inventory that a decision took into account, and no more.
func (p *pass) bringUp(ctx context.Context, inventory *cursor, mark log.Offset, at log.Position, e *event.Envelope) error {
	if mark < p.nights.mark || mark > p.cut.ends[inventoryTopic] {
		p.found(BadInventoryMark, at, e.HotelID, "decided at inventory offset %d; decisions before it were at %d, and %d are committed",
			mark, p.nights.mark, p.cut.ends[inventoryTopic])
		return nil
	}
	p.nights.mark = mark
	return p.each(ctx, inventory, mark, p.inventoryEvent)
}

// each calls f for the events of c below end. What cannot be an event there is a violation.
func (p *pass) each(ctx context.Context, c *cursor, end log.Offset, f func(log.Position, *event.Envelope) error) error {
	for c.next < end {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		p.count()
		if p.nights != nil {
			p.cut.chains[topicOf(c.tp.Topic)].add(r)
		}
		at := r.Position()
		e, err := event.Decode(r.Value, r.HeaderValue)
		if err != nil {
			if p.nights != nil {
				p.found(UnreadableEvent, at, string(r.Key), "%v", err)
			}
			continue
		}
		p.place(r, e)
		p.ids.request(p, r, e)
		if err := f(at, e); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) count() {
	const every = 4096
	p.progress.Records++
	if p.progress.Records%every == 0 {
		p.tell()
	}
}

// place checks that an event lies where it belongs.
func (p *pass) place(r *log.Record, e *event.Envelope) {
	if p.nights == nil {
		return
	}
	if log.PartitionForKey([]byte(e.HotelID), p.opts.Partitions) != p.n {
		p.found(WrongPartition, r.Position(), e.HotelID, "the hotel does not live at partition %d", p.n)
	}
	if string(r.Key) != e.HotelID {
		p.found(WrongKey, r.Position(), e.HotelID, "the record's key is %.80q", r.Key)
	}
	if topic := event.TopicOf(e.Message); topic != string(r.Topic) {
		p.found(WrongTopic, r.Position(), e.HotelID, "an event of topic %s", topic)
	}
}

func (p *pass) hotelEvent(_ log.Position, e *event.Envelope) error {
	if p.nights == nil {
		return nil
	}
	switch m := e.Message.(type) {
	case interface{ GetHotel() *eventpb.Hotel }:
		p.nights.hotel(e.HotelID).report.DisplayName = m.GetHotel().GetDisplayName()
	case interface{ GetRatePlan() *eventpb.RatePlan }:
		p.nights.hotel(e.HotelID).ratePlan(m.GetRatePlan())
	case interface{ GetRoom() *eventpb.Room }:
		p.nights.hotel(e.HotelID).house.exists[m.GetRoom().GetRoomId()] = true
	}
	return nil
}

func (p *pass) inventoryEvent(at log.Position, e *event.Envelope) error {
	if p.nights == nil {
		return nil
	}
	var err error
	switch m := e.Message.(type) {
	case *eventpb.InventorySet:
		err = p.nights.set(m)
	case *eventpb.RestrictionsSet:
		err = p.nights.restrict(m)
	}
	if err != nil {
		p.found(UnknownInventory, at, e.HotelID, "%v", err)
	}
	return nil
}

// booking checks one event of the bookings topic.
func (p *pass) booking(at log.Position, e *event.Envelope) {
	p.ids.booking(p, at, e)
	if p.nights == nil {
		return
	}
	if m, ok := e.Message.(*eventpb.ReservationRejected); ok {
		p.nights.rejected(p, at, m)
		return
	}
	p.nights.turned.end(p)
	totals := &p.nights.hotel(e.HotelID).report.Totals
	switch m := e.Message.(type) {
	case *eventpb.ReservationPlaced:
		p.nights.placed(p, at, m)
	case *eventpb.ReservationModified:
		p.nights.modified(p, at, m)
	case *eventpb.GuestCheckedOut:
		p.nights.checkedOut(p, at, m)
	case *eventpb.GuestCheckedIn:
		totals.CheckedIn++
		p.nights.hotel(e.HotelID).house.checkedIn(p, at, m)
	case *eventpb.GuestMoved:
		p.nights.hotel(e.HotelID).house.moved(p, at, m)
	case *eventpb.ReservationPaid:
		totals.Paid++
	case *eventpb.ReservationRefunded:
		totals.Refunded++
	case *eventpb.ReservationDeclined:
		totals.Declined++
		p.nights.release(p, at, e.HotelID, m.GetStay())
	case *eventpb.ReservationCanceled:
		totals.Canceled++
		p.nights.release(p, at, e.HotelID, m.GetStay())
	case *eventpb.ReservationNoShow:
		totals.NoShows++
		p.nights.release(p, at, e.HotelID, m.GetStay())
	case *eventpb.GuestWalked:
		totals.Walked++
		p.nights.release(p, at, e.HotelID, m.GetStay())
	}
}

func (p *pass) found(kind Kind, at log.Position, hotelID, format string, args ...any) {
	p.violation(Violation{Kind: kind, Position: at, HotelID: hotelID, Text: fmt.Sprintf(format, args...)})
}

func inventoryMark(e *event.Envelope) (log.Offset, bool) {
	if m, ok := e.Message.(interface{ GetInventoryOffset() int64 }); ok {
		return log.Offset(m.GetInventoryOffset()), true
	}
	return 0, false
}

// cursor reads one partition in order.
type cursor struct {
	reader  log.Reader
	tp      log.TopicPartition
	next    log.Offset
	records []log.Record // fetched and not read yet
}

func (p *pass) cursor(topic int) *cursor {
	return &cursor{reader: p.reader, tp: log.TopicPartition{Topic: topicNames[topic], Partition: p.n}, next: p.cut.from[topic]}
}

// read returns the next record, which must be there.
func (c *cursor) read(ctx context.Context) (*log.Record, error) {
	const fetchBytes = 1 << 20
	if len(c.records) == 0 {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		got, err := c.reader.Fetch(ctx, log.FetchRequest{TopicPartition: c.tp, Offset: c.next, MaxBytes: fetchBytes})
		if err != nil {
			return nil, err
		}
		c.records = got.Records
	}
	if len(c.records) == 0 || c.records[0].Offset != c.next {
		return nil, log.NewError(log.Corrupt, "read "+c.tp.String(), "no record at offset %d", c.next)
	}
	r := &c.records[0]
	c.records = c.records[1:]
	c.next++
	return r, nil
}
