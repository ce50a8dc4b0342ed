package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/cmd/internal/platform"
)

// filesIn returns what is in a folder, file by file; nothing when there is none.
func filesIn(t *testing.T, folder string) (all string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all += fmt.Sprintf("%s %x\n", e.Name(), sha256.Sum256(data))
	}
	return all
}

// replaced takes a folder away and puts a copy of another there; of "" nothing.
func replaced(t *testing.T, folder, by string) {
	t.Helper()
	err := os.RemoveAll(folder)
	if err == nil && by != "" {
		err = os.CopyFS(folder, os.DirFS(by))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// stopped serves a folder, calls f meanwhile, and stops.
func stopped(t *testing.T, dir string, f func()) {
	t.Helper()
	server, _ := serve(t, dir)
	f()
	if code := server.end(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("the server stopped with code %d\n%s", code, server.stderr)
	}
}

// awaitGuest waits until a reservation of a folder that is served is for the right one: a server answers before its read models have seen the newest events.
func awaitGuest(t *testing.T, dir, name string, right func(*lodgev1.Guest) bool) {
	t.Helper()
	client, ok := platform.Dial(t.Context(), dir)
	if !ok {
		t.Fatal("nobody answers")
	}
	defer client.CloseIdleConnections()
	get := lodgev1connect.NewReservationServiceClient(client, platform.SocketURL).GetReservation
	for end := time.Now().Add(limit); ; {
		g := done(t, get, &lodgev1.GetReservationRequest{Name: name}).GetGuest()
		if right(g) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the guest of %s is %v", name, g)
		}
	}
}

// TestGuestsGiveUpKeys: a folder whose keys are lost is refused, by name of the way on; what is lost is told and nothing changes, until it is given up. Then the folder is served, the guests are
// forgotten, and new ones have their names.
func TestGuestsGiveUpKeys(t *testing.T) {
	dir, other := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "other")
	keys, otherKeys := filepath.Join(dir, "keys"), filepath.Join(other, "keys")
	giveUp := func(wantCode int, wantOut, wantErr string, args ...string) {
		t.Helper()
		before := filesIn(t, keys)
		stdout, stderr, code := lodge(t, append([]string{"guests", "give-up-keys", "--data", dir}, args...)...)
		if code != wantCode || !strings.Contains(stdout, wantOut) || (wantOut == "") != (stdout == "") || !strings.Contains(stderr, wantErr) || (wantErr == "") != (stderr == "") {
			t.Errorf("give-up-keys %q: exit code %d\n%s%s", args, code, stdout, stderr)
		}
		if after := filesIn(t, keys); !strings.Contains(stdout, "given up") && after != before {
			t.Errorf("give-up-keys %q made of\n%s\n%s", args, before, after)
		}
	}
	giveUp(codeFailed, "", "not a data folder")
	var z zebulon
	stopped(t, dir, func() {
		z = bookZebulon(t, dir)
		giveUp(codeFailed, "", "in use", "--yes")
	})
	stopped(t, other, func() { bookZebulon(t, other) })
	giveUp(0, "nothing is lost: the log has 4 sealed texts", "", "--yes")
	whole := filepath.Join(t.TempDir(), "copy")
	replaced(t, whole, keys)

	replaced(t, keys, "")
	giveUp(codeFailed, "the log has 4 sealed texts; the keys of 4 are lost, given from 20", "nothing was changed")
	if stdout, stderr, code := lodge(t, "serve", "--data", dir, "--addr", "localhost:0"); code != codeFailed || !strings.Contains(stderr, "lodge guests give-up-keys") {
		t.Errorf("serving ends with code %d\n%s%s", code, stdout, stderr)
	}
	replaced(t, keys, otherKeys)
	giveUp(codeFailed, "", "is of another log", "--yes")
	replaced(t, keys, whole)
	if err := os.Remove(filepath.Join(keys, "identity")); err != nil {
		t.Fatal(err)
	}
	giveUp(codeFailed, "identity is missing", "nothing was changed")
	giveUp(0, "the keys of 0 are lost\ngiven up", "", "--yes")
	stopped(t, dir, func() {
		awaitGuest(t, dir, z.expected, func(g *lodgev1.Guest) bool { return g.GetDisplayName() == "Zebulon Quartermain" && !g.GetForgotten() })
	})

	replaced(t, keys, "")
	giveUp(codeFailed, "", "the reason is longer", "--yes", "--reason", strings.Repeat("x", 513))
	giveUp(0, "the keys of 4 are lost, given from 20", "", "--yes", "--reason", "the disk broke")
	stopped(t, dir, func() { checkForgottenAndNew(t, dir, z) })
	giveUp(0, "nothing is lost: the log has 5 sealed texts", "")
	lines := strings.Split(mustLodge(t, "audit", "--data", dir, "--actor", "local:folder"), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "keys of 0 of 4 texts") || !strings.Contains(lines[1], "keys of 4 of 4 texts") || !strings.Contains(lines[1], `"the disk broke"`) {
		t.Errorf("the trail says %q", lines)
	}
}

// checkForgottenAndNew looks at a guest from before the keys were given up, and books for one who comes.
func checkForgottenAndNew(t *testing.T, dir string, z zebulon) {
	t.Helper()
	awaitGuest(t, dir, z.expected, func(g *lodgev1.Guest) bool {
		return g.GetForgotten() && g.GetDisplayName() == "" && g.GetEmail() == "" && g.GetGuestId() == "zeb"
	})
	client, ok := platform.Dial(t.Context(), dir)
	if !ok {
		t.Fatal("nobody answers")
	}
	defer client.CloseIdleConnections()
	reservations := lodgev1connect.NewReservationServiceClient(client, platform.SocketURL)
	before := done(t, reservations.GetReservation, &lodgev1.GetReservationRequest{Name: z.expected})
	made := done(t, reservations.CreateReservation, &lodgev1.CreateReservationRequest{Parent: "hotels/ritz", Reservation: &lodgev1.Reservation{
		RoomType: before.GetRoomType(), Quantity: 1, CheckInDate: before.GetCheckInDate(), CheckOutDate: before.GetCheckOutDate(),
		Guest: &lodgev1.Guest{DisplayName: "Ada Lovelace", Adults: 1},
	}})
	if out := mustLodge(t, "guests", "find", "ritz", "lovelace", "--data", dir); !strings.Contains(out, made.GetName()) {
		t.Errorf("the new guest is not found:\n%s", out)
	}
	if out := mustLodge(t, "guests", "find", "ritz", "quartermain", "--data", dir); strings.Contains(out, z.expected) {
		t.Errorf("who is forgotten is found:\n%s", out)
	}
}
