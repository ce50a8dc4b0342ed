package hotels

import (
	"maps"
	"slices"
	"strings"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/projections"
	"lodge/projections/fold"
)

// Past is what hotels were at a moment of the past: the same as the rows, made of events rather than read. The zero value is not ready; NewPast makes one. Not safe
// for concurrent use.
type Past struct {
	changes changes
	plans   map[roomTypeKey]projections.Event
}

// NewPast returns a past in which nothing has happened.
func NewPast() *Past {
	return &Past{changes{map[string]Hotel{}, map[roomTypeKey]RoomType{}, map[roomTypeKey]RatePlan{}, map[roomTypeKey]Room{}}, map[roomTypeKey]projections.Event{}}
}

// Take applies the next event of topic hotels.
func (p *Past) Take(e projections.Event) {
	p.changes.add(&e)
	if m, ok := e.Envelope.Message.(interface{ GetRatePlan() *eventpb.RatePlan }); ok {
		p.plans[roomTypeKey{m.GetRatePlan().GetHotelId(), m.GetRatePlan().GetRatePlanId()}] = e
	}
}

// Get is Queries.Get.
func (p *Past) Get(hotelID string) (Hotel, error) {
	h, ok := p.changes.hotels[hotelID]
	if !ok {
		return Hotel{}, domain.Errorf(domain.HotelNotFound, "", "there was no hotel %q then", hotelID)
	}
	return h, nil
}

// GetRoomType is Queries.GetRoomType.
func (p *Past) GetRoomType(hotelID, roomTypeID string) (RoomType, error) {
	t, ok := p.changes.roomTypes[roomTypeKey{hotelID, roomTypeID}]
	if !ok {
		return RoomType{}, domain.Errorf(domain.RoomTypeNotFound, "", "there was no room type %q in hotel %q then", roomTypeID, hotelID)
	}
	return t, nil
}

// List returns all hotels of the filter's city, by id, with those that were archived or without.
func (p *Past) List(f Filter) (found []Hotel) {
	city := fold.Name(f.City)
	for _, h := range p.changes.hotels {
		if (f.ShowArchived || !h.Archived) && (f.City == "" || fold.Name(h.Address.City) == city) {
			found = append(found, h)
		}
	}
	slices.SortFunc(found, func(a, b Hotel) int { return strings.Compare(a.HotelID, b.HotelID) })
	return found
}

// RoomTypes returns a hotel's room types that were not archived, by id.
func (p *Past) RoomTypes(hotelID string) []RoomType { return p.ListRoomTypes(hotelID, false) }

// ListRoomTypes returns a hotel's room types, by id, with those that were archived or without.
func (p *Past) ListRoomTypes(hotelID string, archived bool) []RoomType {
	return listOf(p.changes.roomTypes, hotelID, func(t *RoomType) bool { return archived || !t.Archived })
}

// GetRatePlan is Queries.GetRatePlan.
func (p *Past) GetRatePlan(hotelID, ratePlanID string) (RatePlan, error) {
	plan, ok := p.changes.ratePlans[roomTypeKey{hotelID, ratePlanID}]
	if !ok {
		return RatePlan{}, domain.Errorf(domain.RatePlanNotFound, "", "there was no rate plan %q in hotel %q then", ratePlanID, hotelID)
	}
	return plan, nil
}

// ListRatePlans returns a hotel's rate plans, by id, with those that were archived or without.
func (p *Past) ListRatePlans(hotelID string, archived bool) []RatePlan {
	return listOf(p.changes.ratePlans, hotelID, func(p *RatePlan) bool { return archived || !p.Plan.GetArchived() })
}

// GetRoom is Queries.GetRoom.
func (p *Past) GetRoom(hotelID, roomID string) (Room, error) {
	r, ok := p.changes.rooms[roomTypeKey{hotelID, roomID}]
	if !ok {
		return Room{}, domain.Errorf(domain.RoomNotFound, "", "there was no room %q in hotel %q then", roomID, hotelID)
	}
	return r, nil
}

// ListRooms returns a hotel's rooms, by id, with those that were archived or without.
func (p *Past) ListRooms(hotelID string, archived bool) []Room {
	return listOf(p.changes.rooms, hotelID, func(r *Room) bool { return archived || !r.Room.GetArchived() })
}

// listOf returns those of a hotel's things that are listed, by id.
func listOf[T any](things map[roomTypeKey]T, hotelID string, listed func(*T) bool) (found []T) {
	for _, key := range slices.SortedFunc(maps.Keys(things), roomTypeKey.compare) {
		if thing := things[key]; key.hotel == hotelID && listed(&thing) {
			found = append(found, thing)
		}
	}
	return found
}

// RatePlanEvent returns the event that made a rate plan what it was, and false when there was none.
func (p *Past) RatePlanEvent(hotelID, ratePlanID string) (projections.Event, bool) {
	e, ok := p.plans[roomTypeKey{hotelID, ratePlanID}]
	return e, ok
}
