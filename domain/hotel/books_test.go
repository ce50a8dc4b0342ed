package hotel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// year is a hotel with five rooms for all nights of half a year.
func year() []Command {
	return open(with(rooms(5), func(c *SetInventory) { c.End = day(2027, 1, 1) }))
}

// stayFrom returns two nights from n days after July 1.
func stayFrom(n int) domain.Stay {
	in := day(2026, 7, 1).AddDays(n)
	return domain.Stay{CheckIn: in, CheckOut: in + 2}
}

func TestBooksClose(t *testing.T) {
	s := New()
	run(t, s, noon, year()...)
	run(t, s, noon, place(1, 1, stayFrom(0)), confirm(1), place(2, 1, stayFrom(1)), confirm(2))
	// Check-outs are July 3 and 4. A reservation placed on August 2 closes the nights before July 3.
	lastDay := noon.AddDate(0, 0, 32)
	run(t, s, lastDay.AddDate(0, 0, -1), place(3, 1, stayFrom(60)))
	if s.Status(uuid(1)) != paid {
		t.Error("reservation 1 is forgotten a day early")
	}
	run(t, s, lastDay, place(4, 1, stayFrom(60)))
	if s.Status(uuid(1)) != eventpb.ReservationStatus_RESERVATION_STATUS_UNSPECIFIED || s.Status(uuid(2)) != paid {
		t.Errorf("reservation 1 is %s and 2 is %s", s.Status(uuid(1)), s.Status(uuid(2)))
	}
	if got := s.Night("double", day(2026, 7, 2)); got.PhysicalCount != 0 {
		t.Errorf("a closed night is kept: %+v", got)
	}
	if got := s.Night("double", day(2026, 7, 3)); got.SoldCount != 1 || got.PhysicalCount != 5 {
		t.Errorf("an open night is %+v", got)
	}
	reload(t, s)
}

func TestClosedBooksStayClosed(t *testing.T) {
	s := New()
	run(t, s, noon, year()...)
	run(t, s, noon.AddDate(0, 0, 40), place(1, 1, stayFrom(60)))
	for _, c := range []Command{place(2, 1, stayFrom(0)), rooms(3)} {
		if _, err := Decide(s, c, At{Now: noon}); domain.ReasonOf(err) != domain.BooksClosed {
			t.Errorf("%T on closed nights: %v", c, err)
		}
	}
	// A clock that is back by less goes on, and opens nothing.
	run(t, s, noon.AddDate(0, 0, 10), place(3, 1, stayFrom(10)))
	if _, err := Decide(s, place(4, 1, stayFrom(9)), At{Now: noon.AddDate(0, 0, 9)}); domain.ReasonOf(err) != domain.BooksClosed {
		t.Errorf("the books opened again: %v", err)
	}
}

func TestAHoldIsNotForgottenBeforeItEnds(t *testing.T) {
	s := New()
	run(t, s, noon, year()...)
	run(t, s, noon, place(1, 1, stayFrom(0)))
	run(t, s, noon.AddDate(0, 0, 50), place(2, 1, stayFrom(60)))
	if s.Status(uuid(1)) != pending {
		t.Fatal("a hold whose end was never told is forgotten")
	}
	s = reload(t, s)
	events := run(t, s, noon.AddDate(0, 0, 50), &ExpireHolds{Hotel: "grand"})
	if len(events) != 1 || events[0].(*eventpb.ReservationCanceled).ReservationId != uuid(1) {
		t.Fatalf("expired %v", events)
	}
	run(t, s, noon.AddDate(0, 0, 51), place(3, 1, stayFrom(60)))
	if s.Status(uuid(1)) != eventpb.ReservationStatus_RESERVATION_STATUS_UNSPECIFIED {
		t.Error("it is never forgotten")
	}
}

func TestRejectedIdsAreBounded(t *testing.T) {
	s := New()
	run(t, s, noon, open()...)
	for n := range RejectedMax + 10 {
		run(t, s, noon, place(n, 3, july(1, 2)))
	}
	if s.Reservations() != RejectedMax || len(s.book.slots) > RejectedMax+1 {
		t.Errorf("%d rejected ids in %d slots", s.Reservations(), len(s.book.slots))
	}
	run(t, s, noon, place(9, 1, july(1, 2))) // forgotten
	if _, err := Decide(s, place(10, 1, july(1, 2)), At{Now: noon}); domain.ReasonOf(err) != domain.ReservationExists {
		t.Errorf("a remembered id was taken again: %v", err)
	}
	reload(t, s)
}

// TestARejectedIdMayBePlaced is about logs written when fewer rejected ids were remembered.
func TestARejectedIdMayBePlaced(t *testing.T) {
	other := New()
	run(t, other, noon, open()...)
	placed := run(t, other, noon, place(1, 1, july(1, 2)))
	s := New()
	run(t, s, noon, open(place(1, 3, july(1, 2)), place(2, 3, july(1, 2)))...)
	evolve(t, s, placed...)
	if s.Status(uuid(1)) != pending || s.Reservations() != 2 || len(s.book.rejected) != 1 {
		t.Errorf("it is %s among %d", s.Status(uuid(1)), s.Reservations())
	}
	reload(t, s)
}

func TestHoldsExpireInOrderAndBounded(t *testing.T) {
	s := New()
	run(t, s, noon, createHotel(), createDouble(), rooms(CountMax))
	const holds = ExpireMax + 100
	for _, n := range rand.New(rand.NewPCG(1, 2)).Perm(holds) {
		run(t, s, noon.Add(time.Duration(n/3)*time.Second), place(n, 1, july(1, 2)))
	}
	var ends []string
	for _, want := range []int{ExpireMax, holds - ExpireMax, 0} {
		events := run(t, s, noon.Add(time.Hour), &ExpireHolds{Hotel: "grand"})
		if len(events) != want {
			t.Fatalf("%d holds expired at once, want %d", len(events), want)
		}
		for _, e := range events {
			ends = append(ends, e.(*eventpb.ReservationCanceled).ReservationId)
		}
	}
	var want []string
	for n := range holds {
		want = append(want, uuid(n))
	}
	for i := 0; i < holds; i += 3 { // three by three have the same deadline, and go by id
		slices.Sort(want[i : i+3])
	}
	if !slices.Equal(ends, want) {
		t.Error("holds expired out of order")
	}
	if _, ok := s.NextHoldExpiry(); ok || s.Night("double", day(2026, 7, 1)).HeldCount != 0 {
		t.Error("something is still held")
	}
}

// Ending the oldest of many holds looks at as many as it ends, not at all that are over: a night without the platform, or a busy
// quarter of an hour, would otherwise stop the hotel for seconds.
func TestExpiringSomeHoldsDoesNotLookAtAll(t *testing.T) {
	const many = 100_000
	var book []reservation
	var h holds
	for n := range many {
		book = append(book, reservation{deadline: int64((n * 7919) % many), heap: -1})
		h.push(book, slot(n))
	}
	var found []slot
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			found = h.expired(book, many, ExpireMax)
		}
	})
	for i, s := range found {
		if book[s].deadline != int64(i) {
			t.Fatalf("number %d ends at %d", i, book[s].deadline)
		}
	}
	if bytes := result.AllocedBytesPerOp(); len(found) != ExpireMax || bytes > 64*ExpireMax {
		t.Errorf("%d bytes to find %d holds", bytes, len(found))
	}
}

func TestHeapAgainstSorting(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var book []reservation
	var h holds
	for step := range 5_000 {
		if random.IntN(3) > 0 || len(h.slots) == 0 {
			r := reservation{deadline: random.Int64N(50), heap: -1}
			r.id[0], r.id[1] = byte(step), byte(step>>8)
			book = append(book, r)
			h.push(book, slot(len(book)-1))
		} else {
			h.remove(book, int32(random.IntN(len(h.slots))))
		}
		for i, s := range h.slots {
			if book[s].heap != int32(i) || i > 0 && h.less(book, i, (i-1)/2) {
				t.Fatalf("step %d: place %d is out of order", step, i)
			}
		}
	}
	sorted := h.expired(book, 1<<40, len(h.slots))
	if !slices.IsSortedFunc(sorted, func(a, b slot) int { return earlier(&book[a], &book[b]) }) || len(sorted) != len(h.slots) {
		t.Error("expired holds are not all, or not sorted")
	}
	limit := book[sorted[len(sorted)/2]].deadline
	for _, s := range h.expired(book, limit, len(h.slots)) {
		if book[s].deadline > limit {
			t.Error("a hold expired early")
		}
	}
}

func TestFingerprintsTellRequestsApart(t *testing.T) {
	p := func(change func(*PlaceReservation)) Command { return with(place(1, 1, july(1, 3)), change) }
	commands := []Command{
		createHotel(), with(createHotel(), func(c *CreateHotel) { c.Address.Latitude = 1 }), with(createHotel(), func(c *CreateHotel) { c.HoldDuration = 1 }),
		with(createHotel(), func(c *CreateHotel) { c.DisplayName, c.Description = "Gran", "d" }),
		&UpdateHotel{Hotel: "grand"}, &UpdateHotel{Hotel: "grand", DisplayName: ptr("")}, &UpdateHotel{Hotel: "grand", Description: ptr("")},
		&UpdateHotel{Hotel: "grand", ExpectedVersion: 1}, &UpdateHotel{Hotel: "grand", TimeZone: ptr("UTC")}, &UpdateHotel{Hotel: "grand", HoldDuration: ptr(time.Second)},
		&UpdateHotel{Hotel: "grand", Address: &Address{}},
		&ArchiveHotel{Hotel: "grand"}, &ArchiveHotel{Hotel: "grand", ExpectedVersion: 1},
		createDouble(), with(createDouble(), func(c *CreateRoomType) { c.BaseRate = nil }), with(createDouble(), func(c *CreateRoomType) { c.MaxGuests = 3 }),
		&UpdateRoomType{Hotel: "grand", RoomType: "double"}, &UpdateRoomType{Hotel: "grand", RoomType: "double", MaxGuests: ptr(int32(0))},
		&ArchiveRoomType{Hotel: "grand", RoomType: "double"},
		rooms(1), rooms(2), with(rooms(1), func(c *SetInventory) { c.OutOfOrderCount = ptr(int32(0)) }), with(rooms(1), func(c *SetInventory) { c.NightlyRate = &domain.Money{} }),
		p(func(*PlaceReservation) {}), p(func(c *PlaceReservation) { c.Quantity = 2 }), p(func(c *PlaceReservation) { c.Stay.CheckOut++ }),
		p(func(c *PlaceReservation) { c.Guest.Email = "a@b" }), p(func(c *PlaceReservation) { c.Guest.Infants = 1 }), p(func(c *PlaceReservation) { c.Channel = "x" }),
		p(func(c *PlaceReservation) { c.ExternalReference = "x" }), p(func(c *PlaceReservation) { c.NoHoldExpiry = true }),
		p(func(c *PlaceReservation) { c.NightlyRate = &domain.Money{} }), p(func(c *PlaceReservation) { c.ClientAssignedID = true }),
		p(func(c *PlaceReservation) { c.ClientAssignedID, c.ReservationID = true, uuid(2) }),
		confirm(1), confirm(2), cancel(1), cancel(2), noShow(1), &CancelReservation{Hotel: "grand", ReservationID: uuid(1), Note: "x"},
		&CancelReservation{Hotel: "grand", ReservationID: uuid(1), Reason: 4}, &ExpireHolds{Hotel: "grand"}, &ExpireHolds{Hotel: "grand", Now: noon},
	}
	seen := map[[16]byte]string{}
	for _, c := range commands {
		request := fmt.Sprintf("%T %+v", c, c)
		if before, ok := seen[c.Fingerprint()]; ok {
			t.Errorf("one fingerprint for two requests:\n%s\n%s", before, request)
		}
		seen[c.Fingerprint()] = request
		if again := c.Fingerprint(); again != c.Fingerprint() || c.HotelID() != "grand" || c.Topic() == "" {
			t.Errorf("%s has an unsteady fingerprint, or goes nowhere", request)
		}
	}
	if place(1, 1, july(1, 3)).Fingerprint() != place(2, 1, july(1, 3)).Fingerprint() {
		t.Error("an id that the server made is part of the request")
	}
	// Pinned: fingerprints are stored beside events, and a retry may come after an upgrade.
	if got, want := fmt.Sprintf("%x", place(1, 1, july(1, 3)).Fingerprint()), "2fa2eb366cd5a155df9c74b6c45939ad"; got != want {
		t.Errorf("the fingerprint is %s and was %s", got, want)
	}
}
