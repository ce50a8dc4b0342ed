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

// applyWaiting follows event i of a command when it is one of the waiting list.
func (m *stayModel) applyWaiting(t *rapid.T, today domain.Date, events []proto.Message, i int) {
	switch e := events[i].(type) {
	case *eventpb.WaitingListJoined:
		stay, _ := domain.ParseStay(e.Stay.CheckInDate, e.Stay.CheckOutDate)
		if m.waiter(e.EntryId) != nil || m.fits(e.Stay.RoomTypeId, stay, e.Stay.Quantity) {
			t.Fatalf("%v joined twice, or for rooms that are free", e)
		}
		m.list = append(m.list, &modelWaiter{id: e.EntryId, roomType: e.Stay.RoomTypeId, stay: stay, quantity: e.Stay.Quantity})
	case *eventpb.WaitingListOffered:
		m.offered(t, e, events[i+1])
	case *eventpb.WaitingListLeft:
		w := m.waiter(e.EntryId)
		if w == nil {
			t.Fatalf("%v leaves twice", e)
		}
		if want := m.endOf(w, today); want != e.Reason && e.Reason != eventpb.WaitingListEnd_WAITING_LIST_END_GUEST_REQUEST {
			t.Fatalf("%v, want %s", e, want)
		}
		m.list = slices.DeleteFunc(m.list, func(other *modelWaiter) bool { return other == w })
	}
}

// offered demands that nobody who came before waits for what is free now, and that the hold follows.
func (m *stayModel) offered(t *rapid.T, e *eventpb.WaitingListOffered, next proto.Message) {
	hold, ok := next.(*eventpb.ReservationPlaced)
	if !ok || hold.ReservationId != e.ReservationId || hold.WaitingListEntryId != e.EntryId || hold.HoldExpireTime == nil {
		t.Fatalf("behind %v comes %v", e, next)
	}
	for _, w := range m.list {
		if w.id == e.EntryId {
			if w.offer != "" || hold.Stay.Quantity != w.quantity || hold.Stay.CheckInDate != w.stay.CheckIn.String() {
				t.Fatalf("%v: it waits for %+v", e, w)
			}
			w.offer = e.ReservationId
			return
		}
		if w.offer == "" && m.fits(w.roomType, w.stay, w.quantity) {
			t.Fatalf("%v passes over %+v, who came before", e, w)
		}
	}
	t.Fatalf("%v: it is not on the list", e)
}

// endOf returns why an entry must end now, or UNSPECIFIED.
func (m *stayModel) endOf(w *modelWaiter, today domain.Date) eventpb.WaitingListEnd {
	switch l := m.lodgers[w.offer]; {
	case w.offer == "" && w.stay.CheckIn < today:
		return past
	case w.offer != "" && l.status == paid:
		return accepted
	case w.offer != "" && l.status == canceled:
		return lapsed
	}
	return eventpb.WaitingListEnd_WAITING_LIST_END_UNSPECIFIED
}

// check compares everything that can be seen of s. settled says that s has just been asked for offers.
func (m *stayModel) check(t *rapid.T, s *State, today domain.Date, settled bool) {
	for id, l := range m.lodgers {
		want := l.status
		if l.gone {
			want = eventpb.ReservationStatus_RESERVATION_STATUS_UNSPECIFIED
		}
		if got := s.Status(id); got != want {
			t.Fatalf("%s is %s, want %s", id, got, want)
		}
	}
	for roomType, physical := range m.physical {
		for d := max(day(2026, 6, 25), m.closed()); d < today+40; d++ {
			got := s.Night(roomType, d)
			if sold, held := m.taken(roomType, d); got.SoldCount != sold || got.HeldCount != held || got.PhysicalCount != physical[d] {
				t.Fatalf("%s: %+v, want %d of %d sold and %d held", roomType, got, sold, physical[d], held)
			}
		}
	}
	for id := range m.rooms {
		if occupied := s.book.house.occupied(s.roomIndex[id]); occupied != (m.occupant(id) != nil) {
			t.Fatalf("room %s is occupied: %v", id, occupied)
		}
	}
	if s.Waiting() != len(m.list) {
		t.Fatalf("%d wait, want %d", s.Waiting(), len(m.list))
	}
	for i, w := range m.list {
		if s.waiters.list[i].id.String() != w.id {
			t.Fatalf("place %d is %s's, want %s's", i, s.waiters.list[i].id, w.id)
		}
		if end := m.endOf(w, today); end != 0 && (end != past || settled) {
			t.Fatalf("%+v is on the list and should have ended as %s", w, end)
		}
		if settled && w.offer == "" && w.stay.CheckIn >= m.closed() && m.fits(w.roomType, w.stay, w.quantity) {
			t.Fatalf("%+v waits for what is free", w)
		}
	}
}

// lodging draws commands and keeps state, model and log together.
type lodging struct {
	state *State
	model *stayModel
	log   []proto.Message
	now   time.Time
	ids   int
}

// today is the hotel's local day; that of UTC before there is a hotel.
func (l *lodging) today() domain.Date {
	if !l.state.Exists() {
		return domain.Today(l.now, time.UTC)
	}
	return domain.Today(l.now, l.state.place)
}

func (l *lodging) execute(t *rapid.T, c Command) ([]proto.Message, error) {
	before := l.state.AppendSnapshot(nil)
	events, err := Decide(l.state, c, At{Now: l.now})
	if !slices.Equal(before, l.state.AppendSnapshot(nil)) {
		t.Fatalf("deciding %T changed the state", c)
	}
	if err != nil {
		if domain.ReasonOf(err) == "" || events != nil {
			t.Fatalf("%T: untyped error %v, or events beside it: %v", c, err, events)
		}
		return nil, err
	}
	if _, is := c.(*ExtendInventory); is {
		l.checkExtension(t, events)
	}
	l.model.apply(t, l.today(), events)
	for _, e := range events {
		if err := l.state.Evolve(e); err != nil {
			t.Fatal(err)
		}
		l.log = append(l.log, e)
	}
	return events, nil
}

// settle makes offers as long as they are due, as the owner of a state does.
func (l *lodging) settle(t *rapid.T) {
	for l.state.OffersDue(l.now) {
		events, err := l.execute(t, offerRooms)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			l.state.OffersMade()
			return
		}
	}
}

// id is mostly that of somebody who is expected or in house.
func (l *lodging) id(t *rapid.T) string {
	var alive []string
	for id, known := range l.model.lodgers {
		if !known.gone && known.status != canceled {
			alive = append(alive, id)
		}
	}
	if len(alive) == 0 || rapid.IntRange(0, 9).Draw(t, "anybody") == 9 {
		return uuid(rapid.IntRange(max(0, l.ids-12), l.ids).Draw(t, "id"))
	}
	slices.Sort(alive)
	return rapid.SampledFrom(alive).Draw(t, "guest")
}

func (l *lodging) place(t *rapid.T) *PlaceReservation {
	l.ids++
	from := l.today().AddDays(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 6, -1}).Draw(t, "from"))
	stay := domain.Stay{CheckIn: from, CheckOut: from.AddDays(rapid.IntRange(1, 4).Draw(t, "nights"))}
	return with(place(l.ids, rapid.SampledFrom([]int32{1, 1, 1, 2, 2, 3}).Draw(t, "quantity"), stay), func(c *PlaceReservation) {
		c.RoomType = rapid.SampledFrom([]string{"double", "double", "suite"}).Draw(t, "room type")
	})
}

func (l *lodging) group(t *rapid.T) *PlaceGroup {
	c := &PlaceGroup{Hotel: "grand", GroupID: groupID}
	for range rapid.IntRange(1, 4).Draw(t, "members") {
		c.Reservations = append(c.Reservations, *l.place(t))
	}
	return c
}

// command draws one.
func (l *lodging) command(t *rapid.T) Command {
	roomID := rapid.SampledFrom([]string{"104", "105", "106", "107", "108", "101", "102", "103", "s1"})
	today := l.today()
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "confirm":
		return &ConfirmReservation{Hotel: "grand", ReservationID: l.id(t)}
	case "check in":
		return l.checkIn(t, roomID)
	case "check out":
		return &CheckOut{Hotel: "grand", ReservationID: l.id(t)}
	case "move":
		return &MoveGuest{
			Hotel: "grand", ReservationID: l.id(t), From: rapid.SampledFrom([]string{"", "101", "102", "103", "104"}).Draw(t, "room"),
			To: rapid.SampledFrom([]string{"", "101", "102", "103", "104", "s1"}).Draw(t, "another room"),
		}
	case "stay":
		out := today.AddDays(rapid.IntRange(-1, 5).Draw(t, "days"))
		return &ModifyReservation{Hotel: "grand", ReservationID: l.id(t), CheckOut: &out}
	case "join":
		p := l.place(t)
		return &JoinWaitingList{Hotel: "grand", EntryID: entryID(1000 + l.ids), RoomType: p.RoomType, Quantity: p.Quantity, Stay: p.Stay}
	case "leave":
		if len(l.model.list) == 0 {
			return leave(0)
		}
		return &LeaveWaitingList{Hotel: "grand", EntryID: rapid.SampledFrom(l.model.list).Draw(t, "entry").id}
	case "cancel":
		return &CancelReservation{Hotel: "grand", ReservationID: l.id(t)}
	case "no-show":
		return &MarkNoShow{Hotel: "grand", ReservationID: l.id(t)}
	case "modify":
		p := l.place(t)
		return &ModifyReservation{Hotel: "grand", ReservationID: l.id(t), RoomType: &p.RoomType, Quantity: &p.Quantity, CheckIn: &p.Stay.CheckIn, CheckOut: &p.Stay.CheckOut}
	case "walk":
		return &Walk{Hotel: "grand", ReservationID: l.id(t)}
	case "expire":
		return &ExpireHolds{Hotel: "grand"}
	case "group":
		return l.group(t)
	case "extend":
		return extend
	case "set":
		from := today.AddDays(rapid.IntRange(0, 9).Draw(t, "from"))
		return &SetInventory{
			Hotel: "grand", RoomType: rapid.SampledFrom([]string{"double", "suite"}).Draw(t, "room type"), Start: from,
			End: from.AddDays(rapid.IntRange(1, 9).Draw(t, "nights")), PhysicalCount: ptr(rapid.SampledFrom([]int32{3, 4, 2, 1, 5, 0}).Draw(t, "rooms")),
		}
	case "room":
		return with(room(roomID.Draw(t, "room")), func(c *CreateRoom) {
			if c.Room == "s1" {
				c.RoomType = "suite"
			}
		})
	case "service":
		return &UpdateRoom{Hotel: "grand", Room: roomID.Draw(t, "room"), OutOfService: ptr(rapid.Bool().Draw(t, "out of service"))}
	case "archive":
		return &ArchiveRoom{Hotel: "grand", Room: roomID.Draw(t, "room")}
	}
	return l.place(t)
}

// kinds of commands, the frequent ones more often and first, where rapid looks most.
var kinds = []string{
	"place", "confirm", "check in", "check out", "place", "confirm", "check in", "join", "cancel", "group", "expire", "extend", "move", "stay",
	"place", "confirm", "check in", "join", "confirm", "place", "check out", "leave", "modify", "modify", "walk", "no-show", "room", "room", "set", "service", "archive",
}

func (l *lodging) checkIn(t *rapid.T, roomID *rapid.Generator[string]) Command {
	c := &CheckIn{Hotel: "grand", ReservationID: l.id(t)}
	if rapid.Bool().Draw(t, "names rooms") {
		c.Rooms = rapid.SliceOfN(roomID, 1, 3).Draw(t, "rooms")
	}
	return c
}

// daysGoBy are steps between commands of a hotel in which some days pass; at times the clock is put back, or nothing happens for long.
var daysGoBy = rapid.Custom(func(t *rapid.T) time.Duration {
	n := rapid.IntRange(0, 99).Draw(t, "pace")
	switch {
	case n < 60:
		return time.Duration(n) * time.Second
	case n < 85:
		return time.Duration(n) * time.Minute / 10
	case n < 97:
		return 9 * time.Hour
	case n < 99:
		return -30 * time.Hour
	}
	return 33 * 24 * time.Hour
})

// TestStaysAgainstTheModel runs random commands of a hotel's days against the model. Replay a failure with the -rapid.seed that it prints.
func TestStaysAgainstTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &lodging{state: New(), model: newStayModel(), now: noon}
		for _, c := range []Command{
			with(createHotel(), func(c *CreateHotel) { c.HorizonDays = 7 }),
			with(createDouble(), func(c *CreateRoomType) { c.Defaults = &RoomTypeDefaults{PhysicalCount: ptr(int32(3))} }), createSuite(),
			with(rooms(1), func(c *SetInventory) { c.RoomType = "suite" }), room("101"), room("102"), room("103"), extend,
		} {
			if _, err := l.execute(t, c); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(40, 160).Draw(t, "commands") {
			yesterday := l.today()
			if l.now = l.now.Add(daysGoBy.Draw(t, "step")); l.today() > yesterday && rapid.IntRange(0, 5).Draw(t, "daily job") < 5 {
				_, _ = l.execute(t, extend)
			}
			_, _ = l.execute(t, l.command(t)) // a refusal is an answer; execute checks that it is typed
			settled := rapid.IntRange(0, 3).Draw(t, "settle") > 0
			if settled {
				l.settle(t)
			}
			l.model.check(t, l.state, l.today(), settled)
			if rapid.IntRange(0, 7).Draw(t, "restart") == 0 {
				l.state = reload(t, l.state)
			}
		}
		(&till{state: l.state, log: l.log}).checkReplays(t)
	})
}

// checkExtension demands that an extension sets every night of doubles up to the horizon that was never set, and no other.
func (l *lodging) checkExtension(t *rapid.T, events []proto.Message) {
	today := l.today()
	var set []domain.Date
	for _, e := range events {
		set = append(set, nightsOf(t, e.(*eventpb.InventorySet))...)
	}
	var want []domain.Date
	for d := max(today, l.model.closed()); d < today+7; d++ {
		if _, known := l.model.physical["double"][d]; !known {
			want = append(want, d)
		}
	}
	if !slices.Equal(set, want) {
		t.Fatalf("opened %v, want %v", set, want)
	}
}

func nightsOf(t *rapid.T, e *eventpb.InventorySet) []domain.Date {
	from, err := domain.ParseDate(e.StartDate)
	if err != nil {
		t.Fatal(err)
	}
	to, err := domain.ParseDate(e.EndDate)
	if err != nil {
		t.Fatal(err)
	}
	return datesBetween(from, to, SetDaysAheadMax)
}
