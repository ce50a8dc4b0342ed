package api

import (
	"context"
	"strconv"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/projections/availability"
	"lodge/projections/cache"
	"lodge/projections/hotels"
)

// The most that an answer to a search without a find says of other dates.
const (
	nearbyHotels = 5
	nearbyDates  = 3
)

// SearchHotels finds hotels that a stay can be booked in.
func (s *availabilityService) SearchHotels(ctx context.Context, req *connect.Request[lodgev1.SearchHotelsRequest]) (*connect.Response[lodgev1.SearchHotelsResponse], error) {
	search, err := s.searchOf(req.Msg)
	if err != nil {
		return nil, err
	}
	if err := s.freshNights(ctx, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	page, err := s.availability.Search(ctx, search)
	if err != nil {
		return nil, err
	}
	res := &lodgev1.SearchHotelsResponse{}
	for i := range page.Offers {
		offer, err := s.offer(ctx, &page.Offers[i], search.Stay)
		if err != nil {
			return nil, err
		}
		if offer != nil {
			res.Offers = append(res.Offers, offer)
		}
	}
	if page.Next != nil {
		res.NextPageToken = newPageToken(req.Msg, markParts(page.Next)...)
	}
	if len(page.Offers) == 0 && page.Next == nil && search.After == nil {
		res.Alternatives, err = s.nearby(ctx, search)
	}
	return connect.NewResponse(res), err
}

// searchOf reads what is searched for. What belongs to the search itself is checked there.
func (a *API) searchOf(req *lodgev1.SearchHotelsRequest) (search availability.Request, err error) {
	if req.GetAsOfTime() != nil {
		return search, domain.Errorf(ReasonAsOfUnsupported, "as_of_time",
			"what a search goes by, places and the cheapest offers of all hotels, is kept as it is now; GetAvailability tells the past of a hotel, ListHotels of all")
	}
	token, err := parsePageToken(req, req.GetPageToken(), markLen)
	if err != nil {
		return search, err
	}
	search = availability.Request{
		City: req.GetCity(), Place: req.GetPlace(), Sort: availability.Sort(req.GetSort()),
		Now: a.opts.Clock(), Limit: min(pageSize(req.GetPageSize()), availability.PageMax),
	}
	if token != nil {
		if search.After, err = markOf(token); err != nil {
			return search, err
		}
	}
	switch near := req.GetNear(); {
	case near != nil:
		search.Near = &availability.Circle{Latitude: near.GetLatitude(), Longitude: near.GetLongitude(), RadiusKM: req.GetRadiusKm()}
	case req.GetRadiusKm() != 0:
		return search, domain.Errorf(domain.InvalidArgument, "radius_km", "a radius needs a point")
	}
	if search.Price, err = priceRange(req.GetMinTotal(), req.GetMaxTotal()); err != nil {
		return search, err
	}
	search.Quantity, search.Adults, search.Children = max(1, req.GetQuantity()), req.GetAdults(), req.GetChildren()
	if n := req.GetGuestCount(); n != 0 {
		if search.Adults+search.Children != 0 && search.Adults+search.Children != n {
			return search, domain.Errorf(domain.InvalidArgument, "guest_count", "%d guests are not %d adults and %d children", n, search.Adults, search.Children)
		}
		search.Adults = n - search.Children
	}
	search.Stay, err = stayOf(req)
	return search, err
}

// stayDates is a request that names the days of a stay.
type stayDates interface {
	GetCheckInDate() *date.Date
	GetCheckOutDate() *date.Date
}

// stayOf reads the dates of a request, which make a stay.
func stayOf(req stayDates) (stay domain.Stay, err error) {
	if stay.CheckIn, err = fromDate(req.GetCheckInDate(), "check_in_date"); err != nil {
		return stay, err
	}
	if stay.CheckOut, err = fromDate(req.GetCheckOutDate(), "check_out_date"); err != nil {
		return stay, err
	}
	return stay, stay.Validate()
}

func priceRange(least, most *money.Money) (*availability.PriceRange, error) {
	if least == nil && most == nil {
		return nil, nil
	}
	r := &availability.PriceRange{}
	if least != nil {
		m, err := fromMoney(least, "min_total")
		if err != nil {
			return nil, err
		}
		r.Currency, r.Min = m.Currency, m.MinorUnits
	}
	if most != nil {
		m, err := fromMoney(most, "max_total")
		if err != nil {
			return nil, err
		}
		if least != nil && m.Currency != r.Currency {
			return nil, domain.Errorf(domain.CurrencyMismatch, "max_total", "%s is not the currency of min_total, %s", m.Currency, r.Currency)
		}
		r.Currency, r.Max = m.Currency, &m.MinorUnits
	}
	return r, nil
}

// markLen is how many parts of a page token a mark is.
const markLen = 5

func markParts(m *availability.Mark) []string {
	return []string{
		m.HotelID, m.Name, strconv.FormatFloat(m.Distance, 'g', -1, 64), m.Price.Currency, strconv.FormatInt(m.Price.MinorUnits, 10),
	}
}

func markOf(parts []string) (*availability.Mark, error) {
	m := &availability.Mark{HotelID: parts[0], Name: parts[1]}
	m.Price.Currency = parts[3]
	var err error
	if m.Distance, err = strconv.ParseFloat(parts[2], 64); err == nil {
		m.Price.MinorUnits, err = strconv.ParseInt(parts[4], 10, 64)
	}
	if err != nil {
		return nil, badToken("is not one of ours")
	}
	return m, nil
}

// sheet is how a hotel presents itself. Shared: not to be changed.
type sheet struct {
	hotel     hotels.Hotel
	roomTypes map[string]*hotels.RoomType
}

type sheetQuestion struct{}

func (s *sheet) bytes() int {
	n := 1000 + len(s.hotel.Description)
	for _, t := range s.roomTypes {
		n += 300 + len(t.Description)
	}
	return n
}

// sheetOf returns a hotel with its room types. The error has reason domain.HotelNotFound when there is none.
func (a *API) sheetOf(ctx context.Context, hotelID string) (*sheet, error) {
	return cache.Get(a.cache, cache.Key{Hotel: hotelID, Question: sheetQuestion{}}, (*sheet).bytes, func() (*sheet, error) {
		h, err := a.hotels.Get(ctx, hotelID)
		if err != nil {
			return nil, err
		}
		types, _, err := a.hotels.ListRoomTypes(ctx, hotelID, true, "", hotels.PageMax)
		if err != nil {
			return nil, err
		}
		s := &sheet{h, make(map[string]*hotels.RoomType, len(types))}
		for i := range types {
			s.roomTypes[types[i].RoomTypeID] = &types[i]
		}
		return s, nil
	})
}

// offer adds to a found hotel what it and its room types are called. nil: the other read model does not know them yet.
func (a *API) offer(ctx context.Context, found *availability.Offer, stay domain.Stay) (*lodgev1.HotelOffer, error) {
	s, err := a.sheetOf(ctx, found.HotelID)
	if domain.ReasonOf(err) == domain.HotelNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	offer := &lodgev1.HotelOffer{Hotel: hotelRow(&s.hotel), DistanceKm: found.DistanceKM}
	for i := range found.RoomTypes {
		if t := s.roomOffer(stay, &found.RoomTypes[i], found.Currency); t != nil {
			offer.RoomTypes = append(offer.RoomTypes, t)
		}
	}
	if len(offer.RoomTypes) == 0 {
		return nil, nil
	}
	return offer, nil
}

// roomOffer returns the API's form of an offer, nil when the room type is not known here yet.
func (s *sheet) roomOffer(stay domain.Stay, room *availability.RoomOffer, currency string) *lodgev1.RoomTypeOffer {
	t := s.roomTypes[room.RoomTypeID]
	if t == nil {
		return nil
	}
	offer := &lodgev1.RoomTypeOffer{
		RoomType: roomTypeRow(t), AvailableCount: int32(room.Available), Total: toMoney(currency, room.Price.Total),
		Nights: quoteNights(stay.CheckIn, &room.Price, currency), Charges: toCharges(room.Price.Charges, currency),
		Cancellation: toCancellation(room.Plan.GetCancellation(), currency),
	}
	if id := room.RatePlanID(); id != "" {
		offer.RatePlan = ratePlanName(s.hotel.HotelID, id)
	}
	return offer
}

// quoteNights returns the lines of a stay's nights.
func quoteNights(checkIn domain.Date, price *hotel.StayPrice, currency string) (nights []*lodgev1.QuoteNight) {
	for i, line := range price.Nightly {
		night := &lodgev1.QuoteNight{Date: toDate(checkIn.AddDays(i)), Amount: toMoney(currency, line)}
		if price.ExtraGuests != 0 {
			night.ExtraGuestAmount = toMoney(currency, price.ExtraGuests)
		}
		nights = append(nights, night)
	}
	return nights
}
