package importer

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"

	"lodge/cmd/internal/platform"
	"lodge/domain/hotel"
)

// TestRecords: the read models know of every step that was carried out, and of no other.
func TestRecords(t *testing.T) {
	dir := t.TempDir()
	p, err := platform.Open(t.Context(), dir, platform.Options{Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	client := platform.Client(dir)
	defer func() {
		client.CloseIdleConnections()
		stop()
		if err := errors.Join(<-done, p.Close()); err != nil {
			t.Error(err)
		}
	}()
	to := InProcess{Engine: p.Engine, Records: NewRecords(client, platform.SocketURL)}
	plan := planOf(t, samples[0].name, "A=3")
	sum := runPlan(t, plan, to)
	if sum.Rejected == 0 || sum.NoShows == 0 || sum.Canceled == 0 {
		t.Fatalf("%+v", sum)
	}
	if err := p.WaitCaughtUp(ctx); err != nil {
		t.Fatal(err)
	}
	rejected := map[int]bool{}
	var counted int
	for i := range plan.Steps {
		step := &plan.Steps[i]
		out, known, err := to.Recorded(ctx, step.Command.Body)
		if err != nil {
			t.Fatal(err)
		}
		switch step.Command.Body.(type) {
		case *hotel.CreateHotel, *hotel.CreateRoomType, *hotel.CreateRatePlan, *hotel.CreateRoom:
			if known {
				t.Errorf("%s is not asked for", step.Kind)
			}
			continue
		case *hotel.PlaceReservation:
			rejected[step.Row] = out.Rejected
		}
		if want := step.Kind == SetUp || step.Kind == Place || !rejected[step.Row]; known != want || !out.Replayed {
			t.Errorf("line %d: %s: known %v, want %v", step.Line, step.Kind, known, want)
		}
		if step.Kind == Place && out.Rejected {
			counted++
		}
		if other := other(step.Command.Body); other != nil {
			if _, known, err := to.Recorded(ctx, other); known || err != nil {
				t.Errorf("line %d: %s of another: %v %v", step.Line, step.Kind, known, err)
			}
		}
	}
	if counted != sum.Rejected {
		t.Errorf("%d rejected, want %d", counted, sum.Rejected)
	}
}

// other returns a command like body that was not carried out.
func other(body hotel.Command) hotel.Command {
	switch b := body.(type) {
	case *hotel.PlaceReservation:
		return &hotel.PlaceReservation{Hotel: b.Hotel, ReservationID: uuid.NewString()}
	case *hotel.ConfirmReservation:
		return &hotel.ConfirmReservation{Hotel: b.Hotel, ReservationID: uuid.NewString()}
	case *hotel.ModifyReservation:
		return &hotel.ModifyReservation{Hotel: b.Hotel, ReservationID: uuid.NewString()}
	case *hotel.CancelReservation:
		return &hotel.CheckIn{Hotel: b.Hotel, ReservationID: b.ReservationID}
	case *hotel.CheckIn:
		return &hotel.MarkNoShow{Hotel: b.Hotel, ReservationID: b.ReservationID}
	case *hotel.MarkNoShow:
		return &hotel.CheckOut{Hotel: b.Hotel, ReservationID: b.ReservationID}
	case *hotel.SetInventory:
		n := *b.PhysicalCount + 1
		return &hotel.SetInventory{Hotel: b.Hotel, RoomType: b.RoomType, Start: b.Start, End: b.End, PhysicalCount: &n}
	}
	return nil
}
