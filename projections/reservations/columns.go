package reservations

import (
	"encoding/binary"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// appendDetails appends what a reservation begins with, except for what has columns of its own.
func appendDetails(b []byte, r *Reservation) []byte {
	b = packed.AppendText(b, r.RoomTypeID)
	b = packed.AppendInt(b, int64(r.Quantity))
	b = packed.AppendInt(b, int64(r.Stay.CheckOut-r.Stay.CheckIn))
	b = packed.AppendText(b, r.Guest.DisplayName)
	b = packed.AppendText(b, r.Guest.Email)
	for _, n := range [...]int{r.Guest.Adults, r.Guest.Children, r.Guest.Infants} {
		b = packed.AppendInt(b, int64(n))
	}
	b = packed.AppendText(b, r.Total.Currency)
	b = packed.AppendInt(b, r.Total.MinorUnits)
	b = packed.AppendInts(b, r.Nightly)
	b = packed.AppendInts(b, r.FullNights)
	b = packed.AppendText(b, r.Channel)
	b = packed.AppendText(b, r.ExternalReference)
	return appendTail(b, r)
}

// appendTail appends what few reservations have; its parts end with the last one that there is.
func appendTail(b []byte, r *Reservation) []byte {
	size := proto.Size(r.Terms)
	if r.HoldExpireTime.IsZero() && len(r.Broken) == 0 && size == 0 {
		return b
	}
	hold := int64(0)
	if !r.HoldExpireTime.IsZero() {
		hold = r.HoldExpireTime.UnixNano()
	}
	b = packed.AppendInt(b, hold)
	if len(r.Broken) == 0 && size == 0 {
		return b
	}
	b = packed.AppendInt(b, int64(len(r.Broken)))
	for i := range r.Broken {
		b = packed.AppendInt(b, int64(r.Broken[i].Restriction))
		b = packed.AppendInt(b, int64(r.Broken[i].Limit))
		b = packed.AppendInts(b, r.Broken[i].Nights)
	}
	if size == 0 {
		return b
	}
	terms, _ := proto.MarshalOptions{Deterministic: true}.Marshal(r.Terms) // cannot fail: it came in as valid UTF-8 and has no required field
	return packed.AppendText(b, string(terms))
}

// readDetails is the reverse of appendDetails. The check-in date must be known.
func (r *Reservation) readDetails(b []byte) error {
	p := packed.NewReader(b)
	r.RoomTypeID, r.Quantity = p.Text(), int(p.Int())
	r.Stay.CheckOut = r.Stay.CheckIn + domain.Date(p.Int())
	r.Guest.DisplayName, r.Guest.Email = p.Text(), p.Text()
	r.Guest.Adults, r.Guest.Children, r.Guest.Infants = int(p.Int()), int(p.Int()), int(p.Int())
	r.Total.Currency, r.Total.MinorUnits = p.Text(), p.Int()
	r.Nightly, r.FullNights = packed.Ints[int64](p), packed.Ints[domain.Date](p)
	r.Channel, r.ExternalReference = p.Text(), p.Text()
	return r.readTail(p)
}

func (r *Reservation) readTail(p *packed.Reader) error {
	if !p.More() {
		return p.Err()
	}
	if hold := p.Int(); hold != 0 {
		r.HoldExpireTime = nanos(hold)
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
	if !p.More() {
		return p.Err()
	}
	r.Terms = new(eventpb.Terms)
	if err := proto.Unmarshal([]byte(p.Text()), r.Terms); err != nil {
		return fmt.Errorf("%w: %w", packed.ErrMalformed, err)
	}
	return p.Err()
}

// entry is one event of a reservation as its history keeps it.
type entry struct {
	kind   kind
	reason eventpb.ReservationReason
	note   string
	time   time.Time
	offset log.Offset
}

// timeBytes is the length of an entry's time: nanoseconds since 1970 are too large to be short as a varint.
const timeBytes = 8

// appendEntry appends an entry. Its status is not stored: it follows from the kind.
func appendEntry(b []byte, e *projections.Event, s state) []byte {
	b = packed.AppendInt(b, int64(s.kind))
	b = packed.AppendInt(b, int64(s.reason))
	b = packed.AppendText(b, s.note)
	b = packed.AppendInt(b, int64(e.Position.Offset))
	return binary.BigEndian.AppendUint64(b, uint64(e.Envelope.Time.UnixNano()))
}

// readHistory calls each for every entry, oldest first.
func readHistory(b []byte, each func(*entry)) error {
	p := packed.NewReader(b)
	for p.More() {
		e := entry{kind: kind(p.Int()), reason: eventpb.ReservationReason(p.Int()), note: p.Text(), offset: log.Offset(p.Int())}
		if at := p.Bytes(timeBytes); at != nil {
			e.time = nanos(int64(binary.BigEndian.Uint64(at)))
			each(&e)
		}
	}
	return p.Err()
}

// take makes the reservation what it is after an entry.
func (r *Reservation) take(e *entry) {
	if e.kind == kindPlaced || e.kind == kindRejected {
		r.CreateTime, r.Created = e.time, e.offset
	}
	r.Status, r.Reason, r.Note = statuses[e.kind], e.reason, e.note
	r.UpdateTime, r.Updated = e.time, e.offset
}

// columns are those that scan reads.
const columns = "hotel_id, reservation_id, check_in, guest_id, details, history"

func scan(row *projections.Row) (Reservation, error) {
	r := Reservation{HotelID: row.Text(0), ReservationID: packed.KeyText(row.Value(1)), Guest: Guest{GuestID: row.Text(3)}}
	r.Stay.CheckIn = domain.Date(row.Int(2))
	err := r.readDetails(row.Blob(4))
	if err == nil {
		err = readHistory(row.Blob(5), r.take)
	}
	if err != nil {
		return r, fmt.Errorf("read reservation %s of hotel %s: %w", r.ReservationID, r.HotelID, err)
	}
	return r, nil
}

// types are the current types of the kinds.
var types = map[kind]string{
	kindPlaced:   event.TypeOf(&eventpb.ReservationPlaced{}),
	kindRejected: event.TypeOf(&eventpb.ReservationRejected{}),
	kindPaid:     event.TypeOf(&eventpb.ReservationPaid{}),
	kindCanceled: event.TypeOf(&eventpb.ReservationCanceled{}),
	kindNoShow:   event.TypeOf(&eventpb.ReservationNoShow{}),
}

// statuses are what the kinds leave a reservation in.
var statuses = map[kind]eventpb.ReservationStatus{
	kindPlaced:   eventpb.ReservationStatus_RESERVATION_STATUS_PENDING,
	kindRejected: eventpb.ReservationStatus_RESERVATION_STATUS_REJECTED,
	kindPaid:     eventpb.ReservationStatus_RESERVATION_STATUS_PAID,
	kindCanceled: eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED,
	kindNoShow:   eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED,
}

func nanos(n int64) time.Time { return time.Unix(0, n).UTC() }
