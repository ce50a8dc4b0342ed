package hotel

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// held is a hotel where reservation 1 holds one double from July 20 to 23 under plan flexible, for 300.00: canceling costs the first night
// from six in the evening of July 19 on.
func held(more ...Command) []Command {
	p := with(place(1, 1, july(20, 23)), func(c *PlaceReservation) { c.RatePlan = "flexible" })
	return append(open(createFlexible(), rates(1, 31, 10_000), p), more...)
}

// bought is held, paid by payment 1.
func bought(more ...Command) []Command {
	return held(append([]Command{pay(1, 1), captured(1, 1, 30_000), confirmPaid(1, 1, 30_000)}, more...)...)
}

func check(n, p int) *CheckPayment {
	return &CheckPayment{Hotel: "grand", ReservationID: uuid(n), PaymentID: paymentID(p)}
}

func euros(units int64) *eventpb.Money {
	return &eventpb.Money{CurrencyCode: "EUR", MinorUnits: units}
}

func stayOfOne() *eventpb.Stay { return stayOf(1, "2026-07-20", "2026-07-23") }

func requested(p int, units int64) []proto.Message {
	return []proto.Message{&eventpb.PaymentRequested{
		HotelId: "grand", ReservationId: uuid(1), PaymentId: paymentID(p), Amount: euros(units), Provider: "simulator", PaymentMethod: "pm_card",
	}}
}

// longer makes reservation 1 a night longer, for 400.00.
func longer() *ModifyReservation {
	return with(&ModifyReservation{Hotel: "grand", ReservationID: uuid(1)}, func(c *ModifyReservation) { c.move(july(20, 24)) })
}

// shorter makes it a night shorter, for 200.00.
func shorter() *ModifyReservation {
	return with(&ModifyReservation{Hotel: "grand", ReservationID: uuid(1)}, func(c *ModifyReservation) { c.move(july(20, 22)) })
}

// only has a payment asked for by the platform itself.
func only(c *RequestPayment) *RequestPayment {
	return with(c, func(c *RequestPayment) { c.OnlyIfUnsettled, c.PaymentMethod = true, "" })
}

func TestRequestPayment(t *testing.T) {
	over := noon.Add(15 * time.Minute)
	for _, sc := range []scenario{
		{name: "asks for the whole price", given: held(), when: pay(1, 1), then: requested(1, 30_000)},
		{name: "is tried again after it was declined", given: held(pay(1, 1), outcome(1, 1, PaymentDeclined, "x")), when: pay(1, 2), then: requested(2, 30_000)},
		{name: "asks for the balance", given: bought(longer()), when: pay(1, 2), then: requested(2, 10_000)},
		{name: "asks for the balance with the last method", given: bought(longer()), when: only(pay(1, 2)), then: requested(2, 10_000)},
		{
			name: "asks for what a change made dearer while it was being paid", given: held(pay(1, 1), longer(), captured(1, 1, 30_000)), when: pay(1, 2),
			then: requested(2, 10_000),
		},
		{name: "is one at a time", given: held(pay(1, 1)), when: pay(1, 2), reason: domain.PaymentInProgress, field: "reservation_id"},
		{
			name: "waits for what nobody knows", given: held(pay(1, 1), outcome(1, 1, PaymentUnknown, "late")), when: pay(1, 2),
			reason: domain.PaymentInProgress, field: "reservation_id",
		},
		{name: "has an id of its own", given: held(pay(1, 1), outcome(1, 1, PaymentDeclined, "x")), when: pay(1, 1), reason: domain.PaymentExists, field: "payment_id"},
		{name: "is not asked twice before it is counted", given: held(pay(1, 1), captured(1, 1, 30_000)), when: pay(1, 2), reason: domain.NothingDue, field: "reservation_id"},
		{name: "is not asked of a sale", given: bought(), when: pay(1, 2), reason: domain.NothingDue, field: "reservation_id"},
		{name: "is not asked of what was settled elsewhere", given: held(confirm(1)), when: pay(1, 2), reason: domain.NothingDue, field: "reservation_id"},
		{name: "is not asked of an end", given: held(cancel(1)), when: pay(1, 1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "is not asked when the hold is over", given: held(), now: over, when: pay(1, 1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "needs a reservation", given: held(), when: pay(2, 1), reason: domain.ReservationNotFound, field: "reservation_id"},
		{name: "needs the hotel", when: pay(1, 1), reason: domain.HotelNotFound, field: "hotel_id"},
		{name: "needs a UUID", given: held(), when: with(pay(1, 1), func(c *RequestPayment) { c.PaymentID = "p1" }), reason: domain.InvalidID, field: "payment_id"},
		{name: "needs a provider", given: held(), when: with(pay(1, 1), func(c *RequestPayment) { c.Provider = "" }), reason: domain.InvalidID, field: "provider"},
		{
			name: "needs a short provider", given: held(), when: with(pay(1, 1), func(c *RequestPayment) { c.Provider = strings.Repeat("x", ProviderMax+1) }),
			reason: domain.InvalidArgument, field: "provider",
		},
		{
			name: "needs a method", given: held(), when: with(pay(1, 1), func(c *RequestPayment) { c.PaymentMethod = "" }),
			reason: domain.InvalidArgument, field: "payment_method",
		},
		{
			name: "needs a short method", given: held(), when: with(pay(1, 1), func(c *RequestPayment) { c.PaymentMethod = strings.Repeat("x", MethodMax+1) }),
			reason: domain.InvalidArgument, field: "payment_method",
		},
		{
			name: "is not asked of what is free", given: open(with(place(1, 1, july(20, 23)), func(c *PlaceReservation) { c.NightlyRate = &domain.Money{} })),
			when: pay(1, 1), reason: domain.NothingDue, field: "reservation_id",
		},
		{name: "by the platform: nothing when it is settled", given: bought(), when: only(pay(1, 2))},
		{name: "by the platform: nothing when one is open", given: bought(longer(), pay(1, 2)), when: only(pay(1, 3))},
		{name: "by the platform: nothing when it was asked before", given: bought(longer(), pay(1, 2), outcome(1, 2, PaymentDeclined, "x")), when: only(pay(1, 2))},
		{name: "by the platform: nothing without a method", given: held(confirm(1), longer()), when: only(pay(1, 2))},
		{name: "by the platform: nothing of an end", given: bought(cancel(1)), when: only(pay(1, 2))},
	} {
		t.Run(sc.name, sc.run)
	}
}

func TestPaymentsOfAReservationAreBounded(t *testing.T) {
	s := New()
	run(t, s, noon, held()...)
	for n := range PaymentsMax {
		run(t, s, noon, pay(1, n), outcome(1, n, PaymentDeclined, "x"))
	}
	if _, err := Decide(s, pay(1, PaymentsMax), At{Now: noon}); domain.ReasonOf(err) != domain.LimitReached {
		t.Errorf("another payment: %v", err)
	}
	reload(t, s)
}

func TestCheckPayment(t *testing.T) {
	runAll(t, []scenario{
		{name: "may be charged", given: held(pay(1, 1)), when: check(1, 1)},
		{name: "may be charged when nobody knows", given: held(pay(1, 1), outcome(1, 1, PaymentUnknown, "late")), when: check(1, 1)},
		{name: "of a balance", given: bought(longer(), pay(1, 2)), when: check(1, 2)},
		{name: "was charged", given: held(pay(1, 1), captured(1, 1, 30_000)), when: check(1, 1), reason: domain.StatusConflict, field: "payment_id"},
		{name: "was declined", given: held(pay(1, 1), outcome(1, 1, PaymentDeclined, "x")), when: check(1, 1), reason: domain.StatusConflict, field: "payment_id"},
		{name: "is not wanted any more", given: held(pay(1, 1), cancel(1)), when: check(1, 1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "is too late", given: held(pay(1, 1)), now: noon.Add(time.Hour), when: check(1, 1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "was settled elsewhere", given: bought(longer(), pay(1, 2), confirm(1)), when: check(1, 2), reason: domain.NothingDue, field: "reservation_id"},
		{
			name: "is brought by one that was declined before", reason: domain.NothingDue, field: "reservation_id", when: check(1, 2),
			given: held(pay(1, 1), outcome(1, 1, PaymentDeclined, "x"), pay(1, 2), captured(1, 1, 30_000)),
		},
		{name: "is none", given: held(), when: check(1, 1), reason: domain.PaymentNotFound, field: "payment_id"},
	})
}

// TestRecordPayment goes from every state of a payment by every outcome. A capture always counts, once.
func TestRecordPayment(t *testing.T) {
	events := map[PaymentOutcome]proto.Message{
		PaymentCaptured: &eventpb.PaymentCaptured{
			HotelId: "grand", ReservationId: uuid(1), PaymentId: paymentID(1), Amount: euros(30_000), ProviderReference: "ch_1",
		},
		PaymentDeclined: &eventpb.PaymentDeclined{HotelId: "grand", ReservationId: uuid(1), PaymentId: paymentID(1), DeclineCode: "x"},
		PaymentUnknown:  &eventpb.PaymentFailed{HotelId: "grand", ReservationId: uuid(1), PaymentId: paymentID(1), Cause: "x"},
	}
	record := func(what PaymentOutcome) Command {
		if what == PaymentCaptured {
			return captured(1, 1, 30_000)
		}
		return outcome(1, 1, what, "x")
	}
	names := []string{"open", "captured", "declined", "unknown"}
	for from, takes := range [][]PaymentOutcome{
		PaymentOpen: {PaymentCaptured, PaymentDeclined, PaymentUnknown}, PaymentCaptured: nil,
		PaymentDeclined: {PaymentCaptured}, PaymentUnknown: {PaymentCaptured, PaymentDeclined},
	} {
		given := held(pay(1, 1))
		if from != int(PaymentOpen) {
			given = append(given, record(PaymentOutcome(from)))
		}
		for _, to := range []PaymentOutcome{PaymentCaptured, PaymentDeclined, PaymentUnknown} {
			sc := scenario{name: names[from] + " and then " + names[to], given: given, when: record(to)}
			if slices.Contains(takes, to) {
				sc.then = []proto.Message{events[to]}
			}
			t.Run(sc.name, sc.run)
		}
	}
	runAll(t, []scenario{
		{name: "late, of an end", given: held(pay(1, 1), cancel(1)), now: noon.AddDate(0, 0, 20), when: captured(1, 1, 30_000), then: []proto.Message{events[PaymentCaptured]}},
		{name: "of another amount", given: held(pay(1, 1)), when: captured(1, 1, 29_999), reason: domain.InvalidArgument, field: "amount"},
		{
			name: "of another currency", given: held(pay(1, 1)), when: with(captured(1, 1, 30_000), func(c *RecordPayment) { c.Amount.Currency = "USD" }),
			reason: domain.InvalidArgument, field: "amount",
		},
		{name: "of no payment", given: held(pay(1, 1)), when: captured(1, 2, 30_000), reason: domain.PaymentNotFound, field: "payment_id"},
		{name: "of no reservation", given: held(), when: captured(2, 1, 30_000), reason: domain.ReservationNotFound, field: "reservation_id"},
		{name: "that is none", given: held(pay(1, 1)), when: outcome(1, 1, PaymentOpen, ""), reason: domain.InvalidArgument, field: "outcome"},
		{name: "with a long cause", given: held(pay(1, 1)), when: outcome(1, 1, PaymentDeclined, strings.Repeat("x", CauseMax+1)), reason: domain.InvalidArgument, field: "cause"},
		{
			name: "with a long reference", given: held(pay(1, 1)), reason: domain.InvalidArgument, field: "provider_reference",
			when: with(captured(1, 1, 30_000), func(c *RecordPayment) { c.ProviderReference = strings.Repeat("x", ProviderRefMax+1) }),
		},
	})
}

func TestConfirmByPayment(t *testing.T) {
	over := noon.Add(20 * time.Minute)
	paidBy := func(p int, units int64) []proto.Message {
		return []proto.Message{&eventpb.ReservationPaid{HotelId: "grand", ReservationId: uuid(1), Stay: stayOfOne(), PaymentId: paymentID(p), Amount: euros(units)}}
	}
	balance := func(payment string, units int64) []proto.Message {
		return []proto.Message{&eventpb.ReservationBalancePaid{HotelId: "grand", ReservationId: uuid(1), PaymentId: payment, Amount: euros(units)}}
	}
	inTime := held(pay(1, 1), captured(1, 1, 30_000))
	dearer := bought(longer(), pay(1, 2), captured(1, 2, 10_000))
	runAll(t, []scenario{
		{name: "makes it paid", given: inTime, when: confirmPaid(1, 1, 30_000), then: paidBy(1, 30_000)},
		{name: "also when the hold is over and the rooms are still held", given: inTime, now: over, when: confirmPaid(1, 1, 30_000), then: paidBy(1, 30_000)},
		{name: "and so does the end of the hold", given: inTime, now: over, when: &ExpireHolds{Hotel: "grand"}, then: paidBy(1, 30_000)},
		{name: "counts once", given: bought(), when: confirmPaid(1, 1, 30_000)},
		{name: "counts once, also when something is due", given: bought(longer()), when: confirmPaid(1, 1, 30_000)},
		{name: "pays the balance", given: dearer, when: confirmPaid(1, 2, 10_000), then: balance(paymentID(2), 10_000)},
		{
			name: "pays what is left of the balance", given: bought(longer(), pay(1, 2), rates(21, 22, 5_000), longer(), captured(1, 2, 10_000)),
			when: confirmPaid(1, 2, 10_000), then: balance(paymentID(2), 5_000),
		},
		{name: "is too much and not counted", given: append(slices.Clip(dearer), confirm(1)), when: confirmPaid(1, 2, 10_000)},
		{name: "the hotel settled the balance", given: bought(longer()), when: confirm(1), then: balance("", 10_000)},
		{name: "is too late", given: held(pay(1, 1), cancel(1), captured(1, 1, 30_000)), when: confirmPaid(1, 1, 30_000), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "was not captured", given: held(pay(1, 1)), when: confirmPaid(1, 1, 30_000), reason: domain.StatusConflict, field: "payment_id"},
		{name: "names what was captured", given: inTime, when: confirmPaid(1, 1, 29_999), reason: domain.InvalidArgument, field: "amount"},
		{name: "names a payment", given: inTime, when: confirmPaid(1, 2, 30_000), reason: domain.PaymentNotFound, field: "payment_id"},
		{name: "nothing is due", given: bought(), when: confirm(1), reason: domain.StatusConflict, field: "reservation_id"},
	})
}

func TestDeclineReservation(t *testing.T) {
	decline := func(p int) *DeclineReservation {
		return &DeclineReservation{Hotel: "grand", ReservationID: uuid(1), PaymentID: paymentID(p), DeclineCode: "no_money"}
	}
	refused := held(pay(1, 1), outcome(1, 1, PaymentDeclined, "no_money"))
	then := []proto.Message{&eventpb.ReservationDeclined{
		HotelId: "grand", ReservationId: uuid(1), Stay: stayOfOne(), PaymentId: paymentID(1), DeclineCode: "no_money",
	}}
	runAll(t, []scenario{
		{name: "rejects", given: refused, when: decline(1), then: then},
		{name: "once", given: append(slices.Clip(refused), decline(1)), when: decline(1)},
		{name: "not what was not declined", given: held(pay(1, 1)), when: decline(1)},
		{name: "not while another payment is under way", given: append(slices.Clip(refused), pay(1, 2)), when: decline(1)},
		{name: "not when another payment brought it", given: append(slices.Clip(refused), pay(1, 2), captured(1, 2, 30_000)), when: decline(1)},
		{name: "not when it was captured after all", given: append(slices.Clip(refused), captured(1, 1, 30_000)), when: decline(1)},
		{name: "not a sale that became dearer", given: bought(longer(), pay(1, 2), outcome(1, 2, PaymentDeclined, "x")), when: decline(2)},
		{name: "of no payment", given: held(), when: decline(1), reason: domain.PaymentNotFound, field: "payment_id"},
		{
			name: "with a long code", given: refused, when: with(decline(1), func(c *DeclineReservation) { c.DeclineCode = strings.Repeat("x", CauseMax+1) }),
			reason: domain.InvalidArgument, field: "decline_code",
		},
	})
	s := New()
	run(t, s, noon, append(slices.Clip(refused), decline(1))...)
	if got := s.Night("double", day(2026, 7, 20)); s.Status(uuid(1)) != turnedAway || got.HeldCount != 0 {
		t.Errorf("it is %s and %+v", s.Status(uuid(1)), got)
	}
	if _, err := Decide(s, place(1, 1, july(20, 23)), At{Now: noon}); domain.ReasonOf(err) != domain.ReservationExists {
		t.Errorf("its id is free again: %v", err)
	}
	for n := range RejectedMax + 1 { // rejections come and go, what held rooms stays until its books close
		run(t, s, noon, place(100+n, 3, july(1, 2)))
	}
	if s = reload(t, s); s.Status(uuid(1)) != turnedAway {
		t.Errorf("it is %s", s.Status(uuid(1)))
	}
}
