package hotel

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// Ends of an entry.
const (
	accepted = eventpb.WaitingListEnd_WAITING_LIST_END_ACCEPTED
	lapsed   = eventpb.WaitingListEnd_WAITING_LIST_END_OFFER_LAPSED
	past     = eventpb.WaitingListEnd_WAITING_LIST_END_PAST
)

// join waits for doubles as entry 100+n.
func join(n int, quantity int32, stay domain.Stay) *JoinWaitingList {
	return &JoinWaitingList{Hotel: "grand", EntryID: entryID(n), RoomType: "double", Quantity: quantity, Stay: stay}
}

func entryID(n int) string { return uuid(100 + n) }

func leave(n int) *LeaveWaitingList { return &LeaveWaitingList{Hotel: "grand", EntryID: entryID(n)} }

var offerRooms = &OfferRooms{Hotel: "grand"}

// full is a hotel whose two doubles are reserved from the first to the third of July, by reservations 1 and 2.
func full(more ...Command) []Command {
	return append(open(place(1, 1, july(1, 3)), place(2, 1, july(1, 3)), confirm(2)), more...)
}

func leftList(n int, reason eventpb.WaitingListEnd) proto.Message {
	return &eventpb.WaitingListLeft{HotelId: "grand", EntryId: entryID(n), Reason: reason}
}

// offersIn returns the numbers of the entries to which events offer rooms, and demands that each offer is a hold for its entry.
func offersIn(t *testing.T, events []proto.Message) (entries []int) {
	t.Helper()
	for i, e := range events {
		offer, ok := e.(*eventpb.WaitingListOffered)
		if !ok {
			continue
		}
		hold, _ := events[i+1].(*eventpb.ReservationPlaced)
		if hold.GetReservationId() != offer.ReservationId || hold.GetWaitingListEntryId() != offer.EntryId || hold.GetHoldExpireTime() == nil {
			t.Errorf("behind %v comes no hold for it: %v", offer, events[i+1])
		}
		for n := range 50 {
			if offer.EntryId == entryID(n) {
				entries = append(entries, n)
			}
		}
	}
	return entries
}

func TestJoinWaitingList(t *testing.T) {
	with2 := func(change func(*JoinWaitingList)) Command { return with(join(1, 1, july(1, 3)), change) }
	runAll(t, []scenario{
		{
			name: "waits", given: full(createFlexible()), when: with2(func(c *JoinWaitingList) {
				c.RatePlan, c.Guest = "flexible", Guest{DisplayName: "Maria", Adults: 2}
			}),
			then: []proto.Message{&eventpb.WaitingListJoined{
				HotelId: "grand", EntryId: entryID(1), Stay: stayOf(1, "2026-07-01", "2026-07-03"), RatePlanId: "flexible", JoinDate: "2026-07-01",
				Guest: &eventpb.Guest{DisplayName: "Maria", Adults: 2},
			}},
		},
		{
			name: "waits where one night is full", given: full(), when: join(1, 2, july(2, 9)),
			then: []proto.Message{&eventpb.WaitingListJoined{
				HotelId: "grand", EntryId: entryID(1), Stay: stayOf(2, "2026-07-02", "2026-07-09"), JoinDate: "2026-07-01",
			}},
		},
		{
			name: "has an id beside those of reservations", given: full(place(101, 1, july(8, 9))), when: join(1, 1, july(1, 3)),
			then: []proto.Message{&eventpb.WaitingListJoined{
				HotelId: "grand", EntryId: uuid(101), Stay: stayOf(1, "2026-07-01", "2026-07-03"), JoinDate: "2026-07-01",
			}},
		},
		{name: "not for rooms that can be had", given: full(), when: join(1, 2, july(3, 9)), reason: domain.RoomsAvailable},
		{
			name: "not for a stay that is forbidden", when: join(1, 1, july(1, 3)), reason: domain.Restricted, nights: []domain.Date{day(2026, 7, 2)},
			given: full(&SetRestrictions{Hotel: "grand", RoomType: "double", Start: day(2026, 7, 2), End: day(2026, 7, 3), StopSell: ptr(true)}),
		},
		{
			name: "not for a stay that the plan forbids", given: full(createFlexible()), reason: domain.Restricted,
			when: with(join(1, 1, july(1, 2)), func(c *JoinWaitingList) { c.RatePlan, c.Guest.Adults = "flexible", 1 }),
		},
		{name: "twice", given: full(join(1, 1, july(1, 3))), when: join(1, 1, july(1, 2)), reason: domain.WaiterExists, field: "entry_id"},
		{
			name: "without an id", given: full(), when: with2(func(c *JoinWaitingList) { c.EntryID = "" }),
			reason: domain.InvalidID, field: "entry_id",
		},
		{name: "in no hotel", when: join(1, 1, july(1, 3)), reason: domain.HotelNotFound, field: "hotel_id"},
		{name: "in the past", given: full(), now: noon.AddDate(0, 0, 1), when: join(1, 1, july(1, 3)), reason: domain.PastDate, field: "check_in_date"},
		{name: "for no rooms", given: full(), when: join(1, 0, july(1, 3)), reason: domain.InvalidQuantity, field: "quantity"},
		{
			name: "for too many", given: full(createFlexible()), reason: domain.OccupancyExceeded, field: "guest.adults",
			when: with2(func(c *JoinWaitingList) { c.RatePlan, c.Guest.Adults = "flexible", 4 }),
		},
		{
			name: "of an unknown type", given: full(), when: with2(func(c *JoinWaitingList) { c.RoomType = "suite" }),
			reason: domain.RoomTypeNotFound, field: "room_type_id",
		},
		{
			name: "in an archived hotel", given: full(&ArchiveHotel{Hotel: "grand"}), when: join(1, 1, july(1, 3)),
			reason: domain.HotelArchived, field: "hotel_id",
		},
	})
}

func TestTheWaitingListHasALimit(t *testing.T) {
	s := New()
	run(t, s, noon, full()...)
	for n := range WaitersMax {
		run(t, s, noon, join(n, 1, july(1, 3)))
	}
	if _, err := Decide(s, join(WaitersMax, 1, july(1, 3)), At{Now: noon}); domain.ReasonOf(err) != domain.LimitReached {
		t.Errorf("entry %d: %v", WaitersMax+1, err)
	}
	if s.Waiting() != WaitersMax {
		t.Errorf("%d wait", s.Waiting())
	}
	run(t, s, noon, rooms(10_000))
	for left := WaitersMax; left > 0; left -= OffersMax {
		if n := len(offersIn(t, run(t, s, noon, offerRooms))); n != 50 && n != 0 { // offersIn knows the first 50
			t.Errorf("%d of the first offers", n)
		}
	}
	if events := run(t, s, noon, offerRooms); len(events) != 0 || s.Night("double", day(2026, 7, 1)).HeldCount != WaitersMax+1 {
		t.Errorf("%d events more; %+v", len(events), s.Night("double", day(2026, 7, 1)))
	}
}

func TestLeaveWaitingList(t *testing.T) {
	waiting := slices.Clip(full(join(1, 1, july(1, 3))))
	runAll(t, []scenario{
		{
			name: "by the guest", given: waiting, when: leave(1),
			then: []proto.Message{leftList(1, eventpb.WaitingListEnd_WAITING_LIST_END_GUEST_REQUEST)},
		},
		{
			name: "by the hotel", given: waiting, when: with(leave(1), func(c *LeaveWaitingList) { c.ByHotel = true }),
			then: []proto.Message{leftList(1, eventpb.WaitingListEnd_WAITING_LIST_END_HOTEL_REQUEST)},
		},
		{name: "twice", given: append(waiting, leave(1)), when: leave(1), reason: domain.WaiterNotFound, field: "entry_id"},
		{name: "without an id", given: waiting, when: &LeaveWaitingList{Hotel: "grand"}, reason: domain.InvalidID, field: "entry_id"},
		{name: "in no hotel", when: leave(1), reason: domain.HotelNotFound, field: "hotel_id"},
	})
	s := New()
	run(t, s, noon, append(waiting, cancel(1), offerRooms, leave(1))...)
	if got := s.Night("double", day(2026, 7, 1)); got.HeldCount != 1 || s.Waiting() != 0 {
		t.Errorf("leaving ended the offer: %+v, %d wait", got, s.Waiting())
	}
}

func TestAnOfferIsAHold(t *testing.T) {
	s := New()
	guest := Guest{ID: "g", DisplayName: "Maria", Adults: 3}
	run(t, s, noon, full(createFlexible(), rates(1, 9, 7_000), with(join(1, 1, july(1, 3)), func(c *JoinWaitingList) {
		c.RatePlan, c.Guest = "flexible", guest
	}), cancel(1))...)
	s = reload(t, s)
	events := run(t, s, noon.Add(time.Minute), offerRooms)
	if len(events) != 2 {
		t.Fatalf("%d events: %v", len(events), events)
	}
	hold, ok := events[1].(*eventpb.ReservationPlaced)
	if !ok {
		t.Fatalf("%v", events[1])
	}
	id, err := domain.ParseReservationID(hold.ReservationId)
	if err != nil || id[6]>>4 != 8 || id[8]>>6 != 2 {
		t.Errorf("%s is no UUID of version 8: %v", hold.ReservationId, err)
	}
	want := &eventpb.ReservationPlaced{
		HotelId: "grand", ReservationId: hold.ReservationId, Stay: stayOf(1, "2026-07-01", "2026-07-03"), CurrencyCode: "EUR",
		Guest:             &eventpb.Guest{GuestId: "g", DisplayName: "Maria", Adults: 3},
		NightlyMinorUnits: []int64{8_000, 8_000}, TotalMinorUnits: 16_000, HoldExpireTime: timestamppb.New(noon.Add(16 * time.Minute)),
		InventoryOffset: 7, Channel: "waiting_list", PlaceDate: "2026-07-01", WaitingListEntryId: entryID(1),
		Terms: &eventpb.Terms{RatePlanId: "flexible", Cancellation: createFlexible().Terms.Cancellation, ExtraGuestMinorUnits: 1_000},
	}
	if !proto.Equal(hold, want) {
		t.Errorf("the hold is\n%v, want\n%v", hold, want)
	}
	if again := run(t, s, noon.Add(time.Minute), offerRooms); len(again) != 0 {
		t.Errorf("offered again: %v", again)
	}
}

func TestOffersAreMadeInOrder(t *testing.T) {
	for _, tt := range []struct {
		name  string
		given []Command
		want  []int
	}{
		{"first come, first served", full(join(1, 1, july(1, 3)), join(2, 1, july(1, 3)), cancel(1)), []int{1}},
		{"those who came later are not kept waiting by one who needs more", full(join(1, 2, july(1, 3)), join(2, 1, july(1, 3)), cancel(1)), []int{2}},
		{"what one gets is not there for the next", full(join(1, 1, july(1, 3)), join(2, 2, july(2, 3)), join(3, 1, july(1, 2)), cancel(1), cancel(2)), []int{1, 3}},
		{"more rooms", full(join(1, 1, july(1, 3)), join(2, 2, july(1, 2)), rooms(5)), []int{1, 2}},
		{"nights that an early guest left", full(room("1"), arrive(2), join(1, 1, july(1, 3)), join(2, 1, july(2, 3)), cancel(1), place(3, 1, july(1, 3)), depart(2)), []int{1}},
		{"nobody left anything", full(join(1, 1, july(1, 3))), nil},
		{"nobody waits", full(cancel(1)), nil},
		{
			"a restriction since", full(join(1, 1, july(1, 3)), cancel(1), &SetRestrictions{
				Hotel: "grand", RoomType: "double", Start: day(2026, 7, 2), End: day(2026, 7, 3), StopSell: ptr(true),
			}), nil,
		},
		{"an archived type", full(join(1, 1, july(1, 3)), cancel(1), &ArchiveRoomType{Hotel: "grand", RoomType: "double"}), nil},
		{"an archived hotel", full(join(1, 1, july(1, 3)), cancel(1), &ArchiveHotel{Hotel: "grand"}), nil},
		{"no price", full(createFlexible(), with(join(1, 1, july(1, 3)), func(c *JoinWaitingList) { c.RatePlan, c.Guest.Adults = "flexible", 1 }), cancel(1)), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New()
			run(t, s, noon, tt.given...)
			got := offersIn(t, run(t, s, noon, offerRooms))
			if len(got) != len(tt.want) {
				t.Fatalf("offered to %v, want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Fatalf("offered to %v, want %v", got, tt.want)
				}
			}
			reload(t, s)
		})
	}
}

// offeredTo returns the reservation that was offered to entry 1.
func offeredTo(t *testing.T, s *State) string {
	t.Helper()
	run(t, s, noon, full(join(1, 1, july(1, 3)), cancel(1))...)
	return run(t, s, noon, offerRooms)[0].(*eventpb.WaitingListOffered).ReservationId
}

// The entry of an offer ends with it, in the same batch and behind what ended it.
func TestAnOfferEndsItsEntry(t *testing.T) {
	later := noon.Add(HoldDurationDefault)
	for name, tt := range map[string]struct {
		command func(reservation string) Command
		now     time.Time
		main    proto.Message
		reason  eventpb.WaitingListEnd
	}{
		"paid": {
			func(id string) Command { return &ConfirmReservation{Hotel: "grand", ReservationID: id} }, noon, new(eventpb.ReservationPaid), accepted,
		},
		"canceled": {
			func(id string) Command { return &CancelReservation{Hotel: "grand", ReservationID: id} }, noon, new(eventpb.ReservationCanceled), lapsed,
		},
		"missed": {
			func(id string) Command { return &MarkNoShow{Hotel: "grand", ReservationID: id} }, noon, new(eventpb.ReservationNoShow), lapsed,
		},
		"expired": {
			func(string) Command { return &ExpireHolds{Hotel: "grand"} }, later, new(eventpb.ReservationCanceled), lapsed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := New()
			id := offeredTo(t, s)
			s = reload(t, s)
			events := run(t, s, tt.now, tt.command(id))
			if len(events) != 2 || events[0].ProtoReflect().Type() != tt.main.ProtoReflect().Type() || !proto.Equal(events[1], leftList(1, tt.reason)) {
				t.Fatalf("%v", events)
			}
			if s.Waiting() != 0 {
				t.Errorf("%d wait", s.Waiting())
			}
			if tt.reason == accepted {
				if events := run(t, s, tt.now, &CancelReservation{Hotel: "grand", ReservationID: id}); len(events) != 1 {
					t.Errorf("the entry ended twice: %v", events)
				}
			}
		})
	}
}

func TestEntriesEndWithTheDayOfArrival(t *testing.T) {
	s := New()
	run(t, s, noon, full(join(1, 1, july(1, 3)), join(2, 1, july(2, 3)))...)
	s.OffersMade()
	evening, tomorrow := time.Date(2026, 7, 1, 22, 59, 0, 0, time.UTC), time.Date(2026, 7, 1, 23, 0, 0, 0, time.UTC) // midnight in Lisbon
	if s.OffersDue(evening) || len(run(t, s, evening, offerRooms)) != 0 {
		t.Error("an entry ends on its day of arrival")
	}
	if !s.OffersDue(tomorrow) {
		t.Error("nothing is due after the day of arrival")
	}
	if events := run(t, s, tomorrow, offerRooms); len(events) != 1 || !proto.Equal(events[0], leftList(1, past)) {
		t.Errorf("%v", events)
	}
	if s.OffersDue(tomorrow) {
		t.Error("something is due although all is done")
	}
	run(t, s, noon, &ArchiveHotel{Hotel: "grand"})
	if events := run(t, s, tomorrow.AddDate(0, 0, 1), offerRooms); len(events) != 1 || !proto.Equal(events[0], leftList(2, past)) {
		t.Errorf("in an archived hotel: %v", events)
	}
}

// OffersDue is asked after every command: it must be right about what frees rooms, and silent otherwise.
func TestOffersDue(t *testing.T) {
	s := New()
	due := func(want bool, c Command) {
		t.Helper()
		run(t, s, noon, c)
		if s.OffersDue(noon) != want {
			t.Errorf("after %T: due is %v", c, !want)
		}
		s.OffersMade()
	}
	run(t, s, noon, full(room("1"), createFlexible(), place(5, 1, july(20, 25)), place(6, 1, july(20, 25)), confirm(6), place(7, 1, july(1, 2)), cancel(1), place(4, 1, july(1, 3)))...)
	for _, c := range []Command{place(8, 1, july(10, 11)), cancel(8)} {
		due(false, c) // nobody waits
	}
	due(false, join(1, 1, july(1, 3)))
	due(false, place(9, 1, july(10, 11)))
	due(false, confirm(9))
	due(true, cancel(9))
	due(true, noShow(4))
	due(false, arrive(2))
	due(true, depart(2))
	due(true, with(&ModifyReservation{Hotel: "grand", ReservationID: uuid(5)}, func(c *ModifyReservation) { c.move(july(20, 24)) }))
	due(true, rooms(2))
	due(true, rates(1, 2, 5))
	due(true, &SetRestrictions{Hotel: "grand", RoomType: "double", Start: day(2026, 7, 1), End: day(2026, 7, 2), StopSell: ptr(false)})
	due(true, &UpdateRoomType{Hotel: "grand", RoomType: "double", BaseRate: &domain.Money{MinorUnits: 1}})
	due(true, &UpdateRatePlan{Hotel: "grand", RatePlan: "flexible", Fields: PlanMinStay})
	if !reload(t, s).OffersDue(noon) {
		t.Error("a state that was loaded cannot know whether something was freed before, and says no")
	}
	due(true, &ExpireHolds{Hotel: "grand", Now: noon.Add(time.Hour)})
}

// Money decides about an offer as people do.
func TestMoneyEndsAnOffer(t *testing.T) {
	late := noon.Add(HoldDurationDefault)
	for name, tt := range map[string]struct {
		outcome *RecordPayment
		now     time.Time
		end     func(id string) Command
		reason  eventpb.WaitingListEnd
	}{
		"captured": {
			captured(1, 1, 20_000), noon,
			func(id string) Command {
				return with(confirmPaid(1, 1, 20_000), func(c *ConfirmReservation) { c.ReservationID = id })
			}, accepted,
		},
		"captured in the last moment": {captured(1, 1, 20_000), late, func(string) Command { return &ExpireHolds{Hotel: "grand"} }, accepted},
		"declined": {
			&RecordPayment{Hotel: "grand", PaymentID: paymentID(1), Outcome: PaymentDeclined, Cause: "insufficient_funds"}, noon,
			func(id string) Command {
				return &DeclineReservation{Hotel: "grand", ReservationID: id, PaymentID: paymentID(1), DeclineCode: "insufficient_funds"}
			}, lapsed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := New()
			id := offeredTo(t, s)
			run(t, s, noon, with(pay(1, 1), func(c *RequestPayment) { c.ReservationID = id }), with(tt.outcome, func(c *RecordPayment) { c.ReservationID = id }))
			events := run(t, s, tt.now, tt.end(id))
			if len(events) != 2 || !proto.Equal(events[1], leftList(1, tt.reason)) || s.Waiting() != 0 {
				t.Errorf("%v, %d wait", events, s.Waiting())
			}
			s.OffersMade()
			if s.OffersDue(tt.now) {
				t.Error("nobody waits, and something is due")
			}
		})
	}
}

// An offer's id that somebody has taken, by chance or on purpose, is not offered.
func TestOffersHaveIDsOfTheirOwn(t *testing.T) {
	s := New()
	run(t, s, noon, full(rooms(3), join(1, 3, july(1, 3)))...)
	guessed := s.offerID(s.waiters.list[0], At{Now: noon})
	run(t, s, noon, with(place(9, 1, july(10, 11)), func(c *PlaceReservation) { c.ReservationID = guessed.String() }), cancel(1), cancel(2))
	offer := run(t, s, noon, offerRooms)[0].(*eventpb.WaitingListOffered)
	if offer.ReservationId == guessed.String() {
		t.Error("the id of another reservation is offered")
	}
}
