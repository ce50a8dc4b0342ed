package projections

import (
	"time"

	"lodge/log"
)

// Until says where the past of one partition of a topic ends: before an offset, or before the first event that is later than a time. The zero value ends
// it before offset 0: there is nothing.
type Until struct {
	offset log.Offset
	time   time.Time // counts when it is not zero
}

// UntilOffset is the past before an offset.
func UntilOffset(next log.Offset) Until { return Until{offset: next} }

// UntilTime is the past up to the last event before the first that is later than t, which must not be zero.
func UntilTime(t time.Time) Until { return Until{time: t} }

// Has reports whether an event lies in the past, given that all before it do.
func (u Until) Has(offset log.Offset, at time.Time) bool {
	if u.time.IsZero() {
		return offset < u.offset
	}
	return !at.After(u.time)
}
