package api

import (
	"context"
	"strconv"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
	"lodge/projections/reservations"
)

// allHotels stands for every hotel in a parent, after AIP-159.
const allHotels = "hotels/-"

// GetReservation returns one reservation.
func (s *reservationService) GetReservation(ctx context.Context, req *connect.Request[lodgev1.GetReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	hotelID, id, err := parseReservation(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	r, err := s.reservation(ctx, hotelID, id.String(), req.Msg.GetMinPosition())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(r), nil
}

// reservation returns a reservation once the read model has seen a position, if one is named.
func (a *API) reservation(ctx context.Context, hotelID, id, position string) (*lodgev1.Reservation, error) {
	if err := a.fresh(ctx, reservations.Name, position); err != nil {
		return nil, err
	}
	r, err := a.reservations.Get(ctx, hotelID, id)
	if err != nil {
		return nil, err
	}
	return reservationRow(&r), nil
}

// ListReservations lists reservations by check-in date.
func (s *reservationService) ListReservations(ctx context.Context, req *connect.Request[lodgev1.ListReservationsRequest]) (*connect.Response[lodgev1.ListReservationsResponse], error) {
	token, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 3)
	if err != nil {
		return nil, err
	}
	after, err := reservationCursor(token)
	if err != nil {
		return nil, err
	}
	if err := s.fresh(ctx, reservations.Name, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	found, next, err := s.list(ctx, req.Msg, after)
	if err != nil {
		return nil, err
	}
	res := &lodgev1.ListReservationsResponse{}
	for i := range found {
		res.Reservations = append(res.Reservations, reservationRow(&found[i]))
	}
	if next != nil {
		res.NextPageToken = newPageToken(req.Msg, strconv.Itoa(int(next.CheckIn)), next.HotelID, next.ReservationID)
	}
	return connect.NewResponse(res), nil
}

// list asks the question that fits the filter.
func (s *reservationService) list(ctx context.Context, req *lodgev1.ListReservationsRequest, after reservations.Cursor) ([]reservations.Reservation, *reservations.Cursor, error) {
	guest, limit, byArrival := req.GetGuestId(), pageSize(req.GetPageSize()), req.GetCheckInStartDate() != nil || req.GetCheckInEndDate() != nil
	if byArrival && (guest != "" || req.GetParent() == allHotels) {
		return nil, nil, domain.Errorf(domain.InvalidArgument, "check_in_start_date", "check-in dates go with one hotel and no guest")
	}
	if req.GetParent() == allHotels {
		if guest == "" {
			return nil, nil, domain.Errorf(domain.InvalidArgument, "guest_id", "a list over all hotels needs a guest")
		}
		page, err := s.API.reservations.ListByGuest(ctx, guest, after, limit)
		return page.Items, page.Next, err
	}
	hotelID, err := parseHotel(req.GetParent(), "parent")
	if err != nil {
		return nil, nil, err
	}
	if _, err := s.API.hotels.Get(ctx, hotelID); err != nil {
		return nil, nil, err
	}
	switch {
	case byArrival:
		from, to, err := arrivals(req)
		if err != nil {
			return nil, nil, err
		}
		return s.API.reservations.ListByArrival(ctx, hotelID, from, to, after, limit)
	case guest != "":
		return s.API.reservations.ListByGuestAtHotel(ctx, guest, hotelID, after, limit)
	}
	return s.API.reservations.ListByHotel(ctx, hotelID, after, limit)
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

func reservationCursor(token []string) (after reservations.Cursor, err error) {
	if token == nil {
		return after, nil
	}
	n, err := strconv.ParseInt(token[0], 10, 32)
	if err != nil {
		return after, badToken("is not one of ours")
	}
	return reservations.Cursor{CheckIn: domain.Date(n), HotelID: token[1], ReservationID: token[2]}, nil
}

// ListReservationEvents lists a reservation's events; the read model says where they lie, the log what they say.
func (s *reservationService) ListReservationEvents(ctx context.Context, req *connect.Request[lodgev1.ListReservationEventsRequest]) (*connect.Response[lodgev1.ListReservationEventsResponse], error) {
	hotelID, id, err := parseReservation(req.Msg.GetParent(), "parent")
	if err != nil {
		return nil, err
	}
	from, err := eventCursor(req.Msg)
	if err != nil {
		return nil, err
	}
	if err := s.fresh(ctx, reservations.Name, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	if _, err := s.API.reservations.Get(ctx, hotelID, id.String()); err != nil {
		return nil, err
	}
	found, more, err := s.API.reservations.History(ctx, hotelID, id.String(), from, pageSize(req.Msg.GetPageSize()))
	if err != nil {
		return nil, err
	}
	res := &lodgev1.ListReservationEventsResponse{}
	for _, entry := range found {
		record, err := s.recordAt(ctx, entry.Position)
		if err != nil {
			return nil, err
		}
		e, err := toEvent(record)
		if err != nil {
			return nil, err
		}
		res.Events = append(res.Events, e)
	}
	if more {
		res.NextPageToken = newPageToken(req.Msg, strconv.FormatInt(int64(found[len(found)-1].Position.Offset)+1, 10))
	}
	return connect.NewResponse(res), nil
}

func eventCursor(req *lodgev1.ListReservationEventsRequest) (log.Offset, error) {
	token, err := parsePageToken(req, req.GetPageToken(), 1)
	if err != nil || token == nil {
		return 0, err
	}
	n, err := strconv.ParseInt(token[0], 10, 64)
	if err != nil || n < 0 {
		return 0, badToken("is not one of ours")
	}
	return log.Offset(n), nil
}

// recordAt reads one event from the log.
func (a *API) recordAt(ctx context.Context, at log.Position) (*log.Record, error) {
	got, err := a.deps.Log.Fetch(ctx, log.FetchRequest{TopicPartition: at.TopicPartition(), Offset: at.Offset, MaxBytes: 1})
	if err != nil {
		return nil, err
	}
	if len(got.Records) == 0 || got.Records[0].Offset != at.Offset {
		return nil, log.NewError(log.OffsetOutOfRange, "read "+at.String(), "the log has no event there")
	}
	return &got.Records[0], nil
}

func reservationRow(r *reservations.Reservation) *lodgev1.Reservation {
	out := &lodgev1.Reservation{
		Name:              reservationName(r.HotelID, r.ReservationID),
		RoomType:          roomTypeName(r.HotelID, r.RoomTypeID),
		Quantity:          int32(r.Quantity),
		CheckInDate:       toDate(r.Stay.CheckIn),
		CheckOutDate:      toDate(r.Stay.CheckOut),
		Status:            lodgev1.ReservationStatus(r.Status),
		Reason:            lodgev1.ReservationReason(r.Reason),
		NightlyAmounts:    toAmounts(r.Total.Currency, r.Nightly),
		Total:             toMoney(r.Total.Currency, r.Total.MinorUnits),
		Channel:           r.Channel,
		ExternalReference: r.ExternalReference,
		CreateTime:        timestamppb.New(r.CreateTime),
		UpdateTime:        timestamppb.New(r.UpdateTime),
		Note:              r.Note,
	}
	if g := r.Guest; g != (reservations.Guest{}) {
		out.Guest = &lodgev1.Guest{
			GuestId: g.GuestID, DisplayName: g.DisplayName, Email: g.Email,
			Adults: int32(g.Adults), Children: int32(g.Children), Infants: int32(g.Infants),
		}
	}
	if !r.HoldExpireTime.IsZero() {
		out.HoldExpireTime = timestamppb.New(r.HoldExpireTime)
	}
	addTerms(out, r.Terms, r.Total.Currency)
	for _, d := range r.FullNights {
		out.FullNights = append(out.FullNights, toDate(d))
	}
	for i := range r.Broken {
		out.BrokenRestrictions = append(out.BrokenRestrictions, toBroken(&r.Broken[i]))
	}
	return out
}
