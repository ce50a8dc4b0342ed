package importer

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"lodge/domain"
)

// readSample reads a file of testdata.
func readSample(t *testing.T, name string) ([]Row, []Problem, int) {
	t.Helper()
	f, err := os.Open(filepath.Join(sampleFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, problems, lines, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return rows, problems, lines
}

func TestCopiesInCirculationReadTheSame(t *testing.T) {
	want, problems, lines := readSample(t, samples[0].name)
	if lines != sampleRows || len(want)+len(problems) != lines || len(problems) == 0 {
		t.Fatalf("%d rows, %d problems, %d lines", len(want), len(problems), lines)
	}
	for _, p := range problems {
		if p.Reason != NoNights {
			t.Errorf("unexpected problem %v", p)
		}
	}
	for _, s := range samples[1:] {
		got, gotProblems, _ := readSample(t, s.name)
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(gotProblems, problems) {
			t.Errorf("%s reads differently from %s", s.name, samples[0].name)
		}
	}
}

func TestReadARow(t *testing.T) {
	const line = "Resort Hotel,1,85,2015,July,27,1,0,3,2,NA,0,HB,PRT,Online TA,TA/TO,0,1,0,A,C,2,Refundable,240,NULL,5,Transient,82.005,1,3,Canceled,2015-05-06"
	rows, problems, _, err := Read(strings.NewReader(strings.Join(columnNames[:], ",") + "\n" + line))
	if err != nil || len(problems) != 0 || len(rows) != 1 {
		t.Fatal(rows, problems, err)
	}
	day := func(s string) domain.Date {
		d, err := domain.ParseDate(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	want := Row{
		Line: 2, Hotel: "Resort Hotel", IsCanceled: true, LeadTime: 85, Arrival: day("2015-07-01"), ArrivalWeek: 27,
		WeekNights: 3, Adults: 2, Meal: "HB", Country: "PRT", MarketSegment: "Online TA", DistributionChannel: "TA/TO",
		PreviousCancellations: 1, ReservedRoomType: "A", AssignedRoomType: "C", BookingChanges: 2, DepositType: "Refundable",
		Agent: "240", DaysInWaitingList: 5, CustomerType: "Transient", RateMinor: 8201, ParkingSpaces: 1, SpecialRequests: 3,
		Status: Canceled, StatusDate: day("2015-05-06"),
	}
	if !reflect.DeepEqual(rows[0], want) {
		t.Errorf("got  %+v\nwant %+v", rows[0], want)
	}
	if got := rows[0].Booked(); got != day("2015-04-07") {
		t.Errorf("booked on %s", got)
	}
}

func TestBadLinesAreReportedWithLineAndReason(t *testing.T) {
	rows, problems, lines := readSample(t, "hotel_bookings_bad.csv")
	var want []Problem
	for i, bad := range badLines {
		if bad.reason != TooFarAhead && bad.reason != StayTooLong { // the plan's to find
			want = append(want, Problem{Line: 3 + 2*i, Reason: bad.reason})
		}
	}
	want = append(want, Problem{Line: 2 + 2*len(badLines), Reason: FieldCount})
	if len(rows)+len(problems) != lines || lines != 2*len(badLines)+1 {
		t.Errorf("%d rows and %d problems of %d lines", len(rows), len(problems), lines)
	}
	if len(problems) != len(want) {
		t.Fatalf("got %v", problems)
	}
	for i, p := range problems {
		if p.Line != want[i].Line || p.Reason != want[i].Reason || p.Text == "" {
			t.Errorf("got %v, want line %d: %s", p, want[i].Line, want[i].Reason)
		}
	}
	if last := problems[len(problems)-1].Text; !strings.Contains(last, "ends in the middle") {
		t.Errorf("the cut-off line is reported as %q", last)
	}
}

func TestFilesOfAnotherKindAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":     "",
		"blank":     "\n\n",
		"no header": "Resort Hotel,0,342,2015\n",
		"binary":    "\x00\x01\x02\xff",
		"columns":   strings.Join(columnNames[:30], ",") + "\n",
	} {
		if _, _, _, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestALineTooLongCostsOneLine(t *testing.T) {
	text := strings.Join(columnNames[:], ",") + "\n" + strings.Repeat("x", 3*LineBytesMax) + "\n" + strings.Repeat("y", 10)
	_, problems, lines, err := Read(strings.NewReader(text))
	if err != nil || lines != 2 || len(problems) != 2 || problems[0].Reason != LineTooLong || problems[1].Reason != FieldCount {
		t.Error(problems, lines, err)
	}
}

func TestTheFileDecidesTheOrderOfDayAndMonth(t *testing.T) {
	for _, c := range []struct{ name, date, want string }{
		{"dash, undecided", "01-07-15", "2015-07-01"},
		{"dash, long year, undecided", "01-07-2015", "2015-07-01"},
		{"slash, undecided", "7/1/2015", "2015-07-01"},
		{"dash, month first", "07-13-15", "2015-07-13"},
		{"slash, day first", "13/07/2015", "2015-07-13"},
	} {
		line := "Resort Hotel,0,7,2016,July,27,1,0,1,1,0,0,BB,GBR,Direct,Direct,0,0,0,A,C,0,No Deposit,NULL,NULL,0,Transient,75,0,0,Check-Out," + c.date
		rows, problems, _, err := Read(strings.NewReader(strings.Join(columnNames[:], ",") + "\n" + line))
		if err != nil || len(problems) > 0 || rows[0].StatusDate.String() != c.want {
			t.Errorf("%s: %s read as %v %v %v, want %s", c.name, c.date, rows, problems, err, c.want)
		}
	}
}

func TestAKeptStayDecidesTheOrderOfDayAndMonth(t *testing.T) {
	const row = "Resort Hotel,0,7,2015,%m,27,%d,0,1,1,0,0,BB,GBR,Direct,Direct,0,0,0,A,C,0,No Deposit,NULL,NULL,0,Transient,75,0,0,Check-Out,%s"
	line := strings.NewReplacer("%m", "January", "%d", "6", "%s", "07/01/2015").Replace(row) // kept until 7 January
	rows, problems, _, err := Read(strings.NewReader(strings.Join(columnNames[:], ",") + "\n" + line))
	if err != nil || len(problems) > 0 || rows[0].StatusDate.String() != "2015-01-07" {
		t.Error(rows, problems, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(badFile())
	f.Add(samples[1].write(sampleBookings()[:20]))
	f.Add(samples[2].write(sampleBookings()[:20]))
	f.Fuzz(func(t *testing.T, text string) {
		rows, problems, lines, err := Read(strings.NewReader(text))
		if err != nil {
			return
		}
		if len(rows)+len(problems) != lines {
			t.Fatalf("%d rows and %d problems of %d lines", len(rows), len(problems), lines)
		}
		for _, row := range rows {
			if row.Nights() < 1 || row.LeadTime < 0 || row.Hotel == "" || !row.StatusDate.Valid() {
				t.Fatalf("accepted %+v", row)
			}
		}
		for _, p := range problems {
			if p.Line < 2 || p.Reason == "" || p.Text == "" {
				t.Fatalf("reported %+v", p)
			}
		}
	})
}
