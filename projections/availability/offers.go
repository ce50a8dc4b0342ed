package availability

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections"
	"lodge/projections/cache"
)

// Ask is a stay that rooms are wanted for.
type Ask struct {
	Stay     domain.Stay
	Quantity int32 // rooms of one type

	// Guests in all rooms together; none: any number, priced as one in each room.
	Adults, Children int32
}

func (a *Ask) validate() error {
	if err := a.Stay.Validate(); err != nil {
		return err
	}
	if a.Quantity < 1 || a.Quantity > hotel.QuantityMax {
		return domain.Errorf(domain.InvalidQuantity, "quantity", "%d rooms is not from 1 to %d", a.Quantity, hotel.QuantityMax)
	}
	for _, n := range [...]struct {
		field string
		count int32
	}{{"adults", a.Adults}, {"children", a.Children}} {
		if n.count < 0 || n.count > hotel.PersonsMax {
			return domain.Errorf(domain.InvalidArgument, n.field, "%d is not from 0 to %d", n.count, hotel.PersonsMax)
		}
	}
	return nil
}

// RoomOffer is a room type that can be had for a whole stay, under the terms under which it costs least.
type RoomOffer struct {
	RoomTypeID string
	MaxGuests  int               // in one room; 0: not said
	Available  int               // in the fullest night
	Plan       *eventpb.RatePlan // without texts; nil: at the room type's own rates
	Price      hotel.StayPrice   // as hotel.Decide makes it
}

// RatePlanID returns the rate plan's id, or "".
func (o *RoomOffer) RatePlanID() string { return o.Plan.GetRatePlanId() }

// sale is what a hotel offers for a stay. Shared: not to be changed.
type sale struct {
	house *house      // nil: the hotel is unknown or archived
	rooms []RoomOffer // the cheapest first, then by id
}

type saleQuestion Ask

// saleOf returns what a hotel offers for a stay, whatever day it is.
func (q *Queries) saleOf(ctx context.Context, hotelID string, ask Ask) (*sale, error) {
	return cache.Get(q.cache, cache.Key{Hotel: hotelID, Question: saleQuestion(ask)}, (*sale).bytes, func() (*sale, error) {
		s, err := q.stockOf(ctx, hotelID, ask, ask.Stay.CheckIn, ask.Stay.CheckOut)
		if err != nil || s == nil {
			return &sale{}, err
		}
		return &sale{s.house, s.offers(ask, "")}, nil
	})
}

func (s *sale) bytes() int {
	n := 100
	for i := range s.rooms {
		n += 150 + 8*len(s.rooms[i].Price.Nightly) + 80*len(s.rooms[i].Price.Charges)
	}
	return n
}

// at returns what of a sale can be booked at a moment: all or nothing.
func (s *sale) at(stay domain.Stay, now time.Time) []RoomOffer {
	if s.house == nil || !s.house.sells(stay, now) {
		return nil
	}
	return s.rooms
}

// stock is what a hotel has on the nights [from, to], of those room types that may take the guests.
type stock struct {
	house *house
	types []stockedType
}

type stockedType struct {
	*soldType
	nights []Night
	rates  []planRates // of the plans that may take the guests, by id
}

// planRates are a room type's rates under a plan.
type planRates struct {
	plan  *eventpb.RatePlan
	rates []int64 // noRate where there is none
}

const noRate = -1

// rateRowsMax bounds how many rates of plans are read for one stock: more than 90 nights of 500 room types under 4 plans. What is beyond is not
// offered under its plan.
const rateRowsMax = 200_000

// stockOf reads what there is for stays of ask's length between from and to. nil: the hotel is unknown or archived.
func (q *Queries) stockOf(ctx context.Context, hotelID string, ask Ask, from, to domain.Date) (*stock, error) {
	var s *stock
	err := q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) error {
		h, err := q.houseOf(ctx, c, hotelID)
		if h == nil || err != nil {
			return err
		}
		s = &stock{house: h}
		plans := slices.Clone(h.plans)
		plans = slices.DeleteFunc(plans, func(p *eventpb.RatePlan) bool {
			return len(hotel.BrokenByPlan(p, ask.Stay)) > 0 || hotel.CheckOccupancy(p, ask.Quantity, ask.Adults, ask.Children) != nil
		})
		budget := rateRowsMax
		for i := range h.types {
			t := stockedType{soldType: &h.types[i]}
			if !t.takes(ask) {
				continue
			}
			if t.nights, err = t.read(ctx, c, hotelID, from, to+1); err != nil {
				return err
			}
			if !t.anyFree(ask, from, to) {
				continue
			}
			if budget, err = t.readRates(ctx, c, hotelID, plans, from, to, budget); err != nil {
				return err
			}
			s.types = append(s.types, t)
		}
		return nil
	})
	return s, err
}

type houseQuestion struct{}

func (q *Queries) houseOf(ctx context.Context, c *projections.Conn, hotelID string) (*house, error) {
	return cache.Get(q.cache, cache.Key{Hotel: hotelID, Question: houseQuestion{}}, (*house).bytes, func() (*house, error) {
		return readHouse(ctx, c, hotelID)
	})
}

// takes reports whether the rooms hold the guests. A type that does not say how many it takes holds any number.
func (t *soldType) takes(ask Ask) bool {
	return hotel.CheckGuests(int32(t.maxGuests), ask.Quantity, ask.Adults, ask.Children) == nil
}

// read returns the nights [from, to).
func (t *soldType) read(ctx context.Context, c *projections.Conn, hotelID string, from, to domain.Date) ([]Night, error) {
	n := Nights{RoomTypeID: t.id, Nights: make([]Night, to-from)}
	for i := range n.Nights {
		n.Nights[i] = Night{Date: from.AddDays(i), Rate: t.base}
	}
	return n.Nights, n.fill(ctx, c, hotelID)
}

// readRates reads the nights [from, to) of each plan as long as the budget of rows lasts, and returns what is left of it.
func (t *stockedType) readRates(ctx context.Context, c *projections.Conn, hotelID string, plans []*eventpb.RatePlan, from, to domain.Date, budget int) (int, error) {
	for _, plan := range plans {
		if budget < int(to-from) {
			return budget, nil
		}
		p := planRates{plan, slices.Repeat([]int64{noRate}, int(to-from))}
		known := 0
		args := []any{hotelID, plan.GetRatePlanId(), t.id, int64(from), int64(to)}
		err := eachDay(ctx, c, rateTable, rateColumns, whereRates, args, func(r *projections.Row) error {
			p.rates[r.Int(0)-int64(from)] = r.Int(2)
			known++
			return nil
		})
		if err != nil {
			return budget, err
		}
		if known > 0 {
			t.rates = append(t.rates, p)
		}
		budget -= known
	}
	return budget, nil
}

// anyFree reports whether a stay of ask's length between from and to may be had.
func (t *stockedType) anyFree(ask Ask, from, to domain.Date) bool {
	for in := from; in.AddDays(ask.Stay.Nights()) <= to; in++ {
		if t.available(domain.Stay{CheckIn: in, CheckOut: in.AddDays(ask.Stay.Nights())}) >= int(ask.Quantity) {
			return true
		}
	}
	return false
}

// available returns how many rooms are left in the fullest night of a stay.
func (t *stockedType) available(stay domain.Stay) int {
	nights := t.of(stay)
	least := nights[0].Available()
	for i := range nights {
		least = min(least, nights[i].Available())
	}
	return least
}

// of returns the nights of a stay.
func (t *stockedType) of(stay domain.Stay) []Night {
	first := stay.CheckIn - t.nights[0].Date
	return t.nights[first : int(first)+stay.Nights()]
}

// offers returns the room types that can be had for the stay, but for one, the cheapest first.
func (s *stock) offers(ask Ask, except string) (rooms []RoomOffer) {
	for i := range s.types {
		if s.types[i].id == except {
			continue
		}
		if room, ok := s.types[i].offer(s, ask); ok {
			rooms = append(rooms, room)
		}
	}
	slices.SortStableFunc(rooms, func(a, b RoomOffer) int { return cmp.Compare(a.Price.Total, b.Price.Total) })
	return rooms
}

// offer returns the terms under which the stay costs least: of the same prices the room type's own rates, then the first plan.
func (t *stockedType) offer(s *stock, ask Ask) (best RoomOffer, ok bool) {
	best = RoomOffer{RoomTypeID: t.id, MaxGuests: t.maxGuests, Available: t.available(ask.Stay)}
	if best.Available < int(ask.Quantity) {
		return best, false
	}
	first := t.nights[0].Date
	if hotel.BrokenBy(ask.Stay, func(d domain.Date) hotel.Restrictions { return t.nights[d-first].Restrictions }) != nil {
		return best, false
	}
	own := make([]int64, 0, ask.Stay.Nights())
	for _, n := range t.of(ask.Stay) {
		rate := int64(noRate)
		if n.Rate != nil {
			rate = n.Rate.MinorUnits
		}
		own = append(own, rate)
	}
	if price, priced := s.price(ask, nil, own); priced {
		best.Price, ok = price, true
	}
	for _, p := range t.rates {
		rates := slices.Clone(p.rates[ask.Stay.CheckIn-first : ask.Stay.CheckOut-first])
		if price, priced := s.price(ask, p.plan, rates); priced && (!ok || price.Total < best.Price.Total) {
			best.Plan, best.Price, ok = p.plan, price, true
		}
	}
	return best, ok
}

// price prices a stay as the decider does. The rates become its lines.
func (s *stock) price(ask Ask, plan *eventpb.RatePlan, rates []int64) (hotel.StayPrice, bool) {
	if slices.Contains(rates, noRate) {
		return hotel.StayPrice{}, false
	}
	price, err := hotel.PriceStay(&hotel.Priced{
		Rates: rates, Quantity: ask.Quantity, Guests: ask.Adults + ask.Children, Plan: plan, Taxes: s.house.taxes,
	})
	return price, err == nil // an error says that it costs more than can be counted
}

// comparePrice orders offers by currency, amount and hotel: amounts of different currencies do not compare.
func comparePrice(a, b *Mark) int {
	return cmp.Or(strings.Compare(a.Price.Currency, b.Price.Currency), cmp.Compare(a.Price.MinorUnits, b.Price.MinorUnits), strings.Compare(a.HotelID, b.HotelID))
}
