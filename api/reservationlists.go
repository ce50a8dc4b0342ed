package api

import (
	"context"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/projections/reservations"
)

// allHotels stands for every hotel in a parent, after AIP-159.
const allHotels = "hotels/-"

// list asks the question that fits the filter.
func (s *reservationService) list(ctx context.Context, req *lodgev1.ListReservationsRequest, after reservations.Cursor) ([]reservations.Reservation, *reservations.Cursor, error) {
	if err := checkFilters(req); err != nil {
		return nil, nil, err
	}
	guest, limit := req.GetGuestId(), pageSize(req.GetPageSize())
	if req.GetParent() == allHotels {
		page, err := s.API.reservations.ListByGuest(ctx, guest, after, limit)
		return page.Items, page.Next, err
	}
	hotelID, err := parseHotel(req.GetParent(), "parent")
	if err != nil {
		return nil, nil, err
	}
	h, err := s.API.hotels.Get(ctx, hotelID)
	if err != nil {
		return nil, nil, err
	}
	q, err := s.narrowed(req)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case byArrival(req):
		from, to, err := arrivals(req)
		if err != nil {
			return nil, nil, err
		}
		return q.ListByArrival(ctx, hotelID, from, to, after, limit)
	case guest != "":
		return q.ListByGuestAtHotel(ctx, guest, hotelID, after, limit)
	case req.GetGroupId() != "":
		return q.ListByGroup(ctx, hotelID, req.GetGroupId(), after, limit)
	case req.GetStayList() == 0 && !searchesAll(req):
		return q.ListByHotel(ctx, hotelID, after, limit)
	}
	day, err := s.today(&h)
	if d := req.GetStayDate(); d != nil {
		day, err = fromDate(d, "stay_date")
	}
	if err != nil {
		return nil, nil, err
	}
	if searchesAll(req) {
		return q.ListByArrival(ctx, hotelID, searchedFrom(day), domain.DateMax, after, limit)
	}
	return ofDay(ctx, q, req.GetStayList(), hotelID, day, after, limit)
}

// narrowed returns the queries for a list's statuses and guest_query.
func (s *reservationService) narrowed(req *lodgev1.ListReservationsRequest) (*reservations.Queries, error) {
	keep, err := s.keeper(req)
	if keep == nil || err != nil {
		return s.API.reservations, err
	}
	return s.API.reservations.Only(keep, s.opts.ListLookMax), nil
}

// ofDay asks for one of the lists of a hotel's day.
func ofDay(ctx context.Context, q *reservations.Queries, list lodgev1.StayList, hotelID string, day domain.Date, after reservations.Cursor, limit int) ([]reservations.Reservation, *reservations.Cursor, error) {
	switch list {
	case lodgev1.StayList_STAY_LIST_ARRIVALS:
		return q.Arrivals(ctx, hotelID, day, after, limit)
	case lodgev1.StayList_STAY_LIST_DEPARTURES:
		return q.Departures(ctx, hotelID, day, after, limit)
	}
	return q.InHouse(ctx, hotelID, day, after, limit)
}

func byArrival(req *lodgev1.ListReservationsRequest) bool {
	return req.GetCheckInStartDate() != nil || req.GetCheckInEndDate() != nil
}

// checkFilters refuses filters that do not go together: a list has one beside statuses and guest_query, and but for a guest's it is of one hotel.
func checkFilters(req *lodgev1.ListReservationsRequest) error {
	used := ""
	for _, f := range []struct {
		field string
		is    bool
	}{
		{"guest_id", req.GetGuestId() != ""},
		{"check_in_start_date", byArrival(req)},
		{"group_id", req.GetGroupId() != ""},
		{"stay_list", req.GetStayList() != 0},
	} {
		switch {
		case !f.is:
		case used != "":
			return domain.Errorf(domain.InvalidArgument, f.field, "%s does not go with %s", f.field, used)
		case req.GetParent() == allHotels && f.field != "guest_id":
			return domain.Errorf(domain.InvalidArgument, f.field, "%s goes with one hotel", f.field)
		default:
			used = f.field
		}
	}
	switch {
	case req.GetParent() == allHotels && len(req.GetStatuses()) > 0:
		return domain.Errorf(domain.InvalidArgument, "statuses", "statuses goes with one hotel")
	case req.GetParent() == allHotels && req.GetGuestQuery() != "":
		return domain.Errorf(domain.InvalidArgument, "guest_query", "guest_query goes with one hotel")
	case req.GetParent() == allHotels && used == "":
		return domain.Errorf(domain.InvalidArgument, "guest_id", "a list over all hotels needs a guest")
	case req.GetStayDate() != nil && req.GetStayList() == 0:
		return domain.Errorf(domain.InvalidArgument, "stay_date", "stay_date goes with stay_list")
	case req.GetGroupId() != "":
		return validUUID(req.GetGroupId(), "group_id")
	}
	return nil
}

// arrivals reads the check-in dates of a filter; a missing end is open.
func arrivals(req *lodgev1.ListReservationsRequest) (from, to domain.Date, err error) {
	from, to = domain.DateMin, domain.DateMax
	if d := req.GetCheckInStartDate(); d != nil {
		if from, err = fromDate(d, "check_in_start_date"); err != nil {
			return 0, 0, err
		}
	}
	if d := req.GetCheckInEndDate(); d != nil {
		if to, err = fromDate(d, "check_in_end_date"); err != nil {
			return 0, 0, err
		}
	}
	if to <= from {
		return 0, 0, domain.Errorf(domain.InvalidDates, "check_in_end_date", "end %s is not after start %s", to, from)
	}
	return from, to, nil
}
