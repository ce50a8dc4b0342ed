package hotel

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// model is a hotel as a beginner would write it: everything in maps, nothing forgotten, every count a sum over all reservations.
type model struct {
	set    map[string]map[domain.Date]counts
	booked map[string]*booked
	turned []string // rejected ids, oldest first
	newest domain.Date

	forbidden map[string]map[domain.Date]forbids
}

type counts struct{ physical, outOfOrder, overbooking, percent int32 }

// limit returns how many rooms may be sold beyond those that exist.
func (c counts) limit() int32 {
	if c.percent > 0 {
		return c.physical * c.percent / 100
	}
	return c.overbooking
}

// forbids are the restrictions of a night.
type forbids struct {
	fewest, most             int32
	arrival, departure, sale bool
}

type booked struct {
	roomType string
	stay     domain.Stay
	quantity int32
	status   eventpb.ReservationStatus
	deadline int64 // Unix milliseconds or 0
	gone     bool  // forgotten when books closed
	version  int64 // events
}

func newModel() *model {
	return &model{
		set: map[string]map[domain.Date]counts{"double": {}, "suite": {}}, booked: map[string]*booked{},
		forbidden: map[string]map[domain.Date]forbids{"double": {}, "suite": {}},
	}
}

func (m *model) closed() domain.Date { return max(0, m.newest-BooksOpenDays) }

func (m *model) taken(roomType string, d domain.Date) (sold, held int32) {
	for _, b := range m.booked {
		if b.roomType == roomType && b.stay.Contains(d) {
			switch b.status {
			case paid:
				sold += b.quantity
			case pending:
				held += b.quantity
			}
		}
	}
	return sold, held
}

func (m *model) full(roomType string, stay domain.Stay, quantity int32) (full []domain.Date) {
	for d := range stay.All() {
		c := m.set[roomType][d]
		sold, held := m.taken(roomType, d)
		if c.physical-c.outOfOrder+c.limit()-sold-held < quantity {
			full = append(full, d)
		}
	}
	return full
}

// breaks returns the numbers of the restrictions that forbid a stay, and of those that forbid a night of it for each such night.
func (m *model) breaks(roomType string, stay domain.Stay) (broken []eventpb.Restriction) {
	of, nights := m.forbidden[roomType], int32(stay.Nights())
	arrival := of[stay.CheckIn]
	for r, is := range []bool{
		1: arrival.fewest > nights, 2: arrival.most != 0 && arrival.most < nights, 3: arrival.arrival, 4: of[stay.CheckOut].departure,
	} {
		if is {
			broken = append(broken, eventpb.Restriction(r))
		}
	}
	for d := range stay.All() {
		if of[d].sale {
			broken = append(broken, eventpb.Restriction_RESTRICTION_STOP_SELL)
		}
	}
	return broken
}

func (m *model) restrict(e *eventpb.RestrictionsSet) {
	from, _ := domain.ParseDate(e.StartDate)
	to, _ := domain.ParseDate(e.EndDate)
	for d := from; d < to; d++ {
		if e.Weekdays != nil && !slices.ContainsFunc(e.Weekdays, func(w eventpb.Weekday) bool { return int(w)%7 == int(d.Weekday()) }) {
			continue
		}
		f := m.forbidden[e.RoomTypeId][d]
		set(&f.fewest, e.MinStay)
		set(&f.most, e.MaxStay)
		for dst, src := range map[*bool]*bool{&f.arrival: e.ClosedToArrival, &f.departure: e.ClosedToDeparture, &f.sale: e.StopSell} {
			if src != nil {
				*dst = *src
			}
		}
		m.forbidden[e.RoomTypeId][d] = f
	}
}

// checkRejected demands that a rejection names exactly what stood in the way.
func (m *model) checkRejected(t *rapid.T, e *eventpb.ReservationRejected) {
	stay, _ := domain.ParseStay(e.Stay.CheckInDate, e.Stay.CheckOutDate)
	var full []string
	for _, d := range m.full(e.Stay.RoomTypeId, stay, e.Stay.Quantity) {
		full = append(full, d.String())
	}
	var broken []eventpb.Restriction
	for _, b := range e.BrokenRestrictions {
		broken = append(broken, slices.Repeat([]eventpb.Restriction{b.Restriction}, len(b.Nights))...)
	}
	want := m.breaks(e.Stay.RoomTypeId, stay)
	if full == nil && want == nil || !slices.Equal(e.FullNights, full) || !slices.Equal(broken, want) {
		t.Fatalf("%v: the full nights are %v, the broken restrictions %v", e, full, want)
	}
	if soldOut := e.Reason == eventpb.ReservationReason_RESERVATION_REASON_SOLD_OUT; soldOut != (full != nil) {
		t.Fatalf("%v: the reason is wrong", e)
	}
}

// close forgets what ended before the books that a reservation placed on day closes, except for holds that have yet to end.
func (m *model) close(day domain.Date) {
	if day <= m.newest {
		return
	}
	m.newest = day
	for _, b := range m.booked {
		if b.stay.CheckOut <= m.closed() && (b.status != pending || b.deadline == 0) {
			b.gone = true
		}
	}
}

func (m *model) apply(t *rapid.T, e proto.Message) {
	switch e := e.(type) {
	case *eventpb.InventorySet:
		from, _ := domain.ParseDate(e.StartDate)
		to, _ := domain.ParseDate(e.EndDate)
		for d := from; d < to; d++ {
			c := m.set[e.RoomTypeId][d]
			set(&c.physical, e.PhysicalCount)
			set(&c.outOfOrder, e.OutOfOrderCount)
			if e.OverbookingLimit != nil {
				c.overbooking, c.percent = *e.OverbookingLimit, 0
			}
			if e.OverbookingPercent != nil {
				c.overbooking, c.percent = 0, *e.OverbookingPercent
			}
			m.set[e.RoomTypeId][d] = c
		}
	case *eventpb.RestrictionsSet:
		m.restrict(e)
	case *eventpb.ReservationPlaced:
		stay, _ := domain.ParseStay(e.Stay.CheckInDate, e.Stay.CheckOutDate)
		if g := e.GetGuest(); g.GetAdults()+g.GetChildren() > 4*e.Stay.Quantity {
			t.Fatalf("%v are more guests than its rooms take", e)
		}
		if full := m.full(e.Stay.RoomTypeId, stay, e.Stay.Quantity); full != nil {
			t.Fatalf("oversold: %v has no room on %v", e, full)
		}
		if broken := m.breaks(e.Stay.RoomTypeId, stay); broken != nil {
			t.Fatalf("%v was placed and breaks %v", e, broken)
		}
		var sum int64
		for _, line := range e.NightlyMinorUnits {
			sum += line
		}
		for _, c := range e.GetTerms().GetCharges() {
			if !c.Included {
				sum += c.MinorUnits
			}
		}
		if sum != e.TotalMinorUnits || len(e.NightlyMinorUnits) != stay.Nights() {
			t.Fatalf("the lines of %v do not sum to its total", e)
		}
		b := &booked{roomType: e.Stay.RoomTypeId, stay: stay, quantity: e.Stay.Quantity, status: pending, version: 1}
		if e.HoldExpireTime != nil {
			b.deadline = e.HoldExpireTime.AsTime().UnixMilli()
		}
		m.booked[e.ReservationId] = b
		day, _ := domain.ParseDate(e.PlaceDate)
		m.close(day)
	case *eventpb.ReservationRejected:
		m.checkRejected(t, e)
		m.turned = append(m.turned, e.ReservationId)
	case *eventpb.ReservationPaid:
		m.settle(t, e.ReservationId, paid, pending)
	case *eventpb.ReservationCanceled:
		m.settle(t, e.ReservationId, canceled, e.PreviousStatus)
	case *eventpb.ReservationNoShow:
		m.settle(t, e.ReservationId, canceled, e.PreviousStatus)
	}
}

func (m *model) settle(t *rapid.T, id string, to, from eventpb.ReservationStatus) {
	b := m.booked[id]
	if b == nil || b.status != from || from != pending && from != paid {
		t.Fatalf("%s becomes %s from %s, and it is %+v", id, to, from, b)
	}
	b.status = to
	b.version++
}

// check compares everything that can be seen of s.
func (m *model) check(t *rapid.T, s *State, from, to domain.Date) {
	known, next := min(len(m.turned), RejectedMax), int64(0)
	for id, b := range m.booked {
		want, version := b.status, b.version
		if !b.gone {
			known++
		} else {
			version = 0
			want = eventpb.ReservationStatus_RESERVATION_STATUS_UNSPECIFIED
		}
		if got := s.Status(id); got != want {
			t.Fatalf("%s is %s, want %s", id, got, want)
		}
		if got := s.Version(id); got != version {
			t.Fatalf("%s is at version %d, want %d", id, got, version)
		}
		if !b.gone && b.status == pending && b.deadline != 0 && (next == 0 || b.deadline < next) {
			next = b.deadline
		}
	}
	if s.Reservations() != known {
		t.Fatalf("%d reservations are remembered, want %d", s.Reservations(), known)
	}
	if at, ok := s.NextHoldExpiry(); ok != (next != 0) || ok && at.UnixMilli() != next {
		t.Fatalf("the next hold ends at %s (%v), want %d", at, ok, next)
	}
	for roomType, set := range m.set {
		for d := max(from, m.closed()); d < to; d++ {
			c, got := set[d], s.Night(roomType, d)
			sold, held := m.taken(roomType, d)
			want := Night{Date: d, PhysicalCount: c.physical, OutOfOrderCount: c.outOfOrder, OverbookingLimit: c.limit(), SoldCount: sold, HeldCount: held}
			if got != want {
				t.Fatalf("%s: %+v, want %+v", roomType, got, want)
			}
		}
	}
}

// driver draws commands and keeps state, model and log together.
type driver struct {
	state *State
	model *model
	log   []proto.Message
	now   time.Time
	ids   int
}

func (d *driver) execute(t *rapid.T, c Command) error {
	events, err := Decide(d.state, c, At{Now: d.now})
	if err != nil {
		if domain.ReasonOf(err) == "" || events != nil {
			t.Fatalf("%T: untyped error %v, or events beside it: %v", c, err, events)
		}
		return err
	}
	for _, e := range events {
		d.model.apply(t, e)
		if err := d.state.Evolve(e); err != nil {
			t.Fatal(err)
		}
		d.log = append(d.log, e)
	}
	return nil
}

func (d *driver) command(t *rapid.T) Command {
	today := domain.Today(d.now, d.state.place)
	roomType := rapid.SampledFrom([]string{"double", "suite"}).Draw(t, "room type")
	from := today.AddDays(rapid.IntRange(-1, 12).Draw(t, "from"))
	to := from.AddDays(rapid.IntRange(0, 12).Draw(t, "nights"))
	count := rapid.Custom(func(t *rapid.T) *int32 {
		return rapid.Ptr(rapid.Int32Range(0, 6), true).Draw(t, "count")
	})
	id := uuid(rapid.IntRange(max(0, d.ids-40), d.ids).Draw(t, "id"))
	switch rapid.IntRange(0, 11).Draw(t, "kind") {
	case 11:
		return &SetRates{
			Hotel: "grand", RatePlan: "flexible", RoomType: roomType, Start: from, End: to.AddDays(5), Weekdays: domain.Weekdays(rapid.Uint8Range(0, 127).Draw(t, "weekdays")),
			NightlyRate: rapid.SampledFrom([]*domain.Money{nil, {MinorUnits: 7}, {MinorUnits: 10_001}}).Draw(t, "rate"),
		}
	case 10:
		return d.restrict(t, roomType, from, to)
	case 0:
		return &SetInventory{
			Hotel: "grand", RoomType: roomType, Start: from, End: to.AddDays(3), OverbookingPercent: ptr(rapid.Int32Range(0, 100).Draw(t, "per cent")),
			OutOfOrderCount: count.Draw(t, "out of order"),
		}
	case 1:
		return &SetInventory{
			Hotel: "grand", RoomType: roomType, Start: from, End: to.AddDays(10),
			PhysicalCount: count.Draw(t, "physical"), OutOfOrderCount: count.Draw(t, "out of order"), OverbookingLimit: count.Draw(t, "overbooking"),
			NightlyRate: rapid.SampledFrom([]*domain.Money{nil, {MinorUnits: 5}, {MinorUnits: 9_999}}).Draw(t, "rate"),
		}
	case 2:
		return &ConfirmReservation{Hotel: "grand", ReservationID: id}
	case 3:
		return &CancelReservation{Hotel: "grand", ReservationID: id}
	case 4:
		return &MarkNoShow{Hotel: "grand", ReservationID: id}
	case 5:
		return &ExpireHolds{Hotel: "grand"}
	}
	d.ids += rapid.SampledFrom([]int{1, 1, 1, 1, 0}).Draw(t, "new id")
	return &PlaceReservation{
		Hotel: "grand", RoomType: roomType, ReservationID: uuid(d.ids), Quantity: rapid.Int32Range(1, 3).Draw(t, "quantity"),
		Stay: domain.Stay{CheckIn: from, CheckOut: to}, NoHoldExpiry: rapid.Bool().Draw(t, "no expiry"),
		RatePlan: rapid.SampledFrom([]string{"", "", "flexible"}).Draw(t, "plan"), Guest: Guest{Adults: rapid.Int32Range(0, 9).Draw(t, "adults")},
	}
}

func (d *driver) restrict(t *rapid.T, roomType string, from, to domain.Date) Command {
	nights, flag := rapid.Ptr(rapid.Int32Range(0, 4), true), rapid.Ptr(rapid.Bool(), true)
	return &SetRestrictions{
		Hotel: "grand", RoomType: roomType, Start: from, End: to, Weekdays: domain.Weekdays(rapid.Uint8Range(0, 127).Draw(t, "weekdays")),
		MinStay: nights.Draw(t, "fewest"), MaxStay: nights.Draw(t, "most"), ClosedToArrival: flag.Draw(t, "arrival"),
		ClosedToDeparture: flag.Draw(t, "departure"), StopSell: flag.Draw(t, "sale"),
	}
}

// steps moves the clock: mostly on by little, at times by weeks, and at times back.
var steps = rapid.SampledFrom([]time.Duration{0, 0, time.Second, 5 * time.Minute, 7 * time.Hour, 26 * time.Hour, 9 * 24 * time.Hour, -30 * time.Hour, 33 * 24 * time.Hour, -40 * 24 * time.Hour})

// TestAgainstTheModel runs random commands against the model. Replay a failure with the -rapid.seed that it prints.
func TestAgainstTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &driver{state: New(), model: newModel(), now: noon}
		for _, c := range []Command{
			createHotel(), createDouble(), with(createDouble(), func(c *CreateRoomType) { c.RoomType = "suite" }), rooms(4),
			with(rooms(1), func(c *SetInventory) { c.RoomType = "suite" }), cityTaxes(),
			with(createFlexible(), func(c *CreateRatePlan) { c.Terms.MinStay, c.Terms.MaxStay = 0, 0 }), rates(1, 25, 4_321),
		} {
			if err := d.execute(t, c); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 120).Draw(t, "commands") {
			d.now = d.now.Add(steps.Draw(t, "step"))
			_ = d.execute(t, d.command(t)) // a refusal is an answer; execute checks that it is typed
			d.model.check(t, d.state, day(2026, 6, 20), domain.Today(d.now, d.state.place)+30)
			if rapid.IntRange(0, 7).Draw(t, "restart") == 0 {
				d.state = reload(t, d.state)
			}
		}
		d.checkReplay(t)
	})
}

// reload returns the state that comes out of s's snapshot.
func reload(t interface{ Fatalf(string, ...any) }, s *State) *State {
	snapshot := s.AppendSnapshot(nil)
	loaded, err := LoadSnapshot(snapshot)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if !slices.Equal(loaded.AppendSnapshot(nil), snapshot) {
		t.Fatalf("the snapshot of a snapshot differs:\n%x\n%x", snapshot, loaded.AppendSnapshot(nil))
	}
	return loaded
}

// checkReplay compares with a state that saw the same events, encoded and decoded, in one go.
func (d *driver) checkReplay(t *rapid.T) {
	replayed := New()
	for _, e := range d.log {
		b, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		stored := e.ProtoReflect().New().Interface()
		if err := proto.Unmarshal(b, stored); err != nil {
			t.Fatal(err)
		}
		if err := replayed.Evolve(stored); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(replayed.AppendSnapshot(nil), d.state.AppendSnapshot(nil)) {
		t.Fatalf("a replay of %d events gives another state", len(d.log))
	}
}
