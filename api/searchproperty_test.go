package api_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections/projectiontest"
)

// TestWhatIsFoundCanBeHadAndNothingElse makes small worlds at random. For each stay that is searched for, the engine is asked for every room type under
// every rate plan: what it places is given back at once. Search must have found exactly the room types that could be placed, with the price of the
// cheapest way to, line by line, and the same must hold of other dates and room types.
func TestWhatIsFoundCanBeHadAndNothingElse(t *testing.T) {
	s := newStack(t, api.Options{})
	rng := rand.New(rand.NewPCG(projectiontest.Seed(t), 3))
	worlds := 24
	if testing.Short() {
		worlds = 6
	}
	found, left := 0, 0
	for i := range worlds {
		w := s.newWorld(rng, i)
		s.settle()
		asks := [...]asked{w.ask(), w.ask()} // again and again, so that answers are kept
		for range 5 {
			f, l := w.compare(asks[rng.IntN(2)])
			found, left = found+f, left+l
			for range rng.IntN(4) { // the world turns, and so must what is kept of it
				w.change()
			}
			s.settle()
		}
		w.compareAlternatives(w.ask())
	}
	if found == 0 || left == 0 {
		t.Errorf("%d room types were found and %d left out: the worlds are too poor or too rich", found, left)
	}
}

// world is some hotels of one city.
type world struct {
	*stack
	rng    *rand.Rand
	city   string
	today  domain.Date
	houses []*worldHotel
	placed []hotel.CancelReservation // that are kept
}

type worldHotel struct {
	id        string
	roomTypes map[string]bool // by id
	plans     []string
}

// asked is a stay that is searched for.
type asked struct {
	stay                       domain.Stay
	quantity, adults, children int32
}

func (s *stack) newWorld(rng *rand.Rand, n int) *world {
	w := &world{stack: s, rng: rng, city: fmt.Sprintf("Welt %d", n), today: domain.Today(s.clock.now(), time.UTC)}
	for i := range 1 + rng.IntN(3) {
		w.houses = append(w.houses, w.build(fmt.Sprintf("w%d-%d", n, i)))
	}
	for range 40 {
		w.change()
	}
	s.clock.advance(24 * time.Hour) // so that some of the nights are over
	return w
}

// do executes a command, and reports whether no rule forbade it.
func (w *world) do(body hotel.Command) (commands.Result, bool) {
	w.Helper()
	result, err := w.engine.Execute(w.Context(), commands.Command{RequestID: uuid.New(), Body: body})
	if err != nil && domain.ReasonOf(err) == "" {
		w.Fatal(err)
	}
	return result, err == nil
}

func (w *world) mustDo(body hotel.Command) {
	w.Helper()
	if _, ok := w.do(body); !ok {
		w.Fatalf("%#v was refused", body)
	}
}

func (w *world) maybe(value int32) *int32 {
	if w.rng.IntN(2) == 0 {
		return nil
	}
	return &value
}

func (w *world) build(id string) *worldHotel {
	h := &worldHotel{id: id, roomTypes: map[string]bool{}}
	var taxes []hotel.Tax
	for i, basis := range []eventpb.TaxBasis{
		eventpb.TaxBasis_TAX_BASIS_PERCENT, eventpb.TaxBasis_TAX_BASIS_GUEST_NIGHT, eventpb.TaxBasis_TAX_BASIS_ROOM_NIGHT, eventpb.TaxBasis_TAX_BASIS_ROOM_STAY,
	} {
		if w.rng.IntN(2) == 0 {
			taxes = append(taxes, hotel.Tax{ID: fmt.Sprint("tax-", i), DisplayName: "Tax", Basis: basis, Amount: int64(w.rng.IntN(9000)), Included: w.rng.IntN(2) == 0})
		}
	}
	zones := []string{"Pacific/Kiritimati", "Europe/Lisbon", "Pacific/Pago_Pago"} // tomorrow, today, yesterday somewhere
	w.mustDo(&hotel.CreateHotel{Hotel: id, DisplayName: "Haus " + id, Address: hotel.Address{City: w.city}, TimeZone: zones[w.rng.IntN(3)], CurrencyCode: "EUR", Taxes: taxes})
	for i := range 1 + w.rng.IntN(3) {
		rt := &hotel.CreateRoomType{Hotel: id, RoomType: fmt.Sprint("type-", i), DisplayName: "Type", MaxGuests: int32(w.rng.IntN(4))}
		if w.rng.IntN(3) > 0 {
			rt.BaseRate = &domain.Money{Currency: "EUR", MinorUnits: int64(w.rng.IntN(20_000))}
		}
		w.mustDo(rt)
		h.roomTypes[rt.RoomType] = true
		physical := int32(1 + w.rng.IntN(3))
		w.mustDo(&hotel.SetInventory{Hotel: id, RoomType: rt.RoomType, Start: w.today + 1, End: w.today.AddDays(12 + w.rng.IntN(12)), PhysicalCount: &physical})
	}
	for i := range w.rng.IntN(4) {
		plan := &hotel.CreateRatePlan{Hotel: id, RatePlan: fmt.Sprint("plan-", i), Terms: hotel.PlanTerms{
			DisplayName: "Plan", IncludedGuests: int32(w.rng.IntN(3)), MaxAdults: w.maybe(int32(1 + w.rng.IntN(2))), MaxChildren: w.maybe(int32(w.rng.IntN(2))),
			MinStay: int32(w.rng.IntN(3)), ExtraGuestCharge: &domain.Money{Currency: "EUR", MinorUnits: int64(w.rng.IntN(3000))},
			Cancellation: &eventpb.CancellationTerms{FreeDays: int32(i)},
		}}
		w.mustDo(plan)
		h.plans = append(h.plans, plan.RatePlan)
	}
	return h
}

// change does something to one of the hotels, if a rule does not forbid it.
func (w *world) change() {
	h := w.houses[w.rng.IntN(len(w.houses))]
	rt := fmt.Sprint("type-", w.rng.IntN(len(h.roomTypes)))
	from := w.today.AddDays(1 + w.rng.IntN(20))
	to := from.AddDays(1 + w.rng.IntN(10))
	yes := w.rng.IntN(2) == 0
	switch k := w.rng.IntN(20); {
	case k < 5 && len(h.plans) > 0:
		rates := &hotel.SetRates{Hotel: h.id, RatePlan: h.plans[w.rng.IntN(len(h.plans))], RoomType: rt, Start: from, End: to}
		if w.rng.IntN(4) > 0 {
			rates.NightlyRate = &domain.Money{Currency: "EUR", MinorUnits: int64(w.rng.IntN(20_000))}
		}
		w.do(rates)
	case k < 9:
		set := &hotel.SetInventory{Hotel: h.id, RoomType: rt, Start: from, End: to, PhysicalCount: w.maybe(int32(w.rng.IntN(4))), OutOfOrderCount: w.maybe(0), OverbookingPercent: w.maybe(50)}
		if yes {
			set.NightlyRate = &domain.Money{Currency: "EUR", MinorUnits: int64(w.rng.IntN(20_000))}
		}
		w.do(set)
	case k < 12:
		w.do(&hotel.SetRestrictions{
			Hotel: h.id, RoomType: rt, Start: from, End: to, MinStay: w.maybe(int32(w.rng.IntN(3))), MaxStay: w.maybe(int32(w.rng.IntN(2) * 4)),
			ClosedToArrival: when(w.rng, yes), ClosedToDeparture: when(w.rng, !yes), StopSell: when(w.rng, w.rng.IntN(3) == 0),
		})
	case k < 16:
		w.book(h.id, rt)
	case k < 18 && len(w.placed) > 0:
		i := w.rng.IntN(len(w.placed))
		w.do(&w.placed[i])
		w.placed = slices.Delete(w.placed, i, i+1)
	case k == 18 && len(h.plans) > 1 && w.rng.IntN(4) == 0:
		w.do(&hotel.ArchiveRatePlan{Hotel: h.id, RatePlan: h.plans[0]})
	case k == 19 && w.rng.IntN(12) == 0:
		w.do(&hotel.ArchiveRoomType{Hotel: h.id, RoomType: rt})
	}
}

func when(rng *rand.Rand, value bool) *bool {
	if rng.IntN(2) == 0 {
		return nil
	}
	return &value
}

// book places a reservation that stays, and pays for some of them.
func (w *world) book(hotelID, roomType string) {
	a := w.ask()
	place := &hotel.PlaceReservation{Hotel: hotelID, RoomType: roomType, Quantity: 1, Stay: a.stay, ReservationID: uuid.NewString(), NoHoldExpiry: true}
	if result, ok := w.do(place); !ok || len(result.Events) == 0 || placedEvent(result) == nil {
		return
	}
	if w.rng.IntN(2) == 0 {
		w.do(&hotel.ConfirmReservation{Hotel: hotelID, ReservationID: place.ReservationID})
	}
	w.placed = append(w.placed, hotel.CancelReservation{Hotel: hotelID, ReservationID: place.ReservationID})
}

func placedEvent(result commands.Result) *eventpb.ReservationPlaced {
	if len(result.Events) == 0 {
		return nil
	}
	e, _ := result.Events[0].Message.(*eventpb.ReservationPlaced)
	return e
}

func (w *world) ask() asked {
	in := w.today.AddDays(w.rng.IntN(15) - 1)
	return asked{
		stay:     domain.Stay{CheckIn: in, CheckOut: in.AddDays(1 + w.rng.IntN(4))},
		quantity: int32(1 + w.rng.IntN(2)), adults: int32(w.rng.IntN(4)), children: int32(w.rng.IntN(2)),
	}
}

// try places a stay and takes it back. nil: it cannot be had.
func (w *world) try(hotelID, roomType, plan string, a asked) *eventpb.ReservationPlaced {
	w.Helper()
	id := uuid.NewString()
	result, ok := w.do(&hotel.PlaceReservation{
		Hotel: hotelID, RoomType: roomType, RatePlan: plan, Quantity: a.quantity, Stay: a.stay, ReservationID: id, Guest: hotel.Guest{Adults: a.adults, Children: a.children},
	})
	if !ok {
		return nil
	}
	e := placedEvent(result)
	if e != nil {
		w.mustDo(&hotel.CancelReservation{Hotel: hotelID, ReservationID: id})
	}
	return e
}

// cheapest returns the cheapest way to have a room type, nil when there is none. Of the same prices the room type's own rates come first, then plans by id.
func (w *world) cheapest(h *worldHotel, roomType string, a asked) (best *eventpb.ReservationPlaced) {
	for _, plan := range append([]string{""}, h.plans...) {
		if e := w.try(h.id, roomType, plan, a); e != nil && (best == nil || e.TotalMinorUnits < best.TotalMinorUnits) {
			best = e
		}
	}
	return best
}

// compare searches, and holds what was found to what the engine does.
func (w *world) compare(a asked) (found, left int) {
	w.Helper()
	req := &lodgev1.SearchHotelsRequest{
		City: w.city, CheckInDate: apiDate(a.stay.CheckIn), CheckOutDate: apiDate(a.stay.CheckOut), Quantity: a.quantity, Adults: a.adults, Children: a.children,
		PageSize: int32(1 + w.rng.IntN(3)), Sort: []lodgev1.SearchSort{0, lodgev1.SearchSort_SEARCH_SORT_PRICE, lodgev1.SearchSort_SEARCH_SORT_NAME}[w.rng.IntN(3)],
	}
	offers := map[string]map[string]*lodgev1.RoomTypeOffer{}
	for {
		page, _ := must[lodgev1.SearchHotelsResponse](w)(w.availability.SearchHotels(w.Context(), connect.NewRequest(req)))
		for _, o := range page.GetOffers() {
			if offers[o.GetHotel().GetName()] != nil {
				w.Fatalf("%s came twice", o.GetHotel().GetName())
			}
			offers[o.GetHotel().GetName()] = byRoomType(o.GetRoomTypes())
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	for _, h := range w.houses {
		for roomType := range h.roomTypes {
			offer, best := offers["hotels/"+h.id]["hotels/"+h.id+"/roomTypes/"+roomType], w.cheapest(h, roomType, a)
			w.same(h.id+" "+roomType, a, offer, best)
			if best != nil {
				found++
			} else {
				left++
			}
		}
	}
	return found, left
}

func byRoomType(offers []*lodgev1.RoomTypeOffer) map[string]*lodgev1.RoomTypeOffer {
	by := map[string]*lodgev1.RoomTypeOffer{}
	for _, o := range offers {
		by[o.GetRoomType().GetName()] = o
	}
	return by
}

// same holds an offer to the reservation that it promises.
func (w *world) same(what string, a asked, offer *lodgev1.RoomTypeOffer, best *eventpb.ReservationPlaced) {
	w.Helper()
	if offer == nil && best == nil {
		return
	}
	if offer == nil || best == nil {
		w.Fatalf("%s, %+v: offered %v, placed %v", what, a, offer, best)
	}
	want := &lodgev1.RoomTypeOffer{Total: apiMoney(best.TotalMinorUnits)}
	got := &lodgev1.RoomTypeOffer{Total: offer.GetTotal(), Nights: offer.GetNights(), Charges: offer.GetCharges(), RatePlan: offer.GetRatePlan()}
	for i, line := range best.NightlyMinorUnits {
		night := &lodgev1.QuoteNight{Date: apiDate(a.stay.CheckIn.AddDays(i)), Amount: apiMoney(line)}
		if extra := best.GetTerms().GetExtraGuestMinorUnits(); extra != 0 {
			night.ExtraGuestAmount = apiMoney(extra)
		}
		want.Nights = append(want.Nights, night)
	}
	for _, c := range best.GetTerms().GetCharges() {
		want.Charges = append(want.Charges, &lodgev1.Charge{TaxId: c.TaxId, DisplayName: c.DisplayName, Amount: apiMoney(c.MinorUnits), Included: c.Included})
	}
	if plan := best.GetTerms().GetRatePlanId(); plan != "" {
		want.RatePlan = "hotels/" + best.HotelId + "/ratePlans/" + plan
	}
	if !proto.Equal(got, want) || offer.GetAvailableCount() < a.quantity {
		w.Fatalf("%s, %+v:\noffered %v\nplaced  %v", what, a, got, want)
	}
}

// compareAlternatives holds other dates and room types to what the engine does.
func (w *world) compareAlternatives(a asked) {
	w.Helper()
	for _, h := range w.houses {
		wanted := fmt.Sprint("type-", w.rng.IntN(len(h.roomTypes)))
		found, _ := must[lodgev1.FindAlternativesResponse](w)(w.availability.FindAlternatives(w.Context(), connect.NewRequest(&lodgev1.FindAlternativesRequest{
			Hotel: "hotels/" + h.id, RoomType: "hotels/" + h.id + "/roomTypes/" + wanted, CheckInDate: apiDate(a.stay.CheckIn), CheckOutDate: apiDate(a.stay.CheckOut),
			Quantity: a.quantity, Adults: a.adults, Children: a.children,
		})))
		others := byRoomType(found.GetRoomTypes())
		for roomType := range h.roomTypes {
			if roomType != wanted {
				w.same(h.id+" instead "+roomType, a, others["hotels/"+h.id+"/roomTypes/"+roomType], w.cheapest(h, roomType, a))
			}
		}
		next := found.GetDates()
		for days := 1; days <= 7; days++ {
			for _, shift := range []int{-days, days} {
				other := a
				other.stay = domain.Stay{CheckIn: a.stay.CheckIn.AddDays(shift), CheckOut: a.stay.CheckOut.AddDays(shift)}
				var offer *lodgev1.RoomTypeOffer
				if len(next) > 0 && proto.Equal(next[0].GetCheckInDate(), apiDate(other.stay.CheckIn)) {
					offer, next = next[0].GetRoomType(), next[1:]
				}
				w.same(fmt.Sprint(h.id, " ", wanted, " ", shift, " days off"), other, offer, w.cheapest(h, wanted, other))
			}
		}
		if len(next) > 0 {
			w.Fatalf("%s: more dates, or in another order: %v", h.id, found.GetDates())
		}
	}
}
