package api

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections/availability"
	"lodge/projections/hotels"
)

// QuoteStay prices a stay, from what the read models know and by the function that the decider prices with. It keeps nothing: what it promises
// is in the token, and whether it still holds is decided when the stay is reserved.
func (s *rateService) QuoteStay(ctx context.Context, req *connect.Request[lodgev1.QuoteStayRequest]) (*connect.Response[lodgev1.Quote], error) {
	body, err := quotedStay(req.Msg)
	if err != nil {
		return nil, err
	}
	if err := s.freshNights(ctx, req.Msg.GetMinPosition()); err != nil {
		return nil, err
	}
	h, plan, err := s.onSale(ctx, body)
	if err != nil {
		return nil, err
	}
	nights, err := s.bookable(ctx, body, plan)
	if err != nil {
		return nil, err
	}
	price, err := s.priceOf(ctx, body, h, plan, nights)
	if err != nil {
		return nil, err
	}
	quote := toQuote(body, &price, h.Currency, plan)
	for i := range nights {
		if free := int32(nights[i].Available()); i == 0 || free < quote.AvailableCount {
			quote.AvailableCount = free
		}
	}
	if err := s.sign(quote, body, &price, h.Currency, plan); err != nil {
		return nil, err
	}
	return connect.NewResponse(quote), nil
}

// quotedStay makes of a request what a reservation of it would ask for.
func quotedStay(req *lodgev1.QuoteStayRequest) (*hotel.PlaceReservation, error) {
	body := &hotel.PlaceReservation{
		Quantity: max(1, req.GetQuantity()), Guest: hotel.Guest{Adults: req.GetAdults(), Children: req.GetChildren()},
	}
	var err error
	if body.Hotel, body.RoomType, err = parseRoomType(req.GetRoomType(), "room_type"); err != nil {
		return nil, err
	}
	if req.GetRatePlan() != "" {
		var of string
		if of, body.RatePlan, err = parseRatePlan(req.GetRatePlan(), "rate_plan"); err != nil {
			return nil, err
		}
		if of != body.Hotel {
			return nil, domain.Errorf(domain.InvalidArgument, "rate_plan", "the rate plan is not of hotel %s", body.Hotel)
		}
	}
	if body.Stay.CheckIn, err = fromDate(req.GetCheckInDate(), "check_in_date"); err != nil {
		return nil, err
	}
	if body.Stay.CheckOut, err = fromDate(req.GetCheckOutDate(), "check_out_date"); err != nil {
		return nil, err
	}
	return body, body.Stay.Validate()
}

// onSale returns the hotel and the rate plan, if any, of a stay that they and the room type can be sold for.
func (a *API) onSale(ctx context.Context, body *hotel.PlaceReservation) (*hotels.Hotel, *eventpb.RatePlan, error) {
	h, err := a.hotels.Get(ctx, body.Hotel)
	if err != nil {
		return nil, nil, err
	}
	if h.Archived {
		return nil, nil, domain.Errorf(domain.HotelArchived, "room_type", "hotel %s is archived", body.Hotel)
	}
	t, err := a.hotels.GetRoomType(ctx, body.Hotel, body.RoomType)
	if err != nil {
		return nil, nil, err
	}
	if t.Archived {
		return nil, nil, domain.Errorf(domain.RoomTypeArchived, "room_type", "room type %s is archived", body.RoomType)
	}
	if err := hotel.CheckGuests(int32(t.MaxGuests), body.Quantity, body.Guest.Adults, body.Guest.Children); err != nil {
		return nil, nil, err
	}
	today, err := a.today(&h)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case body.Stay.CheckIn < today:
		return nil, nil, domain.Errorf(domain.PastDate, "check_in_date", "the night of %s is over; today is %s at the hotel", body.Stay.CheckIn, today)
	case body.Stay.CheckOut > today.AddDays(hotel.PlaceDaysAheadMax):
		return nil, nil, domain.Errorf(domain.TooFarAhead, "check_out_date", "check-out %s is more than %d days ahead", body.Stay.CheckOut, hotel.PlaceDaysAheadMax)
	}
	if body.RatePlan == "" {
		return &h, nil, nil
	}
	p, err := a.hotels.GetRatePlan(ctx, body.Hotel, body.RatePlan)
	if err != nil {
		return nil, nil, err
	}
	if p.Plan.GetArchived() {
		return nil, nil, domain.Errorf(domain.RatePlanArchived, "rate_plan", "rate plan %s is archived", body.RatePlan)
	}
	return &h, p.Plan, hotel.CheckOccupancy(p.Plan, body.Quantity, body.Guest.Adults, body.Guest.Children)
}

// bookable returns the nights of a stay that has room and that no restriction forbids.
func (a *API) bookable(ctx context.Context, body *hotel.PlaceReservation, plan *eventpb.RatePlan) ([]availability.Night, error) {
	found, err := a.availability.Range(ctx, body.Hotel, body.RoomType, body.Stay.CheckIn, body.Stay.CheckOut+1)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, domain.Errorf(domain.RoomTypeNotFound, "room_type", "there is no room type %q in hotel %q", body.RoomType, body.Hotel)
	}
	nights := found[0].Nights
	var full []domain.Date
	for i := range nights[:body.Stay.Nights()] {
		if nights[i].Available() < int(body.Quantity) {
			full = append(full, nights[i].Date)
		}
	}
	if full != nil {
		e := domain.Errorf(domain.SoldOut, "", "these nights are full: %s", joinDates(full))
		e.Nights = full
		return nil, e
	}
	broken := hotel.BrokenBy(body.Stay, func(d domain.Date) hotel.Restrictions { return nights[d-body.Stay.CheckIn].Restrictions })
	broken = append(broken, hotel.BrokenByPlan(plan, body.Stay)...)
	if len(broken) == 0 {
		return nights[:body.Stay.Nights()], nil
	}
	names, forbidden := brokenText(brokenMessages(broken))
	e := domain.Errorf(domain.Restricted, "", "restrictions forbid the stay: %s", names)
	for _, text := range forbidden {
		if d, err := domain.ParseDate(text); err == nil {
			e.Nights = append(e.Nights, d)
		}
	}
	return nil, e
}

func brokenMessages(broken []hotel.Broken) (messages []*eventpb.BrokenRestriction) {
	for _, b := range broken {
		m := &eventpb.BrokenRestriction{Restriction: b.Restriction, Limit: b.Limit}
		for _, d := range b.Nights {
			m.Nights = append(m.Nights, d.String())
		}
		messages = append(messages, m)
	}
	return messages
}

// priceOf prices a stay at the rate plan's rates, or at the nights' own.
func (a *API) priceOf(ctx context.Context, body *hotel.PlaceReservation, h *hotels.Hotel, plan *eventpb.RatePlan, nights []availability.Night) (hotel.StayPrice, error) {
	known := make(map[domain.Date]int64, len(nights))
	if plan != nil {
		rates, err := a.availability.Rates(ctx, body.Hotel, body.RatePlan, body.RoomType, body.Stay.CheckIn, body.Stay.CheckOut)
		if err != nil {
			return hotel.StayPrice{}, err
		}
		for _, r := range rates {
			known[r.Date] = r.Amount.MinorUnits
		}
	} else {
		for i := range nights {
			if rate := nights[i].Rate; rate != nil {
				known[nights[i].Date] = rate.MinorUnits
			}
		}
	}
	in := hotel.Priced{Quantity: body.Quantity, Guests: body.Guest.Adults + body.Guest.Children, Plan: plan, Taxes: h.Taxes}
	var unpriced []domain.Date
	for d := range body.Stay.All() {
		rate, ok := known[d]
		if !ok {
			unpriced = append(unpriced, d)
		}
		in.Rates = append(in.Rates, rate)
	}
	if unpriced != nil {
		return hotel.StayPrice{}, hotel.NotPricedOn(unpriced)
	}
	return hotel.PriceStay(&in)
}

func toQuote(body *hotel.PlaceReservation, price *hotel.StayPrice, currency string, plan *eventpb.RatePlan) *lodgev1.Quote {
	quote := &lodgev1.Quote{
		RoomType: roomTypeName(body.Hotel, body.RoomType), Quantity: body.Quantity,
		CheckInDate: toDate(body.Stay.CheckIn), CheckOutDate: toDate(body.Stay.CheckOut),
		Adults: body.Guest.Adults, Children: body.Guest.Children,
		Charges: toCharges(price.Charges, currency), Total: toMoney(currency, price.Total),
		Cancellation: toCancellation(plan.GetCancellation(), currency), Nights: quoteNights(body.Stay.CheckIn, price, currency),
	}
	if plan != nil {
		quote.RatePlan = ratePlanName(body.Hotel, body.RatePlan)
	}
	return quote
}

// sign gives a quote its end and its token.
func (a *API) sign(quote *lodgev1.Quote, body *hotel.PlaceReservation, price *hotel.StayPrice, currency string, plan *eventpb.RatePlan) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a quote's id: %w", err)
	}
	promise := &hotel.Quote{
		ID: id.String(), ExpireTime: a.opts.Clock().Add(a.opts.QuoteTTL).Truncate(time.Millisecond), Total: price.Total, // what the token holds of it
		Digest: hotel.PriceDigest(price, currency, plan.GetCancellation()),
	}
	quote.ExpireTime = timestamppb.New(promise.ExpireTime)
	quote.Token = a.quoteToken(promise, body)
	return nil
}
