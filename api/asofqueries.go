package api

import (
	"context"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
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

// hotelAsOf returns a hotel as it was.
func (s *hotelService) hotelAsOf(ctx context.Context, m *moment) (answer *lodgev1.Hotel, err error) {
	err = s.readPast(ctx, m, func(p *past) error {
		house, err := p.house()
		if err != nil {
			return err
		}
		h, err := house.Get(p.hotelID)
		answer = hotelRow(&h)
		return err
	})
	return answer, err
}

// nightsAsOf returns a hotel's nights as they were.
func (s *availabilityService) nightsAsOf(ctx context.Context, m *moment, roomTypeID string, req *lodgev1.GetAvailabilityRequest) (answer *lodgev1.Availability, err error) {
	err = s.readPast(ctx, m, func(p *past) error {
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
		start := req.GetStartDate()
		if start == nil {
			place, err := domain.LoadTimeZone(h.TimeZone)
			if err != nil {
				return err
			}
			start = toDate(domain.Today(m.time, place))
		}
		from, to, err := p.nights(&h, start, req.GetEndDate(), nightsMax)
		if err != nil {
			return err
		}
		calendar, err := p.calendar(from, to)
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
