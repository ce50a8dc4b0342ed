package availability

import (
	"context"
	"slices"
	"time"

	"lodge/domain"
	"lodge/projections/cache"
)

// AlternativeDays is how many days earlier or later alternatives begin at most.
const AlternativeDays = 7

// Alternatives are what a hotel has instead of a stay that cannot be had.
type Alternatives struct {
	Currency  string
	RoomTypes []RoomOffer // others on the same nights, the cheapest first, then by id
	Dates     []DatesOffer
}

// DatesOffer is the cheapest offer for another stay of the same length.
type DatesOffer struct {
	Stay domain.Stay
	Room RoomOffer
}

// alternativesQuestion is what is asked, whatever day it is.
type alternativesQuestion struct {
	ask      Ask
	roomType string
}

// alternatives is the answer.
type alternatives struct {
	house *house // nil: the hotel is unknown or archived
	Alternatives
}

func (a *alternatives) bytes() int {
	n := (&sale{rooms: a.RoomTypes}).bytes()
	for i := range a.Dates {
		n += 200 + 8*len(a.Dates[i].Room.Price.Nightly) + 80*len(a.Dates[i].Room.Price.Charges)
	}
	return n
}

// Alternatives returns what a hotel has instead of a stay: other room types than the one named on the same nights, and stays
// that begin up to AlternativeDays earlier or later, the nearest first and of two alike the earlier, in the room type named or, when that is
// empty, in the cheapest. It reads the nights once. The answer is shared, not to be changed. Errors: those of Ask; an unknown hotel has nothing.
func (q *Queries) Alternatives(ctx context.Context, hotelID, roomTypeID string, ask Ask, now time.Time) (Alternatives, error) {
	if err := ask.validate(); err != nil {
		return Alternatives{}, err
	}
	key := cache.Key{Hotel: hotelID, Question: alternativesQuestion{ask, roomTypeID}}
	all, err := cache.Get(q.cache, key, (*alternatives).bytes, func() (*alternatives, error) {
		return q.alternativesOf(ctx, hotelID, roomTypeID, ask)
	})
	if err != nil || all.house == nil {
		return Alternatives{}, err
	}
	found := Alternatives{Currency: all.house.currency}
	if all.house.sells(ask.Stay, now) {
		found.RoomTypes = all.RoomTypes
	}
	for _, d := range all.Dates {
		if all.house.sells(d.Stay, now) {
			found.Dates = append(found.Dates, d)
		}
	}
	return found, nil
}

func (q *Queries) alternativesOf(ctx context.Context, hotelID, roomTypeID string, ask Ask) (*alternatives, error) {
	from := max(domain.DateMin, ask.Stay.CheckIn-AlternativeDays)
	to := min(domain.DateMax-1, ask.Stay.CheckOut+AlternativeDays)
	s, err := q.stockOf(ctx, hotelID, ask, from, to)
	if err != nil || s == nil {
		return &alternatives{}, err
	}
	a := &alternatives{house: s.house, Alternatives: Alternatives{RoomTypes: s.offers(ask, roomTypeID)}}
	wanted := s
	if roomTypeID != "" {
		wanted = s.only(roomTypeID)
	}
	for days := 1; days <= AlternativeDays; days++ {
		for _, shift := range [...]int{-days, days} {
			other := ask
			other.Stay = domain.Stay{CheckIn: ask.Stay.CheckIn.AddDays(shift), CheckOut: ask.Stay.CheckOut.AddDays(shift)}
			if other.Stay.CheckIn < from || other.Stay.CheckOut > to {
				continue
			}
			if rooms := wanted.offers(other, ""); len(rooms) > 0 {
				a.Dates = append(a.Dates, DatesOffer{other.Stay, rooms[0]})
			}
		}
	}
	return a, nil
}

// only returns the stock of one room type.
func (s *stock) only(roomTypeID string) *stock {
	one := &stock{house: s.house}
	for _, t := range s.types {
		if t.id == roomTypeID {
			one.types = append(one.types, t)
		}
	}
	return one
}

// Nearby returns what the hotels at the place of req have on other dates, for when Search found nothing: the first hotels by the request's order, but
// by id where it is by price, that have any, at most most, among the first 4 × most.
func (q *Queries) Nearby(ctx context.Context, req Request, most int) (ids []string, found []Alternatives, err error) {
	if err := req.validate(); err != nil {
		return nil, nil, err
	}
	if req.Sort == ByPrice {
		req.Sort = ByID
	}
	req.After = nil
	at, err := q.candidates(ctx, &req)
	if err != nil {
		return nil, nil, err
	}
	for i, c := range req.inOrder(at) {
		if len(found) == most || i == 4*most {
			break
		}
		a, err := q.Alternatives(ctx, c.id, "", req.Ask, req.Now)
		if err != nil {
			return nil, nil, err
		}
		a.Dates = slices.DeleteFunc(slices.Clone(a.Dates), func(d DatesOffer) bool {
			return !req.Price.takes(domain.Money{Currency: a.Currency, MinorUnits: d.Room.Price.Total})
		})
		if len(a.Dates) > 0 {
			ids, found = append(ids, c.id), append(found, a)
		}
	}
	return ids, found, nil
}
