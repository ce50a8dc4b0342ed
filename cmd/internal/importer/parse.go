package importer

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"lodge/domain"
)

// Bounds on numbers of a row, far beyond anything in the data: what is outside was not meant.
const (
	countMax = 10_000
	rateMax  = 1e7
	textMax  = 64 // bytes of a word
)

// value returns a column of a line, with missing values empty.
func (h *header) value(fields []string, column int) string {
	v := strings.TrimSpace(fields[h.at[column]])
	switch v {
	case "NULL", "NA", "N/A", "null", "NaN", "nan":
		return ""
	}
	return v
}

// checkOut returns the last day of the stay, or a date far away when the line does not say or the stay was not kept.
func (h *header) checkOut(fields []string) domain.Date {
	p := rowParser{head: h, fields: fields}
	arrival, nights := p.arrival(), p.count(colWeekendNights)+p.count(colWeekNights)
	if p.err != nil || h.value(fields, colStatus) != string(CheckOut) {
		return math.MaxInt32
	}
	return arrival.AddDays(nights)
}

// parse makes a Row of a line. The error is a problemError.
func (h *header) parse(line fieldsAt, style dateStyle) (Row, error) {
	p := rowParser{head: h, fields: line.fields}
	row := p.row()
	row.Line = line.line
	row.StatusDate = p.date(colStatusDate, style)
	if p.err != nil {
		return Row{}, p.err
	}
	return row, row.check()
}

// check finds what no single column shows.
func (r *Row) check() error {
	if r.IsCanceled != (r.Status != CheckOut) {
		return problemf(Contradiction, "is_canceled is %t and reservation_status %s", r.IsCanceled, r.Status)
	}
	if r.Nights() == 0 {
		return problemf(NoNights, "a stay without a night (day use) is no stay")
	}
	return nil
}

// rowParser reads the columns of one line and keeps the first error.
type rowParser struct {
	head   *header
	fields []string
	err    error
}

func (p *rowParser) row() Row {
	return Row{
		Hotel:                       p.need(colHotel),
		IsCanceled:                  p.flag(colIsCanceled),
		LeadTime:                    p.count(colLeadTime),
		Arrival:                     p.arrival(),
		ArrivalWeek:                 p.optional(colWeek),
		WeekendNights:               p.count(colWeekendNights),
		WeekNights:                  p.count(colWeekNights),
		Adults:                      p.optional(colAdults),
		Children:                    p.optional(colChildren),
		Babies:                      p.optional(colBabies),
		Meal:                        p.word(colMeal),
		Country:                     p.word(colCountry),
		MarketSegment:               p.word(colMarketSegment),
		DistributionChannel:         p.word(colChannel),
		IsRepeatedGuest:             p.optional(colIsRepeated) != 0,
		PreviousCancellations:       p.optional(colPreviousCancellations),
		PreviousBookingsNotCanceled: p.optional(colPreviousKept),
		ReservedRoomType:            p.need(colReserved),
		AssignedRoomType:            p.word(colAssigned),
		BookingChanges:              p.optional(colChanges),
		DepositType:                 p.word(colDeposit),
		Agent:                       p.code(colAgent),
		Company:                     p.code(colCompany),
		DaysInWaitingList:           p.optional(colWaiting),
		CustomerType:                p.word(colCustomer),
		RateMinor:                   p.rate(),
		ParkingSpaces:               p.optional(colParking),
		SpecialRequests:             p.optional(colRequests),
		Status:                      p.status(),
	}
}

func (p *rowParser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// word returns a column's text.
func (p *rowParser) word(column int) string {
	v := p.head.value(p.fields, column)
	if len(v) > textMax {
		p.fail(problemf(BadValue, "%s of %d bytes is longer than %d", columnNames[column], len(v), textMax))
		return ""
	}
	return v
}

// need is word for a column that must not be empty.
func (p *rowParser) need(column int) string {
	v := p.word(column)
	if v == "" {
		p.fail(problemf(Missing, "%s is missing", columnNames[column]))
	}
	return v
}

// code is word for a number that is a name: 304.0, as some copies have it, is 304.
func (p *rowParser) code(column int) string { return strings.TrimSuffix(p.word(column), ".0") }

// count returns a column that must be a whole number from 0.
func (p *rowParser) count(column int) int {
	v := strings.TrimSuffix(p.need(column), ".0")
	n, err := strconv.Atoi(v)
	switch {
	case v == "":
	case err != nil:
		p.fail(problemf(BadNumber, "%s %q is no whole number", columnNames[column], v))
	case n < 0 || n > countMax:
		p.fail(problemf(BadNumber, "%s %d is not between 0 and %d", columnNames[column], n, countMax))
	}
	return n
}

// optional is count for a column that may be missing, which is 0.
func (p *rowParser) optional(column int) int {
	if p.head.value(p.fields, column) == "" {
		return 0
	}
	return p.count(column)
}

func (p *rowParser) flag(column int) bool {
	switch v := strings.ToLower(strings.TrimSuffix(p.need(column), ".0")); v {
	case "1", "true":
		return true
	case "0", "false", "":
		return false
	default:
		p.fail(problemf(BadValue, "%s %q is not 0 or 1", columnNames[column], v))
		return false
	}
}

// arrival joins the three columns of the arrival date.
func (p *rowParser) arrival() domain.Date {
	year, day, name := p.count(colYear), p.count(colDay), p.need(colMonth)
	if p.err != nil {
		return 0
	}
	month, err := monthNumber(name)
	if err != nil {
		p.fail(err)
		return 0
	}
	d, err := newDate(year, month, day)
	if err != nil || year < 1970 {
		p.fail(problemf(BadDate, "arrival on %d %s %d is no date", day, name, year))
	}
	return d
}

func (p *rowParser) date(column int, style dateStyle) domain.Date {
	v := p.need(column)
	if v == "" {
		return 0
	}
	d, err := style.parse(v)
	if err != nil {
		p.fail(problemf(BadDate, "%s %q %v", columnNames[column], v, err))
	}
	return d
}

// rate returns the average daily rate in hundredths of a unit, rounded to the nearest.
func (p *rowParser) rate() int64 {
	v := p.need(colRate)
	f, err := strconv.ParseFloat(strings.Replace(v, ",", ".", 1), 64)
	switch {
	case v == "":
		return 0
	case err != nil || math.IsNaN(f) || math.IsInf(f, 0):
		p.fail(problemf(BadNumber, "adr %q is no amount", v))
		return 0
	case math.Abs(f) > rateMax:
		p.fail(problemf(BadNumber, "adr %s is beyond any price", v))
		return 0
	}
	return int64(math.Round(f * 100))
}

func (p *rowParser) status() Status {
	v := p.need(colStatus)
	for _, s := range []Status{CheckOut, Canceled, NoShow} {
		if strings.EqualFold(v, string(s)) {
			return s
		}
	}
	if v != "" {
		p.fail(problemf(BadValue, "reservation_status %q is not Check-Out, Canceled or No-Show", v))
	}
	return ""
}

func sortedByLine(problems []Problem) []Problem {
	slices.SortFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return problems
}
