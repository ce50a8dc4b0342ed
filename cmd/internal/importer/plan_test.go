package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"

	"lodge/commands"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

// memory is a platform without a log: the deciders, and request ids for as long as they are remembered.
type memory struct {
	hotels map[string]*hotel.State
	known  map[uuid.UUID]Outcome
	done   map[[16]byte]Outcome // by fingerprint, for ever
	events int
	queue  int // submitted and not waited for; more than 10 are refused
}

func newMemory() *memory {
	return &memory{hotels: map[string]*hotel.State{}, known: map[uuid.UUID]Outcome{}, done: map[[16]byte]Outcome{}}
}

func (m *memory) Submit(_ context.Context, c commands.Command) (Answer, error) {
	if m.queue >= 10 {
		return nil, log.NewError(log.LimitReached, "submit", "full")
	}
	m.queue++
	if out, ok := m.known[c.RequestID]; ok {
		out.Replayed = true
		return &memoryAnswer{m, out, nil}, nil
	}
	out, err := m.decide(c)
	if err == nil {
		m.known[c.RequestID], m.done[c.Body.Fingerprint()] = out, out
	}
	return &memoryAnswer{m, out, err}, nil
}

// Recorded implements Commander.
func (m *memory) Recorded(_ context.Context, body hotel.Command) (Outcome, bool, error) {
	out, ok := m.done[body.Fingerprint()]
	out.Replayed = true
	return out, ok, nil
}

func (m *memory) decide(c commands.Command) (Outcome, error) {
	state := m.hotels[c.Body.HotelID()]
	if state == nil {
		state = hotel.New()
		m.hotels[c.Body.HotelID()] = state
	}
	events, err := hotel.Decide(state, c.Body, hotel.At{Now: c.Time})
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Events: len(events)}
	for _, e := range events {
		if err := state.Evolve(e); err != nil {
			return Outcome{}, err
		}
		_, rejected := e.(*eventpb.ReservationRejected)
		out.Rejected = out.Rejected || rejected
	}
	m.events += len(events)
	return out, nil
}

type memoryAnswer struct {
	m   *memory
	out Outcome
	err error
}

func (a *memoryAnswer) Wait(context.Context) (Outcome, error) {
	a.m.queue--
	return a.out, a.err
}

func planOf(t *testing.T, name, capacity string) *Plan {
	t.Helper()
	rows, problems, lines := readSample(t, name)
	c, err := ParseCapacity(capacity)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(rows, problems, lines, Options{Capacity: c})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func runPlan(t *testing.T, plan *Plan, to Commander) *Summary {
	t.Helper()
	s, err := Run(t.Context(), plan, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEverythingThatHappenedIsPossibleWithDerivedCapacity(t *testing.T) {
	plan, m := planOf(t, samples[0].name, ""), newMemory()
	s := runPlan(t, plan, m)
	if s.Rejected != 0 || s.Refused != 0 || s.Placed != len(plan.Rows) || s.Placed+s.SkippedTotal() != sampleRows {
		t.Errorf("%+v", s)
	}
	if s.Kept+s.Canceled+s.NoShows != s.Placed || s.Kept == 0 || s.Canceled == 0 || s.NoShows == 0 {
		t.Errorf("%d kept, %d canceled, %d no-shows of %d", s.Kept, s.Canceled, s.NoShows, s.Placed)
	}
	nights := 0
	for _, r := range plan.Rows {
		nights += r.Nights()
	}
	if s.RoomNights != nights || s.EventsAppended != int64(m.events) || s.Replayed != 0 {
		t.Errorf("%d room nights of %d, %d events of %d", s.RoomNights, nights, s.EventsAppended, m.events)
	}
	if want := map[Reason]int{NegativeRate: 1, AbsurdRate: 1}; !reflect.DeepEqual(s.Adjusted, want) {
		t.Errorf("adjusted %v", s.Adjusted)
	}
}

func TestDerivedCapacityIsTheLeastThatSuffices(t *testing.T) {
	plan := planOf(t, samples[0].name, "")
	for _, h := range plan.Hotels {
		for _, room := range h.RoomTypes {
			if room.Capacity < 2 {
				continue
			}
			tight := planOf(t, samples[0].name, fmt.Sprintf("%s/%s=%d", h.ID, room.Name, room.Capacity-1))
			if runPlan(t, tight, newMemory()).Rejected == 0 {
				t.Errorf("%s %s: %d rooms would have been enough", h.ID, room.ID, room.Capacity-1)
			}
		}
	}
}

func TestImportingAgainAddsNothing(t *testing.T) {
	m := newMemory()
	first := runPlan(t, planOf(t, samples[0].name, "A=3"), m)
	if first.Rejected == 0 {
		t.Fatal("no rejection to repeat")
	}
	events := m.events
	for _, s := range samples {
		again := runPlan(t, planOf(t, s.name, "A=3"), m)
		if again.EventsAppended != 0 || m.events != events || again.Replayed != again.Commands {
			t.Errorf("%s: %d events appended, %d of %d commands known", s.name, again.EventsAppended, again.Replayed, again.Commands)
		}
		if again.Placed != first.Placed || again.Rejected != first.Rejected || again.RoomNights != first.RoomNights || again.NoShows != first.NoShows {
			t.Errorf("%s: other numbers: %+v", s.name, again)
		}
	}
}

// TestImportingAgainAfterRequestsAreForgotten: books are closed by then, and the processors know neither nights nor reservations.
func TestImportingAgainAfterRequestsAreForgotten(t *testing.T) {
	m := newMemory()
	first := runPlan(t, planOf(t, samples[0].name, "A=3"), m)
	events := m.events
	clear(m.known)
	again := runPlan(t, planOf(t, samples[0].name, "A=3"), m)
	if again.EventsAppended != 0 || m.events != events || again.Replayed != again.Commands || again.Refused != 0 {
		t.Errorf("%d events appended, %d of %d commands known, %d refused: %v", again.EventsAppended, again.Replayed, again.Commands, again.Refused, again.Problems)
	}
	if again.Placed != first.Placed || again.Rejected != first.Rejected || again.Kept != first.Kept || again.Canceled != first.Canceled || again.NoShows != first.NoShows {
		t.Errorf("other numbers: %+v, first %+v", again, first)
	}
	clear(m.known)
	clear(m.done) // as if it had been another file: nothing of it is there, and its nights are closed
	other := runPlan(t, planOf(t, samples[0].name, "A=3"), m)
	if other.Refused == 0 || m.events != events {
		t.Errorf("%d refused, %d events: %+v", other.Refused, m.events-events, other)
	}
}

func TestAnInterruptedImportIsTakenUp(t *testing.T) {
	m, plan := newMemory(), planOf(t, samples[0].name, "")
	whole := runPlan(t, plan, newMemory())
	down := errors.New("down")
	if _, err := Run(t.Context(), plan, &failing{m, len(plan.Steps) / 2, down}, nil); !errors.Is(err, down) {
		t.Fatal(err)
	}
	m.queue = 0 // nobody waits for what was under way
	rest := runPlan(t, plan, m)
	if rest.Placed != whole.Placed || int64(m.events) != whole.EventsAppended || rest.Replayed < 100 {
		t.Errorf("%+v", rest)
	}
}

// failing passes on a number of commands.
type failing struct {
	*memory
	left int
	err  error
}

func (f *failing) Submit(ctx context.Context, c commands.Command) (Answer, error) {
	if f.left--; f.left < 0 {
		return nil, f.err
	}
	return f.memory.Submit(ctx, c)
}

func TestPlanIsInOrderOfTime(t *testing.T) {
	plan := planOf(t, samples[0].name, "")
	for i := range plan.Steps[1:] {
		if plan.Steps[i+1].Command.Time.Before(plan.Steps[i].Command.Time) {
			t.Fatalf("step %d is before step %d", i+1, i)
		}
	}
	seen := map[uuid.UUID]bool{}
	for _, s := range plan.Steps {
		if seen[s.Command.RequestID] {
			t.Fatalf("request id %s twice", s.Command.RequestID)
		}
		seen[s.Command.RequestID] = true
	}
}

func TestPlanReportsWhatCannotBeBooked(t *testing.T) {
	plan := planOf(t, "hotel_bookings_bad.csv", "")
	want := map[Reason]int{FieldCount: 1}
	for _, bad := range badLines {
		want[bad.reason]++
	}
	if !reflect.DeepEqual(plan.skipped, want) {
		t.Errorf("skipped %v, want %v", plan.skipped, want)
	}
	s := runPlan(t, plan, newMemory())
	if s.Placed != len(badLines) || s.Placed+s.SkippedTotal() != s.Rows || len(s.Problems) != s.SkippedTotal() {
		t.Errorf("%+v", s)
	}
}

func TestParseCapacity(t *testing.T) {
	for text, want := range map[string][3]int{
		"":                      {7, 7, 7},
		"50":                    {50, 50, 50},
		"A=3":                   {3, 7, 3},
		"9, a=3,city-hotel/A=4": {3, 9, 4},
	} {
		c, err := ParseCapacity(text)
		got := [3]int{c.of("resort-hotel", "A", 7), c.of("resort-hotel", "D", 7), c.of("city-hotel", "A", 7)}
		if err != nil || got != want {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "-1", "many", "A=", "100001", "A=x"} {
		if _, err := ParseCapacity(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// TestRealBookings runs the excerpt of the real data where it is at hand: beside the project, or where LODGE_BOOKINGS says.
func TestRealBookings(t *testing.T) {
	f, err := os.Open(cmp.Or(os.Getenv("LODGE_BOOKINGS"), "../../../../shared/data/hotel_bookings_resort.csv"))
	if err != nil {
		t.Skip("the data is not here: ", err)
	}
	defer f.Close()
	rows, problems, lines, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(rows, problems, lines, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := runPlan(t, plan, newMemory())
	var b strings.Builder
	s.WriteText(&b)
	t.Log(b.String())
	if s.Placed+s.SkippedTotal() != s.Rows || s.Rejected != 0 || s.Refused != 0 {
		t.Errorf("%v %v", s, s.Problems)
	}
}

// TestAmountsAreOfTheCurrency: what the data calls adr is in units, and currencies have more or fewer minor units than hundredths.
func TestAmountsAreOfTheCurrency(t *testing.T) {
	for _, c := range []struct {
		currency     string
		minor, units int64
		nanos        int32
	}{{"EUR", 120_50, 120, 500_000_000}, {"JPY", 121, 121, 0}, {"BHD", 120_500, 120, 500_000_000}} {
		p := Plan{opts: Options{Currency: c.currency}}
		m := p.amount(120_50)
		if m.Currency != c.currency || m.MinorUnits != c.minor {
			t.Errorf("120.50 is %s, %d minor units", m, m.MinorUnits)
		}
		if sent := toMoney(m); sent.GetCurrencyCode() != c.currency || sent.GetUnits() != c.units || sent.GetNanos() != c.nanos {
			t.Errorf("%s is sent as %v", m, sent)
		}
	}
}
