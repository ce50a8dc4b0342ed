package api

import (
	"context"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/projections/availability"
	"lodge/projections/hotels"
)

// SetRates sets the nightly rates of a room type in a rate plan.
func (s *rateService) SetRates(ctx context.Context, req *connect.Request[lodgev1.SetRatesRequest]) (*connect.Response[lodgev1.SetRatesResponse], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	body := &hotel.SetRates{Weekdays: fromWeekdays(req.Msg.GetWeekdays())}
	if body.Hotel, body.RatePlan, err = parseRatePlan(req.Msg.GetRatePlan(), "rate_plan"); err != nil {
		return nil, err
	}
	if body.RoomType, err = roomTypeOf(body.Hotel, req.Msg.GetRoomType()); err != nil {
		return nil, err
	}
	if body.Start, err = fromDate(req.Msg.GetStartDate(), "start_date"); err != nil {
		return nil, err
	}
	if body.End, err = fromDate(req.Msg.GetEndDate(), "end_date"); err != nil {
		return nil, err
	}
	if rate := req.Msg.GetNightlyRate(); rate != nil {
		amount, err := fromMoney(rate, "nightly_rate")
		if err != nil {
			return nil, err
		}
		body.NightlyRate = &amount
	}
	res := connect.NewResponse[lodgev1.SetRatesResponse](nil)
	result, err := s.execute(ctx, c, body, res.Header())
	if err != nil {
		return nil, err
	}
	res.Msg = &lodgev1.SetRatesResponse{
		Position: result.Position.String(), NightCount: int32(body.Weekdays.Count(body.Start, body.End)),
	}
	return res, nil
}

// roomTypeOf reads the name of a room type that must be of a hotel.
func roomTypeOf(hotelID, name string) (string, error) {
	of, id, err := parseRoomType(name, "room_type")
	if err == nil && of != hotelID {
		err = domain.Errorf(domain.InvalidArgument, "room_type", "the room type is not of hotel %s", hotelID)
	}
	return id, err
}

// ListRates lists the nightly rates of a room type in a rate plan.
func (s *rateService) ListRates(ctx context.Context, req *connect.Request[lodgev1.ListRatesRequest]) (*connect.Response[lodgev1.ListRatesResponse], error) {
	hotelID, plan, err := parseRatePlan(req.Msg.GetParent(), "parent")
	if err != nil {
		return nil, err
	}
	roomType, err := roomTypeOf(hotelID, req.Msg.GetRoomType())
	if err != nil {
		return nil, err
	}
	if err := s.freshNights(ctx, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	m, err := s.moment(ctx, hotelID, req.Msg)
	if err != nil {
		return nil, err
	}
	var rates []availability.Rate
	if m != nil {
		rates, err = s.ratesAsOf(ctx, m, plan, roomType, req.Msg)
	} else {
		rates, err = s.ratesNow(ctx, hotelID, plan, roomType, req.Msg)
	}
	return respond(&lodgev1.ListRatesResponse{Rates: toRates(rates)}, err)
}

// ratesNow returns the rates of a room type in a rate plan.
func (s *rateService) ratesNow(ctx context.Context, hotelID, plan, roomType string, req *lodgev1.ListRatesRequest) ([]availability.Rate, error) {
	h, err := s.planAndRoom(ctx, hotelID, plan, roomType)
	if err != nil {
		return nil, err
	}
	from, to, err := nightsFrom(h, s.opts.Clock(), req.GetStartDate(), req.GetEndDate(), nightsMax)
	if err != nil {
		return nil, err
	}
	return s.availability.Rates(ctx, hotelID, plan, roomType, from, to)
}

// planAndRoom returns the hotel, when it has the rate plan and the room type.
func (a *API) planAndRoom(ctx context.Context, hotelID, plan, roomType string) (*hotels.Hotel, error) {
	if _, err := a.hotels.GetRatePlan(ctx, hotelID, plan); err != nil {
		return nil, err
	}
	if _, err := a.hotels.GetRoomType(ctx, hotelID, roomType); err != nil {
		return nil, err
	}
	h, err := a.hotels.Get(ctx, hotelID)
	return &h, err
}

func toRates(rates []availability.Rate) (out []*lodgev1.NightlyRate) {
	for _, r := range rates {
		out = append(out, &lodgev1.NightlyRate{Date: toDate(r.Date), Amount: toMoney(r.Amount.Currency, r.Amount.MinorUnits)})
	}
	return out
}
