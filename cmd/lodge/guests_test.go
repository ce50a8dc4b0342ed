package main

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/cmd/internal/platform"
)

// done returns what a call answers, which must work.
func done[Q, A any](t *testing.T, call func(context.Context, *connect.Request[Q]) (*connect.Response[A], error), req *Q) *A {
	t.Helper()
	res, err := call(t.Context(), connect.NewRequest(req))
	if err != nil {
		t.Fatal(err)
	}
	return res.Msg
}

// zebulon is a guest with an account: two canceled reservations and one that is expected, and an entry of a waiting list that they left.
type zebulon struct{ canceled, also, expected, entry string }

func bookZebulon(t *testing.T, dir string) (z zebulon) {
	client, ok := platform.Dial(t.Context(), dir)
	if !ok {
		t.Fatal("nobody answers")
	}
	defer client.CloseIdleConnections()
	hotels := lodgev1connect.NewHotelServiceClient(client, platform.SocketURL)
	reservations := lodgev1connect.NewReservationServiceClient(client, platform.SocketURL)
	waiting := lodgev1connect.NewWaitingListServiceClient(client, platform.SocketURL)
	inventory := lodgev1connect.NewInventoryServiceClient(client, platform.SocketURL)
	now := time.Now().UTC()
	day := func(n int) *date.Date {
		at := now.AddDate(0, 0, n)
		return &date.Date{Year: int32(at.Year()), Month: int32(at.Month()), Day: int32(at.Day())}
	}
	const double = "hotels/ritz/roomTypes/double"
	rooms := int32(3)
	done(t, hotels.CreateHotel, &lodgev1.CreateHotelRequest{HotelId: "ritz", Hotel: &lodgev1.Hotel{DisplayName: "Ritz", TimeZone: "UTC", CurrencyCode: "EUR"}})
	done(t, hotels.CreateRoomType, &lodgev1.CreateRoomTypeRequest{Parent: "hotels/ritz", RoomTypeId: "double", RoomType: &lodgev1.RoomType{
		DisplayName: "Double", BaseRate: &money.Money{CurrencyCode: "EUR", Units: 100},
	}})
	done(t, inventory.SetInventory, &lodgev1.SetInventoryRequest{RoomType: double, StartDate: day(20), EndDate: day(40), PhysicalCount: &rooms})
	guest := &lodgev1.Guest{GuestId: "zeb", DisplayName: "Zebulon Quartermain", Email: "zeb@quartermain.example", Adults: 1}
	names := make([]string, rooms)
	for i := range names {
		names[i] = done(t, reservations.CreateReservation, &lodgev1.CreateReservationRequest{Parent: "hotels/ritz", Reservation: &lodgev1.Reservation{
			RoomType: double, Quantity: 1, CheckInDate: day(30), CheckOutDate: day(31), Guest: guest,
		}}).GetName()
	}
	z = zebulon{canceled: names[0], also: names[1], expected: names[2]}
	z.entry = done(t, waiting.JoinWaitingList, &lodgev1.JoinWaitingListRequest{Parent: "hotels/ritz", Entry: &lodgev1.WaitingListEntry{
		RoomType: double, Quantity: 1, CheckInDate: day(30), CheckOutDate: day(31), Guest: guest,
	}}).GetName()
	done(t, waiting.LeaveWaitingList, &lodgev1.LeaveWaitingListRequest{Name: z.entry})
	for _, name := range names[:2] {
		done(t, reservations.CancelReservation, &lodgev1.CancelReservationRequest{Name: name})
	}
	done(t, reservations.ConfirmReservation, &lodgev1.ConfirmReservationRequest{Name: z.expected})
	return z
}

// TestGuestsForget: from a running server what is over, and from a stopped folder the rest with the account; what is wrong is said, and why is on record.
func TestGuestsForget(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	server, _ := serve(t, dir, "--auth", "required")
	z := bookZebulon(t, dir)
	mustLodge(t, "accounts", "create", "guest", "zeb@quartermain.example", "--guest-id", "zeb", "--data", dir)
	forget := func(args ...string) (stdout, stderr string, code int) {
		return lodge(t, append([]string{"guests", "forget", "--data", dir}, args...)...)
	}
	for _, c := range []struct {
		args, stdout, stderr string
		code                 int
	}{
		{"zeb", "", "write guests/zeb for a guest's account", codeFailed},
		{"hotels/ritz", "", "name", codeFailed},
		{"hotels/ritz/reservations/0190a1b2-0000-7000-8000-000000000001", "", "there is no reservation", codeFailed},
		{"hotels/ritz/waitingListEntries/0190a1b2-0000-7000-8000-000000000001", "", "waiting list", codeFailed},
		{z.expected, "", "cannot be forgotten yet", codeFailed},
		{z.canceled + " --reason letter", "forgotten: 1 booking\n", "", 0},
		{z.canceled, "forgotten: 0 bookings\n", "", 0},
		{z.entry, "forgotten: 1 booking\n", "", 0},
		{"guests/zeb", "kept " + z.expected + "  GUEST_EXPECTED  ", "1 booking kept", codeFailed},
		{"guests/zeb --json", `"reason":"GUEST_EXPECTED"`, "1 booking kept", codeFailed},
		{"guests/nobody", "forgotten: 0 bookings\n", "", 0},
	} {
		stdout, stderr, code := forget(strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(strings.ReplaceAll(stdout, `": "`, `":"`), c.stdout) || (c.stdout == "") != (stdout == "") || !strings.Contains(stderr, c.stderr) || (c.stderr == "") != (stderr == "") {
			t.Errorf("forget %s: exit code %d\n%s%s", c.args, code, stdout, stderr)
		}
	}
	if out := mustLodge(t, "accounts", "--data", dir); !strings.Contains(out, "zeb@quartermain.example") {
		t.Errorf("who is still expected cannot sign in:\n%s", out)
	}
	if code := server.end(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("the server stopped with code %d", code)
	}
	if stdout, stderr, code := forget("guests/zeb", "--force", "--reason", "a judge says so"); code != 0 || stdout != "forgotten: 1 booking\n" {
		t.Errorf("a stopped folder: exit code %d\n%s%s", code, stdout, stderr)
	}
	if out := mustLodge(t, "accounts", "--data", dir); strings.Contains(out, "zeb") {
		t.Errorf("the account is there:\n%s", out)
	}
	if out := mustLodge(t, "events", "--topic", "bookings", "--json", "--data", dir); strings.Contains(out, "uartermain") || !strings.Contains(out, "guest_forgotten") {
		t.Errorf("the events say\n%s", out)
	}
	if out := mustLodge(t, "audit", "--data", dir, "-n", "0"); !strings.Contains(out, `"letter"`) || !strings.Contains(out, `"a judge says so"`) || strings.Contains(out, "uartermain") {
		t.Errorf("the trail says\n%s", out)
	}
}
