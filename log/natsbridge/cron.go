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
var cronParser = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom)

// nextOccurrence returns the first time after t that a cron names in a zone.
//
// When the clock is put forward, what it skips fires right after the gap; when it is put back, what comes twice fires the first time only. An
// interval (@every) counts from t. The zero time: never.
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
	return schedule.Next(t.In(location)).UTC(), nil
}
