package domain

import (
	"errors"
	"iter"
)

// StayNightsMax is the longest stay that can be reserved.
const StayNightsMax = 90

// Stay is the half-open range of days [CheckIn, CheckOut): the guest sleeps there every night from CheckIn
// to the night before CheckOut.
type Stay struct {
	CheckIn  Date
	CheckOut Date
}

// ParseStay reads both days in ISO 8601 and validates the stay.
func ParseStay(checkIn, checkOut string) (Stay, error) {
	in, err := ParseDate(checkIn)
	if err != nil {
		return Stay{}, withField(err, "check_in_date")
	}
	out, err := ParseDate(checkOut)
	if err != nil {
		return Stay{}, withField(err, "check_out_date")
	}
	stay := Stay{CheckIn: in, CheckOut: out}
	return stay, stay.Validate()
}

// Nights returns how many nights the stay has; it is not positive for an invalid stay.
func (s Stay) Nights() int { return int(s.CheckOut) - int(s.CheckIn) }

// Contains reports whether the night of d belongs to the stay.
func (s Stay) Contains(d Date) bool { return s.CheckIn <= d && d < s.CheckOut }

// All yields the nights in order.
func (s Stay) All() iter.Seq[Date] {
	return func(yield func(Date) bool) {
		for d := s.CheckIn; d < s.CheckOut; d++ {
			if !yield(d) {
				return
			}
		}
	}
}

// String returns "[check-in, check-out)".
func (s Stay) String() string { return "[" + s.CheckIn.String() + ", " + s.CheckOut.String() + ")" }

// Validate returns an *Error with reason InvalidDates or StayTooLong unless the stay has 1 to StayNightsMax nights.
func (s Stay) Validate() error {
	if !s.CheckIn.Valid() || !s.CheckOut.Valid() {
		return Errorf(InvalidDates, "check_in_date", "the stay lies outside the calendar of years 1 to 9999")
	}
	if s.CheckOut <= s.CheckIn {
		return Errorf(InvalidDates, "check_out_date", "check-out %s is not after check-in %s", s.CheckOut, s.CheckIn)
	}
	if n := s.Nights(); n > StayNightsMax {
		return Errorf(StayTooLong, "check_out_date", "a stay of %d nights is longer than %d", n, StayNightsMax)
	}
	return nil
}

func withField(err error, field string) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Field = field
	}
	return err
}
