package hotel

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// stayModel is a hotel's rooms, guests and waiting list as a beginner would write them: every count a sum, nothing forgotten, every rule checked on the events.
type stayModel struct {
	physical map[string]map[domain.Date]int32 // a night that is not there was never set
	rooms    map[string]*modelRoom
	lodgers  map[string]*lodger
	list     []*modelWaiter
	newest   domain.Date
}

type modelRoom struct{ archived, outOfService bool }

type lodger struct {
	roomType string
	stay     domain.Stay
	quantity int32
	status   eventpb.ReservationStatus
	until    domain.Date // rooms are taken for the nights before it
	deadline int64
	rooms    []string // while in house
	arrived  bool
	entry    string
	gone     bool
}

type modelWaiter struct {
	id, roomType string
	stay         domain.Stay
	quantity     int32
	offer        string
}

func newStayModel() *stayModel {
	return &stayModel{
		physical: map[string]map[domain.Date]int32{"double": {}, "suite": {}},
		rooms:    map[string]*modelRoom{}, lodgers: map[string]*lodger{},
	}
}

func (m *stayModel) taken(roomType string, d domain.Date) (sold, held int32) {
	for _, l := range m.lodgers {
		if l.roomType == roomType && l.stay.CheckIn <= d && d < l.until {
			switch l.status {
			case paid:
				sold += l.quantity
			case pending:
				held += l.quantity
			}
		}
	}
	return sold, held
}

// fits reports whether so many rooms are free on every night, when others are taken beside those of the model.
func (m *stayModel) fits(roomType string, stay domain.Stay, quantity int32, beside ...*lodger) bool {
	for d := range stay.All() {
		sold, held := m.taken(roomType, d)
		for _, l := range beside {
			if l.roomType == roomType && l.stay.Contains(d) {
				held += l.quantity
			}
		}
		if m.physical[roomType][d]-sold-held < quantity {
			return false
		}
	}
	return true
}

func (m *stayModel) closed() domain.Date { return max(0, m.newest-BooksOpenDays) }

// close forgets what ended before the books that a reservation placed on day closes, and whose rooms are free then.
func (m *stayModel) close(day domain.Date) {
	if day <= m.newest {
		return
	}
	m.newest = day
	for _, l := range m.lodgers {
		if l.stay.CheckOut <= m.closed() && (l.status != pending || l.deadline == 0) {
			l.gone, l.rooms = true, nil
		}
	}
}

// occupant returns who is in a room, or nil.
func (m *stayModel) occupant(room string) *lodger {
	for _, l := range m.lodgers {
		if slices.Contains(l.rooms, room) {
			return l
		}
	}
	return nil
}

func (m *stayModel) waiter(id string) *modelWaiter {
	for _, w := range m.list {
		if w.id == id {
			return w
		}
	}
	return nil
}

// apply checks the events of one command against each other and everything before, and follows them.
func (m *stayModel) apply(t *rapid.T, today domain.Date, events []proto.Message) {
	m.checkGroup(t, events)
	for i, e := range events {
		switch e := e.(type) {
		case *eventpb.RoomCreated:
			m.rooms[e.Room.RoomId] = &modelRoom{}
		case *eventpb.RoomUpdated:
			m.rooms[e.Room.RoomId].outOfService = e.Room.OutOfService
		case *eventpb.RoomArchived:
			if m.occupant(e.Room.RoomId) != nil {
				t.Fatalf("%v: there is a guest in it", e)
			}
			m.rooms[e.Room.RoomId].archived = true
		case *eventpb.InventorySet:
			m.set(t, e)
		case *eventpb.ReservationPlaced:
			m.placed(t, e)
		case *eventpb.ReservationPaid:
			m.end(t, e.ReservationId, paid, pending)
		case *eventpb.ReservationCanceled:
			m.end(t, e.ReservationId, canceled, e.PreviousStatus)
		case *eventpb.ReservationNoShow:
			m.end(t, e.ReservationId, canceled, e.PreviousStatus)
		case *eventpb.ReservationModified:
			m.modified(t, e)
		case *eventpb.GuestWalked:
			m.end(t, e.ReservationId, canceled, paid)
		case *eventpb.GuestCheckedIn:
			m.checkedIn(t, e)
		case *eventpb.GuestCheckedOut:
			m.checkedOut(t, e)
		case *eventpb.GuestMoved:
			m.moved(t, e)
		default:
			m.applyWaiting(t, today, events, i)
		}
	}
}

func (m *stayModel) set(t *rapid.T, e *eventpb.InventorySet) {
	for _, d := range nightsOf(t, e) {
		m.physical[e.RoomTypeId][d] = e.GetPhysicalCount()
	}
}

func (m *stayModel) placed(t *rapid.T, e *eventpb.ReservationPlaced) {
	stay, _ := domain.ParseStay(e.Stay.CheckInDate, e.Stay.CheckOutDate)
	if !m.fits(e.Stay.RoomTypeId, stay, e.Stay.Quantity) {
		t.Fatalf("oversold: %v", e)
	}
	l := &lodger{
		roomType: e.Stay.RoomTypeId, stay: stay, quantity: e.Stay.Quantity, status: pending, until: stay.CheckOut, entry: e.WaitingListEntryId,
		deadline: e.HoldExpireTime.AsTime().UnixMilli(),
	}
	m.lodgers[e.ReservationId] = l
	day, _ := domain.ParseDate(e.PlaceDate)
	m.close(day)
}

// modified demands room for what a reservation has more than before, night by night.
func (m *stayModel) modified(t *rapid.T, e *eventpb.ReservationModified) {
	l := m.lodgers[e.ReservationId]
	stay, _ := domain.ParseStay(e.Stay.CheckInDate, e.Stay.CheckOutDate)
	if l == nil || l.gone || l.status != e.Status || l.status != pending && l.status != paid {
		t.Fatalf("%v, and it is %+v", e, l)
	}
	if l.arrived && (l.rooms == nil || e.Stay.RoomTypeId != l.roomType || e.Stay.Quantity != l.quantity || stay.CheckIn != l.stay.CheckIn) {
		t.Fatalf("%v, and the guest is there: %+v", e, l)
	}
	for d := range stay.All() {
		more := e.Stay.Quantity
		if e.Stay.RoomTypeId == l.roomType && l.stay.Contains(d) {
			more -= l.quantity
		}
		if more > 0 && !m.fits(e.Stay.RoomTypeId, domain.Stay{CheckIn: d, CheckOut: d + 1}, more) {
			t.Fatalf("oversold on %s: %v", d, e)
		}
	}
	l.roomType, l.stay, l.quantity, l.until = e.Stay.RoomTypeId, stay, e.Stay.Quantity, stay.CheckOut
}

// end demands that each reservation ends once, and none whose guest has come.
func (m *stayModel) end(t *rapid.T, id string, to, from eventpb.ReservationStatus) {
	l := m.lodgers[id]
	if l == nil || l.gone || l.status != from || from != pending && from != paid || l.arrived && to == canceled {
		t.Fatalf("%s becomes %s from %s, and it is %+v", id, to, from, l)
	}
	l.status = to
}

// checkedIn demands a free room of the house for each that was reserved, on one of the reserved nights.
func (m *stayModel) checkedIn(t *rapid.T, e *eventpb.GuestCheckedIn) {
	l := m.lodgers[e.ReservationId]
	day, _ := domain.ParseDate(e.Date)
	if l == nil || l.gone || l.status != paid || l.arrived || !l.stay.Contains(day) || int32(len(e.RoomIds)) != l.quantity {
		t.Fatalf("%v, and it is %+v", e, l)
	}
	for i, id := range e.RoomIds {
		r := m.rooms[id]
		if r == nil || r.archived || r.outOfService || m.occupant(id) != nil || slices.Contains(e.RoomIds[:i], id) {
			t.Fatalf("%v: room %s is not free: %+v", e, id, r)
		}
	}
	l.rooms, l.arrived = slices.Clone(e.RoomIds), true
}

// moved demands that the guest is in the one room, and that the other is free.
func (m *stayModel) moved(t *rapid.T, e *eventpb.GuestMoved) {
	l, r := m.lodgers[e.ReservationId], m.rooms[e.ToRoomId]
	if l == nil || m.occupant(e.FromRoomId) != l || r == nil || r.archived || r.outOfService || m.occupant(e.ToRoomId) != nil {
		t.Fatalf("%v: %+v of %+v", e, r, l)
	}
	l.rooms[slices.Index(l.rooms, e.FromRoomId)] = e.ToRoomId
}

func (m *stayModel) checkedOut(t *rapid.T, e *eventpb.GuestCheckedOut) {
	l := m.lodgers[e.ReservationId]
	if l == nil || l.rooms == nil {
		t.Fatalf("%v, and it is %+v", e, l)
	}
	day, _ := domain.ParseDate(e.Date)
	l.rooms, l.until = nil, min(l.until, day)
}

// checkGroup demands that a group is placed as a whole exactly when all of it fits.
func (m *stayModel) checkGroup(t *rapid.T, events []proto.Message) {
	var beside []*lodger
	fit, placed, refused := 0, 0, 0
	for _, e := range events {
		switch e := e.(type) {
		case interface {
			GetGroupId() string
			GetStay() *eventpb.Stay
		}:
			if e.GetGroupId() == "" {
				return
			}
			stay, _ := domain.ParseStay(e.GetStay().CheckInDate, e.GetStay().CheckOutDate)
			l := &lodger{roomType: e.GetStay().RoomTypeId, stay: stay, quantity: e.GetStay().Quantity}
			has := m.fits(l.roomType, stay, l.quantity, beside...)
			if has {
				fit++
				beside = append(beside, l)
			}
			rejected, is := e.(*eventpb.ReservationRejected)
			if !is {
				placed++
				continue
			}
			refused++
			if (rejected.Reason == eventpb.ReservationReason_RESERVATION_REASON_GROUP_INCOMPLETE) != has || has != (rejected.FullNights == nil) {
				t.Fatalf("%v, and it fits: %v", rejected, has)
			}
		}
	}
	if placed > 0 && refused > 0 || refused > 0 && fit == refused || placed > 0 && fit != placed {
		t.Fatalf("of a group %d fit, %d were placed and %d refused", fit, placed, refused)
	}
}
