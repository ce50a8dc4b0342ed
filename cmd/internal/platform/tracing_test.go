package platform

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/cmd/internal/tracing/tracingtest"
	"lodge/domain"
	"lodge/domain/hotel"
)

const (
	callersTrace = "0af7651916cd43dd8448eb211c80319c"
	callersSpan  = "b7ad6b7169203331"
)

// A reservation that is made and paid in one trace of its caller's is told from the call to the last read model: who asked for what follows from the spans' parents.
func TestOneTraceOfAReservation(t *testing.T) {
	collector := tracingtest.Start(t)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	t.Setenv("OTEL_TRACES_SAMPLER", "")
	p, stop := runIn(t, t.TempDir(), Options{
		Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", NoSocket: true, Partitions: 1, Traces: true, TracesEndpoint: collector.HTTP,
	})
	rooms, today := int32(9), domain.Today(time.Now(), time.UTC)
	give(t, p,
		&hotel.CreateHotel{Hotel: "grand", DisplayName: "Grand", TimeZone: "UTC", CurrencyCode: "EUR"},
		&hotel.CreateRoomType{Hotel: "grand", RoomType: "double", DisplayName: "Double", BaseRate: &domain.Money{Currency: "EUR", MinorUnits: 100_00}},
		&hotel.SetInventory{Hotel: "grand", RoomType: "double", PhysicalCount: &rooms, Start: today, End: today.AddDays(9)})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	id := placeTraced(t, client, p, today)
	payments := lodgev1connect.NewPaymentServiceClient(client, "http://"+p.Addr().String())
	pay := connect.NewRequest(&lodgev1.PayReservationRequest{
		Name: "hotels/grand/reservations/" + id, PaymentMethod: "tok_approve", RequestId: uuid.NewString(), Wait: durationpb.New(20 * time.Second),
	})
	pay.Header().Set("Traceparent", "00-"+callersTrace+"-"+callersSpan+"-01")
	if _, err := payments.PayReservation(t.Context(), pay); err != nil {
		t.Fatal(err)
	}
	const create, asked = "lodge.v1.ReservationService/CreateReservation", "lodge.v1.PaymentService/PayReservation"
	const charged = asked + " > command RequestPayment > process payment-charge"
	const confirmed = charged + " > command RecordPayment > process payment-confirm"
	want := []string{
		create, create + " > command PlaceReservation",
		create + " > command PlaceReservation > queue", create + " > command PlaceReservation > decide", create + " > command PlaceReservation > commit",
		create + " > command PlaceReservation > project availability", create + " > command PlaceReservation > project reservations",
		asked, asked + " > command RequestPayment > commit", asked + " > command RequestPayment > project payments",
		charged, charged + " > command CheckPayment", charged + " > charge simulator", charged + " > command RecordPayment > commit",
		confirmed, confirmed + " > command ConfirmReservation > commit", confirmed + " > command ConfirmReservation > project reservations",
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	spans := collector.Await(ctx, func(spans []tracingtest.Span) bool {
		have := paths(spans)
		return !slices.ContainsFunc(want, func(path string) bool { return !slices.Contains(have, path) })
	})
	if have := paths(spans); ctx.Err() != nil {
		t.Fatalf("have\n%s", strings.Join(have, "\n"))
	}
	t.Logf("the trace has\n%s", strings.Join(paths(spans), "\n"))
	for i := range spans {
		checkSpan(t, &spans[i])
	}
	metrics := scrape(t, client, "http://"+p.servers[1].Addr().String())
	if metrics[`lodge_trace_spans_total{result="exported"}`] < float64(len(want)) || metrics[`lodge_trace_spans_total{result="dropped"}`] != 0 {
		t.Error("spans are not counted")
	}
	stop()
}

// placeTraced makes a reservation by the fast path, with a guest whose words must not be told.
func placeTraced(t *testing.T, client *http.Client, p *Platform, today domain.Date) (id string) {
	t.Helper()
	id = uuid.NewString()
	date := func(d domain.Date) string {
		year, month, day := d.Time(time.UTC).Date()
		return fmt.Sprintf(`{"year":%d,"month":%d,"day":%d}`, year, month, day)
	}
	body := fmt.Sprintf(`{"parent":"hotels/grand","reservation_id":%q,"request_id":%q,"reservation":{"room_type":"hotels/grand/roomTypes/double","quantity":1,`+
		`"check_in_date":%s,"check_out_date":%s,"guest":{"display_name":"Ada Lovelace","email":"ada@example.org","adults":2}}}`,
		id, uuid.NewString(), date(today.AddDays(1)), date(today.AddDays(3)))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.Addr().String()+lodgev1connect.ReservationServiceCreateReservationProcedure, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Traceparent", "00-"+callersTrace+"-"+callersSpan+"-01")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	return id
}

// paths names each span of the caller's trace by the names of those that it is part of.
func paths(spans []tracingtest.Span) (all []string) {
	byID := map[string]*tracingtest.Span{}
	for i := range spans {
		byID[spans[i].ID] = &spans[i]
	}
	for i := range spans {
		if spans[i].Trace != callersTrace {
			continue
		}
		path := spans[i].GetName()
		up := spans[i].Parent
		for ; byID[up] != nil; up = byID[up].Parent {
			path = byID[up].GetName() + " > " + path
		}
		all = append(all, path+cmp.Or(strings.TrimPrefix(" < "+up, " < "+callersSpan), ""))
	}
	return all
}

// checkSpan holds a span to what every span must be.
func checkSpan(t *testing.T, s *tracingtest.Span) {
	t.Helper()
	if s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() || s.GetStatus().GetMessage() != "" {
		t.Errorf("%v", s)
	}
	if text := strings.ToLower(s.String()); strings.Contains(text, "lovelace") || strings.Contains(text, "example.org") || strings.Contains(text, "tok_approve") || strings.Contains(text, "127.0.0.1") {
		t.Errorf("it tells of a guest: %s", text)
	}
	if strings.HasPrefix(s.GetName(), "lodge.v1.") && s.Attribute("rpc.method") != s.GetName() {
		t.Errorf("%v", s)
	}
}

// What was refused is told by its reason alone, and is no fault of the platform.
func TestTracesOfWhatIsRefused(t *testing.T) {
	collector := tracingtest.Start(t)
	t.Setenv("OTEL_TRACES_SAMPLER", "")
	p, stop := runIn(t, t.TempDir(), Options{Addr: "127.0.0.1:0", NoSocket: true, Partitions: 1, Traces: true, TracesEndpoint: collector.HTTP})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	reservations := lodgev1connect.NewReservationServiceClient(client, "http://"+p.Addr().String())
	_, err := reservations.CancelReservation(t.Context(), connect.NewRequest(&lodgev1.CancelReservationRequest{Name: "hotels/nowhere/reservations/" + uuid.NewString()}))
	if connect.CodeOf(err) != connect.CodeNotFound {
		t.Fatal(err)
	}
	stop() // sends what is left
	told := map[string]string{}
	for _, s := range collector.Spans() {
		told[s.GetName()] = s.Attribute("lodge.reason")
		if s.GetStatus().GetCode() != 0 {
			t.Errorf("%v", s.Span)
		}
	}
	if told["lodge.v1.ReservationService/CancelReservation"] != "HOTEL_NOT_FOUND" || told["command CancelReservation"] != "HOTEL_NOT_FOUND" {
		t.Errorf("%v", told)
	}
}

// Without a sampled trace nothing of it gets into the events, and nothing is sent.
func TestNothingIsToldOfWhatIsNotSampled(t *testing.T) {
	collector := tracingtest.Start(t)
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
	p, stop := runIn(t, t.TempDir(), Options{Addr: "127.0.0.1:0", NoSocket: true, Partitions: 1, Traces: true, TracesEndpoint: collector.HTTP})
	rooms, today := int32(9), domain.Today(time.Now(), time.UTC)
	give(t, p,
		&hotel.CreateHotel{Hotel: "grand", DisplayName: "Grand", TimeZone: "UTC", CurrencyCode: "EUR"},
		&hotel.CreateRoomType{Hotel: "grand", RoomType: "double", DisplayName: "Double", BaseRate: &domain.Money{Currency: "EUR", MinorUnits: 100_00}},
		&hotel.SetInventory{Hotel: "grand", RoomType: "double", PhysicalCount: &rooms, Start: today, End: today.AddDays(9)})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	placeTraced(t, client, p, today)
	if e := nextBooking(t, p, 0); e.TraceParent != "" {
		t.Errorf("the event has %q", e.TraceParent)
	}
	stop()
	if spans := collector.Spans(); len(spans) > 0 {
		t.Errorf("%v", spans)
	}
}
