package api

import (
	"context"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections/reservations"
)

// groupOf returns the hotel and the reservations of a group, in order of their ids. Which these are was said when they were placed, so once the read model has
// all that the log has now it has all of them.
func (a *API) groupOf(ctx context.Context, parent, groupID string) (hotelID string, found []reservations.Reservation, err error) {
	if hotelID, err = parseHotel(parent, "parent"); err != nil {
		return "", nil, err
	}
	if err := validUUID(groupID, "group_id"); err != nil {
		return "", nil, err
	}
	at := log.Position{Topic: event.BookingsTopic, Partition: a.deps.Store.PartitionFor(hotelID)}
	_, end, err := a.deps.Log.Offsets(ctx, at.TopicPartition())
	if err != nil {
		return "", nil, err
	}
	if at.Offset = end - 1; end > 0 {
		if err := a.fresh(ctx, reservations.Name, at.String()); err != nil {
			return "", nil, err
		}
	}
	found, _, err = a.reservations.ListByGroup(ctx, hotelID, groupID, reservations.Cursor{}, hotel.GroupMax)
	if err != nil {
		return "", nil, err
	}
	if len(found) == 0 {
		return "", nil, domain.Errorf(domain.ReservationNotFound, "group_id", "hotel %s has no group %s", hotelID, groupID)
	}
	return hotelID, found, nil
}

// CancelGroup cancels what of a group still stands.
func (s *reservationService) CancelGroup(ctx context.Context, req *connect.Request[lodgev1.CancelGroupRequest]) (*connect.Response[lodgev1.CancelGroupResponse], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	body := &hotel.CancelGroup{
		GroupID: req.Msg.GetGroupId(), Reason: eventpb.ReservationReason(req.Msg.GetReason()), Note: req.Msg.GetNote(), Waive: req.Msg.GetWaive(),
	}
	hotelID, members, err := s.groupOf(ctx, req.Msg.GetParent(), body.GroupID)
	if err != nil {
		return nil, err
	}
	body.Hotel = hotelID
	for i := range members {
		body.Reservations = append(body.Reservations, members[i].ReservationID)
	}
	res := connect.NewResponse(&lodgev1.CancelGroupResponse{})
	result, err := s.execute(ctx, c, body, res.Header())
	if err != nil {
		return nil, err
	}
	etagOf := s.etagsAt(ctx, req.Header(), result)
	for i, e := range result.Events {
		m, ok := e.Message.(*eventpb.ReservationCanceled)
		if !ok {
			continue // of the waiting list
		}
		r := ofStay(m.GetHotelId(), m.GetReservationId(), m.GetStay())
		addEvent(r, e)
		words, err := s.wordsIn(m)
		if err != nil {
			return nil, err
		}
		r.GroupId, r.Note, r.UpdateTime = body.GroupID, words[0], timestamppb.New(e.Time)
		r.Etag = etagOf(i, m.GetReservationId())
		res.Msg.Reservations = append(res.Msg.Reservations, r)
	}
	return res, nil
}

// etagsAt returns a function that says which etag a reservation had right after the event i of a result. An event does not say it, but the read model does, for which it waits as other changes
// do; without it there is none.
func (a *API) etagsAt(ctx context.Context, header http.Header, result commands.Result) func(i int, id string) string {
	none := func(int, string) string { return "" }
	if len(result.Events) == 0 || minimal(header) {
		return none
	}
	warn := func(err error) {
		a.opts.Logger.WarnContext(ctx, "answer a change without etags", "position", result.Position.String(), "error", err)
	}
	if err := a.fresh(ctx, reservations.Name, result.Position.String()); err != nil {
		warn(err)
		return none
	}
	return func(i int, id string) string {
		hotelID, offset := result.Events[i].HotelID, result.Position.Offset-log.Offset(len(result.Events)-1-i)
		found, _, err := a.reservations.History(ctx, hotelID, id, offset, 1)
		if err != nil || len(found) == 0 || found[0].Position.Offset != offset {
			warn(err)
			return ""
		}
		return reservationEtag(hotelID, id, found[0].Version)
	}
}

// PayGroup asks for a payment for each reservation of a group.
func (s *paymentService) PayGroup(ctx context.Context, req *connect.Request[lodgev1.PayGroupRequest]) (*connect.Response[lodgev1.PayGroupResponse], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	body := &hotel.PayGroup{GroupID: req.Msg.GetGroupId(), PaymentMethod: req.Msg.GetPaymentMethod()}
	if body.Provider, err = s.providerOr(req.Msg.GetProvider()); err != nil {
		return nil, err
	}
	hotelID, members, err := s.groupOf(ctx, req.Msg.GetParent(), body.GroupID)
	if err != nil {
		return nil, err
	}
	body.Hotel = hotelID
	for i := range members {
		payment, err := ownOrNew("")
		if err != nil {
			return nil, err
		}
		body.Payments = append(body.Payments, hotel.GroupPayment{ReservationID: members[i].ReservationID, PaymentID: payment})
	}
	res := connect.NewResponse(&lodgev1.PayGroupResponse{})
	result, err := s.execute(ctx, c, body, res.Header())
	if err != nil {
		return nil, err
	}
	for _, e := range result.Events {
		if m, ok := e.Message.(*eventpb.PaymentRequested); ok {
			res.Msg.Payments = append(res.Msg.Payments, requested(e, m))
		}
	}
	return res, nil
}

// requested is a payment as it begins.
func requested(e *event.Envelope, m *eventpb.PaymentRequested) *lodgev1.Payment {
	return &lodgev1.Payment{
		Name: paymentName(m.GetHotelId(), m.GetReservationId(), m.GetPaymentId()), Status: lodgev1.PaymentStatus_PAYMENT_STATUS_REQUESTED,
		Amount: toMoney(m.GetAmount().GetCurrencyCode(), m.GetAmount().GetMinorUnits()), Provider: m.GetProvider(),
		CreateTime: timestamppb.New(e.Time), UpdateTime: timestamppb.New(e.Time),
	}
}
