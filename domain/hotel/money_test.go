package hotel

import (
	"testing"

	"lodge/domain"
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
	run(t, s, noon, open(createFlexible(), rates(1, 31, 10_000))...)
	p := with(place(1, 1, july(20, 23)), func(c *PlaceReservation) { c.RatePlan = "flexible" })
	run(t, s, noon, p, pay(1, 1), captured(1, 1, 30_000), confirmPaid(1, 1, 30_000))
	s = reload(t, s)
	events := run(t, s, noon.AddDate(0, 0, 19), cancel(1), settle(1, 1), returned(1, 1, 1), complete(1))
	if len(events) != 4 || s.Status(uuid(1)) != refunded {
		t.Errorf("%d events, and it is %s", len(events), s.Status(uuid(1)))
	}
	reload(t, s)
}
