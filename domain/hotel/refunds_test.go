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

const (
	guestRequest = eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST
	hotelRequest = eventpb.ReservationReason_RESERVATION_REASON_HOTEL_REQUEST

	byNights  = eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS
	byPercent = eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT
	byAmount  = eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_AMOUNT
)

func TestFee(t *testing.T) {
	lines := []int64{10_001, 9_000, 8_000}
	for _, tc := range []struct {
		kind           eventpb.CancellationFeeKind
		amount, total  int64
		want           int64
		ofWhichNothing bool
	}{
		{byNights, 1, 27_001, 10_001, false},
		{byNights, 2, 27_001, 19_001, false},
		{byNights, 9, 27_001, 27_001, false},
		{byNights, 9, 30_000, 27_001, false}, // nights only, not the taxes on top
		{byPercent, 50_000, 27_001, 13_501, false},
		{byPercent, 33_333, 27_001, 9_000, false},
		{byPercent, 100_000, 27_001, 27_001, false},
		{byPercent, 0, 27_001, 0, false},
		{byPercent, 1, 49_999, 0, false}, // 0.49999 of a cent
		{byPercent, 1, 50_000, 1, false}, // half a cent
		{byAmount, 5_000, 27_001, 5_000, false},
		{byAmount, 50_000, 27_001, 27_001, false},
		{0, 0, 27_001, 0, true},
	} {
		f := &eventpb.CancellationFee{Kind: tc.kind, Amount: tc.amount}
		if tc.ofWhichNothing {
			f = nil
		}
		if got := (fee{f.GetKind(), f.GetAmount()}).of(lines, tc.total); got != tc.want {
			t.Errorf("%v of %d is %d, want %d", f, tc.total, got, tc.want)
		}
	}
	huge := slices.Repeat([]int64{1 << 62}, 3)
	if got := (fee{byNights, 3}).of(huge, 1<<62); got != 1<<62 {
		t.Errorf("a sum beyond 64 bits is %d", got)
	}
}

// TestFreeToCancel goes by the clocks at the hotel, whatever they do.
func TestFree(t *testing.T) {
	for _, tc := range []struct {
		name, zone string
		checkIn    domain.Date
		days, hour int32
		last       string // moment at which it is free
	}{
		{"the evening before", "Europe/Lisbon", day(2026, 7, 20), 1, 18, "2026-07-19T16:59:59Z"},
		{"the end of the day before", "Europe/Lisbon", day(2026, 7, 20), 1, 24, "2026-07-19T22:59:59Z"},
		{"before the day begins", "Europe/Lisbon", day(2026, 7, 20), 1, 0, "2026-07-18T22:59:59Z"},
		{"on the day of arrival", "Asia/Tokyo", day(2026, 7, 20), 0, 12, "2026-07-20T02:59:59Z"},
		{"in winter", "Europe/Lisbon", day(2026, 12, 20), 1, 18, "2026-12-19T17:59:59Z"},
		{"a week before, across a change of clocks", "Europe/Lisbon", day(2026, 10, 28), 7, 18, "2026-10-21T16:59:59Z"},
		// At 01:00 on 2026-03-29 the clocks of Lisbon go to 02:00: one o'clock never comes.
		{"until an hour that is skipped", "Europe/Lisbon", day(2026, 3, 30), 1, 1, "2026-03-29T00:59:59Z"},
		{"until the hour after", "Europe/Lisbon", day(2026, 3, 30), 1, 2, "2026-03-29T00:59:59Z"},
		{"until noon on the day", "Europe/Lisbon", day(2026, 3, 30), 1, 12, "2026-03-29T10:59:59Z"},
		// At 02:00 on 2026-10-25 they go back to 01:00: one o'clock comes twice.
		{"until an hour that comes twice", "Europe/Lisbon", day(2026, 10, 26), 1, 1, "2026-10-24T23:59:59Z"},
		{"until the hour behind", "Europe/Lisbon", day(2026, 10, 26), 1, 2, "2026-10-25T01:59:59Z"},
		// At 01:00 on 2026-11-01 those of Havana go back to midnight, which comes twice.
		{"until a midnight that comes twice", "America/Havana", day(2026, 11, 2), 1, 0, "2026-11-01T03:59:59Z"},
		{"until the hour after it", "America/Havana", day(2026, 11, 2), 1, 1, "2026-11-01T05:59:59Z"},
	} {
		place, err := domain.LoadTimeZone(tc.zone)
		if err != nil {
			t.Fatal(err)
		}
		under := terms{limited: true, freeDays: tc.days, freeUntilHour: tc.hour}
		last, err := time.Parse(time.RFC3339, tc.last)
		if err != nil {
			t.Fatal(err)
		}
		if !under.free(tc.checkIn, last, place) {
			t.Errorf("%s: not free at %s", tc.name, last)
		}
		for at := last.Add(time.Second); at.Before(last.AddDate(0, 0, 3)); at = at.Add(20 * time.Minute) {
			if under.free(tc.checkIn, at, place) {
				t.Errorf("%s: free at %s", tc.name, at)
			}
		}
		never := under
		never.neverFree = true
		if never.free(tc.checkIn, last.AddDate(0, -1, 0), place) || !(&terms{}).free(tc.checkIn, last.AddDate(0, 1, 0), place) {
			t.Errorf("%s: never free is free, or no terms are not", tc.name)
		}
	}
}

func settlement(fee, refund, before int64) *eventpb.Settlement {
	return &eventpb.Settlement{CurrencyCode: "EUR", FeeMinorUnits: fee, RefundMinorUnits: refund, RefundedMinorUnits: before}
}

func waived(s *eventpb.Settlement) *eventpb.Settlement {
	s.Waived = true
	return s
}

// grant gives back a part of reservation 1.
func grant(units int64) *GrantRefund {
	return &GrantRefund{Hotel: "grand", ReservationID: uuid(1), Amount: eur(units), Note: "The lift."}
}

func TestCancelForAFee(t *testing.T) {
	free := time.Date(2026, 7, 19, 16, 59, 59, 0, time.UTC) // a second before six in Lisbon
	late := free.Add(time.Second)
	ended := func(from eventpb.ReservationStatus, reason eventpb.ReservationReason, s *eventpb.Settlement) []proto.Message {
		return []proto.Message{&eventpb.ReservationCanceled{
			HotelId: "grand", ReservationId: uuid(1), Stay: stayOfOne(), PreviousStatus: from, Reason: reason, Settlement: s,
		}}
	}
	because := func(reason eventpb.ReservationReason, waive bool) Command {
		return &CancelReservation{Hotel: "grand", ReservationID: uuid(1), Reason: reason, Waive: waive}
	}
	again := held(pay(1, 1), outcome(1, 1, PaymentDeclined, "x"), pay(1, 2), captured(1, 2, 30_000), confirmPaid(1, 2, 30_000), captured(1, 1, 30_000))
	runAll(t, []scenario{
		{name: "free in time", given: bought(), now: free, when: cancel(1), then: ended(paid, guestRequest, settlement(0, 30_000, 0))},
		{name: "the first night a second later", given: bought(), now: late, when: cancel(1), then: ended(paid, guestRequest, settlement(10_000, 20_000, 0))},
		{name: "nothing when the hotel waives it", given: bought(), now: late, when: because(0, true), then: ended(paid, guestRequest, waived(settlement(0, 30_000, 0)))},
		{name: "nothing when the hotel asks for it", given: bought(), now: late, when: because(hotelRequest, false), then: ended(paid, hotelRequest, settlement(0, 30_000, 0))},
		{name: "no settlement when nothing was captured", given: held(), now: noon, when: cancel(1), then: ended(pending, guestRequest, nil)},
		{name: "no settlement when it was settled elsewhere", given: held(confirm(1)), now: late, when: cancel(1), then: ended(paid, guestRequest, nil)},
		{
			name: "a pending one has no fee, whatever was captured", given: held(pay(1, 1), captured(1, 1, 30_000)), now: late, when: cancel(1),
			then: ended(pending, guestRequest, settlement(0, 30_000, 0)),
		},
		{name: "after a part was given back", given: bought(grant(25_000)), now: late, when: cancel(1), then: ended(paid, guestRequest, settlement(5_000, 0, 25_000))},
		{name: "what was charged twice is not kept", given: again, now: late, when: cancel(1), then: ended(paid, guestRequest, settlement(10_000, 20_000, 30_000))},
		{
			name: "the terms are those of the day it was placed", now: late, when: cancel(1), then: ended(paid, guestRequest, settlement(10_000, 20_000, 0)),
			given: bought(&UpdateRatePlan{Hotel: "grand", RatePlan: "flexible", Fields: PlanCancellation, Terms: PlanTerms{}}),
		},
		{
			name: "what was settled elsewhere counts for the fee first", given: held(confirm(1), with(longer(), func(c *ModifyReservation) { c.CheckIn, c.CheckOut, c.Quantity = nil, nil, ptr(int32(2)) }),
				pay(1, 1), captured(1, 1, 30_000), confirmPaid(1, 1, 30_000)),
			now: late, when: cancel(1),
			then: []proto.Message{&eventpb.ReservationCanceled{
				HotelId: "grand", ReservationId: uuid(1), Stay: stayOf(2, "2026-07-20", "2026-07-23"), PreviousStatus: paid, Reason: guestRequest,
				Settlement: settlement(0, 30_000, 0), // of 600.00 the fee is 200.00, and the hotel has 300.00
			}},
		},
	})
}

func TestNoShowFee(t *testing.T) {
	late := time.Date(2026, 7, 21, 9, 0, 0, 0, time.UTC)
	with33 := func(more ...Command) []Command {
		plan := createFlexible()
		plan.Terms.Cancellation.NoShowFee = &eventpb.CancellationFee{Kind: byPercent, Amount: 33_335}
		p := flexibleAt(20, 23, Guest{})
		return append(open(plan, rates(1, 31, 10_000), p), more...)
	}
	missed := func(from eventpb.ReservationStatus, s *eventpb.Settlement) []proto.Message {
		return []proto.Message{&eventpb.ReservationNoShow{HotelId: "grand", ReservationId: uuid(1), Stay: stayOfOne(), PreviousStatus: from, Settlement: s}}
	}
	captured1 := []Command{pay(1, 1), captured(1, 1, 30_000), confirmPaid(1, 1, 30_000)}
	runAll(t, []scenario{
		{name: "per cent, rounded half up", given: with33(captured1...), now: late, when: noShow(1), then: missed(paid, settlement(10_001, 19_999, 0))},
		{
			name: "waived", given: with33(captured1...), now: late, when: &MarkNoShow{Hotel: "grand", ReservationID: uuid(1), Waive: true},
			then: missed(paid, waived(settlement(0, 30_000, 0))),
		},
		{name: "as of a late cancellation, when the plan names none", given: bought(), now: late, when: noShow(1), then: missed(paid, settlement(10_000, 20_000, 0))},
		{name: "none of what was never paid", given: with33(), now: late, when: noShow(1), then: missed(pending, nil)},
	})
}

func TestGrantRefund(t *testing.T) {
	granted := func(units int64) []proto.Message {
		return []proto.Message{&eventpb.RefundGranted{HotelId: "grand", ReservationId: uuid(1), Amount: euros(units), Note: "The lift."}}
	}
	late := []Command{&CancelReservation{Hotel: "grand", ReservationID: uuid(1)}}
	strict := createFlexible()
	strict.Terms.Cancellation.NeverFree = true
	kept := append(open(strict, rates(1, 31, 10_000), flexibleAt(20, 23, Guest{}), pay(1, 1), captured(1, 1, 30_000), confirmPaid(1, 1, 30_000)), late...)
	runAll(t, []scenario{
		{name: "of a stay", given: bought(), when: grant(30_000), then: granted(30_000)},
		{name: "of what a cancellation kept", given: kept, when: grant(10_000), then: granted(10_000)},
		{name: "no more than is left", given: bought(), when: grant(30_001), reason: domain.RefundTooLarge, field: "amount"},
		{name: "no more than is left after another", given: bought(grant(20_000)), when: grant(10_001), reason: domain.RefundTooLarge, field: "amount"},
		{name: "no more than is left after another was paid out", given: bought(grant(20_000), settle(1, 1), returned(1, 1, 1)), when: grant(10_001), reason: domain.RefundTooLarge, field: "amount"},
		{name: "no more than the fee", given: kept, when: grant(10_001), reason: domain.RefundTooLarge, field: "amount"},
		{name: "not of what was settled elsewhere", given: held(confirm(1)), when: grant(1), reason: domain.RefundTooLarge, field: "amount"},
		{name: "not of a hold", given: held(pay(1, 1), captured(1, 1, 30_000)), when: grant(1), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "not of nothing", given: bought(), when: grant(0), reason: domain.InvalidArgument, field: "amount"},
		{name: "not less than nothing", given: bought(), when: grant(-1), reason: domain.InvalidArgument, field: "amount"},
		{
			name: "not in another currency", given: bought(), when: with(grant(1), func(c *GrantRefund) { c.Amount.Currency = "USD" }),
			reason: domain.CurrencyMismatch, field: "amount.currency_code",
		},
		{
			name: "not with a long note", given: bought(), when: with(grant(1), func(c *GrantRefund) { c.Note = strings.Repeat("x", NoteMax+1) }),
			reason: domain.InvalidArgument, field: "note",
		},
	})
}

func TestRefundsOfAReservationAreBounded(t *testing.T) {
	s := New()
	run(t, s, noon, bought()...)
	for n := range RefundsMax {
		run(t, s, noon, grant(1), settle(1, n))
	}
	if _, err := Decide(s, grant(1), At{Now: noon}); domain.ReasonOf(err) != domain.LimitReached {
		t.Errorf("another refund: %v", err)
	}
	if events := run(t, s, noon, cancel(1), settle(1, RefundsMax)); len(events) != 2 {
		t.Errorf("what is owed is not given back: %v", events)
	}
	reload(t, s)
}

func asked(p, refund int, units int64) proto.Message {
	e := &eventpb.RefundRequested{
		HotelId: "grand", ReservationId: uuid(1), PaymentId: paymentID(p), RefundId: refundID(refund), Amount: euros(units), Provider: "simulator", ProviderReference: "ch_1",
	}
	if refund >= 10 { // counts up from another
		id, _ := domain.ParseReservationID(refundID(refund - 10))
		e.RefundId = uuidText(nextUUID(id))
	}
	return e
}

func TestSettleRefunds(t *testing.T) {
	two := bought(longer(), pay(1, 2), captured(1, 2, 10_000), confirmPaid(1, 2, 10_000))
	twice := held(pay(1, 1), outcome(1, 1, PaymentDeclined, "x"), pay(1, 2), captured(1, 2, 30_000), confirmPaid(1, 2, 30_000), captured(1, 1, 30_000))
	refused := func(n int) *RecordRefund {
		return &RecordRefund{Hotel: "grand", ReservationID: uuid(1), PaymentID: paymentID(1), RefundID: refundID(n), Cause: "account_closed"}
	}
	runAll(t, []scenario{
		{name: "of a cancellation", given: bought(cancel(1)), when: settle(1, 1), then: []proto.Message{asked(1, 1, 30_000)}},
		{name: "once", given: bought(cancel(1), settle(1, 1)), when: settle(1, 2)},
		{name: "once, also when it comes again", given: bought(cancel(1), settle(1, 1), refused(1)), when: settle(1, 1)},
		{name: "again when it was refused", given: bought(cancel(1), settle(1, 1), refused(1)), when: settle(1, 2), then: []proto.Message{asked(1, 2, 30_000)}},
		{name: "not of a stay", given: bought(), when: settle(1, 1)},
		{name: "not of a hold whose payment is about to count", given: held(pay(1, 1), captured(1, 1, 30_000)), when: settle(1, 1)},
		{name: "not of a balance that is about to count", given: bought(longer(), pay(1, 2), captured(1, 2, 10_000)), when: settle(1, 1)},
		{name: "of a part", given: bought(grant(7)), when: settle(1, 1), then: []proto.Message{asked(1, 1, 7)}},
		{name: "of what a change made cheaper", given: bought(shorter()), when: settle(1, 1), then: []proto.Message{asked(1, 1, 10_000)}},
		{name: "of two payments, the newest first", given: append(slices.Clip(two), cancel(1)), when: settle(1, 1), then: []proto.Message{asked(2, 1, 10_000), asked(1, 11, 30_000)}},
		{name: "of two payments, a part", given: append(slices.Clip(two), grant(12_000)), when: settle(1, 1), then: []proto.Message{asked(2, 1, 10_000), asked(1, 11, 2_000)}},
		{name: "of what was charged twice, that very payment", given: twice, when: settle(1, 1), then: []proto.Message{asked(1, 1, 30_000)}},
		{name: "of a capture after the hold was over", given: held(pay(1, 1), &ExpireHolds{Hotel: "grand", Now: noon.Add(time.Hour)}, captured(1, 1, 30_000)), when: settle(1, 1), then: []proto.Message{asked(1, 1, 30_000)}},
		{name: "of a capture after a cancellation", given: held(pay(1, 1), cancel(1), captured(1, 1, 30_000)), when: settle(1, 1), then: []proto.Message{asked(1, 1, 30_000)}},
		{
			name: "of a capture after a decline", when: settle(1, 1), then: []proto.Message{asked(1, 1, 30_000)},
			given: held(pay(1, 1), outcome(1, 1, PaymentDeclined, "x"), &DeclineReservation{Hotel: "grand", ReservationID: uuid(1), PaymentID: paymentID(1)}, captured(1, 1, 30_000)),
		},
		{
			name: "of what was captured for a dearer stay that became cheaper meanwhile", given: held(longer(), pay(1, 1), shorter(), captured(1, 1, 40_000), confirmPaid(1, 1, 40_000)),
			when: settle(1, 1), then: []proto.Message{asked(1, 1, 20_000)},
		},
		{name: "needs an id", given: bought(), when: &SettleRefunds{Hotel: "grand", ReservationID: uuid(1)}, reason: domain.InvalidID, field: "refund_id"},
		{name: "needs a reservation", given: bought(), when: settle(2, 1), reason: domain.ReservationNotFound, field: "reservation_id"},
	})
}

func TestRecordAndCompleteRefund(t *testing.T) {
	owed := bought(cancel(1), settle(1, 1))
	failed := &RecordRefund{Hotel: "grand", ReservationID: uuid(1), PaymentID: paymentID(1), RefundID: refundID(1), Cause: "account_closed"}
	succeeds := []proto.Message{&eventpb.RefundSucceeded{
		HotelId: "grand", ReservationId: uuid(1), PaymentId: paymentID(1), RefundId: refundID(1), Amount: euros(30_000), ProviderReference: "re_1",
	}}
	completes := func(refunded, kept int64) []proto.Message {
		return []proto.Message{&eventpb.ReservationRefunded{HotelId: "grand", ReservationId: uuid(1), Refunded: euros(refunded), Kept: euros(kept)}}
	}
	again := func() []Command { return append(slices.Clip(owed), failed, settle(1, 2), returned(1, 1, 2)) }
	runAll(t, []scenario{
		{name: "succeeds", given: owed, when: returned(1, 1, 1), then: succeeds},
		{name: "succeeds once", given: append(slices.Clip(owed), returned(1, 1, 1)), when: returned(1, 1, 1)},
		{name: "does not fail afterwards", given: append(slices.Clip(owed), returned(1, 1, 1)), when: failed},
		{name: "fails", given: owed, when: failed, then: []proto.Message{&eventpb.RefundFailed{
			HotelId: "grand", ReservationId: uuid(1), PaymentId: paymentID(1), RefundId: refundID(1), Amount: euros(30_000), Cause: "account_closed",
		}}},
		{name: "fails once", given: append(slices.Clip(owed), failed), when: failed},
		{name: "succeeds after all", given: append(slices.Clip(owed), failed), when: returned(1, 1, 1), then: succeeds},
		{name: "does not succeed after all when it was given back otherwise", given: again(), when: returned(1, 1, 1), reason: domain.RefundTooLarge, field: "refund_id"},
		{name: "does not succeed after all while it is being given back otherwise", given: again()[:len(again())-1], when: returned(1, 1, 1), reason: domain.RefundTooLarge, field: "refund_id"},
		{name: "is none", given: owed, when: returned(1, 1, 2), reason: domain.PaymentNotFound, field: "refund_id"},
		{name: "is of no payment", given: owed, when: returned(1, 2, 1), reason: domain.PaymentNotFound, field: "payment_id"},
		{
			name: "has a short cause", given: owed, when: with(failed, func(c *RecordRefund) { c.Cause = strings.Repeat("x", CauseMax+1) }),
			reason: domain.InvalidArgument, field: "cause",
		},
		{
			name: "has a short reference", given: owed, when: with(failed, func(c *RecordRefund) { c.ProviderReference = strings.Repeat("x", ProviderRefMax+1) }),
			reason: domain.InvalidArgument, field: "provider_reference",
		},
		{name: "completes", given: append(slices.Clip(owed), returned(1, 1, 1)), when: complete(1), then: completes(30_000, 0)},
		{name: "completes once", given: append(slices.Clip(owed), returned(1, 1, 1), complete(1)), when: complete(1)},
		{name: "is not complete before", given: owed, when: complete(1)},
		{name: "is not complete when it was refused", given: append(slices.Clip(owed), failed), when: complete(1)},
		{name: "is not complete while more is owed", given: append(slices.Clip(owed), failed, settle(1, 2), failed), when: complete(1)},
		{name: "is nothing when all is kept", given: held(confirm(1), cancel(1)), when: complete(1)},
		{name: "is nothing of a stay", given: bought(grant(1), settle(1, 1), returned(1, 1, 1)), when: complete(1)},
		{
			name: "completes a declined one", given: held(pay(1, 1), outcome(1, 1, PaymentDeclined, "x"), &DeclineReservation{Hotel: "grand", ReservationID: uuid(1), PaymentID: paymentID(1)},
				captured(1, 1, 30_000), settle(1, 1), returned(1, 1, 1)), when: complete(1), then: completes(30_000, 0),
		},
		{name: "needs a reservation", given: owed, when: complete(2), reason: domain.ReservationNotFound, field: "reservation_id"},
	})
}
