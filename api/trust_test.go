package api_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/encoding/protojson"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// local serves the stack on a Unix socket too and returns a client of it.
func (s *stack) local(options ...connect.ClientOption) lodgev1connect.ReservationServiceClient {
	s.Helper()
	path := filepath.Join(s.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		s.Fatal(err)
	}
	server, front := api.NewServer(s.api), api.Listen(s.api, listener)
	done := make(chan error, 1)
	go func() { done <- server.Serve(front) }()
	transport := &http.Transport{Protocols: new(http.Protocols), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	transport.Protocols.SetHTTP1(len(options) == 0)
	transport.Protocols.SetUnencryptedHTTP2(true)
	s.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := errors.Join(server.Shutdown(context.Background()), front.Wait(context.Background())); err != nil {
			s.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			s.Error(err)
		}
	})
	return lodgev1connect.NewReservationServiceClient(&http.Client{Transport: transport}, "http://lodge", options...)
}

// withRate and withoutEnd ask for what only local callers get.
func withRate(units int64) *lodgev1.CreateReservationRequest {
	req := stay(1, 3)
	req.NightlyRateOverride = euros(units)
	return req
}

func withoutEnd() *lodgev1.CreateReservationRequest {
	req := stay(1, 3)
	req.NoHoldExpiry = true
	return req
}

// TestLocalSocket: over the Unix socket a command has its own time, its own price, and holds that never end.
func TestLocalSocket(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(9)
	ctx := context.Background()
	for _, c := range []struct {
		name    string
		options []connect.ClientOption
	}{{"connect", nil}, {"grpc", []connect.ClientOption{connect.WithGRPC()}}} {
		t.Run(c.name, func(t *testing.T) {
			client := s.local(c.options...)
			at := noon.Add(3 * time.Hour)
			req := connect.NewRequest(stay(1, 2))
			req.Header().Set(api.HeaderCommandTime, at.Format(time.RFC3339))
			placed, _ := must[lodgev1.Reservation](t)(client.CreateReservation(ctx, req))
			if !placed.GetCreateTime().AsTime().Equal(at) {
				t.Errorf("created at %s, want %s", placed.GetCreateTime().AsTime(), at)
			}
			placed, _ = must[lodgev1.Reservation](t)(client.CreateReservation(ctx, connect.NewRequest(withRate(7))))
			if placed.GetTotal().GetUnits() != 14 || placed.GetHoldExpireTime() == nil {
				t.Errorf("at a rate of 7: %v", placed)
			}
			placed, _ = must[lodgev1.Reservation](t)(client.CreateReservation(ctx, connect.NewRequest(withoutEnd())))
			if placed.GetTotal().GetUnits() != 200 || placed.GetHoldExpireTime() != nil {
				t.Errorf("without an end: %v", placed)
			}
		})
	}
}

func TestCommandTimeIsForTheLocalSocketOnly(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(9)
	before := s.eventCount()
	req := connect.NewRequest(stay(1, 2))
	req.Header().Set(api.HeaderCommandTime, noon.Format(time.RFC3339))
	_, err := s.reservations.CreateReservation(context.Background(), req)
	expect(t, err, connect.CodePermissionDenied, "FORBIDDEN_HEADER", "")
	if n := s.eventCount(); n != before {
		t.Errorf("%d events", n-before)
	}
}

// TestTrustedFieldsAreForTheLocalSocketOnly: whoever reaches the port cannot choose a price or hold rooms for ever, in no protocol.
func TestTrustedFieldsAreForTheLocalSocketOnly(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(9)
	h2c := &http.Transport{Protocols: new(http.Protocols)}
	h2c.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(h2c.CloseIdleConnections)
	h2 := &http.Client{Transport: h2c}
	before := s.eventCount()
	for _, c := range []struct {
		name  string
		field string
		query string
		req   func() *lodgev1.CreateReservationRequest
	}{
		{"free of charge", "nightly_rate_override", "nightlyRateOverride.currencyCode=EUR", func() *lodgev1.CreateReservationRequest { return withRate(0) }},
		{"a price", "nightly_rate_override", "nightlyRateOverride.units=1", func() *lodgev1.CreateReservationRequest { return withRate(1) }},
		{"for ever", "no_hold_expiry", "noHoldExpiry=true", withoutEnd},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, client := range []lodgev1connect.ReservationServiceClient{
				s.reservations,
				lodgev1connect.NewReservationServiceClient(s.client, s.server.URL, connect.WithProtoJSON()),
				lodgev1connect.NewReservationServiceClient(h2, s.server.URL, connect.WithGRPC()),
				lodgev1connect.NewReservationServiceClient(s.client, s.server.URL, connect.WithGRPCWeb()),
			} {
				_, err := client.CreateReservation(context.Background(), connect.NewRequest(c.req()))
				expect(t, err, connect.CodePermissionDenied, "FORBIDDEN_FIELD", "")
				if field := detail[*errdetails.ErrorInfo](err).GetMetadata()["field"]; field != c.field {
					t.Errorf("field %q, want %s", field, c.field)
				}
			}
			text, err := protojson.Marshal(c.req())
			if err != nil {
				t.Fatal(err)
			}
			status, answer := s.fetch(http.MethodPost, lodgev1connect.ReservationServiceCreateReservationProcedure, string(text))
			if status != http.StatusForbidden || answer["code"] != "permission_denied" {
				t.Errorf("plain JSON: %d %v", status, answer)
			}
			if text, err = protojson.Marshal(c.req().GetReservation()); err != nil {
				t.Fatal(err)
			}
			if status, answer = s.fetch(http.MethodPost, "/v1/hotels/ritz/reservations?"+c.query, string(text)); status != http.StatusForbidden {
				t.Errorf("REST: %d %v", status, answer)
			}
		})
	}
	if n := s.eventCount(); n != before {
		t.Errorf("%d events", n-before)
	}
}
