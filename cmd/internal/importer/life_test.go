package importer

import (
	"slices"
	"strings"
	"testing"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// Guests are given rooms of the type that was assigned, one at a time, and each row's steps come in the order of life.
func TestGuestsAndTheirRooms(t *testing.T) {
	plan := planOf(t, samples[0].name, "")
	in, order := map[string]int{}, []Kind{Place, Pay, Arrive, Leave}
	last, moved := map[int]Kind{}, 0
	for i := range plan.Steps {
		step := &plan.Steps[i]
		if step.Kind == SetUp {
			continue
		}
		row := &plan.Rows[step.Row]
		if before := last[step.Row]; before != "" && slices.Index(order, step.Kind) >= 0 && slices.Index(order, before) > slices.Index(order, step.Kind) {
			t.Fatalf("line %d: %s before %s", step.Line, before, step.Kind)
		}
		if step.Kind != Change {
			last[step.Row] = step.Kind
		} else if last[step.Row] != Place && last[step.Row] != Pay {
			t.Errorf("line %d: changed after %q", step.Line, last[step.Row])
		}
		room := row.Hotel + "/" + plan.rooms[step.Row]
		switch step.Kind {
		case Arrive:
			got := step.Command.Body.(*hotel.CheckIn).Rooms
			if other, ok := in[room]; ok || len(got) != 1 || got[0] != plan.rooms[step.Row] || !strings.HasPrefix(got[0], slug(row.AssignedRoomType)+"-") {
				t.Errorf("line %d: %s given to a guest of %s, where the guest of row %d is (%t)", step.Line, got, row.AssignedRoomType, other, ok)
			}
			if row.AssignedRoomType != row.ReservedRoomType {
				moved++
			}
			in[room] = step.Row
		case Leave:
			if in[room] != step.Row {
				t.Errorf("line %d leaves %s, where row %d is", step.Line, room, in[room])
			}
			delete(in, room)
		}
	}
	if len(in) > 0 || moved == 0 {
		t.Errorf("%d guests never left, %d were given another type", len(in), moved)
	}
	for i := range plan.Rows {
		if want := ending(plan.Rows[i].Status); last[i] != want {
			t.Errorf("line %d ends with %s, not %s", plan.Rows[i].Line, last[i], want)
		}
	}
}

// A deposit was paid with the booking, under terms of its own; everything else is paid on arrival.
func TestDepositsAreRatePlans(t *testing.T) {
	plan, m := planOf(t, samples[0].name, ""), newMemory()
	runPlan(t, plan, m)
	paid, plans := map[int]domain.Date{}, map[string]*hotel.CreateRatePlan{}
	for i := range plan.Steps {
		step := &plan.Steps[i]
		switch b := step.Command.Body.(type) {
		case *hotel.CreateRatePlan:
			plans[b.Hotel+"/"+b.RatePlan] = b
		case *hotel.ConfirmReservation:
			paid[step.Row] = step.day
		}
	}
	for i := range plan.Rows {
		r := &plan.Rows[i]
		day, ok := paid[i]
		want := r.Arrival
		if r.deposited() {
			want = r.Booked()
		}
		if wanted := r.deposited() || r.Status == CheckOut; ok != wanted || ok && day != want {
			t.Errorf("line %d: %q and %s, paid (%t) on %s", r.Line, r.DepositType, r.Status, ok, day)
		}
	}
	for _, h := range plan.Hotels {
		strict, free := plans[h.ID+"/non-refund"], plans[h.ID+"/no-deposit"]
		if strict == nil || free == nil || !strict.Terms.Cancellation.GetNeverFree() || free.Terms.Cancellation != nil ||
			strict.Terms.Cancellation.GetFee().GetKind() != eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT {
			t.Errorf("hotel %s: %+v and %+v", h.ID, strict, free)
		}
	}
}

// As many changes are told as the row counts, each with an id of its own, none after arrival or end.
func TestChangesAreCounted(t *testing.T) {
	plan := planOf(t, samples[0].name, "")
	told := map[int]int{}
	for i := range plan.Steps {
		step := &plan.Steps[i]
		if step.Kind != Change {
			continue
		}
		row := &plan.Rows[step.Row]
		told[step.Row]++
		if step.day < row.Booked() || step.day > row.Arrival || row.Status == Canceled && step.day > row.StatusDate {
			t.Errorf("line %d: changed on %s", step.Line, step.day)
		}
	}
	total := 0
	for i := range plan.Rows {
		if total += told[i]; told[i] != plan.Rows[i].BookingChanges {
			t.Errorf("line %d: %d changes of %d", plan.Rows[i].Line, told[i], plan.Rows[i].BookingChanges)
		}
	}
	if s := runPlan(t, plan, newMemory()); total == 0 || s.Changes != total {
		t.Errorf("%d changes of %d", s.Changes, total)
	}
}

// A guest may leave on the day of arrival, and long before or after the day that was booked.
func TestOddDepartures(t *testing.T) {
	arrival := domain.DateOf(2016, 5, 10)
	var rows []Row
	for line, days := range []int{0, 1, 3, 9, 60} {
		rows = append(rows, Row{
			Line: line + 2, Hotel: "Resort Hotel", LeadTime: 5, Arrival: arrival, WeekNights: 3, Adults: 1, ReservedRoomType: "A", AssignedRoomType: "B",
			DepositType: noDeposit, RateMinor: 10_000, Status: CheckOut, StatusDate: arrival.AddDays(days),
		})
	}
	plan, err := NewPlan(rows, nil, len(rows), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := runPlan(t, plan, newMemory())
	if s.Kept != len(rows) || s.Refused != 0 || s.Adjusted[StatusTooLate] != 1 {
		t.Errorf("%+v", s)
	}
	if a, b := plan.Hotels[0].RoomTypes[0], plan.Hotels[0].RoomTypes[1]; a.Capacity != 5 || a.Rooms != 0 || b.Capacity != 0 || b.Rooms != 5 {
		t.Errorf("%+v %+v", a, b)
	}
}
