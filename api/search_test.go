package api_test

import (
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/latlng"
	"google.golang.org/genproto/googleapis/type/money"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
)

func apiDate(d domain.Date) *date.Date {
	var out date.Date
	if _, err := fmt.Sscanf(d.String(), "%d-%d-%d", &out.Year, &out.Month, &out.Day); err != nil {
		panic(err)
	}
	return &out
}

func apiMoney(cents int64) *money.Money {
	return &money.Money{CurrencyCode: "EUR", Units: cents / 100, Nanos: int32(cents % 100 * 10_000_000)}
}

// seedPlaces makes three hotels, of which the first is the dearest and the last the farthest.
func seedPlaces(s *stack) {
	s.Helper()
	for i, h := range []struct {
		id, name, city string
		latitude       float64
		base           int64
	}{
		{"avenida", "Avenida Palace", "Lisboa", 38.716, 300}, {"bica", "Pensão Bica", "Lisboa", 38.711, 80}, {"cascais", "Baía", "Cascais", 38.697, 120},
	} {
		s.seedHotel(h.id, h.city, 3)
		must[lodgev1.Hotel](s)(s.hotels.UpdateHotel(s.Context(), connect.NewRequest(&lodgev1.UpdateHotelRequest{Hotel: &lodgev1.Hotel{
			Name: "hotels/" + h.id, DisplayName: h.name,
			Address: &lodgev1.Address{City: h.city, CountryCode: "PT", Latitude: h.latitude, Longitude: -9.14 - 0.14*float64(i/2)*2},
		}})))
		must[lodgev1.RoomType](s)(s.hotels.UpdateRoomType(s.Context(), connect.NewRequest(&lodgev1.UpdateRoomTypeRequest{RoomType: &lodgev1.RoomType{
			Name: "hotels/" + h.id + "/roomTypes/double", BaseRate: euros(h.base),
		}})))
	}
	s.settle()
}

func TestSearchByPlacePriceAndDistance(t *testing.T) {
	s := newStack(t, api.Options{})
	seedPlaces(s)
	near := &latlng.LatLng{Latitude: 38.71, Longitude: -9.14}
	for _, c := range []struct {
		name   string
		change func(*lodgev1.SearchHotelsRequest)
		want   string
	}{
		{"city", func(r *lodgev1.SearchHotelsRequest) { r.City = " LISBOA" }, "avenida bica"},
		{"part of a city", func(r *lodgev1.SearchHotelsRequest) { r.City = "Lis" }, ""},
		{"words", func(r *lodgev1.SearchHotelsRequest) { r.Place = "pensao lisb" }, "bica"},
		{"accents", func(r *lodgev1.SearchHotelsRequest) { r.Place = "BAÍA" }, "cascais"},
		{"country", func(r *lodgev1.SearchHotelsRequest) { r.Place = "pt" }, "avenida bica cascais"},
		{"words of two hotels", func(r *lodgev1.SearchHotelsRequest) { r.Place = "bica cascais" }, ""},
		{"within 5 km", func(r *lodgev1.SearchHotelsRequest) { r.Near, r.RadiusKm = near, 5 }, "avenida bica"},
		{"by distance", func(r *lodgev1.SearchHotelsRequest) {
			r.Near, r.RadiusKm, r.Sort = near, 50, lodgev1.SearchSort_SEARCH_SORT_DISTANCE
		}, "bica avenida cascais"},
		{"by price", func(r *lodgev1.SearchHotelsRequest) { r.Place, r.Sort = "pt", lodgev1.SearchSort_SEARCH_SORT_PRICE }, "bica cascais avenida"},
		{"by name", func(r *lodgev1.SearchHotelsRequest) { r.Place, r.Sort = "pt", lodgev1.SearchSort_SEARCH_SORT_NAME }, "avenida cascais bica"},
		{"at most 240", func(r *lodgev1.SearchHotelsRequest) { r.Place, r.MaxTotal = "pt", euros(240) }, "bica cascais"},
		{"at least 240", func(r *lodgev1.SearchHotelsRequest) { r.Place, r.MinTotal = "pt", euros(240) }, "avenida cascais"},
		{"francs", func(r *lodgev1.SearchHotelsRequest) { r.Place, r.MinTotal = "pt", &money.Money{CurrencyCode: "CHF"} }, ""},
		{"three in a double", func(r *lodgev1.SearchHotelsRequest) { r.City, r.Adults, r.Children = "Lisboa", 2, 1 }, ""},
		{"four in two doubles", func(r *lodgev1.SearchHotelsRequest) { r.City, r.Adults, r.Children, r.Quantity = "Lisboa", 2, 2, 2 }, "avenida bica"},
		{"yesterday", func(r *lodgev1.SearchHotelsRequest) { r.City, r.CheckInDate = "Lisboa", day(-1) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int32{0, 1} {
				req := &lodgev1.SearchHotelsRequest{CheckInDate: day(1), CheckOutDate: day(3), PageSize: size}
				c.change(req)
				var got []string
				for {
					page, _ := must[lodgev1.SearchHotelsResponse](t)(s.availability.SearchHotels(t.Context(), connect.NewRequest(req)))
					for _, o := range page.GetOffers() {
						got = append(got, strings.TrimPrefix(o.GetHotel().GetName(), "hotels/"))
						if (o.GetDistanceKm() > 0) != (req.GetNear() != nil) {
							t.Errorf("%s is %g km away", o.GetHotel().GetName(), o.GetDistanceKm())
						}
					}
					if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
						break
					}
				}
				if strings.Join(got, " ") != c.want {
					t.Errorf("pages of %d: got %v, want %s", size, got, c.want)
				}
			}
		})
	}
}

func TestSearchRefuses(t *testing.T) {
	s := newStack(t, api.Options{})
	seedPlaces(s)
	valid := func() *lodgev1.SearchHotelsRequest {
		return &lodgev1.SearchHotelsRequest{Place: "pt", CheckInDate: day(1), CheckOutDate: day(3), PageSize: 1}
	}
	page, _ := must[lodgev1.SearchHotelsResponse](t)(s.availability.SearchHotels(t.Context(), connect.NewRequest(valid())))
	for _, c := range []struct {
		name   string
		change func(*lodgev1.SearchHotelsRequest)
		reason string
		field  string
	}{
		{"nowhere", func(r *lodgev1.SearchHotelsRequest) { r.Place = "" }, "INVALID_ARGUMENT", "city"},
		{"radius of nothing", func(r *lodgev1.SearchHotelsRequest) { r.RadiusKm = 5 }, "INVALID_ARGUMENT", "radius_km"},
		{"no radius", func(r *lodgev1.SearchHotelsRequest) { r.Near = &latlng.LatLng{} }, "INVALID_ARGUMENT", "radius_km"},
		{"off the globe", func(r *lodgev1.SearchHotelsRequest) { r.Near, r.RadiusKm = &latlng.LatLng{Latitude: 91}, 1 }, "INVALID_ARGUMENT", "near.latitude"},
		{"distance of nothing", func(r *lodgev1.SearchHotelsRequest) { r.Sort = lodgev1.SearchSort_SEARCH_SORT_DISTANCE }, "INVALID_ARGUMENT", "sort"},
		{"another sort", func(r *lodgev1.SearchHotelsRequest) { r.Sort = 9 }, "INVALID_ARGUMENT", "sort"},
		{"two currencies", func(r *lodgev1.SearchHotelsRequest) {
			r.MinTotal, r.MaxTotal = euros(1), &money.Money{CurrencyCode: "CHF", Units: 5}
		}, "CURRENCY_MISMATCH", "max_total"},
		{"guests", func(r *lodgev1.SearchHotelsRequest) { r.GuestCount, r.Adults = 3, 2 }, "INVALID_ARGUMENT", "guest_count"},
		{"a token of another search", func(r *lodgev1.SearchHotelsRequest) { r.PageToken, r.Adults = page.GetNextPageToken(), 2 }, "INVALID_PAGE_TOKEN", "page_token"},
		{"a token of another sort", func(r *lodgev1.SearchHotelsRequest) {
			r.PageToken, r.Sort = page.GetNextPageToken(), lodgev1.SearchSort_SEARCH_SORT_NAME
		}, "INVALID_PAGE_TOKEN", "page_token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := valid()
			c.change(req)
			_, err := s.availability.SearchHotels(t.Context(), connect.NewRequest(req))
			expect(t, err, connect.CodeInvalidArgument, c.reason, c.field)
		})
	}
}

func TestNothingFoundTellsOtherDates(t *testing.T) {
	s := newStack(t, api.Options{})
	seedPlaces(s)
	req := &lodgev1.SearchHotelsRequest{City: "Lisboa", CheckInDate: day(58), CheckOutDate: day(61)} // the calendar ends with night 59
	res, _ := must[lodgev1.SearchHotelsResponse](t)(s.availability.SearchHotels(t.Context(), connect.NewRequest(req)))
	if len(res.GetOffers()) != 0 || len(res.GetAlternatives()) != 2 || res.GetAlternatives()[0].GetHotel().GetName() != "hotels/avenida" {
		t.Fatal(res)
	}
	dates := res.GetAlternatives()[1].GetDates()
	if len(dates) != 3 || dates[0].GetCheckInDate().GetDay() != day(57).GetDay() || dates[0].GetRoomType().GetTotal().GetUnits() != 240 {
		t.Errorf("%v", dates)
	}
	if status, got := s.fetch("GET", "/v1/hotels/bica:findAlternatives?checkInDate.year=2026&checkInDate.month=8&checkInDate.day=28&checkOutDate.year=2026&checkOutDate.month=8&checkOutDate.day=31", ""); status != 200 || len(got["dates"].([]any)) != 7 {
		t.Errorf("%d: %v", status, got)
	}
	_, err := s.availability.FindAlternatives(t.Context(), connect.NewRequest(&lodgev1.FindAlternativesRequest{Hotel: "hotels/nowhere", CheckInDate: day(1), CheckOutDate: day(2)}))
	expect(t, err, connect.CodeNotFound, "HOTEL_NOT_FOUND", "")
	_, err = s.availability.FindAlternatives(t.Context(), connect.NewRequest(&lodgev1.FindAlternativesRequest{
		Hotel: "hotels/bica", RoomType: "hotels/bica/roomTypes/cave", CheckInDate: day(1), CheckOutDate: day(2),
	}))
	expect(t, err, connect.CodeNotFound, "ROOM_TYPE_NOT_FOUND", "")
}

// TestSearchSeesWhatItsPositionNames: the answer is kept, and yet never older than what the caller knows of.
func TestSearchSeesWhatItsPositionNames(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(40)
	req := &lodgev1.SearchHotelsRequest{City: "Lisbon", CheckInDate: day(1), CheckOutDate: day(2)}
	for left := int32(40); left > 0; left-- {
		for range 2 {
			res, _ := must[lodgev1.SearchHotelsResponse](t)(s.availability.SearchHotels(t.Context(), connect.NewRequest(req)))
			if n := res.GetOffers()[0].GetRoomTypes()[0].GetAvailableCount(); n != left {
				t.Fatalf("%d rooms are left, want %d", n, left)
			}
		}
		_, req.MinPosition = s.reserve(stay(1, 2))
	}
	if stats := s.api.CacheStats(); stats.Hits < 40 || stats.Misses < 40 {
		t.Errorf("%+v", stats)
	}
}
