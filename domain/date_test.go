package domain_test

import (
	"errors"
	"testing"
	"time"
	_ "time/tzdata" // the tests know every place on every machine

	"lodge/domain"
)

func TestDatesAgreeWithTheStandardLibrary(t *testing.T) {
	for d := domain.DateMin; d <= domain.DateMax; d += 29 {
		want := time.Unix(int64(d)*86400, 0).UTC()
		if d.String() != want.Format("2006-01-02") || d.Weekday() != want.Weekday() {
			t.Fatalf("day %d is %s, %s; want %s", d, d, d.Weekday(), want)
		}
		if back, err := domain.ParseDate(d.String()); back != d || err != nil {
			t.Fatalf("%s reads as %d (%v), not %d", d, back, err, d)
		}
		if made := domain.DateOf(want.Date()); made != d {
			t.Fatalf("%s is made as %d, not %d", d, made, d)
		}
		if begin := d.Time(time.UTC); !begin.Equal(want) || domain.Today(begin.Add(-1), time.UTC) != d-1 {
			t.Fatalf("%s begins at %s, not %s", d, begin, want)
		}
	}
}

func TestDatesOutsideTheCalendarStillPrint(t *testing.T) {
	if s := (domain.DateMax + 1).String(); s != "10000-01-01" || (domain.DateMax + 1).Valid() || !domain.DateMax.Valid() {
		t.Errorf("the day after the last is %s", s)
	}
}

func TestParseDateRefuses(t *testing.T) {
	for _, s := range []string{
		"", "2026", "2026-7-01", "2026-07-1", "2026/07/01", "2026-07-01 ", "2026-07-01T00:00:00Z", "01-07-2026", "2026-00-01",
		"2026-13-01", "2026-07-00", "2026-07-32", "2026-06-31", "2026-02-29", "2100-02-29", "0000-01-01", "+026-07-01",
		"2026-0a-01", "２０２６-07-01", "2026--7-01",
	} {
		if d, err := domain.ParseDate(s); !errors.Is(err, domain.InvalidDates) {
			t.Errorf("%q reads as %s (%v)", s, d, err)
		}
	}
	for _, s := range []string{"2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"} {
		if d, err := domain.ParseDate(s); err != nil || d.String() != s {
			t.Errorf("%q reads as %s (%v)", s, d, err)
		}
	}
}

func FuzzParseDate(f *testing.F) {
	f.Add("2026-07-01")
	f.Add("2026-02-29")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := domain.ParseDate(s)
		_, want := time.Parse("2006-01-02", s)
		if year := len(s) == 10 && s[:4] == "0000"; (err == nil) != (want == nil) && !year {
			t.Fatalf("%q: %v; the standard library says %v", s, err, want)
		}
		if err == nil && d.String() != s {
			t.Fatalf("%q comes back as %s", s, d)
		}
	})
}

func TestTodayIsLocal(t *testing.T) {
	now := time.Date(2026, 3, 29, 23, 30, 0, 0, time.UTC) // Lisbon has begun its summer time that morning
	for name, want := range map[string]string{
		"UTC": "2026-03-29", "Europe/Lisbon": "2026-03-30", "Atlantic/Azores": "2026-03-29",
		"America/New_York": "2026-03-29", "Asia/Kolkata": "2026-03-30", "Pacific/Kiritimati": "2026-03-30",
	} {
		place, err := domain.LoadTimeZone(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := domain.Today(now, place).String(); got != want {
			t.Errorf("in %s it is %s, want %s", name, got, want)
		}
	}
}

func TestNightsIgnoreTheClocks(t *testing.T) {
	// The night of 2026-03-28 to 29 has 23 hours in Lisbon, that of October 24 to 25 has 25.
	for _, days := range [][2]string{{"2026-03-28", "2026-03-29"}, {"2026-10-24", "2026-10-25"}} {
		stay, err := domain.ParseStay(days[0], days[1])
		if err != nil || stay.Nights() != 1 {
			t.Errorf("%s has %d nights (%v)", stay, stay.Nights(), err)
		}
	}
}

func TestLoadTimeZone(t *testing.T) {
	a, err := domain.LoadTimeZone("Europe/Lisbon")
	if b, err2 := domain.LoadTimeZone("Europe/Lisbon"); a != b || err != nil || err2 != nil {
		t.Errorf("two calls give %p and %p (%v, %v)", a, b, err, err2)
	}
	for _, name := range []string{"", "Local", "localtime", "posixrules", "posix/Europe/Lisbon", "right/Europe/Lisbon", "Europe/Atlantis", "../etc/passwd", "/etc/localtime", "Europe\\Lisbon", "Europe/Lisbon\x00", string(make([]byte, 100))} {
		if _, err := domain.LoadTimeZone(name); !errors.Is(err, domain.InvalidArgument) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
