package domain

import (
	"strings"
	"sync"
	"time"
)

// TimeZoneMax is the longest IANA time zone name in bytes that is accepted.
const TimeZoneMax = 64

// timeZones caches what LoadTimeZone has read: *time.Location by name. Only names that exist are kept,
// and there are some 600 of them.
var timeZones sync.Map

// LoadTimeZone returns the calendar of a place by its IANA name, such as Europe/Lisbon. The same name always
// gives the same pointer. The error is an *Error with reason InvalidArgument and the field time_zone. A program
// that may run where there is no tzdata imports time/tzdata. Safe for concurrent use.
func LoadTimeZone(name string) (*time.Location, error) {
	if place, ok := timeZones.Load(name); ok {
		return place.(*time.Location), nil
	}
	if !isTimeZoneName(name) {
		return nil, Errorf(InvalidArgument, "time_zone", "%.80q is not an IANA time zone name", name)
	}
	place, err := time.LoadLocation(name)
	if err != nil {
		return nil, Errorf(InvalidArgument, "time_zone", "%q is not a known IANA time zone", name)
	}
	kept, _ := timeZones.LoadOrStore(name, place)
	return kept.(*time.Location), nil
}

// isTimeZoneName keeps out what depends on the machine ("Local", and what some systems keep beside the IANA names: elsewhere the hotel's
// events could not be applied) and anything that is not a plain relative name.
func isTimeZoneName(name string) bool {
	if name == "" || len(name) > TimeZoneMax || name[0] == '/' {
		return false
	}
	switch first, _, _ := strings.Cut(name, "/"); first {
	case "Local", "localtime", "posixrules", "posix", "right":
		return false
	}
	for i := range len(name) {
		c := name[i]
		letterOrDigit := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letterOrDigit && c != '/' && c != '_' && c != '+' && c != '-' {
			return false
		}
	}
	return true
}
