package importer

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"lodge/commands"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// rateMinorMax is the highest rate that is believed: 2,000.00. In the data all but one are below 511; that one is
// 5,400. Whoever is beyond pays the room type's base rate.
const rateMinorMax = 2_000_00

// inventoryNights is how many nights one command gives rooms to.
const inventoryNights = 366

// correlation joins everything that an import did in the log.
const correlation = "import"

// setUp returns the commands that make the hotels, their room types and their rooms. Ids follow from what is set up, so that a
// file with other room types or more demand adds to what is there.
func (p *Plan) setUp(changes []change) []Step {
	if len(changes) == 0 {
		return nil
	}
	first := changes[0].day
	var steps []Step
	for i := range p.Hotels {
		h := &p.Hotels[i]
		steps = append(steps, setUpStep(first, p.createHotel(h), "hotel", h.ID))
		for _, deposit := range p.deposits(h.ID) {
			steps = append(steps, setUpStep(first, createRatePlan(h.ID, deposit), "rate plan", h.ID, slug(deposit)))
		}
		for j := range h.RoomTypes {
			t := &h.RoomTypes[j]
			steps = append(steps, setUpStep(first, p.createRoomType(h, t), "room type", h.ID, t.ID))
			steps = append(steps, p.inventory(first, h, t)...)
			for n := range t.Rooms {
				body := &hotel.CreateRoom{Hotel: h.ID, Room: roomID(t.ID, n), RoomType: t.ID, DisplayName: fmt.Sprintf("%s %d", t.Name, n+1)}
				steps = append(steps, setUpStep(first, body, "room", h.ID, body.Room))
			}
		}
	}
	return steps
}

func setUpStep(day domain.Date, body hotel.Command, words ...string) Step {
	fingerprint := body.Fingerprint()
	id := derive(append(words, string(fingerprint[:]))...)
	return Step{Kind: SetUp, Line: 1, day: day, Command: commands.Command{RequestID: id, CorrelationID: correlation, Body: body}}
}

// addresses are those of the data's two hotels, as far as its authors tell.
var addresses = map[string]hotel.Address{
	"resort-hotel": {City: "Algarve", CountryCode: "PT"},
	"city-hotel":   {City: "Lisbon", CountryCode: "PT"},
}

func (p *Plan) createHotel(h *PlannedHotel) *hotel.CreateHotel {
	return &hotel.CreateHotel{
		Hotel: h.ID, DisplayName: h.Name, Address: addresses[h.ID], TimeZone: p.opts.TimeZone, CurrencyCode: p.opts.Currency,
		Description: "Imported from hotel booking demand data.",
	}
}

// deposits returns the deposit types of a hotel's bookings, in order.
func (p *Plan) deposits(hotelID string) []string {
	found := map[string]bool{}
	for i := range p.Rows {
		if r := &p.Rows[i]; r.DepositType != "" && slug(r.Hotel) == hotelID {
			found[r.DepositType] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// createRatePlan makes the rate plan of a deposit type. What the data means by Non Refund is that the whole price was paid and is kept; of other deposits it does not say what a
// cancellation cost, so it costs nothing.
func createRatePlan(hotelID, deposit string) *hotel.CreateRatePlan {
	terms := hotel.PlanTerms{DisplayName: deposit, Description: "Bookings with deposit type " + deposit + "."}
	if deposit == nonRefund {
		everything := &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT, Amount: 100_000}
		terms.Cancellation = &eventpb.CancellationTerms{NeverFree: true, Fee: everything, NoShowFee: everything}
	}
	return &hotel.CreateRatePlan{Hotel: hotelID, RatePlan: slug(deposit), Terms: terms}
}

func (p *Plan) createRoomType(h *PlannedHotel, t *PlannedRoomType) *hotel.CreateRoomType {
	c := &hotel.CreateRoomType{Hotel: h.ID, RoomType: t.ID, DisplayName: "Room type " + t.Name}
	if t.Capacity > 0 {
		c.BaseRate = p.amount(t.baseRate)
	}
	return c
}

// inventory gives the room type its rooms, a year of nights at a time, each as soon as it can be booked.
func (p *Plan) inventory(first domain.Date, h *PlannedHotel, t *PlannedRoomType) []Step {
	var steps []Step
	count := int32(t.Capacity)
	for start := t.nights.CheckIn; start < t.nights.CheckOut; start = start.AddDays(inventoryNights) {
		end := min(start.AddDays(inventoryNights), t.nights.CheckOut)
		body := &hotel.SetInventory{Hotel: h.ID, RoomType: t.ID, Start: start, End: end, PhysicalCount: &count}
		day := max(first, start.AddDays(-hotel.PlaceDaysAheadMax))
		steps = append(steps, setUpStep(day, body, "inventory", h.ID, t.ID, start.String()))
	}
	return steps
}

// steps returns the commands of the rows, in the order of changes.
func (p *Plan) steps(changes []change) []Step {
	ids := p.reservationIDs()
	steps := make([]Step, 0, len(changes))
	for _, c := range changes {
		r, id := &p.Rows[c.row], ids[c.row]
		steps = append(steps, Step{Kind: c.kind, Row: c.row, Line: r.Line, day: c.day, Command: commands.Command{
			RequestID: derive(c.words(id.String())...), CorrelationID: correlation, Body: p.body(r, c, id.String()),
		}})
	}
	return steps
}

// reservationIDs returns the id of each row, which depends on the rows before it in the file.
func (p *Plan) reservationIDs() []uuid.UUID {
	names := newIdentity(len(p.Rows))
	ids := make([]uuid.UUID, len(p.Rows))
	for i := range p.Rows {
		ids[i] = names.reservation(&p.Rows[i])
	}
	return ids
}

// words name a change of the reservation with this id.
func (c *change) words(id string) []string {
	if c.kind == Change {
		return []string{string(c.kind), id, strconv.Itoa(c.count)}
	}
	return []string{string(c.kind), id}
}

func (p *Plan) body(r *Row, c change, id string) hotel.Command {
	at := slug(r.Hotel)
	switch c.kind {
	case Change: // of something, but the data has only what came of it
		guest := guestOf(r)
		return &hotel.ModifyReservation{Hotel: at, ReservationID: id, Guest: &guest}
	case Pay:
		return &hotel.ConfirmReservation{Hotel: at, ReservationID: id}
	case Arrive:
		return &hotel.CheckIn{Hotel: at, ReservationID: id, Rooms: []string{p.rooms[c.row]}}
	case Leave:
		return &hotel.CheckOut{Hotel: at, ReservationID: id}
	case Miss:
		return &hotel.MarkNoShow{Hotel: at, ReservationID: id}
	case Cancel:
		return &hotel.CancelReservation{Hotel: at, ReservationID: id, Reason: eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST}
	default:
		return p.placement(r, id)
	}
}

func (p *Plan) placement(r *Row, id string) *hotel.PlaceReservation {
	place := &hotel.PlaceReservation{
		Hotel: slug(r.Hotel), ReservationID: id, ClientAssignedID: true, RoomType: slug(r.ReservedRoomType), Quantity: 1, Stay: r.Stay(),
		Guest:        guestOf(r),
		NightlyRate:  p.rate(r),
		NoHoldExpiry: true, // the row says how it ends
		Channel:      r.DistributionChannel, ExternalReference: reference(r),
	}
	if r.DepositType != "" {
		place.RatePlan = slug(r.DepositType)
	}
	return place
}

func guestOf(r *Row) hotel.Guest {
	return hotel.Guest{DisplayName: guestName(r), Adults: persons(r.Adults), Children: persons(r.Children), Infants: persons(r.Babies)}
}

// guestName is all that the data says about a guest.
func guestName(r *Row) string {
	if r.Country == "" {
		return "Guest"
	}
	return "Guest from " + r.Country
}

func persons(n int) int32 { return int32(min(n, hotel.PersonsMax)) }

// reference names the travel agent or company, by the data's numbers for them.
func reference(r *Row) string {
	switch {
	case r.Agent != "" && r.Agent != "0":
		return "agent " + r.Agent
	case r.Company != "" && r.Company != "0":
		return "company " + r.Company
	}
	return ""
}

// rate returns what the guest pays a night.
func (p *Plan) rate(r *Row) *domain.Money {
	switch {
	case r.RateMinor > rateMinorMax:
		p.adjust(r.Line, problemf(AbsurdRate, "adr %s is not believed: the room type's base rate is taken", cents(r.RateMinor)))
		return p.amount(p.baseRate(keyOf(r)))
	case r.RateMinor < 0:
		p.adjust(r.Line, problemf(NegativeRate, "adr %s is negative: taken as 0", cents(r.RateMinor)))
		return p.amount(0)
	}
	return p.amount(r.RateMinor)
}

// amount makes money of hundredths of a unit, rounded half up where the currency has no hundredths.
func (p *Plan) amount(hundredths int64) *domain.Money {
	per := domain.MinorPerUnit(p.opts.Currency)
	return &domain.Money{Currency: p.opts.Currency, MinorUnits: (hundredths*per + 50) / 100}
}

func (p *Plan) baseRate(key roomTypeKey) int64 {
	for i := range p.Hotels {
		for j := range p.Hotels[i].RoomTypes {
			if t := &p.Hotels[i].RoomTypes[j]; p.Hotels[i].ID == key.hotel && t.ID == key.roomType {
				return t.baseRate
			}
		}
	}
	return 0
}

func cents(minor int64) string { return strconv.FormatFloat(float64(minor)/100, 'f', 2, 64) }
