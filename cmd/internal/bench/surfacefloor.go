package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"time"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/domain"
)

// Floors of the API: what the same clients get from a server that does nothing.
const (
	floorConnectName = "floor/connect-64"
	floorWrkName     = "floor/wrk-64"
	floorClients     = 64
)

// surfaceFloors measures those floors that a case will be compared with.
func (b *run) surfaceFloors(ctx context.Context) error {
	if !b.wants("connect/hot-64-clients") && !b.wants("connect/spread-64-clients") && !b.wants("connect/wrk-64-clients") {
		return nil
	}
	if err := b.floorConnect(ctx); err != nil {
		return fmt.Errorf("%s: %w", floorConnectName, err)
	}
	if !hasWrk() {
		return nil
	}
	if err := b.floorWrk(ctx); err != nil {
		return fmt.Errorf("%s: %w", floorWrkName, err)
	}
	return nil
}

// hasWrk reports whether the load generator of that name is installed: its cases are measured where it is.
func hasWrk() bool {
	_, err := exec.LookPath("wrk")
	return err == nil
}

// emptyReservations answers every reservation with the same message.
type emptyReservations struct {
	lodgev1connect.UnimplementedReservationServiceHandler
}

// CreateReservation does nothing.
func (emptyReservations) CreateReservation(context.Context, *connect.Request[lodgev1.CreateReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	return connect.NewResponse(&lodgev1.Reservation{Name: "hotels/hotel-0/reservations/1", Quantity: 1}), nil
}

func (b *run) floorConnect(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.Handle(lodgev1connect.NewReservationServiceHandler(emptyReservations{}, connect.WithCompressMinBytes(4<<10)))
	return serving(mux, func(url string) error {
		r, err := b.drive(ctx, url, floorClients, 1)
		if err == nil {
			r.Name, r.Unit = floorConnectName, "calls/s"
			r.What = count(floorClients, "client") + ", Connect with protobuf over loopback HTTP/1.1 to an empty handler, " + b.clientText()
			b.add(r)
		}
		return err
	})
}

func (b *run) floorWrk(ctx context.Context) error {
	empty := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // whoever posts half a body gets an answer all the same
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	})
	return serving(empty, func(url string) error {
		r, err := b.postWithWrk(ctx, url, floorClients, domain.Today(time.Now(), time.UTC))
		if err == nil {
			r.Name, r.Unit = floorWrkName, "calls/s"
			r.What = fmt.Sprintf("%d connections, wrk posting the same JSON over loopback HTTP/1.1 to an empty net/http handler", floorClients)
			b.add(r)
		}
		return err
	})
}

// serving calls f with the URL of a server that lives as long as the call.
func serving(handler http.Handler, f func(url string) error) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	err = f("http://" + listener.Addr().String())
	err = errors.Join(err, server.Close())
	if serveErr := <-ended; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}
