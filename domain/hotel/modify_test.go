package hotel

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func change(f func(*ModifyReservation)) *ModifyReservation {
	c := &ModifyReservation{Hotel: "grand", ReservationID: uuid(1)}
	f(c)
	return c
}

// move asks for another stay.
func (c *ModifyReservation) move(to domain.Stay) { c.CheckIn, c.CheckOut = &to.CheckIn, &to.CheckOut }

// modifiedEvent is what modifying the reservation of held leads to.
func modifiedEvent(stay *eventpb.Stay, nightly []int64, f func(*eventpb.ReservationModified)) []proto.Message {
	e := &eventpb.ReservationModified{
		HotelId: "grand", ReservationId: uuid(1), PreviousStay: stayOfOne(), Stay: stay, CurrencyCode: "EUR", PreviousTotalMinorUnits: 30_000,
		NightlyMinorUnits: nightly, InventoryOffset: 7, Status: pending,
		Terms: &eventpb.Terms{RatePlanId: "flexible", Cancellation: createFlexible().Terms.Cancellation},
	}
	for _, line := range nightly {
		e.TotalMinorUnits += line
	}
	f(e)
	return []proto.Message{e}
}

func nothingElse(*eventpb.ReservationModified) {}

func ofPaid(balance, refund, fee int64) func(*eventpb.ReservationModified) {
	return func(e *eventpb.ReservationModified) {
		e.Status, e.BalanceMinorUnits, e.RefundMinorUnits, e.FeeMinorUnits = paid, balance, refund, fee
	}
}

func TestModify(t *testing.T) {
	three, four := []int64{10_000, 10_000, 10_000}, []int64{10_000, 10_000, 10_000, 10_000}
	guest := Guest{DisplayName: "Maria", Adults: 3}
	inSuite := &eventpb.Stay{RoomTypeId: "suite", Quantity: 1, CheckInDate: "2026-07-20", CheckOutDate: "2026-07-23"}
	suite := []Command{
		with(createDouble(), func(c *CreateRoomType) { c.RoomType = "suite" }), with(rooms(1), func(c *SetInventory) { c.RoomType = "suite" }),
		with(rates(1, 31, 15_000), func(c *SetRates) { c.RoomType = "suite" }),
	}
	runAll(t, []scenario{
		{name: "a night more", given: held(), when: longer(), then: modifiedEvent(stayOf(1, "2026-07-20", "2026-07-24"), four, nothingElse)},
		{name: "other nights", given: held(), when: change(func(c *ModifyReservation) { c.move(july(5, 8)) }), then: modifiedEvent(stayOf(1, "2026-07-05", "2026-07-08"), three, nothingElse)},
		{
			name: "another day of leaving alone", given: held(), when: change(func(c *ModifyReservation) { c.CheckOut = ptr(day(2026, 7, 24)) }),
			then: modifiedEvent(stayOf(1, "2026-07-20", "2026-07-24"), four, nothingElse),
		},
		{
			name: "another day of arrival alone", given: held(), when: change(func(c *ModifyReservation) { c.CheckIn = ptr(day(2026, 7, 21)) }),
			then: modifiedEvent(stayOf(1, "2026-07-21", "2026-07-23"), three[:2], nothingElse),
		},
		{
			name: "more rooms", given: held(), when: change(func(c *ModifyReservation) { c.Quantity = ptr(int32(2)) }),
			then: modifiedEvent(stayOf(2, "2026-07-20", "2026-07-23"), []int64{20_000, 20_000, 20_000}, nothingElse),
		},
		{
			name: "another room type", given: held(suite...), when: change(func(c *ModifyReservation) { c.RoomType = ptr("suite") }),
			then: modifiedEvent(inSuite, []int64{15_000, 15_000, 15_000}, nothingElse),
		},
		{
			name: "another guest more has a price", given: held(), when: change(func(c *ModifyReservation) { c.Guest = &guest }),
			then: modifiedEvent(stayOfOne(), []int64{11_000, 11_000, 11_000}, func(e *eventpb.ReservationModified) {
				e.Guest, e.Terms.ExtraGuestMinorUnits = &eventpb.Guest{DisplayName: "Maria", Adults: 3}, 1_000
			}),
		},
		{
			name: "another name has none, whatever rates are now", given: held(rates(1, 31, 99_000)), when: change(func(c *ModifyReservation) { c.Guest = &Guest{DisplayName: "Maria", Infants: 1} }),
			then: modifiedEvent(stayOfOne(), nil, func(e *eventpb.ReservationModified) {
				e.Guest, e.Terms, e.TotalMinorUnits = &eventpb.Guest{DisplayName: "Maria", Infants: 1}, nil, 30_000
			}),
		},
		{
			name: "another name under a plan that is sold no more", given: bought(&ArchiveRatePlan{Hotel: "grand", RatePlan: "flexible"}),
			when: change(func(c *ModifyReservation) { c.Guest = &Guest{DisplayName: "Maria"} }),
			then: modifiedEvent(stayOfOne(), nil, func(e *eventpb.ReservationModified) {
				e.Guest, e.Terms, e.TotalMinorUnits, e.Status = &eventpb.Guest{DisplayName: "Maria"}, nil, 30_000, paid
			}),
		},
		{
			name: "the guests are as many as before when they are not named", given: held(change(func(c *ModifyReservation) { c.Guest = &guest })), when: longer(),
			then: modifiedEvent(stayOf(1, "2026-07-20", "2026-07-24"), []int64{11_000, 11_000, 11_000, 11_000}, func(e *eventpb.ReservationModified) {
				e.Terms.ExtraGuestMinorUnits, e.PreviousTotalMinorUnits = 1_000, 33_000
			}),
		},
		{
			name: "today's rates and the terms of its day", then: modifiedEvent(stayOf(1, "2026-07-20", "2026-07-22"), []int64{12_000, 12_000}, nothingElse), when: shorter(),
			given: held(rates(1, 31, 12_000), &UpdateRatePlan{Hotel: "grand", RatePlan: "flexible", Fields: PlanCancellation}),
		},
	})
}

func TestModifyAfterItWasPaid(t *testing.T) {
	three, four := []int64{10_000, 10_000, 10_000}, []int64{10_000, 10_000, 10_000, 10_000}
	late := time.Date(2026, 7, 19, 18, 0, 0, 0, time.UTC)
	runAll(t, []scenario{
		{name: "dearer: a balance", given: bought(), when: longer(), then: modifiedEvent(stayOf(1, "2026-07-20", "2026-07-24"), four, ofPaid(10_000, 0, 0))},
		{name: "cheaper: a refund", given: bought(), when: shorter(), then: modifiedEvent(stayOf(1, "2026-07-20", "2026-07-22"), three[:2], ofPaid(0, 10_000, 0))},
		{
			name: "cheaper near the deadline: a refund and the fee is named", given: bought(), now: late, when: shorter(),
			then: modifiedEvent(stayOf(1, "2026-07-20", "2026-07-22"), three[:2], ofPaid(0, 10_000, 10_000)),
		},
		{
			name: "cheaper than the fee: the fee is kept", given: bought(rates(20, 23, 3_000)), now: late, when: shorter(),
			then: modifiedEvent(stayOf(1, "2026-07-20", "2026-07-22"), []int64{3_000, 3_000}, ofPaid(0, 20_000, 10_000)),
		},
		{
			name: "dearer and then cheaper before it is paid", given: bought(longer()), when: change(func(c *ModifyReservation) { c.move(july(20, 23)) }),
			then: modifiedEvent(stayOfOne(), three, func(e *eventpb.ReservationModified) {
				ofPaid(0, 0, 0)(e)
				e.PreviousStay, e.PreviousTotalMinorUnits = stayOf(1, "2026-07-20", "2026-07-24"), 40_000
			}),
		},
		{
			name: "cheaper: what was settled elsewhere is not the platform's to give back", given: held(confirm(1)), when: shorter(),
			then: modifiedEvent(stayOf(1, "2026-07-20", "2026-07-22"), three[:2], ofPaid(0, 0, 0)),
		},
		{
			name: "what was given back before stays given back", given: bought(grant(5_000)), when: longer(),
			then: modifiedEvent(stayOf(1, "2026-07-20", "2026-07-24"), four, ofPaid(10_000, 0, 0)),
		},
		{
			name: "a guest who comes late leaves earlier", given: bought(), now: time.Date(2026, 7, 21, 9, 0, 0, 0, time.UTC), when: shorter(),
			then: modifiedEvent(stayOf(1, "2026-07-20", "2026-07-22"), three[:2], ofPaid(0, 10_000, 10_000)),
		},
	})
}

func TestModifyRefused(t *testing.T) {
	later := time.Date(2026, 7, 21, 9, 0, 0, 0, time.UTC)
	to := func(in, out int) *ModifyReservation {
		return change(func(c *ModifyReservation) {
			c.move(july(in, out))
		})
	}
	byRooms := func(n int32) *ModifyReservation {
		return change(func(c *ModifyReservation) { c.Quantity = &n })
	}
	closed := &SetRestrictions{Hotel: "grand", RoomType: "double", Start: day(2026, 7, 23), End: day(2026, 7, 24), StopSell: ptr(true)}
	taken := place(2, 2, july(23, 26))
	runAll(t, []scenario{
		{name: "nothing", given: held(), when: change(func(*ModifyReservation) {}), reason: domain.InvalidArgument, field: ""},
		{name: "arrival behind the day of leaving", given: held(), when: change(func(c *ModifyReservation) { c.CheckIn = ptr(day(2026, 7, 23)) }), reason: domain.InvalidDates, field: "check_out_date"},
		{name: "full nights", given: held(taken), when: to(21, 26), reason: domain.SoldOut, field: "stay", nights: []domain.Date{day(2026, 7, 23), day(2026, 7, 24), day(2026, 7, 25)}},
		{name: "too many rooms", given: held(place(2, 1, july(22, 24))), when: byRooms(2), reason: domain.SoldOut, field: "stay", nights: []domain.Date{day(2026, 7, 22)}},
		{name: "nights that were never opened", given: held(), when: change(func(c *ModifyReservation) {
			c.move(domain.Stay{CheckIn: day(2026, 8, 30), CheckOut: day(2026, 9, 1)})
		}), reason: domain.SoldOut, field: "stay"},
		{name: "a closed night", given: held(closed), when: longer(), reason: domain.Restricted, field: "stay", nights: []domain.Date{day(2026, 7, 23)}},
		{name: "too long for the plan", given: held(), when: to(20, 26), reason: domain.Restricted, field: "stay", nights: []domain.Date{day(2026, 7, 20)}},
		{name: "no rates", given: held(with(rates(23, 24, 0), func(c *SetRates) { c.NightlyRate = nil })), when: longer(), reason: domain.NotPriced, field: "stay", nights: []domain.Date{day(2026, 7, 23)}},
		{name: "too many guests", given: held(), when: change(func(c *ModifyReservation) { c.Guest = &Guest{Adults: 4} }), reason: domain.OccupancyExceeded, field: "guest.adults"},
		{name: "guests that cannot be", given: held(), when: change(func(c *ModifyReservation) { c.Guest = &Guest{Adults: -1} }), reason: domain.InvalidArgument, field: "guest.adults"},
		{name: "no rooms", given: held(), when: byRooms(0), reason: domain.InvalidQuantity, field: "quantity"},
		{name: "a room type that is not there", given: held(), when: change(func(c *ModifyReservation) { c.RoomType = ptr("suite") }), reason: domain.RoomTypeNotFound, field: "room_type_id"},
		{name: "a plan that is sold no more", given: held(&ArchiveRatePlan{Hotel: "grand", RatePlan: "flexible"}), when: longer(), reason: domain.RatePlanArchived, field: "rate_plan_id"},
		{name: "a hotel that sells no more", given: held(&ArchiveHotel{Hotel: "grand"}), when: longer(), reason: domain.HotelArchived, field: "hotel_id"},
		{name: "past nights", given: bought(), now: later, when: to(19, 23), reason: domain.PastDate, field: "check_in_date"},
		{name: "a stay that would be over", given: bought(), now: later, when: to(20, 21), reason: domain.PastDate, field: "check_out_date"},
		{name: "no stay", given: held(), when: to(23, 20), reason: domain.InvalidDates, field: "check_out_date"},
		{name: "no stay from where it was", given: bought(), now: later, when: to(20, 20), reason: domain.InvalidDates, field: "check_out_date"},
		{name: "a hold that is over", given: held(), now: noon.Add(time.Hour), when: longer(), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "an end", given: held(cancel(1)), when: longer(), reason: domain.StatusConflict, field: "reservation_id"},
		{name: "nothing that is there", given: open(), when: longer(), reason: domain.ReservationNotFound, field: "reservation_id"},
		{
			name: "a quote that is over", given: held(), when: change(func(c *ModifyReservation) { c.move(july(20, 24)); c.Quote = &Quote{ID: uuid(9), ExpireTime: noon} }),
			reason: domain.QuoteExpired, field: "quote",
		},
		{
			name: "another price than the quote's", given: held(), reason: domain.RateChanged, field: "quote",
			when: change(func(c *ModifyReservation) {
				c.move(july(20, 24))
				c.Quote = &Quote{ID: uuid(9), ExpireTime: noon.Add(time.Hour), Total: 1}
			}),
		},
	})
}

// A modification at a quote's price is had.
func TestModifyByQuote(t *testing.T) {
	price := StayPrice{Nightly: []int64{10_000, 10_000, 10_000, 10_000}, Total: 40_000}
	quote := &Quote{ID: uuid(9), ExpireTime: noon.Add(time.Hour), Total: 40_000, Digest: PriceDigest(&price, "EUR", createFlexible().Terms.Cancellation)}
	scenario{
		given: held(), when: change(func(c *ModifyReservation) { c.move(july(20, 24)); c.Quote = quote }),
		then: modifiedEvent(stayOf(1, "2026-07-20", "2026-07-24"), price.Nightly, func(e *eventpb.ReservationModified) { e.Terms.QuoteId = uuid(9) }),
	}.run(t)
}

// What a modification gives up is free at once, and what it takes is taken; the hold ends when it was to end.
func TestModifyMovesRooms(t *testing.T) {
	s := New()
	run(t, s, noon, held(change(func(c *ModifyReservation) { c.move(july(22, 25)); c.Quantity = ptr(int32(2)) }))...)
	for d, want := range map[int]int32{19: 0, 20: 0, 21: 0, 22: 2, 23: 2, 24: 2, 25: 0} {
		if got := s.Night("double", day(2026, 7, d)); got.HeldCount != want || got.SoldCount != 0 {
			t.Errorf("%+v, want %d held", got, want)
		}
	}
	if at, ok := s.NextHoldExpiry(); !ok || !at.Equal(noon.Add(15*time.Minute)) {
		t.Errorf("the hold ends at %s, %v", at, ok)
	}
	reload(t, s)
}

// Rooms that broke after they were sold are not taken away by a change of something else; no night becomes fuller than it was.
func TestModifyOfAnOversoldNight(t *testing.T) {
	given := held(change(func(c *ModifyReservation) { c.Quantity = ptr(int32(2)) }), with(rooms(1), func(c *SetInventory) { c.End = day(2026, 7, 22) }))
	runAll(t, []scenario{
		{
			name: "fewer rooms", given: given, when: change(func(c *ModifyReservation) { c.Quantity, c.Guest = ptr(int32(2)), &Guest{Adults: 1} }),
			then: modifiedEvent(stayOf(2, "2026-07-20", "2026-07-23"), []int64{20_000, 20_000, 20_000}, func(e *eventpb.ReservationModified) {
				e.PreviousStay, e.PreviousTotalMinorUnits, e.Guest = stayOf(2, "2026-07-20", "2026-07-23"), 60_000, &eventpb.Guest{Adults: 1}
			}),
		},
		{name: "more rooms", given: given, when: change(func(c *ModifyReservation) { c.Quantity = ptr(int32(3)) }), reason: domain.SoldOut, field: "stay"},
		{
			name: "other nights that are over", given: given, when: change(func(c *ModifyReservation) { c.move(july(19, 22)) }),
			reason: domain.SoldOut, field: "stay", nights: []domain.Date{day(2026, 7, 19)},
		},
	})
}

// A fee that was due stays due: moving a stay away and canceling it there costs what canceling it before would have.
func TestAChangeDoesNotUndoAFee(t *testing.T) {
	late := time.Date(2026, 7, 19, 18, 0, 0, 0, time.UTC)
	s := New()
	run(t, s, noon, bought()...)
	away := change(func(c *ModifyReservation) { c.move(july(27, 30)) })
	events := run(t, s, late, away)
	if e := events[0].(*eventpb.ReservationModified); e.FeeMinorUnits != 10_000 || e.RefundMinorUnits != 0 {
		t.Fatalf("%v", e)
	}
	s = reload(t, s)
	events = run(t, s, late, cancel(1))
	if got, want := events[0].(*eventpb.ReservationCanceled).Settlement, settlement(10_000, 20_000, 0); !proto.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	free := New()
	run(t, free, noon, bought(away)...)
	events = run(t, free, late, cancel(1))
	if got, want := events[0].(*eventpb.ReservationCanceled).Settlement, settlement(0, 30_000, 0); !proto.Equal(got, want) {
		t.Errorf("moved in time: %v, want %v", got, want)
	}
}

// A stay that is moved is forgotten with the books of its new last night, whichever way it went, also by a state that was loaded.
func TestModifiedStaysAreForgottenWithTheirNewNights(t *testing.T) {
	for name, tc := range map[string]struct {
		to   domain.Stay
		last int // days from noon on which it is still known
	}{"later": {july(28, 30), 58}, "earlier": {july(2, 4), 32}, "as it was": {july(20, 23), 51}} {
		for _, loaded := range []bool{false, true} {
			s := New()
			run(t, s, noon, open(with(rooms(9), func(c *SetInventory) { c.Start, c.End = day(2026, 8, 1), day(2027, 1, 1) }))...)
			var all []Command
			for n := range 5 { // others in the same chains
				all = append(all, place(10+n, 1, july(4*n+1, 4*n+3)), confirm(10+n))
			}
			run(t, s, noon, append(all, place(1, 1, july(20, 23)), confirm(1), place(2, 1, july(20, 23)), confirm(2))...)
			run(t, s, noon, cancel(2), change(func(c *ModifyReservation) { c.move(tc.to) }))
			if loaded {
				s = reload(t, s)
			}
			run(t, s, noon.AddDate(0, 0, tc.last), place(50, 1, stayFrom(80)))
			if s.Status(uuid(1)) != paid {
				t.Errorf("%s, loaded %v: it is forgotten a day early", name, loaded)
			}
			run(t, s, noon.AddDate(0, 0, tc.last+1), place(51, 1, stayFrom(80)))
			if s.Status(uuid(1)) != 0 {
				t.Errorf("%s, loaded %v: it is not forgotten", name, loaded)
			}
			reload(t, s)
		}
	}
}

func TestPaymentsLiveAsLongAsTheirReservation(t *testing.T) {
	s := New()
	run(t, s, noon, open(with(rooms(9), func(c *SetInventory) { c.Start, c.End = day(2026, 8, 1), day(2027, 1, 1) }))...)
	old := run(t, s, noon, place(1, 1, july(1, 2)), pay(1, 1), captured(1, 1, 10_000), confirmPaid(1, 1, 10_000), cancel(1), settle(1, 1))
	run(t, s, noon.AddDate(0, 0, 40), place(2, 1, stayFrom(60)))
	if _, err := Decide(s, returned(1, 1, 1), At{Now: noon}); domain.ReasonOf(err) != domain.ReservationNotFound {
		t.Errorf("it is not forgotten: %v", err)
	}
	if n := len(s.book.payments.items) - len(s.book.payments.free) + len(s.book.refunds.items) - len(s.book.refunds.free) + len(s.book.applied.items) - len(s.book.applied.free); n != 0 {
		t.Errorf("%d payments and refunds are left", n)
	}
	before := s.AppendSnapshot(nil)
	evolve(t, s, old[1], old[2], old[5]) // as a log is read again, topic by topic
	if !slices.Equal(before, s.AppendSnapshot(nil)) {
		t.Error("payments of a reservation that is forgotten change the state")
	}
	run(t, s, noon.AddDate(0, 0, 40), place(1, 1, stayFrom(60))) // a second one with its id
	before = s.AppendSnapshot(nil)
	evolve(t, s, old[1], old[2], old[5])
	if !slices.Equal(before, s.AppendSnapshot(nil)) {
		t.Error("payments of an earlier reservation count for a later one with its id")
	}
}
