package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/money"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/cmd/internal/importer"
	"lodge/cmd/internal/platform"
	"lodge/commands"
	"lodge/domain/hotel"
)

const sample = "../../testdata/hotel_bookings_sample.csv"

func TestDemoServesWhatItPrints(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := launch(t, "Stop with Ctrl-C", "demo", "--data", dir, "--addr", "localhost:0")
	curl := regexp.MustCompile(`curl -s (http://\S+) -H 'Content-Type: application/json' -d '(.*)'`).FindStringSubmatch(p.first)
	if curl == nil {
		t.Fatalf("no curl that reserves a room in:\n%s", p.first)
	}
	res, err := http.Post(curl[1], "application/json", strings.NewReader(curl[2]))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var reservation struct{ Name, Status string }
	if err := json.NewDecoder(res.Body).Decode(&reservation); err != nil || reservation.Status != "RESERVATION_STATUS_PENDING" {
		t.Fatalf("%s: %+v %v", res.Status, reservation, err)
	}
	search := regexp.MustCompile(`curl -s '(http://\S+hotels:search\S+)'`).FindStringSubmatch(p.first)
	if found, err := http.Get(search[1]); err != nil || found.StatusCode != http.StatusOK {
		t.Errorf("search: %v %v", found, err)
	} else {
		found.Body.Close()
	}
	if out := mustLodge(t, "events", "--data", dir, reservation.Name); !strings.Contains(out, "lodge.reservation.placed.v1") || !strings.Contains(out, "  after place_reservation") {
		t.Errorf("the history is\n%s", out)
	}
	if out := mustLodge(t, "audit", "--data", dir, "--reservation", reservation.Name, "--type", "CreateReservation"); !strings.Contains(out, "  ReservationService/CreateReservation  lodge.reservation.placed.v1  "+reservation.Name) {
		t.Errorf("who placed it:\n%s", out)
	}
	if out := mustLodge(t, "verify", "--data", dir); !strings.Contains(out, "PASSED") {
		t.Errorf("verify says\n%s", out)
	}
	http.DefaultClient.CloseIdleConnections()
	if code := p.end(t, os.Interrupt); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
}

func TestDemoRaceHasOneWinner(t *testing.T) {
	out := mustLodge(t, "demo", "--race", "--addr", "localhost:0")
	if strings.Count(out, "100 clients, 1 got the room, 99 were told") != 5 || !strings.Contains(out, "VERDICT: exactly one client won") {
		t.Error(out)
	}
}

// summaryOf reads the last line of an import's standard output.
func summaryOf(t *testing.T, out string) (s importer.Summary) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
		t.Fatalf("%v in the last line of\n%s", err, out)
	}
	return s
}

func TestImportTwiceAndFindEveryBooking(t *testing.T) {
	importAndFind(t, sample, "../../testdata/hotel_bookings_day_first.csv")
}

// TestRealBookings does the same with the real data, where LODGE_BOOKINGS names the file.
func TestRealBookings(t *testing.T) {
	name := os.Getenv("LODGE_BOOKINGS")
	if name == "" {
		t.Skip("LODGE_BOOKINGS names no file")
	}
	importAndFind(t, name, name)
}

// importAndFind imports a file and a copy of it, asks a server for every booking, and makes the tables again.
func importAndFind(t *testing.T, file, fileCopy string) {
	dir := filepath.Join(t.TempDir(), "data")
	first := summaryOf(t, mustLodge(t, "import", "--data", dir, "--json", file))
	if first.Placed == 0 || first.Placed+first.SkippedTotal() != first.Rows || first.Rejected+first.Refused != 0 || first.Verified == nil || !*first.Verified {
		t.Fatalf("%+v", first)
	}
	again := summaryOf(t, mustLodge(t, "import", "--data", dir, "--json", fileCopy))
	if again.EventsAppended != 0 || again.Placed != first.Placed || again.RoomNights != first.RoomNights || again.Replayed != again.Commands {
		t.Errorf("the second import: %+v", again)
	}
	checkBookings(t, dir, file)
	rows := dump(t, dir, func(*platform.Platform) {})
	if err := os.RemoveAll(filepath.Join(dir, "projections")); err != nil {
		t.Fatal(err)
	}
	if rebuilt := dump(t, dir, func(*platform.Platform) {}); len(rows) == 0 || strings.Join(rows, "\n") != strings.Join(rebuilt, "\n") {
		t.Errorf("tables made again differ: %s", difference(rows, rebuilt))
	}
	mustLodge(t, "projections", "rebuild", "--data", dir)
	mustLodge(t, "verify", "--data", dir)
}

// checkBookings asks a server for every booking of a file.
func checkBookings(t *testing.T, dir, file string) {
	t.Helper()
	p, url := serve(t, dir)
	client := lodgev1connect.NewReservationServiceClient(http.DefaultClient, url)
	for _, want := range expected(t, file) {
		res, err := client.GetReservation(t.Context(), connect.NewRequest(&lodgev1.GetReservationRequest{Name: want.GetName()}))
		if err != nil {
			t.Fatalf("%s: %v", want.GetName(), err)
		}
		got := res.Msg
		if got.GetStatus() != want.GetStatus() || got.GetReason() != want.GetReason() || got.GetCheckInDate().String() != want.GetCheckInDate().String() ||
			got.GetCheckOutDate().String() != want.GetCheckOutDate().String() || len(got.GetNightlyAmounts()) != len(want.GetNightlyAmounts()) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if code := p.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
}

// expected returns what a file's rows say.
func expected(t *testing.T, file string) []*lodgev1.Reservation {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, problems, lines, err := importer.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := importer.NewPlan(rows, problems, lines, importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all []*lodgev1.Reservation
	for _, step := range plan.Steps {
		body, ok := step.Command.Body.(*hotel.PlaceReservation)
		if !ok {
			continue
		}
		row := plan.Rows[step.Row]
		status, reason := statusOf(row.Status)
		all = append(all, &lodgev1.Reservation{
			Name: "hotels/" + body.Hotel + "/reservations/" + body.ReservationID, Status: status, Reason: reason,
			CheckInDate: apiDate(row.Arrival), CheckOutDate: apiDate(row.Stay().CheckOut), NightlyAmounts: make([]*money.Money, row.Nights()),
		})
	}
	return all
}

func statusOf(s importer.Status) (lodgev1.ReservationStatus, lodgev1.ReservationReason) {
	switch s {
	case importer.Canceled:
		return lodgev1.ReservationStatus_RESERVATION_STATUS_CANCELED, lodgev1.ReservationReason_RESERVATION_REASON_GUEST_REQUEST
	case importer.NoShow:
		return lodgev1.ReservationStatus_RESERVATION_STATUS_CANCELED, lodgev1.ReservationReason_RESERVATION_REASON_NO_SHOW
	}
	return lodgev1.ReservationStatus_RESERVATION_STATUS_PAID, 0
}

func TestImportIntoARunningServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p, _ := serve(t, dir)
	online := summaryOf(t, mustLodge(t, "import", "--data", dir, "--json", "--capacity", "A=4", sample))
	if online.Rejected == 0 || online.EventsAppended == 0 {
		t.Fatalf("%+v", online)
	}
	again := summaryOf(t, mustLodge(t, "import", "--data", dir, "--json", "--capacity", "A=4", sample))
	if again.EventsAppended != 0 || again.Rejected != online.Rejected {
		t.Errorf("again online: %+v", again)
	}
	if code := p.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
	offline := summaryOf(t, mustLodge(t, "import", "--data", dir, "--json", "--capacity", "A=4", sample))
	if offline.EventsAppended != 0 || offline.Placed != online.Placed || offline.Rejected != online.Rejected {
		t.Errorf("again offline: %+v", offline)
	}
}

func TestBadRowsAreReportedAndDoNotStopTheImport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	stdout, stderr, code := lodge(t, "import", "--data", dir, "--json", "../../testdata/hotel_bookings_bad.csv")
	s := summaryOf(t, stdout)
	if code != 0 || s.Placed == 0 || s.Placed+s.SkippedTotal() != s.Rows || strings.Count(stderr, ": line ") != s.SkippedTotal() {
		t.Errorf("exit code %d, %+v\n%s", code, s, stderr)
	}
	for name, want := range map[string]string{"nosuch.csv": "no such file", "../../go.mod": "not the header"} {
		if _, stderr, code := lodge(t, "import", "--data", dir, name); code != codeFailed || !strings.Contains(stderr, want) {
			t.Errorf("import %s: exit code %d, %s", name, code, stderr)
		}
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p, _ := serve(t, dir)
	_, stderr, code := lodge(t, "serve", "--data", dir, "--addr", "localhost:0")
	if code != codeFailed || !strings.Contains(stderr, dir) || !strings.Contains(stderr, strconv.Itoa(p.cmd.Process.Pid)) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if out := mustLodge(t, "topics", "--data", dir); !strings.Contains(out, "bookings") { // tools share the first one
		t.Error(out)
	}
}

func TestLogToolsFindAndMendDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	mustLodge(t, "import", "--data", dir, "--no-verify", sample)
	if out := mustLodge(t, "log", "verify", "--data", dir); !strings.Contains(out, " partitions are whole") || strings.Count(out, ": ok, ") < 5*(commands.PartitionsDefault()+1) {
		t.Fatal(out)
	}
	part := busiest(t, dir)
	if out := mustLodge(t, "log", "dump", "--data", dir, "-r", part); !strings.Contains(out, "lodge.reservation.placed.v1") {
		t.Errorf("dump shows no reservation:\n%.2000s", out)
	}
	segment := filepath.Join(dir, "log", "topics", part, "00000000000000000000.log")
	f, err := os.OpenFile(segment, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("junk"), 2000); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if stdout, stderr, code := lodge(t, "log", "verify", "--data", dir); code != codeFailed || !strings.Contains(stdout, "DAMAGED") || !strings.Contains(stderr, "lodge log repair") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if _, stderr, code := lodge(t, "serve", "--data", dir, "--addr", "localhost:0"); code != codeFailed || !strings.Contains(stderr, filepath.Base(segment)) {
		t.Errorf("a damaged log is served, or the error does not name the file: exit code %d\n%s", code, stderr)
	}
	if out := mustLodge(t, "log", "repair", "--data", dir); !strings.Contains(out, "would cut") {
		t.Error(out)
	}
	if out := mustLodge(t, "log", "repair", "--data", dir, "--apply"); !strings.Contains(out, "bytes kept in") {
		t.Error(out)
	}
	mustLodge(t, "log", "verify", "--data", dir)
}

// busiest returns the partition of the bookings with most records.
func busiest(t *testing.T, dir string) string {
	t.Helper()
	best, most := "", int64(-1)
	for n := range commands.PartitionsDefault() {
		info, err := os.Stat(filepath.Join(dir, "log", "topics", "bookings", strconv.Itoa(n), "00000000000000000000.log"))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > most {
			best, most = "bookings/"+strconv.Itoa(n), info.Size()
		}
	}
	return best
}

func TestCommandLineMistakes(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"fly", codeUsage, "unexpected argument fly"},
		{"serve --partitions=x", codeUsage, "--partitions"},
		{"topics --data " + dir, codeFailed, "not a data folder"},
		{"verify --data " + dir, codeFailed, "not a data folder"},
		{"import --data " + dir + " --capacity=lots " + sample, codeFailed, "capacity"},
		{"import --data " + dir + " --time-zone=Mars/Olympus " + sample, codeFailed, "time zone"},
	} {
		if _, stderr, code := lodge(t, strings.Fields(c.args)...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("lodge %s: exit code %d, %q", c.args, code, stderr)
		}
	}
	for _, command := range []string{"", "serve", "demo", "import", "topics", "log", "log dump", "log verify", "log repair", "events", "projections", "projections list", "projections rebuild", "verify", "simulate", "bench", "version"} {
		out := mustLodge(t, append(strings.Fields(command), "--help")...)
		if !strings.Contains(out, "Usage: lodge") {
			t.Errorf("lodge %s --help: %s", command, out)
		}
	}
}
