package commands

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/commands/persons"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

const keysDir = "keys"

func openKeys(t testing.TB, fs vfs.FS) *persons.Keys {
	t.Helper()
	k, err := persons.Open(fs, keysDir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var ada = hotel.Guest{ID: "guest-1", DisplayName: "Ada Lovelace", Email: "ada@example.com", Adults: 2, Children: 1}

// placeAda is place for a guest who is somebody.
func placeAda(id string, n int) *hotel.PlaceReservation {
	c := place(id, n)
	c.Guest = ada
	return c
}

func guestIn(t testing.TB, e *event.Envelope) *eventpb.Guest {
	t.Helper()
	of, ok := e.Message.(interface{ GetGuest() *eventpb.Guest })
	if !ok {
		t.Fatalf("%s has no guest", e.Type)
	}
	return of.GetGuest()
}

// checkNobody fails when an event says who somebody is.
func checkNobody(t testing.TB, events ...*event.Envelope) {
	t.Helper()
	for _, e := range events {
		b, err := proto.Marshal(e.Message)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"Ada L", "Ada K", "Lovelace", "ada@"} {
			if bytes.Contains(b, []byte(word)) {
				t.Errorf("%s says %s: %v", e.Type, word, e.Message)
			}
		}
	}
}

func TestGuestsAreSealed(t *testing.T) {
	lg, fs := newMemLog(), vfs.NewMem()
	k := openKeys(t, fs)
	h := open(t, lg, Options{Partitions: 1, Persons: k})
	h.build("grand", 1)
	placed := h.do(1, placeAda("grand", 1)).Events[0]
	guest := guestIn(t, placed)
	checkNobody(t, placed)
	if p, err := k.Open(persons.KeyID(guest.Key), guest.Sealed); err != nil || p != (persons.Person{DisplayName: ada.DisplayName, Email: ada.Email}) {
		t.Errorf("opens as %+v, error %v", p, err)
	}
	if guest.GuestId != ada.ID || guest.Adults != 2 || guest.Children != 1 {
		t.Errorf("the event has %v", guest)
	}
	if plain := placeAda("grand", 1); placed.RequestFingerprint == plain.Fingerprint() {
		t.Error("the fingerprint lets anybody confirm a guess of who it was")
	}
	for n := 2; n < 200; n++ {
		rejected := h.do(n, placeAda("grand", n)).Events[0]
		if g := guestIn(t, rejected); g.Key != 0 || g.Sealed != nil || g.Adults != 2 {
			t.Fatalf("a rejection says %v", g)
		}
		checkNobody(t, rejected)
	}
	renamed := &hotel.ModifyReservation{Hotel: "grand", ReservationID: reservationID(1), Guest: &hotel.Guest{DisplayName: "Ada King", Adults: 2, Children: 1}}
	modified := h.do(200, renamed).Events[0]
	checkNobody(t, modified)
	if key := guestIn(t, modified).Key; key == guest.Key || key > guest.Key+2 {
		t.Errorf("key %d follows %d although no rejection used one", key, guest.Key)
	}
	for name, again := range map[string]*house{"same engine": h, "restarted": open(t, lg.restart(), Options{Partitions: 1, Persons: openKeys(t, fs)})} {
		if r := again.do(1, placeAda("grand", 1)); !r.Replayed || !proto.Equal(r.Events[0].Message, placed.Message) {
			t.Errorf("%s: a retry gives %+v", name, r)
		}
		other := placeAda("grand", 1)
		other.Guest.Email = "eva@example.com"
		if _, err := again.Execute(t.Context(), Command{RequestID: requestID(1), Body: other}); !errors.Is(err, ErrRequestReused) {
			t.Errorf("%s: another guest under the same request id: %v", name, err)
		}
	}
}

// TestRetriesOfPlainEvents: a request whose events are from before persons were sealed is still known.
func TestRetriesOfPlainEvents(t *testing.T) {
	lg := newMemLog()
	old := open(t, lg, Options{Partitions: 1})
	old.build("grand", 1)
	placed := old.do(1, placeAda("grand", 1))
	if guestIn(t, placed.Events[0]).DisplayName != ada.DisplayName {
		t.Fatal("it is sealed already")
	}
	h := open(t, lg.restart(), Options{Partitions: 1, Persons: openKeys(t, vfs.NewMem())})
	if r := h.do(1, placeAda("grand", 1)); !r.Replayed {
		t.Error("it was decided again")
	}
}

func TestGroupsAndTheWaitingListAreSealed(t *testing.T) {
	k := openKeys(t, vfs.NewMem())
	h := open(t, newMemLog(), Options{Partitions: 1, Persons: k})
	h.build("grand", 2)
	group := &hotel.PlaceGroup{Hotel: "grand", GroupID: numbered(7, 1).String(), Reservations: []hotel.PlaceReservation{*placeAda("grand", 1), *place("grand", 2)}}
	events := h.do(1, group).Events
	checkNobody(t, events...)
	if guestIn(t, events[0]).GetKey() == 0 || guestIn(t, events[1]) != nil {
		t.Errorf("the group has the guests %v and %v", guestIn(t, events[0]), guestIn(t, events[1]))
	}
	join := &hotel.JoinWaitingList{Hotel: "grand", EntryID: numbered(8, 1).String(), RoomType: "double", Quantity: 1, Stay: group.Reservations[0].Stay, Guest: ada}
	joined := h.do(2, join).Events
	checkNobody(t, joined...)
	h.do(3, cancel("grand", 2))
	var offered *eventpb.ReservationPlaced
	for _, m := range messages(t, h.lg, bookingsTopic, 1) {
		if placed, ok := m.(*eventpb.ReservationPlaced); ok && placed.GetWaitingListEntryId() != "" {
			offered = placed
		}
	}
	if offered == nil || !proto.Equal(offered.GetGuest(), guestIn(t, joined[0])) {
		t.Errorf("%v was offered, not to %v", offered, guestIn(t, joined[0]))
	}
}

// forgetAda forgets the guest of the reservation that an event placed.
func forgetAda(t testing.TB, placed *event.Envelope) *hotel.ForgetGuest {
	return &hotel.ForgetGuest{Hotel: "grand", ReservationID: reservationID(1), Keys: []uint64{guestIn(t, placed).GetKey()}}
}

func TestForgetting(t *testing.T) {
	lg, fs := newMemLog(), vfs.NewMem()
	k := openKeys(t, fs)
	h := open(t, lg, Options{Partitions: 1, Persons: k})
	h.build("grand", 2)
	placed := h.do(1, placeAda("grand", 1)).Events[0]
	other := h.do(2, placeAda("grand", 2)).Events[0]
	forget := forgetAda(t, placed)
	if _, err := h.Execute(t.Context(), Command{RequestID: requestID(3), Body: forget}); domain.ReasonOf(err) != domain.GuestExpected {
		t.Errorf("somebody who is expected: %v", err)
	}
	absent := *forget
	absent.Keys = []uint64{1 << 40}
	if _, err := h.Execute(t.Context(), Command{RequestID: requestID(3), Body: &absent}); domain.ReasonOf(err) != domain.InvalidArgument {
		t.Errorf("a key that there is not: %v", err)
	}
	h.do(4, cancel("grand", 1))
	h.do(5, forget)
	checkForgotten(t, k, placed, true)
	checkForgotten(t, k, other, false)
	if r := h.do(5, forget); !r.Replayed {
		t.Error("the retry was decided anew")
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	k = openKeys(t, fs)
	again := open(t, lg.restart(), Options{Partitions: 1, Persons: k})
	checkForgotten(t, k, placed, true)
	if r := again.do(1, placeAda("grand", 1)); !r.Replayed {
		t.Error("the first request is not known any more")
	}
}

func checkForgotten(t testing.TB, k *persons.Keys, e *event.Envelope, want bool) {
	t.Helper()
	g := guestIn(t, e)
	_, err := k.Open(persons.KeyID(g.GetKey()), g.GetSealed())
	if errors.Is(err, persons.ErrForgotten) != want || err != nil && !want {
		t.Errorf("key %d: error %v, and forgotten should be %v", g.GetKey(), err, want)
	}
}

// TestACrashBeforeTheKeyIsErased: the event is durable, the key is still there. The next start erases it, and so it does with keys from a copy that was made before.
func TestACrashBeforeTheKeyIsErased(t *testing.T) {
	lg, mem := newMemLog(), vfs.NewMem()
	failing := false
	k := openKeys(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if failing && op.Kind == errorfs.WriteAt {
			return errorfs.ErrInjected
		}
		return nil
	})))
	h := open(t, lg, Options{Partitions: 1, Persons: k})
	h.build("grand", 1)
	placed := h.do(1, placeAda("grand", 1)).Events[0]
	h.do(2, cancel("grand", 1))
	before := mem.CrashClone(vfs.KeepAll)
	forget := Command{RequestID: requestID(3), Body: forgetAda(t, placed)}
	failing = true
	if _, err := h.Execute(t.Context(), forget); log.CodeOf(err) != log.Unavailable {
		t.Fatalf("the key could not be erased: %v", err)
	}
	checkForgotten(t, k, placed, false)
	crashed := mem.CrashClone(vfs.KeepAll)
	failing = false
	if r, err := h.Execute(t.Context(), forget); err != nil || !r.Replayed {
		t.Errorf("trying again: %+v, %v", r, err)
	}
	checkForgotten(t, k, placed, true)
	for name, fs := range map[string]vfs.FS{"crash": crashed, "an older copy": before} {
		t.Run(name, func(t *testing.T) {
			keys := openKeys(t, fs)
			checkForgotten(t, keys, placed, false)
			open(t, lg.restart(), Options{Partitions: 1, Persons: keys})
			checkForgotten(t, keys, placed, true)
		})
	}
}

// TestKeysOfAnotherLog: what was sealed must not silently look forgotten, be it ever so long ago that somebody gave a name.
func TestKeysOfAnotherLog(t *testing.T) {
	lg, mem := newMemLog(), vfs.NewMem()
	h := open(t, lg, Options{Partitions: 1, Persons: openKeys(t, mem)})
	h.build("grand", 30)
	older := mem.CrashClone(vfs.KeepAll)
	for n := range 20 {
		h.do(n, placeAda("grand", n))
	}
	stranger := vfs.NewMem()
	if _, _, err := openKeys(t, stranger).Seal(persons.Person{DisplayName: "Eva"}); err != nil {
		t.Fatal(err)
	}
	for _, nameless := range []int{0, checkEvents + checkEventsMax} {
		for n := range nameless {
			h.do(20+n, place("grand", 20+n))
		}
		for name, fs := range map[string]vfs.FS{"none": vfs.NewMem(), "older": older, "of another log": stranger} {
			_, err := Open(t.Context(), lg.restart(), Options{Partitions: 1, Persons: openKeys(t, fs)})
			if log.CodeOf(err) != log.Corrupt {
				t.Errorf("%s, before %d without a name: %v", name, nameless, err)
			}
		}
	}
	if _, err := Open(t.Context(), lg.restart(), Options{Partitions: 1, Persons: openKeys(t, mem)}); err != nil {
		t.Error(err)
	}
}

func TestWithoutKeysNobodyIsForgotten(t *testing.T) {
	h := open(t, newMemLog(), Options{Partitions: 1})
	_, err := h.Execute(t.Context(), Command{RequestID: requestID(1), Body: &hotel.ForgetGuest{Hotel: "grand", ReservationID: reservationID(1), Keys: []uint64{1}}})
	if log.CodeOf(err) != log.Unavailable {
		t.Error(err)
	}
}

func BenchmarkPlaceSealed(b *testing.B) {
	for _, sealed := range []bool{false, true} {
		b.Run(fmt.Sprintf("sealed=%v", sealed), func(b *testing.B) {
			opts := Options{Partitions: 1}
			if sealed {
				opts.Persons = openKeys(b, vfs.NewMem())
			}
			e, err := Open(b.Context(), newMemLog(), opts)
			if err != nil {
				b.Fatal(err)
			}
			body := placeAda("grand", 1)
			b.ReportAllocs()
			for b.Loop() {
				p, err := e.pending(Command{RequestID: requestID(1), Body: body})
				if err != nil {
					b.Fatal(err)
				}
				p.exposed = true // as a reservation that was placed is
				e.recycle(p)
			}
		})
	}
}
