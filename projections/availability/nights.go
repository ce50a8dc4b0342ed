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
	event    int32 // index into the batch
}

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
		first, last, err := nightsOf(events[i].Envelope.Message)
		if err != nil {
			return err
		}
		if first == last {
			continue
		}
		days, err := weekdaysOf(events[i].Envelope.Message)
		if err != nil {
			return err
		}
		at := m.indexOf(roomTypeOf(events[i].Envelope.Message))
		for d := first; d < last; d++ {
			if days.Has(d) {
				m.touches = append(m.touches, touch{at, d, int32(i)})
			}
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
		return int(a.event - b.event)
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
	case interface {
		GetStartDate() string
		GetEndDate() string
	}:
		return nights(m.GetStartDate(), m.GetEndDate())
	case *eventpb.ReservationRejected:
		return 0, 0, nil
	case interface{ GetStay() *eventpb.Stay }:
		return nights(m.GetStay().GetCheckInDate(), m.GetStay().GetCheckOutDate())
	}
	return 0, 0, nil
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
