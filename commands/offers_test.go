package commands

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

// join waits for the room that place asks for, as entry n.
func join(id string, n int) *hotel.JoinWaitingList {
	p := place(id, n)
	return &hotel.JoinWaitingList{Hotel: id, EntryID: entryID(n), RoomType: p.RoomType, Quantity: p.Quantity, Stay: p.Stay}
}

func entryID(n int) string { return numbered(3, n).String() }

func cancel(id string, n int) *hotel.CancelReservation {
	return &hotel.CancelReservation{Hotel: id, ReservationID: reservationID(n)}
}

// story names the events of bookings in the order of the log, with the number of the reservation or entry where it is one of the test's.
func story(t testing.TB, lg log.Reader, partitions int) (told []string) {
	t.Helper()
	numbers := make(map[string]string)
	for n := range 100 {
		numbers[reservationID(n)], numbers[entryID(n)] = fmt.Sprint(" ", n), fmt.Sprint(" ", n)
	}
	for _, m := range messages(t, lg, bookingsTopic, partitions) {
		switch m := m.(type) {
		case *eventpb.ReservationPlaced:
			told = append(told, "placed"+numbers[m.ReservationId]+numbers[m.WaitingListEntryId])
		case *eventpb.ReservationRejected:
			told = append(told, "rejected"+numbers[m.ReservationId])
		case *eventpb.ReservationPaid:
			told = append(told, "paid"+numbers[m.ReservationId])
		case *eventpb.ReservationCanceled:
			told = append(told, "canceled"+numbers[m.ReservationId])
		case *eventpb.WaitingListJoined:
			told = append(told, "joined"+numbers[m.EntryId])
		case *eventpb.WaitingListOffered:
			told = append(told, "offered"+numbers[m.EntryId])
		case *eventpb.WaitingListLeft:
			told = append(told, "left"+numbers[m.EntryId]+" "+m.Reason.String()[len("WAITING_LIST_END_"):])
		}
	}
	return told
}

func wantStory(t testing.TB, lg log.Reader, want ...string) {
	t.Helper()
	if got := story(t, lg, 1); !slices.Equal(got, want) {
		t.Fatalf("what happened:\n%q\nwant\n%q", got, want)
	}
}

// full is a hotel whose one room is reserved by 1 and waited for by 2 and 3.
func full(h *house) {
	h.build("grand", 1)
	h.do(1, place("grand", 1))
	h.do(2, join("grand", 2))
	h.do(3, join("grand", 3))
}

// Who waits is served before whoever asks next, even when both come in the same moment.
func TestThoseWhoWaitAreServedFirst(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	full(h)
	var pending []*Pending
	for n, body := range []hotel.Command{cancel("grand", 1), place("grand", 10), place("grand", 11)} {
		p, err := h.Submit(context.Background(), Command{RequestID: requestID(20 + n), Body: body})
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, p)
	}
	for _, p := range pending {
		if _, err := p.Wait(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	wantStory(t, lg, "placed 1", "joined 2", "joined 3", "canceled 1", "offered 2", "placed 2", "rejected 10", "rejected 11")
	want := h.dump()
	if got := open(t, lg.restart(), Options{Partitions: 1, HoldTick: -1}).dump(); got != want {
		t.Error("the replayed state is another")
	}
}

// Rooms that are added are offered as well, although they are told in another topic.
func TestAddedRoomsAreOffered(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	full(h)
	h.do(4, setRooms("grand", 3))
	h.do(5, place("grand", 10))
	wantStory(t, lg, "placed 1", "joined 2", "joined 3", "offered 2", "placed 2", "offered 3", "placed 3", "rejected 10")
}

// An offer says in the log whose command it follows from.
func TestOffersNameTheirCause(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	full(h)
	r, err := h.Execute(context.Background(), Command{RequestID: requestID(4), CorrelationID: "visit-7", Body: cancel("grand", 1)})
	if err != nil {
		t.Fatal(err)
	}
	h.do(5, place("grand", 10)) // behind the offer
	got, err := lg.Fetch(t.Context(), log.FetchRequest{
		TopicPartition: log.TopicPartition{Topic: event.BookingsTopic}, Offset: r.Position.Offset + 1, MaxBytes: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		e, err := decodeRecord(&got.Records[i])
		if err != nil {
			t.Fatal(err)
		}
		if e.CausationID != r.Events[0].ID || e.CorrelationID != "visit-7" || e.RequestID != zeroID {
			t.Errorf("%s: cause %q, correlation %q, request %x", e.Type, e.CausationID, e.CorrelationID, e.RequestID)
		}
	}
}

// An offer that nobody takes goes to the next; entries end when their day is over.
func TestOffersLapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newMemLog()
		start := time.Now()
		h := open(t, lg, Options{Partitions: 1, Clock: func() time.Time { return noon.Add(time.Since(start)) }})
		full(h)
		h.do(4, confirm("grand", 1))
		h.do(5, join("grand", 4))
		h.do(6, cancel("grand", 1))
		told := []string{"placed 1", "joined 2", "joined 3", "paid 1", "joined 4", "canceled 1", "offered 2", "placed 2"}
		sleep := func(d time.Duration) {
			time.Sleep(d) // under testing/synctest
			synctest.Wait()
		}
		sleep(hotel.HoldDurationDefault - time.Second)
		wantStory(t, lg, told...)
		sleep(time.Second + HoldTickDefault)
		told = append(told, "canceled", "left 2 OFFER_LAPSED", "offered 3", "placed 3")
		wantStory(t, lg, told...)
		sleep(hotel.HoldDurationDefault + HoldTickDefault)
		told = append(told, "canceled", "left 3 OFFER_LAPSED", "offered 4", "placed 4")
		wantStory(t, lg, told...)
		h.do(7, join("grand", 5))
		offer := offerOf(t, lg, 4)
		h.do(8, &hotel.ConfirmReservation{Hotel: "grand", ReservationID: offer})
		told = append(told, "joined 5", "paid", "left 4 ACCEPTED")
		wantStory(t, lg, told...)
		sleep(9 * 24 * time.Hour) // the 10th, the day of arrival, at noon
		wantStory(t, lg, told...)
		sleep(12 * time.Hour)
		wantStory(t, lg, append(told, "left 5 PAST")...)
		want := h.dump()
		if got := open(t, lg.restart(), Options{Partitions: 1, Clock: atNoon}).dump(); got != want {
			t.Error("the replayed state is another")
		}
	})
}

// offerOf returns the reservation that is offered to entry n.
func offerOf(t *testing.T, lg log.Reader, n int) string {
	for _, m := range messages(t, lg, bookingsTopic, 1) {
		if m, ok := m.(*eventpb.WaitingListOffered); ok && m.EntryId == entryID(n) {
			return m.ReservationId
		}
	}
	t.Fatalf("nothing is offered to entry %d", n)
	return ""
}

// What was freed and not offered yet when the process was killed is offered at the next start, without any command.
func TestOffersAfterACrash(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	full(h)
	h.do(4, cancel("grand", 1))
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	killed := lg.restart()
	bookings := killed.at(log.TopicPartition{Topic: event.BookingsTopic})
	bookings.high -= 2 // the offer was not committed
	bookings.records = bookings.records[:bookings.high]
	wantStory(t, killed, "placed 1", "joined 2", "joined 3", "canceled 1")
	again := open(t, killed, Options{Partitions: 1, HoldTick: -1})
	again.do(5, place("grand", 10))
	wantStory(t, killed, "placed 1", "joined 2", "joined 3", "canceled 1", "offered 2", "placed 2", "rejected 10")
}

// A commit that fails takes the offer along with what freed the rooms; once the state is rebuilt both can be had again.
func TestOffersAfterAFailedCommit(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	full(h)
	fail := make(chan error, 1)
	fail <- log.NewError(log.Unavailable, "commit", "no disk")
	lg.beforeWait = func(log.TopicPartition) error {
		select {
		case err := <-fail:
			return err
		default:
			return nil
		}
	}
	if _, err := h.Execute(context.Background(), Command{RequestID: requestID(4), Body: cancel("grand", 1)}); log.CodeOf(err) != log.Unavailable {
		t.Fatalf("the failed commit: %v", err)
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	healed := lg.restart()
	again := open(t, healed, Options{Partitions: 1, HoldTick: -1})
	again.do(4, cancel("grand", 1))
	again.do(5, place("grand", 10))
	wantStory(t, healed, "placed 1", "joined 2", "joined 3", "canceled 1", "offered 2", "placed 2", "rejected 10")
}

// Asking for offers from outside is the same command, and changes nothing when there is nothing to offer.
func TestOfferRoomsOnRequest(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 1, HoldTick: -1})
	full(h)
	if r := h.do(4, &hotel.OfferRooms{Hotel: "grand"}); len(r.Events) != 0 {
		t.Errorf("%v", r.Events)
	}
	_, err := h.Execute(context.Background(), Command{RequestID: requestID(5), Body: &hotel.OfferRooms{Hotel: "other"}})
	if domain.ReasonOf(err) != domain.HotelNotFound {
		t.Errorf("in no hotel: %v", err)
	}
}
