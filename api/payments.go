package api

import (
	"context"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections/payments"
	"lodge/projections/reservations"
)

// paymentService serves the money of reservations.
type paymentService struct{ *API }

// PayReservation asks for a payment. Everything else happens because of its event.
func (s *paymentService) PayReservation(ctx context.Context, req *connect.Request[lodgev1.PayReservationRequest]) (*connect.Response[lodgev1.Payment], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	body, err := s.requestPayment(req.Msg)
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse[lodgev1.Payment](nil)
	result, err := s.execute(ctx, c, body, res.Header())
	if err != nil {
		return nil, err
	}
	e, m, err := only[*eventpb.PaymentRequested](result)
	if err != nil {
		return nil, err
	}
	res.Msg = requested(e, m)
	if wait := req.Msg.GetWait().AsDuration(); wait > 0 {
		if p := s.awaitPayment(ctx, m, wait); p != nil {
			res.Msg = p
		}
	}
	return res, nil
}

// requestPayment makes the command of a request.
func (s *paymentService) requestPayment(req *lodgev1.PayReservationRequest) (*hotel.RequestPayment, error) {
	hotelID, id, err := parseReservation(req.GetName(), "name")
	if err != nil {
		return nil, err
	}
	provider, err := s.providerOr(req.GetProvider())
	if err != nil {
		return nil, err
	}
	body := &hotel.RequestPayment{
		Hotel: hotelID, ReservationID: id.String(), ClientAssigned: req.GetPaymentId() != "", Provider: provider, PaymentMethod: req.GetPaymentMethod(),
	}
	if body.ExpectedVersion, err = reservationVersion(req.GetEtag(), hotelID, body.ReservationID); err != nil {
		return nil, err
	}
	body.PaymentID, err = ownOrNew(req.GetPaymentId())
	return body, err
}

// providerOr returns the provider that a request names, or the platform's first.
func (s *paymentService) providerOr(provider string) (string, error) {
	switch {
	case provider == "":
		return s.opts.PaymentProviders[0], nil
	case !slices.Contains(s.opts.PaymentProviders, provider):
		return "", domain.Errorf(domain.InvalidArgument, "provider", "%.80q is none of this platform's providers %v", provider, s.opts.PaymentProviders)
	}
	return provider, nil
}

// awaitPayment returns a payment once the provider has said and the reservation shows it, or as it is when wait is over; nil when it
// cannot be read, for then the answer is that it was asked for.
func (s *paymentService) awaitPayment(ctx context.Context, m *eventpb.PaymentRequested, wait time.Duration) *lodgev1.Payment {
	var payment *payments.Payment
	_, err := s.awaitMoney(ctx, m.GetHotelId(), wait, func() (*account, bool, error) {
		found, err := s.account(ctx, m.GetHotelId(), m.GetReservationId())
		switch {
		case domain.ReasonOf(err) == domain.ReservationNotFound: // the read model has not seen it yet
			return nil, false, nil
		case err != nil:
			return nil, false, err
		}
		i := slices.IndexFunc(found.payments, func(p payments.Payment) bool { return p.PaymentID == m.GetPaymentId() })
		if i < 0 {
			return nil, false, nil
		}
		payment = &found.payments[i]
		return found, found.settled(), nil
	})
	if err != nil {
		s.opts.Logger.WarnContext(ctx, "answer a payment without its outcome", "payment", m.GetPaymentId(), "error", err)
	}
	if payment == nil {
		return nil
	}
	return toPayment(payment)
}

// RefundReservation promises money back.
func (s *paymentService) RefundReservation(ctx context.Context, req *connect.Request[lodgev1.RefundReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	amount, err := fromMoney(req.Msg.GetAmount(), "amount")
	if err != nil {
		return nil, err
	}
	return settle(ctx, s.API, req, func(hotelID, id string, expected int64) hotel.Command {
		return &hotel.GrantRefund{Hotel: hotelID, ReservationID: id, Amount: amount, Note: req.Msg.GetNote(), ExpectedVersion: expected}
	})
}

// SettleRefund records that the hotel gave money back itself.
func (s *paymentService) SettleRefund(ctx context.Context, req *connect.Request[lodgev1.SettleRefundRequest]) (*connect.Response[lodgev1.Payment], error) {
	hotelID, reservation, id, err := parsePayment(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	result, err := s.do(ctx, c, &hotel.SettleRefund{
		Hotel: hotelID, ReservationID: reservation, PaymentID: id, RefundID: req.Msg.GetRefundId(),
		Method: eventpb.RefundMethod(req.Msg.GetMethod()), Reference: req.Msg.GetReference(), Note: req.Msg.GetNote(),
	})
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&lodgev1.Payment{Name: req.Msg.GetName()})
	say(res.Header(), result)
	if err = s.fresh(ctx, payments.Name, result.Position.String()); err == nil {
		var p payments.Payment
		if p, err = s.payment(ctx, hotelID, reservation, id); err == nil {
			res.Msg = toPayment(&p)
			return res, nil
		}
	}
	s.opts.Logger.WarnContext(ctx, "answer a settled refund without the read model", "payment", req.Msg.GetName(), "error", err)
	return res, nil
}

// payment reads a payment.
func (a *API) payment(ctx context.Context, hotelID, reservation, id string) (payments.Payment, error) {
	p, err := a.payments.Get(ctx, hotelID, reservation, id)
	if err == nil {
		err = a.openPayment(&p)
	}
	return p, err
}

// GetPayment returns one payment.
func (s *paymentService) GetPayment(ctx context.Context, req *connect.Request[lodgev1.GetPaymentRequest]) (*connect.Response[lodgev1.Payment], error) {
	hotelID, reservation, id, err := parsePayment(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	if err := s.fresh(ctx, payments.Name, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	p, err := s.payment(ctx, hotelID, reservation, id)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(toPayment(&p)), nil
}

// ListPayments returns a reservation's folio.
func (s *paymentService) ListPayments(ctx context.Context, req *connect.Request[lodgev1.ListPaymentsRequest]) (*connect.Response[lodgev1.ListPaymentsResponse], error) {
	hotelID, id, err := parseReservation(req.Msg.GetParent(), "parent")
	if err != nil {
		return nil, err
	}
	found, err := s.freshAccount(ctx, hotelID, id.String(), req.Msg.GetMinPosition())
	if err != nil {
		return nil, err
	}
	total := found.reservation.Total
	res := &lodgev1.ListPaymentsResponse{Total: toMoney(total.Currency, total.MinorUnits), Amounts: found.amounts()}
	for i := range found.payments {
		res.Payments = append(res.Payments, toPayment(&found.payments[i]))
	}
	return connect.NewResponse(res), nil
}

// freshAccount reads a reservation and its payments once both read models have seen a position, of whichever topic it is.
func (a *API) freshAccount(ctx context.Context, hotelID, id, position string) (*account, error) {
	if err := a.freshMoney(ctx, position); err != nil {
		return nil, err
	}
	return a.account(ctx, hotelID, id)
}

// freshMoney waits until the read models of reservations and payments have seen a position.
func (a *API) freshMoney(ctx context.Context, position string) error {
	if err := a.fresh(ctx, reservations.Name, position); err != nil {
		return err
	}
	return a.fresh(ctx, payments.Name, position)
}

var paymentStatuses = map[hotel.PaymentOutcome]lodgev1.PaymentStatus{
	hotel.PaymentOpen:     lodgev1.PaymentStatus_PAYMENT_STATUS_REQUESTED,
	hotel.PaymentCaptured: lodgev1.PaymentStatus_PAYMENT_STATUS_CAPTURED,
	hotel.PaymentDeclined: lodgev1.PaymentStatus_PAYMENT_STATUS_DECLINED,
	hotel.PaymentUnknown:  lodgev1.PaymentStatus_PAYMENT_STATUS_FAILED,
}

func toPayment(p *payments.Payment) *lodgev1.Payment {
	out := &lodgev1.Payment{
		Name: paymentName(p.HotelID, p.ReservationID, p.PaymentID), Status: paymentStatuses[p.Outcome],
		Amount: toMoney(p.Amount.Currency, p.Amount.MinorUnits), Provider: p.Provider, ProviderReference: p.ProviderReference,
		DeclineCode: p.DeclineCode, CreateTime: timestamppb.New(p.CreateTime), UpdateTime: timestamppb.New(p.UpdateTime),
	}
	if p.Outcome == hotel.PaymentUnknown {
		out.Cause = p.Cause
	}
	for _, r := range p.Refunds {
		out.Refunds = append(out.Refunds, &lodgev1.Refund{
			RefundId: r.RefundID, Status: lodgev1.RefundStatus(r.State), Amount: toMoney(r.Amount.Currency, r.Amount.MinorUnits),
			Method: lodgev1.RefundMethod(r.Method), Reference: r.Reference, Note: r.Note,
			ProviderReference: r.ProviderReference, Cause: r.Cause, CreateTime: timestamppb.New(r.CreateTime), UpdateTime: timestamppb.New(r.UpdateTime),
		})
	}
	return out
}

// QuoteCancellation has the decider say what a cancellation would settle. It knows all that was committed, so no read model is asked; min_position is waited for all the same.
func (s *paymentService) QuoteCancellation(ctx context.Context, req *connect.Request[lodgev1.QuoteCancellationRequest]) (*connect.Response[lodgev1.CancellationQuote], error) {
	hotelID, id, err := parseReservation(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	at := s.opts.Clock()
	if t := req.Msg.GetCancelTime(); t != nil {
		if t.CheckValid() != nil {
			return nil, domain.Errorf(domain.InvalidArgument, "cancel_time", "it is not a time")
		}
		at = t.AsTime()
	}
	if err := s.freshMoney(ctx, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	quote, err := s.deps.Engine.QuoteCancellation(ctx, &hotel.CancelReservation{Hotel: hotelID, ReservationID: id.String()}, at)
	if err != nil {
		return nil, err
	}
	res := &lodgev1.CancellationQuote{
		Reservation: req.Msg.GetName(), CancelTime: timestamppb.New(at),
		Fee: toMoney(quote.Currency, quote.Fee), Kept: toMoney(quote.Currency, quote.Kept), Refund: toMoney(quote.Currency, quote.Refund),
	}
	if !quote.FreeUntil.IsZero() {
		res.FreeUntilTime = timestamppb.New(quote.FreeUntil)
	}
	return connect.NewResponse(res), nil
}
