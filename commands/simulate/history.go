package simulate

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
)

// history is what the log holds of one hotel.
type history struct {
	currency  string
	place     *time.Location
	roomTypes map[string]*eventpb.RoomType
	inventory []change
	bookings  []booking
	fates     map[string]*fate // by reservation
	first     domain.Date      // earliest arrival that was asked for
	now       domain.Date      // of the latest booking event
	events    int
}

// change is an event of the inventory.
type change struct {
	offset log.Offset
	set    *eventpb.InventorySet
	from   domain.Date
	to     domain.Date
}

// booking is an event of the bookings.
type booking struct {
	at      time.Time
	day     domain.Date // at the hotel
	message proto.Message
}

// fate is what became of a reservation, known before the replay begins.
type fate struct {
	placed   time.Time
	canceled time.Time // zero: it was not
	noShow   bool
	declined bool
	free     bool // its end costs nothing
	left     domain.Date
	donor    *eventpb.ReservationPlaced
}

// arrives reports whether the guest came to the door.
func (f *fate) arrives() bool { return f.canceled.IsZero() && !f.noShow && !f.declined }

// reading reads the events of one hotel.
type reading struct {
	reader log.Reader
	opts   *Options
	n      log.Partition
	h      *history
}

func read(ctx context.Context, reader log.Reader, opts *Options) (*history, error) {
	r := &reading{
		reader: reader, opts: opts, n: log.PartitionForKey([]byte(opts.Hotel), opts.Partitions),
		h: &history{roomTypes: make(map[string]*eventpb.RoomType), fates: make(map[string]*fate)},
	}
	// Bookings are measured first: the inventory that they rest on was committed before them.
	ends := make(map[string]log.Offset)
	for _, topic := range []string{event.BookingsTopic, event.InventoryTopic, event.HotelsTopic} {
		_, high, err := reader.Offsets(ctx, log.TopicPartition{Topic: log.Topic(topic), Partition: r.n})
		if err != nil {
			return nil, err
		}
		ends[topic] = high
	}
	if err := r.each(ctx, event.HotelsTopic, ends[event.HotelsTopic], r.hotel); err != nil {
		return nil, err
	}
	if r.h.place == nil {
		return nil, domain.Errorf(domain.HotelNotFound, "name", "there is no hotel %.80q", opts.Hotel)
	}
	if err := r.each(ctx, event.InventoryTopic, ends[event.InventoryTopic], r.inventory); err != nil {
		return nil, err
	}
	if err := r.each(ctx, event.BookingsTopic, ends[event.BookingsTopic], r.booking); err != nil {
		return nil, err
	}
	return r.h, nil
}

// each calls f for the hotel's events of a topic below end.
func (r *reading) each(ctx context.Context, topic string, end log.Offset, f func(*log.Record, *event.Envelope) error) error {
	req := log.FetchRequest{
		TopicPartition: log.TopicPartition{Topic: log.Topic(topic), Partition: r.n}, MaxBytes: 4 << 20,
		Filter: &log.Filter{Keys: [][]byte{[]byte(r.opts.Hotel)}},
	}
	for req.Offset < end {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		got, err := r.reader.Fetch(ctx, req)
		if err != nil {
			return err
		}
		for i := range got.Records {
			record := &got.Records[i]
			if record.Offset >= end {
				return nil
			}
			if r.h.events++; r.h.events > r.opts.EventsMax {
				return domain.Errorf(domain.LimitReached, "name", "hotel %s has more than %d events", r.opts.Hotel, r.opts.EventsMax)
			}
			e, err := event.Decode(record.Value, record.HeaderValue)
			if err != nil {
				return log.NewError(log.Corrupt, "read "+record.Position().String(), "%v", err)
			}
			if err := f(record, e); err != nil {
				return err
			}
		}
		if got.Next <= req.Offset {
			return log.NewError(log.Corrupt, "read "+req.String(), "nothing at offset %d of %d", req.Offset, end)
		}
		req.Offset = got.Next
	}
	return nil
}

func (r *reading) hotel(_ *log.Record, e *event.Envelope) error {
	switch m := e.Message.(type) {
	case interface{ GetHotel() *eventpb.Hotel }:
		place, err := domain.LoadTimeZone(m.GetHotel().GetTimeZone())
		if err != nil {
			return err
		}
		r.h.place, r.h.currency = place, m.GetHotel().GetCurrencyCode()
	case interface{ GetRoomType() *eventpb.RoomType }:
		r.h.roomTypes[m.GetRoomType().GetRoomTypeId()] = m.GetRoomType()
	}
	return nil
}

func (r *reading) inventory(record *log.Record, e *event.Envelope) error {
	m, ok := e.Message.(*eventpb.InventorySet)
	if !ok {
		return nil
	}
	from, err := domain.ParseDate(m.GetStartDate())
	if err != nil {
		return err
	}
	to, err := domain.ParseDate(m.GetEndDate())
	if err != nil {
		return err
	}
	r.h.inventory = append(r.h.inventory, change{record.Offset, m, from, to})
	return nil
}

func (r *reading) booking(_ *log.Record, e *event.Envelope) error {
	h := r.h
	b := booking{at: e.Time, day: domain.Today(e.Time, h.place), message: e.Message}
	h.bookings = append(h.bookings, b)
	h.now = max(h.now, b.day)
	if m, ok := e.Message.(interface{ GetStay() *eventpb.Stay }); ok {
		in, err := domain.ParseDate(m.GetStay().GetCheckInDate())
		if err != nil {
			return err
		}
		if h.first == 0 || in < h.first {
			h.first = in
		}
	}
	return h.foretell(e)
}

// foretell notes what an event makes of a reservation's fate.
func (h *history) foretell(e *event.Envelope) error {
	m, ok := e.Message.(interface{ GetReservationId() string })
	if !ok {
		return nil
	}
	f := h.fates[m.GetReservationId()]
	if f == nil {
		f = new(fate)
		h.fates[m.GetReservationId()] = f
	}
	switch m := e.Message.(type) {
	case *eventpb.ReservationPlaced:
		f.placed, f.donor = e.Time, m
	case *eventpb.ReservationCanceled:
		f.canceled = e.Time
		f.free = m.GetReason() != eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST || m.GetSettlement().GetWaived()
	case *eventpb.ReservationNoShow:
		f.noShow, f.free = true, m.GetSettlement().GetWaived()
	case *eventpb.ReservationDeclined:
		f.declined, f.free = true, true
	case *eventpb.GuestCheckedOut:
		var err error
		f.left, err = domain.ParseDate(m.GetDate())
		return err
	}
	return nil
}
