package natsbridge

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones must mean the same on a machine that has none installed

	cron "github.com/netresearch/go-cron"
)

// cronMax bounds a cron expression, in bytes.
const cronMax = 256

// cronParser reads five fields, six with seconds in front, and descriptors. When both day of month and day of week are restricted, either suffices, as
// cron has always had it.
var cronParser = cron.MustNewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom)

// nextOccurrence returns the first time after t that a cron names in a zone.
//
// Where the clock is put forward, a time that it skips comes as much later as it was put forward: 02:30 is at 03:30. Where it is put back, a time
// that comes twice counts the first time only, unless the cron names every hour. An interval (@every) counts from t. The zero time: never.
func nextOccurrence(spec, zone string, t time.Time) (time.Time, error) {
	if len(spec) > cronMax {
		return time.Time{}, fmt.Errorf("a cron of %d bytes is longer than %d", len(spec), cronMax)
	}
	if strings.Contains(spec, "TZ=") {
		return time.Time{}, fmt.Errorf("cron %q: name the zone in TimeZone", spec)
	}
	if zone == "Local" {
		return time.Time{}, fmt.Errorf("time zone %q is no IANA name", zone)
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("time zone %q: %w", zone, err)
	}
	schedule, err := cronParser.Parse(spec)
	if err != nil {
		return time.Time{}, fmt.Errorf("cron %q: %w", spec, err)
	}
	next := schedule.Next(t.In(location))
	if spec, ok := schedule.(*cron.SpecSchedule); ok && spec.Hour&everyHour == 0 {
		for !next.IsZero() && repeated(next) {
			next = schedule.Next(next)
		}
	}
	return next.UTC(), nil
}

// everyHour is the bit by which the parser marks a field that is a star.
const everyHour = 1 << 63

// repeated reports whether the clocks of t's zone showed the same time before, as they do when they are put back.
func repeated(t time.Time) bool {
	_, offset := t.Zone()
	for _, back := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} {
		if _, before := t.Add(-back).Zone(); time.Duration(before-offset)*time.Second == back {
			return true
		}
	}
	return false
}
