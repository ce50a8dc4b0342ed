package api

import (
	"context"
	"time"

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

// GetAvailability returns a hotel's nights.
func (s *availabilityService) GetAvailability(ctx context.Context, req *connect.Request[lodgev1.GetAvailabilityRequest]) (*connect.Response[lodgev1.Availability], error) {
	hotelID, roomTypeID, err := hotelAndType(req.Msg.GetHotel(), req.Msg.GetRoomType())
	if err != nil {
		return nil, err
	}
	if err := s.freshNights(ctx, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	answer, err := s.nightsThen(ctx, hotelID, roomTypeID, req.Msg, func(h *hotels.Hotel, at time.Time) (from, to domain.Date, err error) {
		return nightsFrom(h, at, req.Msg.GetStartDate(), req.Msg.GetEndDate(), nightsMax)
	})
	return respond(answer, err)
}

// nightsThen returns a hotel's nights as they are, or were when the request asks for that, of one room type, or of all when roomTypeID is empty: those that rangeOf
// says, given the hotel and the time.
func (a *API) nightsThen(ctx context.Context, hotelID, roomTypeID string, req asOf, rangeOf func(*hotels.Hotel, time.Time) (from, to domain.Date, err error)) (*lodgev1.Availability, error) {
	m, err := a.moment(ctx, hotelID, req)
	if err != nil {
		return nil, err
	}
	if m != nil {
		return a.nightsAsOf(ctx, m, roomTypeID, rangeOf)
	}
	h, err := a.hotels.Get(ctx, hotelID)
	if err != nil {
		return nil, err
	}
	from, to, err := rangeOf(&h, a.opts.Clock())
	if err != nil {
		return nil, err
	}
	return a.nightsOf(ctx, &h, roomTypeID, from, to)
}

// freshNights waits for both read models that an answer with names and nights is made of.
func (a *API) freshNights(ctx context.Context, minPosition string) error {
	if err := a.fresh(ctx, hotels.Name, minPosition); err != nil {
		return err
	}
	return a.fresh(ctx, availability.Name, minPosition)
}

// nightsFrom reads a range of nights whose ends may be missing: by default it begins on the hotel's day at a time.
func nightsFrom(h *hotels.Hotel, at time.Time, start, end *date.Date, most int) (from, to domain.Date, err error) {
	if start == nil {
		from, err = dayAt(h, at)
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
		answer.RoomTypes = append(answer.RoomTypes, toRoomTypeAvailability(h.HotelID, names[found[i].RoomTypeID], &found[i]))
	}
	return answer, nil
}

func toRoomTypeAvailability(hotelID, displayName string, found *availability.Nights) *lodgev1.RoomTypeAvailability {
	t := &lodgev1.RoomTypeAvailability{
		RoomType: roomTypeName(hotelID, found.RoomTypeID), DisplayName: displayName, MaxGuests: int32(found.MaxGuests),
	}
	for i := range found.Nights {
		t.Nights = append(t.Nights, toNight(&found.Nights[i]))
	}
	return t
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
	var upto, to domain.Date
	found, err := s.nightsThen(ctx, hotelID, id, req.Msg, func(h *hotels.Hotel, at time.Time) (from, _ domain.Date, err error) {
		if token != nil {
			from, to, err = tokenRange(token)
		} else {
			from, to, err = nightsFrom(h, at, req.Msg.GetStartDate(), req.Msg.GetEndDate(), nightsMaxOfType)
		}
		upto = min(to, from.AddDays(pageSize(req.Msg.GetPageSize())))
		return from, upto, err
	})
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
