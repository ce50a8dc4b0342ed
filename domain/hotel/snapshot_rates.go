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
// in order of room types and plans. Nights without a rate before and behind all others are left out, and calendars without any others.
func (s *State) appendRates(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.ratePlans)))
	for _, plan := range s.ratePlans {
		b = appendMessage(b, plan)
	}
	count := 0
	for _, rt := range s.roomTypes {
		for i := range rt.planRates {
			if from, to := rt.planRates[i].span(); from < to {
				count++
			}
		}
	}
	b = binary.AppendUvarint(b, uint64(count))
	for i, rt := range s.roomTypes {
		for j := range rt.planRates {
			c := &rt.planRates[j]
			if from, to := c.span(); from < to {
				b = binary.AppendUvarint(b, uint64(i))
				b = binary.AppendUvarint(b, uint64(j))
				b = c.appendTo(b)
			}
		}
	}
	return b
}

// span returns the places from the first to behind the last night of which something was said.
func (c *rateCalendar) span() (from, to int) {
	to = len(c.rates)
	for from < to && c.rates[from] == noRate {
		from++
	}
	for from < to && c.rates[to-1] == noRate {
		to--
	}
	return from, to
}

func (c *rateCalendar) appendTo(b []byte) []byte {
	from, to := c.span()
	b = appendRange(b, c.base, from, to)
	for i := from; i < to; {
		run := 1
		for i+run < to && c.rates[i+run] == c.rates[i] {
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
