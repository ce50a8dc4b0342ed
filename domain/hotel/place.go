package hotel

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func (s *State) placeReservation(c *PlaceReservation, at At) ([]proto.Message, error) {
	wanted, err := s.wantedBy(c, at)
	if err != nil {
		return nil, err
	}
	wanted.seal = at.seal(0)
	if full, broken := s.obstacles(&wanted, nil); full != nil || broken != nil {
		return one(rejected(c, full, broken, at)), nil
	}
	b, err := s.grant(&wanted, at)
	if err != nil {
		return nil, err
	}
	return b.events[:], nil
}

// wanted is a request for rooms that may be granted when there are any.
type wanted struct {
	command  *PlaceReservation
	seal     Seal // of its guest
	roomType uint16
	plan     *eventpb.RatePlan // or nil
}

// wantedBy checks everything about a request for a new reservation but whether there is room.
func (s *State) wantedBy(c *PlaceReservation, at At) (wanted, error) {
	return s.wanted(c, at, true)
}

// wanted checks everything about a request but whether there is room; that its id is new only when it must be.
func (s *State) wanted(c *PlaceReservation, at At, isNew bool) (w wanted, err error) {
	w.command = c
	if w.roomType, err = s.openRoomType(c.Hotel, c.RoomType); err != nil {
		return w, err
	}
	if err := s.checkPlace(c); err != nil {
		return w, err
	}
	if err := s.checkGuests(w.roomType, c); err != nil {
		return w, err
	}
	if isNew {
		if err := s.checkNew(c.ReservationID); err != nil {
			return w, err
		}
	}
	if err := s.checkStay(c.Stay, s.today(at.Now)); err != nil {
		return w, err
	}
	if err := c.Quote.checkTime(at.Now); err != nil {
		return w, err
	}
	w.plan, err = s.planOf(c)
	return w, err
}

// obstacles returns the nights that are full, when beside is taken as well, and the restrictions that the stay breaks.
func (s *State) obstacles(w *wanted, beside overlay) (full []domain.Date, broken []Broken) {
	c := w.command
	full, broken = s.fullNights(w.roomType, c.Stay, c.Quantity, beside), s.broken(w.roomType, c.Stay)
	if w.plan != nil {
		broken = append(broken, BrokenByPlan(w.plan, c.Stay)...)
	}
	return full, broken
}

// grant prices a request for which there is room, and returns its event.
func (s *State) grant(w *wanted, at At) (*placed, error) {
	c := w.command
	b := newPlaced(c, w.seal, s.today(at.Now))
	if err := s.price(c, w.roomType, w.plan, b); err != nil {
		return nil, err
	}
	b.event.CurrencyCode = s.currency
	b.event.InventoryOffset = at.InventoryOffset
	if !c.NoHoldExpiry {
		deadline := at.Now.UnixMilli() + s.hold.Milliseconds()
		b.deadline.Seconds, b.deadline.Nanos = deadline/1000, int32(deadline%1000)*1_000_000
		b.event.HoldExpireTime = &b.deadline
	}
	return b, nil
}

// checkPlace checks what does not depend on days.
func (s *State) checkPlace(c *PlaceReservation) error {
	if c.Quantity < 1 || c.Quantity > QuantityMax {
		return domain.Errorf(domain.InvalidQuantity, "quantity", "%d rooms is not from 1 to %d", c.Quantity, QuantityMax)
	}
	if err := c.Guest.check(); err != nil {
		return err
	}
	if err := checkText("channel", c.Channel, ChannelMax); err != nil {
		return err
	}
	if err := checkText("external_reference", c.ExternalReference, ReferenceMax); err != nil {
		return err
	}
	if c.NightlyRate != nil {
		if _, err := s.checkRate("nightly_rate", c.NightlyRate); err != nil {
			return err
		}
		if c.Quote != nil {
			return domain.Errorf(domain.InvalidArgument, "quote", "a quote has a price of its own")
		}
	}
	return nil
}

// checkGuests returns an error when the rooms do not take the guests.
func (s *State) checkGuests(roomType uint16, c *PlaceReservation) error {
	return CheckGuests(s.roomTypes[roomType].details.MaxGuests, c.Quantity, c.Guest.Adults, c.Guest.Children)
}

// checkNew returns an error unless id can be that of a new reservation.
func (s *State) checkNew(reservationID string) error {
	id, err := domain.ParseReservationID(reservationID)
	if err != nil {
		return err
	}
	if known := s.book.find(id); known != nil {
		return domain.Errorf(domain.ReservationExists, "reservation_id",
			"reservation %s exists already and is %s", reservationID, statusName(known.state()))
	}
	if len(s.book.byID) >= ReservationsMax {
		return domain.Errorf(domain.LimitReached, "", "hotel %s has %d reservations, which is the most", s.id, ReservationsMax)
	}
	return nil
}

// checkStay returns an error unless the stay is well formed and lies from today to PlaceDaysAheadMax days ahead.
func (s *State) checkStay(stay domain.Stay, today domain.Date) error {
	if err := stay.Validate(); err != nil {
		return err
	}
	if stay.CheckIn < today {
		e := domain.Errorf(domain.PastDate, "check_in_date",
			"the night of %s is over; today is %s at the hotel", stay.CheckIn, today)
		e.Nights = datesBetween(stay.CheckIn, min(stay.CheckOut, today), domain.StayNightsMax)
		return e
	}
	if latest := today.AddDays(PlaceDaysAheadMax); stay.CheckOut > latest {
		return domain.Errorf(domain.TooFarAhead, "check_out_date",
			"check-out %s is after %s, %d days ahead", stay.CheckOut, latest, PlaceDaysAheadMax)
	}
	return s.checkBooks("check_in_date", stay.CheckIn)
}

// fullNights returns the nights of the stay that have not quantity rooms left beside those of an overlay, or nil when all have.
func (s *State) fullNights(roomType uint16, stay domain.Stay, quantity int32, beside overlay) []domain.Date {
	var full []domain.Date
	nights := &s.roomTypes[roomType].nights
	for d := stay.CheckIn; d < stay.CheckOut; d++ {
		if n := nights.at(d); n == nil || n.available()-beside.taken(roomType, d) < quantity {
			full = append(full, d)
		}
	}
	return full
}

// hasRoom reports whether no night of the stay is full.
func (s *State) hasRoom(roomType uint16, stay domain.Stay, quantity int32, beside overlay) bool {
	nights := &s.roomTypes[roomType].nights
	for d := stay.CheckIn; d < stay.CheckOut; d++ {
		if n := nights.at(d); n == nil || n.available()-beside.taken(roomType, d) < quantity {
			return false
		}
	}
	return true
}

// planOf returns the rate plan that c names, or nil. It takes the guests.
func (s *State) planOf(c *PlaceReservation) (*eventpb.RatePlan, error) {
	if c.RatePlan == "" {
		return nil, nil
	}
	index, err := s.openRatePlan(c.Hotel, c.RatePlan)
	if err != nil {
		return nil, err
	}
	plan := s.ratePlans[index]
	return plan, CheckOccupancy(plan, c.Quantity, c.Guest.Adults, c.Guest.Children)
}

// price writes every night's price for all rooms, taxes and fees, and their sum.
func (s *State) price(c *PlaceReservation, roomType uint16, plan *eventpb.RatePlan, b *placed) error {
	e := &b.event
	in := Priced{Rates: e.NightlyMinorUnits, Quantity: c.Quantity, Guests: c.Guest.Adults + c.Guest.Children, Plan: plan}
	if c.NightlyRate == nil {
		in.Taxes = s.hotel.Taxes
	} else {
		in.Plan = nil // its terms count, not its charges
	}
	var unpriced []domain.Date
	for i, d := 0, c.Stay.CheckIn; d < c.Stay.CheckOut; i, d = i+1, d+1 {
		rate := s.rate(c, roomType, d)
		if rate == noRate {
			unpriced = append(unpriced, d)
		}
		in.Rates[i] = rate
	}
	if unpriced != nil {
		return NotPricedOn(unpriced)
	}
	price, err := PriceStay(&in)
	if err != nil {
		return err
	}
	e.TotalMinorUnits = price.Total
	if plan == nil && price.Charges == nil && c.Quote == nil {
		return nil
	}
	e.Terms = &eventpb.Terms{
		RatePlanId: c.RatePlan, Cancellation: proto.CloneOf(plan.GetCancellation()),
		Charges: price.Charges, ExtraGuestMinorUnits: price.ExtraGuests,
	}
	if c.Quote == nil {
		return nil
	}
	e.Terms.QuoteId = c.Quote.ID
	return c.Quote.checkPrice(&price, s.currency, plan.GetCancellation())
}

// NotPricedOn returns the error that says which nights have no rate.
func NotPricedOn(nights []domain.Date) error {
	e := domain.Errorf(domain.NotPriced, "stay", "%d nights have no rate, first %s", len(nights), nights[0])
	e.Nights = nights
	return e
}

// rate returns what one room costs on the night of d: the override, the rate plan's rate, or the night's own rate, or the room type's base
// rate; or noRate.
func (s *State) rate(c *PlaceReservation, roomType uint16, d domain.Date) int64 {
	if c.NightlyRate != nil {
		return c.NightlyRate.MinorUnits
	}
	if c.RatePlan != "" {
		return s.planRate(roomType, s.ratePlanIndex[c.RatePlan], d)
	}
	rt := s.roomTypes[roomType]
	if rate := rt.nights.rate(d); rate != noRate {
		return rate
	}
	if rt.details.BaseRate != nil {
		return rt.details.BaseRate.MinorUnits
	}
	return noRate
}

// placed is a ReservationPlaced and its parts in one piece of memory: this is the hottest path of the platform.
type placed struct {
	events   [1]proto.Message
	event    eventpb.ReservationPlaced
	stay     eventpb.Stay
	guest    eventpb.Guest
	deadline timestamppb.Timestamp
	nightly  [4]int64
}

func newPlaced(c *PlaceReservation, seal Seal, today domain.Date) *placed {
	b := new(placed)
	b.events[0] = &b.event
	e := &b.event
	var scratch [3 * len("2006-01-02")]byte
	dates := string(today.AppendTo(c.Stay.CheckOut.AppendTo(c.Stay.CheckIn.AppendTo(scratch[:0]))))
	e.HotelId, e.ReservationId = c.Hotel, c.ReservationID
	b.stay.RoomTypeId, b.stay.Quantity = c.RoomType, c.Quantity
	b.stay.CheckInDate, b.stay.CheckOutDate, e.PlaceDate = dates[:10], dates[10:20], dates[20:]
	e.Stay = &b.stay
	if fillGuest(&b.guest, &c.Guest, seal) {
		e.Guest = &b.guest
	}
	if n := c.Stay.Nights(); n <= len(b.nightly) {
		e.NightlyMinorUnits = b.nightly[:n:n]
	} else {
		e.NightlyMinorUnits = make([]int64, n)
	}
	e.Channel, e.ExternalReference = c.Channel, c.ExternalReference
	return b
}

// rejected says why there is no reservation: SOLD_OUT when nights are full, whatever else, so that demand beyond the house is counted as such.
func rejected(c *PlaceReservation, full []domain.Date, broken []Broken, at At) *eventpb.ReservationRejected {
	e := &eventpb.ReservationRejected{
		HotelId: c.Hotel, ReservationId: c.ReservationID,
		Stay: &eventpb.Stay{
			RoomTypeId: c.RoomType, Quantity: c.Quantity,
			CheckInDate: c.Stay.CheckIn.String(), CheckOutDate: c.Stay.CheckOut.String(),
		},
		Reason:          eventpb.ReservationReason_RESERVATION_REASON_SOLD_OUT,
		InventoryOffset: at.InventoryOffset,
		Channel:         c.Channel, ExternalReference: c.ExternalReference, RatePlanId: c.RatePlan,
	}
	if nobody, guest := c.Guest.anonymous(), new(eventpb.Guest); fillGuest(guest, &nobody, Seal{}) {
		e.Guest = guest
	}
	if full == nil {
		e.Reason = eventpb.ReservationReason_RESERVATION_REASON_RESTRICTED
	}
	e.FullNights = dateTexts(full)
	for _, b := range broken {
		e.BrokenRestrictions = append(e.BrokenRestrictions, &eventpb.BrokenRestriction{
			Restriction: b.Restriction, Nights: dateTexts(b.Nights), Limit: b.Limit,
		})
	}
	return e
}

func dateTexts(dates []domain.Date) (texts []string) {
	for _, d := range dates {
		texts = append(texts, d.String())
	}
	return texts
}
