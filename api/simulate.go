package api

import (
	"context"
	"maps"
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands/simulate"
	"lodge/domain"
)

// SimulateOverbooking replays a hotel's history under another policy.
func (s *proofService) SimulateOverbooking(ctx context.Context, req *connect.Request[lodgev1.SimulateOverbookingRequest]) (*connect.Response[lodgev1.SimulateOverbookingResponse], error) {
	result, err := s.simulate(ctx, req.Msg)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(toSimulation(result)), nil
}

// simulate replays one hotel's history.
func (s *proofService) simulate(ctx context.Context, req *lodgev1.SimulateOverbookingRequest) (*simulate.Result, error) {
	opts, currencies, err := fromSimulation(req)
	if err != nil {
		return nil, err
	}
	if opts.Partitions, err = s.domainPartitions(ctx); err != nil {
		return nil, err
	}
	result, err := simulate.Run(ctx, s.deps.Log, opts)
	if err != nil {
		return nil, err
	}
	for field, currency := range currencies {
		if currency != "" && currency != result.CurrencyCode {
			return nil, domain.Errorf(domain.CurrencyMismatch, field, "the amount is in %s, the hotel's currency is %s", currency, result.CurrencyCode)
		}
	}
	return result, nil
}

func toSimulation(result *simulate.Result) *lodgev1.SimulateOverbookingResponse {
	return &lodgev1.SimulateOverbookingResponse{
		Baseline: toOutcome(&result.Baseline, result.CurrencyCode), Scenario: toOutcome(&result.Scenario, result.CurrencyCode),
		DivergenceCount: int32(result.Divergences), EventCount: int32(result.Events), StartDate: toDate(result.Start), EndDate: toDate(result.End),
	}
}

// fromSimulation reads a request, and the currencies of its amounts by field.
func fromSimulation(m *lodgev1.SimulateOverbookingRequest) (opts simulate.Options, currencies map[string]string, err error) {
	currencies = make(map[string]string)
	if opts.Hotel, err = parseHotel(m.GetName(), "name"); err != nil {
		return opts, nil, err
	}
	if m.GetRoomType() != "" {
		var hotelID string
		if hotelID, opts.Policy.RoomType, err = parseRoomType(m.GetRoomType(), "room_type"); err != nil {
			return opts, nil, err
		}
		if hotelID != opts.Hotel {
			return opts, nil, domain.Errorf(domain.InvalidArgument, "room_type", "%.80q is another hotel's", m.GetRoomType())
		}
	}
	switch o := m.GetOverbooking().(type) {
	case *lodgev1.SimulateOverbookingRequest_OverbookingLimit:
		opts.Policy.Limit = &o.OverbookingLimit
	case *lodgev1.SimulateOverbookingRequest_OverbookingPercent:
		opts.Policy.Percent = &o.OverbookingPercent
	}
	if opts.Policy.Cancellation, currencies["cancellation"], err = fromCancellation(m.GetCancellation()); err != nil {
		return opts, nil, err
	}
	if m.GetWalkCost() != nil {
		cost, err := fromMoney(m.GetWalkCost(), "walk_cost")
		if err != nil {
			return opts, nil, err
		}
		opts.WalkCost, currencies["walk_cost"] = cost.MinorUnits, cost.Currency
	}
	opts.Upgrades = m.GetUpgrades()
	opts.Period = map[lodgev1.SimulationPeriod]simulate.Period{
		lodgev1.SimulationPeriod_SIMULATION_PERIOD_DAY: simulate.Daily, lodgev1.SimulationPeriod_SIMULATION_PERIOD_WEEK: simulate.Weekly,
		lodgev1.SimulationPeriod_SIMULATION_PERIOD_YEAR: simulate.Yearly,
	}[m.GetPeriod()]
	for _, d := range []struct {
		field string
		is    *date.Date
		to    *domain.Date
	}{{"start_date", m.GetStartDate(), &opts.Start}, {"end_date", m.GetEndDate(), &opts.End}} {
		if d.is == nil {
			continue
		}
		if *d.to, err = fromDate(d.is, d.field); err != nil {
			return opts, nil, err
		}
	}
	return opts, currencies, nil
}

func toOutcome(o *simulate.Outcome, currency string) *lodgev1.SimulationOutcome {
	m := &lodgev1.SimulationOutcome{Total: toFigures(&o.Total, currency)}
	for i := range o.Periods {
		p := &o.Periods[i]
		m.Periods = append(m.Periods, &lodgev1.SimulationStretch{StartDate: toDate(p.Start), EndDate: toDate(p.End), Figures: toFigures(&p.Figures, currency)})
	}
	return m
}

func toFigures(f *simulate.Figures, currency string) *lodgev1.SimulationFigures {
	amount := func(minorUnits int64) *money.Money { return toMoney(currency, minorUnits) }
	m := &lodgev1.SimulationFigures{
		RequestCount: f.Requests, GrantedCount: f.Granted, TurnawayCount: f.Turnaways, RestrictedCount: f.Restricted, CanceledCount: f.Canceled,
		NoShowCount: f.NoShows, LostChangeCount: f.LostChanges, ArrivedRoomCount: f.ArrivedRooms, WalkedRoomCount: f.WalkedRooms,
		UpgradedRoomCount: f.UpgradedRooms, TurnawayRoomNights: f.TurnawayRoomNights, OccupiedRoomNights: f.OccupiedRoomNights, AvailableRoomNights: f.AvailableNights,
		RoomRevenue: amount(f.RoomRevenue), FeeRevenue: amount(f.FeeRevenue), WalkCosts: amount(f.WalkCosts), Revenue: amount(f.Revenue()),
	}
	if f.AvailableNights > 0 {
		m.OccupancyRate = float64(f.OccupiedRoomNights) / float64(f.AvailableNights)
	}
	return m
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
