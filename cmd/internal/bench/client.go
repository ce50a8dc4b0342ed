package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/type/date"

	"lodge/api/client"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/domain"
)

// Client drives a server over Connect, in this process.
type Client struct {
	URL      string
	Clients  int // that call one after the other, each on a connection of its own
	Hotels   int // that take turns
	Nights   int // likewise, of each hotel: 1 to 300; 0: 300
	Duration time.Duration

	turn atomic.Int64
}

// Drive reserves for the duration and returns how often and how fast that went: Value, Count, P50 and P99.
func (c *Client) Drive(ctx context.Context) (Result, error) {
	hc := client.New(c.Clients)
	defer hc.CloseIdleConnections()
	reservations := lodgev1connect.NewReservationServiceClient(hc, c.URL)
	hist, took, err := measure(ctx, c.Clients, c.Duration, func(ctx context.Context, _, _ int) error {
		_, err := reservations.CreateReservation(ctx, connect.NewRequest(c.Next()))
		return err
	})
	if err != nil {
		return Result{}, err
	}
	return rateOf("", "", "", 1, hist, took), nil
}

// Next makes the call that house.next makes in process.
func (c *Client) Next() *lodgev1.CreateReservationRequest {
	n := int(c.turn.Add(1))
	checkIn := domain.Today(time.Now(), time.UTC).AddDays(1 + n/c.Hotels%cmp.Or(c.Nights, houseNights))
	parent := "hotels/" + hotelID(n%c.Hotels)
	return &lodgev1.CreateReservationRequest{Parent: parent, RequestId: uuid.NewString(), Reservation: &lodgev1.Reservation{
		RoomType: parent + "/roomTypes/" + roomType, Quantity: 1, CheckInDate: toDate(checkIn), CheckOutDate: toDate(checkIn + 1),
		Guest: &lodgev1.Guest{GuestId: "guest-1", DisplayName: "Ada Lovelace", Email: "ada@example.com", Adults: 2},
	}}
}

func toDate(d domain.Date) *date.Date {
	year, month, day := d.Time(time.UTC).Date()
	return &date.Date{Year: int32(year), Month: int32(month), Day: int32(day)}
}

// drive drives a server from a process of its own, where Options says how to start one. A client that shares the server's process shares its
// scheduler and its garbage, which no client does.
func (b *run) drive(ctx context.Context, url string, clients, hotels int) (Result, error) {
	if len(b.ClientCommand) == 0 {
		return (&Client{URL: url, Clients: clients, Hotels: hotels, Duration: b.Duration}).Drive(ctx)
	}
	args := append(b.ClientCommand[1:len(b.ClientCommand):len(b.ClientCommand)], url, strconv.Itoa(clients), strconv.Itoa(hotels), b.Duration.String())
	out, err := exec.CommandContext(ctx, b.ClientCommand[0], args...).Output()
	if err != nil {
		return Result{}, fmt.Errorf("client process: %w: %s", err, out)
	}
	var r Result
	if err := json.Unmarshal(out, &r); err != nil {
		return Result{}, fmt.Errorf("client process: %w", err)
	}
	return r, nil
}

// clientText says where the client runs.
func (b *run) clientText() string {
	if len(b.ClientCommand) == 0 {
		return "client and server in one process"
	}
	return "client and server in two processes"
}
