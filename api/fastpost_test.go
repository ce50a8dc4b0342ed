package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// TestPostedProtobuf: what the short way takes and what it leaves to Connect get the same answers.
func TestPostedProtobuf(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(100)
	plain, err := proto.Marshal(stay(1, 2))
	if err != nil {
		t.Fatal(err)
	}
	unknown := append(bytes.Clone(plain), 0xa0, 0x06, 0x01)

	backwards, err := proto.Marshal(stay(2, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		body    []byte
		headers map[string]string
		status  int
		code    string // of the error
	}{
		{name: "plain", body: plain, status: 200},
		{name: "plain and versioned", body: plain, headers: map[string]string{"Connect-Protocol-Version": "1"}, status: 200},
		{name: "of another version", body: plain, headers: map[string]string{"Connect-Protocol-Version": "2"}, status: 400, code: "invalid_argument"},
		{name: "with a deadline", body: plain, headers: map[string]string{"Connect-Timeout-Ms": "600000"}, status: 200},
		{name: "with a deadline that is none", body: plain, headers: map[string]string{"Connect-Timeout-Ms": "soon"}, status: 400, code: "invalid_argument"},
		{name: "with an unknown field", body: unknown, status: 200},
		{name: "cut off", body: plain[:len(plain)-1], status: 400, code: "invalid_argument"},
		{name: "empty", status: 400, code: "invalid_argument"},
		{name: "against the rules", body: backwards, status: 400, code: "invalid_argument"},
		{name: "compressed in an unknown way", body: plain, headers: map[string]string{"Content-Encoding": "lzma"}, status: 501, code: "unimplemented"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, header, answer := s.postWire(test.body, test.headers)
			if status != test.status {
				t.Fatalf("%d: %q", status, answer)
			}
			if test.status == http.StatusOK {
				placed := new(lodgev1.Reservation)
				if err := proto.Unmarshal(answer, placed); err != nil || placed.GetName() == "" || header.Get("Lodge-Position") == "" || header.Get("Content-Type") != "application/proto" {
					t.Errorf("%v, %v, %v", placed, err, header)
				}
				return
			}
			var problem struct{ Code string }
			if err := json.Unmarshal(answer, &problem); err != nil || problem.Code != test.code || header.Get("Content-Type") != "application/json" {
				t.Errorf("%q, %v, %v", answer, err, header)
			}
		})
	}
}

// TestBeforeTheServer: what the usual clients post to reserve does not get to net/http's server, and all else does.
func TestBeforeTheServer(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(100)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := api.Listen(s.api, inner)
	server := api.NewServer(s.api)
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "the server", http.StatusTeapot) })
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	transport := &http.Transport{}
	defer func() {
		transport.CloseIdleConnections()
		if err := errors.Join(server.Shutdown(context.Background()), listener.Wait(context.Background())); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	client, url := &http.Client{Transport: transport}, "http://"+inner.Addr().String()
	for name, test := range map[string]struct {
		options []connect.ClientOption
		plain   bool
	}{
		"protobuf": {plain: true},
		"JSON":     {[]connect.ClientOption{connect.WithProtoJSON()}, true},
		"gzip":     {[]connect.ClientOption{connect.WithSendGzip()}, false},
		"gRPC-Web": {[]connect.ClientOption{connect.WithGRPCWeb()}, false},
	} {
		t.Run(name, func(t *testing.T) {
			placed, err := lodgev1connect.NewReservationServiceClient(client, url, test.options...).CreateReservation(context.Background(), connect.NewRequest(stay(1, 2)))
			if answered := err == nil && placed.Msg.GetName() != ""; answered != test.plain {
				t.Errorf("%v, %v", placed, err)
			}
		})
	}
	res, err := client.Get(url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusTeapot {
		t.Error(res.Status)
	}
}

// postWire posts a protobuf body to CreateReservation.
func (s *stack) postWire(body []byte, headers map[string]string) (status int, header http.Header, answer []byte) {
	s.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.server.URL+lodgev1connect.ReservationServiceCreateReservationProcedure, bytes.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/proto")
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err = io.ReadAll(res.Body); err != nil {
		s.Fatal(err)
	}
	return res.StatusCode, res.Header, answer
}
