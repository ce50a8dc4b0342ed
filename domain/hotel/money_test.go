package hotel

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// eur is an amount of the hotel's currency.
func eur(units int64) domain.Money { return domain.Money{Currency: "EUR", MinorUnits: units} }

// paymentID and refundID differ from reservation ids and from each other.
func paymentID(n int) string { return uuid(1_000 + n) }
func refundID(n int) string  { return uuid(2_000 + n) }

// pay asks for the money of reservation n by payment p.
func pay(n, p int) *RequestPayment {
	return &RequestPayment{Hotel: "grand", ReservationID: uuid(n), PaymentID: paymentID(p), Provider: "simulator", PaymentMethod: "pm_card"}
}

func captured(n, p int, units int64) *RecordPayment {
	return &RecordPayment{
		Hotel: "grand", ReservationID: uuid(n), PaymentID: paymentID(p), Outcome: PaymentCaptured, Amount: eur(units), ProviderReference: "ch_1",
	}
}

func outcome(n, p int, what PaymentOutcome, cause string) *RecordPayment {
	return &RecordPayment{Hotel: "grand", ReservationID: uuid(n), PaymentID: paymentID(p), Outcome: what, Cause: cause}
}

// confirmPaid counts the captured payment p for reservation n.
func confirmPaid(n, p int, units int64) *ConfirmReservation {
	return &ConfirmReservation{Hotel: "grand", ReservationID: uuid(n), PaymentID: paymentID(p), Amount: eur(units)}
}

func settle(n, refund int) *SettleRefunds {
	return &SettleRefunds{Hotel: "grand", ReservationID: uuid(n), RefundID: refundID(refund)}
}

func returned(n, p, refund int) *RecordRefund {
	return &RecordRefund{Hotel: "grand", ReservationID: uuid(n), PaymentID: paymentID(p), RefundID: refundID(refund), Succeeded: true, ProviderReference: "re_1"}
}

func complete(n int) *CompleteRefund { return &CompleteRefund{Hotel: "grand", ReservationID: uuid(n)} }

func TestALifeWithMoney(t *testing.T) {
	s := New()
	run(t, s, noon, bought()...)
	s = reload(t, s)
	events := run(t, s, noon.AddDate(0, 0, 19), cancel(1), settle(1, 1), returned(1, 1, 1), complete(1))
	if len(events) != 4 || s.Status(uuid(1)) != refunded {
		t.Errorf("%d events, and it is %s", len(events), s.Status(uuid(1)))
	}
	reload(t, s)
}

// rich is a hotel where everything has happened to money.
func rich(t testing.TB) *State {
	s := New()
	run(t, s, noon, bought(longer(), pay(1, 2), captured(1, 2, 10_000), confirmPaid(1, 2, 10_000), grant(100), settle(1, 1), returned(1, 2, 1))...)
	other := func(n int) *PlaceReservation { return place(n, 1, july(n, n+1)) }
	run(t, s, noon, other(2), confirm(2), with(&ModifyReservation{Hotel: "grand", ReservationID: uuid(2)}, func(c *ModifyReservation) { c.move(july(2, 4)) }),
		other(5), pay(5, 5), outcome(5, 5, PaymentDeclined, "x"), &DeclineReservation{Hotel: "grand", ReservationID: uuid(5), PaymentID: paymentID(5)},
		other(6), pay(6, 6), outcome(6, 6, PaymentUnknown, "late"),
		other(7), pay(7, 7), captured(7, 7, 10_000), confirmPaid(7, 7, 10_000), cancel(7), settle(7, 7), returned(7, 7, 7), complete(7),
		other(8), confirm(8))
	run(t, s, time.Date(2026, 7, 19, 20, 0, 0, 0, time.UTC), shorter())
	return s
}

// TestCutSnapshotsOfMoneyAreRefused is TestCutSnapshotsAreRefused for what money adds to them.
func TestCutSnapshotsOfMoneyAreRefused(t *testing.T) {
	s := rich(t)
	reload(t, s)
	snapshot := s.AppendSnapshot(nil)
	for n := range snapshot {
		if _, err := LoadSnapshot(snapshot[:n]); err == nil {
			t.Fatalf("%d of %d bytes load", n, len(snapshot))
		}
		for _, flip := range []byte{1, 0x80, 0xff} {
			changed := slices.Clone(snapshot)
			changed[n] ^= flip
			comesBack(t, changed)
		}
	}
}

// TestEvolveRefusesMoneyWithoutChange gives events of money that cannot follow.
func TestEvolveRefusesMoneyWithoutChange(t *testing.T) {
	of := func(n int) (string, string) { return "grand", uuid(n) }
	hotel, one := of(1)
	minus := &eventpb.Money{MinorUnits: -1}
	for name, m := range map[string]proto.Message{
		"a balance of nothing":            &eventpb.ReservationBalancePaid{HotelId: hotel, ReservationId: uuid(99)},
		"a balance paid twice":            &eventpb.ReservationBalancePaid{HotelId: hotel, ReservationId: one, PaymentId: paymentID(2), Amount: euros(1)},
		"a balance of a hold":             &eventpb.ReservationBalancePaid{HotelId: hotel, ReservationId: uuid(6), Amount: euros(1)},
		"a balance below zero":            &eventpb.ReservationBalancePaid{HotelId: hotel, ReservationId: one, Amount: minus},
		"paid below zero":                 &eventpb.ReservationPaid{HotelId: hotel, ReservationId: uuid(6), PaymentId: paymentID(6), Amount: minus},
		"paid by no payment":              &eventpb.ReservationPaid{HotelId: hotel, ReservationId: uuid(6), PaymentId: "x", Amount: euros(1)},
		"a fee below zero":                &eventpb.ReservationCanceled{HotelId: hotel, ReservationId: one, Settlement: &eventpb.Settlement{FeeMinorUnits: -1}},
		"an end declined":                 &eventpb.ReservationDeclined{HotelId: hotel, ReservationId: uuid(7)},
		"a stay refunded":                 &eventpb.ReservationRefunded{HotelId: hotel, ReservationId: one},
		"refunded twice":                  &eventpb.ReservationRefunded{HotelId: hotel, ReservationId: uuid(7)},
		"granted more than was kept":      &eventpb.RefundGranted{HotelId: hotel, ReservationId: one, Amount: euros(1_000_000)},
		"granted below zero":              &eventpb.RefundGranted{HotelId: hotel, ReservationId: one, Amount: minus},
		"an end modified":                 &eventpb.ReservationModified{HotelId: hotel, ReservationId: uuid(7), Stay: stayOfOne()},
		"modified to no stay":             &eventpb.ReservationModified{HotelId: hotel, ReservationId: one},
		"modified to an endless stay":     &eventpb.ReservationModified{HotelId: hotel, ReservationId: one, Stay: stayOf(1, "2026-07-01", "9999-07-01")},
		"modified to a total below zero":  &eventpb.ReservationModified{HotelId: hotel, ReservationId: one, Stay: stayOfOne(), TotalMinorUnits: -1},
		"modified for a fee below zero":   &eventpb.ReservationModified{HotelId: hotel, ReservationId: one, Stay: stayOfOne(), FeeMinorUnits: -1},
		"modified to rooms of no type":    &eventpb.ReservationModified{HotelId: hotel, ReservationId: one, Stay: &eventpb.Stay{RoomTypeId: "none"}},
		"placed below zero":               &eventpb.ReservationPlaced{HotelId: hotel, ReservationId: uuid(99), Stay: stayOfOne(), TotalMinorUnits: -1},
		"a payment twice":                 &eventpb.PaymentRequested{HotelId: hotel, ReservationId: one, PaymentId: paymentID(1)},
		"a payment below zero":            &eventpb.PaymentRequested{HotelId: hotel, ReservationId: one, PaymentId: paymentID(9), Amount: minus},
		"a payment without id":            &eventpb.PaymentRequested{HotelId: hotel, ReservationId: one},
		"a payment of no day":             &eventpb.PaymentRequested{HotelId: hotel, ReservationId: one, PaymentId: paymentID(9), BooksDate: "soon"},
		"a payment of another hotel":      &eventpb.PaymentCaptured{HotelId: "other", ReservationId: one, PaymentId: paymentID(1)},
		"a payment of no reservation":     &eventpb.PaymentCaptured{HotelId: hotel, PaymentId: paymentID(1)},
		"captured twice":                  &eventpb.PaymentCaptured{HotelId: hotel, ReservationId: one, PaymentId: paymentID(1)},
		"declined after it was captured":  &eventpb.PaymentDeclined{HotelId: hotel, ReservationId: one, PaymentId: paymentID(1)},
		"a refund twice":                  &eventpb.RefundRequested{HotelId: hotel, ReservationId: one, PaymentId: paymentID(1), RefundId: refundID(1)},
		"a refund without id":             &eventpb.RefundRequested{HotelId: hotel, ReservationId: one, PaymentId: paymentID(1)},
		"a refund below zero":             &eventpb.RefundRequested{HotelId: hotel, ReservationId: one, PaymentId: paymentID(1), RefundId: refundID(9), Amount: minus},
		"a refund that succeeds for none": &eventpb.RefundSucceeded{HotelId: hotel, ReservationId: one, PaymentId: paymentID(1)},
	} {
		s := rich(t)
		before := s.AppendSnapshot(nil)
		if err := s.Evolve(m); err == nil {
			t.Errorf("%s: taken", name)
		}
		if !slices.Equal(before, s.AppendSnapshot(nil)) {
			t.Errorf("%s: refused, and the state has changed", name)
		}
	}
}

func TestFingerprintsOfMoney(t *testing.T) {
	commands := []Command{
		pay(1, 1), pay(2, 1), pay(1, 3), with(pay(1, 1), func(c *RequestPayment) { c.ClientAssigned = true }), with(pay(1, 2), func(c *RequestPayment) { c.ClientAssigned = true }),
		with(pay(1, 1), func(c *RequestPayment) { c.Provider = "stripe" }), with(pay(1, 1), func(c *RequestPayment) { c.PaymentMethod = "" }),
		with(pay(1, 1), func(c *RequestPayment) { c.OnlyIfUnsettled = true }),
		captured(1, 1, 1), captured(1, 1, 2), captured(1, 2, 1), outcome(1, 1, PaymentDeclined, ""), outcome(1, 1, PaymentDeclined, "x"), outcome(1, 1, PaymentUnknown, "x"),
		check(1, 1), check(1, 2), confirm(1), confirmPaid(1, 1, 1), confirmPaid(1, 1, 2), confirmPaid(1, 2, 1),
		&DeclineReservation{Hotel: "grand", ReservationID: uuid(1)}, &DeclineReservation{Hotel: "grand", ReservationID: uuid(1), PaymentID: paymentID(1)},
		&DeclineReservation{Hotel: "grand", ReservationID: uuid(1), DeclineCode: "x"},
		change(func(*ModifyReservation) {}), longer(), shorter(), change(func(c *ModifyReservation) { c.Quantity = ptr(int32(0)) }), change(func(c *ModifyReservation) { c.RoomType = ptr("") }),
		change(func(c *ModifyReservation) { c.Guest = &Guest{} }), change(func(c *ModifyReservation) { c.Quote = &Quote{} }), change(func(c *ModifyReservation) { c.Quote = &Quote{ID: "x"} }),
		grant(1), grant(2), with(grant(1), func(c *GrantRefund) { c.Note = "" }), settle(1, 1), settle(2, 1),
		returned(1, 1, 1), returned(1, 1, 2), returned(1, 2, 1), with(returned(1, 1, 1), func(c *RecordRefund) { c.Succeeded = false }),
		with(returned(1, 1, 1), func(c *RecordRefund) { c.Cause = "x" }), complete(1), complete(2), cancel(1), noShow(1),
		with(cancel(1), func(c *CancelReservation) { c.Waive = true }), with(noShow(1), func(c *MarkNoShow) { c.Waive = true }),
	}
	same := map[int]int{2: 0} // a payment id that the server made is no part of the request
	seen := map[[16]byte]int{}
	for i, c := range commands {
		before, twice := seen[c.Fingerprint()]
		if want, ok := same[i]; twice != ok || ok && before != want {
			t.Errorf("%T %+v: twice is %v, want %v", c, c, twice, ok)
		}
		if seen[c.Fingerprint()] = i; c.HotelID() != "grand" || c.Topic() == "" {
			t.Errorf("%T goes nowhere", c)
		}
	}
}

// paidBytesMax bounds what a reservation takes that was paid by a payment whose texts are as long as usual.
const paidBytesMax = 500

func TestMemoryOfAPaidReservation(t *testing.T) {
	const count = 20_000
	s := bigHotel(t)
	before := heap()
	for n := range count {
		run(t, s, noon, typicalPlace(n))
		p := pay(n, n)
		p.PaymentMethod = strings.Clone("pm_1PqT5sLkdIwHu7ixCYwz0kZQ")
		run(t, s, noon, p)
		run(t, s, noon, with(captured(n, n, 30_000), func(c *RecordPayment) { c.ProviderReference = strings.Clone("pi_3PqT5tLkdIwHu7ix1q2w3e4r") }), confirmPaid(n, n, 30_000))
	}
	each := float64(heap()-before) / count
	runtime.KeepAlive(s)
	if t.Logf("%.0f bytes for each paid reservation", each); each > paidBytesMax {
		t.Errorf("%.0f bytes a reservation are more than %d", each, paidBytesMax)
	}
}
