package bench

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"lodge/cmd/internal/platform"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// house is a platform with hotels that do not sell out within a benchmark: 100,000 rooms of one type on each of 300 nights.
type house struct {
	*platform.Platform
	stop   func() error
	hotels int
	today  domain.Date
	turn   atomic.Int64
}

const (
	houseRooms  = hotel.CountMax
	houseNights = 300
	roomType    = "room"
)

func hotelID(i int) string { return fmt.Sprintf("hotel-%d", i) }

// openHouse opens a platform in dir, durability sync, and makes its hotels. The caller calls close.
func openHouse(ctx context.Context, dir, addr string, hotels int) (*house, error) {
	p, err := platform.Open(ctx, dir, platform.Options{
		Addr: addr, NoSocket: true, NoSchedules: true, HoldTick: -1, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	h := &house{Platform: p, stop: background(ctx, p.Run), hotels: hotels, today: domain.Today(time.Now(), time.UTC)}
	if err := h.build(ctx); err != nil {
		return nil, firstError(func() error { return err }, h.close)
	}
	return h, nil
}

func (h *house) close() error { return firstError(h.stop, h.Platform.Close) }

// build makes the hotels, kind by kind, so that the topics are not switched for each.
func (h *house) build(ctx context.Context) error {
	rooms := int32(houseRooms)
	return firstError(
		func() error {
			return h.each(ctx, func(id string) hotel.Command {
				return &hotel.CreateHotel{Hotel: id, DisplayName: id, TimeZone: "UTC", CurrencyCode: "EUR"}
			})
		},
		func() error {
			return h.each(ctx, func(id string) hotel.Command {
				return &hotel.CreateRoomType{Hotel: id, RoomType: roomType, DisplayName: "Room", BaseRate: &domain.Money{Currency: "EUR", MinorUnits: 100_00}}
			})
		},
		func() error {
			return h.each(ctx, func(id string) hotel.Command {
				return &hotel.SetInventory{Hotel: id, RoomType: roomType, Start: h.today, End: h.today.AddDays(houseNights + 2), PhysicalCount: &rooms}
			})
		},
		func() error { return h.WaitCaughtUp(ctx) },
	)
}

func (h *house) each(ctx context.Context, command func(id string) hotel.Command) error {
	pending := make([]*commands.Pending, 0, h.hotels)
	for i := range h.hotels {
		p, err := h.Engine.Submit(ctx, commands.Command{RequestID: uuid.New(), Body: command(hotelID(i))})
		if err != nil {
			return err
		}
		pending = append(pending, p)
	}
	for _, p := range pending {
		if _, err := p.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// next makes one more reservation: hotels take turns, and so do nights, from tomorrow on, as today may be over soon.
func (h *house) next() commands.Command {
	n := int(h.turn.Add(1))
	checkIn := h.today.AddDays(1 + n/h.hotels%houseNights)
	return commands.Command{RequestID: uuid.New(), Body: &hotel.PlaceReservation{
		Hotel: hotelID(n % h.hotels), ReservationID: uuid.NewString(), RoomType: roomType, Quantity: 1,
		Stay: domain.Stay{CheckIn: checkIn, CheckOut: checkIn + 1}, NoHoldExpiry: true,
		Guest: hotel.Guest{ID: "guest-1", DisplayName: "Ada Lovelace", Email: "ada@example.com", Adults: 2},
	}}
}

// reserve makes one reservation and waits until it is durable.
func (h *house) reserve(ctx context.Context) error {
	result, err := h.Engine.Execute(ctx, h.next())
	return placed(result, err)
}

// placed turns a turnaway, which must not happen here, into an error.
func placed(result commands.Result, err error) error {
	if err != nil {
		return err
	}
	for _, e := range result.Events {
		if m, ok := e.Message.(*eventpb.ReservationRejected); ok {
			return fmt.Errorf("the benchmark's hotel is full on %v", m.GetFullNights())
		}
	}
	return nil
}
