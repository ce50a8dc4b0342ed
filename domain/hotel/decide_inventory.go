package hotel

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func (s *State) setInventory(c *SetInventory, at At) ([]proto.Message, error) {
	index, err := s.openRoomType(c.Hotel, c.RoomType)
	if err != nil {
		return nil, err
	}
	if err := s.checkRange(c.Start, c.End, s.today(at.Now)); err != nil {
		return nil, err
	}
	if err := c.checkCounts(); err != nil {
		return nil, err
	}
	if err := c.checkOutOfOrder(&s.roomTypes[index].nights); err != nil {
		return nil, err
	}
	set := &eventpb.InventorySet{
		HotelId: c.Hotel, RoomTypeId: c.RoomType, StartDate: c.Start.String(), EndDate: c.End.String(),
		PhysicalCount: copyOf(c.PhysicalCount), OutOfOrderCount: copyOf(c.OutOfOrderCount),
		OverbookingLimit: copyOf(c.OverbookingLimit), OverbookingPercent: copyOf(c.OverbookingPercent),
	}
	if set.NightlyRate, err = s.recordedRate("nightly_rate", c.NightlyRate); err != nil {
		return nil, err
	}
	return one(set), nil
}

// checkRange returns an error unless the nights lie from today to SetDaysAheadMax days ahead.
func (s *State) checkRange(start, end, today domain.Date) error {
	if !start.Valid() || !end.Valid() || end <= start {
		return domain.Errorf(domain.InvalidDates, "end_date", "end %s is not after start %s", end, start)
	}
	if latest := today.AddDays(SetDaysAheadMax); end > latest {
		return domain.Errorf(domain.TooFarAhead, "end_date", "end %s is after %s, %d days ahead", end, latest, SetDaysAheadMax)
	}
	if start < today {
		e := domain.Errorf(domain.PastDate, "start_date", "the night of %s is over; today is %s at the hotel", start, today)
		e.Nights = datesBetween(start, min(end, today), SetDaysAheadMax)
		return e
	}
	return s.checkBooks("start_date", start)
}

// checkBooks returns an error when the books of the night of d are closed.
func (s *State) checkBooks(field string, d domain.Date) error {
	if d >= s.closed {
		return nil
	}
	return domain.Errorf(domain.BooksClosed, field,
		"the hotel has taken a reservation on %s, and its books of nights before %s are closed", s.newest, s.closed)
}

func (c *SetInventory) checkCounts() error {
	if c.PhysicalCount == nil && c.OutOfOrderCount == nil && c.OverbookingLimit == nil && c.NightlyRate == nil && c.OverbookingPercent == nil {
		return domain.Errorf(domain.InvalidArgument, "", "neither a count nor a rate is given")
	}
	if err := checkCount("physical_count", c.PhysicalCount); err != nil {
		return err
	}
	if err := checkCount("out_of_order_count", c.OutOfOrderCount); err != nil {
		return err
	}
	if n := c.OverbookingPercent; n != nil {
		switch {
		case c.OverbookingLimit != nil:
			return domain.Errorf(domain.InvalidArgument, "overbooking_percent", "the limit is given in rooms and in per cent")
		case *n < 0 || *n > OverbookPercentMax:
			return domain.Errorf(domain.InvalidArgument, "overbooking_percent", "%d is not from 0 to %d", *n, OverbookPercentMax)
		}
	}
	return checkCount("overbooking_limit", c.OverbookingLimit)
}

// checkOutOfOrder returns an error that names the nights on which more rooms would be out of order than exist.
func (c *SetInventory) checkOutOfOrder(nights *nights) error {
	if c.PhysicalCount == nil && c.OutOfOrderCount == nil {
		return nil
	}
	var broken []domain.Date
	for d := c.Start; d < c.End; d++ {
		var n night
		if known := nights.at(d); known != nil {
			n = *known
		}
		set(&n.physical, c.PhysicalCount)
		set(&n.outOfOrder, c.OutOfOrderCount)
		if n.outOfOrder > n.physical {
			broken = append(broken, d)
		}
	}
	if broken == nil {
		return nil
	}
	e := domain.Errorf(domain.InvalidArgument, "out_of_order_count",
		"more rooms would be out of order than exist on %d nights, first on %s", len(broken), broken[0])
	e.Nights = broken
	return e
}

// datesBetween returns the days [from, to), at most limit of them.
func datesBetween(from, to domain.Date, limit int) []domain.Date {
	var dates []domain.Date
	for d := from; d < to && len(dates) < limit; d++ {
		dates = append(dates, d)
	}
	return dates
}

func set[T any](dst, src *T) {
	if src != nil {
		*dst = *src
	}
}

func copyOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	value := *p
	return &value
}
