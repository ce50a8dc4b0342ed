package hotel

import (
	"encoding/binary"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// appendRates appends the rate plans and their rates:
//
//	rate plans   count, then each: length, eventpb.RatePlan
//	calendars    count, then each: room type index, plan index, base (varint), nights (count), runs
//	  run        nights (count), rate (varint)
//
// in order of room types and plans; calendars without nights are not there.
func (s *State) appendRates(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.ratePlans)))
	for _, plan := range s.ratePlans {
		b = appendMessage(b, plan)
	}
	count := 0
	for _, rt := range s.roomTypes {
		for i := range rt.planRates {
			if len(rt.planRates[i].rates) > 0 {
				count++
			}
		}
	}
	b = binary.AppendUvarint(b, uint64(count))
	for i, rt := range s.roomTypes {
		for j := range rt.planRates {
			if c := &rt.planRates[j]; len(c.rates) > 0 {
				b = binary.AppendUvarint(b, uint64(i))
				b = binary.AppendUvarint(b, uint64(j))
				b = c.appendTo(b)
			}
		}
	}
	return b
}

func (c *rateCalendar) appendTo(b []byte) []byte {
	b = binary.AppendVarint(b, int64(c.base))
	b = binary.AppendUvarint(b, uint64(len(c.rates)))
	for i := 0; i < len(c.rates); {
		run := 1
		for i+run < len(c.rates) && c.rates[i+run] == c.rates[i] {
			run++
		}
		b = binary.AppendUvarint(b, uint64(run))
		b = binary.AppendVarint(b, c.rates[i])
		i += run
	}
	return b
}

const calendarBytesMin = 6

func (s *State) loadRates(r *reader) {
	for range r.count(1) {
		plan := new(eventpb.RatePlan)
		if r.message(r.bytes(), plan); r.err != nil {
			return
		}
		if err := s.addRatePlan(plan); err != nil {
			r.fail("%w", err)
			return
		}
	}
	last := -1
	for range r.count(calendarBytesMin) {
		roomType, plan := int(r.uvarint(1<<16)), int(r.uvarint(1<<16))
		place := roomType<<16 | plan
		if r.err == nil && (roomType >= len(s.roomTypes) || plan >= len(s.ratePlans) || place <= last) {
			r.fail("rates of room type %d in plan %d cannot be", roomType, plan)
		}
		if r.err != nil {
			return
		}
		last = place
		s.planRates(uint16(roomType), uint16(plan)).load(r, s.closed)
	}
}

func (c *rateCalendar) load(r *reader, closed domain.Date) {
	base, left := r.date(), int(r.uvarint(spanMax))
	if r.err == nil && (left == 0 || base < closed) {
		r.fail("%d rates from %s, when the books closed on %s", left, base, closed)
	}
	for d := base; left > 0 && r.err == nil; {
		run, rate := int(r.uvarint(uint64(left))), r.varint()
		if run == 0 || rate < clearedRate {
			r.fail("a run of %d nights at %d cannot be", run, rate)
			return
		}
		if err := c.set(d, d.AddDays(run), 0, rate); err != nil {
			r.fail("%w", err)
			return
		}
		d, left = d.AddDays(run), left-run
	}
}
