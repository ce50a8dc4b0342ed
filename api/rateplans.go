package api

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections/hotels"
)

// rateService serves rate plans here and rates in rates.go.
type rateService struct{ *API }

func ratePlanName(hotel, ratePlan string) string {
	return hotelsPrefix + hotel + ratePlansInfix + ratePlan
}

// parseRatePlan returns the ids in hotels/{hotel}/ratePlans/{rate_plan}.
func parseRatePlan(name, field string) (hotel, ratePlan string, err error) {
	hotel, ratePlan, ok := cutChild(name, ratePlansInfix)
	if !ok {
		return "", "", badName(name, field, "hotels/{hotel}/ratePlans/{rate_plan}")
	}
	if err := domain.ValidateID(hotel, field); err != nil {
		return "", "", err
	}
	return hotel, ratePlan, domain.ValidateID(ratePlan, field)
}

// CreateRatePlan makes a rate plan.
func (s *rateService) CreateRatePlan(ctx context.Context, req *connect.Request[lodgev1.CreateRatePlanRequest]) (*connect.Response[lodgev1.RatePlan], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	body := &hotel.CreateRatePlan{RatePlan: req.Msg.GetRatePlanId()}
	if body.Hotel, err = parseHotel(req.Msg.GetParent(), "parent"); err != nil {
		return nil, err
	}
	if body.Terms, err = fromPlan(body.Hotel, req.Msg.GetRatePlan()); err != nil {
		return nil, err
	}
	return s.changeRatePlan(ctx, c, body)
}

// planFields are the fields of a rate plan that can be changed.
var planFields = map[string]hotel.PlanFields{
	"display_name": hotel.PlanDisplayName, "description": hotel.PlanDescription, "cancellation": hotel.PlanCancellation,
	"included_guests": hotel.PlanIncludedGuests, "extra_guest_charge": hotel.PlanExtraGuestCharge,
	"max_adults": hotel.PlanMaxAdults, "max_children": hotel.PlanMaxChildren, "min_stay": hotel.PlanMinStay, "max_stay": hotel.PlanMaxStay,
	"default_rates": hotel.PlanDefaultRates,
}

// UpdateRatePlan changes a rate plan.
func (s *rateService) UpdateRatePlan(ctx context.Context, req *connect.Request[lodgev1.UpdateRatePlanRequest]) (*connect.Response[lodgev1.RatePlan], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	plan, body := req.Msg.GetRatePlan(), new(hotel.UpdateRatePlan)
	if body.Hotel, body.RatePlan, err = parseRatePlan(plan.GetName(), "rate_plan.name"); err != nil {
		return nil, err
	}
	if body.ExpectedVersion, err = fromEtag(plan.GetEtag()); err != nil {
		return nil, err
	}
	set, err := maskedFields(req.Msg.GetUpdateMask(), plan, nil, "display_name", "description", "cancellation", "included_guests",
		"extra_guest_charge", "max_adults", "max_children", "min_stay", "max_stay", "default_rates")
	if err != nil {
		return nil, err
	}
	for name := range set {
		body.Fields |= planFields[name]
	}
	if body.Terms, err = fromPlan(body.Hotel, plan); err != nil {
		return nil, err
	}
	return s.changeRatePlan(ctx, c, body)
}

// ArchiveRatePlan takes a rate plan out of sale.
func (s *rateService) ArchiveRatePlan(ctx context.Context, req *connect.Request[lodgev1.ArchiveRatePlanRequest]) (*connect.Response[lodgev1.RatePlan], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	body := new(hotel.ArchiveRatePlan)
	if body.Hotel, body.RatePlan, err = parseRatePlan(req.Msg.GetName(), "name"); err != nil {
		return nil, err
	}
	if body.ExpectedVersion, err = fromEtag(req.Msg.GetEtag()); err != nil {
		return nil, err
	}
	return s.changeRatePlan(ctx, c, body)
}

func (s *rateService) changeRatePlan(ctx context.Context, c call, body hotel.Command) (*connect.Response[lodgev1.RatePlan], error) {
	res := connect.NewResponse[lodgev1.RatePlan](nil)
	result, err := s.execute(ctx, c, body, res.Header())
	if err != nil {
		return nil, err
	}
	e := lastEvent(result)
	if e == nil {
		return nil, errors.New("a change of a rate plan gave no event")
	}
	m, ok := e.Message.(interface{ GetRatePlan() *eventpb.RatePlan })
	if !ok {
		return nil, fmt.Errorf("a change of a rate plan gave a %s at %s", e.Type, result.Position)
	}
	res.Msg = toPlan(m.GetRatePlan())
	res.Msg.UpdateTime = timestamppb.New(e.Time)
	if _, created := e.Message.(*eventpb.RatePlanCreated); created {
		res.Msg.CreateTime = res.Msg.UpdateTime
	}
	return res, nil
}

// GetRatePlan returns one rate plan.
func (s *rateService) GetRatePlan(ctx context.Context, req *connect.Request[lodgev1.GetRatePlanRequest]) (*connect.Response[lodgev1.RatePlan], error) {
	hotelID, id, err := parseRatePlan(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	return getPart(ctx, s.API, s.ratePlanParts(), hotelID, id, req.Msg)
}

// ListRatePlans lists a hotel's rate plans by id.
func (s *rateService) ListRatePlans(ctx context.Context, req *connect.Request[lodgev1.ListRatePlansRequest]) (*connect.Response[lodgev1.ListRatePlansResponse], error) {
	plans, next, err := listParts(ctx, s.API, s.ratePlanParts(), req.Msg)
	return respond(&lodgev1.ListRatePlansResponse{RatePlans: plans, NextPageToken: next}, err)
}

func planRow(p *hotels.RatePlan) *lodgev1.RatePlan {
	out := toPlan(p.Plan)
	out.CreateTime, out.UpdateTime = timestamppb.New(p.CreateTime), timestamppb.New(p.UpdateTime)
	return out
}

func toPlan(p *eventpb.RatePlan) *lodgev1.RatePlan {
	out := &lodgev1.RatePlan{
		Name: ratePlanName(p.GetHotelId(), p.GetRatePlanId()), DisplayName: p.GetDisplayName(), Description: p.GetDescription(),
		Cancellation: toCancellation(p.GetCancellation(), p.GetCurrencyCode()), IncludedGuests: p.GetIncludedGuests(),
		ExtraGuestCharge: toMoney(p.GetExtraGuestCharge().GetCurrencyCode(), p.GetExtraGuestCharge().GetMinorUnits()),
		MaxAdults:        p.MaxAdults, MaxChildren: p.MaxChildren, MinStay: p.GetMinStay(), MaxStay: p.GetMaxStay(),
		Archived: p.GetArchived(), Etag: toEtag(p.GetVersion()),
	}
	for _, rate := range p.GetDefaultRates() {
		out.DefaultRates = append(out.DefaultRates, &lodgev1.DefaultRate{
			RoomType:    roomTypeName(p.GetHotelId(), rate.GetRoomTypeId()),
			NightlyRate: toMoney(rate.GetNightlyRate().GetCurrencyCode(), rate.GetNightlyRate().GetMinorUnits()),
		})
	}
	return out
}

// fromPlan reads the terms of a plan of a hotel.
func fromPlan(hotelID string, p *lodgev1.RatePlan) (terms hotel.PlanTerms, err error) {
	terms = hotel.PlanTerms{
		DisplayName: p.GetDisplayName(), Description: p.GetDescription(), IncludedGuests: p.GetIncludedGuests(),
		MaxAdults: p.MaxAdults, MaxChildren: p.MaxChildren, MinStay: p.GetMinStay(), MaxStay: p.GetMaxStay(),
	}
	if p.GetExtraGuestCharge() != nil {
		charge, err := fromMoney(p.GetExtraGuestCharge(), "rate_plan.extra_guest_charge")
		if err != nil {
			return terms, err
		}
		terms.ExtraGuestCharge = &charge
	}
	if terms.DefaultRates, err = fromDefaultRates(hotelID, p.GetDefaultRates()); err != nil {
		return terms, err
	}
	terms.Cancellation, terms.FeeCurrency, err = fromCancellation(p.GetCancellation())
	return terms, err
}

func fromDefaultRates(hotelID string, rates []*lodgev1.DefaultRate) (out []hotel.DefaultRate, err error) {
	for i, r := range rates {
		at := fmt.Sprintf("rate_plan.default_rates[%d].", i)
		ofHotel, roomType, err := parseRoomType(r.GetRoomType(), at+"room_type")
		if err != nil {
			return nil, err
		}
		if ofHotel != hotelID {
			return nil, domain.Errorf(domain.InvalidArgument, at+"room_type", "the room type is not of hotel %s", hotelID)
		}
		rate, err := fromMoney(r.GetNightlyRate(), at+"nightly_rate")
		if err != nil {
			return nil, err
		}
		out = append(out, hotel.DefaultRate{RoomType: roomType, NightlyRate: rate})
	}
	return out, nil
}
