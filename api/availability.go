package api

import (
	"cmp"
	"context"
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/projections/availability"
	"lodge/projections/hotels"
)

const (
	nightsDefault   = 30  // of a range without an end
	nightsMax       = 366 // of GetAvailability
	nightsMaxOfType = 1100
)

// availabilityService answers what can be booked.
type availabilityService struct{ *API }

// SearchHotels finds hotels in a city that have rooms for a stay.
func (s *availabilityService) SearchHotels(ctx context.Context, req *connect.Request[lodgev1.SearchHotelsRequest]) (*connect.Response[lodgev1.SearchHotelsResponse], error) {
	search, err := searchOf(req.Msg)
	if err != nil {
		return nil, err
	}
	if err := s.fresh(ctx, availability.Name, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	page, err := s.availability.Search(ctx, search)
	if err != nil {
		return nil, err
	}
	res := &lodgev1.SearchHotelsResponse{}
	for i := range page.Items {
		offer, err := s.offer(ctx, &page.Items[i])
		if err != nil {
			return nil, err
		}
		if offer != nil {
			res.Offers = append(res.Offers, offer)
		}
	}
	if page.Next != nil {
		res.NextPageToken = newPageToken(req.Msg, *page.Next)
	}
	return connect.NewResponse(res), nil
}

func searchOf(req *lodgev1.SearchHotelsRequest) (search availability.Request, err error) {
	token, err := parsePageToken(req, req.GetPageToken(), 1)
	if err != nil {
		return search, err
	}
	search = availability.Request{
		City:     req.GetCity(),
		Quantity: int(max(1, req.GetQuantity())),
		Guests:   int(req.GetGuestCount()),
		Limit:    min(pageSize(req.GetPageSize()), availability.PageMax),
	}
	if token != nil {
		search.After = token[0]
	}
	if search.Stay.CheckIn, err = fromDate(req.GetCheckInDate(), "check_in_date"); err != nil {
		return search, err
	}
	if search.Stay.CheckOut, err = fromDate(req.GetCheckOutDate(), "check_out_date"); err != nil {
		return search, err
	}
	return search, search.Stay.Validate()
}

// offer adds to a found hotel what it and its room types are called. nil: the other read model does not know the hotel yet.
func (s *availabilityService) offer(ctx context.Context, found *availability.Offer) (*lodgev1.HotelOffer, error) {
	h, err := s.hotels.Get(ctx, found.HotelID)
	if domain.ReasonOf(err) == domain.HotelNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	offer := &lodgev1.HotelOffer{Hotel: hotelRow(&h)}
	for _, room := range found.RoomTypes {
		t, err := s.hotels.GetRoomType(ctx, found.HotelID, room.RoomTypeID)
		if domain.ReasonOf(err) == domain.RoomTypeNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		offer.RoomTypes = append(offer.RoomTypes, &lodgev1.RoomTypeOffer{
			RoomType:       roomTypeRow(&t),
			AvailableCount: int32(room.Available),
			Total:          toMoney(room.Total.Currency, room.Total.MinorUnits),
		})
	}
	slices.SortStableFunc(offer.RoomTypes, func(a, b *lodgev1.RoomTypeOffer) int {
		return cmp.Or(cmp.Compare(a.GetTotal().GetUnits(), b.GetTotal().GetUnits()), cmp.Compare(a.GetTotal().GetNanos(), b.GetTotal().GetNanos()))
	})
	return offer, nil
}

// GetAvailability returns a hotel's nights.
func (s *availabilityService) GetAvailability(ctx context.Context, req *connect.Request[lodgev1.GetAvailabilityRequest]) (*connect.Response[lodgev1.Availability], error) {
	hotelID, err := parseHotel(req.Msg.GetHotel(), "hotel")
	if err != nil {
		return nil, err
	}
	roomTypeID := ""
	if name := req.Msg.GetRoomType(); name != "" {
		of, id, err := parseRoomType(name, "room_type")
		if err != nil {
			return nil, err
		}
		if of != hotelID {
			return nil, domain.Errorf(domain.InvalidArgument, "room_type", "the room type is not of hotel %s", hotelID)
		}
		roomTypeID = id
	}
	if err := s.freshNights(ctx, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	h, err := s.hotels.Get(ctx, hotelID)
	if err != nil {
		return nil, err
	}
	from, to, err := s.nights(&h, req.Msg.GetStartDate(), req.Msg.GetEndDate(), nightsMax)
	if err != nil {
		return nil, err
	}
	answer, err := s.nightsOf(ctx, &h, roomTypeID, from, to)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(answer), nil
}

// freshNights waits for both read models that an answer with names and nights is made of.
func (a *API) freshNights(ctx context.Context, minPosition string) error {
	if err := a.fresh(ctx, hotels.Name, minPosition); err != nil {
		return err
	}
	return a.fresh(ctx, availability.Name, minPosition)
}

// nights reads a range of nights whose ends may be missing.
func (a *API) nights(h *hotels.Hotel, start, end *date.Date, most int) (from, to domain.Date, err error) {
	if start == nil {
		from, err = a.today(h)
	} else {
		from, err = fromDate(start, "start_date")
	}
	if err != nil {
		return 0, 0, err
	}
	to = from.AddDays(nightsDefault)
	if end != nil {
		if to, err = fromDate(end, "end_date"); err != nil {
			return 0, 0, err
		}
	}
	switch {
	case to <= from:
		return 0, 0, domain.Errorf(domain.InvalidDates, "end_date", "end %s is not after start %s", to, from)
	case int(to-from) > most:
		return 0, 0, domain.Errorf(domain.InvalidDates, "end_date", "%d nights are more than %d", to-from, most)
	}
	return from, to, nil
}

// nightsOf returns the nights of one room type, or of all when roomTypeID is empty.
func (a *API) nightsOf(ctx context.Context, h *hotels.Hotel, roomTypeID string, from, to domain.Date) (*lodgev1.Availability, error) {
	names := map[string]string{}
	if roomTypeID != "" {
		t, err := a.hotels.GetRoomType(ctx, h.HotelID, roomTypeID)
		if err != nil {
			return nil, err
		}
		names[t.RoomTypeID] = t.DisplayName
	} else {
		types, _, err := a.hotels.ListRoomTypes(ctx, h.HotelID, false, "", hotels.PageMax)
		if err != nil {
			return nil, err
		}
		for i := range types {
			names[types[i].RoomTypeID] = types[i].DisplayName
		}
	}
	found, err := a.availability.Range(ctx, h.HotelID, roomTypeID, from, to)
	if err != nil {
		return nil, err
	}
	answer := &lodgev1.Availability{Hotel: hotelName(h.HotelID)}
	for i := range found {
		t := &lodgev1.RoomTypeAvailability{
			RoomType:    roomTypeName(h.HotelID, found[i].RoomTypeID),
			DisplayName: names[found[i].RoomTypeID],
			MaxGuests:   int32(found[i].MaxGuests),
		}
		for j := range found[i].Nights {
			t.Nights = append(t.Nights, toNight(&found[i].Nights[j]))
		}
		answer.RoomTypes = append(answer.RoomTypes, t)
	}
	return answer, nil
}

func toNight(n *availability.Night) *lodgev1.StayNight {
	night := &lodgev1.StayNight{
		Date:             toDate(n.Date),
		PhysicalCount:    int32(n.Physical),
		OutOfOrderCount:  int32(n.OutOfOrder),
		OverbookingLimit: int32(n.Overbooking),
		SellableCount:    int32(n.Sellable()),
		SoldCount:        int32(n.Sold),
		HeldCount:        int32(n.Held),
		AvailableCount:   int32(n.Available()),

		OverbookingPercent: int32(n.OverbookingPercent),
		Restrictions:       toRestrictions(n.Restrictions),
	}
	if n.Rate != nil {
		night.NightlyRate = toMoney(n.Rate.Currency, n.Rate.MinorUnits)
	}
	return night
}

// ListInventory lists the nights of a room type, archived or not.
func (s *inventoryService) ListInventory(ctx context.Context, req *connect.Request[lodgev1.ListInventoryRequest]) (*connect.Response[lodgev1.ListInventoryResponse], error) {
	hotelID, id, err := parseRoomType(req.Msg.GetParent(), "parent")
	if err != nil {
		return nil, err
	}
	token, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 2)
	if err != nil {
		return nil, err
	}
	if err := s.freshNights(ctx, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	h, err := s.hotels.Get(ctx, hotelID)
	if err != nil {
		return nil, err
	}
	from, to, err := s.nights(&h, req.Msg.GetStartDate(), req.Msg.GetEndDate(), nightsMaxOfType)
	if token != nil {
		from, to, err = tokenRange(token)
	}
	if err != nil {
		return nil, err
	}
	upto := min(to, from.AddDays(pageSize(req.Msg.GetPageSize())))
	found, err := s.nightsOf(ctx, &h, id, from, upto)
	if err != nil {
		return nil, err
	}
	res := &lodgev1.ListInventoryResponse{}
	for _, t := range found.GetRoomTypes() {
		res.Nights = t.GetNights()
	}
	if upto < to {
		res.NextPageToken = newPageToken(req.Msg, upto.String(), to.String())
	}
	return connect.NewResponse(res), nil
}

// tokenRange reads what is left of a range, whose ends were fixed by the first page.
func tokenRange(parts []string) (from, to domain.Date, err error) {
	if from, err = domain.ParseDate(parts[0]); err == nil {
		to, err = domain.ParseDate(parts[1])
	}
	if err != nil || to <= from {
		return 0, 0, badToken("is not one of ours")
	}
	return from, to, nil
}
