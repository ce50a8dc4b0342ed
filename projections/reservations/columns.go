package reservations

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// appendDetails appends what a reservation begins with, except for what has columns of its own.
func appendDetails(b []byte, r *Reservation) []byte {
	b = appendPrice(appendGuest(appendStay(b, r), &r.Guest), r)
	b = packed.AppendInts(b, r.FullNights)
	b = packed.AppendText(b, r.Channel)
	b = packed.AppendText(b, r.ExternalReference)
	return appendTail(b, r)
}

func appendStay(b []byte, r *Reservation) []byte {
	b = packed.AppendText(b, r.RoomTypeID)
	b = packed.AppendInt(b, int64(r.Quantity))
	return packed.AppendInt(b, int64(r.Stay.Nights()))
}

func appendGuest(b []byte, g *Guest) []byte {
	b = packed.AppendInt(b, int64(g.Key))
	if g.Key != 0 {
		b = packed.AppendText(b, g.Sealed)
	} else {
		b = packed.AppendText(packed.AppendText(b, g.DisplayName), g.Email)
	}
	for _, n := range [...]int{g.Adults, g.Children, g.Infants} {
		b = packed.AppendInt(b, int64(n))
	}
	return b
}

func appendPrice(b []byte, r *Reservation) []byte {
	b = packed.AppendText(b, r.Total.Currency)
	b = packed.AppendInt(b, r.Total.MinorUnits)
	return packed.AppendInts(b, r.Nightly)
}

// The parts of the tail, in order.
const (
	tailHold = 1 + iota
	tailBroken
	tailTerms
	tailGroup
	tailWaiting
)

// tailOf returns the last part that a reservation has, or 0.
func tailOf(r *Reservation) int {
	switch {
	case r.WaitingListEntryID != "":
		return tailWaiting
	case r.GroupID != "":
		return tailGroup
	case proto.Size(r.Terms) > 0:
		return tailTerms
	case len(r.Broken) > 0:
		return tailBroken
	case !r.HoldExpireTime.IsZero():
		return tailHold
	}
	return 0
}

// appendTail appends what few reservations have; its parts end with the last one that there is.
func appendTail(b []byte, r *Reservation) []byte {
	last := tailOf(r)
	if last >= tailHold {
		b = packed.AppendInt(b, nanosOf(r.HoldExpireTime))
	}
	if last >= tailBroken {
		b = packed.AppendInt(b, int64(len(r.Broken)))
		for i := range r.Broken {
			b = packed.AppendInt(b, int64(r.Broken[i].Restriction))
			b = packed.AppendInt(b, int64(r.Broken[i].Limit))
			b = packed.AppendInts(b, r.Broken[i].Nights)
		}
	}
	if last >= tailTerms {
		b = appendMessage(b, r.Terms)
	}
	if last >= tailGroup {
		b = packed.AppendID(b, r.GroupID)
	}
	if last >= tailWaiting {
		b = packed.AppendID(b, r.WaitingListEntryID)
	}
	return b
}

// readDetails is the reverse of appendDetails. The check-in date must be known.
func (r *Reservation) readDetails(b []byte) error {
	p := packed.NewReader(b)
	r.readStay(p)
	r.Guest.read(p)
	r.readPrice(p)
	r.FullNights = packed.Ints[domain.Date](p)
	r.Channel, r.ExternalReference = p.Text(), p.Text()
	return r.readTail(p)
}

func (r *Reservation) readStay(p *packed.Reader) {
	r.RoomTypeID, r.Quantity = p.Text(), int(p.Int())
	r.Stay.CheckOut = r.Stay.CheckIn + domain.Date(p.Int())
}

func (g *Guest) read(p *packed.Reader) {
	*g = Guest{GuestID: g.GuestID, Key: uint64(p.Int())}
	if g.Key != 0 {
		g.Sealed = p.Text()
	} else {
		g.DisplayName, g.Email = p.Text(), p.Text()
	}
	g.Adults, g.Children, g.Infants = int(p.Int()), int(p.Int()), int(p.Int())
}

func (r *Reservation) readPrice(p *packed.Reader) {
	r.Total.Currency, r.Total.MinorUnits = p.Text(), p.Int()
	r.Nightly = packed.Ints[int64](p)
}

func (r *Reservation) readTail(p *packed.Reader) error {
	if p.More() {
		r.HoldExpireTime = timeOf(p.Int())
	}
	if p.More() {
		for range p.Int() {
			if p.Err() != nil {
				break
			}
			broken := hotel.Broken{Restriction: eventpb.Restriction(p.Int()), Limit: int32(p.Int())}
			broken.Nights = packed.Ints[domain.Date](p)
			r.Broken = append(r.Broken, broken)
		}
	}
	if p.More() {
		var err error
		if r.Terms, err = readMessage[eventpb.Terms](p); err != nil {
			return err
		}
	}
	if p.More() {
		r.GroupID = p.ID()
	}
	if p.More() {
		r.WaitingListEntryID = p.ID()
	}
	return p.Err()
}

// appendMessage appends a message; nil and an empty one are the same.
func appendMessage(b []byte, m proto.Message) []byte {
	bytes, _ := proto.MarshalOptions{Deterministic: true}.Marshal(m) // cannot fail: it came in as valid UTF-8 and has no required field
	return packed.AppendText(b, string(bytes))
}

// readMessage is the reverse of appendMessage; nil for an empty one.
func readMessage[M any, P interface {
	*M
	proto.Message
}](p *packed.Reader) (P, error) {
	bytes := p.Text()
	if bytes == "" {
		return nil, p.Err()
	}
	m := P(new(M))
	if err := proto.Unmarshal([]byte(bytes), m); err != nil {
		return nil, fmt.Errorf("%w: %w", packed.ErrMalformed, err)
	}
	return m, p.Err()
}

// columns are those that scan reads.
const columns = "r.hotel_id, r.reservation_id, r.check_in, r.guest_id, r.details, r.history"

// scan reads a row. The event that begins a reservation begins it anew when there was one with its id that the engine had forgotten.
func scan(row *projections.Row) (r Reservation, err error) {
	err = readHistory(row.Blob(5), func(e *entry) error {
		if e.kind.bare() {
			r = Reservation{HotelID: row.Text(0), ReservationID: packed.KeyText(row.Value(1)), Guest: Guest{GuestID: row.Text(3)}}
			r.Stay.CheckIn = domain.Date(row.Int(2))
			if err := r.readDetails(row.Blob(4)); err != nil {
				return err
			}
		}
		return r.take(e)
	})
	if err != nil {
		return r, fmt.Errorf("read reservation %s of hotel %s: %w", packed.KeyText(row.Value(1)), row.Text(0), err)
	}
	return r, nil
}

// nanosOf returns a time as columns hold it: nanoseconds since 1970, 0 for the zero time.
func nanosOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// timeOf is the reverse of nanosOf.
func timeOf(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}
