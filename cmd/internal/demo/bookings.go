package demo

import (
	"cmp"
	"slices"
	"time"

	"lodge/commands"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// fate is how a demo booking goes on.
type fate int

const (
	paid fate = iota
	canceledByGuest
	canceledByHotel
	missed
	waiting // for payment, at this moment
)

// bookings returns the weeks of trade in stages that may follow each other: bookings, payments, and what came after.
func (w *World) bookings() [][]commands.Command {
	var placed, confirmed, ended []commands.Command
	for i := range bookings {
		h := w.pickHotel()
		place, f := w.booking(i, h)
		id := place.Body.(*hotel.PlaceReservation).ReservationID
		placed = append(placed, place)
		if f == waiting {
			continue
		}
		confirmed = append(confirmed, commands.Command{
			RequestID: w.id("confirm", i), Time: place.Time.Add(3 * time.Minute), Body: &hotel.ConfirmReservation{Hotel: h.ID, ReservationID: id},
		})
		if body := f.ending(h.ID, id); body != nil {
			ended = append(ended, commands.Command{RequestID: w.id("end", i), Time: w.Now.Add(-time.Minute), Body: body})
		}
	}
	byTime := func(a, b commands.Command) int { return cmp.Compare(a.Time.UnixNano(), b.Time.UnixNano()) }
	slices.SortStableFunc(placed, byTime)
	slices.SortStableFunc(confirmed, byTime)
	return [][]commands.Command{placed, confirmed, ended}
}

func (f fate) ending(hotelID, id string) hotel.Command {
	switch f {
	case canceledByGuest:
		return &hotel.CancelReservation{Hotel: hotelID, ReservationID: id, Reason: eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST, Note: "plans changed"}
	case canceledByHotel:
		return &hotel.CancelReservation{Hotel: hotelID, ReservationID: id, Reason: eventpb.ReservationReason_RESERVATION_REASON_HOTEL_REQUEST, Note: "boiler out of order"}
	case missed:
		return &hotel.MarkNoShow{Hotel: hotelID, ReservationID: id}
	}
	return nil
}

// booking makes the i-th booking: made some time in the past weeks, for some nights from then on.
func (w *World) booking(i int, h *Hotel) (commands.Command, fate) {
	ago := time.Duration(w.rng.Int64N(int64((pastDays - 2) * 24 * time.Hour)))
	f := w.pickFate()
	if f == waiting {
		ago = time.Duration(w.rng.Int64N(int64(10 * time.Minute)))
	}
	at := w.Now.Add(-ago)
	zone, err := domain.LoadTimeZone(h.TimeZone)
	if err != nil {
		panic(err) // the table above names zones that every system has
	}
	checkIn := domain.Today(at, zone).AddDays(w.leadDays())
	if f == missed { // it must have begun
		checkIn = min(checkIn, domain.Today(w.Now, zone).AddDays(-1))
		checkIn = max(checkIn, domain.Today(at, zone))
	}
	if f == missed && checkIn >= domain.Today(w.Now, zone) {
		f = paid
	}
	t := h.RoomTypes[w.rng.IntN(len(h.RoomTypes))]
	quantity := int32(1)
	if t.Rooms > 5 && w.rng.IntN(8) == 0 {
		quantity += w.rng.Int32N(3)
	}
	return commands.Command{RequestID: w.id("place", i), Time: at, CorrelationID: "demo", Body: &hotel.PlaceReservation{
		Hotel: h.ID, ReservationID: w.id("reservation", i).String(), ClientAssignedID: true, RoomType: t.ID, Quantity: quantity,
		Stay: domain.Stay{CheckIn: checkIn, CheckOut: checkIn.AddDays(1 + w.rng.IntN(6))}, Guest: w.guest(t, quantity),
		NoHoldExpiry: f != waiting, Channel: channels[w.rng.IntN(len(channels))],
	}}, f
}

// leadDays is mostly small, sometimes months.
func (w *World) leadDays() int {
	if w.rng.IntN(3) == 0 {
		return w.rng.IntN(120)
	}
	return w.rng.IntN(21)
}

func (w *World) pickFate() fate {
	switch n := w.rng.IntN(100); {
	case n < 14:
		return canceledByGuest
	case n < 16:
		return canceledByHotel
	case n < 20:
		return missed
	case n < 24:
		return waiting
	}
	return paid
}

func (w *World) pickHotel() *Hotel {
	total := 0
	for i := range Hotels {
		total += Hotels[i].Popularity
	}
	n := w.rng.IntN(total)
	for i := range Hotels {
		if n -= Hotels[i].Popularity; n < 0 {
			return &Hotels[i]
		}
	}
	return &Hotels[0]
}

func (w *World) guest(t RoomType, quantity int32) hotel.Guest {
	name := firstNames[w.rng.IntN(len(firstNames))] + " " + lastNames[w.rng.IntN(len(lastNames))]
	adults := 1 + w.rng.Int32N(t.Guests*quantity)
	return hotel.Guest{
		ID: guestID(name), DisplayName: name, Email: guestID(name) + "@example.com", Adults: adults,
		Children: min(t.Guests*quantity-adults, w.rng.Int32N(3)),
	}
}
