package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

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
	return b.withServer(ctx, hotels, func(_ *house, url string) (Result, error) {
		r, err := b.drive(ctx, url, clients, hotels)
		r.Unit = "reservations/s"
		r.What = fmt.Sprintf("%s, Connect with protobuf over loopback HTTP/1.1, %s, durability sync, %s", count(clients, "client"), b.clientText(), placeText(hotels))
		return r, err
	})
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

// postWithWrk posts reservations of the nights from tomorrow on.
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
		in, out := toDate(today.AddDays(n+1)), toDate(today.AddDays(n+2))
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
