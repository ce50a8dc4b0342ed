package audit

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"lodge/domain/eventpb"
)

func euro(n int64) *eventpb.Money { return &eventpb.Money{CurrencyCode: "EUR", MinorUnits: n} }

// key makes a UUID of a word.
func key(word string) string { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(word)).String() }

func asked(n int, payment string, amount int64) proto.Message {
	return &eventpb.PaymentRequested{HotelId: "grand", ReservationId: id(n), PaymentId: key(payment), Amount: euro(amount), Provider: "simulator"}
}

func captured(n int, payment string, amount int64) proto.Message {
	return &eventpb.PaymentCaptured{HotelId: "grand", ReservationId: id(n), PaymentId: key(payment), Amount: euro(amount)}
}

func paidBy(n int, s *eventpb.Stay, payment string, amount int64) proto.Message {
	return &eventpb.ReservationPaid{HotelId: "grand", ReservationId: id(n), Stay: s, PaymentId: key(payment), Amount: euro(amount)}
}

func back(n int, payment, refund string, amount int64) proto.Message {
	return &eventpb.RefundRequested{HotelId: "grand", ReservationId: id(n), PaymentId: key(payment), RefundId: key(refund), Amount: euro(amount)}
}

func wentBack(n int, payment, refund string, amount int64) proto.Message {
	return &eventpb.RefundSucceeded{HotelId: "grand", ReservationId: id(n), PaymentId: key(payment), RefundId: key(refund), Amount: euro(amount)}
}

func refused(n int, payment, refund string, amount int64) proto.Message {
	return &eventpb.RefundFailed{HotelId: "grand", ReservationId: id(n), PaymentId: key(payment), RefundId: key(refund), Amount: euro(amount)}
}

func settled(m proto.Message, fee, refund int64) proto.Message {
	m.(*eventpb.ReservationCanceled).Settlement = &eventpb.Settlement{CurrencyCode: "EUR", FeeMinorUnits: fee, RefundMinorUnits: refund}
	return m
}

func refunded(n int, amount, kept int64) proto.Message {
	return &eventpb.ReservationRefunded{HotelId: "grand", ReservationId: id(n), Refunded: euro(amount), Kept: euro(kept)}
}

// modified changes reservation n, whose nights cost 100, to another stay.
func modified(n int, mark int64, from, to *eventpb.Stay, status eventpb.ReservationStatus) *eventpb.ReservationModified {
	was, is := placed(n, 0, from), placed(n, mark, to)
	m := &eventpb.ReservationModified{
		HotelId: "grand", ReservationId: id(n), PreviousStay: from, Stay: to, Status: status, InventoryOffset: mark, CurrencyCode: "EUR",
		NightlyMinorUnits: is.NightlyMinorUnits, TotalMinorUnits: is.TotalMinorUnits, PreviousTotalMinorUnits: was.TotalMinorUnits,
	}
	if status == isPaid {
		m.BalanceMinorUnits = max(0, m.TotalMinorUnits-m.PreviousTotalMinorUnits)
		m.RefundMinorUnits = max(0, m.PreviousTotalMinorUnits-m.TotalMinorUnits)
	}
	return m
}

func room(name string) proto.Message {
	return &eventpb.RoomCreated{Room: &eventpb.Room{HotelId: "grand", RoomId: name, RoomTypeId: "double"}}
}

func checkedIn(n int, date string, rooms ...string) proto.Message {
	return &eventpb.GuestCheckedIn{HotelId: "grand", ReservationId: id(n), RoomIds: rooms, Date: "2026-07-" + date}
}

func movedTo(n int, from, to string) proto.Message {
	return &eventpb.GuestMoved{HotelId: "grand", ReservationId: id(n), FromRoomId: from, ToRoomId: to, Date: "2026-07-02"}
}

// inRoom101 is reservation 1, paid at the hotel, whose guest is there.
func (w *written) inRoom101(s *eventpb.Stay) *written {
	return w.add(2, 100, placed(1, 1, s)).add(2, 101, paid(1, s)).add(2, 102, checkedIn(1, "01", "101"))
}

func checkedOut(n int, s *eventpb.Stay, date string) proto.Message {
	return &eventpb.GuestCheckedOut{HotelId: "grand", ReservationId: id(n), Stay: s, Date: "2026-07-" + date}
}

func walked(n int, s *eventpb.Stay, fee int64) proto.Message {
	return &eventpb.GuestWalked{HotelId: "grand", ReservationId: id(n), Stay: s, Settlement: &eventpb.Settlement{FeeMinorUnits: fee}}
}

func declined(n int, s *eventpb.Stay) proto.Message {
	return &eventpb.ReservationDeclined{HotelId: "grand", ReservationId: id(n), Stay: s, PaymentId: key("p")}
}

func plan(version int64, fewest, most int32) proto.Message {
	return &eventpb.RatePlanUpdated{RatePlan: &eventpb.RatePlan{HotelId: "grand", RatePlanId: "saver", Version: version, MinStay: fewest, MaxStay: most}}
}

func under(m *eventpb.ReservationPlaced) proto.Message {
	m.Terms = &eventpb.Terms{RatePlanId: "saver"}
	return m
}

func inGroup(m proto.Message, reason eventpb.ReservationReason) proto.Message {
	r := m.(*eventpb.ReservationRejected)
	r.GroupId, r.Reason = key("group"), reason
	return r
}

const (
	soldOut    = eventpb.ReservationReason_RESERVATION_REASON_SOLD_OUT
	incomplete = eventpb.ReservationReason_RESERVATION_REASON_GROUP_INCOMPLETE
)

// wholeLife is a history with everything in it that moves rooms or money: two rooms from July 1 on.
func wholeLife(t *testing.T) *written {
	t.Helper()
	long, short := stay(1, "01", "05"), stay(1, "01", "03")
	return write(t).
		add(1, 1, created("Grand")).add(1, 2, room("101")).add(1, 3, room("102")).add(1, 4, plan(1, 2, 0)).add(1, 5, plan(2, 0, 3)).
		add(1, 6, rooms(2, 0, 0)).
		add(2, 7, placed(1, 1, long)).add(2, 8, asked(1, "a", 400)).add(2, 9, captured(1, "a", 400)).add(2, 10, paidBy(1, long, "a", 400)).
		add(2, 11, modified(1, 1, long, short, isPaid)).add(2, 12, back(1, "a", "a1", 200)).add(2, 13, wentBack(1, "a", "a1", 200)).
		add(3, 14, under(placed(2, 1, stay(1, "02", "05")))). // by both versions of the plan, and in the place of what was given up
		add(3, 15, inGroup(rejected(3, 1, stay(1, "04", "05")), incomplete), inGroup(rejected(4, 1, stay(1, "04", "05"), "2026-07-04"), soldOut)).
		add(3, 16, canceled(2, pending, stay(1, "02", "05"))).
		add(3, 17, checkedIn(1, "01", "101")).add(4, 18, checkedOut(1, short, "02")). // the night of July 2 is free again
		add(4, 19, placed(5, 1, stay(2, "02", "03"))).add(4, 20, asked(5, "b", 100)).
		add(4, 21, &eventpb.PaymentFailed{HotelId: "grand", ReservationId: id(5), PaymentId: key("b")}).
		add(4, 22, &eventpb.PaymentDeclined{HotelId: "grand", ReservationId: id(5), PaymentId: key("b")}).
		add(4, 23, declined(5, stay(2, "02", "03"))).
		add(5, 24, placed(6, 1, stay(1, "02", "04"))).add(5, 25, asked(6, "c", 200)).add(5, 26, captured(6, "c", 200)).add(5, 27, paidBy(6, stay(1, "02", "04"), "c", 200)).
		add(5, 28, settled(canceled(6, isPaid, stay(1, "02", "04")), 50, 150)).add(5, 29, back(6, "c", "c1", 150)).add(5, 30, wentBack(6, "c", "c1", 150)).
		add(5, 31, refunded(6, 150, 50)).
		add(6, 32, placed(7, 1, stay(1, "02", "04"))).add(6, 33, paid(7, stay(1, "02", "04"))).add(6, 34, walked(7, stay(1, "02", "04"), 0)).
		add(6, 35, asked(7, "d", 70)).add(6, 36, captured(7, "d", 70)) // late, and owed back
}

func TestAWholeLifeWithoutFault(t *testing.T) {
	for _, idsMax := range []int{0, 2} {
		r := wholeLife(t).audit(Options{IDsMax: idsMax})
		if !r.OK() {
			t.Fatalf("violations: %+v", r.Violations)
		}
		want := Totals{
			Placed: 5, Rejected: 2, Paid: 3, Canceled: 2, Declined: 1, Modified: 1, CheckedIn: 1, CheckedOut: 1, Walked: 1, Refunded: 1,
			RoomNights: 13, KeptRoomNights: 1,
		}
		if r.Totals != want {
			t.Errorf("%+v", r.Totals)
		}
		if m := r.Money["EUR"]; m != (Money{Captured: 670, Refunded: 350, Owed: 70, Kept: 250}) {
			t.Errorf("%+v", m)
		}
		if got := r.Certificate.Worst[0]; got != (Worst{"grand", "double", "2026-07-02", 2, 2, "bookings/0@3"}) {
			t.Errorf("%+v", got)
		}
	}
}

// one and two are stays of as many nights.
var one, two = stay(1, "01", "02"), stay(1, "01", "03")

// spoiled are histories that are wrong in one place each.
var spoiled = map[string]struct {
	want  Kind
	write func(*written)
}{
	"a change to where there is no room": {Oversold, func(w *written) {
		w.add(2, 4, placed(1, 1, stay(2, "03", "04"))).add(2, 5, placed(2, 1, one)).add(2, 6, modified(2, 1, one, stay(1, "01", "04"), pending))
	}},
	"a change to where nothing is sold": {Forbidden, func(w *written) {
		w.add(1, 9, stopSell("04", "05")).add(2, 4, placed(1, 2, one)).add(2, 6, modified(1, 2, one, stay(1, "01", "05"), pending))
	}},
	"a change of what it was not": {BadRelease, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 6, modified(1, 1, two, one, pending))
	}},
	"a change that forgets the price": {BadPrice, func(w *written) {
		m := modified(1, 1, one, two, pending)
		m.PreviousTotalMinorUnits++
		w.add(2, 4, placed(1, 1, one)).add(2, 6, m)
	}},
	"a change whose lines do not sum": {BadPrice, func(w *written) {
		m := modified(1, 1, one, two, pending)
		m.TotalMinorUnits++
		w.add(2, 4, placed(1, 1, one)).add(2, 6, m)
	}},
	"charges that overflow": {BadPrice, func(w *written) {
		m := placed(1, 1, one)
		m.Terms = &eventpb.Terms{Charges: []*eventpb.Charge{{MinorUnits: 1<<63 - 1}, {MinorUnits: 1<<63 - 1}}}
		m.TotalMinorUnits = 98
		w.add(2, 4, m)
	}},
	"released after it was declined": {BadTransition, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, placed(2, 1, one)).add(2, 6, declined(1, one)).add(2, 7, canceled(1, pending, one))
	}},
	"released twice": {BadTransition, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, placed(2, 1, one)).add(2, 6, canceled(1, pending, one)).add(2, 7, canceled(1, pending, one))
	}},
	"canceled in the house": {BadTransition, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, paid(1, one)).add(2, 6, checkedIn(1, "01", "101")).add(2, 7, canceled(1, isPaid, one))
	}},
	"left without having come": {BadTransition, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, paid(1, one)).add(2, 6, checkedOut(1, one, "02"))
	}},
	"left twice": {BadTransition, func(w *written) {
		w.add(2, 20, placed(2, 1, two)).add(2, 4, placed(1, 1, two)).add(2, 5, paid(1, two)).add(2, 6, checkedIn(1, "01", "101")).add(2, 7, checkedOut(1, two, "02")).add(2, 8, checkedOut(1, two, "02"))
	}},
	"in before it is paid": {BadTransition, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 6, checkedIn(1, "01", "101"))
	}},
	"a room for two": {RoomTwice, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, paid(1, one)).add(2, 6, placed(2, 1, one)).add(2, 7, paid(2, one)).
			add(2, 8, checkedIn(1, "01", "101")).add(2, 9, checkedIn(2, "01", "101"))
	}},
	"a room that is not there": {BadRoom, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, paid(1, one)).add(2, 8, checkedIn(1, "01", "999"))
	}},
	"a room less than reserved": {BadRoom, func(w *written) {
		w.add(2, 4, placed(1, 1, stay(2, "01", "02"))).add(2, 5, paid(1, stay(2, "01", "02"))).add(2, 8, checkedIn(1, "01", "101"))
	}},
	"in a room where another has moved": {RoomTwice, func(w *written) {
		w.inRoom101(one).add(2, 4, room("102")).add(2, 5, movedTo(1, "101", "102")).add(2, 6, placed(2, 1, one)).add(2, 7, paid(2, one)).add(2, 8, checkedIn(2, "01", "102"))
	}},
	"moved to where another is": {RoomTwice, func(w *written) {
		w.add(1, 99, room("102")).inRoom101(one).add(2, 6, placed(2, 1, one)).add(2, 7, paid(2, one)).add(2, 8, checkedIn(2, "01", "102")).add(2, 9, movedTo(1, "101", "102"))
	}},
	"moved to a room that is not there": {BadRoom, func(w *written) { w.inRoom101(one).add(2, 5, movedTo(1, "101", "999")) }},
	"moved from another's room":         {BadRoom, func(w *written) { w.inRoom101(one).add(2, 5, movedTo(1, "999", "101")) }},
	"moved before they came": {BadTransition, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, paid(1, one)).add(2, 6, movedTo(1, "101", "102"))
	}},
	"another arrival of a guest who is there": {BadTransition, func(w *written) {
		w.inRoom101(two).add(2, 6, modified(1, 1, two, stay(1, "02", "03"), isPaid))
	}},
	"a longer stay of a guest who has left": {BadTransition, func(w *written) {
		w.inRoom101(one).add(2, 5, checkedOut(1, one, "02")).add(2, 6, modified(1, 1, one, two, isPaid))
	}},
	"a longer stay where there is no room": {Oversold, func(w *written) {
		w.inRoom101(one).add(2, 5, placed(2, 1, stay(2, "02", "03"))).add(2, 6, modified(1, 1, one, two, isPaid))
	}},
	"a longer stay where nothing is sold": {Forbidden, func(w *written) {
		w.add(1, 9, stopSell("01", "03")).add(1, 10, rooms(2, 0, 0)).inRoom101(one).add(2, 6, modified(1, 3, one, two, isPaid))
	}},
	"a rate plan's fewest nights": {Forbidden, func(w *written) { w.add(1, 4, plan(1, 2, 0)).add(2, 5, under(placed(1, 1, one))) }},
	"a rate plan that went back": {Forbidden, func(w *written) {
		w.add(1, 4, plan(1, 2, 0)).add(1, 5, plan(2, 0, 1)).add(2, 6, under(placed(1, 1, one))).add(2, 7, under(placed(2, 1, two)))
	}},
	"no such rate plan": {Forbidden, func(w *written) { w.add(2, 5, under(placed(1, 1, one))) }},
	"a group that could be had": {FalseTurnaway, func(w *written) {
		w.add(2, 4, inGroup(rejected(1, 1, one), incomplete), inGroup(rejected(2, 1, one), incomplete))
	}},
	"a group with an excuse that is none": {FalseTurnaway, func(w *written) {
		w.add(2, 4, inGroup(rejected(1, 1, one), incomplete), inGroup(rejected(2, 1, one, "2026-07-01"), soldOut))
	}},
	"paid by nothing": {BadPayment, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, asked(1, "a", 100)).add(2, 6, paidBy(1, one, "a", 100))
	}},
	"paid by less": {BadPayment, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, asked(1, "a", 90)).add(2, 6, captured(1, "a", 90)).add(2, 7, paidBy(1, one, "a", 100))
	}},
	"captured twice": {BadPayment, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, asked(1, "a", 100)).add(2, 6, captured(1, "a", 100)).add(2, 7, captured(1, "a", 100))
	}},
	"captured unasked": {BadPayment, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 6, captured(1, "a", 100))
	}},
	"a payment for nobody": {UnknownBooking, func(w *written) { w.add(2, 4, asked(1, "a", 100)) }},
	"counted twice": {BadPayment, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, asked(1, "a", 100)).add(2, 6, captured(1, "a", 100)).add(2, 7, paidBy(1, one, "a", 100)).
			add(2, 8, &eventpb.ReservationBalancePaid{HotelId: "grand", ReservationId: id(1), PaymentId: key("a"), Amount: euro(100)})
	}},
	"more back than captured": {BadRefund, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, asked(1, "a", 100)).add(2, 6, captured(1, "a", 100)).add(2, 7, canceled(1, pending, one)).add(2, 8, back(1, "a", "r", 101))
	}},
	"back twice": {BadRefund, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, asked(1, "a", 100)).add(2, 6, captured(1, "a", 100)).add(2, 7, canceled(1, pending, one)).
			add(2, 8, back(1, "a", "r", 60)).add(2, 9, back(1, "a", "s", 60))
	}},
	"the fee back as well": {BadRefund, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, asked(1, "a", 100)).add(2, 6, captured(1, "a", 100)).add(2, 7, paidBy(1, one, "a", 100)).
			add(2, 8, settled(canceled(1, isPaid, one), 40, 60)).add(2, 9, back(1, "a", "r", 100))
	}},
	"back while the stay goes on": {BadRefund, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, asked(1, "a", 100)).add(2, 6, captured(1, "a", 100)).add(2, 7, paidBy(1, one, "a", 100)).add(2, 9, back(1, "a", "r", 1))
	}},
	"given back twice": {BadRefund, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, asked(1, "a", 100)).add(2, 6, captured(1, "a", 100)).add(2, 7, canceled(1, pending, one)).
			add(2, 8, back(1, "a", "r", 60)).add(2, 9, wentBack(1, "a", "r", 60)).add(2, 10, wentBack(1, "a", "r", 60))
	}},
	"given back after all, and again instead": {BadRefund, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, asked(1, "a", 100)).add(2, 6, captured(1, "a", 100)).add(2, 7, canceled(1, pending, one)).
			add(2, 8, back(1, "a", "r", 100)).add(2, 9, refused(1, "a", "r", 100)).add(2, 10, back(1, "a", "s", 100)).add(2, 11, wentBack(1, "a", "r", 100))
	}},
	"refused twice": {BadRefund, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, asked(1, "a", 100)).add(2, 6, captured(1, "a", 100)).add(2, 7, canceled(1, pending, one)).
			add(2, 8, back(1, "a", "r", 100)).add(2, 9, refused(1, "a", "r", 100)).add(2, 10, refused(1, "a", "r", 100))
	}},
	"a fee beyond the price": {BadSettlement, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, paid(1, one)).add(2, 6, settled(canceled(1, isPaid, one), 101, 0))
	}},
	"a fee that nobody paid": {BadSettlement, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, paid(1, one)).add(2, 6, settled(canceled(1, isPaid, one), 40, 0))
	}},
	"kept of a guest sent away": {BadSettlement, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, paid(1, one)).add(2, 6, walked(1, one, 10))
	}},
	"refunded by word only": {BadSettlement, func(w *written) {
		w.add(2, 4, placed(1, 1, one)).add(2, 5, asked(1, "a", 100)).add(2, 6, captured(1, "a", 100)).add(2, 7, canceled(1, pending, one)).add(2, 8, refunded(1, 100, 0))
	}},
}

// TestViolationsOfALife demands that each is found.
func TestViolationsOfALife(t *testing.T) {
	for name, c := range spoiled {
		for _, idsMax := range []int{0, 2} {
			w := write(t).add(1, 1, created("Grand")).add(1, 2, room("101")).add(1, 3, rooms(2, 0, 0))
			c.write(w)
			r := w.audit(Options{IDsMax: idsMax})
			if r.OK() || r.Violations[0].Kind != c.want {
				t.Errorf("%s, %d ids at a time: %+v, want %s", name, idsMax, r.Violations, c.want)
			}
		}
	}
}

// Answers may be late: a payment that was declined is captured, a refund that was refused goes through. And a modification of names has no price, one
// that is cheaper may leave a fee beyond the new one, and a balance counts for what of the payment is due.
func TestLateAnswersAndOddModifications(t *testing.T) {
	long := stay(1, "01", "05")
	names := &eventpb.ReservationModified{
		HotelId: "grand", ReservationId: id(1), PreviousStay: one, Stay: one, Status: pending, InventoryOffset: 1, TotalMinorUnits: 100, PreviousTotalMinorUnits: 100,
	}
	cheaper := modified(2, 1, long, one, isPaid)
	cheaper.RefundMinorUnits, cheaper.FeeMinorUnits = 200, 200
	w := write(t).add(1, 1, rooms(9, 0, 0)).
		add(2, 2, placed(1, 1, one)).add(2, 3, names).add(2, 4, asked(1, "a", 100)).
		add(2, 5, &eventpb.PaymentDeclined{HotelId: "grand", ReservationId: id(1), PaymentId: key("a")}).add(2, 6, captured(1, "a", 100)).
		add(2, 7, canceled(1, pending, one)).add(2, 8, back(1, "a", "r", 100)).add(2, 9, refused(1, "a", "r", 100)).add(2, 10, wentBack(1, "a", "r", 100)).
		add(3, 11, placed(2, 1, long)).add(3, 12, asked(2, "b", 400)).add(3, 13, captured(2, "b", 400)).add(3, 14, paidBy(2, long, "b", 400)).
		add(3, 15, cheaper).add(3, 16, back(2, "b", "s", 200)).add(3, 17, settled(canceled(2, isPaid, one), 200, 0)).
		add(4, 18, placed(3, 1, one)).add(4, 19, asked(3, "c", 90)).add(4, 20, captured(3, "c", 90)).add(4, 21, paid(3, one)).
		add(4, 22, &eventpb.ReservationBalancePaid{HotelId: "grand", ReservationId: id(3), PaymentId: key("c"), Amount: euro(60)}).add(4, 23, back(3, "c", "t", 30))
	r := w.audit(Options{})
	if !r.OK() {
		t.Fatalf("%+v", r.Violations)
	}
	if m := r.Money["EUR"]; m != (Money{Captured: 590, Refunded: 100, Refunding: 230, Kept: 260}) {
		t.Errorf("%+v", m)
	}
	odd := proto.CloneOf(names)
	odd.Stay = long
	if r := write(t).add(1, 1, rooms(9, 0, 0)).add(2, 2, placed(1, 1, one)).add(2, 3, odd).audit(Options{}); r.OK() || r.Violations[0].Kind != BadPrice {
		t.Errorf("another stay without a price: %+v", r.Violations)
	}
}

// A guest who is there stays longer although nobody may arrive on their day any more, moves, and leaves earlier.
func TestAGuestStaysLonger(t *testing.T) {
	shut := stopSell("01", "02").(*eventpb.RestrictionsSet)
	shut.ClosedToArrival, shut.MinStay = proto.Bool(true), proto.Int32(3)
	three := stay(1, "01", "04")
	w := write(t).add(1, 1, room("101")).add(1, 2, room("102")).add(1, 3, rooms(1, 0, 0)).inRoom101(one).add(3, 4, shut).
		add(3, 5, modified(1, 2, one, three, isPaid)).add(3, 6, movedTo(1, "101", "102")).
		add(4, 7, &eventpb.GuestCheckedOut{HotelId: "grand", ReservationId: id(1), Stay: three, Date: "2026-07-03", SettledAtHotel: euro(200)}).
		add(4, 8, placed(2, 2, stay(1, "03", "04"))).add(4, 9, paid(2, stay(1, "03", "04"))).add(4, 10, checkedIn(2, "03", "102"))
	if r := w.audit(Options{}); !r.OK() {
		t.Errorf("%+v", r.Violations)
	}
	if r := w.add(5, 11, modified(2, 2, stay(1, "03", "04"), stay(1, "03", "05"), isPaid)).audit(Options{}); !r.OK() {
		t.Errorf("%+v", r.Violations)
	}
}

// A room whose guest was never checked out is not another's for as long as anybody can stay, and then it is.
func TestAGuestIsNotInARoomForever(t *testing.T) {
	w := write(t).add(1, 1, room("101")).add(1, 2, rooms(2, 0, 0)).
		add(2, 4, placed(1, 1, one)).add(2, 5, paid(1, one)).add(2, 6, checkedIn(1, "01", "101")).
		add(2, 7, placed(2, 1, one)).add(2, 8, paid(2, one)).
		add(3, 9, &eventpb.GuestCheckedIn{HotelId: "grand", ReservationId: id(2), RoomIds: []string{"101"}, Date: "2027-07-01"})
	if r := w.audit(Options{}); !r.OK() {
		t.Errorf("%+v", r.Violations)
	}
}

func TestViolationsNameTheReservation(t *testing.T) {
	r := write(t).add(1, 1, rooms(1, 0, 0)).add(2, 2, asked(1, "a", 100)).audit(Options{})
	if len(r.Violations) != 1 || !strings.Contains(r.Violations[0].Text, id(1)) || r.Certificate.Passed {
		t.Errorf("%+v", r.Violations)
	}
}
