package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"lodge/commands"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// Result counts what was seeded, now or before: the reservations, and how many of them are paid, canceled, missed and pending.
type Result struct {
	Hotels, RoomTypes                        int
	Placed, Paid, Canceled, NoShows, Pending int
	Rejected, Refused, Events                int

	reservations map[string]state // by id
	now          time.Time
}

// state is how far a reservation has come.
type state int

const (
	isPending state = iota
	isPaid
	isCanceled
	isMissed
)

// namespace is the UUID v5 namespace of the demo.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("lodge/demo"))

// id derives a UUID of what it names, the seed and the day.
func (w *World) id(words ...any) uuid.UUID {
	return uuid.NewSHA1(namespace, fmt.Append(nil, append([]any{w.Seed, w.Today.String()}, words...)...))
}

// Seed gives the world's commands to the engine, kind by kind, and waits for all answers.
func Seed(ctx context.Context, engine *commands.Engine, w *World) (*Result, error) {
	r := &Result{Hotels: len(Hotels), reservations: make(map[string]state, bookings), now: w.Now}
	stages := [][]commands.Command{w.hotels(), w.roomTypes(), w.inventory()}
	for _, stage := range append(stages, w.bookings()...) {
		if err := carryOut(ctx, engine, stage, r); err != nil {
			return nil, err
		}
	}
	for _, h := range Hotels {
		r.RoomTypes += len(h.RoomTypes)
	}
	r.sum()
	return r, nil
}

// carryOut submits commands in order and waits for all of them. Rules that are broken are counted: a folder that was seeded
// on another day has the hotels already, and its rooms may be sold by now.
func carryOut(ctx context.Context, engine *commands.Engine, all []commands.Command, r *Result) error {
	for part := range slices.Chunk(all, commands.QueueMaxDefault/2) {
		pending := make([]*commands.Pending, 0, len(part))
		for _, c := range part {
			p, err := engine.Submit(ctx, c)
			if err != nil {
				return fmt.Errorf("seed: %w", err)
			}
			pending = append(pending, p)
		}
		for _, p := range pending {
			result, err := p.Wait(ctx)
			if err != nil && domain.ReasonOf(err) == "" {
				return fmt.Errorf("seed: %w", err)
			}
			r.count(result, err)
		}
	}
	return nil
}

func (r *Result) count(result commands.Result, err error) {
	if err != nil {
		r.Refused++
	}
	for _, e := range result.Events {
		r.Events++
		switch m := e.Message.(type) {
		case *eventpb.ReservationPlaced:
			r.reservations[m.GetReservationId()] = isPending
			if hold := m.GetHoldExpireTime(); hold != nil && !r.now.Before(hold.AsTime()) {
				r.reservations[m.GetReservationId()] = isCanceled // it was seeded long enough ago
			}
		case *eventpb.ReservationRejected:
			r.Rejected++
		case *eventpb.ReservationPaid:
			r.reservations[m.GetReservationId()] = isPaid
		case *eventpb.ReservationCanceled:
			r.reservations[m.GetReservationId()] = isCanceled
		case *eventpb.ReservationNoShow:
			r.reservations[m.GetReservationId()] = isMissed
		}
	}
}

// sum counts each reservation once, by its last event. On a folder that was seeded before, a booking may be refused, because its
// request then was for other nights, while what became of it is known.
func (r *Result) sum() {
	r.Placed = len(r.reservations)
	for _, s := range r.reservations {
		switch s {
		case isPending:
			r.Pending++
		case isPaid:
			r.Paid++
		case isCanceled:
			r.Canceled++
		case isMissed:
			r.NoShows++
		}
	}
}

// began is when the hotels opened.
func (w *World) began() time.Time { return w.Now.AddDate(0, 0, -pastDays) }

func (w *World) hotels() []commands.Command {
	var all []commands.Command
	for _, h := range Hotels {
		all = append(all, commands.Command{RequestID: w.id("hotel", h.ID), Time: w.began(), Body: &hotel.CreateHotel{
			Hotel: h.ID, DisplayName: h.Name, Description: h.Description, TimeZone: h.TimeZone, CurrencyCode: h.Currency,
			Address: hotel.Address{Street: h.Street, City: h.City, CountryCode: h.Country, Latitude: h.Latitude, Longitude: h.Longitude},
		}})
	}
	return all
}

func (w *World) roomTypes() []commands.Command {
	var all []commands.Command
	for _, h := range Hotels {
		for _, t := range h.RoomTypes {
			all = append(all, commands.Command{RequestID: w.id("room type", h.ID, t.ID), Time: w.began(), Body: &hotel.CreateRoomType{
				Hotel: h.ID, RoomType: t.ID, DisplayName: t.Name, MaxGuests: t.Guests,
				BaseRate: &domain.Money{Currency: h.Currency, MinorUnits: t.RateMinor},
			}})
		}
	}
	return all
}

// inventory gives all room types their rooms from the opening to a year from now, with summer and weekend prices.
func (w *World) inventory() []commands.Command {
	var all []commands.Command
	start, end := w.Today.AddDays(1-pastDays), w.Today.AddDays(futureDays)
	for _, h := range Hotels {
		for _, t := range h.RoomTypes {
			set := func(from, to domain.Date, rate int64, rooms *int32) {
				body := &hotel.SetInventory{Hotel: h.ID, RoomType: t.ID, Start: from, End: to, PhysicalCount: rooms}
				if rooms != nil {
					overbook := int32(h.Overbook)
					body.OverbookingLimit = &overbook
				}
				body.NightlyRate = &domain.Money{Currency: h.Currency, MinorUnits: rate}
				all = append(all, commands.Command{RequestID: w.id("inventory", h.ID, t.ID, from.String(), to.String()), Time: w.began().Add(time.Hour), Body: body})
			}
			rooms := t.Rooms
			set(start, end, t.RateMinor, &rooms)
			for _, s := range seasons(start, end) {
				set(s.from, s.to, h.price(t, s), nil)
			}
		}
	}
	return all
}

// season is a range of nights with a price of its own.
type season struct {
	from, to        domain.Date
	summer, weekend bool
}

// seasons cuts the year into the ranges whose price is not the base rate: summers, and weekends of the next three months.
func seasons(start, end domain.Date) []season {
	const weekendDays = 92
	var all []season
	for d := start; d < end; d++ {
		summer := isSummer(d)
		if last := len(all) - 1; summer && last >= 0 && all[last].to == d {
			all[last].to++
		} else if summer {
			all = append(all, season{from: d, to: d + 1, summer: true})
		}
	}
	for d := start; d < min(end, start.AddDays(pastDays+weekendDays)); d++ {
		if d.Weekday() == time.Friday {
			all = append(all, season{from: d, to: d.AddDays(2), weekend: true, summer: isSummer(d)})
		}
	}
	return all
}

func isSummer(d domain.Date) bool {
	m := d.Time(time.UTC).Month()
	return m == time.July || m == time.August
}

func (h *Hotel) price(t RoomType, s season) int64 {
	rate := t.RateMinor
	if s.summer {
		rate = rate * int64(h.SummerPercent) / 100
	}
	if s.weekend {
		rate = rate * int64(h.WeekendPercent) / 100
	}
	return rate
}

// guestID makes an account of a name.
func guestID(name string) string { return strings.ToLower(strings.ReplaceAll(name, " ", ".")) }
