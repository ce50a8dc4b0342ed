package reservations

import (
	"encoding/binary"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// entry is one event of a reservation as its history keeps it.
type entry struct {
	kind   kind
	reason eventpb.ReservationReason
	note   string // projections.TextOf
	time   time.Time
	offset log.Offset
	more   []byte // what only its kind has: appendMore
}

// timeBytes is the length of an entry's time: nanoseconds since 1970 are too large to be short as a varint.
const timeBytes = 8

// appendEntry appends an entry. Its status is not stored: it follows from the kinds.
func appendEntry(b []byte, e *projections.Event, s state, more []byte) []byte {
	b = packed.AppendInt(b, int64(s.kind))
	b = packed.AppendInt(b, int64(s.reason))
	b = packed.AppendText(b, s.note)
	b = packed.AppendInt(b, int64(e.Position.Offset))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Envelope.Time.UnixNano()))
	if !s.kind.bare() {
		b = append(packed.AppendInt(b, int64(len(more))), more...)
	}
	return b
}

// readHistory calls each for every entry, oldest first.
func readHistory(b []byte, each func(*entry) error) error {
	p := packed.NewReader(b)
	for p.More() {
		e := entry{kind: kind(p.Int()), reason: eventpb.ReservationReason(p.Int()), note: p.Text(), offset: log.Offset(p.Int())}
		at := p.Bytes(timeBytes)
		if at != nil && !e.kind.bare() {
			e.more = p.Bytes(int(p.Int()))
		}
		if p.Err() != nil {
			break
		}
		e.time = time.Unix(0, int64(binary.BigEndian.Uint64(at))).UTC()
		if err := each(&e); err != nil {
			return err
		}
	}
	return p.Err()
}

// appendMore appends what only events of one kind say. Amounts are in the reservation's currency.
func appendMore(b []byte, m any) ([]byte, error) {
	switch m := m.(type) {
	case *eventpb.ReservationPaid:
		if m.GetPaymentId() != "" {
			b = appendPayment(b, m)
		}
	case *eventpb.ReservationBalancePaid:
		b = appendPayment(b, m)
	case *eventpb.ReservationDeclined:
		b = packed.AppendText(packed.AppendID(b, m.GetPaymentId()), m.GetDeclineCode())
	case *eventpb.ReservationCanceled:
		b = appendSettlement(b, m.GetSettlement())
	case *eventpb.ReservationNoShow:
		b = appendSettlement(b, m.GetSettlement())
	case *eventpb.GuestWalked:
		b = appendMessage(packed.AppendText(b, m.GetRelocatedTo()), m.GetSettlement())
	case *eventpb.RefundGranted:
		b = packed.AppendInt(b, m.GetAmount().GetMinorUnits())
	case *eventpb.ReservationRefunded:
		b = packed.AppendInt(packed.AppendInt(b, m.GetRefunded().GetMinorUnits()), m.GetKept().GetMinorUnits())
	case *eventpb.ReservationModified:
		return appendModified(b, m)
	case *eventpb.GuestCheckedIn:
		return appendCheckedIn(b, m)
	case *eventpb.GuestCheckedOut:
		return appendCheckedOut(b, m)
	case *eventpb.GuestMoved:
		b = packed.AppendText(packed.AppendText(b, m.GetFromRoomId()), m.GetToRoomId())
	}
	return b, nil
}

func appendPayment(b []byte, m interface {
	GetPaymentId() string
	GetAmount() *eventpb.Money
}) []byte {
	return packed.AppendInt(packed.AppendID(b, m.GetPaymentId()), m.GetAmount().GetMinorUnits())
}

// appendSettlement appends nothing when there is none.
func appendSettlement(b []byte, s *eventpb.Settlement) []byte {
	if proto.Size(s) == 0 {
		return b
	}
	return appendMessage(b, s)
}

// appendModified appends the stay, then the guest and the price where they have changed, each behind whether they have.
func appendModified(b []byte, m *eventpb.ReservationModified) ([]byte, error) {
	r, err := modified(m)
	if err != nil {
		return b, err
	}
	b = appendStay(b, r)
	if b = appendFlag(b, m.GetGuest() != nil); m.GetGuest() != nil {
		b = appendGuest(b, &r.Guest)
	}
	if b = appendFlag(b, len(r.Nightly) > 0); len(r.Nightly) > 0 {
		b = appendMessage(appendPrice(b, r), r.Terms)
	}
	return packed.AppendInt(packed.AppendInt(b, m.GetBalanceMinorUnits()), m.GetRefundMinorUnits()), nil
}

func appendFlag(b []byte, flag bool) []byte {
	if flag {
		return packed.AppendInt(b, 1)
	}
	return packed.AppendInt(b, 0)
}

func appendCheckedIn(b []byte, m *eventpb.GuestCheckedIn) ([]byte, error) {
	b = packed.AppendInt(b, m.GetSettledAtHotel().GetMinorUnits())
	b = packed.AppendInt(b, int64(len(m.GetRoomIds())))
	for _, id := range m.GetRoomIds() {
		b = packed.AppendText(b, id)
	}
	return appendDate(b, m.GetDate())
}

// appendCheckedOut appends the day, and what was settled then when that is anything.
func appendCheckedOut(b []byte, m *eventpb.GuestCheckedOut) ([]byte, error) {
	b, err := appendDate(b, m.GetDate())
	if settled := m.GetSettledAtHotel().GetMinorUnits(); settled != 0 {
		b = packed.AppendInt(b, settled)
	}
	return b, err
}

func appendDate(b []byte, date string) ([]byte, error) {
	d, err := domain.ParseDate(date)
	return packed.AppendInt(b, int64(d)), err
}
