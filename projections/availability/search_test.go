package availability_test

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections"
	"lodge/projections/availability"
	"lodge/projections/cache"
	"lodge/projections/projectiontest"
)

var june = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

func ask(from, nights, quantity, adults int) availability.Ask {
	in := projectiontest.Day.AddDays(from)
	return availability.Ask{Stay: domain.Stay{CheckIn: in, CheckOut: in.AddDays(nights)}, Quantity: int32(quantity), Adults: int32(adults)}
}

// TestSearch compares what is found in a random history with what its events say, with a cache and without.
func TestSearch(t *testing.T) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), testHotels)
	events := append(h.Hotels(40), h.Next(900)...)
	l.Append(events...)
	b := projectiontest.NewBench(t, l, func() projections.Projector { return availability.New() })
	b.Start()
	t.Cleanup(b.Close)
	m, plans := modelOf(t, events), planModelOf(t, events)
	c, err := cache.New(cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cached, err := availability.NewCachedQueries(b.Store, c)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, q := range []*availability.Queries{availability.NewQueries(b.Store), cached, cached} {
		for _, req := range []availability.Request{
			{City: "lisbon", Ask: ask(10, 2, 1, 0)},
			{City: "Lisbon ", Ask: ask(10, 2, 4, 7)},
			{City: "PORTO", Ask: ask(20, 3, 2, 4)},
			{Place: "LÍS hotel", Ask: ask(3, 1, 1, 1)},
			{City: "nowhere", Ask: ask(10, 2, 1, 0)},
			{City: "lisbon", Ask: ask(-20, 2, 1, 0)},
		} {
			req.Now = june
			want := m.search(plans, &req)
			found += len(want)
			for _, req.Limit = range []int{0, 1, 2} {
				if got := offersText(searchAll(t, q, req)); got != want {
					t.Errorf("%+v:\n got %s\nwant %s", req, got, want)
				}
			}
		}
	}
	if s := c.Stats(); s.Hits == 0 || found == 0 {
		t.Errorf("cache %+v, found %d", s, found)
	}
}

func offersText(offers []availability.Offer) string {
	var b strings.Builder
	for _, o := range offers {
		fmt.Fprint(&b, o.HotelID, ":")
		for i := range o.RoomTypes {
			r := &o.RoomTypes[i]
			fmt.Fprintf(&b, " %s/%s %d for %d", r.RoomTypeID, r.RatePlanID(), r.Available, r.Price.Total)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// planModel is what the rate plan "flexible" says.
type planModel struct {
	onSale map[string]bool // by hotel
	rates  map[night]*eventpb.Money
}

func planModelOf(t *testing.T, events []*event.Envelope) *planModel {
	m := &planModel{map[string]bool{}, map[night]*eventpb.Money{}}
	for _, e := range events {
		switch x := e.Message.(type) {
		case interface{ GetRatePlan() *eventpb.RatePlan }:
			m.onSale[x.GetRatePlan().GetHotelId()] = !x.GetRatePlan().GetArchived()
		case *eventpb.RatesSet:
			stay, err := domain.ParseStay(x.StartDate, x.EndDate)
			if err != nil {
				t.Fatal(err)
			}
			for d := range stay.All() {
				if day := eventpb.Weekday((int(d.Weekday())+6)%7 + 1); len(x.Weekdays) == 0 || slices.Contains(x.Weekdays, day) {
					m.rates[night{x.HotelId, x.RoomTypeId, d}] = x.NightlyRate
				}
			}
		}
	}
	return m
}

// search returns what should be found, as offersText writes it.
func (m *model) search(plans *planModel, req *availability.Request) string {
	var found []availability.Offer
	for i := range testHotels {
		id := projectiontest.HotelID(i)
		city := strings.ToLower(strings.TrimSpace(m.hotels[id].GetAddress().GetCity()))
		wanted := city == strings.ToLower(strings.TrimSpace(req.City))
		if req.Place != "" {
			wanted = city == "lisbon"
		}
		if m.hotels[id].GetArchived() || !wanted || req.Stay.CheckIn < domain.Today(req.Now, time.UTC) {
			continue
		}
		offer := availability.Offer{HotelID: id}
		for _, rt := range projectiontest.RoomTypes {
			if room, ok := m.offer(plans, id, rt, req); ok {
				offer.RoomTypes = append(offer.RoomTypes, room)
			}
		}
		slices.SortStableFunc(offer.RoomTypes, func(a, b availability.RoomOffer) int { return cmp.Compare(a.Price.Total, b.Price.Total) })
		if len(offer.RoomTypes) > 0 {
			found = append(found, offer)
		}
	}
	return offersText(found)
}

func (m *model) offer(plans *planModel, hotelID, roomType string, req *availability.Request) (availability.RoomOffer, bool) {
	out := availability.RoomOffer{RoomTypeID: roomType, Available: math.MaxInt}
	own, flexible, planned := int64(0), int64(0), plans.onSale[hotelID]
	priced := true
	for d := range req.Stay.All() {
		n := m.at(hotelID, roomType, d)
		out.Available = min(out.Available, max(0, n.Sellable()-n.Sold-n.Held))
		if priced = priced && n.Rate != nil; priced {
			own += n.Rate.MinorUnits * int64(req.Quantity)
		}
		rate := plans.rates[night{hotelID, roomType, d}]
		planned = planned && rate != nil
		flexible += rate.GetMinorUnits() * int64(req.Quantity)
	}
	broken := hotel.BrokenBy(req.Stay, func(d domain.Date) hotel.Restrictions { return m.at(hotelID, roomType, d).Restrictions })
	if broken != nil || out.Available < int(req.Quantity) || 2*req.Quantity < req.Adults || !priced && !planned {
		return out, false
	}
	out.Price.Total = own
	if planned && (!priced || flexible < own) {
		out.Plan, out.Price.Total = &eventpb.RatePlan{RatePlanId: "flexible"}, flexible
	}
	return out, true
}

func searchAll(t *testing.T, q *availability.Queries, req availability.Request) (found []availability.Offer) {
	t.Helper()
	for range 1000 {
		page, err := q.Search(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, page.Offers...)
		if page.Next == nil {
			return found
		}
		req.After = page.Next
	}
	t.Fatal("no end of pages")
	return nil
}

// spread makes n hotels around a point with one room type each, whose prices, names and places are in different orders.
func spread(t *testing.T, n int) *availability.Queries {
	t.Helper()
	l := projectiontest.NewLog(3)
	for i := range n {
		id := fmt.Sprintf("h%02d", i)
		count := int32(5)
		for j, m := range []event.Envelope{
			{Message: &eventpb.HotelCreated{Hotel: &eventpb.Hotel{HotelId: id, DisplayName: fmt.Sprintf("Pousada Nº %02d São João", (i*7)%n), TimeZone: "UTC",
				CurrencyCode: []string{"EUR", "EUR", "CHF"}[i%3],
				Address:      &eventpb.Address{City: "Évora", Latitude: 38.5 + 0.1*float64((i*3)%n), Longitude: -8}}}},
			{Message: &eventpb.RoomTypeCreated{RoomType: &eventpb.RoomType{HotelId: id, RoomTypeId: "double", MaxGuests: 2,
				BaseRate: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: int64(1000 * ((i * 11) % n))}}}},
			{Message: &eventpb.InventorySet{HotelId: id, RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-08-01", PhysicalCount: &count}},
		} {
			m.ID, m.Source, m.Time, m.HotelID = fmt.Sprintf("00000000-0000-7000-8000-%010d%02d", i, j), "test", june, id
			m.Type = event.TypeOf(m.Message)
			l.Append(&m)
		}
	}
	b := projectiontest.NewBench(t, l, func() projections.Projector { return availability.New() })
	b.Start()
	t.Cleanup(b.Close)
	return availability.NewQueries(b.Store)
}

func TestSortedPagesHaveEveryHotelOnce(t *testing.T) {
	const n = 41
	q := spread(t, n)
	base := availability.Request{Place: "evora sao", Ask: ask(1, 2, 1, 2), Now: june, Near: &availability.Circle{Latitude: 38.5, Longitude: -8, RadiusKM: 1000}}
	key := map[availability.Sort]func(o *availability.Offer) string{
		availability.ByID:       func(o *availability.Offer) string { return o.HotelID },
		availability.ByDistance: func(o *availability.Offer) string { return fmt.Sprintf("%09.3f", o.DistanceKM) },
		availability.ByPrice: func(o *availability.Offer) string {
			return fmt.Sprintf("%s%09d", o.Currency, o.RoomTypes[0].Price.Total)
		},
		availability.ByName: func(o *availability.Offer) string {
			var i int
			if _, err := fmt.Sscanf(o.HotelID, "h%d", &i); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%02d", (i*7)%n)
		},
	}
	for sort, key := range key {
		for _, limit := range []int{1, 7, 41, 200} {
			req := base
			req.Sort, req.Limit = sort, limit
			found := searchAll(t, q, req)
			seen := map[string]bool{}
			for i := range found {
				seen[found[i].HotelID] = true
				if i > 0 && key(&found[i-1]) > key(&found[i]) {
					t.Errorf("sort %d, limit %d: %s comes before %s", sort, limit, key(&found[i-1]), key(&found[i]))
				}
			}
			if len(found) != n || len(seen) != n {
				t.Errorf("sort %d, limit %d: found %d, of them different %d, want %d", sort, limit, len(found), len(seen), n)
			}
		}
	}
	dear := base
	most := int64(30_000)
	dear.Price = &availability.PriceRange{Currency: "CHF", Min: 10_000, Max: &most}
	count := 0
	for _, o := range searchAll(t, q, dear) {
		if count++; o.Currency != "CHF" || o.RoomTypes[0].Price.Total < 10_000 || o.RoomTypes[0].Price.Total > most {
			t.Errorf("%s costs %s %d", o.HotelID, o.Currency, o.RoomTypes[0].Price.Total)
		}
	}
	if count == 0 {
		t.Error("nothing in the price range")
	}
	near := base
	near.Near = &availability.Circle{Latitude: 38.5, Longitude: -8, RadiusKM: 25}
	if found := searchAll(t, q, near); len(found) != 3 { // at 0, 11.1 and 22.2 km
		t.Errorf("%d hotels within 25 km: %s", len(found), offersText(found))
	}
}

func TestSearchRefuses(t *testing.T) {
	q := spread(t, 1)
	valid := availability.Request{City: "x", Ask: ask(1, 2, 1, 0), Now: june}
	least := int64(5)
	for _, c := range []struct {
		name   string
		change func(*availability.Request)
		field  string
		reason domain.Reason
	}{
		{"nowhere", func(r *availability.Request) { r.City = "" }, "city", domain.InvalidArgument},
		{"accents only", func(r *availability.Request) { r.City = " \u0301" }, "city", domain.InvalidArgument},
		{"no word", func(r *availability.Request) { r.Place = "!?" }, "place", domain.InvalidArgument},
		{"long city", func(r *availability.Request) { r.City = strings.Repeat("x", 201) }, "city", domain.InvalidArgument},
		{"long place", func(r *availability.Request) { r.Place = strings.Repeat("x", 201) }, "place", domain.InvalidArgument},
		{"distance from nothing", func(r *availability.Request) { r.Sort = availability.ByDistance }, "sort", domain.InvalidArgument},
		{"no latitude", func(r *availability.Request) { r.Near = &availability.Circle{Latitude: math.NaN(), RadiusKM: 1} }, "near.latitude", domain.InvalidArgument},
		{"longitude", func(r *availability.Request) { r.Near = &availability.Circle{Longitude: 181, RadiusKM: 1} }, "near.longitude", domain.InvalidArgument},
		{"no radius", func(r *availability.Request) { r.Near = &availability.Circle{} }, "radius_km", domain.InvalidArgument},
		{"wide radius", func(r *availability.Request) { r.Near = &availability.Circle{RadiusKM: 1001} }, "radius_km", domain.InvalidArgument},
		{"price range", func(r *availability.Request) {
			r.Price = &availability.PriceRange{Currency: "EUR", Min: 6, Max: &least}
		}, "max_total", domain.InvalidArgument},
		{"no rooms", func(r *availability.Request) { r.Quantity = 0 }, "quantity", domain.InvalidQuantity},
		{"children", func(r *availability.Request) { r.Children = -1 }, "children", domain.InvalidArgument},
		{"dates", func(r *availability.Request) { r.Stay.CheckOut = r.Stay.CheckIn }, "check_out_date", domain.InvalidDates},
		{"long stay", func(r *availability.Request) { r.Stay.CheckOut = r.Stay.CheckIn + 91 }, "check_out_date", domain.StayTooLong},
	} {
		req := valid
		c.change(&req)
		_, err := q.Search(t.Context(), req)
		if e, ok := errors.AsType[*domain.Error](err); !ok || e.Field != c.field || e.Reason != c.reason {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestPlacesAreFoundByTheirIndexes keeps a search from looking at all hotels.
func TestPlacesAreFoundByTheirIndexes(t *testing.T) {
	l := projectiontest.NewLog(3)
	b := projectiontest.NewBench(t, l, func() projections.Projector { return availability.New() })
	b.Start()
	t.Cleanup(b.Close)
	if err := b.Store.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	circle := &availability.Circle{Latitude: 38, Longitude: -9, RadiusKM: 5}
	for _, c := range []struct {
		req  availability.Request
		want []string
	}{
		{availability.Request{City: "Lisbon"}, []string{"searched_hotel_by_city"}},
		{availability.Request{Place: "palace lisbon"}, []string{"searched_word_by_word", "PRIMARY KEY (hotel_id=? AND word>? AND word<?)"}},
		{availability.Request{Near: circle}, []string{"searched_hotel_by_place (latitude>? AND latitude<?)"}},
	} {
		sql, args := availability.CandidatesQuery(&c.req)
		var plan strings.Builder
		err := b.Store.View(t.Context(), availability.Name, 0, func(conn *projections.Conn) error {
			return conn.Query(t.Context(), "EXPLAIN QUERY PLAN "+sql, args, func(r *projections.Row) error {
				fmt.Fprintln(&plan, r.Text(3))
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(plan.String(), want) || strings.Contains(plan.String(), "SCAN") {
				t.Errorf("%s\nplan %s, want %s and no scan", sql, plan.String(), want)
			}
		}
	}
}

// TestBoxHoldsTheCircle: whatever lies in a circle lies in its box, everywhere on the globe.
func TestBoxHoldsTheCircle(t *testing.T) {
	rng := rand.New(rand.NewPCG(projectiontest.Seed(t), 7))
	inside := 0
	for range 200_000 {
		c := availability.Circle{Latitude: rng.Float64()*180 - 90, Longitude: rng.Float64()*360 - 180, RadiusKM: math.Pow(10, rng.Float64()*4-1)}
		spread := c.RadiusKM / 100
		lat := max(-90, min(90, c.Latitude+spread*(rng.Float64()*2-1)))
		lon := c.Longitude + spread*(rng.Float64()*2-1)/max(0.01, math.Cos(lat*math.Pi/180))
		lon -= 360 * math.Floor((lon+180)/360)
		if availability.Distance(&c, lat, lon) > c.RadiusKM {
			continue
		}
		if inside++; !availability.InBox(&c, lat, lon) {
			t.Fatalf("%g, %g is in %+v and not in its box", lat, lon, c)
		}
	}
	if inside < 50_000 {
		t.Errorf("only %d points within", inside)
	}
	lisbon := availability.Circle{Latitude: 38.7223, Longitude: -9.1393, RadiusKM: 1}
	if d := availability.Distance(&lisbon, 41.1579, -8.6291); math.Abs(d-274.4) > 0.5 {
		t.Errorf("Lisbon to Porto: %.1f km", d)
	}
}
