package importer

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/domain"
)

// The samples in testdata are made here, not copied: run the test with -update to write them again.
var update = flag.Bool("update", false, "write testdata/hotel_bookings_*.csv again")

const (
	sampleFolder = "../../../testdata"
	sampleSeed   = 2026
	sampleRows   = 400
)

// sample is one file of testdata: the same rows, written as copies of the data are.
type sample struct {
	name    string
	comma   string
	newline string
	bom     string
	missing string // how a value that is not there is written
	float   bool   // agent and children as 304.0
	date    func(d domain.Date) string
	reverse bool // columns in the opposite order
}

var samples = []sample{
	{name: "hotel_bookings_sample.csv", comma: ",", newline: "\n", missing: "NULL", date: domain.Date.String},
	{name: "hotel_bookings_day_first.csv", comma: ",", newline: "\r\n", bom: "\ufeff", missing: "NA", date: dayFirst},
	{name: "hotel_bookings_month_first.csv", comma: ";", newline: "\n", missing: "", float: true, date: monthFirst, reverse: true},
}

func dayFirst(d domain.Date) string {
	iso := d.String()
	return iso[8:] + "-" + iso[5:7] + "-" + iso[2:4]
}

func monthFirst(d domain.Date) string {
	iso := d.String()
	return strings.TrimPrefix(iso[5:7], "0") + "/" + strings.TrimPrefix(iso[8:], "0") + "/" + iso[:4]
}

// write returns the file's content.
func (s sample) write(rows [][]string) string {
	var b strings.Builder
	b.WriteString(s.bom)
	for _, row := range append([][]string{columnNames[:]}, rows...) {
		row = slices.Clone(row)
		for i, v := range row {
			row[i] = s.cell(i, v)
		}
		if s.reverse {
			slices.Reverse(row)
		}
		b.WriteString(strings.Join(row, s.comma) + s.newline)
	}
	return b.String()
}

// cell writes one value; rows come with ISO dates and "" for what is missing.
func (s sample) cell(column int, v string) string {
	switch {
	case v == "":
		return s.missing
	case column == colStatusDate && v != columnNames[colStatusDate]:
		d, err := domain.ParseDate(v)
		if err != nil {
			panic(err)
		}
		return s.date(d)
	case s.float && (column == colAgent || column == colChildren) && v != columnNames[column]:
		return v + ".0"
	}
	return v
}

// sampleBookings makes rows of two hotels over one season, with groups of identical rows, day use, and the data's odd prices.
func sampleBookings() [][]string {
	rng := rand.New(rand.NewPCG(sampleSeed, 0))
	var rows [][]string
	for len(rows) < sampleRows {
		row := sampleBooking(rng)
		for range 1 + rng.IntN(4)/3*rng.IntN(5) { // now and then a group
			rows = append(rows, row)
		}
	}
	rows = rows[:sampleRows]
	for _, odd := range []int{40, 90} {
		rows[odd] = slices.Clone(rows[odd]) // out of its group
	}
	rows[40][colRate], rows[90][colRate] = "-6.38", "5400"
	return rows
}

func sampleBooking(rng *rand.Rand) []string {
	first, _ := domain.ParseDate("2015-07-01")
	arrival := first.AddDays(rng.IntN(75))
	weekend, week := rng.IntN(3), rng.IntN(6)
	if rng.IntN(30) == 0 {
		weekend, week = 0, 0 // day use
	}
	lead := rng.IntN(120) * rng.IntN(3)
	status, on := sampleEnd(rng, arrival, weekend+week, lead)
	iso := arrival.String()
	year, _ := strconv.Atoi(iso[:4])
	month, _ := strconv.Atoi(iso[5:7])
	day, _ := strconv.Atoi(iso[8:])
	room := pick(rng, "A", "A", "A", "D", "D", "E", "G")
	row := make([]string, columnCount)
	for column, v := range map[int]any{
		colHotel: pick(rng, "Resort Hotel", "City Hotel"), colIsCanceled: bit(status != CheckOut), colLeadTime: lead,
		colYear: year, colMonth: monthName(month), colWeek: 27 + int(arrival-first)/7, colDay: day,
		colWeekendNights: weekend, colWeekNights: week, colAdults: 1 + rng.IntN(3), colChildren: pick(rng, "0", "0", "1", "2", ""),
		colBabies: rng.IntN(2) * rng.IntN(2), colMeal: pick(rng, "BB", "HB", "SC"), colCountry: pick(rng, "PRT", "GBR", "ESP", "IRL", ""),
		colMarketSegment: pick(rng, "Online TA", "Direct", "Groups"), colChannel: pick(rng, "TA/TO", "Direct", "Corporate"),
		colIsRepeated: 0, colPreviousCancellations: 0, colPreviousKept: 0, colReserved: room, colAssigned: pick(rng, room, "D"),
		colChanges: rng.IntN(4) / 2 * rng.IntN(4), colDeposit: pick(rng, noDeposit, noDeposit, noDeposit, nonRefund, "Refundable", ""), colAgent: pick(rng, "240", "9", ""), colCompany: pick(rng, "", "", "110"),
		colWaiting: 0, colCustomer: pick(rng, "Transient", "Contract"), colRate: sampleRate(rng), colParking: rng.IntN(2),
		colRequests: rng.IntN(3), colStatus: string(status), colStatusDate: on.String(),
	} {
		row[column] = fmt.Sprint(v)
	}
	return row
}

func sampleEnd(rng *rand.Rand, arrival domain.Date, nights, lead int) (Status, domain.Date) {
	switch n := rng.IntN(20); {
	case n == 0:
		return NoShow, arrival
	case n < 7:
		return Canceled, arrival.AddDays(-rng.IntN(lead + 1))
	}
	return CheckOut, arrival.AddDays(nights)
}

func sampleRate(rng *rand.Rand) string {
	if rng.IntN(25) == 0 {
		return "0"
	}
	return strconv.FormatFloat(float64(4000+rng.IntN(16000))/100, 'f', -1, 64)
}

func monthName(m int) string {
	return [...]string{"", "January", "February", "March", "April", "May", "June", "July", "August", "September",
		"October", "November", "December"}[m]
}

func pick(rng *rand.Rand, words ...string) string { return words[rng.IntN(len(words))] }

// badLines spoil a good line, one column each, and say what must be reported.
var badLines = []struct {
	column int
	value  string
	reason Reason
}{
	{colHotel, "NULL", Missing},
	{colIsCanceled, "maybe", BadValue},
	{colIsCanceled, "1", Contradiction},
	{colLeadTime, "-3", BadNumber},
	{colLeadTime, "soon", BadNumber},
	{colLeadTime, "2000", TooFarAhead},
	{colMonth, "Juillet", BadDate},
	{colDay, "32", BadDate},
	{colWeekNights, "", Missing},
	{colWeekNights, "1.5", BadNumber},
	{colWeekNights, "200", StayTooLong},
	{colAdults, "two", BadNumber},
	{colReserved, "NA", Missing},
	{colRate, "cheap", BadNumber},
	{colStatus, "Checked", BadValue},
	{colStatusDate, "2015-02-30", BadDate},
	{colStatusDate, "NULL", Missing},
	{colHotel, `"Resort`, BadQuote},
	{colCountry, "PRT,PRT", FieldCount},
}

// badFile returns a file with each of badLines once between good lines, cut off in its last line.
func badFile() string {
	good := strings.Split("Resort Hotel,0,7,2015,July,27,1,0,1,1,0,0,BB,GBR,Direct,Direct,0,0,0,A,C,0,No Deposit,NULL,NULL,0,Transient,75,0,0,Check-Out,2015-07-02", ",")
	var b strings.Builder
	b.WriteString(strings.Join(columnNames[:], ",") + "\n")
	for _, bad := range badLines {
		b.WriteString(strings.Join(good, ",") + "\n")
		spoiled := slices.Clone(good)
		spoiled[bad.column] = bad.value
		b.WriteString(strings.Join(spoiled, ",") + "\n")
	}
	b.WriteString("Resort Hotel,0,14,2015,July,27,1,0,2,2,0,0,BB,GBR,Onl")
	return b.String()
}

func TestSamplesAreWhatIsCommitted(t *testing.T) {
	files := map[string]string{"hotel_bookings_bad.csv": badFile()}
	for _, s := range samples {
		files[s.name] = s.write(sampleBookings())
	}
	for name, want := range files {
		path := filepath.Join(sampleFolder, name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not what this test makes (go test -run %s -args -update): %v", path, t.Name(), err)
		}
	}
}
