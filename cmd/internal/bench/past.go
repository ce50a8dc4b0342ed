package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"lodge/cmd/internal/platform"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/broker"
)

// PastOptions sets up a node with a past.
type PastOptions struct {
	Dir          string // its data folder; one that has a log already is measured as it is
	Reservations int    // that are long over; default 10,000,000
	Hotels       int    // default 4,000
	Years        int    // default 3

	// Progress is told now and then how many reservations have been made.
	Progress func(made int)

	// Report is told each figure when it is known.
	Report func(name, what string)
}

func (o PastOptions) withDefaults() PastOptions {
	setInt := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	setInt(&o.Reservations, 10_000_000)
	setInt(&o.Hotels, 4_000)
	setInt(&o.Years, 3)
	if o.Progress == nil {
		o.Progress = func(int) {}
	}
	if o.Report == nil {
		o.Report = func(string, string) {}
	}
	return o
}

const (
	pastRooms     = 400    // of each hotel
	pastWindow    = 16_384 // commands under way
	pastQuietDays = 120    // between the last check-out and today, so that all of it is past for the engine and for the archive
	pastAhead     = 45     // days between booking and arrival, at most
	pastNights    = 5      // of a stay, at most
)

// past makes reservations that are over: placed one after the other over years, paid, and now and then canceled.
type past struct {
	PastOptions
	engine  *commands.Engine
	rng     *rand.Rand
	begin   time.Time
	step    time.Duration // between two reservations
	pending chan *commands.Pending
}

// makePast fills a new log through the engine, which leaves its snapshots; commands carry the times at which they would have been given. Nothing is synced meanwhile.
func makePast(ctx context.Context, o PastOptions) (err error) {
	b, err := broker.Open(platform.LogFolder(o.Dir), broker.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	partitions, err := commands.CreateTopics(ctx, b, 0, log.None)
	if err != nil {
		return err
	}
	engine, err := commands.Open(ctx, b, commands.Options{Partitions: partitions, SnapshotDir: filepath.Join(o.Dir, "snapshots"), HoldTick: -1})
	if err != nil {
		return err
	}
	stopLog, stopEngine := background(ctx, b.Run), background(ctx, engine.Run)
	today := time.Now().UTC().Truncate(24 * time.Hour)
	end := today.AddDate(0, 0, -pastQuietDays-pastAhead-pastNights)
	p := &past{PastOptions: o, engine: engine, rng: rand.New(rand.NewPCG(1, 2)), begin: today.AddDate(-o.Years, 0, 0), pending: make(chan *commands.Pending, pastWindow)}
	p.step = end.Sub(p.begin) / time.Duration(o.Reservations)
	err = p.make(ctx)
	return errors.Join(err, stopEngine(), stopLog())
}

// make gives the commands; another goroutine waits for their answers.
func (p *past) make(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answered := make(chan error, 1)
	go func() { answered <- p.wait(ctx, cancel) }()
	err := p.build(ctx)
	for i := 0; i < p.Reservations && err == nil; i++ {
		if i%100_000 == 0 {
			p.Progress(i)
		}
		err = p.reserve(ctx, i)
	}
	if err == nil {
		err = p.today(ctx)
	}
	close(p.pending)
	if aerr := <-answered; aerr != nil {
		return aerr
	}
	return err
}

func (p *past) wait(ctx context.Context, cancel func()) (err error) {
	for pending := range p.pending {
		if err == nil {
			if err = placed(pending.Wait(ctx)); err != nil {
				cancel()
			}
		}
	}
	return err
}

func (p *past) submit(ctx context.Context, at time.Time, body hotel.Command) error {
	for {
		pending, err := p.engine.Submit(ctx, commands.Command{RequestID: p.id(at), Time: at, Body: body})
		if log.CodeOf(err) == log.LimitReached { // the queue is full
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		select {
		case p.pending <- pending:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// id returns a UUIDv7 as it would have been made at a time.
func (p *past) id(at time.Time) (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|0x7000|uint64(p.rng.IntN(1<<12)))
	binary.BigEndian.PutUint64(id[8:], 1<<63|p.rng.Uint64()>>2)
	return id
}

// build makes the hotels, kind by kind, with nights until a year from now.
func (p *past) build(ctx context.Context) error {
	rooms := int32(pastRooms)
	first := domain.Today(p.begin, time.UTC)
	nights := p.Years*366 + 366
	for _, command := range []func(id string) hotel.Command{
		func(id string) hotel.Command {
			return &hotel.CreateHotel{Hotel: id, DisplayName: "Hotel " + id, TimeZone: "Europe/Lisbon", CurrencyCode: "EUR"}
		},
		func(id string) hotel.Command {
			return &hotel.CreateRoomType{Hotel: id, RoomType: roomType, DisplayName: "Room", BaseRate: &domain.Money{Currency: "EUR", MinorUnits: 100_00}}
		},
		func(id string) hotel.Command {
			return &hotel.SetInventory{Hotel: id, RoomType: roomType, Start: first, End: first.AddDays(nights), PhysicalCount: &rooms}
		},
	} {
		for i := range p.Hotels {
			if err := p.submit(ctx, p.begin, command(hotelID(i))); err != nil {
				return err
			}
		}
	}
	return nil
}

// reserve gives the commands of one reservation.
func (p *past) reserve(ctx context.Context, i int) error {
	at := p.begin.Add(time.Duration(i) * p.step)
	in := domain.Today(at, time.UTC).AddDays(1 + p.rng.IntN(pastAhead))
	stay := domain.Stay{CheckIn: in, CheckOut: in.AddDays(1 + p.rng.IntN(pastNights))}
	id, house, guest := p.id(at).String(), hotelID(p.rng.IntN(p.Hotels)), p.rng.IntN(p.Reservations/4+1)
	err := p.submit(ctx, at, &hotel.PlaceReservation{
		Hotel: house, ReservationID: id, RoomType: roomType, Quantity: 1, Stay: stay, NoHoldExpiry: true, Channel: "web",
		Guest: hotel.Guest{ID: fmt.Sprintf("guest-%d", guest), DisplayName: "Ada Lovelace", Email: fmt.Sprintf("ada.%d@example.com", guest), Adults: 2},
	})
	if err != nil {
		return err
	}
	if i%20 == 0 {
		return p.submit(ctx, at.Add(time.Minute), &hotel.CancelReservation{Hotel: house, ReservationID: id})
	}
	return p.submit(ctx, at.Add(time.Minute), &hotel.ConfirmReservation{Hotel: house, ReservationID: id})
}

// today has every hotel take one more reservation today: so all the others are past.
func (p *past) today(ctx context.Context) error {
	now := time.Now().UTC().Truncate(time.Millisecond)
	in := domain.Today(now, time.UTC).AddDays(30)
	for i := range p.Hotels {
		err := p.submit(ctx, now, &hotel.PlaceReservation{
			Hotel: hotelID(i), ReservationID: p.id(now).String(), RoomType: roomType, Quantity: 1, Stay: domain.Stay{CheckIn: in, CheckOut: in + 1},
			NoHoldExpiry: true, Guest: hotel.Guest{DisplayName: "Ada Lovelace", Email: "ada@example.com", Adults: 1},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
