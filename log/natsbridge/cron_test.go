package natsbridge

import (
	"strings"
	"testing"
	"time"
)

func TestNextOccurrence(t *testing.T) {
	for _, c := range []struct {
		name, cron, zone, after string
		want                    []string // one after the other, UTC
	}{
		{"five fields", "30 6 * * *", "", "2026-01-01T06:30:00Z", []string{"2026-01-02T06:30:00Z"}},
		{"six fields", "15 30 6 * * *", "", "2026-01-01T06:30:00Z", []string{"2026-01-01T06:30:15Z", "2026-01-02T06:30:15Z"}},
		{"within a second", "* * * * * *", "", "2026-01-01T00:00:00.5Z", []string{"2026-01-01T00:00:01Z"}},
		{"descriptor", "@daily", "", "2026-01-01T06:30:00Z", []string{"2026-01-02T00:00:00Z"}},
		{"interval", "@every 90s", "", "2026-01-01T06:30:00Z", []string{"2026-01-01T06:31:30Z", "2026-01-01T06:33:00Z"}},
		{"zone", "0 9 * * *", "America/New_York", "2026-01-15T00:00:00Z", []string{"2026-01-15T14:00:00Z"}},
		{"names", "0 0 * JAN MON", "", "2026-01-01T00:00:00Z", []string{"2026-01-05T00:00:00Z"}},
		{"leap day", "0 0 29 2 *", "", "2026-01-01T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},
		{"either day", "0 0 13 * FRI", "", "2026-01-01T00:00:00Z", []string{"2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"}},
		// In Berlin 02:00 becomes 03:00 on March 29 and 03:00 becomes 02:00 on October 25, both at 01:00 UTC.
		{"into the gap", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"}},
		{"what comes twice", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"every hour comes twice", "30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
		{"half an hour twice", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", []string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
		{"hourly over the gap", "0 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339Nano, c.after)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if at, err = nextOccurrence(c.cron, c.zone, at); err != nil || at.Format(time.RFC3339Nano) != want {
					t.Fatalf("%v %v, not %s", at, err, want)
				}
			}
		})
	}
}

func TestNextOccurrenceRefuses(t *testing.T) {
	for _, c := range []struct{ cron, zone, want string }{
		{"", "", "empty"},
		{"* * * *", "", "expected"},
		{"* * * * * * *", "", "expected"},
		{"60 * * * *", "", "60"},
		{"x * * * *", "", "x"},
		{"@sometimes", "", "sometimes"},
		{"@every -1s", "", "every"},
		{"@every 1ms", "", "every"},
		{"TZ=Asia/Tokyo 0 0 * * *", "", "name the zone"},
		{"@daily", "Atlantis/Poseidonis", "Atlantis"},
		{"@daily", "Local", "Local"},
		{strings.Repeat("0,", 200) + "0 * * * *", "", "longer"},
	} {
		if at, err := nextOccurrence(c.cron, c.zone, time.Unix(0, 0)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q in %q: %v %v", c.cron, c.zone, at, err)
		}
	}
	if at, err := nextOccurrence("0 0 30 2 *", "", time.Unix(0, 0)); err != nil || !at.IsZero() {
		t.Errorf("February 30: %v %v", at, err)
	}
}
