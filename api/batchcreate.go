package api

import (
	"context"
	"fmt"
	"strconv"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// BatchCreateReservations reserves a group: all of it or nothing.
func (s *reservationService) BatchCreateReservations(ctx context.Context, req *connect.Request[lodgev1.BatchCreateReservationsRequest]) (*connect.Response[lodgev1.BatchCreateReservationsResponse], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	body, err := s.placeGroup(ctx, req.Msg)
	if err != nil {
		return nil, err
	}
	result, err := s.earlierGroup(ctx, c, body)
	if err == nil && len(result.Events) == 0 {
		result, err = s.do(ctx, c, body)
	}
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse[lodgev1.BatchCreateReservationsResponse](nil)
	say(res.Header(), result)
	res.Msg, err = s.groupAnswer(result, body)
	return res, err
}

// placeGroup makes the command of a request.
func (s *reservationService) placeGroup(ctx context.Context, req *lodgev1.BatchCreateReservationsRequest) (*hotel.PlaceGroup, error) {
	hotelID, err := parseHotel(req.GetParent(), "parent")
	if err != nil {
		return nil, err
	}
	body := &hotel.PlaceGroup{Hotel: hotelID, GroupID: req.GetGroupId(), ClientAssigned: req.GetGroupId() != ""}
	if body.GroupID, err = ownOrNew(body.GroupID); err != nil {
		return nil, err
	}
	for i, one := range req.GetRequests() {
		at := "requests[" + strconv.Itoa(i) + "]."
		switch {
		case one.GetParent() != req.GetParent():
			return nil, domain.Errorf(domain.InvalidArgument, at+"parent", "a group is of one hotel")
		case one.GetRequestId() != "":
			return nil, domain.Errorf(domain.InvalidArgument, at+"request_id", "the request_id is of the whole group")
		case (one.GetReservationId() != "") != body.ClientAssigned:
			return nil, domain.Errorf(domain.InvalidArgument, at+"reservation_id", "the caller chooses group_id and every reservation_id, or none of them")
		}
		if err := checkTrust(ctx, one); err != nil {
			return nil, within(err, at)
		}
		place, err := s.quotedPlace(one)
		if err != nil {
			return nil, within(err, at)
		}
		body.Reservations = append(body.Reservations, *place)
	}
	return body, nil
}

// quotedPlace makes the command of one request, with its quote.
func (s *reservationService) quotedPlace(req *lodgev1.CreateReservationRequest) (*hotel.PlaceReservation, error) {
	body, err := placeReservation(req)
	if err != nil || req.GetQuote() == "" {
		return body, err
	}
	body.Quote, err = s.readQuote(req.GetQuote(), body)
	return body, err
}

// within puts the path of a message before the field that an error names.
func within(err error, path string) error {
	broken, ok := err.(*domain.Error) //nolint:errorlint // the functions above return it as it is; whatever else there is names no field
	if !ok || broken.Field == "" {
		return err
	}
	moved := *broken
	moved.Field = path + broken.Field
	return &moved
}

// ownOrNew returns an id that the caller chose, or a new one.
func ownOrNew(id string) (string, error) {
	if id != "" {
		return id, nil
	}
	made, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return made.String(), nil
}

// groupAnswer makes the answer of what was decided: all reservations, or why there are none.
func (a *API) groupAnswer(result commands.Result, asked *hotel.PlaceGroup) (*lodgev1.BatchCreateReservationsResponse, error) {
	res := &lodgev1.BatchCreateReservationsResponse{}
	for i, e := range result.Events {
		switch m := e.Message.(type) {
		case *eventpb.ReservationPlaced:
			guest, err := a.answerGuest(m.GetGuest(), &asked.Reservations[i].Guest, result.Replayed)
			if err != nil {
				return nil, err
			}
			res.Reservations = append(res.Reservations, toPlaced(e, m, guest))
			res.GroupId = m.GetGroupId()
		case *eventpb.ReservationRejected:
			if m.GetReason() != eventpb.ReservationReason_RESERVATION_REASON_GROUP_INCOMPLETE {
				return nil, turnedAway(m, result, strconv.Itoa(i))
			}
		}
	}
	if len(res.Reservations) == 0 {
		return nil, fmt.Errorf("a group of reservations gave no reservation at %s", result.Position)
	}
	return res, nil
}
