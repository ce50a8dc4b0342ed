package audit

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/log"
)

// occupancy counts the nights of the hotels of one partition number.
type occupancy struct {
	hotels map[string]*hotelNights
	mark   log.Offset // inventory offset of the latest decision
	turned group      // whose rejections are being read
}

type hotelNights struct {
	report    Hotel
	roomTypes map[string]*calendar
	plans     map[string]*ratePlan
	house     house
}

// calendar holds the nights of one room type densely, from base on.
type calendar struct {
	base       domain.Date
	nights     []night
	restricted map[domain.Date]*eventpb.RestrictionsSet // nights that have restrictions: all that was said of them
}

type night struct {
	physical, outOfOrder int32
	overbooking          int32 // rooms, or per cent of physical as a negative number
	taken                int32

	// The moment when the largest share of the sellable rooms was taken.
	peak, peakSellable int32
	peakAt             log.Offset // of the booking that made it so
}

func (n night) sellable() int32 {
	if n.overbooking < 0 {
		return n.physical - n.outOfOrder + int32(int64(n.physical)*int64(-n.overbooking)/100)
	}
	return n.physical - n.outOfOrder + n.overbooking
}

// calendarDaysMax bounds what one room type's events may span.
const calendarDaysMax = 200 * 366

// countMax bounds the counts of a night, so that their sums cannot overflow. A negative one would make rooms out of nothing.
const countMax = 1 << 28

// percentMax bounds overbooking in per cent, so that of the highest count it fits.
const percentMax = 400

func newOccupancy() *occupancy { return &occupancy{hotels: make(map[string]*hotelNights)} }

func (o *occupancy) hotel(id string) *hotelNights {
	h := o.hotels[id]
	if h == nil {
		h = &hotelNights{roomTypes: make(map[string]*calendar), plans: make(map[string]*ratePlan), house: newHouse()}
		o.hotels[id] = h
	}
	return h
}

func (h *hotelNights) calendar(roomTypeID string) *calendar {
	c := h.roomTypes[roomTypeID]
	if c == nil {
		c = new(calendar)
		h.roomTypes[roomTypeID] = c
	}
	return c
}

// span makes room for the nights [from, to) and returns them.
func (c *calendar) span(from, to domain.Date) ([]night, error) {
	if len(c.nights) == 0 {
		c.base = from
	}
	first, end := min(from, c.base), max(to, c.base+domain.Date(len(c.nights)))
	if int64(end)-int64(first) > calendarDaysMax {
		return nil, fmt.Errorf("nights from %s to %s are more than %d", first, end, calendarDaysMax)
	}
	if before := int(c.base - first); before > 0 {
		c.nights = slices.Concat(make([]night, before), c.nights)
		c.base = first
	}
	if after := int(end-first) - len(c.nights); after > 0 {
		c.nights = append(c.nights, make([]night, after)...)
	}
	return c.nights[from-c.base : to-c.base], nil
}

// at returns a night as it is.
func (c *calendar) at(d domain.Date) night {
	if i := int(d) - int(c.base); i >= 0 && i < len(c.nights) {
		return c.nights[i]
	}
	return night{}
}

// nightsOf returns the range of nights [from, to) that an event is about, as it says: it may be empty.
func nightsOf(m interface {
	GetStartDate() string
	GetEndDate() string
}) (from, to domain.Date, err error) {
	if from, err = domain.ParseDate(m.GetStartDate()); err == nil {
		to, err = domain.ParseDate(m.GetEndDate())
	}
	return from, to, err
}

// set applies an inventory event.
func (o *occupancy) set(m *eventpb.InventorySet) error {
	from, to, err := nightsOf(m)
	if err != nil {
		return err
	}
	if to <= from {
		return fmt.Errorf("the range of nights ends on %s and begins on %s", to, from)
	}
	for _, n := range [...]int32{m.GetPhysicalCount(), m.GetOutOfOrderCount(), m.GetOverbookingLimit()} {
		if n < 0 || n > countMax {
			return fmt.Errorf("a count of %d is not from 0 to %d", n, countMax)
		}
	}
	if p := m.GetOverbookingPercent(); p < 0 || p > percentMax || m.OverbookingPercent != nil && m.OverbookingLimit != nil {
		return fmt.Errorf("overbooking by %d per cent is not from 0 to %d, or given in rooms as well", p, percentMax)
	}
	nights, err := o.hotel(m.GetHotelId()).calendar(m.GetRoomTypeId()).span(from, to)
	if err != nil {
		return err
	}
	for i := range nights {
		replace(&nights[i].physical, m.PhysicalCount)
		replace(&nights[i].outOfOrder, m.OutOfOrderCount)
		replace(&nights[i].overbooking, m.OverbookingLimit)
		if m.OverbookingPercent != nil {
			nights[i].overbooking = -*m.OverbookingPercent
		}
	}
	return nil
}

func replace(field, value *int32) {
	if value != nil {
		*field = *value
	}
}

// placed demands that every night had room, and takes it.
func (o *occupancy) placed(p *pass, at log.Position, m *eventpb.ReservationPlaced) {
	h := o.hotel(m.GetHotelId())
	stay, quantity, ok := p.stay(at, m.GetHotelId(), m.GetStay())
	if !ok {
		return
	}
	p.price(at, m, stay)
	h.report.Placed++
	h.report.RoomNights += int64(stay.Nights()) * int64(quantity)
	h.sold(p, at, m, stay)
	h.take(p, at, m, m.GetStay(), nil)
}

// booked is an event by which a reservation takes rooms.
type booked interface {
	GetHotelId() string
	GetReservationId() string
	GetNightlyMinorUnits() []int64
	GetTotalMinorUnits() int64
	GetTerms() *eventpb.Terms
}

// take demands that every night has room and that no restriction forbids the stay, and takes it. before is what the reservation gave back for it by the same
// event: of a night that it had as many rooms of, nothing is demanded, since it may have been sold past what is sellable today.
func (h *hotelNights) take(p *pass, at log.Position, m booked, is, before *eventpb.Stay) {
	stay, quantity, ok := p.stay(at, m.GetHotelId(), is)
	if !ok {
		return
	}
	h.report.KeptRoomNights += int64(stay.Nights()) * int64(quantity)
	c := h.calendar(is.GetRoomTypeId())
	moved := before == nil || before.GetRoomTypeId() != is.GetRoomTypeId() || before.GetCheckInDate() != is.GetCheckInDate() || before.GetCheckOutDate() != is.GetCheckOutDate()
	var there *domain.Stay // of a guest who is there: what they had
	if before != nil && h.house.lodges(m.GetReservationId()) {
		if had, err := domain.ParseStay(before.GetCheckInDate(), before.GetCheckOutDate()); err == nil {
			there = &had
		}
	}
	if broken := c.brokenBy(stay, there); moved && len(broken) > 0 {
		p.found(Forbidden, at, m.GetHotelId(), "reservation %s takes a stay that breaks %v", m.GetReservationId(), broken)
	}
	nights, err := c.span(stay.CheckIn, stay.CheckOut)
	if err != nil {
		p.found(BadStay, at, m.GetHotelId(), "%v", err)
		return
	}
	for i := range nights {
		n, d := &nights[i], stay.CheckIn.AddDays(i)
		n.taken += quantity
		if n.taken > n.sellable() && had(before, is.GetRoomTypeId(), d) < quantity {
			p.found(Oversold, at, m.GetHotelId(), "reservation %s: %d rooms of %s sold on the night of %s, %d are sellable",
				m.GetReservationId(), n.taken, is.GetRoomTypeId(), d, n.sellable())
		}
		h.peaks(at, is.GetRoomTypeId(), d, n)
	}
}

// had returns how many rooms of a type a stay has on a night.
func had(stay *eventpb.Stay, roomTypeID string, d domain.Date) int32 {
	night := d.String()
	if stay == nil || stay.GetRoomTypeId() != roomTypeID || night < stay.GetCheckInDate() || night >= stay.GetCheckOutDate() {
		return 0
	}
	return stay.GetQuantity()
}

// modified moves a reservation to another stay: what it had is given back first.
func (o *occupancy) modified(p *pass, at log.Position, m *eventpb.ReservationModified) {
	h := o.hotel(m.GetHotelId())
	h.report.Modified++
	if stay, _, ok := p.stay(at, m.GetHotelId(), m.GetStay()); ok && !onlyNames(m) {
		p.price(at, m, stay)
	}
	o.release(p, at, m.GetHotelId(), m.GetPreviousStay())
	h.take(p, at, m, m.GetStay(), m.GetPreviousStay())
}

// onlyNames reports whether a modification changes nothing that has a price.
func onlyNames(m *eventpb.ReservationModified) bool {
	return len(m.GetNightlyMinorUnits()) == 0 && m.GetTotalMinorUnits() == m.GetPreviousTotalMinorUnits() && proto.Equal(m.GetPreviousStay(), m.GetStay())
}

// checkedOut gives back the nights from the day on which the guest left.
func (o *occupancy) checkedOut(p *pass, at log.Position, m *eventpb.GuestCheckedOut) {
	h := o.hotel(m.GetHotelId())
	h.report.CheckedOut++
	h.house.checkedOut(m)
	stay, quantity, ok := p.stay(at, m.GetHotelId(), m.GetStay())
	if !ok {
		return
	}
	left, err := domain.ParseDate(m.GetDate())
	if err != nil || left < stay.CheckIn {
		p.found(BadStay, at, m.GetHotelId(), "reservation %s left on %q and arrived on %s", m.GetReservationId(), m.GetDate(), stay.CheckIn)
		return
	}
	stay.CheckIn = min(left, stay.CheckOut)
	h.giveBack(p, at, m.GetHotelId(), m.GetStay().GetRoomTypeId(), stay, quantity)
}

// peaks compares a night that has just become fuller with the peaks so far.
func (h *hotelNights) peaks(at log.Position, roomTypeID string, d domain.Date, n *night) {
	if n.peak == 0 || int64(n.taken)*int64(n.peakSellable) > int64(n.peak)*int64(n.sellable()) {
		n.peak, n.peakSellable, n.peakAt = n.taken, n.sellable(), at.Offset
	}
	full := &h.report.Fullest
	share, most := int64(n.taken)*full.Sellable, full.Sold*int64(n.sellable())
	if full.Sold == 0 || share > most || share == most && int64(n.taken) > full.Sold {
		*full = Peak{
			RoomTypeID: roomTypeID, Night: d, Position: at,
			Sold: int64(n.taken), Sellable: int64(n.sellable()), Physical: int64(n.physical),
		}
	}
	all := Peak{Night: d, Position: at}
	for _, c := range h.roomTypes {
		other := c.at(d)
		all.Sold += int64(other.taken)
		all.Sellable += int64(other.sellable())
		all.Physical += int64(other.physical)
	}
	if all.Sold > h.report.Busiest.Sold {
		h.report.Busiest = all
	}
}

// release gives back what a reservation took. That it is what it took, the identities check.
func (o *occupancy) release(p *pass, at log.Position, hotelID string, m *eventpb.Stay) {
	if stay, quantity, ok := p.stay(at, hotelID, m); ok {
		o.hotel(hotelID).giveBack(p, at, hotelID, m.GetRoomTypeId(), stay, quantity)
	}
}

// giveBack gives back the rooms of a stay, which may have no nights.
func (h *hotelNights) giveBack(p *pass, at log.Position, hotelID, roomTypeID string, stay domain.Stay, quantity int32) {
	h.report.KeptRoomNights -= int64(stay.Nights()) * int64(quantity)
	nights, err := h.calendar(roomTypeID).span(stay.CheckIn, stay.CheckOut)
	if err != nil {
		p.found(BadStay, at, hotelID, "%v", err)
		return
	}
	for i := range nights {
		if nights[i].taken -= quantity; nights[i].taken < 0 {
			p.found(BadRelease, at, hotelID, "more rooms of %s released on %s than were taken", roomTypeID, stay.CheckIn.AddDays(i))
			nights[i].taken = 0
		}
	}
}

// stay reads a stay, which may be longer than what can be reserved today.
func (p *pass) stay(at log.Position, hotelID string, m *eventpb.Stay) (domain.Stay, int32, bool) {
	in, err1 := domain.ParseDate(m.GetCheckInDate())
	out, err2 := domain.ParseDate(m.GetCheckOutDate())
	if err1 != nil || err2 != nil || out <= in || m.GetQuantity() < 1 || int64(out)-int64(in) > calendarDaysMax {
		p.found(BadStay, at, hotelID, "%d rooms of %s over [%s, %s)",
			m.GetQuantity(), m.GetRoomTypeId(), m.GetCheckInDate(), m.GetCheckOutDate())
		return domain.Stay{}, 0, false
	}
	return domain.Stay{CheckIn: in, CheckOut: out}, m.GetQuantity(), true
}

// price demands one line for each night that is not negative, and that they and the charges on top sum to the total.
func (p *pass) price(at log.Position, m booked, stay domain.Stay) {
	var sum int64
	for _, line := range m.GetNightlyMinorUnits() {
		sum += line
		if line < 0 || sum < 0 {
			p.found(BadPrice, at, m.GetHotelId(), "reservation %s: a night costs %d", m.GetReservationId(), line)
			return
		}
	}
	for _, c := range m.GetTerms().GetCharges() {
		if !c.GetIncluded() {
			sum += c.GetMinorUnits()
		}
		if c.GetMinorUnits() < 0 || sum < 0 {
			p.found(BadPrice, at, m.GetHotelId(), "reservation %s: %s is %d", m.GetReservationId(), c.GetTaxId(), c.GetMinorUnits())
			return
		}
	}
	if lines := len(m.GetNightlyMinorUnits()); lines != stay.Nights() || sum != m.GetTotalMinorUnits() {
		p.found(BadPrice, at, m.GetHotelId(), "reservation %s: %d lines for %d nights sum to %d, the total is %d",
			m.GetReservationId(), lines, stay.Nights(), sum, m.GetTotalMinorUnits())
	}
}
