package bench

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/type/date"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/domain"
)

// surface measures reservations over Connect on loopback: client, server, log and projections in this process, on these processors.
func (b *run) surface(ctx context.Context) error {
	if err := b.surfaceFloors(ctx); err != nil {
		return err
	}
	for _, hotels := range []int{1, b.Hotels} {
		place := "hot"
		if hotels > 1 {
			place = "spread"
		}
		for _, clients := range []int{1, 64, 256} {
			var t *target
			if hotels == 1 && clients == 64 {
				t = new(atLeast(20_000, "reservations/s"))
			}
			name := "connect/" + place + "-" + label(clients, "client")
			if err := b.one(ctx, name, floorConnectName, t, func() (Result, error) { return b.connect(ctx, hotels, clients) }); err != nil {
				return err
			}
		}
	}
	if hasWrk() {
		return b.wrkCase(ctx)
	}
	return nil
}

func (b *run) wrkCase(ctx context.Context) error {
	return b.one(ctx, "connect/wrk-64-clients", floorWrkName, new(atLeast(30_000, "reservations/s")), func() (Result, error) { return b.wrk(ctx, 64) })
}

func (b *run) connect(ctx context.Context, hotels, clients int) (Result, error) {
	return b.withServer(ctx, hotels, func(h *house, url string) (Result, error) {
		hist, took, err := b.callConnect(ctx, url, clients, h.request)
		return rateOf("", fmt.Sprintf("%s, Connect with protobuf over loopback HTTP/1.1, client and server in one process, durability sync, %s",
			count(clients, "client"), placeText(hotels)), "reservations/s", 1, hist, took), err
	})
}

// callConnect lets clients make calls one after the other, each on a connection of its own.
func (b *run) callConnect(ctx context.Context, url string, clients int, request func() *lodgev1.CreateReservationRequest) (*histogram, time.Duration, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := lodgev1connect.NewReservationServiceClient(&http.Client{Transport: transport}, url)
	return measure(ctx, clients, b.Duration, func(ctx context.Context, _, _ int) error {
		_, err := client.CreateReservation(ctx, connect.NewRequest(request()))
		return err
	})
}

// request makes the call that next makes in process.
func (h *house) request() *lodgev1.CreateReservationRequest {
	n := int(h.turn.Add(1))
	checkIn := h.today.AddDays(n / h.hotels % houseNights)
	parent := "hotels/" + hotelID(n%h.hotels)
	return &lodgev1.CreateReservationRequest{Parent: parent, RequestId: uuid.NewString(), Reservation: &lodgev1.Reservation{
		RoomType: parent + "/roomTypes/" + roomType, Quantity: 1, CheckInDate: toDate(checkIn), CheckOutDate: toDate(checkIn + 1),
		Guest: &lodgev1.Guest{GuestId: "guest-1", DisplayName: "Ada Lovelace", Email: "ada@example.com", Adults: 2},
	}}
}

func toDate(d domain.Date) *date.Date {
	year, month, day := d.Time(time.UTC).Date()
	return &date.Date{Year: int32(year), Month: int32(month), Day: int32(day)}
}

func (b *run) withServer(ctx context.Context, hotels int, f func(h *house, url string) (Result, error)) (Result, error) {
	dir, remove, err := b.folder("connect")
	if err != nil {
		return Result{}, err
	}
	defer remove()
	h, err := openHouse(ctx, dir, "127.0.0.1:0", hotels)
	if err != nil {
		return Result{}, err
	}
	r, err := f(h, "http://"+h.Addr().String())
	return r, firstError(func() error { return err }, h.close)
}

// wrkScript posts the same reservation again and again; without a request id each is a new one. Nights take turns in each thread.
const wrkScript = `wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local bodies, n = {}, 0
for i, d in ipairs({%s}) do
  bodies[i] = '{"parent":"hotels/hotel-0","reservation":{"roomType":"hotels/hotel-0/roomTypes/room","quantity":1,' .. d .. '}}'
end
request = function()
  n = n %% #bodies + 1
  return wrk.format(nil, "/lodge.v1.ReservationService/CreateReservation", nil, bodies[n])
end
done = function(summary, latency, requests)
  io.write(string.format("LODGE %%d %%d %%d %%d %%d\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), summary.errors.status))
end
`

// wrk measures with the load generator of that name posting JSON: another process on the same processors.
func (b *run) wrk(ctx context.Context, connections int) (Result, error) {
	return b.withServer(ctx, 1, func(h *house, url string) (Result, error) {
		return b.postWithWrk(ctx, url, connections, h.today)
	})
}

// postWithWrk posts reservations of the nights from today on.
func (b *run) postWithWrk(ctx context.Context, url string, connections int, today domain.Date) (Result, error) {
	script := filepath.Join(b.dir, "reserve.lua")
	if err := os.WriteFile(script, fmt.Appendf(nil, wrkScript, wrkDates(today)), 0o600); err != nil {
		return Result{}, err
	}
	seconds := max(1, int(b.Duration.Seconds()))
	out, err := exec.CommandContext(ctx, "wrk", "-t2", "-c"+strconv.Itoa(connections), fmt.Sprintf("-d%ds", seconds), "-s", script, url).CombinedOutput()
	if err != nil {
		return Result{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	return wrkResult(string(out), connections)
}

func wrkDates(today domain.Date) string {
	var dates []string
	for n := range houseNights {
		in, out := toDate(today.AddDays(n)), toDate(today.AddDays(n+1))
		dates = append(dates, fmt.Sprintf(`'"checkInDate":{"year":%d,"month":%d,"day":%d},"checkOutDate":{"year":%d,"month":%d,"day":%d}'`,
			in.Year, in.Month, in.Day, out.Year, out.Month, out.Day))
	}
	return strings.Join(dates, ",")
}

func wrkResult(out string, connections int) (Result, error) {
	_, line, ok := strings.Cut(out, "LODGE ")
	var requests, micros, p50, p99, refused int64
	if n, _ := fmt.Sscanf(line, "%d %d %d %d %d", &requests, &micros, &p50, &p99, &refused); !ok || n != 5 {
		return Result{}, fmt.Errorf("wrk said: %s", out)
	}
	if refused > 0 {
		return Result{}, fmt.Errorf("%d of wrk's %d requests were refused", refused, requests)
	}
	return Result{
		What: fmt.Sprintf("%d connections, wrk posting JSON over loopback HTTP/1.1, durability sync, one hot room type", connections), Unit: "reservations/s",
		Value: float64(requests) / (float64(micros) / 1e6), Count: requests,
		P50: time.Duration(p50) * time.Microsecond, P99: time.Duration(p99) * time.Microsecond,
	}, nil
}
