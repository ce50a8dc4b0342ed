package domain

import "time"

// Date is a day of the calendar, counted from 1970-01-01. It is not an instant: which instants belong to it
// depends on the place, and a stay's nights are differences of dates whatever the clocks do.
type Date int32

// The days that can be written: years 1 to 9999.
const (
	DateMin Date = -719162
	DateMax Date = 2932896
)

const dateLayout = "2006-01-02"

// DateOf returns the day of a year, month and day, which is normalized as time.Date does: October 32 is November 1.
func DateOf(year int, month time.Month, day int) Date {
	return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
}

const secondsPerDay = 86400

// ParseDate reads a day in ISO 8601, as in 2026-07-01. The error is an *Error with reason InvalidDates and no field.
func ParseDate(s string) (Date, error) {
	y, m, d, ok := splitDate(s)
	if !ok || m < 1 || m > 12 || y < 1 || d < 1 || d > daysIn(y, m) {
		return 0, Errorf(InvalidDates, "", "%.32q is not a day of the calendar written as YYYY-MM-DD", s)
	}
	return Date(daysFromCivil(y, m, d)), nil
}

// Today returns the day that it is at now in a place.
func Today(now time.Time, place *time.Location) Date {
	year, month, day := now.In(place).Date()
	return Date(daysFromCivil(year, int(month), day))
}

// AddDays returns the day n days later, or earlier when n is negative.
func (d Date) AddDays(n int) Date { return d + Date(n) }

// Valid reports whether d can be written as YYYY-MM-DD.
func (d Date) Valid() bool { return DateMin <= d && d <= DateMax }

// String returns d in ISO 8601. It is what ParseDate reads for every valid d.
func (d Date) String() string {
	var b [len(dateLayout)]byte
	return string(d.AppendTo(b[:0]))
}

// AppendTo appends what String returns.
func (d Date) AppendTo(b []byte) []byte {
	y, m, day := civilFromDays(int(d))
	if !d.Valid() {
		return time.Unix(int64(d)*secondsPerDay, 0).UTC().AppendFormat(b, dateLayout)
	}
	return append(b,
		byte('0'+y/1000), byte('0'+y/100%10), byte('0'+y/10%10), byte('0'+y%10), '-',
		byte('0'+m/10), byte('0'+m%10), '-',
		byte('0'+day/10), byte('0'+day%10))
}

// Time returns the instant at which d begins in a place. Where the clocks skip midnight it is the first instant after.
func (d Date) Time(place *time.Location) time.Time {
	y, m, day := civilFromDays(int(d))
	return time.Date(y, time.Month(m), day, 0, 0, 0, 0, place)
}

// Weekday returns d's day of the week.
func (d Date) Weekday() time.Weekday { return time.Weekday(((int(d)+4)%7 + 7) % 7) }

func splitDate(s string) (y, m, d int, ok bool) {
	if len(s) != len(dateLayout) || s[4] != '-' || s[7] != '-' {
		return 0, 0, 0, false
	}
	n, ok := 0, true
	for i := range len(s) {
		c := s[i] - '0'
		switch {
		case i == 4:
			y, n = n, 0
		case i == 7:
			m, n = n, 0
		case c > 9:
			return 0, 0, 0, false
		default:
			n = n*10 + int(c)
		}
	}
	return y, m, n, ok
}

func daysIn(y, m int) int {
	switch m {
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysFromCivil and civilFromDays are Howard Hinnant's algorithms of the same names
// (https://howardhinnant.github.io/date_algorithms.html): years begin in March, so that the leap day comes last.
func daysFromCivil(y, m, d int) int {
	if m <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yearOfEra := y - era*400
	dayOfYear := (153*((m+9)%12)+2)/5 + d - 1
	return era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468
}

func civilFromDays(z int) (y, m, d int) {
	z += 719468
	era := floorDiv(z, 146097)
	dayOfEra := z - era*146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month := (5*dayOfYear + 2) / 153
	d = dayOfYear - (153*month+2)/5 + 1
	m = (month+2)%12 + 1
	y = yearOfEra + era*400
	if m <= 2 {
		y++
	}
	return y, m, d
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((b - 1 - a) / b)
	}
	return a / b
}
