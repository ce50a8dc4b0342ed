package commands

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/logtest/leaktest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// noon is when most commands are given.
var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// house is an engine that runs until the test ends or stop is called.
type house struct {
	*Engine
	t    testing.TB
	stop func() error
}

func open(t testing.TB, lg Log, opts Options) *house {
	t.Helper()
	if opts.Clock == nil {
		opts.Clock = atNoon
	}
	e, err := Open(t.Context(), lg, opts)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, e)
}

// start runs an engine.
func start(t testing.TB, e *Engine) *house {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	h := &house{Engine: e, t: t}
	stopped := false
	h.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// do executes a command that must succeed.
func (h *house) do(n int, body hotel.Command) Result {
	h.t.Helper()
	r, err := h.Execute(context.Background(), Command{RequestID: requestID(n), Body: body})
	if err != nil {
		h.t.Fatalf("%T: %v", body, err)
	}
	return r
}

// build makes a hotel with one room type, "double", and so many rooms for all of July.
func (h *house) build(id string, rooms int32) {
	h.t.Helper()
	for i, body := range opening(id, rooms) {
		c := Command{RequestID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, id, i)), Body: body}
		if _, err := h.Execute(context.Background(), c); err != nil {
			h.t.Fatal(err)
		}
	}
}

func opening(id string, rooms int32) []hotel.Command {
	return []hotel.Command{
		&hotel.CreateHotel{Hotel: id, DisplayName: id, TimeZone: "Europe/Lisbon", CurrencyCode: "EUR"},
		&hotel.CreateRoomType{
			Hotel: id, RoomType: "double", DisplayName: "Double",
			BaseRate: &domain.Money{Currency: "EUR", MinorUnits: 100_00},
		},
		setRooms(id, rooms),
	}
}

func setRooms(id string, rooms int32) *hotel.SetInventory {
	return &hotel.SetInventory{
		Hotel: id, RoomType: "double", PhysicalCount: &rooms,
		Start: domain.DateOf(2026, 7, 1), End: domain.DateOf(2026, 8, 1),
	}
}

// place reserves one double of a hotel for three nights of July.
func place(id string, n int) *hotel.PlaceReservation {
	return &hotel.PlaceReservation{
		Hotel: id, ReservationID: reservationID(n), RoomType: "double", Quantity: 1,
		Stay: domain.Stay{CheckIn: domain.DateOf(2026, 7, 10), CheckOut: domain.DateOf(2026, 7, 13)},
	}
}

func confirm(id string, n int) *hotel.ConfirmReservation {
	return &hotel.ConfirmReservation{Hotel: id, ReservationID: reservationID(n)}
}

func paymentID(n int) string { return numbered(3, n).String() }

func refundID(n int) string { return numbered(4, n).String() }

// pay asks for the money of a reservation that place made.
func pay(id string, n int) *hotel.RequestPayment {
	return &hotel.RequestPayment{Hotel: id, ReservationID: reservationID(n), PaymentID: paymentID(n), Provider: "simulator", PaymentMethod: "pm_card"}
}

// captured says that the money is there.
func captured(id string, n int) *hotel.RecordPayment {
	return &hotel.RecordPayment{Hotel: id, ReservationID: reservationID(n), PaymentID: paymentID(n), Outcome: hotel.PaymentCaptured, Amount: threeNights}
}

var threeNights = domain.Money{Currency: "EUR", MinorUnits: 300_00}

// withMoney returns a payment of a reservation and some of what may become of it: it counts, it is changed, it ends, it is given back.
func withMoney(id string, n, much int) []hotel.Command {
	all := []hotel.Command{
		pay(id, n), captured(id, n), &hotel.ConfirmReservation{Hotel: id, ReservationID: reservationID(n), PaymentID: paymentID(n), Amount: threeNights},
	}
	for range much {
		all = append(all, []hotel.Command{
			&hotel.ModifyReservation{Hotel: id, ReservationID: reservationID(n), CheckIn: new(domain.DateOf(2026, 7, 12)), CheckOut: new(domain.DateOf(2026, 7, 14))},
			&hotel.SettleRefunds{Hotel: id, ReservationID: reservationID(n), RefundID: refundID(n)},
			&hotel.CancelReservation{Hotel: id, ReservationID: reservationID(n)},
			&hotel.RecordRefund{Hotel: id, ReservationID: reservationID(n), PaymentID: paymentID(n), RefundID: refundID(n), Succeeded: true},
			&hotel.CompleteRefund{Hotel: id, ReservationID: reservationID(n)},
		}[(len(all)+n)%5])
	}
	return all
}

func requestID(n int) uuid.UUID { return numbered(1, n) }

func reservationID(n int) string { return numbered(2, n).String() }

func numbered(kind byte, n int) (id uuid.UUID) {
	id[0], id[6], id[8] = kind, 0x70, 0x80
	binary.BigEndian.PutUint32(id[12:], uint32(n)*0x9e3779b1)
	return id
}

// dump writes down everything that a stopped engine knows, so that two can be compared.
func (h *house) dump() string {
	h.t.Helper()
	if err := h.stop(); err != nil {
		h.t.Fatal(err)
	}
	var lines []string
	for _, p := range h.processors {
		lines = append(lines, p.state.dump(p.partition)...)
	}
	return strings.Join(lines, "\n")
}

func (s *state) dump(n log.Partition) (lines []string) {
	for id, hotel := range s.hotels {
		lines = append(lines, fmt.Sprintf("%d hotel %s %s", n, id, hex.EncodeToString(hotel.AppendSnapshot(nil))))
	}
	s.requests.all(func(e *requestEntry) { lines = append(lines, fmt.Sprintf("%d request %x %+v", n, e.id, *e)) })
	slices.Sort(lines)
	return append(lines, fmt.Sprintf("%d next %v", n, s.next))
}

// messages returns what the events of a topic say in the order of the log, over all partitions.
func messages(t testing.TB, lg log.Reader, topic, partitions int) (all []any) {
	t.Helper()
	for _, e := range envelopes(t, lg, topic, partitions) {
		all = append(all, e.Message)
	}
	return all
}

// envelopes returns the events of a topic in the order of the log, over all partitions.
func envelopes(t testing.TB, lg log.Reader, topic, partitions int) (all []*event.Envelope) {
	t.Helper()
	for n := range partitions {
		tp := log.TopicPartition{Topic: topicNames[topic], Partition: log.Partition(n)}
		_, high, err := lg.Offsets(t.Context(), tp)
		if err != nil {
			t.Fatal(err)
		}
		for at := log.Offset(0); at < high; {
			got, err := lg.Fetch(t.Context(), log.FetchRequest{TopicPartition: tp, Offset: at, MaxBytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			for i := range got.Records {
				e, err := decodeRecord(&got.Records[i])
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, e)
			}
			at = got.Next
		}
	}
	return all
}

// placedIDs returns the reservations that the log says were placed, in order.
func placedIDs(t testing.TB, lg log.Reader, partitions int) (ids []string) {
	t.Helper()
	for _, m := range messages(t, lg, bookingsTopic, partitions) {
		if m, ok := m.(*eventpb.ReservationPlaced); ok {
			ids = append(ids, m.GetReservationId())
		}
	}
	return ids
}
