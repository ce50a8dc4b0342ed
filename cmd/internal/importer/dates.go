package importer

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"lodge/domain"
)

// dateStyle says how a file writes dates with a separator. Copies of the data are in circulation with
// 2015-07-01, 01-07-15 and 01-07-2015 (day first), 7/1/2015 (month first) and 01/07/2015 (day first). ISO dates say what they are; of the
// others the whole file decides, since 01-07-15 alone could be either.
type dateStyle struct {
	slash, dash numberOrder
}

// numberOrder is the order of the numbers between one kind of separator.
type numberOrder struct {
	dayFirst   bool
	yearDigits int // 2 or 4
}

// String returns the order as people write it, such as D/M/YYYY.
func (o numberOrder) String() string {
	first, second := "M", "D"
	if o.dayFirst {
		first, second = "D", "M"
	}
	return first + "?" + second + "?" + strings.Repeat("Y", o.yearDigits)
}

func (s dateStyle) of(sep byte) numberOrder {
	if sep == '/' {
		return s.slash
	}
	return s.dash
}

// parse reads one date.
func (s dateStyle) parse(text string) (domain.Date, error) {
	if isISO(text) {
		return domain.ParseDate(text)
	}
	a, b, year, sep, ok := cutDate(text)
	if !ok {
		return 0, fmt.Errorf("is no date")
	}
	order := s.of(sep)
	if len(year) != order.yearDigits {
		return 0, fmt.Errorf("has a year of %d digits where the file has %d", len(year), order.yearDigits)
	}
	month, day := a, b
	if order.dayFirst {
		month, day = b, a
	}
	d, err := newDate(yearOf(year), month, day)
	if err != nil {
		return 0, fmt.Errorf("is no date as %s, the order of this file", strings.ReplaceAll(order.String(), "?", string(sep)))
	}
	return d, nil
}

func isISO(s string) bool { return len(s) == 10 && s[4] == '-' && s[7] == '-' }

// cutDate cuts 01-07-15 and its like into three numbers.
func cutDate(text string) (a, b int, year string, sep byte, ok bool) {
	i := strings.IndexAny(text, "-/")
	if i < 0 {
		return 0, 0, "", 0, false
	}
	sep = text[i]
	parts := strings.Split(text, string(sep))
	if len(parts) != 3 || len(parts[2]) != 2 && len(parts[2]) != 4 {
		return 0, 0, "", 0, false
	}
	a, errA := strconv.Atoi(parts[0])
	b, errB := strconv.Atoi(parts[1])
	_, errY := strconv.ParseUint(parts[2], 10, 16)
	ok = errA == nil && errB == nil && errY == nil && a > 0 && b > 0
	return a, b, parts[2], sep, ok
}

// yearOf reads two digits as a year of this century.
func yearOf(digits string) int {
	year, _ := strconv.Atoi(digits) // cutDate saw that it is one
	if len(digits) == 2 {
		year += 2000
	}
	return year
}

// newDate makes a date of numbers that may not be one.
func newDate(year, month, day int) (domain.Date, error) {
	return domain.ParseDate(fmt.Sprintf("%04d-%02d-%02d", year, month, day))
}

// detectDateStyle looks at every status date of the file: a number above 12 can only be a day, and a stay that was kept
// nearly always ends on its last day. Without evidence dashes have the day first and slashes the month.
func detectDateStyle(head header, lines []fieldsAt) dateStyle {
	var slash, dash votes
	for _, line := range lines {
		a, b, year, sep, ok := cutDate(head.value(line.fields, colStatusDate))
		if !ok {
			continue
		}
		v := &dash
		if sep == '/' {
			v = &slash
		}
		v.count(a, b, yearOf(year), len(year), head.checkOut(line.fields))
	}
	return dateStyle{slash: slash.order(false, 4), dash: dash.order(true, 2)}
}

// votes counts what the dates of a file say about their order.
type votes struct {
	dayFirst, monthFirst int
	long, short          int // four or two digits for the year
}

func (v *votes) count(a, b, year, digits int, checkOut domain.Date) {
	if digits == 4 {
		v.long++
	} else {
		v.short++
	}
	dayFirst, errD := newDate(year, b, a)
	monthFirst, errM := newDate(year, a, b)
	switch {
	case errD == nil && errM != nil:
		v.dayFirst++
	case errM == nil && errD != nil:
		v.monthFirst++
	case errD != nil || dayFirst == monthFirst:
	case dayFirst == checkOut:
		v.dayFirst++
	case monthFirst == checkOut:
		v.monthFirst++
	}
}

func (v *votes) order(dayFirst bool, digits int) numberOrder {
	o := numberOrder{dayFirst: dayFirst, yearDigits: digits}
	if v.dayFirst != v.monthFirst {
		o.dayFirst = v.dayFirst > v.monthFirst
	}
	if v.long != v.short {
		o.yearDigits = 2
		if v.long > v.short {
			o.yearDigits = 4
		}
	}
	return o
}

// monthNumber reads a month's English name, its first three letters, or its number.
func monthNumber(s string) (int, error) {
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(s, m.String()) || strings.EqualFold(s, m.String()[:3]) {
			return int(m), nil
		}
	}
	if n, err := strconv.Atoi(s); err == nil && 1 <= n && n <= 12 {
		return n, nil
	}
	return 0, problemf(BadDate, "arrival_date_month %q is no month", s)
}
