package audit

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
)

// written is a log of one partition number that a test writes by hand.
type written struct {
	t       *testing.T
	records map[log.Topic][]log.Record
	crc     uint32
	fetched int
	order   []log.Topic // of all records
	whole   []int       // how many of them there were before each batch
}

func write(t *testing.T) *written {
	return &written{t: t, records: make(map[log.Topic][]log.Record)}
}

// add appends events as the batch of one command given at hour h under a request id.
func (w *written) add(h int, request byte, messages ...proto.Message) *written {
	w.crc++
	w.whole = append(w.whole, len(w.order))
	for i, m := range messages {
		e := event.Envelope{
			ID: fmt.Sprintf("event-%d-%d", w.crc, i), Source: "test", Message: m,
			Time: time.Date(2026, 7, 1, h, 0, 0, 0, time.UTC),
		}
		e.RequestID[0] = request
		w.put(event.TopicOf(m), event.HotelOf(m), &e)
	}
	return w
}

func (w *written) put(topic, key string, e *event.Envelope) {
	w.t.Helper()
	r := log.Record{Key: []byte(key), Topic: log.Topic(topic), CRC: w.crc}
	var err error
	r.Value, err = event.Encode(e, func(key string, value []byte) {
		r.Headers = append(r.Headers, log.Header{Key: key, Value: value})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	r.Offset = log.Offset(len(w.records[r.Topic]))
	w.records[r.Topic] = append(w.records[r.Topic], r)
	w.order = append(w.order, r.Topic)
}

func (w *written) Fetch(_ context.Context, req log.FetchRequest) (log.FetchResult, error) {
	if w.records[req.Topic] == nil {
		return log.FetchResult{}, log.NewError(log.UnknownTopic, "fetch", "%s", req.Topic)
	}
	records := w.records[req.Topic][req.Offset:]
	records = slices.Clone(records[:min(len(records), 3)])
	w.fetched += len(records)
	return log.FetchResult{Records: records}, nil
}

func (w *written) OffsetForTime(context.Context, log.TopicPartition, time.Time) (log.Offset, error) {
	return 0, nil
}

func (w *written) Offsets(_ context.Context, tp log.TopicPartition) (start, high log.Offset, err error) {
	return 0, log.Offset(len(w.records[tp.Topic])), nil
}

func (w *written) audit(opts Options) *Report {
	w.t.Helper()
	opts.Partitions = 1
	r, err := Run(w.t.Context(), w, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func created(name string) proto.Message {
	return &eventpb.HotelCreated{Hotel: &eventpb.Hotel{HotelId: "grand", DisplayName: name}}
}

func rooms(physical, outOfOrder, overbooking int32) proto.Message {
	return &eventpb.InventorySet{
		HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-08-01",
		PhysicalCount: &physical, OutOfOrderCount: &outOfOrder, OverbookingLimit: &overbooking,
	}
}

func stay(quantity int32, in, out string) *eventpb.Stay {
	return &eventpb.Stay{RoomTypeId: "double", Quantity: quantity, CheckInDate: "2026-07-" + in, CheckOutDate: "2026-07-" + out}
}

func placed(n int, mark int64, s *eventpb.Stay) *eventpb.ReservationPlaced {
	in, _ := domain.ParseDate(s.CheckInDate)
	out, _ := domain.ParseDate(s.CheckOutDate)
	m := &eventpb.ReservationPlaced{HotelId: "grand", ReservationId: id(n), Stay: s, InventoryOffset: mark}
	for range max(0, out-in) {
		m.NightlyMinorUnits = append(m.NightlyMinorUnits, 100)
		m.TotalMinorUnits += 100
	}
	return m
}

func canceled(n int, from eventpb.ReservationStatus, s *eventpb.Stay) proto.Message {
	return &eventpb.ReservationCanceled{HotelId: "grand", ReservationId: id(n), Stay: s, PreviousStatus: from}
}

func paid(n int, s *eventpb.Stay) proto.Message {
	return &eventpb.ReservationPaid{HotelId: "grand", ReservationId: id(n), Stay: s}
}

func rejected(n int, mark int64, s *eventpb.Stay, nights ...string) proto.Message {
	return &eventpb.ReservationRejected{
		HotelId: "grand", ReservationId: id(n), Stay: s, InventoryOffset: mark, FullNights: nights,
		Reason: eventpb.ReservationReason_RESERVATION_REASON_SOLD_OUT,
	}
}

func id(n int) string { return domain.ReservationID{0: 1, 14: byte(n >> 8), 15: byte(n)}.String() }

const (
	pending = eventpb.ReservationStatus_RESERVATION_STATUS_PENDING
	isPaid  = eventpb.ReservationStatus_RESERVATION_STATUS_PAID
)

func TestAHistoryWithoutFault(t *testing.T) {
	w := write(t).
		add(1, 1, created("Grand")).
		add(1, 2, rooms(3, 1, 0)).
		add(2, 3, placed(1, 1, stay(2, "01", "03"))).
		add(2, 4, rejected(2, 1, stay(1, "02", "04"), "2026-07-02")).
		add(3, 5, rooms(3, 1, 1)).
		add(4, 6, placed(3, 2, stay(1, "02", "04"))).
		add(5, 7, paid(1, stay(2, "01", "03"))).
		add(6, 8, canceled(1, isPaid, stay(2, "01", "03"))).
		add(6, 9, rooms(1, 0, 0)). // below what is sold: no oversell
		add(7, 10, &eventpb.ReservationNoShow{HotelId: "grand", ReservationId: id(3), Stay: stay(1, "02", "04"), PreviousStatus: pending}).
		add(8, 11, placed(4, 3, stay(1, "02", "03")))
	r := w.audit(Options{})
	if !r.OK() {
		t.Fatalf("violations: %+v", r.Violations)
	}
	h := r.Hotels[0]
	want := Totals{Placed: 3, Rejected: 1, Paid: 1, Canceled: 1, NoShows: 1, RoomNights: 7, KeptRoomNights: 1}
	if len(r.Hotels) != 1 || h.Totals != want || r.Totals != want || h.DisplayName != "Grand" || r.Requests != 11 ||
		r.Events != [4]int64{1, 3, 7, 0} {
		t.Errorf("%+v", r)
	}
	peak := Peak{
		RoomTypeID: "double", Night: domain.DateOf(2026, 7, 2), Sold: 3, Sellable: 3, Physical: 3,
		Position: log.Position{Topic: "bookings", Offset: 2},
	}
	if h.Fullest != peak {
		t.Errorf("fullest %+v", h.Fullest)
	}
	if peak.RoomTypeID = ""; h.Busiest != peak {
		t.Errorf("busiest %+v", h.Busiest)
	}
}

func TestViolations(t *testing.T) {
	one := func() *eventpb.Stay { return stay(1, "01", "02") }
	for name, c := range map[string]struct {
		want  Kind
		write func(*written)
	}{
		"one room too many": {Oversold, func(w *written) {
			w.add(2, 4, placed(1, 1, stay(1, "01", "05"))).add(2, 5, placed(2, 1, stay(2, "04", "06")))
		}},
		"rooms out of order": {Oversold, func(w *written) {
			w.add(2, 4, rooms(2, 1, 0)).add(3, 5, placed(1, 2, stay(2, "01", "02")))
		}},
		"a later raise does not count": {Oversold, func(w *written) {
			w.add(2, 4, rooms(9, 0, 0)).add(3, 5, placed(1, 1, stay(3, "01", "02")))
		}},
		"nights without inventory": {Oversold, func(w *written) {
			w.add(2, 4, placed(1, 1, &eventpb.Stay{RoomTypeId: "double", Quantity: 1, CheckInDate: "2026-08-01", CheckOutDate: "2026-08-02"}))
		}},
		"turned away from an empty house": {FalseTurnaway, func(w *written) {
			w.add(2, 4, rejected(1, 1, one(), "2026-07-01"))
		}},
		"turned away by nothing": {FalseTurnaway, func(w *written) {
			w.add(2, 4, restrictedAway(1, 1, one(), broke(eventpb.Restriction_RESTRICTION_STOP_SELL, "2026-07-01")))
		}},
		"turned away by another restriction": {FalseTurnaway, func(w *written) {
			w.add(2, 4, stopSell("01", "02")).add(2, 5, restrictedAway(1, 2, one(), broke(eventpb.Restriction_RESTRICTION_CLOSED_TO_ARRIVAL, "2026-07-01")))
		}},
		"placed where nothing is sold": {Forbidden, func(w *written) {
			w.add(2, 4, stopSell("01", "09")).add(2, 5, placed(1, 2, one()))
		}},
		"one room more than per cent allow": {Oversold, func(w *written) {
			w.add(2, 4, overbook(50)).add(2, 5, placed(1, 2, stay(4, "01", "02")))
		}},
		"overbooking without end":   {UnknownInventory, func(w *written) { w.add(2, 4, overbook(1000)) }},
		"inventory from the future": {BadInventoryMark, func(w *written) { w.add(2, 4, placed(1, 2, one())) }},
		"inventory goes back": {BadInventoryMark, func(w *written) {
			w.add(2, 4, rooms(3, 0, 0)).add(3, 5, placed(1, 2, one())).add(3, 6, placed(2, 1, one()))
		}},
		"lines do not sum": {BadPrice, func(w *written) {
			m := placed(1, 1, one())
			m.TotalMinorUnits++
			w.add(2, 4, m)
		}},
		"a line is missing": {BadPrice, func(w *written) {
			m := placed(1, 1, stay(1, "01", "03"))
			m.NightlyMinorUnits = []int64{200}
			w.add(2, 4, m)
		}},
		"backwards":    {BadStay, func(w *written) { w.add(2, 4, placed(1, 1, stay(1, "02", "01"))) }},
		"no rooms":     {BadStay, func(w *written) { w.add(2, 4, placed(1, 1, stay(0, "01", "02"))) }},
		"placed twice": {PlacedTwice, func(w *written) { w.add(2, 4, placed(1, 1, one())).add(2, 5, placed(1, 1, one())) }},
		"never placed": {UnknownBooking, func(w *written) { w.add(2, 4, paid(1, one())) }},
		"paid twice": {BadTransition, func(w *written) {
			w.add(2, 4, placed(1, 1, one())).add(2, 5, paid(1, one())).add(2, 6, paid(1, one()))
		}},
		"canceled from another status": {BadTransition, func(w *written) {
			w.add(2, 4, placed(1, 1, one())).add(2, 5, canceled(1, isPaid, one()))
		}},
		"releases another stay": {BadRelease, func(w *written) {
			w.add(2, 4, placed(1, 1, stay(1, "01", "03"))).add(2, 5, canceled(1, pending, one()))
		}},
		"request applied twice": {RequestTwice, func(w *written) {
			w.add(2, 4, placed(1, 1, one())).add(3, 4, placed(2, 1, one()))
		}},
		"request applied twice, other topic": {RequestTwice, func(w *written) {
			w.add(2, 4, placed(1, 1, one())).add(3, 4, rooms(5, 0, 0))
		}},
		"wrong key": {WrongKey, func(w *written) {
			w.put("hotels", "ritz", &event.Envelope{ID: "1", Source: "test", Message: created("x")})
		}},
		"wrong topic": {WrongTopic, func(w *written) {
			w.put("bookings", "grand", &event.Envelope{ID: "1", Source: "test", Message: created("x")})
		}},
		"not an event": {UnreadableEvent, func(w *written) {
			w.records["bookings"] = append(w.records["bookings"], log.Record{Topic: "bookings", Key: []byte("grand")})
		}},
		"less than no rooms out of order": {UnknownInventory, func(w *written) {
			w.add(2, 4, rooms(1, -5, 0)).add(3, 5, placed(1, 2, stay(4, "01", "02")))
		}},
		"overbooking that overflows": {UnknownInventory, func(w *written) {
			w.add(2, 4, rooms(1<<31-1, 0, 1<<31-1)).add(3, 5, placed(1, 2, stay(4, "01", "02")))
		}},
		"inventory of no nights": {UnknownInventory, func(w *written) {
			w.add(2, 4, &eventpb.InventorySet{HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-07-01"})
		}},
	} {
		for _, idsMax := range []int{0, 2} {
			w := write(t).add(1, 1, created("Grand")).add(1, 2, rooms(2, 0, 0))
			c.write(w)
			r := w.audit(Options{IDsMax: idsMax})
			if r.OK() || r.Violations[0].Kind != c.want {
				t.Errorf("%s, %d ids at a time: %+v, want %s", name, idsMax, r.Violations, c.want)
			}
		}
	}
}

func stopSell(from, to string, days ...eventpb.Weekday) proto.Message {
	return &eventpb.RestrictionsSet{
		HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-" + from, EndDate: "2026-07-" + to, Weekdays: days, StopSell: proto.Bool(true),
	}
}

func overbook(percent int32) proto.Message {
	return &eventpb.InventorySet{
		HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-08-01", OverbookingPercent: &percent,
	}
}

func broke(r eventpb.Restriction, nights ...string) *eventpb.BrokenRestriction {
	return &eventpb.BrokenRestriction{Restriction: r, Nights: nights}
}

func restrictedAway(n int, mark int64, s *eventpb.Stay, broken ...*eventpb.BrokenRestriction) proto.Message {
	m := rejected(n, mark, s).(*eventpb.ReservationRejected)
	m.Reason, m.BrokenRestrictions = eventpb.ReservationReason_RESERVATION_REASON_RESTRICTED, broken
	return m
}

func TestRestrictedHistoryWithoutFault(t *testing.T) {
	friday := eventpb.Weekday_WEEKDAY_FRIDAY // July 3, 2026
	limits := stopSell("05", "06").(*eventpb.RestrictionsSet)
	limits.StopSell, limits.MinStay, limits.ClosedToDeparture = nil, proto.Int32(2), proto.Bool(true)
	short := broke(eventpb.Restriction_RESTRICTION_MIN_STAY, "2026-07-05")
	short.Limit = 2
	r := write(t).add(1, 1, rooms(2, 0, 0)).add(1, 2, overbook(50)).add(1, 3, stopSell("01", "08", friday)).add(1, 4, limits).
		add(2, 5, restrictedAway(1, 4, stay(1, "01", "05"),
			broke(eventpb.Restriction_RESTRICTION_CLOSED_TO_DEPARTURE, "2026-07-05"), broke(eventpb.Restriction_RESTRICTION_STOP_SELL, "2026-07-03"))).
		add(2, 6, restrictedAway(2, 4, stay(1, "05", "06"), short)).
		add(2, 7, placed(3, 4, stay(3, "04", "06"))).
		add(2, 8, placed(4, 3, stay(1, "06", "07"))).audit(Options{})
	if r.ViolationCount != 1 || r.Violations[0].Kind != BadInventoryMark { // the last one, to see that something is looked at
		t.Errorf("%+v", r.Violations)
	}
}

func TestEventsOfOneCommandShareARequest(t *testing.T) {
	w := write(t).add(1, 1, rooms(9, 0, 0)).
		add(2, 3, placed(1, 1, stay(1, "01", "02")), placed(2, 1, stay(1, "01", "02")), placed(3, 1, stay(1, "01", "02")))
	if r := w.audit(Options{}); !r.OK() || r.Requests != 2 {
		t.Errorf("%+v", r)
	}
}

func TestARequestMayComeAgainAfterItWasForgotten(t *testing.T) {
	w := write(t).add(1, 1, rooms(9, 0, 0)).add(26, 1, rooms(8, 0, 0))
	if r := w.audit(Options{}); !r.OK() {
		t.Errorf("%+v", r.Violations)
	}
	if r := w.audit(Options{RequestTTL: 25 * time.Hour}); r.ViolationCount != 1 {
		t.Errorf("%+v", r.Violations)
	}
}

// A reservation's name has its hotel's in it: the same id in another hotel is another reservation.
func TestReservationIDsAreOfTheirHotel(t *testing.T) {
	ritz := func(m *eventpb.ReservationPlaced) *eventpb.ReservationPlaced { m.HotelId = "ritz"; return m }
	inventory := rooms(9, 0, 0).(*eventpb.InventorySet)
	inventory.HotelId = "ritz"
	w := write(t).add(1, 1, rooms(9, 0, 0)).add(1, 2, inventory).
		add(2, 3, placed(1, 2, stay(1, "01", "02"))).
		add(3, 4, ritz(placed(1, 2, stay(2, "03", "05")))).
		add(4, 5, paid(1, stay(1, "01", "02"))).
		add(5, 6, &eventpb.ReservationCanceled{HotelId: "ritz", ReservationId: id(1), Stay: stay(2, "03", "05"), PreviousStatus: pending})
	for _, idsMax := range []int{0, 2} {
		if r := w.audit(Options{IDsMax: idsMax}); !r.OK() {
			t.Errorf("%+v", r.Violations)
		}
	}
}

func TestHotelInTheWrongPartition(t *testing.T) {
	w := write(t).add(1, 1, created("Grand"))
	r, err := Run(t.Context(), w, Options{Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	if r.ViolationCount != 1 || r.Violations[0].Kind != WrongPartition {
		t.Errorf("%+v", r.Violations)
	}
}

// A partition with more ids than fit is read several times, and the verdict is the same.
func TestSharesOfIDs(t *testing.T) {
	w := write(t).add(1, 0, rooms(1000, 0, 0))
	for n := range 200 {
		w.add(2, byte(1+n), placed(n, 1, stay(1, "01", "02")))
		w.add(2, 0, paid(n, stay(1, "01", "02")))
	}
	whole := w.audit(Options{})
	once := w.fetched
	var last Progress
	shares := w.audit(Options{IDsMax: 100, Progress: func(p Progress) { last = p }})
	if !whole.OK() || !shares.OK() || whole.Requests != 200 || shares.Requests != 200 || whole.Totals != shares.Totals {
		t.Errorf("%+v\n%+v", whole, shares)
	}
	if again := w.fetched - once; again < 8*once {
		t.Errorf("%d records read, once are %d", again, once)
	}
	if last.Records != last.Total || last.Total != 16*401 {
		t.Errorf("progress %+v", last)
	}
}

func TestViolationsAreCountedBeyondTheLimit(t *testing.T) {
	w := write(t)
	for n := range 20 {
		w.add(1, 0, paid(n, stay(1, "01", "02")))
	}
	if r := w.audit(Options{ViolationsMax: 5}); len(r.Violations) != 5 || r.ViolationCount != 20 {
		t.Errorf("%d of %d", len(r.Violations), r.ViolationCount)
	}
}
