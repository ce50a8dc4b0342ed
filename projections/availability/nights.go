package availability

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/projections"
)

// roomType is the first part of a night's primary key.
type roomType struct{ hotel, roomType string }

func (a roomType) compare(b roomType) int {
	return cmp.Or(cmp.Compare(a.hotel, b.hotel), cmp.Compare(a.roomType, b.roomType))
}

// touch says that an event of the batch names a night.
type touch struct {
	roomType int32 // index into merger.roomTypes, then its rank among them
	date     domain.Date
	claim    int32 // twice the event's index into the batch; one more for a night that the event gives up (see earlierOf)
}

// event returns the index of the event, and whether the night is one that it gives up.
func (t touch) event() (index int32, earlier bool) { return t.claim >> 1, t.claim&1 != 0 }

// touchesMax bounds the memory of a merge: at so many nights they are written, and the merge begins anew in the same transaction.
const touchesMax = 1 << 20

// merger collects the nights that a batch names, to write each of them once and in key order.
type merger struct {
	events    []projections.Event
	out       writer
	index     map[roomType]int32
	roomTypes []roomType
	touches   []touch
}

// writer takes the nights that a batch names in key order, each once in a merge.
type writer interface {
	// night writes what the events of touches, in their order, say of a night. It may wait for the next night with it.
	night(key roomType, date domain.Date, events []projections.Event, touches []touch) error

	// end writes what is left.
	end() error
}

// applyNights passes each night that the events name to out.
func applyNights(events []projections.Event, out writer) error {
	m := merger{events: events, out: out}
	m.reset()
	for i := range events {
		if err := m.add(int32(i)); err != nil {
			return err
		}
		if len(m.touches) >= touchesMax {
			if err := m.flush(); err != nil {
				return err
			}
			m.reset()
		}
	}
	return m.flush()
}

// add collects the nights that an event names.
func (m *merger) add(i int32) error {
	message := m.events[i].Envelope.Message
	first, last, err := nightsOf(message)
	if err != nil {
		return err
	}
	if first < last {
		days, err := weekdaysOf(message)
		if err != nil {
			return err
		}
		m.touch(roomTypeOf(message), first, last, days, 2*i)
	}
	earlier := earlierOf(message)
	if earlier == nil {
		return nil
	}
	if first, last, err = nights(earlier.GetCheckInDate(), earlier.GetCheckOutDate()); err == nil && first < last {
		m.touch(roomType{event.HotelOf(message), earlier.GetRoomTypeId()}, first, last, 0, 2*i+1)
	}
	return err
}

func (m *merger) touch(key roomType, first, last domain.Date, days domain.Weekdays, claim int32) {
	at := m.indexOf(key)
	for d := first; d < last; d++ {
		if days.Has(d) {
			m.touches = append(m.touches, touch{at, d, claim})
		}
	}
}

func (m *merger) reset() {
	m.index = make(map[roomType]int32)
	m.roomTypes, m.touches = m.roomTypes[:0], m.touches[:0]
}

func (m *merger) indexOf(key roomType) int32 {
	i, ok := m.index[key]
	if !ok {
		i = int32(len(m.roomTypes))
		m.index[key] = i
		m.roomTypes = append(m.roomTypes, key)
	}
	return i
}

func (m *merger) flush() error {
	m.rank()
	slices.SortFunc(m.touches, func(a, b touch) int {
		if a.roomType != b.roomType {
			return int(a.roomType - b.roomType)
		}
		if a.date != b.date {
			return int(a.date - b.date)
		}
		return int(a.claim - b.claim)
	})
	for i := 0; i < len(m.touches); {
		t, j := m.touches[i], i+1
		for j < len(m.touches) && m.touches[j].roomType == t.roomType && m.touches[j].date == t.date {
			j++
		}
		if err := m.out.night(m.roomTypes[t.roomType], t.date, m.events, m.touches[i:j]); err != nil {
			return err
		}
		i = j
	}
	return m.out.end()
}

// rank sorts the room types and numbers the touches accordingly.
func (m *merger) rank() {
	slices.SortFunc(m.roomTypes, roomType.compare)
	ranks := make([]int32, len(m.roomTypes))
	for rank, key := range m.roomTypes {
		ranks[m.index[key]] = int32(rank)
	}
	for i := range m.touches {
		m.touches[i].roomType = ranks[m.touches[i].roomType]
	}
}

// nightsOf returns the nights [first, last) whose counts an event changes; none for other events.
func nightsOf(m proto.Message) (first, last domain.Date, err error) {
	switch m := m.(type) {
	case *eventpb.RatesSet:
		return 0, 0, nil // in a table of its own
	case *eventpb.ReservationRejected, *eventpb.WaitingListJoined:
		return 0, 0, nil // they take nothing
	case *eventpb.GuestCheckedOut:
		return nights(m.GetDate(), m.GetStay().GetCheckOutDate()) // those before were slept in
	case interface {
		GetStartDate() string
		GetEndDate() string
	}:
		return nights(m.GetStartDate(), m.GetEndDate())
	case interface{ GetStay() *eventpb.Stay }:
		return nights(m.GetStay().GetCheckInDate(), m.GetStay().GetCheckOutDate())
	}
	return 0, 0, nil
}

// earlierOf returns the stay that an event gives up for the one that it names, or nil.
func earlierOf(m proto.Message) *eventpb.Stay {
	if m, ok := m.(*eventpb.ReservationModified); ok {
		return m.GetPreviousStay()
	}
	return nil
}

// weekdaysOf returns the days of the week on which the nights that an event names must fall.
func weekdaysOf(m proto.Message) (domain.Weekdays, error) {
	if m, ok := m.(interface{ GetWeekdays() []eventpb.Weekday }); ok {
		return event.WeekdaysOf(m.GetWeekdays())
	}
	return 0, nil
}

func nights(start, end string) (first, last domain.Date, err error) {
	if first, err = domain.ParseDate(start); err != nil {
		return 0, 0, err
	}
	if last, err = domain.ParseDate(end); err != nil {
		return 0, 0, err
	}
	return first, max(first, last), nil
}

func roomTypeOf(m proto.Message) roomType {
	switch m := m.(type) {
	case interface {
		GetHotelId() string
		GetRoomTypeId() string
	}:
		return roomType{m.GetHotelId(), m.GetRoomTypeId()}
	case interface {
		GetHotelId() string
		GetStay() *eventpb.Stay
	}:
		return roomType{m.GetHotelId(), m.GetStay().GetRoomTypeId()}
	}
	return roomType{}
}
