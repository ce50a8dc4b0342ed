package api_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/projections"
)

// front are the clients of what happens to a reservation after it was made.
type front struct {
	*stack
	rooms    lodgev1connect.RoomServiceClient
	payments lodgev1connect.PaymentServiceClient
	stays    lodgev1connect.StayServiceClient
	waiting  lodgev1connect.WaitingListServiceClient
	rates    lodgev1connect.RateServiceClient
}

func newFront(t testing.TB, opts api.Options) *front { return frontOf(newStack(t, opts)) }

func frontOf(s *stack) *front {
	return &front{
		s, lodgev1connect.NewRoomServiceClient(s.client, s.server.URL), lodgev1connect.NewPaymentServiceClient(s.client, s.server.URL),
		lodgev1connect.NewStayServiceClient(s.client, s.server.URL), lodgev1connect.NewWaitingListServiceClient(s.client, s.server.URL),
		lodgev1connect.NewRateServiceClient(s.client, s.server.URL),
	}
}

// command gives the engine a command as a process manager does.
func (f *front) command(body hotel.Command) {
	f.Helper()
	if _, err := f.engine.Execute(context.Background(), commands.Command{RequestID: uuid.New(), Body: body}); err != nil {
		f.Fatal(err)
	}
}

// capture plays the provider and the process managers: a payment brings its money, and that counts.
func (f *front) capture(reservation, payment string, cents int64) {
	f.Helper()
	id, amount := reservation[strings.LastIndexByte(reservation, '/')+1:], domain.Money{Currency: "EUR", MinorUnits: cents}
	f.command(&hotel.RecordPayment{Hotel: "ritz", ReservationID: id, PaymentID: payment, Outcome: hotel.PaymentCaptured, Amount: amount, ProviderReference: "ch_1"})
	f.command(&hotel.ConfirmReservation{Hotel: "ritz", ReservationID: id, PaymentID: payment, Amount: amount})
}

// paid reserves two nights at 100 EUR each and pays for them.
func (f *front) paid() (name string) {
	f.Helper()
	placed, _ := f.reserve(stay(5, 7))
	payment := uuid.NewString()
	must[lodgev1.Payment](f)(f.payments.PayReservation(context.Background(), connect.NewRequest(&lodgev1.PayReservationRequest{
		Name: placed.GetName(), PaymentId: payment, PaymentMethod: "tok_approve",
	})))
	f.capture(placed.GetName(), payment, 20_000)
	f.settle()
	return placed.GetName()
}

func (f *front) get(name string, wait time.Duration) *lodgev1.Reservation {
	f.Helper()
	r, _ := must[lodgev1.Reservation](f)(f.reservations.GetReservation(context.Background(), connect.NewRequest(&lodgev1.GetReservationRequest{
		Name: name, SettleWait: durationpb.New(wait),
	})))
	return r
}

const patience = 25 * time.Second

// TestWaitingForMoney: who waits is answered once the money is where it belongs, and when the time is over.
func TestWaitingForMoney(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(3)
	placed, _ := f.reserve(stay(5, 7))
	payment := uuid.NewString()
	req := &lodgev1.PayReservationRequest{Name: placed.GetName(), PaymentId: payment, PaymentMethod: "tok_approve", Wait: durationpb.New(time.Millisecond), RequestId: uuid.NewString()}
	p, position := must[lodgev1.Payment](t)(f.payments.PayReservation(t.Context(), connect.NewRequest(req)))
	if p.GetStatus() != lodgev1.PaymentStatus_PAYMENT_STATUS_REQUESTED || p.GetAmount().GetUnits() != 200 || p.GetName() != placed.GetName()+"/payments/"+payment || p.GetProvider() != "simulator" {
		t.Fatalf("asked for %v", p)
	}
	if _, err := f.payments.PayReservation(t.Context(), connect.NewRequest(&lodgev1.PayReservationRequest{Name: placed.GetName(), PaymentMethod: "tok_approve"})); reasonOf(err) != "PAYMENT_IN_PROGRESS" {
		t.Errorf("a second payment: %v", err)
	}
	f.settle()
	if r := f.get(placed.GetName(), time.Millisecond); r.GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING || r.GetAmounts() != nil {
		t.Errorf("before the outcome %v", r)
	}
	answers := make(chan *lodgev1.Reservation, 1)
	go func() {
		res, err := f.reservations.GetReservation(context.Background(), connect.NewRequest(&lodgev1.GetReservationRequest{Name: placed.GetName(), SettleWait: durationpb.New(patience)}))
		if err != nil {
			t.Error(err)
			answers <- nil
			return
		}
		answers <- res.Msg
	}()
	f.capture(placed.GetName(), payment, 20_000)
	r := <-answers
	if r.GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_PAID || r.GetAmounts().GetCaptured().GetUnits() != 200 || r.GetAmounts().GetBalance().GetUnits() != 0 {
		t.Errorf("settled %v", r)
	}
	read, _ := must[lodgev1.Payment](t)(f.payments.GetPayment(t.Context(), connect.NewRequest(&lodgev1.GetPaymentRequest{Name: p.GetName(), MinPosition: position})))
	again, _ := must[lodgev1.Payment](t)(f.payments.PayReservation(t.Context(), connect.NewRequest(&lodgev1.PayReservationRequest{
		Name: req.GetName(), PaymentId: payment, PaymentMethod: "tok_approve", Wait: durationpb.New(patience), RequestId: req.GetRequestId(),
	})))
	if read.GetStatus() != lodgev1.PaymentStatus_PAYMENT_STATUS_CAPTURED || read.GetProviderReference() != "ch_1" || !proto.Equal(again, read) {
		t.Errorf("read %v, asked again %v", read, again)
	}
}

// TestRefundsAreSums: what is granted is pending until the provider has done it.
func TestRefundsAreSums(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(3)
	name := f.paid()
	id := name[strings.LastIndexByte(name, '/')+1:]
	granted, _ := must[lodgev1.Reservation](t)(f.payments.RefundReservation(t.Context(), connect.NewRequest(&lodgev1.RefundReservationRequest{Name: name, Amount: euros(30), Note: "sorry"})))
	if a := granted.GetAmounts(); granted.GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_PAID || a.GetRefundPending().GetUnits() != 30 || a.GetRefunded().GetUnits() != 0 {
		t.Errorf("granted %v", granted)
	}
	refund := uuid.NewString()
	f.command(&hotel.SettleRefunds{Hotel: "ritz", ReservationID: id, RefundID: refund})
	f.settle()
	list, _ := must[lodgev1.ListPaymentsResponse](t)(f.payments.ListPayments(t.Context(), connect.NewRequest(&lodgev1.ListPaymentsRequest{Parent: name})))
	if len(list.GetPayments()) != 1 || len(list.GetPayments()[0].GetRefunds()) != 1 {
		t.Fatalf("the folio is %v", list)
	}
	p := list.GetPayments()[0]
	if r := p.GetRefunds()[0]; r.GetRefundId() != refund || r.GetStatus() != lodgev1.RefundStatus_REFUND_STATUS_REQUESTED || list.GetAmounts().GetRefundPending().GetUnits() != 30 {
		t.Errorf("asked for %v", list)
	}
	f.command(&hotel.RecordRefund{Hotel: "ritz", ReservationID: id, PaymentID: p.GetName()[strings.LastIndexByte(p.GetName(), '/')+1:], RefundID: refund, Succeeded: true, ProviderReference: "re_1"})
	r := f.get(name, patience)
	if a := r.GetAmounts(); a.GetRefundPending().GetUnits() != 0 || a.GetRefunded().GetUnits() != 30 || a.GetCaptured().GetUnits() != 200 {
		t.Errorf("given back %v", r)
	}
	_, err := f.payments.RefundReservation(t.Context(), connect.NewRequest(&lodgev1.RefundReservationRequest{Name: name, Amount: euros(171)}))
	expect(t, err, connect.CodeFailedPrecondition, "REFUND_TOO_LARGE", "")
}

// TestQuoteOfACancellationIsWhatItCosts: and asking for it changes nothing.
func TestQuoteOfACancellationIsWhatItCosts(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(3)
	name := f.paid()
	before := f.eventCount()
	quote, _ := must[lodgev1.CancellationQuote](t)(f.payments.QuoteCancellation(t.Context(), connect.NewRequest(&lodgev1.QuoteCancellationRequest{Name: name})))
	if f.eventCount() != before || quote.GetRefund().GetUnits() != 200 || quote.GetKept().GetUnits() != 0 || quote.GetFreeUntilTime() != nil {
		t.Errorf("%d events, quote %v", f.eventCount()-before, quote)
	}
	r, _ := must[lodgev1.Reservation](t)(f.reservations.CancelReservation(t.Context(), connect.NewRequest(&lodgev1.CancelReservationRequest{Name: name})))
	if r.GetAmounts().GetRefundPending().GetUnits() != quote.GetRefund().GetUnits() {
		t.Errorf("canceled %v, quoted %v", r, quote)
	}
	_, err := f.payments.QuoteCancellation(t.Context(), connect.NewRequest(&lodgev1.QuoteCancellationRequest{Name: name}))
	expect(t, err, connect.CodeFailedPrecondition, "STATUS_CONFLICT", "")
}

// TestQuoteOfACancellationAsksNoReadModel: the processor knows a reservation that was made a moment ago, and its hotel, before any read model does.
func TestQuoteOfACancellationAsksNoReadModel(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(3)
	name, deps := f.paid(), f.deps
	var err error
	if deps.Store, err = projections.Open(t.TempDir(), f.broker, projectors, projections.Options{Partitions: partitions, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	blind, err := api.New(deps, api.Options{Clock: f.clock.now}) // its read models have seen nothing
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(blind)
	t.Cleanup(func() {
		server.Close()
		if err := deps.Store.Close(); err != nil {
			t.Error(err)
		}
	})
	client := lodgev1connect.NewPaymentServiceClient(f.client, server.URL)
	quote, _ := must[lodgev1.CancellationQuote](t)(client.QuoteCancellation(t.Context(), connect.NewRequest(&lodgev1.QuoteCancellationRequest{Name: name})))
	if quote.GetReservation() != name || quote.GetRefund().GetUnits() != 200 || quote.GetRefund().GetCurrencyCode() != "EUR" || quote.GetFee().GetUnits() != 0 {
		t.Errorf("quote %v", quote)
	}
	_, err = client.QuoteCancellation(t.Context(), connect.NewRequest(&lodgev1.QuoteCancellationRequest{Name: name[:len(name)-12] + "000000000000"}))
	expect(t, err, connect.CodeNotFound, "RESERVATION_NOT_FOUND", "")
}

// TestBadLives: every kind of bad input gets its own precise error and changes nothing.
func TestBadLives(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(3)
	name, ctx := f.paid(), context.Background()
	before := f.eventCount()
	group := func(change func(*lodgev1.BatchCreateReservationsRequest)) error {
		req := &lodgev1.BatchCreateReservationsRequest{Parent: "hotels/ritz", Requests: []*lodgev1.CreateReservationRequest{stay(1, 2), stay(1, 2)}}
		for _, one := range req.Requests {
			one.RequestId = ""
		}
		change(req)
		_, err := f.reservations.BatchCreateReservations(ctx, connect.NewRequest(req))
		return err
	}
	update := func(r *lodgev1.Reservation, paths ...string) error {
		r.Name = name
		_, err := f.reservations.UpdateReservation(ctx, connect.NewRequest(&lodgev1.UpdateReservationRequest{Reservation: r, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}}))
		return err
	}
	list := func(req *lodgev1.ListReservationsRequest) error {
		_, err := f.reservations.ListReservations(ctx, connect.NewRequest(req))
		return err
	}
	pay := func(req *lodgev1.PayReservationRequest) error {
		req.Name = name
		_, err := f.payments.PayReservation(ctx, connect.NewRequest(req))
		return err
	}
	checkIn := func(rooms ...string) error {
		_, err := f.stays.CheckInReservation(ctx, connect.NewRequest(&lodgev1.CheckInReservationRequest{Name: name, Rooms: rooms}))
		return err
	}
	const invalid = connect.CodeInvalidArgument
	for _, c := range []struct {
		name   string
		err    error
		code   connect.Code
		reason string
		field  string
	}{
		{"group of another hotel", group(func(r *lodgev1.BatchCreateReservationsRequest) { r.Requests[1].Parent = "hotels/plaza" }), invalid, "INVALID_ARGUMENT", "requests[1].parent"},
		{"group with its own request ids", group(func(r *lodgev1.BatchCreateReservationsRequest) { r.Requests[0].RequestId = uuid.NewString() }), invalid, "INVALID_ARGUMENT", "requests[0].request_id"},
		{"group with half of its ids", group(func(r *lodgev1.BatchCreateReservationsRequest) { r.Requests[1].ReservationId = uuid.NewString() }), invalid, "INVALID_ARGUMENT", "requests[1].reservation_id"},
		{"group with a bad quantity", group(func(r *lodgev1.BatchCreateReservationsRequest) { r.Requests[1].Reservation.Quantity = 0 }), invalid, "INVALID_QUANTITY", "requests[1].reservation.quantity"},
		{"group with a bad name", group(func(r *lodgev1.BatchCreateReservationsRequest) { r.Requests[1].Reservation.RoomType = "x" }), invalid, "INVALID_ID", "requests[1].reservation.room_type"},
		{"group with rates of its own", group(func(r *lodgev1.BatchCreateReservationsRequest) { r.Requests[1].NightlyRateOverride = euros(1) }), connect.CodePermissionDenied, "FORBIDDEN_FIELD", ""},
		{"empty group", group(func(r *lodgev1.BatchCreateReservationsRequest) { r.Requests = nil }), invalid, "INVALID_ARGUMENT", "requests"},
		{"check-out before check-in", update(&lodgev1.Reservation{CheckInDate: day(9), CheckOutDate: day(8)}, "check_in_date", "check_out_date"), invalid, "INVALID_DATES", "reservation.check_out_date"},
		{"a field that is not the caller's", update(&lodgev1.Reservation{Channel: "x"}, "channel"), invalid, "INVALID_FIELD_MASK", "update_mask"},
		{"nothing", update(&lodgev1.Reservation{}), invalid, "INVALID_FIELD_MASK", "update_mask"},
		{"no quantity", update(&lodgev1.Reservation{}, "quantity"), invalid, "INVALID_QUANTITY", "reservation.quantity"},
		{"another hotel's room type", update(&lodgev1.Reservation{RoomType: "hotels/plaza/roomTypes/double"}, "room_type"), invalid, "INVALID_ARGUMENT", "reservation.room_type"},
		{"two filters", list(&lodgev1.ListReservationsRequest{Parent: "hotels/ritz", GuestId: "ada", GroupId: uuid.NewString()}), invalid, "INVALID_ARGUMENT", "group_id"},
		{"a day of all hotels", list(&lodgev1.ListReservationsRequest{Parent: "hotels/-", StayList: lodgev1.StayList_STAY_LIST_ARRIVALS}), invalid, "INVALID_ARGUMENT", "stay_list"},
		{"a day of no list", list(&lodgev1.ListReservationsRequest{Parent: "hotels/ritz", StayDate: day(1)}), invalid, "INVALID_ARGUMENT", "stay_date"},
		{"a group that is none", list(&lodgev1.ListReservationsRequest{Parent: "hotels/ritz", GroupId: "x"}), invalid, "INVALID_ID", "group_id"},
		{"unknown provider", pay(&lodgev1.PayReservationRequest{Provider: "bank"}), invalid, "INVALID_ARGUMENT", "provider"},
		{"malformed payment id", pay(&lodgev1.PayReservationRequest{PaymentId: "1", PaymentMethod: "tok_approve"}), invalid, "INVALID_ID", "payment_id"},
		{"nothing due", pay(&lodgev1.PayReservationRequest{PaymentMethod: "tok_approve"}), connect.CodeFailedPrecondition, "NOTHING_DUE", ""},
		{"endless wait", pay(&lodgev1.PayReservationRequest{Wait: durationpb.New(time.Hour)}), invalid, "INVALID_ARGUMENT", "wait"},
		{"another hotel's room", checkIn("hotels/plaza/rooms/1"), invalid, "INVALID_ARGUMENT", "rooms"},
		{"too early", checkIn(), connect.CodeFailedPrecondition, "STATUS_CONFLICT", ""},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, c.err, c.code, c.reason, c.field) })
	}
	_, err := f.payments.RefundReservation(ctx, connect.NewRequest(&lodgev1.RefundReservationRequest{Name: name, Amount: &money.Money{CurrencyCode: "USD", Units: 1}}))
	expect(t, err, invalid, "CURRENCY_MISMATCH", "")
	_, err = f.payments.GetPayment(ctx, connect.NewRequest(&lodgev1.GetPaymentRequest{Name: name + "/payments/" + uuid.NewString()}))
	expect(t, err, connect.CodeNotFound, "PAYMENT_NOT_FOUND", "")
	if n := f.eventCount(); n != before {
		t.Errorf("bad input made %d events", n-before)
	}
}

// TestChangeAtAQuotedPrice: what does not change comes from the reservation, and the quote must be of the whole.
func TestChangeAtAQuotedPrice(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(3)
	placed, _ := f.reserve(stay(5, 7))
	f.settle()
	quote := func(nights int) string {
		q, _ := must[lodgev1.Quote](t)(f.rates.QuoteStay(t.Context(), connect.NewRequest(&lodgev1.QuoteStayRequest{
			RoomType: "hotels/ritz/roomTypes/double", CheckInDate: day(5), CheckOutDate: day(5 + nights), Adults: 2,
		})))
		return q.GetToken()
	}
	change := func(token string) (*connect.Response[lodgev1.Reservation], error) {
		return f.reservations.UpdateReservation(t.Context(), connect.NewRequest(&lodgev1.UpdateReservationRequest{
			Reservation: &lodgev1.Reservation{Name: placed.GetName(), CheckInDate: day(5), CheckOutDate: day(8)}, Quote: token,
		}))
	}
	before := f.eventCount()
	_, err := change(quote(2))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_QUOTE", "quote")
	promised := quote(3)
	rooms := int32(3)
	must[lodgev1.SetInventoryResponse](t)(f.inventory.SetInventory(t.Context(), connect.NewRequest(&lodgev1.SetInventoryRequest{
		RoomType: "hotels/ritz/roomTypes/double", StartDate: day(7), EndDate: day(8), NightlyRate: euros(150), PhysicalCount: &rooms,
	})))
	_, err = change(promised)
	expect(t, err, connect.CodeFailedPrecondition, "RATE_CHANGED", "")
	if n := f.eventCount() - before; n != 1 {
		t.Errorf("refused changes made %d events", n-1)
	}
	f.settle()
	r, _ := must[lodgev1.Reservation](t)(change(quote(3)))
	if r.GetTotal().GetUnits() != 350 || len(r.GetNightlyAmounts()) != 3 || r.GetQuantity() != 1 || r.GetGuest().GetAdults() != 2 || r.GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING {
		t.Errorf("changed %v", r)
	}
	for range 2 { // what was made a moment ago is found
		token := quote(3)
		placed, _ = f.reserve(stay(5, 7))
		if r, _ := must[lodgev1.Reservation](t)(change(token)); len(r.GetNightlyAmounts()) != 3 {
			t.Errorf("changed %v", r)
		}
	}
}

// TestGroupsAreSafeToRetry: with ids of the platform's making and of the caller's.
func TestGroupsAreSafeToRetry(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(4)
	for _, own := range []bool{false, true} {
		req := &lodgev1.BatchCreateReservationsRequest{Parent: "hotels/ritz", RequestId: uuid.NewString(), Requests: []*lodgev1.CreateReservationRequest{stay(1, 2), stay(1, 3)}}
		for _, one := range req.Requests {
			one.RequestId = ""
			if own {
				one.ReservationId, req.GroupId = uuid.NewString(), uuid.NewString()
			}
		}
		first, position := must[lodgev1.BatchCreateReservationsResponse](t)(f.reservations.BatchCreateReservations(t.Context(), connect.NewRequest(req)))
		f.settle()
		again, err := f.reservations.BatchCreateReservations(t.Context(), connect.NewRequest(req))
		if err != nil || !proto.Equal(again.Msg, first) || again.Header().Get(api.HeaderReplayed) != "true" || again.Header().Get(api.HeaderPosition) != position {
			t.Errorf("again %v %v, first %v", again, err, first)
		}
		if !own {
			continue
		}
		req.RequestId = uuid.NewString()
		_, err = f.reservations.BatchCreateReservations(t.Context(), connect.NewRequest(req))
		expect(t, err, connect.CodeAlreadyExists, "RESERVATION_EXISTS", "")
	}
	full := &lodgev1.BatchCreateReservationsRequest{Parent: "hotels/ritz", Requests: []*lodgev1.CreateReservationRequest{stay(2, 3), stay(1, 2)}}
	for _, one := range full.Requests {
		one.RequestId = ""
	}
	_, err := f.reservations.BatchCreateReservations(t.Context(), connect.NewRequest(full))
	expect(t, err, connect.CodeFailedPrecondition, "SOLD_OUT", "")
	if info := detail[*errdetails.ErrorInfo](err).GetMetadata(); info["index"] != "1" || info["nights"] != "2026-07-02" {
		t.Errorf("metadata %v", info)
	}
}

// TestLeavingTwice: the second is told that the first has left, also before the read model knows.
func TestLeavingTwice(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(1)
	f.reserve(stay(1, 2))
	for range 20 {
		join := connect.NewRequest(&lodgev1.JoinWaitingListRequest{Parent: "hotels/ritz", Entry: &lodgev1.WaitingListEntry{
			RoomType: "hotels/ritz/roomTypes/double", Quantity: 1, CheckInDate: day(1), CheckOutDate: day(2),
		}})
		join.Header().Set(api.HeaderPrefer, "return=minimal")
		entry, _ := must[lodgev1.WaitingListEntry](t)(f.waiting.JoinWaitingList(t.Context(), join))
		leave := connect.NewRequest(&lodgev1.LeaveWaitingListRequest{Name: entry.GetName()})
		leave.Header().Set(api.HeaderPrefer, "return=minimal")
		must[lodgev1.WaitingListEntry](t)(f.waiting.LeaveWaitingList(t.Context(), leave))
		_, err := f.waiting.LeaveWaitingList(t.Context(), connect.NewRequest(&lodgev1.LeaveWaitingListRequest{Name: entry.GetName()}))
		expect(t, err, connect.CodeFailedPrecondition, "STATUS_CONFLICT", "")
	}
}

// TestWaitingListByHand: joined twice is joined once; who has left is off the list and still known.
func TestWaitingListByHand(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(1)
	f.reserve(stay(1, 2))
	var entries []string
	for range 3 {
		req := &lodgev1.JoinWaitingListRequest{Parent: "hotels/ritz", EntryId: uuid.NewString(), RequestId: uuid.NewString(), Entry: &lodgev1.WaitingListEntry{
			RoomType: "hotels/ritz/roomTypes/double", Quantity: 1, CheckInDate: day(1), CheckOutDate: day(2), Guest: &lodgev1.Guest{GuestId: "eve"},
		}}
		first, _ := must[lodgev1.WaitingListEntry](t)(f.waiting.JoinWaitingList(t.Context(), connect.NewRequest(req)))
		f.settle()
		again, _ := must[lodgev1.WaitingListEntry](t)(f.waiting.JoinWaitingList(t.Context(), connect.NewRequest(req)))
		read, _ := must[lodgev1.WaitingListEntry](t)(f.waiting.GetWaitingListEntry(t.Context(), connect.NewRequest(&lodgev1.GetWaitingListEntryRequest{Name: first.GetName()})))
		if !proto.Equal(first, again) || !proto.Equal(first, read) || first.GetGuest().GetGuestId() != "eve" {
			t.Errorf("joined %v, again %v, read %v", first, again, read)
		}
		entries = append(entries, first.GetName())
	}
	left, position := must[lodgev1.WaitingListEntry](t)(f.waiting.LeaveWaitingList(t.Context(), connect.NewRequest(&lodgev1.LeaveWaitingListRequest{Name: entries[1]})))
	if left.GetStatus() != lodgev1.WaitingListStatus_WAITING_LIST_STATUS_ENDED || left.GetEndReason() != lodgev1.WaitingListEndReason_WAITING_LIST_END_REASON_GUEST_REQUEST || left.GetQuantity() != 1 {
		t.Errorf("left %v", left)
	}
	_, err := f.waiting.LeaveWaitingList(t.Context(), connect.NewRequest(&lodgev1.LeaveWaitingListRequest{Name: entries[1]}))
	expect(t, err, connect.CodeFailedPrecondition, "STATUS_CONFLICT", "")
	_, err = f.waiting.LeaveWaitingList(t.Context(), connect.NewRequest(&lodgev1.LeaveWaitingListRequest{Name: "hotels/ritz/waitingListEntries/" + uuid.NewString()}))
	expect(t, err, connect.CodeNotFound, "WAITING_LIST_ENTRY_NOT_FOUND", "")
	gone := &lodgev1.JoinWaitingListRequest{Parent: "hotels/ritz", EntryId: entries[1][strings.LastIndexByte(entries[1], '/')+1:], Entry: &lodgev1.WaitingListEntry{
		RoomType: "hotels/ritz/roomTypes/double", Quantity: 1, CheckInDate: day(1), CheckOutDate: day(2),
	}}
	_, err = f.waiting.JoinWaitingList(t.Context(), connect.NewRequest(gone))
	expect(t, err, connect.CodeAlreadyExists, "WAITING_LIST_ENTRY_EXISTS", "")
	f.checkWaiters(&lodgev1.ListWaitingListEntriesRequest{Parent: "hotels/ritz", MinPosition: position}, entries[0], entries[2])
	f.checkWaiters(&lodgev1.ListWaitingListEntriesRequest{Parent: "hotels/ritz", ShowEnded: true}, entries...)
	f.checkWaiters(&lodgev1.ListWaitingListEntriesRequest{Parent: "hotels/-", GuestId: "eve"}, slices.Sorted(slices.Values(entries))...)
	f.checkWaiters(&lodgev1.ListWaitingListEntriesRequest{Parent: "hotels/-", GuestId: "ada"})
	for _, bad := range []*lodgev1.ListWaitingListEntriesRequest{{Parent: "hotels/-"}, {Parent: "hotels/ritz", GuestId: "eve"}} {
		_, err := f.waiting.ListWaitingListEntries(t.Context(), connect.NewRequest(bad))
		expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "guest_id")
	}
}

// checkWaiters reads a list of entries page by page.
func (f *front) checkWaiters(req *lodgev1.ListWaitingListEntriesRequest, want ...string) {
	f.Helper()
	var found []string
	req.PageSize = 1
	for more := true; more; more = req.GetPageToken() != "" {
		page, _ := must[lodgev1.ListWaitingListEntriesResponse](f)(f.waiting.ListWaitingListEntries(context.Background(), connect.NewRequest(req)))
		for _, entry := range page.GetEntries() {
			found = append(found, entry.GetName())
		}
		req.PageToken = page.GetNextPageToken()
	}
	if !slices.Equal(found, want) {
		f.Errorf("%v: found %v, want %v", req, found, want)
	}
}

// TestDefaultsAndHorizon: what nights are opened with is kept, changed and taken away.
func TestDefaultsAndHorizon(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(1)
	ctx := t.Context()
	h, position := must[lodgev1.Hotel](t)(f.hotels.UpdateHotel(ctx, connect.NewRequest(&lodgev1.UpdateHotelRequest{Hotel: &lodgev1.Hotel{Name: "hotels/ritz", HorizonDays: 30}})))
	read, _ := must[lodgev1.Hotel](t)(f.hotels.GetHotel(ctx, connect.NewRequest(&lodgev1.GetHotelRequest{Name: "hotels/ritz", MinPosition: position})))
	if h.GetHorizonDays() != 30 || read.GetHorizonDays() != 30 {
		t.Errorf("updated %v, read %v", h, read)
	}
	change := func(d *lodgev1.NightDefaults) (*lodgev1.RoomType, error) {
		res, err := f.hotels.UpdateRoomType(ctx, connect.NewRequest(&lodgev1.UpdateRoomTypeRequest{
			RoomType:   &lodgev1.RoomType{Name: "hotels/ritz/roomTypes/double", Defaults: d},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"defaults"}},
		}))
		if err != nil {
			return nil, err
		}
		read, _ := must[lodgev1.RoomType](t)(f.hotels.GetRoomType(ctx, connect.NewRequest(&lodgev1.GetRoomTypeRequest{
			Name: "hotels/ritz/roomTypes/double", MinPosition: res.Header().Get(api.HeaderPosition),
		})))
		if !proto.Equal(read.GetDefaults(), res.Msg.GetDefaults()) {
			t.Errorf("updated %v, read %v", res.Msg, read)
		}
		return read, nil
	}
	for _, d := range []*lodgev1.NightDefaults{{PhysicalCount: proto.Int32(0)}, {PhysicalCount: proto.Int32(9), OverbookingPercent: 10}, nil} {
		if r, err := change(d); err != nil || !proto.Equal(r.GetDefaults(), d) {
			t.Errorf("set to %v: %v %v", d, r, err)
		}
	}
	_, err := change(&lodgev1.NightDefaults{PhysicalCount: proto.Int32(-1)})
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "room_type.defaults.physical_count")
	rates := []*lodgev1.DefaultRate{{RoomType: "hotels/ritz/roomTypes/double", NightlyRate: euros(70)}}
	plan, _ := must[lodgev1.RatePlan](t)(f.rates.CreateRatePlan(ctx, connect.NewRequest(&lodgev1.CreateRatePlanRequest{
		Parent: "hotels/ritz", RatePlanId: "flex", RatePlan: &lodgev1.RatePlan{DisplayName: "Flex", DefaultRates: rates},
	})))
	if len(plan.GetDefaultRates()) != 1 || !proto.Equal(plan.GetDefaultRates()[0], rates[0]) {
		t.Errorf("created %v", plan)
	}
	rates[0].RoomType = "hotels/plaza/roomTypes/double"
	_, err = f.rates.UpdateRatePlan(ctx, connect.NewRequest(&lodgev1.UpdateRatePlanRequest{RatePlan: &lodgev1.RatePlan{Name: plan.GetName(), DefaultRates: rates}}))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "rate_plan.default_rates[0].room_type")
}

// TestDelete: the seed's DELETE ends hotels, room types, rooms and reservations, and what is ended stays known.
func TestDelete(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(3)
	name := f.paid()
	must[lodgev1.Room](t)(f.rooms.CreateRoom(t.Context(), connect.NewRequest(&lodgev1.CreateRoomRequest{
		Parent: "hotels/ritz", RoomId: "101", Room: &lodgev1.Room{RoomType: "hotels/ritz/roomTypes/double", DisplayName: "101"},
	})))
	status, r := f.fetch(http.MethodDelete, "/v1/"+name+"?note=flood&reason=RESERVATION_REASON_HOTEL_REQUEST", "")
	if status != http.StatusOK || r["status"] != "RESERVATION_STATUS_CANCELED" || r["note"] != "flood" || r["reason"] != "RESERVATION_REASON_HOTEL_REQUEST" {
		t.Errorf("%d %v", status, r)
	}
	for _, path := range []string{"/v1/hotels/ritz/rooms/101", "/v1/hotels/ritz/roomTypes/double", "/v1/hotels/ritz"} {
		if status, got := f.fetch(http.MethodDelete, path+"?etag=77", ""); status != http.StatusConflict {
			t.Errorf("%s with a stale etag: %d %v", path, status, got)
		}
		if status, got := f.fetch(http.MethodDelete, path, ""); status != http.StatusOK || got["archived"] != true {
			t.Errorf("%s: %d %v", path, status, got)
		}
		f.settle()
		if status, got := f.fetch(http.MethodGet, path, ""); status != http.StatusOK || got["archived"] != true {
			t.Errorf("%s afterwards: %d %v", path, status, got)
		}
	}
}
