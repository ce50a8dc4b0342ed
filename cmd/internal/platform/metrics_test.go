package platform

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// scrape reads all metrics by name and labels.
func scrape(t *testing.T, client *http.Client, url string) map[string]float64 {
	t.Helper()
	res, err := client.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	all := map[string]float64{}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if i := strings.LastIndexByte(lines.Text(), ' '); i > 0 && lines.Text()[0] != '#' {
			value, err := strconv.ParseFloat(lines.Text()[i+1:], 64)
			if err != nil {
				t.Errorf("%s: %v", lines.Text(), err)
			}
			all[lines.Text()[:i]] = value
		}
	}
	return all
}

func TestMetrics(t *testing.T) {
	p, _ := runIn(t, t.TempDir(), Options{Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", NoSocket: true, Partitions: 2})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	url := "http://" + p.Addr().String()
	hotels, availability := lodgev1connect.NewHotelServiceClient(client, url), lodgev1connect.NewAvailabilityServiceClient(client, url)
	created, err := hotels.CreateHotel(t.Context(), connect.NewRequest(&lodgev1.CreateHotelRequest{
		HotelId: "ritz", Hotel: &lodgev1.Hotel{DisplayName: "Ritz", TimeZone: "UTC", CurrencyCode: "EUR", Address: &lodgev1.Address{City: "Lisbon"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err := availability.SearchHotels(t.Context(), connect.NewRequest(&lodgev1.SearchHotelsRequest{
			City: "lisbon", CheckInDate: &date.Date{Year: 2064, Month: 1, Day: 1}, CheckOutDate: &date.Date{Year: 2064, Month: 1, Day: 2},
			MinPosition: created.Header().Get("Lodge-Position"),
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
	res, err := client.Post(url+lodgev1connect.ReservationServiceCreateReservationProcedure, "application/json", strings.NewReader(
		`{"parent":"hotels/nowhere","reservation":{"roomType":"hotels/nowhere/roomTypes/x","quantity":1,"checkInDate":{"year":2064,"month":1,"day":1},"checkOutDate":{"year":2064,"month":1,"day":2}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusNotFound {
		t.Errorf("a reservation nowhere: %s", res.Status)
	}
	if err := p.WaitCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, client, "http://"+p.servers[1].Addr().String())
	for name, want := range map[string]float64{
		`lodge_api_call_seconds_count{code="ok",method="lodge.v1.HotelService/CreateHotel"}`:                    1,
		`lodge_api_call_seconds_count{code="ok",method="lodge.v1.AvailabilityService/SearchHotels"}`:            3,
		`lodge_api_call_seconds_bucket{code="ok",method="lodge.v1.AvailabilityService/SearchHotels",le="+Inf"}`: 3,
		`lodge_api_call_seconds_count{code="not_found",method="lodge.v1.ReservationService/CreateReservation"}`: 1,
		`lodge_engine_waiting_commands{partition="0"}`:                                                          0,
		`lodge_engine_in_flight_commands{partition="1"}`:                                                        0,
		`lodge_projection_lag_events{projection="availability"}`:                                                0,
		`lodge_log_records_total{topic="hotels"}`:                                                               1,
		`lodge_log_records_total{topic="bookings"}`:                                                             0,
		`lodge_api_open_streams{kind="availability"}`:                                                           0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %g (%t), want %g", name, value, ok, want)
		}
	}
	for _, name := range []string{
		`lodge_cache_requests_total{result="hit"}`, `lodge_cache_requests_total{result="miss"}`, "lodge_cache_entries", "lodge_cache_bytes", "lodge_cache_forgotten_total",
		`lodge_projection_bytes{projection="hotels"}`, `lodge_log_bytes{topic="hotels"}`, `lodge_log_segments{topic="hotels"}`, "go_goroutines", "process_cpu_seconds_total",
	} {
		if got[name] <= 0 {
			t.Errorf("%s is %g", name, got[name])
		}
	}
	if res, err = client.Get(url + "/metrics"); err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusNotFound {
		t.Errorf("the API's port tells metrics too: %s", res.Status)
	}
}
