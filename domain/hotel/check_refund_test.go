package hotel

import (
	"errors"
	"testing"

	"lodge/domain"
)

// A provider may be asked for a refund that was requested, and no more once its outcome is known.
func TestCheckRefund(t *testing.T) {
	const paymentID, refundID = "0190a1b2-0000-7000-8000-0000000000a1", "0190a1b2-0000-7000-8000-0000000000a2"
	s := New()
	check := func(when string, payment, refund string, want domain.Reason) {
		t.Helper()
		_, err := Decide(s, &CheckRefund{Hotel: "grand", ReservationID: uuid(1), PaymentID: payment, RefundID: refund}, At{Now: noon})
		if want == "" && err != nil || want != "" && !errors.Is(err, want) {
			t.Errorf("%s: %v, want %q", when, err, want)
		}
	}
	run(t, s, noon, open(createFlexible(), rates(1, 31, 10_000))...)
	run(t, s, noon, with(place(1, 1, july(20, 23)), func(c *PlaceReservation) { c.RatePlan = "flexible" }),
		&RequestPayment{Hotel: "grand", ReservationID: uuid(1), PaymentID: paymentID, Provider: "simulator", PaymentMethod: "tok_approve"},
		&RecordPayment{Hotel: "grand", ReservationID: uuid(1), PaymentID: paymentID, Outcome: PaymentCaptured, Amount: domain.Money{Currency: "EUR", MinorUnits: 30_000}})
	check("before it was requested", paymentID, refundID, domain.PaymentNotFound)
	run(t, s, noon, &CancelReservation{Hotel: "grand", ReservationID: uuid(1)}, &SettleRefunds{Hotel: "grand", ReservationID: uuid(1), RefundID: refundID})
	check("requested", paymentID, refundID, "")
	check("of another payment", refundID, refundID, domain.PaymentNotFound)
	check("no id", paymentID, "r1", domain.InvalidID)
	run(t, s, noon, &RecordRefund{Hotel: "grand", ReservationID: uuid(1), PaymentID: paymentID, RefundID: refundID, Succeeded: true})
	check("given back", paymentID, refundID, domain.StatusConflict)
}
