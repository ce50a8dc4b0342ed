package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// writes counts the writes of connections.
type writes struct {
	net.Conn
	n *atomic.Int64
}

func (w writes) Write(b []byte) (int, error) {
	w.n.Add(1)
	return w.Conn.Write(b)
}

func countWrites(c *http.Client) *atomic.Int64 {
	n := new(atomic.Int64)
	c.Transport.(onePiece).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return writes{conn, n}, err
	}
	return n
}

// echo answers a reservation with what it was asked for.
type echo struct {
	lodgev1connect.UnimplementedReservationServiceHandler
}

func (echo) CreateReservation(_ context.Context, req *connect.Request[lodgev1.CreateReservationRequest]) (*connect.Response[lodgev1.Reservation], error) {
	return connect.NewResponse(req.Msg.GetReservation()), nil
}

// TestConnectCallIsOneWrite: head and body together, call after call, while what is long goes as net/http sends it.
func TestConnectCallIsOneWrite(t *testing.T) {
	server := httptest.NewServer(func() http.Handler { _, h := lodgev1connect.NewReservationServiceHandler(echo{}); return h }())
	defer server.Close()
	c := New(1)
	defer c.CloseIdleConnections()
	n := countWrites(c)
	reservations := lodgev1connect.NewReservationServiceClient(c, server.URL)
	for _, note := range []string{"", "short", strings.Repeat("x", 3000)} {
		n.Store(0)
		res, err := reservations.CreateReservation(t.Context(), connect.NewRequest(&lodgev1.CreateReservationRequest{
			Parent: "hotels/ritz", Reservation: &lodgev1.Reservation{Note: note},
		}))
		if err != nil || res.Msg.GetNote() != note {
			t.Fatalf("%v, %v", res, err)
		}
		if n.Load() != 1 {
			t.Errorf("a call with %d bytes of note took %d writes", len(note), n.Load())
		}
	}
	long := strings.Repeat("x", bodyBytesMax)
	res, err := reservations.CreateReservation(t.Context(), connect.NewRequest(&lodgev1.CreateReservationRequest{Reservation: &lodgev1.Reservation{Note: long}}))
	if err != nil || res.Msg.GetNote() != long {
		t.Errorf("a long call: %v", err)
	}
}

// body is a body of no type that net/http knows, which ends with an error and may be closed once.
type body struct {
	io.Reader
	err    error
	closed atomic.Int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = b.err
	}
	return n, err
}

func (b *body) Close() error {
	b.closed.Add(1)
	return nil
}

// TestBodies: whatever a body does, the server gets it whole or the caller an error, the body is closed and the request left as it was.
func TestBodies(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err == nil {
			_, _ = w.Write(data)
		}
	}))
	defer server.Close()
	c := New(0)
	defer c.CloseIdleConnections()
	broken := errors.New("broken")
	for _, test := range []struct {
		name   string
		text   string
		length int64
		end    error
		want   string // of the error
	}{
		{name: "as long as it says", text: "abc", length: 3, end: io.EOF},
		{name: "of unknown length", text: "abc", length: -1, end: io.EOF},
		{name: "too short", text: "ab", length: 3, end: io.EOF, want: "ContentLength=3 with Body length 2"},
		{name: "empty", length: 3, end: io.EOF, want: "ContentLength=3 with Body length 0"},
		{name: "too long", text: "abcd", length: 3, end: io.EOF, want: "ContentLength=3 with a longer Body"},
		{name: "broken", text: "ab", length: 3, end: broken, want: "broken"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &body{Reader: strings.NewReader(test.text), err: test.end}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, b)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = test.length
			res, err := c.Do(req)
			if b.closed.Load() == 0 || req.Body != b {
				t.Errorf("closed %d times, the request's body is %v", b.closed.Load(), req.Body)
			}
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %s", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || string(data) != test.text {
				t.Errorf("the server got %q, %v", data, err)
			}
		})
	}
}
