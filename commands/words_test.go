package commands

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/commands/persons"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/vfs"
)

// The words that people write in the tests, of which nothing may be in an event, and why they say that they do it.
const (
	written = "her sister Augusta rang"
	beside  = "Augusta's flat in Marylebone"
	because = "Augusta asked me to"
)

// wordy are all commands with words, each with what must have happened before it.
func wordy() []struct {
	name   string
	before []hotel.Command
	body   hotel.Command
	want   persons.Words
} {
	id := reservationID(1)
	group := &hotel.PlaceGroup{Hotel: "grand", GroupID: numbered(7, 1).String(), Reservations: []hotel.PlaceReservation{*placeToday(1), *placeToday(2)}}
	bought := append([]hotel.Command{placeToday(1)}, withMoney("grand", 1, 0)...)
	rooms := []hotel.Command{
		&hotel.CreateRoom{Hotel: "grand", Room: "1", RoomType: "double", DisplayName: "1"}, &hotel.CreateRoom{Hotel: "grand", Room: "2", RoomType: "double", DisplayName: "2"},
	}
	failed := append(slices.Clone(bought), &hotel.CancelReservation{Hotel: "grand", ReservationID: id}, &hotel.SettleRefunds{Hotel: "grand", ReservationID: id, RefundID: refundID(1)},
		&hotel.RecordRefund{Hotel: "grand", ReservationID: id, PaymentID: paymentID(1), RefundID: refundID(1), Cause: "account_closed"})
	return []struct {
		name   string
		before []hotel.Command
		body   hotel.Command
		want   persons.Words
	}{
		{"cancel", []hotel.Command{placeToday(1)}, &hotel.CancelReservation{Hotel: "grand", ReservationID: id, Note: written}, persons.Words{written}},
		{"cancel a group", []hotel.Command{group}, &hotel.CancelGroup{
			Hotel: "grand", GroupID: group.GroupID, Reservations: []string{id, reservationID(2)}, Note: written,
		}, persons.Words{written}},
		{"grant", bought, &hotel.GrantRefund{Hotel: "grand", ReservationID: id, Amount: domain.Money{Currency: "EUR", MinorUnits: 1_00}, Note: written}, persons.Words{written}},
		{"move", slices.Concat(rooms, bought, []hotel.Command{&hotel.CheckIn{Hotel: "grand", ReservationID: id}}), &hotel.MoveGuest{Hotel: "grand", ReservationID: id, Note: written}, persons.Words{written}},
		{"walk", bought, &hotel.Walk{Hotel: "grand", ReservationID: id, RelocatedTo: beside, Note: written}, persons.Words{written, beside}},
		{"walk without a note", bought, &hotel.Walk{Hotel: "grand", ReservationID: id, RelocatedTo: beside}, persons.Words{"", beside}},
		{"settle a refund", failed, &hotel.SettleRefund{
			Hotel: "grand", ReservationID: id, PaymentID: paymentID(1), RefundID: refundID(1), Method: eventpb.RefundMethod_REFUND_METHOD_CASH, Reference: beside, Note: written,
		}, persons.Words{written, beside}},
	}
}

// placeToday is place for three nights from today on.
func placeToday(n int) *hotel.PlaceReservation {
	c := place("grand", n)
	c.Stay = domain.Stay{CheckIn: domain.DateOf(2026, 7, 1), CheckOut: domain.DateOf(2026, 7, 4)}
	return c
}

// says reports whether a record has any of the words.
func says(t testing.TB, e *event.Envelope) bool {
	t.Helper()
	var stored [][]byte
	value, err := event.Encode(e, func(_ string, value []byte) { stored = append(stored, value) })
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(bytes.Join(append(stored, value), nil), []byte("Augusta"))
}

func TestWordsAreSealed(t *testing.T) {
	for _, tc := range wordy() {
		t.Run(tc.name, func(t *testing.T) {
			lg, fs := newMemLog(), vfs.NewMem()
			k := openKeys(t, fs)
			h := open(t, lg, Options{Partitions: 1, Persons: k})
			h.build("grand", 2)
			for n, body := range tc.before {
				h.do(100+n, body)
			}
			given := Command{RequestID: requestID(1), Body: tc.body, Reason: because}
			r, err := h.Execute(t.Context(), given)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range r.Events {
				seals := hotel.SealsOf(e)
				if says(t, e) || len(seals) != 2 {
					t.Fatalf("%s has %d seals: %v", e.Type, len(seals), e)
				}
				for i, want := range []persons.Words{tc.want, {because}} {
					if got, err := k.OpenWords(persons.KeyID(seals[i].Key), seals[i].Sealed); got != want || err != nil {
						t.Errorf("seal %d opens as %q, error %v", i, got, err)
					}
				}
			}
			if r.Events[0].RequestFingerprint == tc.body.Fingerprint() {
				t.Error("the fingerprint lets anybody confirm a guess of what was written")
			}
			if err := h.stop(); err != nil {
				t.Fatal(err)
			}
			again := open(t, lg.restart(), Options{Partitions: 1, Persons: openKeys(t, fs)})
			if got, err := again.Execute(t.Context(), given); err != nil || !got.Replayed || !proto.Equal(got.Events[0].Message, r.Events[0].Message) {
				t.Errorf("a retry gives %+v, error %v", got, err)
			}
			if err := again.stop(); err != nil {
				t.Fatal(err)
			}
			if got, want := again.dump(), h.dump(); got != want {
				t.Errorf("after a replay the state is\n%s\nnot\n%s", got, want)
			}
		})
	}
}

// TestWordsWithoutKeys: as they were before they were sealed, also to a retry that comes since.
func TestWordsWithoutKeys(t *testing.T) {
	lg := newMemLog()
	h := open(t, lg, Options{Partitions: 1})
	h.build("grand", 1)
	h.do(1, place("grand", 1))
	given := Command{RequestID: requestID(2), Body: &hotel.CancelReservation{Hotel: "grand", ReservationID: reservationID(1), Note: written}, Reason: because}
	r, err := h.Execute(t.Context(), given)
	if err != nil {
		t.Fatal(err)
	}
	if e := r.Events[0]; e.Message.(*eventpb.ReservationCanceled).GetNote() != written || e.Reason != because || len(hotel.SealsOf(e)) != 0 {
		t.Errorf("the event is %v", e)
	}
	again := open(t, lg.restart(), Options{Partitions: 1, Persons: openKeys(t, vfs.NewMem())})
	if got, err := again.Execute(t.Context(), given); err != nil || !got.Replayed {
		t.Errorf("a retry gives %+v, error %v", got, err)
	}
}

// TestReasonsOfRejections: nobody's name takes a key, but why somebody asked does, and only once.
func TestReasonsOfRejections(t *testing.T) {
	k := openKeys(t, vfs.NewMem())
	h := open(t, newMemLog(), Options{Partitions: 1, Persons: k})
	h.build("grand", 0)
	seen := map[uint64]bool{}
	for n := range 50 {
		r, err := h.Execute(t.Context(), Command{RequestID: requestID(n), Body: placeAda("grand", n), Reason: because})
		if err != nil {
			t.Fatal(err)
		}
		seals := hotel.SealsOf(r.Events[0])
		if len(seals) != 1 || seen[seals[0].Key] {
			t.Fatalf("seals %v behind %v", seals, seen)
		}
		seen[seals[0].Key] = true
	}
	if len(seen) != 50 || slices.Max(keysOf(seen)) > 52 {
		t.Errorf("keys %v", seen)
	}
}

func keysOf(seen map[uint64]bool) (keys []uint64) {
	for key := range seen {
		keys = append(keys, key)
	}
	return keys
}

// TestReasonsThatAreNoGuests stay as they were given: of what a hotel is, and of forgetting itself.
func TestReasonsThatAreNoGuests(t *testing.T) {
	h := open(t, newMemLog(), Options{Partitions: 1, Persons: openKeys(t, vfs.NewMem())})
	h.build("grand", 1)
	placed := h.do(1, placeAda("grand", 1)).Events[0]
	h.do(2, cancel("grand", 1))
	for n, body := range []hotel.Command{setRooms("grand", 2), forgetAda(t, placed)} {
		r, err := h.Execute(t.Context(), Command{RequestID: requestID(3 + n), Body: body, Reason: "ticket 7"})
		if err != nil || r.Events[0].Reason != "ticket 7" || len(hotel.SealsOf(r.Events[0])) != 0 {
			t.Errorf("%T: %+v, error %v", body, r, err)
		}
	}
}

// TestLongWords are refused as they are without keys.
func TestLongWords(t *testing.T) {
	h := open(t, newMemLog(), Options{Partitions: 1, Persons: openKeys(t, vfs.NewMem())})
	h.build("grand", 1)
	h.do(1, place("grand", 1))
	for _, long := range []int{hotel.NoteMax + 1, persons.WordsMax + 1, 1 << 20} {
		_, err := h.Execute(t.Context(), Command{RequestID: requestID(2), Body: &hotel.CancelReservation{Hotel: "grand", ReservationID: reservationID(1), Note: string(bytes.Repeat([]byte("x"), long))}})
		if domain.ReasonOf(err) != domain.InvalidArgument {
			t.Errorf("%d bytes: %v", long, err)
		}
	}
}

// TestKeysOfAnotherLogWithWordsOnly: keys that are older than a note, or a reason, or one of a payment, are noticed although nobody has a name.
func TestKeysOfAnotherLogWithWordsOnly(t *testing.T) {
	for _, tc := range wordy() {
		for _, why := range []string{"", because} {
			body := tc.body
			lg, mem := newMemLog(), vfs.NewMem()
			h := open(t, lg, Options{Partitions: 1, Persons: openKeys(t, mem)})
			h.build("grand", 2)
			for n, body := range tc.before {
				h.do(100+n, body)
			}
			older := mem.CrashClone(vfs.KeepAll)
			if _, err := h.Execute(t.Context(), Command{RequestID: requestID(1), Body: body, Reason: why}); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), lg.restart(), Options{Partitions: 1, Persons: openKeys(t, older)}); log.CodeOf(err) != log.Corrupt {
				t.Errorf("%s because of %q: %v", tc.name, why, err)
			}
		}
	}
}

// TestKeysOfAnotherLogWithAnOldReasonOnly: an older copy of the keys lacks that of a reason alone, of an event that only says that somebody came, behind which much has happened since.
func TestKeysOfAnotherLogWithAnOldReasonOnly(t *testing.T) {
	lg, mem := newMemLog(), vfs.NewMem()
	h := open(t, lg, Options{Partitions: 1, Persons: openKeys(t, mem)})
	h.build("grand", 2)
	room := &hotel.CreateRoom{Hotel: "grand", Room: "1", RoomType: "double", DisplayName: "1"}
	for n, body := range append([]hotel.Command{room, placeToday(1)}, withMoney("grand", 1, 0)...) {
		h.do(100+n, body)
	}
	older := mem.CrashClone(vfs.KeepAll)
	if _, err := h.Execute(t.Context(), Command{RequestID: requestID(1), Body: &hotel.CheckIn{Hotel: "grand", ReservationID: reservationID(1)}, Reason: because}); err != nil {
		t.Fatal(err)
	}
	for n := range checkEvents + 1 {
		h.do(1000+n, place("grand", 1000+n))
	}
	if _, err := Open(t.Context(), lg.restart(), Options{Partitions: 1, Persons: openKeys(t, older)}); log.CodeOf(err) != log.Corrupt {
		t.Errorf("opening says %v", err)
	}
}

func TestOtherWordsAreAnotherRequest(t *testing.T) {
	h := open(t, newMemLog(), Options{Partitions: 1, Persons: openKeys(t, vfs.NewMem())})
	h.build("grand", 1)
	h.do(1, place("grand", 1))
	given := Command{RequestID: requestID(2), Body: &hotel.CancelReservation{Hotel: "grand", ReservationID: reservationID(1), Note: written}}
	if _, err := h.Execute(t.Context(), given); err != nil {
		t.Fatal(err)
	}
	given.Body = &hotel.CancelReservation{Hotel: "grand", ReservationID: reservationID(1), Note: beside}
	if _, err := h.Execute(t.Context(), given); !errors.Is(err, ErrRequestReused) {
		t.Error(err)
	}
}

// TestLostKeysOfWords: what people wrote is counted with the names, once for a command, and its keys are not given again whatever topic they are in.
func TestLostKeysOfWords(t *testing.T) {
	for _, tc := range wordy() {
		t.Run(tc.name, func(t *testing.T) {
			lg := newMemLog()
			h := open(t, lg, Options{Partitions: 1, Persons: openKeys(t, vfs.NewMem())})
			h.build("grand", 2)
			for n, body := range tc.before {
				h.do(100+n, body)
			}
			r, err := h.Execute(t.Context(), Command{RequestID: requestID(1), Body: tc.body, Reason: because})
			if err != nil {
				t.Fatal(err)
			}
			lost, err := persons.Look(vfs.NewMem(), keysDir)
			if err != nil {
				t.Fatal(err)
			}
			found, err := FindLostKeys(t.Context(), lg, 1, lost, func(int64, int64) {})
			if end := persons.KeyID(hotel.SealsOf(r.Events[0])[1].Key) + 1; err != nil || found.Sealed != 2 || found.Lost != 2 || found.End != end {
				t.Errorf("found %+v, error %v; keys end at %d", found, err, end)
			}
		})
	}
}
