package commands

import (
	"errors"
	"path"
	"testing"
	"time"

	"lodge/commands/persons"
	"lodge/domain/event"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/vfs"
)

// surveyed holds what there is of a folder of keys against a log, and calls f with both.
func surveyed(t *testing.T, lg log.Reader, fs vfs.FS, f func(LostKeys, *persons.Survey, error)) {
	t.Helper()
	s, err := persons.Look(fs, keysDir)
	if err != nil {
		t.Fatal(err)
	}
	var done, total int64
	found, err := FindLostKeys(t.Context(), lg, 1, s, func(d, of int64) {
		if d < done || d > of {
			t.Errorf("%d of %d events come after %d", d, of, done)
		}
		done, total = d, of
	})
	if _, end, _ := lg.Offsets(t.Context(), bookingsPartition(0)); err == nil && (total != int64(end) || done != total) {
		t.Errorf("%d of %d events were looked at, of %d", done, total, end)
	}
	f(found, s, err)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLostKeys books before and after a copy of the keys is made, and somebody waits and is offered a room. Whatever is put back: what is lost is counted, and given up those are
// forgotten whom it was of, and a new guest is not.
func TestLostKeys(t *testing.T) {
	lg, fs, at := newMemLog(), vfs.NewMem(), noon
	lg.clock = func() time.Time { return at }
	keys := openKeys(t, fs)
	h := open(t, lg, Options{Partitions: 1, Persons: keys})
	h.build("grand", 2)
	sealed := []*event.Envelope{h.do(1, placeAda("grand", 1)).Events[0]}
	older := fs.CrashClone(vfs.KeepAll)
	if err := errors.Join(h.stop(), keys.Close()); err != nil {
		t.Fatal(err)
	}
	keys = openKeys(t, fs)
	h = open(t, lg, Options{Partitions: 1, Persons: keys})
	at = noon.Add(time.Minute)
	sealed = append(sealed, h.do(2, placeAda("grand", 2)).Events[0])
	join := &hotel.JoinWaitingList{Hotel: "grand", EntryID: numbered(8, 1).String(), RoomType: "double", Quantity: 1, Stay: placeAda("grand", 1).Stay, Guest: ada}
	at = noon.Add(time.Hour)
	sealed = append(sealed, h.do(3, join).Events[0])
	h.do(4, cancel("grand", 2)) // which makes an offer, to the one who waits
	h.do(5, place("grand", 5))
	if err := errors.Join(h.stop(), keys.Close()); err != nil {
		t.Fatal(err)
	}
	withoutIdentity := fs.CrashClone(vfs.KeepAll)
	if err := withoutIdentity.Remove(path.Join(keysDir, "identity")); err != nil {
		t.Fatal(err)
	}
	end := persons.KeyID(guestIn(t, sealed[2]).GetKey()) + 1
	for name, tc := range map[string]struct {
		fs   *vfs.MemFS
		want LostKeys
	}{
		"nothing":      {vfs.NewMem(), LostKeys{Sealed: 3, Lost: 3, From: noon, To: noon.Add(time.Hour), End: end}},
		"older":        {older, LostKeys{Sealed: 3, Lost: 2, From: noon.Add(time.Minute), To: noon.Add(time.Hour), End: end}},
		"all":          {fs, LostKeys{Sealed: 3, End: end}},
		"but identity": {withoutIdentity, LostKeys{Sealed: 3, End: end}},
	} {
		t.Run(name, func(t *testing.T) {
			refused := errors.New("no identity")
			if name != "but identity" {
				keys := openKeys(t, tc.fs.CrashClone(vfs.KeepAll))
				_, refused = Open(t.Context(), lg.restart(), Options{Partitions: 1, Persons: keys})
			}
			if (refused == nil) != (name == "all") {
				t.Errorf("opening says %v", refused)
			}
			surveyed(t, lg, tc.fs, func(found LostKeys, s *persons.Survey, err error) {
				if found.From, found.To = found.From.UTC(), found.To.UTC(); err != nil || found != tc.want {
					t.Errorf("lost are %+v, not %+v, error %v", found, tc.want, err)
				}
				if err := s.GiveUp(found.End); err != nil {
					t.Fatal(err)
				}
			})
			k := openKeys(t, tc.fs)
			again := open(t, lg.restart(), Options{Partitions: 1, Persons: k})
			for n, e := range sealed {
				checkForgotten(t, k, e, int64(n) >= tc.want.Sealed-tc.want.Lost)
			}
			_, reused := again.Execute(t.Context(), Command{RequestID: requestID(1), Body: placeAda("grand", 1)})
			if newIdentity := name == "nothing" || name == "but identity"; errors.Is(reused, ErrRequestReused) != newIdentity || reused != nil && !newIdentity {
				t.Errorf("a retry of what was sealed: %v", reused)
			}
			again.build("ritz", 1)
			placed := again.do(7, placeAda("ritz", 7)).Events[0]
			if checkForgotten(t, k, placed, false); guestIn(t, placed).GetKey() < uint64(end) {
				t.Errorf("key %d is given again", guestIn(t, placed).GetKey())
			}
			if err := errors.Join(again.stop(), k.Close()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestKeysOfAnotherLogAreNotGivenUp: they may be needed elsewhere.
func TestKeysOfAnotherLogAreNotGivenUp(t *testing.T) {
	lg, fs := newMemLog(), vfs.NewMem()
	h := open(t, lg, Options{Partitions: 1, Persons: openKeys(t, fs)})
	h.build("grand", 3)
	h.do(1, placeAda("grand", 1))
	h.do(2, placeAda("grand", 2))
	stranger := vfs.NewMem()
	k := openKeys(t, stranger)
	if _, _, err := k.Seal(persons.Person{DisplayName: "Eva"}); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	surveyed(t, lg, stranger, func(_ LostKeys, _ *persons.Survey, err error) {
		if log.CodeOf(err) != log.Corrupt {
			t.Errorf("error %v", err)
		}
	})
}
