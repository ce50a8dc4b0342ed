package hotel

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func (s *State) modifyReservation(c *ModifyReservation, at At) ([]proto.Message, error) {
	r, err := s.changeable(c)
	if err != nil {
		return nil, err
	}
	if c.RoomType == nil && c.Quantity == nil && c.CheckIn == nil && c.CheckOut == nil && c.Guest == nil {
		return nil, domain.Errorf(domain.InvalidArgument, "", "nothing is to be changed")
	}
	if err := cmp.Or(r.checkChanges(), r.checkHold(at.Now)); err != nil {
		return nil, err
	}
	if c.Guest != nil {
		if err := c.Guest.check(); err != nil {
			return nil, err
		}
	}
	e := &eventpb.ReservationModified{
		HotelId: c.Hotel, ReservationId: c.ReservationID, PreviousStay: s.stayMessage(r), Stay: s.stayMessage(r), CurrencyCode: s.currency,
		TotalMinorUnits: r.total, PreviousTotalMinorUnits: r.total, InventoryOffset: at.InventoryOffset, Status: r.state(),
	}
	if r.state() == paid {
		e.BalanceMinorUnits = s.balance(r)
	}
	if c.Guest != nil {
		e.Guest = new(eventpb.Guest)
		fillGuest(e.Guest, c.Guest, at.seal(0))
	}
	if c.onlyNames(r) {
		return one(e), nil
	}
	return s.rebook(c, r, e, at)
}

// changeable returns the reservation that c changes. Of a guest who is there, rooms and arrival stay what they are.
func (s *State) changeable(c *ModifyReservation) (*reservation, error) {
	r, err := s.unchanged(c.Hotel, c.ReservationID, c.ExpectedVersion)
	if err != nil {
		return nil, err
	}
	if r.stage != inHouse {
		return s.taking(c.Hotel, c.ReservationID, c.ExpectedVersion, "modified")
	}
	if c.RoomType != nil && *c.RoomType != s.roomTypes[r.roomType].details.RoomTypeId || c.Quantity != nil && *c.Quantity != int32(r.quantity) ||
		c.CheckIn != nil && *c.CheckIn != r.checkIn {
		return nil, domain.Errorf(domain.StatusConflict, "reservation_id",
			"the guest of reservation %s has checked in: only the day of leaving and the guests can change", c.ReservationID)
	}
	return r, nil
}

// onlyNames reports whether nothing changes that has a price.
func (c *ModifyReservation) onlyNames(r *reservation) bool {
	return c.RoomType == nil && c.Quantity == nil && c.CheckIn == nil && c.CheckOut == nil && c.Quote == nil &&
		c.Guest.Adults == int32(r.adults) && c.Guest.Children == int32(r.children)
}

// rebook completes e with other rooms, nights or guests and their price.
func (s *State) rebook(c *ModifyReservation, r *reservation, e *eventpb.ReservationModified, at At) ([]proto.Message, error) {
	under := s.book.terms.at(r.terms)
	p := s.replaced(c, r, under.plan)
	index, err := s.openRoomType(p.Hotel, p.RoomType)
	if err != nil {
		return nil, err
	}
	if p.Quantity < 1 || p.Quantity > QuantityMax {
		return nil, domain.Errorf(domain.InvalidQuantity, "quantity", "%d rooms is not from 1 to %d", p.Quantity, QuantityMax)
	}
	if index != r.roomType || p.Quantity != int32(r.quantity) || p.Guest.Adults != int32(r.adults) || p.Guest.Children != int32(r.children) {
		if err := s.checkGuests(index, p); err != nil { // as many guests in the same rooms may stay, whatever the room type says now
			return nil, err
		}
	}
	if err := s.checkNewStay(r, p.Stay, s.today(at.Now)); err != nil {
		return nil, err
	}
	if err := p.Quote.checkTime(at.Now); err != nil {
		return nil, err
	}
	plan, err := s.planOf(p)
	if err != nil {
		return nil, err
	}
	if err := s.checkRoom(r, index, p.Stay, p.Quantity, plan); err != nil {
		return nil, err
	}
	b := newPlaced(p, Seal{}, 0)
	if err := s.price(p, index, plan, b); err != nil {
		return nil, err
	}
	e.Stay, e.NightlyMinorUnits, e.TotalMinorUnits, e.Terms = b.event.Stay, b.event.NightlyMinorUnits, b.event.TotalMinorUnits, b.event.Terms
	if under.limited {
		if e.Terms == nil {
			e.Terms = new(eventpb.Terms)
		}
		e.Terms.Cancellation = under.cancellation()
	} else if e.Terms != nil {
		e.Terms.Cancellation = nil
	}
	if r.state() == paid {
		s.balanceOf(r, e, at)
	}
	return one(e), nil
}

// balanceOf says in e what the new price of a PAID reservation leaves to be paid, or gives back.
func (s *State) balanceOf(r *reservation, e *eventpb.ReservationModified, at At) {
	e.FeeMinorUnits = s.cancelFee(r, at)
	before := s.book.account(s.book.byID[r.id])
	after := before.modified(e.TotalMinorUnits, e.FeeMinorUnits)
	e.BalanceMinorUnits, e.RefundMinorUnits = after.due, before.kept-after.kept
}

// replaced is the reservation as a command makes it, to be checked and priced as if it was placed.
func (s *State) replaced(c *ModifyReservation, r *reservation, plan string) *PlaceReservation {
	p := &PlaceReservation{
		Hotel: c.Hotel, ReservationID: c.ReservationID, RoomType: s.roomTypes[r.roomType].details.RoomTypeId, Quantity: int32(r.quantity), Stay: r.stay(),
		Guest: Guest{Adults: int32(r.adults), Children: int32(r.children)}, RatePlan: plan, Quote: c.Quote,
	}
	set(&p.RoomType, c.RoomType)
	set(&p.Quantity, c.Quantity)
	set(&p.Stay.CheckIn, c.CheckIn)
	set(&p.Stay.CheckOut, c.CheckOut)
	set(&p.Guest, c.Guest)
	return p
}

// checkNewStay is checkStay for a reservation whose day of arrival, when it stays, may be over.
func (s *State) checkNewStay(r *reservation, stay domain.Stay, today domain.Date) error {
	if stay.CheckIn != r.checkIn || stay.CheckIn >= today {
		return s.checkStay(stay, today)
	}
	if err := stay.Validate(); err != nil {
		return err
	}
	leaves := stay.CheckOut == today && r.stage == inHouse
	if stay.CheckOut <= today && stay.CheckOut != r.stay().CheckOut && !leaves {
		return domain.Errorf(domain.PastDate, "check_out_date", "check-out %s is not after today, which is %s at the hotel", stay.CheckOut, today)
	}
	if latest := today.AddDays(PlaceDaysAheadMax); stay.CheckOut > latest {
		return domain.Errorf(domain.TooFarAhead, "check_out_date", "check-out %s is after %s, %d days ahead", stay.CheckOut, latest, PlaceDaysAheadMax)
	}
	return s.checkBooks("check_in_date", stay.CheckIn)
}

// checkRoom returns an error, which names the nights, unless the rooms can be had once those that r has are released. On a night on which r has as many
// they always can: nobody loses rooms that were sold and broke since.
func (s *State) checkRoom(r *reservation, roomType uint16, stay domain.Stay, quantity int32, plan *eventpb.RatePlan) error {
	var full []domain.Date
	nights := &s.roomTypes[roomType].nights
	for d := range stay.All() {
		own := int32(0)
		if roomType == r.roomType && r.stay().Contains(d) {
			own = int32(r.quantity)
		}
		if n := nights.at(d); own < quantity && (n == nil || n.available() < quantity-own) {
			full = append(full, d)
		}
	}
	if full != nil {
		e := domain.Errorf(domain.SoldOut, "stay", "%d nights have not %d rooms left, first %s", len(full), quantity, full[0])
		e.Nights = full
		return e
	}
	if roomType == r.roomType && stay == r.stay() {
		return nil
	}
	broken := s.broken(roomType, stay)
	if plan != nil {
		broken = append(broken, BrokenByPlan(plan, stay)...)
	}
	if r.stage == inHouse {
		broken = BrokenInHouse(broken, r.stay(), stay)
	}
	return restrictedBy(broken)
}

// restrictedBy returns the error that names broken restrictions and their nights, or nil when there are none.
func restrictedBy(broken []Broken) error {
	if len(broken) == 0 {
		return nil
	}
	var names []string
	var nights []domain.Date
	for _, b := range broken {
		name := strings.TrimPrefix(b.Restriction.String(), "RESTRICTION_")
		if b.Limit > 0 {
			name = fmt.Sprintf("%s of %d", name, b.Limit)
		}
		names = append(names, name)
		nights = append(nights, b.Nights...)
	}
	slices.Sort(nights)
	e := domain.Errorf(domain.Restricted, "stay", "the stay breaks %s", strings.Join(names, ", "))
	e.Nights = slices.Compact(nights)
	return e
}

// modified applies a modification: what the old stay counts for goes, what the new one does comes.
func (s *State) modified(m *eventpb.ReservationModified) error {
	at, err := s.known(m)
	if err != nil {
		return err
	}
	r := &s.book.slots[at]
	next, err := s.readStay(m.GetHotelId(), m.GetStay())
	if err != nil {
		return err
	}
	if !r.takes() || m.GetTotalMinorUnits() < 0 || m.GetFeeMinorUnits() < 0 {
		return fmt.Errorf("reservation %s is %s and cannot become one of %d", r.id, statusName(r.state()), m.GetTotalMinorUnits())
	}
	nights, out := &s.roomTypes[next.roomType].nights, next.stay().CheckOut
	if from := max(next.checkIn, s.closed); from < out {
		if err := nights.ensure(from, out); err != nil {
			return err
		}
	}
	s.count(r, -1)
	s.book.rechain(at, out, s.closed)
	r.roomType, r.quantity, r.checkIn, r.nights = next.roomType, next.quantity, next.checkIn, next.nights
	s.count(r, +1)
	if m.Guest != nil {
		r.setGuests(m.Guest)
	}
	if len(m.GetNightlyMinorUnits()) > 0 {
		s.reprice(at, m)
	}
	return nil
}

// reprice keeps the price of a modification.
func (s *State) reprice(at slot, m *eventpb.ReservationModified) {
	r, a := &s.book.slots[at], s.book.account(at)
	if r.state() == paid {
		a = a.modified(m.GetTotalMinorUnits(), m.GetFeeMinorUnits())
	}
	s.book.setAccount(at, account{}) // which is in terms of the old total
	under := termsOf(m.GetTerms().GetRatePlanId(), m.GetTerms().GetCancellation())
	r.setPrice(&under, m.GetNightlyMinorUnits(), m.GetTotalMinorUnits())
	used := s.book.terms.use(under)
	s.book.terms.release(r.terms)
	r.terms = used
	s.book.setAccount(at, a)
}

// setGuests keeps how many the guests are.
func (r *reservation) setGuests(g *eventpb.Guest) {
	r.adults, r.children = uint16(g.GetAdults()), uint16(g.GetChildren())
}
