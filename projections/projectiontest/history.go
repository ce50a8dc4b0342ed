package projectiontest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// History makes up what happens to some hotels, at random but possible, the same for the same seed.
type History struct {
	rng    *rand.Rand
	hotels int
	now    time.Time
	open   []*booking // reservations that something may still happen to
	list   []*waiter  // entries of waiting lists that have not ended
	next   []proto.Message
	seen   map[string]int64
	placed int
	taken  map[string]bool // rooms with a guest, by hotel and room
	keys   uint64          // of sealed persons
	notes  int             // so many events have one
}

// RoomTypes are the ids of every hotel's room types.
var RoomTypes = []string{"double", "single", "suite"}

// Rooms are the ids of every hotel's rooms.
var Rooms = []string{"101", "102", "201", "202", "301"}

// Day is the first night that reservations are made for.
var Day = domain.DateOf(2026, 7, 1)

// NewHistory returns a history of so many hotels.
func NewHistory(seed uint64, hotels int) *History {
	return &History{rng: rand.New(rand.NewPCG(seed, 1)), hotels: hotels, now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC),
		seen: map[string]int64{}, taken: map[string]bool{}}
}

// HotelID returns the id of hotel i.
func HotelID(i int) string { return fmt.Sprintf("hotel-%04d", i) }

// Hotels returns the events that create all hotels with room types, inventory and rooms.
func (h *History) Hotels(nights int) []*event.Envelope {
	var out []*event.Envelope
	for i := range h.hotels {
		id := HotelID(i)
		out = append(out, h.Envelope(&eventpb.HotelCreated{Hotel: h.hotel(id, false)}))
		for _, rt := range RoomTypes {
			physical := int32(10 + h.rng.IntN(50))
			out = append(out, h.Envelope(&eventpb.RoomTypeCreated{RoomType: h.roomType(id, rt)}),
				h.Envelope(&eventpb.InventorySet{HotelId: id, RoomTypeId: rt, StartDate: Day.String(), EndDate: Day.AddDays(nights).String(),
					PhysicalCount: &physical}))
		}
		for _, room := range Rooms {
			out = append(out, h.Envelope(&eventpb.RoomCreated{Room: h.room(id, room)}))
		}
	}
	return out
}

// Next returns the next n events: mostly what happens to reservations and their payments, some changes of inventory, hotels, room types and rooms. An
// event that goes with the last one of an earlier call comes first.
func (h *History) Next(n int) []*event.Envelope {
	out := make([]*event.Envelope, n)
	for i := range out {
		if len(h.next) > 0 {
			out[i], h.next = h.Envelope(h.next[0]), h.next[1:]
			continue
		}
		id, rt := HotelID(h.rng.IntN(h.hotels)), RoomTypes[h.rng.IntN(len(RoomTypes))]
		switch k := h.rng.IntN(100); {
		case k < 3:
			out[i] = h.Envelope(&eventpb.HotelUpdated{Hotel: h.hotel(id, h.rng.IntN(8) == 0)})
		case k < 6:
			out[i] = h.Envelope(&eventpb.RoomTypeUpdated{RoomType: h.roomType(id, rt)})
		case k < 7:
			out[i] = h.Envelope(h.ratePlan(id))
		case k < 8:
			out[i] = h.Envelope(h.rates(id, rt))
		case k < 10:
			out[i] = h.Envelope(h.restrictions(id, rt))
		case k < 14:
			out[i] = h.Envelope(h.inventory(id, rt))
		case k < 16:
			out[i] = h.Envelope(&eventpb.RoomUpdated{Room: h.room(id, Rooms[h.rng.IntN(len(Rooms))])})
		case k < 20:
			out[i] = h.Envelope(h.rejected(id, rt))
		case k < 26:
			out[i] = h.Envelope(h.wait())
		default:
			out[i] = h.Envelope(h.live())
		}
	}
	return out
}

// NextWith returns the next n events, and more until each of the types is among them: a test of all types fails with no seed for want of one.
// It panics when n hundred times over do not suffice: the type does not occur.
func (h *History) NextWith(n int, types []string) []*event.Envelope {
	missing := map[string]bool{}
	for _, name := range types {
		missing[name] = true
	}
	var out []*event.Envelope
	for range 100 {
		next := h.Next(n)
		for _, e := range next {
			delete(missing, e.Type)
		}
		if out = append(out, next...); len(missing) == 0 {
			return out
		}
	}
	panic(fmt.Sprintf("no history has events of type %v", slices.Collect(maps.Keys(missing))))
}

// Booking returns the next event of a reservation that is placed, settled outside the platform and perhaps canceled, as most events of a log are: a new
// one, or what happens to one that is there.
func (h *History) Booking() *event.Envelope {
	if len(h.open) == 0 || h.rng.IntN(2) == 0 {
		return h.Envelope(h.place(HotelID(h.rng.IntN(h.hotels)), h.stay(RoomTypes[h.rng.IntN(len(RoomTypes))])))
	}
	i := h.rng.IntN(len(h.open))
	b := h.open[i]
	if b.status == pending && h.rng.IntN(3) > 0 {
		b.status = paid
		return h.Envelope(&eventpb.ReservationPaid{HotelId: b.hotel, ReservationId: b.id, Stay: b.stay})
	}
	h.drop(i)
	if h.rng.IntN(4) == 0 {
		return h.Envelope(&eventpb.ReservationNoShow{HotelId: b.hotel, ReservationId: b.id, Stay: b.stay, PreviousStatus: b.status})
	}
	return h.Envelope(&eventpb.ReservationCanceled{HotelId: b.hotel, ReservationId: b.id, Stay: b.stay, PreviousStatus: b.status,
		Reason: eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST, Note: "plans changed"})
}

// drop forgets an open reservation.
func (h *History) drop(i int) {
	h.open[i] = h.open[len(h.open)-1]
	h.open = h.open[:len(h.open)-1]
}

// Envelope returns an event that comes next.
func (h *History) Envelope(m proto.Message) *event.Envelope {
	h.now = h.now.Add(time.Duration(h.rng.IntN(3)) * 100 * time.Millisecond) // some at the same time
	h.sealNote(m)
	return &event.Envelope{ID: h.eventID(), Type: event.TypeOf(m), Source: "projectiontest", Time: h.now, CorrelationID: h.uuid(),
		HotelID: event.HotelOf(m), Message: m}
}

// sealNote seals every other note, as they are since notes are sealed.
func (h *History) sealNote(m proto.Message) {
	note, _, _ := hotel.WordsIn(m)
	if note == nil || *note == "" {
		return
	}
	if h.notes++; h.notes%2 == 0 {
		return
	}
	hotel.SealWordsIn(m, hotel.Seal{Key: uint64(h.notes) << 20, Sealed: []byte{1, byte(h.notes), 0, 'z'}})
}

func (h *History) uuid() string { return h.random().String() }

func (h *History) random() (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[:8], h.rng.Uint64())
	binary.BigEndian.PutUint64(id[8:], h.rng.Uint64())
	return id
}

// eventID returns an id that begins with the time, as the command engine's do (UUIDv7): where it lands in an index matters to speed.
func (h *History) eventID() string {
	id := h.random()
	low := binary.BigEndian.Uint16(id[6:])
	binary.BigEndian.PutUint64(id[:8], uint64(h.now.UnixMilli())<<16|uint64(low))
	return id.String()
}

func (h *History) version(key string) int64 {
	h.seen[key]++
	return h.seen[key]
}

func (h *History) hotel(id string, archived bool) *eventpb.Hotel {
	version := h.version(id)
	return &eventpb.Hotel{HotelId: id, DisplayName: fmt.Sprintf("Hotel %s v%d", id, version), TimeZone: "Europe/Lisbon", CurrencyCode: "EUR",
		Address:     &eventpb.Address{City: []string{"Lisbon", "Porto", " LISBON "}[h.rng.IntN(3)], CountryCode: "PT", Latitude: 38.7},
		HoldSeconds: 900, Version: version, Archived: archived, HorizonDays: int32(h.rng.IntN(400))}
}

func (h *History) roomType(hotel, id string) *eventpb.RoomType {
	r := &eventpb.RoomType{HotelId: hotel, RoomTypeId: id, DisplayName: id, MaxGuests: 2, Version: h.version(hotel + "/" + id)}
	if h.rng.IntN(5) > 0 {
		r.BaseRate = &eventpb.Money{CurrencyCode: "EUR", MinorUnits: int64(5000 + h.rng.IntN(20000))}
	}
	if h.rng.IntN(2) == 0 {
		physical := int32(h.rng.IntN(40))
		r.DefaultPhysicalCount = &physical
		if n := int32(h.rng.IntN(10)); h.rng.IntN(2) == 0 {
			r.DefaultOverbookingLimit = n
		} else {
			r.DefaultOverbookingPercent = n
		}
	}
	return r
}

func (h *History) room(hotel, id string) *eventpb.Room {
	version := h.version(hotel + "///" + id)
	return &eventpb.Room{HotelId: hotel, RoomId: id, RoomTypeId: RoomTypes[h.rng.IntN(len(RoomTypes))], DisplayName: "Room " + id, Floor: id[:1],
		OutOfService: h.rng.IntN(5) == 0, Version: version, Archived: version > 1 && h.rng.IntN(6) == 0}
}

func (h *History) inventory(hotel, roomType string) *eventpb.InventorySet {
	first := Day.AddDays(h.rng.IntN(30))
	m := &eventpb.InventorySet{HotelId: hotel, RoomTypeId: roomType, StartDate: first.String(), EndDate: first.AddDays(1 + h.rng.IntN(20)).String()}
	maybe := func(dst **int32) {
		if h.rng.IntN(2) == 0 {
			n := int32(h.rng.IntN(40))
			*dst = &n
		}
	}
	maybe(&m.PhysicalCount)
	maybe(&m.OutOfOrderCount)
	if h.rng.IntN(2) == 0 {
		maybe(&m.OverbookingLimit)
	} else {
		maybe(&m.OverbookingPercent)
	}
	if h.rng.IntN(2) == 0 {
		m.NightlyRate = &eventpb.Money{CurrencyCode: "EUR", MinorUnits: int64(4000 + h.rng.IntN(9000))}
	}
	return m
}

func (h *History) ratePlan(hotel string) *eventpb.RatePlanUpdated {
	return &eventpb.RatePlanUpdated{RatePlan: &eventpb.RatePlan{
		HotelId: hotel, RatePlanId: "flexible", DisplayName: "Flexible", Version: h.version(hotel + "//flexible"), Archived: h.rng.IntN(5) == 0,
		Cancellation: &eventpb.CancellationTerms{FreeDays: int32(h.rng.IntN(3))},
	}}
}

func (h *History) rates(hotel, roomType string) *eventpb.RatesSet {
	first := Day.AddDays(h.rng.IntN(30))
	m := &eventpb.RatesSet{HotelId: hotel, RatePlanId: "flexible", RoomTypeId: roomType, StartDate: first.String(), EndDate: first.AddDays(1 + h.rng.IntN(20)).String()}
	if h.rng.IntN(2) == 0 {
		m.Weekdays = []eventpb.Weekday{eventpb.Weekday(1 + h.rng.IntN(7))}
	}
	if h.rng.IntN(4) > 0 {
		m.NightlyRate = &eventpb.Money{CurrencyCode: "EUR", MinorUnits: int64(4000 + h.rng.IntN(9000))}
	}
	return m
}

func (h *History) restrictions(hotel, roomType string) *eventpb.RestrictionsSet {
	first := Day.AddDays(h.rng.IntN(30))
	m := &eventpb.RestrictionsSet{HotelId: hotel, RoomTypeId: roomType, StartDate: first.String(), EndDate: first.AddDays(1 + h.rng.IntN(20)).String()}
	if h.rng.IntN(2) == 0 {
		m.Weekdays = []eventpb.Weekday{eventpb.Weekday(1 + h.rng.IntN(7))}
	}
	for _, limit := range []**int32{&m.MinStay, &m.MaxStay} {
		if n := int32(h.rng.IntN(8)); n < 4 {
			*limit = &n
		}
	}
	for _, flag := range []**bool{&m.ClosedToArrival, &m.ClosedToDeparture, &m.StopSell} {
		if n := h.rng.IntN(6); n < 3 {
			closed := n == 0
			*flag = &closed
		}
	}
	return m
}

func (h *History) stay(roomType string) *eventpb.Stay {
	in := Day.AddDays(h.rng.IntN(40))
	return &eventpb.Stay{RoomTypeId: roomType, Quantity: int32(1 + h.rng.IntN(3)), CheckInDate: in.String(),
		CheckOutDate: in.AddDays(1 + h.rng.IntN(5)).String()}
}

func (h *History) guest() *eventpb.Guest {
	g := &eventpb.Guest{DisplayName: "Ana Sousa", Email: "ana@example.com", Adults: 2}
	if h.rng.IntN(3) > 0 {
		g.GuestId = fmt.Sprintf("guest-%d", h.rng.IntN(20))
	}
	if h.rng.IntN(2) == 0 { // as they are since persons are sealed
		h.keys++
		g.DisplayName, g.Email, g.Key, g.Sealed = "", "", h.keys, []byte{1, byte(h.keys), 0, 'x'}
	}
	return g
}

func (h *History) rejected(hotel, roomType string) *eventpb.ReservationRejected {
	stay := h.stay(roomType)
	return &eventpb.ReservationRejected{HotelId: hotel, ReservationId: h.uuid(), Stay: stay, Guest: h.guest(),
		Reason: eventpb.ReservationReason_RESERVATION_REASON_SOLD_OUT, FullNights: []string{stay.GetCheckInDate()}, Channel: "web",
		BrokenRestrictions: []*eventpb.BrokenRestriction{{Restriction: eventpb.Restriction_RESTRICTION_MIN_STAY, Nights: []string{stay.GetCheckInDate()}, Limit: 3}}}
}
