package api_test

import (
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// turnedAway makes a reservation that must be refused, and returns its name and position.
func (s *stack) turnedAway(req *lodgev1.CreateReservationRequest, reason string) (name, position string) {
	s.Helper()
	_, err := s.reservations.CreateReservation(s.Context(), connect.NewRequest(req))
	if reasonOf(err) != reason {
		s.Fatalf("%v, want %s", err, reason)
	}
	info := detail[*errdetails.ErrorInfo](err).GetMetadata()
	return info["reservation"], info["position"]
}

func (s *stack) explain(name, position string) *lodgev1.RejectionExplanation {
	s.Helper()
	x, _ := must[lodgev1.RejectionExplanation](s)(s.reservations.ExplainRejection(s.Context(), connect.NewRequest(&lodgev1.ExplainRejectionRequest{Name: name, MinPosition: position})))
	return x
}

func (s *stack) setNights(from, to int, change func(*lodgev1.SetInventoryRequest)) (position string) {
	s.Helper()
	s.clock.advance(time.Second)
	req := &lodgev1.SetInventoryRequest{RoomType: ritzDouble, StartDate: day(from), EndDate: day(to)}
	change(req)
	_, position = must[lodgev1.SetInventoryResponse](s)(s.inventory.SetInventory(s.Context(), connect.NewRequest(req)))
	return position
}

func TestWhyItWasSoldOut(t *testing.T) {
	s := newStack(t, api.Options{})
	physical := s.seed(2)
	s.setNights(1, 4, func(r *lodgev1.SetInventoryRequest) { r.OverbookingLimit = proto.Int32(7) })
	outOfOrder := s.setNights(1, 4, func(r *lodgev1.SetInventoryRequest) { r.OutOfOrderCount = proto.Int32(1) })
	overbooking := s.setNights(1, 4, func(r *lodgev1.SetInventoryRequest) { r.OverbookingPercent = proto.Int32(50) })
	held, heldAt := s.reserve(stay(1, 3))
	sold, soldAt := s.reserve(stay(2, 4))
	must[lodgev1.Reservation](t)(s.reservations.ConfirmReservation(t.Context(), connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: sold.GetName()})))
	gone, _ := s.reserve(stay(3, 4))
	must[lodgev1.Reservation](t)(s.reservations.CancelReservation(t.Context(), connect.NewRequest(&lodgev1.CancelReservationRequest{
		Name: gone.GetName(), Reason: lodgev1.ReservationReason_RESERVATION_REASON_GUEST_REQUEST})))
	name, position := s.turnedAway(stay(1, 4), "SOLD_OUT")

	// What comes later is no reason.
	s.setNights(0, 9, func(r *lodgev1.SetInventoryRequest) {
		r.PhysicalCount, r.OutOfOrderCount = proto.Int32(90), proto.Int32(3)
	})
	must[lodgev1.Reservation](t)(s.reservations.CancelReservation(t.Context(), connect.NewRequest(&lodgev1.CancelReservationRequest{
		Name: held.GetName(), Reason: lodgev1.ReservationReason_RESERVATION_REASON_GUEST_REQUEST})))
	x := s.explain(name, position)
	if x.GetReason() != lodgev1.ReservationReason_RESERVATION_REASON_SOLD_OUT || x.GetReservation() != name || x.GetRoomType() != ritzDouble || x.GetQuantity() != 1 ||
		x.GetDecision().GetPosition() != position || x.GetDecision().GetOrigin() != lodgev1.EventOrigin_EVENT_ORIGIN_CLIENT || len(x.GetFullNights()) != 1 {
		t.Fatalf("explained by %v", x)
	}
	n := x.GetFullNights()[0]
	if !proto.Equal(n.GetDate(), day(2)) || n.GetPhysicalCount() != 2 || n.GetOutOfOrderCount() != 1 || n.GetOverbookingLimit() != 1 || n.GetOverbookingPercent() != 50 ||
		n.GetSellableCount() != 2 || n.GetSoldCount() != 1 || n.GetHeldCount() != 1 || n.GetGroupCount() != 0 || n.GetAvailableCount() != 0 {
		t.Errorf("night %v", n)
	}
	if n.GetPhysicalEvent().GetPosition() != physical || n.GetOutOfOrderEvent().GetPosition() != outOfOrder || n.GetOverbookingEvent().GetPosition() != overbooking {
		t.Errorf("set by %v", n)
	}
	takers := n.GetTakers()
	if len(takers) != 2 || takers[0].GetReservation() != held.GetName() || takers[0].GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING ||
		takers[0].GetEvent().GetPosition() != heldAt || takers[1].GetReservation() != sold.GetName() ||
		takers[1].GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_PAID || takers[1].GetEvent().GetPosition() != soldAt {
		t.Errorf("taken by %v", takers)
	}
	_, err := s.reservations.ExplainRejection(t.Context(), connect.NewRequest(&lodgev1.ExplainRejectionRequest{Name: sold.GetName()}))
	expect(t, err, connect.CodeFailedPrecondition, "STATUS_CONFLICT", "")
	_, err = s.reservations.ExplainRejection(t.Context(), connect.NewRequest(&lodgev1.ExplainRejectionRequest{Name: "hotels/ritz/reservations/" + uuid.NewString()}))
	expect(t, err, connect.CodeNotFound, "RESERVATION_NOT_FOUND", "")
	for _, url := range []string{name + ":explainRejection", sold.GetName() + ":history"} {
		res, err := s.client.Get(s.server.URL + "/v1/" + url)
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", url, res.Status)
		}
	}
}

func TestWhatForbadeIt(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(2)
	restrict := func(change func(*lodgev1.SetRestrictionsRequest)) string {
		s.clock.advance(time.Second)
		req := &lodgev1.SetRestrictionsRequest{RoomType: ritzDouble, StartDate: day(1), EndDate: day(5)}
		change(req)
		_, position := must[lodgev1.SetRestrictionsResponse](t)(s.inventory.SetRestrictions(t.Context(), connect.NewRequest(req)))
		return position
	}
	restrict(func(r *lodgev1.SetRestrictionsRequest) { r.MinStay = proto.Int32(2) })
	fewest := restrict(func(r *lodgev1.SetRestrictionsRequest) { r.MinStay = proto.Int32(3) })
	leaving := restrict(func(r *lodgev1.SetRestrictionsRequest) { r.ClosedToDeparture = proto.Bool(true) })
	name, position := s.turnedAway(stay(2, 4), "RESTRICTED")
	restrict(func(r *lodgev1.SetRestrictionsRequest) {
		r.MinStay, r.ClosedToDeparture = proto.Int32(0), proto.Bool(false)
	})
	x := s.explain(name, position)
	causes := x.GetRestrictions()
	if x.GetReason() != lodgev1.ReservationReason_RESERVATION_REASON_RESTRICTED || len(x.GetFullNights()) != 0 || len(causes) != 2 {
		t.Fatalf("explained by %v", x)
	}
	if causes[0].GetRestriction() != lodgev1.Restriction_RESTRICTION_MIN_STAY || causes[0].GetLimit() != 3 || len(causes[0].GetNights()) != 1 ||
		!proto.Equal(causes[0].GetNights()[0].GetDate(), day(2)) || causes[0].GetNights()[0].GetEvent().GetPosition() != fewest {
		t.Errorf("fewest nights: %v", causes[0])
	}
	if causes[1].GetRestriction() != lodgev1.Restriction_RESTRICTION_CLOSED_TO_DEPARTURE || !proto.Equal(causes[1].GetNights()[0].GetDate(), day(4)) ||
		causes[1].GetNights()[0].GetEvent().GetPosition() != leaving {
		t.Errorf("closed to departure: %v", causes[1])
	}
}

func TestWhyAGroupWasRefused(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(2)
	req := &lodgev1.BatchCreateReservationsRequest{Parent: "hotels/ritz", GroupId: uuid.NewString()}
	for range 3 {
		one := stay(1, 2)
		one.RequestId, one.ReservationId = "", uuid.NewString()
		req.Requests = append(req.Requests, one)
	}
	name := func(i int) string { return "hotels/ritz/reservations/" + req.GetRequests()[i].GetReservationId() }
	_, err := s.reservations.BatchCreateReservations(t.Context(), connect.NewRequest(req))
	if reasonOf(err) != "SOLD_OUT" {
		t.Fatal(err)
	}
	s.settle()
	x := s.explain(name(2), "")
	if n := x.GetFullNights(); len(n) != 1 || n[0].GetSellableCount() != 2 || n[0].GetSoldCount()+n[0].GetHeldCount() != 0 || n[0].GetGroupCount() != 2 || n[0].GetAvailableCount() != 0 {
		t.Errorf("the last: %v", x)
	}
	x = s.explain(name(0), "")
	if x.GetReason() != lodgev1.ReservationReason_RESERVATION_REASON_GROUP_INCOMPLETE || len(x.GetGroupObstacles()) != 1 || x.GetGroupObstacles()[0] != name(2) {
		t.Errorf("the first: %v", x)
	}
}

func TestHistoryNamesCauses(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(2)
	req := stay(1, 2)
	req.ReservationId = uuid.NewString()
	placed, _ := f.reserve(req)
	payment := uuid.NewString()
	pay := connect.NewRequest(&lodgev1.PayReservationRequest{Name: placed.GetName(), PaymentId: payment, PaymentMethod: "tok_approve", RequestId: uuid.NewString()})
	must[lodgev1.Payment](t)(f.payments.PayReservation(t.Context(), pay))
	f.settle()
	history := func(token string) *lodgev1.GetReservationHistoryResponse {
		res, _ := must[lodgev1.GetReservationHistoryResponse](t)(f.reservations.GetReservationHistory(t.Context(),
			connect.NewRequest(&lodgev1.GetReservationHistoryRequest{Name: placed.GetName(), PageSize: 2, PageToken: token})))
		return res
	}
	asked := history("").GetEntries()[1].GetEvent()
	amount := domain.Money{Currency: "EUR", MinorUnits: 10_000}
	follow := func(cause string, body hotel.Command) string {
		f.clock.advance(time.Second)
		r, err := f.engine.Execute(t.Context(), commands.Command{Internal: true, CausationID: cause, CorrelationID: "saga", Body: body})
		if err != nil || len(r.Events) == 0 {
			t.Fatal(r, err)
		}
		return r.Events[0].ID
	}
	captured := follow(asked.GetId(), &hotel.RecordPayment{Hotel: "ritz", ReservationID: req.GetReservationId(), PaymentID: payment, Outcome: hotel.PaymentCaptured, Amount: amount, ProviderReference: "ch_1"})
	follow(captured, &hotel.ConfirmReservation{Hotel: "ritz", ReservationID: req.GetReservationId(), PaymentID: payment, Amount: amount})
	follow("sweep", &hotel.CancelReservation{Hotel: "ritz", ReservationID: req.GetReservationId(), Reason: eventpb.ReservationReason_RESERVATION_REASON_HOTEL_REQUEST})
	f.settle()

	first := history("")
	entries := append(first.GetEntries(), history(first.GetNextPageToken()).GetEntries()...)
	if len(entries) != 4 || first.GetEntries()[0].GetEvent().GetRequestId() != req.GetRequestId() || len(entries[0].GetCauses()) != 0 ||
		entries[0].GetOrigin() != lodgev1.EventOrigin_EVENT_ORIGIN_CLIENT || entries[1].GetOrigin() != lodgev1.EventOrigin_EVENT_ORIGIN_CLIENT {
		t.Fatalf("began with %v", entries)
	}
	causes := entries[3].GetCauses()
	if entries[3].GetEvent().GetType() != "lodge.reservation.paid.v1" || entries[3].GetOrigin() != lodgev1.EventOrigin_EVENT_ORIGIN_PROCESS_MANAGER || len(causes) != 2 ||
		causes[0].GetEventId() != captured || causes[0].GetType() != "lodge.payment.captured.v1" || causes[0].GetCorrelationId() != "saga" ||
		causes[1].GetPosition() != asked.GetPosition() || causes[1].GetRequestId() != pay.Msg.GetRequestId() || causes[1].GetOrigin() != lodgev1.EventOrigin_EVENT_ORIGIN_CLIENT {
		t.Errorf("paid because of %v", causes)
	}
	if got := entries[3].GetEvent().GetCommand() + " " + causes[0].GetCommand() + " " + causes[1].GetCommand(); got != "confirm_reservation record_payment request_payment" {
		t.Errorf("paid after the commands %s", got)
	}
	page := history(first.GetNextPageToken())
	last := history(page.GetNextPageToken()).GetEntries()[0]
	if c := last.GetCauses(); last.GetEvent().GetType() != "lodge.reservation.canceled.v1" || len(c) != 1 || c[0].GetEventId() != "sweep" || c[0].GetType() != "" {
		t.Errorf("ended by %v", last)
	}
}
