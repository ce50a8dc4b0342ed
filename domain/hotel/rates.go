package hotel

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// SetRates sets the nightly rate of a room type in a rate plan, on those of the nights [Start, End) that fall on Weekdays.
type SetRates struct {
	Hotel       string
	RatePlan    string
	RoomType    string
	Start       domain.Date
	End         domain.Date // exclusive
	Weekdays    domain.Weekdays
	NightlyRate *domain.Money // of one room; nil: none any more
}

// HotelID implements Command.
func (c *SetRates) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *SetRates) Topic() string { return event.InventoryTopic }

// Fingerprint implements Command.
func (c *SetRates) Fingerprint() [16]byte { return fingerprint(c) }

func (c *SetRates) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.RatePlan, c.RoomType)
	b.number(int64(c.Start), int64(c.End), int64(c.Weekdays))
	b.money(c.NightlyRate)
}

func (s *State) setRates(c *SetRates, at At) ([]proto.Message, error) {
	if _, err := s.openRatePlan(c.Hotel, c.RatePlan); err != nil {
		return nil, err
	}
	if _, err := s.openRoomType(c.Hotel, c.RoomType); err != nil {
		return nil, err
	}
	if err := s.checkRange(c.Start, c.End, s.today(at.Now)); err != nil {
		return nil, err
	}
	if err := checkWeekdays(c.Weekdays, c.Start, c.End); err != nil {
		return nil, err
	}
	set := &eventpb.RatesSet{
		HotelId: c.Hotel, RatePlanId: c.RatePlan, RoomTypeId: c.RoomType,
		StartDate: c.Start.String(), EndDate: c.End.String(), Weekdays: event.WeekdayList(c.Weekdays),
	}
	var err error
	if set.NightlyRate, err = s.recordedRate("nightly_rate", c.NightlyRate); err != nil {
		return nil, err
	}
	return one(set), nil
}

func (s *State) ratesSet(m *eventpb.RatesSet) error {
	plan, err := s.knownRatePlan(m.GetHotelId(), m.GetRatePlanId())
	if err != nil {
		return err
	}
	index, from, to, err := s.rangeOf(m.GetHotelId(), m.GetRoomTypeId(), m)
	if err != nil {
		return err
	}
	rate := int64(clearedRate)
	if m.NightlyRate != nil {
		if rate = m.NightlyRate.MinorUnits; rate < 0 {
			return fmt.Errorf("a rate of %d is negative", rate)
		}
	}
	days, err := event.WeekdaysOf(m.GetWeekdays())
	if err != nil || from >= to {
		return err
	}
	return s.planRates(index, plan).set(from, to, days, rate)
}

// planRates returns the rates of a room type in a plan, to be set.
func (s *State) planRates(roomType, plan uint16) *rateCalendar {
	rt := s.roomTypes[roomType]
	if n := int(plan) + 1 - len(rt.planRates); n > 0 {
		rt.planRates = append(rt.planRates, make([]rateCalendar, n)...)
	}
	return &rt.planRates[plan]
}

// planRate returns what one room costs on the night of d under a plan, or noRate.
func (s *State) planRate(roomType, plan uint16, d domain.Date) int64 {
	if rt := s.roomTypes[roomType]; int(plan) < len(rt.planRates) {
		return rt.planRates[plan].at(d)
	}
	return noRate
}

// rateCalendar holds rates densely, from base on, 8 bytes a night.
type rateCalendar struct {
	base  domain.Date
	rates []int64 // minor units, noRate or clearedRate
}

// clearedRate marks a night whose rate was taken away, which the horizon must not give back.
const clearedRate = noRate - 1

// at returns the rate of the night of d, or noRate.
func (c *rateCalendar) at(d domain.Date) int64 {
	if i := int(d) - int(c.base); i >= 0 && i < len(c.rates) {
		return max(noRate, c.rates[i])
	}
	return noRate
}

// said reports whether the rate of the night of d was ever set or taken away.
func (c *rateCalendar) said(d domain.Date) bool {
	i := int(d) - int(c.base)
	return i >= 0 && i < len(c.rates) && c.rates[i] != noRate
}

// set sets the nights [from, to) that fall on days. The error says that they lie too far from the others.
func (c *rateCalendar) set(from, to domain.Date, days domain.Weekdays, rate int64) error {
	if len(c.rates) == 0 {
		c.base = from
	}
	first, end := min(c.base, from), max(c.base+domain.Date(len(c.rates)), to)
	if int(end)-int(first) > spanMax {
		return fmt.Errorf("nights from %s to %s are more than %d", first, end, spanMax)
	}
	if before := int(c.base - first); before > 0 {
		c.rates = slices.Concat(slices.Repeat([]int64{noRate}, before), c.rates)
		c.base = first
	}
	if after := int(end-first) - len(c.rates); after > 0 {
		c.rates = append(c.rates, slices.Repeat([]int64{noRate}, after)...)
	}
	for d := from; d < to; d++ {
		if days.Has(d) {
			c.rates[d-c.base] = rate
		}
	}
	return nil
}

// forget drops the nights before d.
func (c *rateCalendar) forget(d domain.Date) {
	if drop := min(int(d)-int(c.base), len(c.rates)); drop > 0 {
		c.rates = slices.Delete(c.rates, 0, drop)
		c.base += domain.Date(drop)
	}
}
