package simulate

import (
	"context"
	"fmt"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/log"
)

// Options say what to simulate.
type Options struct {
	Partitions int    // of each topic: required
	Hotel      string // required
	Policy     Policy
	Period     Period
	Start, End domain.Date // nights and arrivals [Start, End) are reported; zero: all that have happened
	WalkCost   int64       // minor units for each room of a guest who is walked: another hotel, the taxi
	Upgrades   bool        // guests get rooms of other types before they are walked
	EventsMax  int         // that are read: default 5,000,000
}

// Policy is what would have been in force. What is nil is as it was.
type Policy struct {
	RoomType     string // Limit and Percent are of this type only; empty: of all
	Limit        *int32 // rooms sold beyond those that exist
	Percent      *int32 // of the physical rooms, rounded down; not beside Limit
	Cancellation *eventpb.CancellationTerms
}

// Period is what figures are summed over.
type Period int

// The periods. Weeks begin on Monday.
const (
	Monthly Period = iota
	Weekly
	Daily
	Yearly
)

// Figures are the outcome of a stretch of days. Counts are of reservations, or of rooms where they say so. What belongs to a reservation
// counts on its day of arrival as first asked for, walks on the day of arrival, nights on their own days.
type Figures struct {
	Requests    int64 // that no restriction forbade
	Granted     int64
	Turnaways   int64
	Restricted  int64 // refused by a restriction
	Canceled    int64
	NoShows     int64
	LostChanges int64 // changes for which there was no room

	ArrivedRooms  int64
	WalkedRooms   int64
	UpgradedRooms int64 // rooms of another type than reserved

	TurnawayRoomNights int64
	OccupiedRoomNights int64
	AvailableNights    int64 // physical rooms - out of order, over all nights

	RoomRevenue int64 // minor units
	FeeRevenue  int64
	WalkCosts   int64
}

// Revenue is what the hotel has in the end.
func (f *Figures) Revenue() int64 { return f.RoomRevenue + f.FeeRevenue - f.WalkCosts }

// Add adds the figures of another hotel, or of another stretch of days.
func (f *Figures) Add(g *Figures) {
	f.Requests += g.Requests
	f.Granted += g.Granted
	f.Turnaways += g.Turnaways
	f.Restricted += g.Restricted
	f.Canceled += g.Canceled
	f.NoShows += g.NoShows
	f.LostChanges += g.LostChanges
	f.ArrivedRooms += g.ArrivedRooms
	f.WalkedRooms += g.WalkedRooms
	f.UpgradedRooms += g.UpgradedRooms
	f.TurnawayRoomNights += g.TurnawayRoomNights
	f.OccupiedRoomNights += g.OccupiedRoomNights
	f.AvailableNights += g.AvailableNights
	f.RoomRevenue += g.RoomRevenue
	f.FeeRevenue += g.FeeRevenue
	f.WalkCosts += g.WalkCosts
}

// Stretch is the figures of one period [Start, End).
type Stretch struct {
	Start, End domain.Date
	Figures
}

// Outcome is what one replay led to.
type Outcome struct {
	Total   Figures
	Periods []Stretch // in order; only those in which anything was asked for or sold
}

// Result compares what was in force with a policy.
type Result struct {
	Hotel        string
	CurrencyCode string
	Start, End   domain.Date // what is reported
	Events       int         // read
	// Divergences counts decisions of the baseline that are not those of the log. 0, unless the log is of a time whose rules were others.
	Divergences int
	Baseline    Outcome // the limits and terms that were in force
	Scenario    Outcome // the policy's
}

// Limits on what is asked.
const (
	eventsMaxDefault = 5_000_000
	limitMax         = 100_000
	percentMax       = 100
	periodsMax       = 10_000
	walkCostMax      = domain.AmountMax
)

// Run reads the hotel's log and replays it twice. Errors: a *domain.Error with HotelNotFound, InvalidArgument, InvalidDates or LimitReached; what reading the log says.
func Run(ctx context.Context, reader log.Reader, opts Options) (*Result, error) {
	if opts.EventsMax == 0 {
		opts.EventsMax = eventsMaxDefault
	}
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	h, err := read(ctx, reader, &opts)
	if err != nil {
		return nil, err
	}
	if t := opts.Policy.RoomType; t != "" && h.roomTypes[t] == nil {
		return nil, domain.Errorf(domain.RoomTypeNotFound, "room_type", "hotel %s has no room type %.80q", opts.Hotel, t)
	}
	start, end := h.first, h.now
	if opts.Start != 0 {
		start = max(start, opts.Start)
	}
	if opts.End != 0 {
		end = min(end, opts.End)
	}
	if days := int(end - start); opts.Period == Daily && days > periodsMax {
		return nil, domain.Errorf(domain.LimitReached, "period", "%d days are more than %d", days, periodsMax)
	}
	result := &Result{Hotel: opts.Hotel, CurrencyCode: h.currency, Start: start, End: max(start, end), Events: h.events}
	asItWas, asked := opts, opts
	asItWas.Policy = Policy{}
	was := newReplay(h, &asItWas, result.Start, result.End)
	if result.Baseline, err = was.run(ctx); err != nil {
		return nil, err
	}
	result.Divergences = was.divergences
	result.Scenario, err = newReplay(h, &asked, result.Start, result.End).run(ctx)
	return result, err
}

// Validate returns a *domain.Error for what cannot be simulated.
func (o *Options) Validate() error {
	if o.Partitions < 1 || o.Partitions > log.PartitionsMax {
		return fmt.Errorf("simulate: %d partitions is not in [1, %d]", o.Partitions, log.PartitionsMax)
	}
	if err := domain.ValidateID(o.Hotel, "name"); err != nil {
		return err
	}
	p := &o.Policy
	switch {
	case p.Limit != nil && p.Percent != nil:
		return domain.Errorf(domain.InvalidArgument, "overbooking_percent", "overbooking is given in rooms as well")
	case p.Limit != nil && (*p.Limit < 0 || *p.Limit > limitMax):
		return domain.Errorf(domain.InvalidArgument, "overbooking_limit", "%d is not from 0 to %d", *p.Limit, limitMax)
	case p.Percent != nil && (*p.Percent < 0 || *p.Percent > percentMax):
		return domain.Errorf(domain.InvalidArgument, "overbooking_percent", "%d is not from 0 to %d", *p.Percent, percentMax)
	case p.RoomType != "" && p.Limit == nil && p.Percent == nil:
		return domain.Errorf(domain.InvalidArgument, "room_type", "no overbooking limit is given for it")
	case o.WalkCost < 0 || o.WalkCost > walkCostMax:
		return domain.Errorf(domain.InvalidArgument, "walk_cost", "%d minor units is not from 0 to %d", o.WalkCost, int64(walkCostMax))
	case o.Start != 0 && o.End != 0 && o.End <= o.Start:
		return domain.Errorf(domain.InvalidDates, "end_date", "%s is not after %s", o.End, o.Start)
	case o.Period < Monthly || o.Period > Yearly:
		return domain.Errorf(domain.InvalidArgument, "period", "%d is no period", o.Period)
	}
	return checkTerms(p.Cancellation)
}

func checkTerms(t *eventpb.CancellationTerms) error {
	const field = "cancellation"
	if t == nil {
		return nil
	}
	if t.GetFreeDays() < 0 || t.GetFreeDays() > 365 || t.GetFreeUntilHour() < 0 || t.GetFreeUntilHour() > 24 {
		return domain.Errorf(domain.InvalidArgument, field, "free until %d o'clock %d days before is not within 24 hours and 365 days", t.GetFreeUntilHour(), t.GetFreeDays())
	}
	for _, f := range [...]*eventpb.CancellationFee{t.GetFee(), t.GetNoShowFee()} {
		most := int64(domain.AmountMax)
		switch f.GetKind() {
		case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS:
			most = domain.StayNightsMax
		case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT:
			most = percentWhole
		}
		if f.GetAmount() < 0 || f.GetAmount() > most {
			return domain.Errorf(domain.InvalidArgument, field, "a fee of %d is not from 0 to %d", f.GetAmount(), most)
		}
	}
	return nil
}
