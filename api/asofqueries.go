package api

import (
	"context"
	"time"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/projections/availability"
	"lodge/projections/hotels"
)

// respond answers with a message, unless there is an error.
func respond[M any](m *M, err error) (*connect.Response[M], error) {
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(m), nil
}

// reservationAsOf returns a reservation as it was.
func (s *reservationService) reservationAsOf(ctx context.Context, m *moment, id string, req *lodgev1.GetReservationRequest) (*lodgev1.Reservation, error) {
	if req.GetSettleWait() != nil {
		return nil, domain.Errorf(domain.InvalidArgument, "settle_wait", "the past does not change: there is nothing to wait for")
	}
	found, err := s.accountAsOf(ctx, m, id)
	if err != nil {
		return nil, err
	}
	return found.message(), nil
}

// nightsAsOf returns a hotel's nights as they were, of one room type, or of all when roomTypeID is empty: those that rangeOf says, given what the hotel was and the time.
func (a *API) nightsAsOf(ctx context.Context, m *moment, roomTypeID string, rangeOf func(*hotels.Hotel, time.Time) (from, to domain.Date, err error)) (answer *lodgev1.Availability, err error) {
	err = a.readPast(ctx, m, func(p *past) error {
		house, err := p.house()
		if err != nil {
			return err
		}
		h, err := house.Get(p.hotelID)
		if err != nil {
			return err
		}
		types := house.RoomTypes(p.hotelID)
		if roomTypeID != "" {
			t, err := house.GetRoomType(p.hotelID, roomTypeID)
			if err != nil {
				return err
			}
			types = []hotels.RoomType{t}
		}
		from, to, err := rangeOf(&h, m.time)
		if err != nil {
			return err
		}
		calendar, err := p.calendar(roomTypeID, from, to)
		if err != nil {
			return err
		}
		answer = &lodgev1.Availability{Hotel: hotelName(p.hotelID)}
		for i := range types {
			t := &types[i]
			found := calendar.Nights(t.RoomTypeID, t.MaxGuests, t.Archived, t.BaseRate)
			answer.RoomTypes = append(answer.RoomTypes, toRoomTypeAvailability(p.hotelID, t.DisplayName, &found))
		}
		return nil
	})
	return answer, err
}

// ratesAsOf returns the rates of a room type in a rate plan as they were.
func (s *rateService) ratesAsOf(ctx context.Context, m *moment, plan, roomType string, req *lodgev1.ListRatesRequest) (rates []availability.Rate, err error) {
	err = s.readPast(ctx, m, func(p *past) error {
		house, err := p.house()
		if err != nil {
			return err
		}
		if _, err := house.GetRatePlan(p.hotelID, plan); err != nil {
			return err
		}
		if _, err := house.GetRoomType(p.hotelID, roomType); err != nil {
			return err
		}
		h, err := house.Get(p.hotelID)
		if err != nil {
			return err
		}
		from, to, err := nightsFrom(&h, m.time, req.GetStartDate(), req.GetEndDate(), nightsMax)
		if err != nil {
			return err
		}
		then := availability.NewPastRates(p.hotelID, plan, roomType, from, to)
		if err := p.each(event.InventoryTopic, then.Take); err != nil {
			return err
		}
		rates = then.Rates()
		return nil
	})
	return rates, err
}
