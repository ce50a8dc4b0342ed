package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/domain"
)

// Verdict is how a race for the last room ended.
type Verdict struct {
	Clients  int
	Winners  int
	SoldOut  int // clients that were told so, with the night
	Other    []error
	Winner   string // the reservation's name
	Replayed bool   // the winner's request sent again gave the same reservation, marked as given before
	Took     time.Duration
}

// OK reports whether exactly one client won, all others were told why, and the retry gave the same answer.
func (v *Verdict) OK() bool {
	return v.Winners == 1 && v.SoldOut == v.Clients-1 && len(v.Other) == 0 && v.Replayed
}

// Racetrack is a hotel with one room, for races through the API at url.
type Racetrack struct {
	clients      int
	reservations []lodgev1connect.ReservationServiceClient // by client, each with a connection of its own
	transports   []*http.Transport
	night        domain.Date
	hotel        string
}

// NewRacetrack makes a hotel with a single room on every night from night on.
func NewRacetrack(ctx context.Context, url string, clients int, night domain.Date) (*Racetrack, error) {
	t := &Racetrack{clients: clients, night: night, hotel: "last-room-" + uuid.NewString()[:8]}
	for range clients {
		transport := &http.Transport{}
		t.transports = append(t.transports, transport)
		t.reservations = append(t.reservations, lodgev1connect.NewReservationServiceClient(&http.Client{Transport: transport}, url))
	}
	return t, t.build(ctx, &http.Client{Transport: t.transports[0]}, url)
}

// Close hangs up.
func (t *Racetrack) Close() {
	for _, transport := range t.transports {
		transport.CloseIdleConnections()
	}
}

func (t *Racetrack) build(ctx context.Context, client *http.Client, url string) error {
	hotels := lodgev1connect.NewHotelServiceClient(client, url)
	if _, err := hotels.CreateHotel(ctx, connect.NewRequest(&lodgev1.CreateHotelRequest{HotelId: t.hotel, Hotel: &lodgev1.Hotel{
		DisplayName: "The Last Room", TimeZone: "Europe/Lisbon", CurrencyCode: "EUR",
	}})); err != nil {
		return fmt.Errorf("make the hotel: %w", err)
	}
	if _, err := hotels.CreateRoomType(ctx, connect.NewRequest(&lodgev1.CreateRoomTypeRequest{
		Parent: "hotels/" + t.hotel, RoomTypeId: "only", RoomType: &lodgev1.RoomType{
			DisplayName: "The only room", MaxGuests: 2, BaseRate: &money.Money{CurrencyCode: "EUR", Units: 100},
		},
	})); err != nil {
		return fmt.Errorf("make the room type: %w", err)
	}
	one := int32(1)
	if _, err := lodgev1connect.NewInventoryServiceClient(client, url).SetInventory(ctx, connect.NewRequest(&lodgev1.SetInventoryRequest{
		RoomType: t.roomType(), StartDate: toDate(t.night), EndDate: toDate(t.night.AddDays(365)), PhysicalCount: &one,
	})); err != nil {
		return fmt.Errorf("give the hotel its room: %w", err)
	}
	return nil
}

func (t *Racetrack) roomType() string { return "hotels/" + t.hotel + "/roomTypes/only" }

func (t *Racetrack) request(round int, client int) *lodgev1.CreateReservationRequest {
	night := t.night.AddDays(round)
	return &lodgev1.CreateReservationRequest{
		Parent: "hotels/" + t.hotel, RequestId: uuid.NewString(),
		Reservation: &lodgev1.Reservation{
			RoomType: t.roomType(), Quantity: 1, CheckInDate: toDate(night), CheckOutDate: toDate(night.AddDays(1)),
			Guest: &lodgev1.Guest{GuestId: fmt.Sprintf("racer-%d", client), Adults: 1},
		},
	}
}

// Race lets all clients ask for the room on the same night at the same moment. Each round is another night.
func (t *Racetrack) Race(ctx context.Context, round int) *Verdict {
	v := &Verdict{Clients: t.clients}
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		gate  = make(chan struct{})
		won   *lodgev1.CreateReservationRequest
	)
	for i := range t.clients {
		req := t.request(round, i)
		group.Go(func() {
			<-gate
			res, err := t.reservations[i].CreateReservation(ctx, connect.NewRequest(req))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				v.Winners++
				v.Winner, won = res.Msg.GetName(), req
			case soldOut(err):
				v.SoldOut++
			default:
				v.Other = append(v.Other, err)
			}
		})
	}
	start := time.Now()
	close(gate)
	group.Wait()
	v.Took = time.Since(start)
	if won != nil {
		again, err := t.reservations[0].CreateReservation(ctx, connect.NewRequest(won))
		v.Replayed = err == nil && again.Msg.GetName() == v.Winner && again.Header().Get(api.HeaderReplayed) == "true"
	}
	return v
}

func soldOut(err error) bool {
	var e *connect.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, d := range e.Details() {
		if m, derr := d.Value(); derr == nil {
			if info, ok := m.(*errdetails.ErrorInfo); ok {
				return info.GetReason() == string(domain.SoldOut)
			}
		}
	}
	return false
}

func toDate(d domain.Date) *date.Date {
	year, month, day := d.Time(time.UTC).Date()
	return &date.Date{Year: int32(year), Month: int32(month), Day: int32(day)}
}
