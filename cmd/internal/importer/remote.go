package importer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"lodge/api"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/log"
)

// remoteCalls is how many calls a Remote has under way at most.
const remoteCalls = 32

// Remote gives commands to a running server through its Unix socket. Calls that are under way together may arrive in any order,
// so only commands whose order does not matter are: bookings among themselves, when there are rooms for all of them; changes; payments; arrivals; departures;
// and cancellations with no-shows. Between the one and the other kind it waits for all answers.
type Remote struct {
	ordered bool     // one call at a time, since bookings compete for rooms
	kind    callKind // of the calls under way
	calls   sync.WaitGroup
	places  chan struct{}

	*Records
	hotels lodgev1connect.HotelServiceClient
	rates  lodgev1connect.RateServiceClient
	rooms  lodgev1connect.RoomServiceClient
	stays  lodgev1connect.StayServiceClient

	ends map[log.TopicPartition]log.Offset // what the log held when the import began
}

// NewRemote returns a Commander for the server that client and url lead to. The client must dial the server's Unix socket, where
// commands may carry their own time.
//
// ordered keeps bookings in their order too, for a plan with rooms for fewer than came (see Plan.Competing). The caller calls Close.
func NewRemote(ctx context.Context, client *http.Client, url string, ordered bool) (*Remote, error) {
	r := &Remote{
		ordered: ordered, places: make(chan struct{}, remoteCalls),
		Records: NewRecords(client, url),
		hotels:  lodgev1connect.NewHotelServiceClient(client, url),
		rates:   lodgev1connect.NewRateServiceClient(client, url),
		rooms:   lodgev1connect.NewRoomServiceClient(client, url),
		stays:   lodgev1connect.NewStayServiceClient(client, url),
	}
	var err error
	r.ends, err = bookingEnds(ctx, lodgev1connect.NewAdminServiceClient(client, url))
	return r, err
}

// Close waits until no call is under way.
func (r *Remote) Close() { r.calls.Wait() }

// callKind says which calls may be under way together.
type callKind int

const (
	callAlone callKind = iota // hotels, room types, rooms
	callBooking
	callChange
	callPayment
	callArrival
	callDeparture
	callEnding
)

func (r *Remote) kindOf(b hotel.Command) callKind {
	switch b.(type) {
	case *hotel.PlaceReservation:
		if r.ordered {
			return callAlone
		}
		return callBooking
	case *hotel.ModifyReservation:
		return callChange
	case *hotel.ConfirmReservation:
		return callPayment
	case *hotel.CheckIn:
		return callArrival
	case *hotel.CheckOut:
		return callDeparture
	case *hotel.CancelReservation, *hotel.MarkNoShow:
		return callEnding
	}
	return callAlone
}

// Submit sends the command, after the answers to those that must come before it. It is called by one goroutine.
func (r *Remote) Submit(ctx context.Context, c commands.Command) (Answer, error) {
	if kind := r.kindOf(c.Body); kind != r.kind || kind == callAlone {
		r.calls.Wait()
		r.kind = kind
	}
	r.places <- struct{}{}
	answer := make(chan remoteAnswer, 1)
	r.calls.Go(func() {
		defer func() { <-r.places }()
		answer <- r.call(ctx, c)
	})
	return pendingAnswer(answer), nil
}

// pendingAnswer is the answer of a call under way.
type pendingAnswer chan remoteAnswer

func (p pendingAnswer) Wait(context.Context) (Outcome, error) {
	a := <-p // the call has the context
	return a.out, a.err
}

// call sends the command until it is answered.
func (r *Remote) call(ctx context.Context, c commands.Command) remoteAnswer {
	for attempt := 0; ; attempt++ {
		header, err := r.send(ctx, c)
		if err == nil {
			return remoteAnswer{out: Outcome{Events: 1, Replayed: header.Get(api.HeaderReplayed) == "true"}}
		}
		if retriable(err) && attempt < attemptsMax {
			if err := pause(ctx, attempt); err != nil {
				return remoteAnswer{err: err}
			}
			continue
		}
		return r.refusal(err)
	}
}

// A call that finds the server too busy is repeated after 50 ms, then 100 ms, and so on.
const (
	attemptsMax = 8
	firstPause  = 50 * time.Millisecond
)

func retriable(err error) bool {
	code := connect.CodeOf(err)
	return code == connect.CodeUnavailable || code == connect.CodeResourceExhausted && infoOf(err).GetReason() == api.ReasonQueueFull
}

func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(firstPause << attempt)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// refusal makes an answer of an error that the server gave for a reason, and leaves others as they are.
func (r *Remote) refusal(err error) remoteAnswer {
	info := infoOf(err)
	switch reason := domain.Reason(info.GetReason()); reason {
	case "", api.ReasonInternal, api.ReasonUnavailable, api.ReasonForbiddenHeader, api.ReasonForbiddenField, api.ReasonQueueFull:
		return remoteAnswer{err: err}
	case domain.SoldOut, domain.Restricted:
		at, perr := log.ParsePosition(info.GetMetadata()["position"])
		before := perr == nil && at.Offset < r.ends[at.TopicPartition()]
		return remoteAnswer{out: Outcome{Events: 1, Rejected: true, Replayed: before}}
	default:
		var e *connect.Error
		errors.As(err, &e)
		return remoteAnswer{err: &domain.Error{Reason: reason, Field: info.GetMetadata()["field"], Text: e.Message()}}
	}
}

func infoOf(err error) *errdetails.ErrorInfo {
	var e *connect.Error
	if !errors.As(err, &e) {
		return nil
	}
	for _, detail := range e.Details() {
		if m, derr := detail.Value(); derr == nil {
			if info, ok := m.(*errdetails.ErrorInfo); ok {
				return info
			}
		}
	}
	return nil
}

type remoteAnswer struct {
	out Outcome
	err error
}

// send makes the call that the command is.
func (r *Remote) send(ctx context.Context, c commands.Command) (http.Header, error) {
	id := c.RequestID.String()
	switch b := c.Body.(type) {
	case *hotel.CreateHotel:
		return post(ctx, c, r.hotels.CreateHotel, createHotelRequest(b, id))
	case *hotel.CreateRoomType:
		return post(ctx, c, r.hotels.CreateRoomType, createRoomTypeRequest(b, id))
	case *hotel.SetInventory:
		return post(ctx, c, r.inventory.SetInventory, setInventoryRequest(b, id))
	case *hotel.PlaceReservation:
		return post(ctx, c, r.reservations.CreateReservation, createReservationRequest(b, id))
	case *hotel.CreateRatePlan:
		return post(ctx, c, r.rates.CreateRatePlan, createRatePlanRequest(b, id))
	case *hotel.CreateRoom:
		return post(ctx, c, r.rooms.CreateRoom, createRoomRequest(b, id))
	case *hotel.ModifyReservation:
		return post(ctx, c, r.reservations.UpdateReservation, updateReservationRequest(b, id))
	case *hotel.CheckIn:
		return post(ctx, c, r.stays.CheckInReservation, checkInRequest(b, id))
	case *hotel.CheckOut:
		return post(ctx, c, r.stays.CheckOutReservation, checkOutRequest(b, id))
	case *hotel.ConfirmReservation:
		return post(ctx, c, r.reservations.ConfirmReservation, confirmRequest(b, id))
	case *hotel.CancelReservation:
		return post(ctx, c, r.reservations.CancelReservation, cancelRequest(b, id))
	case *hotel.MarkNoShow:
		return post(ctx, c, r.reservations.MarkNoShow, noShowRequest(b, id))
	}
	return nil, fmt.Errorf("no call for %T", c.Body)
}

func post[Req, Res any](ctx context.Context, c commands.Command, method func(context.Context, *connect.Request[Req]) (*connect.Response[Res], error), msg *Req) (http.Header, error) {
	req := connect.NewRequest(msg)
	req.Header().Set(api.HeaderCommandTime, c.Time.UTC().Format(time.RFC3339Nano))
	req.Header().Set(api.HeaderCorrelationID, c.CorrelationID)
	req.Header().Set(api.HeaderPrefer, "return=minimal")
	res, err := method(ctx, req)
	if err != nil {
		return nil, err
	}
	return res.Header(), nil
}
