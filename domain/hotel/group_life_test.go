package hotel

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// couple is a group of two doubles of the first to the third of July; room 101 is there.
func couple(more ...Command) []Command {
	return append(open(room("101"), group(place(1, 1, july(1, 3)), place(2, 1, july(1, 3)))), more...)
}

func payAll(payments ...int) *PayGroup {
	c := &PayGroup{Hotel: "grand", GroupID: groupID, Provider: "simulator", PaymentMethod: "pm"}
	for i, n := range payments {
		c.Payments = append(c.Payments, GroupPayment{ReservationID: uuid(1 + i), PaymentID: paymentID(n)})
	}
	return c
}

func TestPayGroup(t *testing.T) {
	asks := func(n, payment int) proto.Message {
		m := &eventpb.PaymentRequested{
			HotelId: "grand", ReservationId: uuid(n), PaymentId: paymentID(payment), Amount: euros(20_000), Provider: "simulator", PaymentMethod: "pm",
		}
		if n > 1 { // the first one closed the books
			m.BooksDate = "2026-06-01"
		}
		return m
	}
	paid := couple(pay(1, 1), captured(1, 1, 20_000), confirmPaid(1, 1, 20_000))
	runAll(t, []scenario{
		{name: "a payment for each", given: couple(), when: payAll(1, 2), then: []proto.Message{asks(1, 1), asks(2, 2)}},
		{name: "of what is due", given: paid, when: payAll(3, 2), then: []proto.Message{asks(2, 2)}},
		{name: "and stands", given: couple(cancel(1)), when: payAll(1, 2), then: []proto.Message{asks(2, 2)}},
		{name: "none while one is under way", given: couple(pay(2, 1)), when: payAll(3, 2), reason: domain.PaymentInProgress, field: "reservation_id"},
		{name: "none when one's hold is over", given: couple(), now: noon.AddDate(0, 0, 1), when: payAll(1, 2), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "nothing is due", given: couple(cancel(1), cancel(2)), when: payAll(1, 2), reason: domain.NothingDue, field: "group_id"},
		{name: "of nobody", given: couple(), when: payAll(), reason: domain.ReservationNotFound, field: "group_id"},
		{name: "of too many", given: couple(), when: payAll(make([]int, GroupMax+1)...), reason: domain.LimitReached, field: "group_id"},
		{
			name: "of one twice", given: couple(), when: with(payAll(1, 2), func(c *PayGroup) { c.Payments[1].ReservationID = uuid(1) }),
			reason: domain.InvalidArgument, field: "group_id",
		},
	})
}

func TestCancelGroup(t *testing.T) {
	all := &CancelGroup{Hotel: "grand", GroupID: groupID, Reservations: []string{uuid(1), uuid(2)}, Reason: hotelRequest, Note: "Burst pipe."}
	ends := func(n int, from eventpb.ReservationStatus) proto.Message {
		return &eventpb.ReservationCanceled{
			HotelId: "grand", ReservationId: uuid(n), Stay: stayOf(1, "2026-07-01", "2026-07-03"), PreviousStatus: from, Reason: hotelRequest, Note: "Burst pipe.",
		}
	}
	runAll(t, []scenario{
		{name: "all of it", given: couple(confirm(2)), when: all, then: []proto.Message{ends(1, pending), ends(2, paid)}},
		{name: "what stands of it", given: couple(cancel(1)), when: all, then: []proto.Message{ends(2, pending)}},
		{name: "none when the guest of one is there", given: couple(confirm(2), arrive(2)), when: all, reason: domain.StatusConflict, field: "reservation_id"},
		{name: "once", given: slices.Concat(couple(), []Command{all}), when: all, reason: domain.StatusConflict, field: "group_id"},
		{name: "for no reason of its own", given: couple(), when: with(all, func(c *CancelGroup) { c.Reason = 1 }), reason: domain.InvalidArgument, field: "reason"},
	})
}
