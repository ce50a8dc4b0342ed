package importer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

// Remote gives commands to a running server through its Unix socket, one at a time: that keeps their order.
type Remote struct {
	hotels       lodgev1connect.HotelServiceClient
	inventory    lodgev1connect.InventoryServiceClient
	reservations lodgev1connect.ReservationServiceClient

	ends map[log.TopicPartition]log.Offset // what the log held when the import began
}

// NewRemote returns a Commander for the server that client and url lead to. The client must dial the server's Unix socket, where
// commands may carry their own time.
func NewRemote(ctx context.Context, client *http.Client, url string) (*Remote, error) {
	r := &Remote{
		hotels:       lodgev1connect.NewHotelServiceClient(client, url),
		inventory:    lodgev1connect.NewInventoryServiceClient(client, url),
		reservations: lodgev1connect.NewReservationServiceClient(client, url),
	}
	var err error
	r.ends, err = bookingEnds(ctx, lodgev1connect.NewAdminServiceClient(client, url))
	return r, err
}

// Submit sends the command and waits for its answer.
func (r *Remote) Submit(ctx context.Context, c commands.Command) (Answer, error) {
	for attempt := 0; ; attempt++ {
		header, err := r.send(ctx, c)
		if err == nil {
			return remoteAnswer{out: Outcome{Events: 1, Replayed: header.Get(api.HeaderReplayed) == "true"}}, nil
		}
		if retriable(err) && attempt < attemptsMax {
			if err := pause(ctx, attempt); err != nil {
				return nil, err
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

// refusal makes an answer of an error that the server gave for a reason, and returns others.
func (r *Remote) refusal(err error) (Answer, error) {
	info := infoOf(err)
	switch reason := domain.Reason(info.GetReason()); reason {
	case "", api.ReasonInternal, api.ReasonUnavailable, api.ReasonForbiddenHeader, api.ReasonQueueFull:
		return nil, err
	case domain.SoldOut:
		at, perr := log.ParsePosition(info.GetMetadata()["position"])
		before := perr == nil && at.Offset < r.ends[at.TopicPartition()]
		return remoteAnswer{out: Outcome{Events: 1, Rejected: true, Replayed: before}}, nil
	default:
		var e *connect.Error
		errors.As(err, &e)
		return remoteAnswer{err: &domain.Error{Reason: reason, Field: info.GetMetadata()["field"], Text: e.Message()}}, nil
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

func (a remoteAnswer) Wait(context.Context) (Outcome, error) { return a.out, a.err }

// send makes the call that the command is.
func (r *Remote) send(ctx context.Context, c commands.Command) (http.Header, error) {
	id := c.RequestID.String()
	switch b := c.Body.(type) {
	case *hotel.CreateHotel:
		return call(ctx, c, r.hotels.CreateHotel, createHotelRequest(b, id))
	case *hotel.CreateRoomType:
		return call(ctx, c, r.hotels.CreateRoomType, createRoomTypeRequest(b, id))
	case *hotel.SetInventory:
		return call(ctx, c, r.inventory.SetInventory, setInventoryRequest(b, id))
	case *hotel.PlaceReservation:
		return call(ctx, c, r.reservations.CreateReservation, createReservationRequest(b, id))
	case *hotel.ConfirmReservation:
		return call(ctx, c, r.reservations.ConfirmReservation, confirmRequest(b, id))
	case *hotel.CancelReservation:
		return call(ctx, c, r.reservations.CancelReservation, cancelRequest(b, id))
	case *hotel.MarkNoShow:
		return call(ctx, c, r.reservations.MarkNoShow, noShowRequest(b, id))
	}
	return nil, fmt.Errorf("no call for %T", c.Body)
}

func call[Req, Res any](ctx context.Context, c commands.Command, method func(context.Context, *connect.Request[Req]) (*connect.Response[Res], error), msg *Req) (http.Header, error) {
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
