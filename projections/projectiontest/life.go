package projectiontest

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// Short names of the statuses.
const (
	pending  = eventpb.ReservationStatus_RESERVATION_STATUS_PENDING
	paid     = eventpb.ReservationStatus_RESERVATION_STATUS_PAID
	canceled = eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED
	declined = eventpb.ReservationStatus_RESERVATION_STATUS_REJECTED
	refunded = eventpb.ReservationStatus_RESERVATION_STATUS_REFUNDED
)

// booking is a reservation as the history has made it up so far.
type booking struct {
	hotel, id string
	stay      *eventpb.Stay
	status    eventpb.ReservationStatus
	total     int64 // minor units, as all amounts here
	balance   int64
	kept      int64 // of what was captured: what the house may keep
	rooms     []string
	left      bool
	payments  []*payment
}

// openMax is with how many reservations something may happen at one time, a group beyond it aside. Among ever more of them nothing would happen again to the few who are there.
const openMax = 200

// live returns the next event of a reservation or its payments: a new one, or what can happen to one that is there.
func (h *History) live() proto.Message {
	for len(h.open) >= openMax || len(h.open) > 0 && h.rng.IntN(4) > 0 {
		i := h.rng.IntN(len(h.open))
		b, first := h.open[i], h.rng.IntN(len(steps))
		for j := range steps {
			if m := steps[(first+j)%len(steps)](h, b); m != nil {
				return m
			}
		}
		if b.rooms == nil { // who is there leaves some day: else no room would be free for anybody in the end
			h.drop(i)
		}
	}
	hotel := HotelID(h.rng.IntN(h.hotels))
	if h.rng.IntN(6) == 0 {
		return h.group(hotel)
	}
	return h.place(hotel, h.stay(RoomTypes[h.rng.IntN(len(RoomTypes))]))
}

// steps are what can happen to a reservation. A step returns nil when it cannot, or luck is against it.
var steps = []func(*History, *booking) proto.Message{
	(*History).request, (*History).conclude, (*History).conclude, (*History).pay, (*History).pay, (*History).decline,
	(*History).payBalance, (*History).payBalance,
	(*History).modify, (*History).grant, (*History).checkIn, (*History).checkIn, (*History).checkOut, (*History).stayOn, (*History).move, (*History).end, (*History).walk,
	(*History).refund, (*History).concludeRefund, (*History).concludeRefund, (*History).complete, (*History).forget,
}

// forget forgets the guest of a reservation that is over.
func (h *History) forget(b *booking) proto.Message {
	if !b.ended() && !b.left || h.rng.IntN(6) > 0 {
		return nil
	}
	return &eventpb.GuestForgotten{HotelId: b.hotel, ReservationId: b.id, Keys: []uint64{1 + h.rng.Uint64N(1000)}}
}

// place begins a reservation.
func (h *History) place(hotel string, stay *eventpb.Stay) *eventpb.ReservationPlaced {
	b := &booking{hotel: hotel, id: h.uuid(), stay: stay, status: pending}
	h.open = append(h.open, b)
	m := &eventpb.ReservationPlaced{HotelId: b.hotel, ReservationId: b.id, Stay: b.stay, Guest: h.guest(), CurrencyCode: "EUR", Channel: "web", PlaceDate: h.today()}
	m.NightlyMinorUnits, m.TotalMinorUnits = prices(stay, 9900)
	b.total = m.TotalMinorUnits
	if h.rng.IntN(3) == 0 {
		m.Terms = h.terms()
	}
	if h.rng.IntN(2) == 0 {
		m.HoldExpireTime = timestamppb.New(h.now.Add(15 * time.Minute))
	}
	return m
}

// today is the hotels' day, which comes to stand behind all stays.
func (h *History) today() string {
	h.placed++
	return Day.AddDays(min(h.placed/2-10, 60)).String()
}

// group begins two or three reservations that belong together, or has them refused.
func (h *History) group(hotel string) proto.Message {
	id, had := h.uuid(), h.rng.IntN(4) > 0
	var all []proto.Message
	for range 2 + h.rng.IntN(2) {
		if had {
			m := h.place(hotel, h.stay(RoomTypes[h.rng.IntN(len(RoomTypes))]))
			m.GroupId = id
			all = append(all, m)
			continue
		}
		m := h.rejected(hotel, RoomTypes[h.rng.IntN(len(RoomTypes))])
		m.GroupId = id
		all = append(all, m)
	}
	h.next = append(h.next, all[1:]...)
	return all[0]
}

func (h *History) terms() *eventpb.Terms {
	return &eventpb.Terms{
		RatePlanId: "flexible", ExtraGuestMinorUnits: 900, Cancellation: &eventpb.CancellationTerms{FreeDays: int32(h.rng.IntN(4))},
		Charges: []*eventpb.Charge{{TaxId: "vat", DisplayName: "VAT", MinorUnits: 560, Included: true}},
	}
}

func prices(stay *eventpb.Stay, nightly int64) (lines []int64, total int64) {
	for range nightsOf(stay) {
		lines = append(lines, nightly)
		total += nightly
	}
	return lines, total
}

func nightsOf(s *eventpb.Stay) int { return days(s).Nights() }

func days(s *eventpb.Stay) domain.Stay {
	stay, err := domain.ParseStay(s.GetCheckInDate(), s.GetCheckOutDate())
	if err != nil {
		panic(err)
	}
	return stay
}

func euros(units int64) *eventpb.Money { return &eventpb.Money{CurrencyCode: "EUR", MinorUnits: units} }

// awaited reports whether the guest of a paid reservation is still to come.
func (b *booking) awaited() bool { return b.status == paid && b.rooms == nil && !b.left }

// ended reports whether the reservation has come to nothing.
func (b *booking) ended() bool { return b.status == canceled || b.status == declined }

// modify changes the stay, the guest or both, of a reservation whose guest has not come.
func (h *History) modify(b *booking) proto.Message {
	if b.status != pending && !b.awaited() || b.status == pending && h.rng.IntN(3) > 0 {
		return nil
	}
	m := &eventpb.ReservationModified{HotelId: b.hotel, ReservationId: b.id, PreviousStay: b.stay, Stay: b.stay, CurrencyCode: "EUR",
		TotalMinorUnits: b.total, PreviousTotalMinorUnits: b.total, Status: b.status, BalanceMinorUnits: b.balance}
	if h.rng.IntN(3) == 0 {
		m.Guest = &eventpb.Guest{GuestId: []string{"", "guest-7", "guest-30"}[h.rng.IntN(3)], DisplayName: "Rui Sousa", Adults: 1, Children: 1}
		if h.rng.IntN(2) == 0 {
			h.keys++
			m.Guest.DisplayName, m.Guest.Key, m.Guest.Sealed = "", h.keys, []byte{1, byte(h.keys), 'y'}
		}
		if h.rng.IntN(2) == 0 {
			return m
		}
	}
	b.stay = h.stay(RoomTypes[h.rng.IntN(len(RoomTypes))])
	m.Stay = b.stay
	m.NightlyMinorUnits, m.TotalMinorUnits = prices(b.stay, []int64{9900, 8800, 12300}[h.rng.IntN(3)])
	if h.rng.IntN(3) == 0 {
		m.Terms = h.terms()
	}
	if b.status == paid {
		h.settle(b, m)
	}
	b.total = m.TotalMinorUnits
	return m
}

// settle says what another price of a paid reservation leaves to be paid or gives back.
func (h *History) settle(b *booking, m *eventpb.ReservationModified) {
	more := m.TotalMinorUnits - b.total
	fromBalance := min(b.balance, max(0, -more))
	b.balance += max(0, more) - fromBalance
	m.RefundMinorUnits = min(b.kept, max(0, -more)-fromBalance)
	b.kept -= m.RefundMinorUnits
	m.BalanceMinorUnits = b.balance
}

// end cancels a reservation, or its guest never comes.
func (h *History) end(b *booking) proto.Message {
	if b.status != pending && !b.awaited() || h.rng.IntN(3) > 0 {
		return nil
	}
	was, settlement := b.status, b.close(h.rng.Int64N(20_000))
	b.status = canceled
	switch h.rng.IntN(4) {
	case 0:
		return &eventpb.ReservationNoShow{HotelId: b.hotel, ReservationId: b.id, Stay: b.stay, PreviousStatus: was, Settlement: settlement}
	case 1:
		return &eventpb.ReservationCanceled{HotelId: b.hotel, ReservationId: b.id, Stay: b.stay, PreviousStatus: was, Settlement: settlement,
			Reason: eventpb.ReservationReason_RESERVATION_REASON_HOLD_EXPIRED}
	}
	return &eventpb.ReservationCanceled{HotelId: b.hotel, ReservationId: b.id, Stay: b.stay, PreviousStatus: was, Settlement: settlement,
		Reason: eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST, Note: "plans changed"}
}

// close keeps a fee of what was captured; nil when nothing was.
func (b *booking) close(fee int64) *eventpb.Settlement {
	captured, asked := b.captured(), b.asked()
	if captured == 0 {
		b.kept = 0
		return nil
	}
	b.kept = min(fee, captured-asked)
	return &eventpb.Settlement{CurrencyCode: "EUR", FeeMinorUnits: b.kept, RefundMinorUnits: captured - asked - b.kept, RefundedMinorUnits: asked,
		Waived: fee == 0}
}

// walk sends the guest of a paid reservation elsewhere.
func (h *History) walk(b *booking) proto.Message {
	if !b.awaited() || h.rng.IntN(6) > 0 {
		return nil
	}
	b.status = canceled
	return &eventpb.GuestWalked{HotelId: b.hotel, ReservationId: b.id, Stay: b.stay, RelocatedTo: "Hotel Avenida", Note: "no room was ready",
		Settlement: b.close(0)}
}

// checkIn gives free rooms to the guest of a paid reservation, from the day of arrival to the last night.
func (h *History) checkIn(b *booking) proto.Message {
	if !b.awaited() {
		return nil
	}
	var free []string
	for _, room := range Rooms {
		if !h.taken[b.hotel+"/"+room] && len(free) < int(b.stay.GetQuantity()) {
			free = append(free, room)
		}
	}
	if len(free) < int(b.stay.GetQuantity()) {
		return nil
	}
	for _, room := range free {
		h.taken[b.hotel+"/"+room] = true
	}
	b.rooms = free
	m := &eventpb.GuestCheckedIn{HotelId: b.hotel, ReservationId: b.id, RoomIds: free,
		Date: days(b.stay).CheckIn.AddDays(h.rng.IntN(nightsOf(b.stay))).String()}
	if b.balance > 0 {
		m.SettledAtHotel, b.balance = euros(b.balance), 0
	}
	return m
}

// checkOut has a guest leave, early, on the day or late.
func (h *History) checkOut(b *booking) proto.Message {
	if b.rooms == nil || h.rng.IntN(2) == 0 {
		return nil
	}
	for _, room := range b.rooms {
		delete(h.taken, b.hotel+"/"+room)
	}
	b.rooms, b.left = nil, true
	leaving := days(b.stay).CheckOut
	if early := h.rng.IntN(3); early > 0 {
		leaving = max(days(b.stay).CheckIn, leaving.AddDays(-early))
	} else if h.rng.IntN(3) == 0 {
		leaving = leaving.AddDays(2)
	}
	m := &eventpb.GuestCheckedOut{HotelId: b.hotel, ReservationId: b.id, Stay: b.stay, Date: leaving.String()}
	if b.balance > 0 && h.rng.IntN(2) == 0 {
		m.SettledAtHotel, b.balance = euros(b.balance), 0
	}
	return m
}

// stayOn has a guest who is there stay longer, or leave earlier.
func (h *History) stayOn(b *booking) proto.Message {
	if b.rooms == nil || h.rng.IntN(2) == 0 {
		return nil
	}
	m := &eventpb.ReservationModified{HotelId: b.hotel, ReservationId: b.id, PreviousStay: b.stay, CurrencyCode: "EUR", PreviousTotalMinorUnits: b.total, Status: b.status}
	b.stay = proto.CloneOf(b.stay)
	b.stay.CheckOutDate = days(b.stay).CheckIn.AddDays(1 + h.rng.IntN(6)).String()
	m.Stay = b.stay
	m.NightlyMinorUnits, m.TotalMinorUnits = prices(b.stay, 9900)
	h.settle(b, m)
	b.total = m.TotalMinorUnits
	return m
}

// move gives a guest who is there another room.
func (h *History) move(b *booking) proto.Message {
	if b.rooms == nil || h.rng.IntN(2) == 0 {
		return nil
	}
	for _, room := range Rooms {
		if h.taken[b.hotel+"/"+room] {
			continue
		}
		i := h.rng.IntN(len(b.rooms))
		m := &eventpb.GuestMoved{HotelId: b.hotel, ReservationId: b.id, FromRoomId: b.rooms[i], ToRoomId: room, Date: days(b.stay).CheckIn.String(), Note: "a leak"}
		delete(h.taken, b.hotel+"/"+b.rooms[i])
		h.taken[b.hotel+"/"+room] = true
		b.rooms = slices.Clone(b.rooms) // an event has them
		b.rooms[i] = room
		return m
	}
	return nil
}
