package commands

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// group asks for rooms as reservations first to last of a group.
func group(id string, first, last int) *hotel.PlaceGroup {
	c := &hotel.PlaceGroup{Hotel: id, GroupID: numbered(4, first).String()}
	for n := first; n <= last; n++ {
		c.Reservations = append(c.Reservations, *place(id, n))
	}
	return c
}

// A retry of a group gets all of its first answer, also from an engine that has read it from the log. The ids that the server made up anew do not count.
func TestRetriedGroup(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	h.build("grand", 5)
	first := h.do(1, group("grand", 1, 3))
	full := h.do(2, group("grand", 4, 6))
	if len(first.Events) != 3 || len(full.Events) != 3 || full.Position.Offset != first.Position.Offset+3 {
		t.Fatalf("%d and %d events, up to %v and %v", len(first.Events), len(full.Events), first.Position, full.Position)
	}
	for _, e := range full.Events {
		if _, ok := e.Message.(*eventpb.ReservationRejected); !ok {
			t.Errorf("a group of three in two rooms: %v", e.Message)
		}
	}
	retry := func(h *house) {
		t.Helper()
		for n, want := range map[int]Result{1: first, 2: full} {
			got := h.do(n, group("grand", 10*n, 10*n+2))
			if !got.Replayed || got.Position != want.Position || len(got.Events) != len(want.Events) {
				t.Fatalf("retry %d: %+v, want %+v", n, got, want)
			}
			for i := range got.Events {
				if !proto.Equal(got.Events[i].Message, want.Events[i].Message) || got.Events[i].ID != want.Events[i].ID {
					t.Errorf("retry %d, event %d: %v, want %v", n, i, got.Events[i], want.Events[i])
				}
			}
		}
		if _, err := h.Execute(context.Background(), Command{RequestID: requestID(1), Body: group("grand", 1, 2)}); err == nil {
			t.Error("a smaller group is taken for the same request")
		}
	}
	retry(h)
	want := h.dump()
	again := open(t, lg.restart(), Options{Partitions: 1, HoldTick: -1})
	retry(again)
	if got := again.dump(); got != want {
		t.Error("the replayed state is another")
	}
}
