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

// GetReservation returns one reservation.
func (s *reservationService) GetReservation(ctx context.Context, req *connect.Request[lodgev1.GetReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	hotelID, id, err := parseReservation(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	if err := s.fresh(ctx, reservations.Name, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	m, err := s.moment(ctx, hotelID, req.Msg)
	if err != nil {
		return nil, err
	}
	if m != nil {
		return respond(s.reservationAsOf(ctx, m, id.String(), req.Msg))
	}
	found, err := s.awaitMoney(ctx, hotelID, req.Msg.GetSettleWait().AsDuration(), func() (*account, bool, error) {
		found, err := s.account(ctx, hotelID, id.String())
		return found, err == nil && found.settled(), err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(found.message()), nil
}

// reservation returns a reservation once the read model has seen a position, if one is named.
func (a *API) reservation(ctx context.Context, hotelID, id, position string) (*lodgev1.Reservation, error) {
	if err := a.fresh(ctx, reservations.Name, position); err != nil {
		return nil, err
	}
	found, err := a.account(ctx, hotelID, id)
	if err != nil {
		return nil, err
	}
	return found.message(), nil
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
	res := &lodgev1.ListReservationsResponse{}
	var next *reservations.Cursor
	if req.Msg.GetAsOf() == nil {
		res.Reservations, next, err = s.reservationsNow(ctx, req.Msg, after)
	} else {
		res.Reservations, next, err = s.reservationsThen(ctx, req.Msg, after)
	}
	if err != nil {
		return nil, err
	}
	if next != nil {
		res.NextPageToken = newPageToken(req.Msg, strconv.Itoa(int(next.CheckIn)), next.HotelID, next.ReservationID)
	}
	return connect.NewResponse(res), nil
}

// reservationsNow returns one page of a list.
func (s *reservationService) reservationsNow(ctx context.Context, req *lodgev1.ListReservationsRequest, after reservations.Cursor) (answer []*lodgev1.Reservation, next *reservations.Cursor, err error) {
	found, next, err := s.list(ctx, req, after)
	if err != nil {
		return nil, nil, err
	}
	for i := range found {
		r, err := s.accountOf(ctx, &found[i])
		if err != nil {
			return nil, nil, err
		}
		answer = append(answer, r.message())
	}
	return answer, next, nil
}

// reservationsThen returns one page of a list as it was.
func (s *reservationService) reservationsThen(ctx context.Context, req *lodgev1.ListReservationsRequest, after reservations.Cursor) ([]*lodgev1.Reservation, *reservations.Cursor, error) {
	if err := checkFilters(req); err != nil {
		return nil, nil, err
	}
	if req.GetParent() == allHotels {
		return nil, nil, domain.Errorf(domain.InvalidArgument, "parent", "the past is told of one hotel, not of %s", allHotels)
	}
	hotelID, err := parseHotel(req.GetParent(), "parent")
	if err != nil {
		return nil, nil, err
	}
	m, err := s.moment(ctx, hotelID, req)
	if err != nil {
		return nil, nil, err
	}
	if m == nil {
		return nil, nil, domain.Errorf(ReasonInvalidPosition, "as_of_position", "the position is empty")
	}
	return s.reservationsAsOf(ctx, m, req, after)
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

// ListReservationEvents lists the events of a reservation and of its payments; the read models say where they lie, the log what they say.
func (s *reservationService) ListReservationEvents(ctx context.Context, req *connect.Request[lodgev1.ListReservationEventsRequest]) (*connect.Response[lodgev1.ListReservationEventsResponse], error) {
	hotelID, id, err := parseReservation(req.Msg.GetParent(), "parent")
	if err != nil {
		return nil, err
	}
	from, err := eventCursor(req.Msg)
	if err != nil {
		return nil, err
	}
	if _, err := s.freshAccount(ctx, hotelID, id.String(), req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	found, next, err := s.API.reservations.Life(ctx, s.payments, hotelID, id.String(), from, pageSize(req.Msg.GetPageSize()))
	if err != nil {
		return nil, err
	}
	res := &lodgev1.ListReservationEventsResponse{}
	for _, at := range found {
		record, err := s.recordAt(ctx, at)
		if err != nil {
			return nil, err
		}
		e, err := s.toEvent(record)
		if err != nil {
			return nil, err
		}
		res.Events = append(res.Events, e)
	}
	if next != nil {
		res.NextPageToken = newPageToken(req.Msg, strconv.FormatInt(int64(next.Bookings), 10), strconv.FormatInt(int64(next.Payments), 10))
	}
	return connect.NewResponse(res), nil
}

func eventCursor(req *lodgev1.ListReservationEventsRequest) (from reservations.Places, err error) {
	token, err := parsePageToken(req, req.GetPageToken(), 2)
	if err != nil || token == nil {
		return from, err
	}
	return placesOf(token)
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
		Guest:             guestRow(&r.Guest),
		Etag:              reservationEtag(r.HotelID, r.ReservationID, r.Version),
	}
	if !r.HoldExpireTime.IsZero() {
		out.HoldExpireTime = timestamppb.New(r.HoldExpireTime)
	}
	addTerms(out, r.Terms, r.Total.Currency)
	addLife(out, r)
	for _, d := range r.FullNights {
		out.FullNights = append(out.FullNights, toDate(d))
	}
	for i := range r.Broken {
		out.BrokenRestrictions = append(out.BrokenRestrictions, toBroken(&r.Broken[i]))
	}
	return out
}

// addLife adds what became of a reservation beside its status.
func addLife(out *lodgev1.Reservation, r *reservations.Reservation) {
	out.GroupId, out.RelocatedTo, out.DeclineCode = r.GroupID, r.RelocatedTo, r.DeclineCode
	if r.WaitingListEntryID != "" {
		out.WaitingListEntry = waitingListEntryName(r.HotelID, r.WaitingListEntryID)
	}
	if r.Visit == nil {
		return
	}
	out.Rooms, out.StayStatus = roomNames(r.HotelID, r.Visit.RoomIDs), lodgev1.StayStatus_STAY_STATUS_CHECKED_OUT
	if r.InHouse() {
		out.StayStatus = lodgev1.StayStatus_STAY_STATUS_CHECKED_IN
	}
}
