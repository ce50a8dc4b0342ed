package hotel

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// DefaultRate is the nightly rate of a room type in a rate plan on nights that the hotel's horizon reaches.
type DefaultRate struct {
	RoomType    string
	NightlyRate domain.Money // of one room
}

// Horizon returns how many nights from today on are kept open by defaults; 0: none, or nothing is sold any more.
func (s *State) Horizon() int32 {
	if s.hotel.GetArchived() {
		return 0
	}
	return s.hotel.GetHorizonDays()
}

func checkHorizon(days int32) error {
	if days < 0 || days > HorizonDaysMax {
		return domain.Errorf(domain.InvalidArgument, "horizon_days", "%d is not from 0 to %d", days, HorizonDaysMax)
	}
	return nil
}

// apply checks the defaults and writes them into roomType.
func (d *RoomTypeDefaults) apply(roomType *eventpb.RoomType) error {
	if err := checkCount("default_physical_count", d.PhysicalCount); err != nil {
		return err
	}
	if err := checkCount("default_overbooking_limit", &d.OverbookingLimit); err != nil {
		return err
	}
	switch n := d.OverbookingPercent; {
	case n < 0 || n > OverbookPercentMax:
		return domain.Errorf(domain.InvalidArgument, "default_overbooking_percent", "%d is not from 0 to %d", n, OverbookPercentMax)
	case n != 0 && d.OverbookingLimit != 0:
		return domain.Errorf(domain.InvalidArgument, "default_overbooking_percent", "the limit is given in rooms and in per cent")
	}
	roomType.DefaultPhysicalCount = copyOf(d.PhysicalCount)
	roomType.DefaultOverbookingLimit, roomType.DefaultOverbookingPercent = d.OverbookingLimit, d.OverbookingPercent
	return nil
}

// defaultRates checks the default rates of a plan and returns them as an event holds them.
func (s *State) defaultRates(rates []DefaultRate) ([]*eventpb.DefaultRate, error) {
	if len(rates) > RoomTypesMax {
		return nil, domain.Errorf(domain.LimitReached, "default_rates", "%d rates are more than %d", len(rates), RoomTypesMax)
	}
	var recorded []*eventpb.DefaultRate
	seen := make(map[string]bool, len(rates))
	for i := range rates {
		roomType := rates[i].RoomType
		if err := domain.ValidateID(roomType, "default_rates.room_type_id"); err != nil {
			return nil, err
		}
		if _, ok := s.roomTypeIndex[roomType]; !ok {
			return nil, domain.Errorf(domain.RoomTypeNotFound, "default_rates.room_type_id", "hotel %s has no room type %s", s.id, roomType)
		}
		if seen[roomType] {
			return nil, domain.Errorf(domain.InvalidArgument, "default_rates.room_type_id", "there are two rates of %s", roomType)
		}
		seen[roomType] = true
		rate, err := s.recordedRate("default_rates.nightly_rate", &rates[i].NightlyRate)
		if err != nil {
			return nil, err
		}
		recorded = append(recorded, &eventpb.DefaultRate{RoomTypeId: roomType, NightlyRate: rate})
	}
	return recorded, nil
}

func (c *canonical) defaultRates(rates []DefaultRate) {
	if len(rates) == 0 {
		return
	}
	c.text("default_rates")
	c.number(int64(len(rates)))
	for i := range rates {
		c.text(rates[i].RoomType)
		c.money(&rates[i].NightlyRate)
	}
}

// extendInventory opens what was never set. It skips what is archived; an archived hotel has nothing to open.
func (s *State) extendInventory(c *ExtendInventory, at At) ([]proto.Message, error) {
	if err := s.exists(c.Hotel); err != nil {
		return nil, err
	}
	if s.hotel.Archived {
		return nil, nil
	}
	x := &extension{state: s, from: max(s.today(at.Now), s.closed)}
	x.to = s.today(at.Now).AddDays(int(s.hotel.HorizonDays))
	for _, rt := range s.roomTypes {
		if !rt.details.Archived && rt.details.DefaultPhysicalCount != nil {
			x.counts(rt)
		}
	}
	for i, plan := range s.ratePlans {
		if !plan.Archived {
			x.rates(uint16(i), plan)
		}
	}
	return x.events, nil
}

// extension collects the events of one ExtendInventory for the nights [from, to), at most ExtendMax.
type extension struct {
	state    *State
	from, to domain.Date
	events   []proto.Message
}

// runs calls emit for each longest run of nights of which missing says the same and not 0.
func (x *extension) runs(missing func(domain.Date) known, emit func(from, to domain.Date, missing known)) {
	for d := x.from; d < x.to && len(x.events) < ExtendMax; {
		what, from := missing(d), d
		for d++; d < x.to && missing(d) == what; {
			d++
		}
		if what != 0 {
			emit(from, d, what)
		}
	}
}

func (x *extension) counts(rt *roomType) {
	details := rt.details
	missing := func(d domain.Date) known {
		if said := rt.nights.said(d); said&knownPhysical == 0 {
			return knownAll &^ said
		}
		return 0
	}
	x.runs(missing, func(from, to domain.Date, missing known) {
		e := &eventpb.InventorySet{
			HotelId: x.state.id, RoomTypeId: details.RoomTypeId, StartDate: from.String(), EndDate: to.String(),
			PhysicalCount: copyOf(details.DefaultPhysicalCount),
		}
		if missing&knownOverbooking != 0 {
			if n := details.DefaultOverbookingPercent; n != 0 {
				e.OverbookingPercent = &n
			} else {
				e.OverbookingLimit = proto.Int32(details.DefaultOverbookingLimit)
			}
		}
		x.events = append(x.events, e)
	})
}

func (x *extension) rates(plan uint16, details *eventpb.RatePlan) {
	for _, rate := range details.DefaultRates {
		index := x.state.roomTypeIndex[rate.RoomTypeId]
		rt := x.state.roomTypes[index]
		if rt.details.Archived {
			continue
		}
		missing := func(d domain.Date) known {
			if int(plan) < len(rt.planRates) && rt.planRates[plan].said(d) {
				return 0
			}
			return knownAll
		}
		x.runs(missing, func(from, to domain.Date, _ known) {
			x.events = append(x.events, &eventpb.RatesSet{
				HotelId: x.state.id, RatePlanId: details.RatePlanId, RoomTypeId: rate.RoomTypeId,
				StartDate: from.String(), EndDate: to.String(), NightlyRate: proto.CloneOf(rate.NightlyRate),
			})
		})
	}
}
