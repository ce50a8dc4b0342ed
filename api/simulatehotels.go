package api

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands/simulate"
	"lodge/domain"
	"lodge/log"
	"lodge/projections/hotels"
)

// simulateHotelsMax is how many hotels one simulation is of.
const simulateHotelsMax = 1000

// SimulateHotels replays the histories of several hotels under another policy, one after the other.
func (s *proofService) SimulateHotels(ctx context.Context, req *connect.Request[lodgev1.SimulateHotelsRequest], stream *connect.ServerStream[lodgev1.SimulateHotelsResponse]) error {
	ctx, done, err := s.stream(ctx)
	if err != nil {
		return err
	}
	defer done()
	select {
	case s.simulating <- struct{}{}:
		defer func() { <-s.simulating }()
	default:
		return log.NewError(log.LimitReached, "simulate hotels", "a simulation of several hotels is under way already")
	}
	names, err := s.hotelsToSimulate(ctx, req.Msg)
	if err != nil {
		return err
	}
	all := sums{}
	for i, name := range names {
		one, result, err := s.simulateOne(ctx, req.Msg, name)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if result != nil {
			all.add(result)
		}
		if err := stream.Send(&lodgev1.SimulateHotelsResponse{HotelCount: int32(len(names)), DoneCount: int32(i + 1), Hotel: one}); err != nil {
			return err
		}
	}
	return stream.Send(&lodgev1.SimulateHotelsResponse{HotelCount: int32(len(names)), DoneCount: int32(len(names)), Sums: all.messages()})
}

// hotelsToSimulate returns the names of the hotels that a request is about.
func (s *proofService) hotelsToSimulate(ctx context.Context, req *lodgev1.SimulateHotelsRequest) ([]string, error) {
	switch {
	case req.GetAll() && len(req.GetHotels()) > 0:
		return nil, domain.Errorf(domain.InvalidArgument, "hotels", "hotels do not go with all")
	case !req.GetAll() && len(req.GetHotels()) == 0:
		return nil, domain.Errorf(domain.InvalidArgument, "hotels", "no hotel is named")
	case !req.GetAll():
		for _, name := range req.GetHotels() {
			if _, err := parseHotel(name, "hotels"); err != nil {
				return nil, err
			}
		}
		return req.GetHotels(), nil
	}
	page, err := s.API.hotels.List(ctx, hotels.Filter{Limit: simulateHotelsMax})
	if err != nil {
		return nil, err
	}
	if page.Next != nil {
		return nil, domain.Errorf(domain.LimitReached, "all", "there are more than %d hotels: name some", simulateHotelsMax)
	}
	names := make([]string, len(page.Items))
	for i := range page.Items {
		names[i] = hotelName(page.Items[i].HotelID)
	}
	return names, nil
}

// simulateOne simulates one hotel. What is wrong with that hotel alone is its answer; what is wrong with the question ends everything.
func (s *proofService) simulateOne(ctx context.Context, req *lodgev1.SimulateHotelsRequest, name string) (*lodgev1.HotelSimulation, *simulate.Result, error) {
	one := &lodgev1.SimulateOverbookingRequest{
		Name: name, Cancellation: req.GetCancellation(), WalkCost: req.GetWalkCost(), Upgrades: req.GetUpgrades(), Period: req.GetPeriod(),
		StartDate: req.GetStartDate(), EndDate: req.GetEndDate(),
	}
	switch o := req.GetOverbooking().(type) {
	case *lodgev1.SimulateHotelsRequest_OverbookingLimit:
		one.Overbooking = &lodgev1.SimulateOverbookingRequest_OverbookingLimit{OverbookingLimit: o.OverbookingLimit}
	case *lodgev1.SimulateHotelsRequest_OverbookingPercent:
		one.Overbooking = &lodgev1.SimulateOverbookingRequest_OverbookingPercent{OverbookingPercent: o.OverbookingPercent}
	}
	answer := &lodgev1.HotelSimulation{Hotel: name}
	result, err := s.simulate(ctx, one)
	var rule *domain.Error
	switch {
	case err == nil:
		answer.Result = toSimulation(result)
	case errors.As(err, &rule) && ofTheHotel[rule.Reason]:
		answer.FailureReason, answer.FailureText = string(rule.Reason), rule.Text
		return answer, nil, nil
	}
	return answer, result, err
}

// ofTheHotel are the reasons for which one hotel cannot be simulated although others can.
var ofTheHotel = map[domain.Reason]bool{domain.HotelNotFound: true, domain.CurrencyMismatch: true, domain.LimitReached: true}

// sums adds up hotels by currency.
type sums map[string]*sum

type sum struct {
	hotels, divergences int
	events              int64
	baseline, scenario  simulate.Figures
}

func (s sums) add(r *simulate.Result) {
	of := s[r.CurrencyCode]
	if of == nil {
		of = new(sum)
		s[r.CurrencyCode] = of
	}
	of.hotels, of.divergences, of.events = of.hotels+1, of.divergences+r.Divergences, of.events+int64(r.Events)
	of.baseline.Add(&r.Baseline.Total)
	of.scenario.Add(&r.Scenario.Total)
}

func (s sums) messages() (all []*lodgev1.SimulationSum) {
	for _, currency := range sortedKeys(s) {
		of := s[currency]
		all = append(all, &lodgev1.SimulationSum{
			CurrencyCode: currency, HotelCount: int32(of.hotels), DivergenceCount: int32(of.divergences), EventCount: of.events,
			Baseline: toFigures(&of.baseline, currency), Scenario: toFigures(&of.scenario, currency),
		})
	}
	return all
}
