package availability_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections"
	"lodge/projections/availability"
	"lodge/projections/projectiontest"
)

type night struct {
	hotel, roomType string
	date            domain.Date
}

// model is what the read model should say, made the obvious way.
type model struct {
	nights    map[night]*availability.Night
	hotels    map[string]*eventpb.Hotel
	roomTypes map[[2]string]*eventpb.RoomType
	claims    map[string]claim // by reservation
}

func modelOf(t *testing.T, events []*event.Envelope) *model {
	m := &model{map[night]*availability.Night{}, map[string]*eventpb.Hotel{}, map[[2]string]*eventpb.RoomType{}, map[string]claim{}}
	for _, e := range events {
		switch x := e.Message.(type) {
		case interface{ GetHotel() *eventpb.Hotel }:
			m.hotels[x.GetHotel().GetHotelId()] = x.GetHotel()
		case interface{ GetRoomType() *eventpb.RoomType }:
			m.roomTypes[[2]string{x.GetRoomType().GetHotelId(), x.GetRoomType().GetRoomTypeId()}] = x.GetRoomType()
		case *eventpb.InventorySet:
			m.each(t, x.GetHotelId(), x.GetRoomTypeId(), x.GetStartDate(), x.GetEndDate(), func(n *availability.Night) { setInventory(n, x) })
		case *eventpb.RestrictionsSet:
			m.restrict(t, x)
		default:
			m.book(t, e.Message)
		}
	}
	return m
}

func (m *model) each(t *testing.T, hotel, roomType, from, to string, change func(*availability.Night)) {
	stay, err := domain.ParseStay(from, to)
	if err != nil {
		t.Fatal(err)
	}
	for d := range stay.All() {
		key := night{hotel, roomType, d}
		if m.nights[key] == nil {
			m.nights[key] = &availability.Night{Date: d}
		}
		change(m.nights[key])
	}
}

// TestRates: the last event that names a night says what it costs.
func TestRates(t *testing.T) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), testHotels)
	events := append(h.Hotels(40), h.Next(2_000)...)
	l.Append(events...)
	b := projectiontest.NewBench(t, l, func() projections.Projector { return availability.New() })
	b.Opts.ArchiveDays = 20
	b.Start()
	if st := b.Store.Status(t.Context()); len(st[0].Archive) == 0 {
		t.Fatal("nothing is in the archive")
	}
	t.Cleanup(b.Close)
	q := availability.NewQueries(b.Store)
	want := map[night]*eventpb.Money{}
	for _, e := range events {
		if x, ok := e.Message.(*eventpb.RatesSet); ok {
			stay, _ := domain.ParseStay(x.StartDate, x.EndDate)
			for d := range stay.All() {
				if day := eventpb.Weekday((int(d.Weekday())+6)%7 + 1); len(x.Weekdays) == 0 || slices.Contains(x.Weekdays, day) {
					want[night{x.HotelId, x.RoomTypeId, d}] = x.NightlyRate
				}
			}
		}
	}
	if len(want) == 0 {
		t.Fatal("the history sets no rates")
	}
	from, to, seen := projectiontest.Day.AddDays(-3), projectiontest.Day.AddDays(60), 0
	for i := range testHotels {
		for _, rt := range projectiontest.RoomTypes {
			rates, err := q.Rates(t.Context(), projectiontest.HotelID(i), "flexible", rt, from, to)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rates {
				seen++
				if rate := want[night{projectiontest.HotelID(i), rt, r.Date}]; rate.GetMinorUnits() != r.Amount.MinorUnits || rate.GetCurrencyCode() != r.Amount.Currency {
					t.Errorf("%+v, want %v", r, rate)
				}
			}
		}
	}
	maps.DeleteFunc(want, func(_ night, rate *eventpb.Money) bool { return rate == nil })
	if seen != len(want) {
		t.Errorf("%d rates, want %d", seen, len(want))
	}
}

func (m *model) restrict(t *testing.T, x *eventpb.RestrictionsSet) {
	m.each(t, x.GetHotelId(), x.GetRoomTypeId(), x.GetStartDate(), x.GetEndDate(), func(n *availability.Night) {
		if day := eventpb.Weekday((int(n.Date.Weekday())+6)%7 + 1); len(x.Weekdays) > 0 && !slices.Contains(x.Weekdays, day) {
			return
		}
		r := &n.Restrictions
		for dst, src := range map[*uint8]*int32{&r.MinStay: x.MinStay, &r.MaxStay: x.MaxStay} {
			if src != nil {
				*dst = uint8(*src)
			}
		}
		for flag, src := range map[hotel.Closed]*bool{hotel.ClosedToArrival: x.ClosedToArrival, hotel.ClosedToDeparture: x.ClosedToDeparture, hotel.StopSell: x.StopSell} {
			if src != nil {
				r.Closed &^= flag
			}
			if src != nil && *src {
				r.Closed |= flag
			}
		}
	})
}

func setInventory(n *availability.Night, x *eventpb.InventorySet) {
	if x.OverbookingLimit != nil {
		n.OverbookingPercent = 0
	}
	if x.OverbookingPercent != nil {
		n.OverbookingPercent, n.Overbooking = int(*x.OverbookingPercent), 0 // one or the other; 0 % is none
	}
	for dst, count := range map[*int]*int32{&n.Physical: x.PhysicalCount, &n.OutOfOrder: x.OutOfOrderCount, &n.Overbooking: x.OverbookingLimit} {
		if count != nil {
			*dst = int(*count)
		}
	}
	if r := x.GetNightlyRate(); r != nil {
		n.Rate = &domain.Money{Currency: r.GetCurrencyCode(), MinorUnits: r.GetMinorUnits()}
	}
}

// at returns a night with the rate that counts.
func (m *model) at(hotel, roomType string, d domain.Date) availability.Night {
	n := availability.Night{Date: d}
	if known := m.nights[night{hotel, roomType, d}]; known != nil {
		n = *known
	}
	if n.OverbookingPercent > 0 {
		n.Overbooking = n.Physical * n.OverbookingPercent / 100
	}
	if base := m.roomTypes[[2]string{hotel, roomType}].GetBaseRate(); n.Rate == nil && base != nil {
		n.Rate = &domain.Money{Currency: base.GetCurrencyCode(), MinorUnits: base.GetMinorUnits()}
	}
	return n
}

const testHotels = 9

func started(t *testing.T) (*model, *availability.Queries) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), testHotels)
	events := append(h.Hotels(40), h.Next(600)...)
	l.Append(events...)
	b := projectiontest.NewBench(t, l, func() projections.Projector { return availability.New() })
	b.Opts.ArchiveDays = 20
	b.Start()
	if st := b.Store.Status(t.Context()); len(st[0].Archive) == 0 {
		t.Fatal("nothing is in the archive")
	}
	t.Cleanup(b.Close)
	return modelOf(t, events), availability.NewQueries(b.Store)
}

func TestRange(t *testing.T) {
	m, q := started(t)
	from, to := projectiontest.Day.AddDays(-3), projectiontest.Day.AddDays(60)
	for i := range testHotels {
		hotel := projectiontest.HotelID(i)
		all, err := q.Range(t.Context(), hotel, "", from, to)
		if err != nil || len(all) != len(projectiontest.RoomTypes) {
			t.Fatalf("%s: %d room types, error %v", hotel, len(all), err)
		}
		for _, rt := range all {
			one, err := q.Range(t.Context(), hotel, rt.RoomTypeID, from, to)
			if err != nil || len(one) != 1 || len(rt.Nights) != 63 {
				t.Fatalf("%s/%s: %v, error %v", hotel, rt.RoomTypeID, one, err)
			}
			for j, got := range rt.Nights {
				want := m.at(hotel, rt.RoomTypeID, from.AddDays(j))
				if !same(got, want) || !same(one[0].Nights[j], want) {
					t.Fatalf("%s/%s %s: %+v, want %+v", hotel, rt.RoomTypeID, want.Date, got, want)
				}
			}
		}
	}
	if found, err := q.Range(t.Context(), "nowhere", "", from, to); err != nil || len(found) != 0 {
		t.Errorf("unknown hotel: %v, %v", found, err)
	}
	if _, err := q.Range(t.Context(), "x", "", to, from); !errors.Is(err, domain.InvalidDates) {
		t.Errorf("dates the wrong way round: %v", err)
	}
	if _, err := q.Range(t.Context(), "x", "", from, from.AddDays(availability.RangeAllMax+1)); !errors.Is(err, domain.LimitReached) {
		t.Errorf("too many nights: %v", err)
	}
}

func same(a, b availability.Night) bool {
	if (a.Rate == nil) != (b.Rate == nil) || a.Rate != nil && *a.Rate != *b.Rate {
		return false
	}
	a.Rate, b.Rate = nil, nil
	return a == b
}
