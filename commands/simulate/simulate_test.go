package simulate

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
)

// tale is a hotel's log that a test writes by hand.
type tale struct {
	t       *testing.T
	records map[log.Topic][]log.Record
}

// tell begins the tale of a hotel in Lisbon with double rooms and, dearer, suites: from July 1 to 31.
func tell(t *testing.T, doubles, suites int32) *tale {
	w := &tale{t: t, records: make(map[log.Topic][]log.Record)}
	w.add("05-01", 9, &eventpb.HotelCreated{Hotel: &eventpb.Hotel{HotelId: "grand", TimeZone: "Europe/Lisbon", CurrencyCode: "EUR"}})
	for name, rate := range map[string]int64{"double": 100, "suite": 300} {
		w.add("05-01", 9, &eventpb.RoomTypeCreated{RoomType: &eventpb.RoomType{
			HotelId: "grand", RoomTypeId: name, BaseRate: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: rate},
		}})
	}
	w.add("05-01", 9, &eventpb.HotelCreated{Hotel: &eventpb.Hotel{HotelId: "other", TimeZone: "Asia/Tokyo", CurrencyCode: "JPY"}})
	return w.rooms("05-01", "double", doubles).rooms("05-01", "suite", suites)
}

// add appends an event of hour h, UTC, of a day in 2026.
func (w *tale) add(day string, h int, m proto.Message) *tale {
	w.t.Helper()
	at, err := time.Parse("2006-01-02", "2026-"+day)
	if err != nil {
		w.t.Fatal(err)
	}
	r := log.Record{Key: []byte(event.HotelOf(m)), Topic: log.Topic(event.TopicOf(m))}
	e := &event.Envelope{ID: "event", Source: "test", Time: at.Add(time.Duration(h) * time.Hour), Message: m}
	if r.Value, err = event.Encode(e, func(key string, value []byte) { r.Headers = append(r.Headers, log.Header{Key: key, Value: value}) }); err != nil {
		w.t.Fatal(err)
	}
	r.Offset = log.Offset(len(w.records[r.Topic]))
	w.records[r.Topic] = append(w.records[r.Topic], r)
	return w
}

func (w *tale) rooms(day, roomType string, physical int32) *tale {
	return w.add(day, 9, &eventpb.InventorySet{HotelId: "grand", RoomTypeId: roomType, StartDate: "2026-07-01", EndDate: "2026-08-01", PhysicalCount: &physical})
}

func (w *tale) Fetch(_ context.Context, req log.FetchRequest) (log.FetchResult, error) {
	all := w.records[req.Topic]
	res := log.FetchResult{Next: req.Offset}
	for int(res.Next) < len(all) && len(res.Records) < 3 {
		if r := all[res.Next]; req.Filter.Matches(&r, "") {
			res.Records = append(res.Records, r)
		}
		res.Next++
	}
	return res, nil
}

func (w *tale) OffsetForTime(context.Context, log.TopicPartition, time.Time) (log.Offset, error) {
	return 0, nil
}

func (w *tale) Offsets(_ context.Context, tp log.TopicPartition) (start, high log.Offset, err error) {
	return 0, log.Offset(len(w.records[tp.Topic])), nil
}

func (w *tale) stay(roomType string, quantity int32, in, out string) *eventpb.Stay {
	return &eventpb.Stay{RoomTypeId: roomType, Quantity: quantity, CheckInDate: "2026-" + in, CheckOutDate: "2026-" + out}
}

// oneNight is the fee of one night, unless it is canceled before 18 o'clock of the day before.
var oneNight = &eventpb.CancellationTerms{
	FreeDays: 1, FreeUntilHour: 18,
	Fee:       &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS, Amount: 1},
	NoShowFee: &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT, Amount: 100_000},
}

func (w *tale) placed(day string, n int, rate int64, s *eventpb.Stay) *tale {
	m := &eventpb.ReservationPlaced{
		HotelId: "grand", ReservationId: fmt.Sprint(n), Stay: s, InventoryOffset: int64(len(w.records["inventory"])), CurrencyCode: "EUR",
		Terms: &eventpb.Terms{Cancellation: oneNight},
	}
	in, _ := domain.ParseDate(s.CheckInDate)
	out, _ := domain.ParseDate(s.CheckOutDate)
	for range out - in {
		m.NightlyMinorUnits = append(m.NightlyMinorUnits, rate*int64(s.Quantity))
		m.TotalMinorUnits += rate * int64(s.Quantity)
	}
	return w.add(day, 9, m)
}

func (w *tale) refused(day string, n int, s *eventpb.Stay, broken ...*eventpb.BrokenRestriction) *tale {
	return w.add(day, 9, &eventpb.ReservationRejected{
		HotelId: "grand", ReservationId: fmt.Sprint(n), Stay: s, InventoryOffset: int64(len(w.records["inventory"])), BrokenRestrictions: broken,
	})
}

func (w *tale) canceled(day string, h, n int, s *eventpb.Stay) *tale {
	return w.add(day, h, &eventpb.ReservationCanceled{
		HotelId: "grand", ReservationId: fmt.Sprint(n), Stay: s, Reason: eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST,
	})
}

// until has the log go on to a day.
func (w *tale) until(day string) *tale {
	return w.add(day, 9, &eventpb.WaitingListLeft{HotelId: "grand"})
}

func (w *tale) ask(opts Options) *Result {
	w.t.Helper()
	opts.Hotel, opts.Partitions = "grand", 1
	r, err := Run(w.t.Context(), w, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func same(t *testing.T, what string, got, want Figures) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\ngot  %+v\nwant %+v", what, got, want)
	}
}

// One of two cancels late; who was turned away would have come instead, and done what the other did.
func TestOneMoreRoomSold(t *testing.T) {
	w := tell(t, 2, 0)
	july := w.stay("double", 1, "07-01", "07-03")
	w.placed("06-01", 1, 100, july).placed("06-02", 2, 120, july).refused("06-03", 3, july).canceled("06-30", 20, 1, july).until("07-05")
	r := w.ask(Options{Policy: Policy{Limit: proto.Int32(1)}})
	baseline := Figures{
		Requests: 3, Granted: 2, Turnaways: 1, Canceled: 1, ArrivedRooms: 1, TurnawayRoomNights: 2, OccupiedRoomNights: 2, AvailableNights: 8,
		RoomRevenue: 240, FeeRevenue: 100,
	}
	same(t, "baseline", r.Baseline.Total, baseline)
	same(t, "scenario", r.Scenario.Total, Figures{
		Requests: 3, Granted: 3, Canceled: 1, ArrivedRooms: 2, OccupiedRoomNights: 4, AvailableNights: 8, RoomRevenue: 480, FeeRevenue: 100,
	})
	if r.Divergences != 0 || r.CurrencyCode != "EUR" || r.Start.String() != "2026-07-01" || r.End.String() != "2026-07-05" {
		t.Errorf("%+v", r)
	}
	same(t, "50 per cent are one of two", w.ask(Options{Policy: Policy{Percent: proto.Int32(50)}}).Scenario.Total, r.Scenario.Total)
	same(t, "49 are none", w.ask(Options{Policy: Policy{Percent: proto.Int32(49)}}).Scenario.Total, baseline)
	same(t, "for suites only", w.ask(Options{Policy: Policy{RoomType: "suite", Limit: proto.Int32(1)}}).Scenario.Total, baseline)
}

// Everybody comes: the last who booked is walked, or gets a suite if there is one.
func TestWalks(t *testing.T) {
	w := tell(t, 1, 1)
	w.placed("06-01", 1, 100, w.stay("double", 1, "07-01", "07-02")).refused("06-03", 3, w.stay("double", 2, "07-01", "07-03")).until("07-05")
	policy := Policy{Limit: proto.Int32(2)}
	r := w.ask(Options{Policy: policy, WalkCost: 70})
	same(t, "walked", r.Scenario.Total, Figures{
		Requests: 2, Granted: 2, ArrivedRooms: 1, WalkedRooms: 2, OccupiedRoomNights: 1, AvailableNights: 8, RoomRevenue: 100, WalkCosts: 140,
	})
	if revenue := r.Scenario.Total.Revenue(); revenue != -40 {
		t.Errorf("revenue %d", revenue)
	}
	r = w.ask(Options{Policy: policy, WalkCost: 70, Upgrades: true})
	same(t, "upgraded", r.Scenario.Total, Figures{
		Requests: 2, Granted: 2, ArrivedRooms: 2, WalkedRooms: 1, UpgradedRooms: 1, OccupiedRoomNights: 3, AvailableNights: 8, RoomRevenue: 300, WalkCosts: 70,
	})
}

// What another limit turns away is lost, with all that came of it.
func TestAStricterPolicy(t *testing.T) {
	w := tell(t, 1, 0)
	one := w.stay("double", 1, "07-01", "07-02")
	w.add("05-02", 9, &eventpb.InventorySet{HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-08-01", OverbookingLimit: proto.Int32(1)})
	w.placed("06-01", 1, 100, one).placed("06-02", 2, 100, one).canceled("06-30", 20, 2, one).
		add("07-02", 9, &eventpb.ReservationNoShow{HotelId: "grand", ReservationId: "1", Stay: one}).until("07-05")
	r := w.ask(Options{Policy: Policy{Limit: proto.Int32(0)}})
	same(t, "baseline", r.Baseline.Total, Figures{Requests: 2, Granted: 2, Canceled: 1, NoShows: 1, AvailableNights: 4, FeeRevenue: 200})
	same(t, "scenario", r.Scenario.Total, Figures{Requests: 2, Granted: 1, Turnaways: 1, TurnawayRoomNights: 1, NoShows: 1, AvailableNights: 4, FeeRevenue: 100})
}

func TestOtherTerms(t *testing.T) {
	w := tell(t, 3, 0)
	s := w.stay("double", 1, "07-01", "07-04")
	w.placed("06-01", 1, 33, s).placed("06-02", 2, 33, s).placed("06-02", 3, 33, s).canceled("06-10", 20, 1, s).canceled("06-30", 20, 2, s)
	w.add("07-01", 22, &eventpb.ReservationNoShow{HotelId: "grand", ReservationId: "3", Stay: s}).until("07-05")
	strict := &eventpb.CancellationTerms{
		NeverFree: true,
		Fee:       &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT, Amount: 50_000},
		NoShowFee: &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_AMOUNT, Amount: 1000},
	}
	r := w.ask(Options{Policy: Policy{Cancellation: strict}})
	if was, is := r.Baseline.Total.FeeRevenue, r.Scenario.Total.FeeRevenue; was != 33+99 || is != 50+50+99 {
		t.Errorf("fees %d and %d", was, is)
	}
	free := w.ask(Options{Policy: Policy{Cancellation: &eventpb.CancellationTerms{}}})
	if free.Scenario.Total.FeeRevenue != 0 {
		t.Errorf("fees %d", free.Scenario.Total.FeeRevenue)
	}
}

// Changes, groups, early departures, restrictions and what the hotel ends.
func TestTheRestOfLife(t *testing.T) {
	w := tell(t, 2, 1)
	a, b := w.stay("double", 1, "07-01", "07-03"), w.stay("suite", 1, "07-02", "07-04")
	w.placed("06-01", 1, 100, a)
	w.add("06-02", 9, &eventpb.ReservationModified{
		HotelId: "grand", ReservationId: "1", PreviousStay: a, Stay: b, NightlyMinorUnits: []int64{300, 300}, TotalMinorUnits: 600,
		InventoryOffset: int64(len(w.records["inventory"])),
	})
	w.refused("06-03", 2, a, &eventpb.BrokenRestriction{Restriction: eventpb.Restriction_RESTRICTION_STOP_SELL})
	for n, roomType := range []string{"double", "suite"} { // a group of which one could not be had
		m := &eventpb.ReservationRejected{HotelId: "grand", ReservationId: fmt.Sprint(10 + n), Stay: w.stay(roomType, 1, "07-02", "07-03"), GroupId: "g"}
		m.InventoryOffset = int64(len(w.records["inventory"]))
		w.add("06-04", 9, m)
	}
	c := w.stay("double", 2, "07-01", "07-05")
	w.placed("06-05", 4, 50, c)
	w.add("07-01", 20, &eventpb.GuestCheckedIn{HotelId: "grand", ReservationId: "4", RoomIds: []string{"1", "2"}})
	w.add("07-03", 8, &eventpb.GuestCheckedOut{HotelId: "grand", ReservationId: "4", Stay: c, Date: "2026-07-03"})
	d := w.stay("double", 2, "07-03", "07-04") // in the place of who left
	w.placed("07-03", 5, 50, d)
	w.add("07-03", 10, &eventpb.ReservationDeclined{HotelId: "grand", ReservationId: "5", Stay: d}).until("07-06")
	r := w.ask(Options{})
	same(t, "baseline", r.Baseline.Total, Figures{
		Requests: 5, Granted: 3, Turnaways: 2, Restricted: 1, Canceled: 1, ArrivedRooms: 3, TurnawayRoomNights: 2, OccupiedRoomNights: 2 + 4, AvailableNights: 15,
		RoomRevenue: 600 + 400,
	})
	same(t, "without a policy", r.Scenario.Total, r.Baseline.Total)
	if r.Divergences != 0 {
		t.Errorf("%d decisions are not those of the log", r.Divergences)
	}
	// With a suite more the group is had. Its guest in a double goes with the one who left early, the other in the suite of who came before: one is walked.
	more := w.ask(Options{Policy: Policy{RoomType: "suite", Limit: proto.Int32(1)}}).Scenario.Total
	if more.Granted != 4 || more.Turnaways != 1 {
		t.Errorf("%+v", more)
	}
}

// A guest who is there stays longer, at another price, and another leaves earlier.
func TestAGuestStaysLonger(t *testing.T) {
	w := tell(t, 2, 1)
	change := func(at string, hour, id int, from, to *eventpb.Stay, nightly ...int64) {
		m := &eventpb.ReservationModified{
			HotelId: "grand", ReservationId: fmt.Sprint(id), PreviousStay: from, Stay: to, NightlyMinorUnits: nightly, InventoryOffset: int64(len(w.records["inventory"])),
		}
		for _, line := range nightly {
			m.TotalMinorUnits += line
		}
		w.add(at, hour, m)
	}
	a, longer := w.stay("double", 1, "07-01", "07-03"), w.stay("double", 1, "07-01", "07-05")
	b, shorter := w.stay("suite", 1, "07-01", "07-05"), w.stay("suite", 1, "07-01", "07-03")
	w.placed("06-01", 1, 100, a)
	w.placed("06-01", 2, 50, b)
	for n := 1; n <= 2; n++ {
		w.add("07-01", 20, &eventpb.GuestCheckedIn{HotelId: "grand", ReservationId: fmt.Sprint(n), RoomIds: []string{fmt.Sprint(n)}})
	}
	change("07-02", 9, 1, a, longer, 100, 100, 120, 120)
	change("07-02", 10, 2, b, shorter, 50, 50)
	w.add("07-03", 9, &eventpb.GuestCheckedOut{HotelId: "grand", ReservationId: "2", Stay: shorter, Date: "2026-07-03"})
	w.add("07-04", 9, &eventpb.GuestCheckedOut{HotelId: "grand", ReservationId: "1", Stay: longer, Date: "2026-07-04"}).until("07-06")
	r := w.ask(Options{})
	same(t, "baseline", r.Baseline.Total, Figures{
		Requests: 2, Granted: 2, ArrivedRooms: 2, OccupiedRoomNights: 3 + 2, AvailableNights: 15, RoomRevenue: 440 + 100,
	})
	if r.Divergences != 0 {
		t.Errorf("%d decisions are not those of the log", r.Divergences)
	}
}

func TestPeriods(t *testing.T) {
	w := tell(t, 1, 0)
	for n := range 30 {
		w.placed("06-01", n, 100, w.stay("double", 1, fmt.Sprintf("07-%02d", n+1), fmt.Sprintf("07-%02d", n+2)))
	}
	w.until("07-25")
	for period, want := range map[Period][2]int{Daily: {24, 1}, Weekly: {4, 5}, Monthly: {1, 24}, Yearly: {1, 24}} {
		r := w.ask(Options{Period: period})
		first := r.Baseline.Periods[0]
		if len(r.Baseline.Periods) != want[0] || first.OccupiedRoomNights != int64(want[1]) || r.Baseline.Total.OccupiedRoomNights != 24 {
			t.Errorf("period %d: %d periods, first %+v", period, len(r.Baseline.Periods), first)
		}
	}
	r := w.ask(Options{Start: domain.DateOf(2026, 7, 6), End: domain.DateOf(2026, 7, 9)})
	same(t, "three days", r.Scenario.Total, Figures{Requests: 3, Granted: 3, ArrivedRooms: 3, OccupiedRoomNights: 3, AvailableNights: 3, RoomRevenue: 300})
}

// The same log and question give the same answer.
func TestNoDiceAreThrown(t *testing.T) {
	w := tell(t, 2, 1)
	for n := range 40 {
		s := w.stay([]string{"double", "suite"}[n%3/2], 1, fmt.Sprintf("07-%02d", 1+n/2), fmt.Sprintf("07-%02d", 3+n/2))
		if n%5 == 4 {
			w.refused("06-01", n, s)
		} else {
			w.placed("06-01", n, 100, s)
		}
	}
	w.until("07-30")
	opts := Options{Policy: Policy{Percent: proto.Int32(50)}, Upgrades: true, Period: Weekly}
	first := w.ask(opts)
	for range 5 {
		if again := w.ask(opts); !reflect.DeepEqual(first, again) {
			t.Fatalf("%+v\n%+v", first, again)
		}
	}
}

func TestWhatCannotBeAsked(t *testing.T) {
	w := tell(t, 1, 0).until("07-05")
	for name, c := range map[string]struct {
		opts   Options
		reason domain.Reason
	}{
		"both limits":        {Options{Hotel: "grand", Policy: Policy{Limit: proto.Int32(1), Percent: proto.Int32(1)}}, domain.InvalidArgument},
		"less than no limit": {Options{Hotel: "grand", Policy: Policy{Limit: proto.Int32(-1)}}, domain.InvalidArgument},
		"more than twice":    {Options{Hotel: "grand", Policy: Policy{Percent: proto.Int32(101)}}, domain.InvalidArgument},
		"a type, no limit":   {Options{Hotel: "grand", Policy: Policy{RoomType: "double"}}, domain.InvalidArgument},
		"no such type":       {Options{Hotel: "grand", Policy: Policy{RoomType: "tent", Limit: proto.Int32(1)}}, domain.RoomTypeNotFound},
		"no such hotel":      {Options{Hotel: "ritz"}, domain.HotelNotFound},
		"no hotel":           {Options{}, domain.InvalidID},
		"backwards":          {Options{Hotel: "grand", Start: 9, End: 8}, domain.InvalidDates},
		"a gift for walks":   {Options{Hotel: "grand", WalkCost: -1}, domain.InvalidArgument},
		"too much":           {Options{Hotel: "grand", EventsMax: 2}, domain.LimitReached},
		"fees beyond all":    {Options{Hotel: "grand", Policy: Policy{Cancellation: &eventpb.CancellationTerms{Fee: &eventpb.CancellationFee{Kind: 2, Amount: 100_001}}}}, domain.InvalidArgument},
		"free on no day":     {Options{Hotel: "grand", Policy: Policy{Cancellation: &eventpb.CancellationTerms{FreeDays: -1}}}, domain.InvalidArgument},
		"an odd period":      {Options{Hotel: "grand", Period: 9}, domain.InvalidArgument},
	} {
		c.opts.Partitions = 1
		if _, err := Run(t.Context(), w, c.opts); domain.ReasonOf(err) != c.reason {
			t.Errorf("%s: %v, want %s", name, err, c.reason)
		}
	}
	if _, err := Run(t.Context(), w, Options{Hotel: "grand"}); err == nil {
		t.Error("no partitions are accepted")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	if _, err := Run(ctx, w, Options{Hotel: "grand", Partitions: 1}); !errors.Is(err, gone) {
		t.Errorf("a caller who has gone: %v", err)
	}
}
