package api_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"testing"

	"connectrpc.com/connect"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/type/date"

	"lodge/api"
	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/log/vfs"
)

var serve = flag.Bool("serve", false, "TestServe serves a seeded platform on loopback until interrupted, for measurements from outside")

// BenchmarkCreateReservation reserves over Connect on loopback, client and server in one process, onto a real disk.
func BenchmarkCreateReservation(b *testing.B) {
	for _, clients := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			s := newStackOn(b, b.TempDir(), vfs.Default, api.Options{})
			s.seed(100_000)
			b.SetParallelism((clients + 1) / 2)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.reservations.CreateReservation(context.Background(), connect.NewRequest(stay(1, 2))); err != nil {
						if reasonOf(err) != "SOLD_OUT" {
							b.Error(err)
						}
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reservations/s")
		})
	}
}

// BenchmarkHandler is the platform's own work for a reservation posted as JSON: no network, no client. Where nobody is asked who they are, with a token, with a session, and with a session's cookie.
func BenchmarkHandler(b *testing.B) {
	for _, who := range []string{"open", "token", "session", "cookie"} {
		b.Run("by="+who, func(b *testing.B) { benchmarkHandler(b, who, nil) })
	}
}

// BenchmarkTracedHandler is the same where calls are told in traces, none or each of them; what an exporter costs comes on top.
func BenchmarkTracedHandler(b *testing.B) {
	for name, sampler := range map[string]sdk.Sampler{"none": sdk.NeverSample(), "all": sdk.AlwaysSample()} {
		tracer := sdk.NewTracerProvider(sdk.WithSampler(sampler)).Tracer("")
		b.Run("sampled="+name, func(b *testing.B) { benchmarkHandler(b, "open", tracer) })
	}
}

func benchmarkHandler(b *testing.B, who string, tracer trace.Tracer) {
	s := newStack(b, api.Options{AuthRequired: who != "open", Tracer: tracer})
	s.seed(100_000)
	header, shown := "Authorization", ""
	switch who {
	case "token":
		shown = "Bearer " + s.token(access.Token{Role: access.Service})
	case "session", "cookie":
		if _, _, err := s.accounts.Create(b.Context(), access.Account{Email: "robot@example.com", Role: access.Service}, sesame); err != nil {
			b.Fatal(err)
		}
		g, err := s.accounts.SignIn(b.Context(), "robot@example.com", sesame, access.From{})
		if err != nil {
			b.Fatal(err)
		}
		if shown = "Bearer " + g.Secret; who == "cookie" {
			header, shown = "Cookie", "lodge_session="+g.Secret
		}
	}
	body := fmt.Appendf(nil, `{"parent":"hotels/ritz","reservation":{"roomType":"hotels/ritz/roomTypes/double","quantity":1,"checkInDate":%s,"checkOutDate":%s}}`,
		dateJSON(day(1)), dateJSON(day(2)))
	b.SetParallelism(32)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		w := &discard{header: http.Header{}}
		for pb.Next() {
			req := httptest.NewRequest(http.MethodPost, "/lodge.v1.ReservationService/CreateReservation", bytes.NewReader(body))
			req.Header.Set("Content-Type", "application/json")
			if shown != "" {
				req.Header.Set(header, shown)
			}
			clear(w.header)
			s.api.ServeHTTP(w, req)
		}
	})
}

// discard is a response that nobody reads.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

func dateJSON(d *date.Date) string {
	return fmt.Sprintf(`{"year":%d,"month":%d,"day":%d}`, d.GetYear(), d.GetMonth(), d.GetDay())
}

// TestServe is a platform to measure with wrk or curl.
func TestServe(t *testing.T) {
	if !*serve {
		t.Skip("without -serve")
	}
	s := newStackOn(t, t.TempDir(), vfs.Default, api.Options{})
	n := int32(100_000)
	s.seed(n)
	must[lodgev1.SetInventoryResponse](t)(s.inventory.SetInventory(context.Background(), connect.NewRequest(&lodgev1.SetInventoryRequest{
		RoomType: "hotels/ritz/roomTypes/double", StartDate: day(0), EndDate: day(1000), PhysicalCount: &n, OverbookingLimit: &n,
	})))
	fmt.Println(s.server.URL)
	fmt.Printf(`curl -H 'Content-Type: application/json' -d '{"parent":"hotels/ritz","reservation":{"roomType":"hotels/ritz/roomTypes/double","quantity":1,"checkInDate":%s,"checkOutDate":%s}}' %s/lodge.v1.ReservationService/CreateReservation`+"\n",
		dateJSON(day(1)), dateJSON(day(2)), s.server.URL)
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	<-interrupted.Done()
}
