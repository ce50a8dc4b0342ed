package hotel

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// eventful is a hotel to which everything has happened.
func eventful(t testing.TB) *State {
	s := New()
	run(t, s, noon, year()...)
	run(t, s, noon, &SetInventory{
		Hotel: "grand", RoomType: "double", Start: day(2026, 7, 4), End: day(2026, 7, 6), OutOfOrderCount: ptr(int32(1)),
		OverbookingLimit: ptr(int32(2)), NightlyRate: &domain.Money{MinorUnits: 7_000},
	})
	run(t, s, noon, &SetInventory{
		Hotel: "grand", RoomType: "double", Start: day(2026, 7, 20), End: day(2026, 7, 22), OverbookingPercent: ptr(int32(50)),
	}, &SetRestrictions{
		Hotel: "grand", RoomType: "double", Start: day(2026, 7, 10), End: day(2026, 7, 25), Weekdays: domain.WeekdaysOf(time.Friday),
		MinStay: ptr(int32(2)), MaxStay: ptr(int32(9)), StopSell: ptr(true),
	}, cityTaxes(), createFlexible(), with(createFlexible(), func(c *CreateRatePlan) { c.RatePlan = "other" }), rates(3, 9, 5_000), rates(5, 6, 0),
		with(rates(1, 2, 7), func(c *SetRates) { c.RatePlan = "other" }))
	run(t, s, noon,
		place(1, 2, july(1, 4)), place(2, 1, july(2, 9)), place(3, 9, july(1, 2)), place(4, 1, july(3, 5)), place(5, 1, july(3, 5)),
		confirm(2), cancel(4), confirm(5), cancel(5), place(6, 9, july(1, 2)), &ArchiveRoomType{Hotel: "grand", RoomType: "double"})
	return s
}

func TestSnapshots(t *testing.T) {
	for name, s := range map[string]*State{"nothing": New(), "eventful": eventful(t), "lived in": livedIn(t)} {
		loaded := reload(t, s)
		if loaded.Exists() != s.Exists() || loaded.Reservations() != s.Reservations() {
			t.Errorf("%s: %d reservations, want %d", name, loaded.Reservations(), s.Reservations())
		}
		for d := day(2026, 6, 30); d < day(2026, 8, 2); d++ {
			if got, want := loaded.Night("double", d), s.Night("double", d); got != want {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
	}
}

func TestSnapshotAppends(t *testing.T) {
	s := eventful(t)
	if b := s.AppendSnapshot([]byte("before")); string(b[:6]) != "before" || !slices.Equal(b[6:], s.AppendSnapshot(nil)) {
		t.Error("what was there is lost")
	}
}

// TestCutSnapshotsAreRefused cuts at every byte, and changes every byte: neither may panic or load what does not come back.
func TestCutSnapshotsAreRefused(t *testing.T) {
	for name, s := range map[string]*State{"eventful": eventful(t), "lived in": livedIn(t)} {
		t.Run(name, func(t *testing.T) { cutAndFlip(t, s.AppendSnapshot(nil)) })
	}
}

func cutAndFlip(t *testing.T, snapshot []byte) {
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
	if _, err := LoadSnapshot(append(slices.Clone(snapshot), 0)); err == nil {
		t.Error("a snapshot with a byte too many loads")
	}
	snapshot[0] = snapshotVersion + 1
	if _, err := LoadSnapshot(snapshot); err == nil {
		t.Error("a snapshot of a later version loads")
	}
}

// comesBack checks that b is refused, or loads into a state whose own snapshot loads into the same.
func comesBack(t testing.TB, b []byte) {
	if s, err := LoadSnapshot(b); err == nil {
		reload(t, s)
	} else if s != nil {
		t.Fatal("a state beside an error")
	}
}

func FuzzLoadSnapshot(f *testing.F) {
	f.Add(New().AppendSnapshot(nil))
	f.Add(eventful(f).AppendSnapshot(nil))
	f.Add(rich(f).AppendSnapshot(nil))
	f.Add(livedIn(f).AppendSnapshot(nil))
	f.Fuzz(func(t *testing.T, b []byte) { comesBack(t, b) })
}

// TestEvolveRefusesWithoutChange gives events that cannot follow.
func TestEvolveRefusesWithoutChange(t *testing.T) {
	stay := stayOf(1, "2026-07-01", "2026-07-03")
	for name, m := range map[string]proto.Message{
		"no event":               stay,
		"another hotel's":        &eventpb.ReservationPaid{HotelId: "other", ReservationId: uuid(1)},
		"a second creation":      &eventpb.HotelCreated{Hotel: grand(1)},
		"an empty hotel":         &eventpb.HotelUpdated{},
		"an unknown place":       &eventpb.HotelUpdated{Hotel: &eventpb.Hotel{HotelId: "grand", TimeZone: "Atlantis"}},
		"a room type twice":      &eventpb.RoomTypeCreated{RoomType: &eventpb.RoomType{HotelId: "grand", RoomTypeId: "double"}},
		"an unknown room type":   &eventpb.RoomTypeUpdated{RoomType: &eventpb.RoomType{HotelId: "grand", RoomTypeId: "suite"}},
		"inventory of nothing":   &eventpb.InventorySet{HotelId: "grand", RoomTypeId: "suite", StartDate: "2026-07-01", EndDate: "2026-07-02"},
		"inventory without days": &eventpb.InventorySet{HotelId: "grand", RoomTypeId: "double"},
		"inventory of an age":    &eventpb.InventorySet{HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "9999-01-01"},
		"negative inventory":     &eventpb.InventorySet{HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-07-02", PhysicalCount: ptr(int32(-1))},
		"a negative rate": &eventpb.InventorySet{
			HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-07-02", NightlyRate: &eventpb.Money{MinorUnits: -1},
		},
		"restrictions of nothing": &eventpb.RestrictionsSet{HotelId: "grand", RoomTypeId: "suite", StartDate: "2026-07-01", EndDate: "2026-07-02"},
		"a stay of an age":        &eventpb.RestrictionsSet{HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-07-02", MinStay: ptr(int32(256))},
		"an eighth day": &eventpb.RestrictionsSet{
			HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-07-02", Weekdays: []eventpb.Weekday{8},
		},
		"a plan twice":      &eventpb.RatePlanCreated{RatePlan: flexible(1)},
		"an unknown plan":   &eventpb.RatePlanUpdated{RatePlan: &eventpb.RatePlan{HotelId: "grand", RatePlanId: "none"}},
		"rates of no plan":  &eventpb.RatesSet{HotelId: "grand", RatePlanId: "none", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-07-02"},
		"rates of an age":   &eventpb.RatesSet{HotelId: "grand", RatePlanId: "flexible", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "9999-07-02"},
		"rates of no rooms": &eventpb.RatesSet{HotelId: "grand", RatePlanId: "flexible", RoomTypeId: "suite", StartDate: "2026-07-01", EndDate: "2026-07-02"},
		"rates below zero": &eventpb.RatesSet{
			HotelId: "grand", RatePlanId: "flexible", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-07-02", NightlyRate: &eventpb.Money{MinorUnits: -1},
		},
		"too much overbooking": &eventpb.InventorySet{
			HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-07-02", OverbookingPercent: ptr(int32(percentBound + 1)),
		},
		"a reservation twice":      &eventpb.ReservationPlaced{HotelId: "grand", ReservationId: uuid(1), Stay: stay},
		"a reservation without id": &eventpb.ReservationPlaced{HotelId: "grand", Stay: stay},
		"a reservation of no day":  &eventpb.ReservationPlaced{HotelId: "grand", ReservationId: uuid(20), Stay: stay, PlaceDate: "soon"},
		"no stay":                  &eventpb.ReservationPlaced{HotelId: "grand", ReservationId: uuid(20)},
		"an endless stay":          &eventpb.ReservationPlaced{HotelId: "grand", ReservationId: uuid(20), Stay: stayOf(1, "2026-07-01", "9999-07-01")},
		"a stay without rooms":     &eventpb.ReservationPlaced{HotelId: "grand", ReservationId: uuid(20), Stay: stayOf(0, "2026-07-01", "2026-07-02")},
		"payment of nothing":       &eventpb.ReservationPaid{HotelId: "grand", ReservationId: uuid(20)},
		"payment twice":            &eventpb.ReservationPaid{HotelId: "grand", ReservationId: uuid(2)},
		"an end twice":             &eventpb.ReservationCanceled{HotelId: "grand", ReservationId: uuid(4)},
		"an end of a rejection":    &eventpb.ReservationNoShow{HotelId: "grand", ReservationId: uuid(3)},
	} {
		s := eventful(t)
		before := s.AppendSnapshot(nil)
		if err := s.Evolve(m); err == nil {
			t.Errorf("%s: taken", name)
		}
		if !slices.Equal(before, s.AppendSnapshot(nil)) {
			t.Errorf("%s: refused, and the state has changed", name)
		}
	}
}

func TestDecideNeedsACommandAndATime(t *testing.T) {
	if _, err := Decide(New(), createHotel(), At{}); domain.ReasonOf(err) != domain.InvalidArgument {
		t.Errorf("without a time: %v", err)
	}
	if _, err := Decide(New(), nil, At{Now: noon}); domain.ReasonOf(err) != domain.InvalidArgument {
		t.Errorf("without a command: %v", err)
	}
}
