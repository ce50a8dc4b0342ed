package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/types/known/durationpb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/cmd/internal/platform"
)

// TestLifeByCurl runs testdata/life.sh against a server, and proves afterwards that no night was oversold.
func TestLifeByCurl(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "sed", "grep", "date"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "data")
	p, _ := serve(t, dir)
	socket, err := platform.SocketPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	out, err := exec.CommandContext(ctx, "bash", "testdata/life.sh", socket).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "each with the answer that it must have") {
		t.Fatalf("%v\n%s\n%s", err, out, p.stderr)
	}
	if out := mustLodge(t, "verify", "--data", dir); !strings.Contains(out, "PASSED") {
		t.Errorf("verify says\n%s", out)
	}
	if code := p.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
}

// TestLifeByClient is testdata/life.sh again, with the generated Go client.
func TestLifeByClient(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p, _ := serve(t, dir)
	l := newLife(t, dir)
	for _, chapter := range []func(){
		l.hotelOpens, l.adaBooksAndChanges, l.bobHasNoMoney, l.eveWaitsForCy, l.eveIsOffered, l.groupHasAllOrNone,
		l.arrivals, l.floCancelsTooLate, l.departures, l.oneTooMany, l.kimStaysLonger,
	} {
		chapter()
	}
	if out := mustLodge(t, "verify", "--data", dir); !strings.Contains(out, "PASSED") {
		t.Errorf("verify says\n%s", out)
	}
	l.close()
	if code := p.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
}

// life is a hotel in Reykjavik, which has no summer time, and the guests that its chapters name.
type life struct {
	*testing.T
	close func()
	today time.Time
	at    string // the commands' time; empty: now

	hotels       lodgev1connect.HotelServiceClient
	rooms        lodgev1connect.RoomServiceClient
	inventory    lodgev1connect.InventoryServiceClient
	rates        lodgev1connect.RateServiceClient
	reservations lodgev1connect.ReservationServiceClient
	payments     lodgev1connect.PaymentServiceClient
	stays        lodgev1connect.StayServiceClient
	waiting      lodgev1connect.WaitingListServiceClient

	ada, cy, dan, eve, flo, hal, kim string
	entry                            string // Eve's
}

func newLife(t *testing.T, dir string) *life {
	client := platform.Client(dir)
	const url = platform.SocketURL
	return &life{
		T: t, close: client.CloseIdleConnections, today: time.Now().UTC().Truncate(24 * time.Hour),
		hotels: lodgev1connect.NewHotelServiceClient(client, url), rooms: lodgev1connect.NewRoomServiceClient(client, url),
		inventory: lodgev1connect.NewInventoryServiceClient(client, url), rates: lodgev1connect.NewRateServiceClient(client, url),
		reservations: lodgev1connect.NewReservationServiceClient(client, url), payments: lodgev1connect.NewPaymentServiceClient(client, url),
		stays: lodgev1connect.NewStayServiceClient(client, url), waiting: lodgev1connect.NewWaitingListServiceClient(client, url),
	}
}

// ask makes a call that must succeed, at the life's time, and returns the answer and its position.
func ask[Q, A any](l *life, method func(context.Context, *connect.Request[Q]) (*connect.Response[A], error), msg *Q) (*A, string) {
	l.Helper()
	res, err := call(l, method, msg)
	if err != nil {
		l.Fatalf("%T: %v", msg, err)
	}
	return res.Msg, res.Header().Get(api.HeaderPosition)
}

func call[Q, A any](l *life, method func(context.Context, *connect.Request[Q]) (*connect.Response[A], error), msg *Q) (*connect.Response[A], error) {
	req := connect.NewRequest(msg)
	if l.at != "" {
		req.Header().Set(api.HeaderCommandTime, l.at)
	}
	ctx, cancel := context.WithTimeout(l.Context(), limit)
	defer cancel()
	return method(ctx, req)
}

// refuse makes a call that must be refused with a reason.
func refuse[Q, A any](l *life, reason string, method func(context.Context, *connect.Request[Q]) (*connect.Response[A], error), msg *Q) {
	l.Helper()
	_, err := call(l, method, msg)
	if got := reasonIn(err); got != reason {
		l.Fatalf("%T: got %v with reason %q, want %s", msg, err, got, reason)
	}
}

func (l *life) day(n int) *date.Date {
	at := l.today.AddDate(0, 0, n)
	return &date.Date{Year: int32(at.Year()), Month: int32(at.Month()), Day: int32(at.Day())}
}

// hour returns a time of a day at the hotel.
func (l *life) hour(n, hour, minute int) time.Time {
	return l.today.AddDate(0, 0, n).Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
}

// timeIs sets the commands' time.
func (l *life) timeIs(n, hour, minute int) { l.at = l.hour(n, hour, minute).Format(time.RFC3339) }

func euro(units int64) *money.Money { return &money.Money{CurrencyCode: "EUR", Units: units} }

// costs compares an amount with whole euros.
func (l *life) costs(what string, got *money.Money, want int64) {
	l.Helper()
	if got.GetCurrencyCode() != "EUR" || got.GetUnits() != want || got.GetNanos() != 0 {
		l.Fatalf("%s is %v, want %d EUR", what, got, want)
	}
}

// stay is a room for two under the rate plan.
func (l *life) stay(guest, roomType string, from, to int) *lodgev1.Reservation {
	return &lodgev1.Reservation{
		RoomType: "hotels/ritz/roomTypes/" + roomType, Quantity: 1, RatePlan: "hotels/ritz/ratePlans/flexible",
		Guest: &lodgev1.Guest{GuestId: guest, DisplayName: guest, Adults: 2}, CheckInDate: l.day(from), CheckOutDate: l.day(to),
	}
}

// reserve reserves a room and returns its reservation's name, and the position.
func (l *life) reserve(guest, roomType string, from, to int, total int64) (name, position string) {
	l.Helper()
	r, position := ask(l, l.reservations.CreateReservation, &lodgev1.CreateReservationRequest{Parent: "hotels/ritz", Reservation: l.stay(guest, roomType, from, to)})
	l.state(r, lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING, 0)
	l.costs("total", r.GetTotal(), total)
	return r.GetName(), position
}

func (l *life) state(r *lodgev1.Reservation, status lodgev1.ReservationStatus, reason lodgev1.ReservationReason) {
	l.Helper()
	if r.GetStatus() != status || r.GetReason() != reason {
		l.Fatalf("want %s %s, got %v", status, reason, r)
	}
}

// ended checks the answer to what ends a reservation that has money to give back: it is CANCELED, or REFUNDED already.
func (l *life) ended(r *lodgev1.Reservation, reason lodgev1.ReservationReason) {
	l.Helper()
	if r.GetStatus() != refunded {
		l.state(r, canceled, reason)
	}
}

// amounts compares what was captured and refunded.
func (l *life) amounts(r *lodgev1.Reservation, captured, refunded int64) {
	l.Helper()
	l.costs("captured", r.GetAmounts().GetCaptured(), captured)
	l.costs("refunded", r.GetAmounts().GetRefunded(), refunded)
	l.costs("refund pending", r.GetAmounts().GetRefundPending(), 0)
}

// pay waits for what the provider says.
func (l *life) pay(name, method string, status lodgev1.PaymentStatus, amount int64) *lodgev1.Payment {
	l.Helper()
	p, _ := ask(l, l.payments.PayReservation, &lodgev1.PayReservationRequest{Name: name, PaymentMethod: method, Wait: durationpb.New(wait)})
	if p.GetStatus() != status {
		l.Fatalf("want %s, got %v", status, p)
	}
	l.costs("payment", p.GetAmount(), amount)
	return p
}

// book reserves a room and pays for it.
func (l *life) book(guest, roomType string, from, to int, total int64) (name, position string) {
	l.Helper()
	name, position = l.reserve(guest, roomType, from, to, total)
	l.pay(name, "tok_approve", lodgev1.PaymentStatus_PAYMENT_STATUS_CAPTURED, total)
	return name, position
}

// wait is how long a call waits for money: it comes as soon as it can, so this is only how long a slow machine may take.
const wait = 25 * time.Second

// settled returns a reservation once its money is where it belongs.
func (l *life) settled(name string) *lodgev1.Reservation {
	l.Helper()
	r, _ := ask(l, l.reservations.GetReservation, &lodgev1.GetReservationRequest{Name: name, SettleWait: durationpb.New(wait)})
	return r
}
