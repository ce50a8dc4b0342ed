package api_test

import (
	"context"
	"encoding/base64"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/proto"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
)

func askQuote(from, to int) *lodgev1.QuoteStayRequest {
	return &lodgev1.QuoteStayRequest{RoomType: double, RatePlan: flexible, CheckInDate: day(from), CheckOutDate: day(to), Adults: 2}
}

// withQuote reserves what askQuote asks.
func withQuote(from, to int, token string) *lodgev1.CreateReservationRequest {
	req := underPlan(from, to)
	req.Quote = token
	return req
}

func nanosOf(m *money.Money) int64 { return m.GetUnits()*1_000_000_000 + int64(m.GetNanos()) }

func TestQuotes(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(2)
	rates, ctx := s.seedPlan(), context.Background()
	quote, _ := must[lodgev1.Quote](t)(rates.QuoteStay(ctx, connect.NewRequest(askQuote(1, 4))))
	sum := int64(0)
	for _, n := range quote.GetNights() {
		sum += nanosOf(n.GetAmount())
	}
	for _, c := range quote.GetCharges() {
		if !c.GetIncluded() {
			sum += nanosOf(c.GetAmount())
		}
	}
	if len(quote.GetNights()) != 3 || len(quote.GetCharges()) != 2 || sum != nanosOf(quote.GetTotal()) || sum == 0 || quote.GetAvailableCount() != 2 {
		t.Fatalf("lines sum to %d: %v", sum, quote)
	}
	if !quote.GetExpireTime().AsTime().Equal(s.clock.now().Add(15 * time.Minute)) {
		t.Errorf("expires %s", quote.GetExpireTime().AsTime())
	}
	req := withQuote(1, 4, quote.GetToken())
	placed, _ := s.reserve(req)
	if !proto.Equal(placed.GetTotal(), quote.GetTotal()) || !proto.Equal(placed.GetCancellation(), quote.GetCancellation()) {
		t.Errorf("placed %v, quoted %v", placed, quote)
	}
	for i, n := range quote.GetNights() {
		if !proto.Equal(placed.GetNightlyAmounts()[i], n.GetAmount()) {
			t.Errorf("night %d: %v, quoted %v", i, placed.GetNightlyAmounts()[i], n)
		}
	}
	bare, _ := must[lodgev1.Quote](t)(rates.QuoteStay(ctx, connect.NewRequest(&lodgev1.QuoteStayRequest{RoomType: double, CheckInDate: day(5), CheckOutDate: day(6)})))
	plain := stay(5, 6)
	plain.Reservation.Guest, plain.Quote = nil, bare.GetToken()
	if r, _ := s.reserve(plain); !proto.Equal(r.GetTotal(), bare.GetTotal()) || bare.GetTotal().GetUnits() != 102 {
		t.Errorf("%v, quoted %v", r, bare)
	}
	status, answer := s.fetch("GET", "/v1/"+double+":quoteStay?checkInDate.year=2026&checkInDate.month=7&checkInDate.day=9&checkOutDate.year=2026&checkOutDate.month=7&checkOutDate.day=10", "")
	if status != 200 || answer["token"] == "" {
		t.Errorf("%d %v", status, answer)
	}
}

func TestQuotesEnd(t *testing.T) {
	s := newStack(t, api.Options{QuoteTTL: time.Minute})
	s.seed(2)
	rates, ctx := s.seedPlan(), context.Background()
	quote, _ := must[lodgev1.Quote](t)(rates.QuoteStay(ctx, connect.NewRequest(askQuote(1, 4))))
	kept := withQuote(1, 4, quote.GetToken())
	kept.RequestId = "01a20478-7849-7385-8b60-9198b7fd71f3"
	first, _ := s.reserve(kept)
	before := s.eventCount()
	must[lodgev1.SetRatesResponse](t)(rates.SetRates(ctx, connect.NewRequest(&lodgev1.SetRatesRequest{
		RatePlan: flexible, RoomType: double, StartDate: day(3), EndDate: day(4), NightlyRate: euros(1),
	})))
	_, err := s.reservations.CreateReservation(ctx, connect.NewRequest(withQuote(1, 4, quote.GetToken())))
	expect(t, err, connect.CodeFailedPrecondition, "RATE_CHANGED", "")
	s.clock.advance(time.Minute)
	_, err = s.reservations.CreateReservation(ctx, connect.NewRequest(withQuote(1, 4, quote.GetToken())))
	expect(t, err, connect.CodeFailedPrecondition, "QUOTE_EXPIRED", "")
	if n := s.eventCount() - before; n != 1 { // the rate
		t.Errorf("%d events came of refusals", n-1)
	}
	if again, _ := s.reserve(kept); again.GetName() != first.GetName() {
		t.Errorf("a retry got %v", again)
	}
}

func TestQuotesHoldUntilTheEndTheyName(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(2)
	rates, ctx := s.seedPlan(), context.Background()
	s.clock.advance(1_234_567)
	quote, _ := must[lodgev1.Quote](t)(rates.QuoteStay(ctx, connect.NewRequest(askQuote(1, 4))))
	s.clock.advance(quote.GetExpireTime().AsTime().Sub(s.clock.now()) - 1)
	s.reserve(withQuote(1, 4, quote.GetToken()))
	s.clock.advance(1)
	_, err := s.reservations.CreateReservation(ctx, connect.NewRequest(withQuote(1, 4, quote.GetToken())))
	expect(t, err, connect.CodeFailedPrecondition, "QUOTE_EXPIRED", "")
}

func TestQuotesAreOfOneStay(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(1)
	rates, ctx := s.seedPlan(), context.Background()
	quote, _ := must[lodgev1.Quote](t)(rates.QuoteStay(ctx, connect.NewRequest(askQuote(1, 4))))
	forged, _ := base64.RawURLEncoding.DecodeString(quote.GetToken())
	forged[len(forged)-1] ^= 1
	for name, change := range map[string]func(*lodgev1.CreateReservationRequest){
		"other nights":  func(r *lodgev1.CreateReservationRequest) { r.Reservation.CheckOutDate = day(5) },
		"more rooms":    func(r *lodgev1.CreateReservationRequest) { r.Reservation.Quantity = 2 },
		"more guests":   func(r *lodgev1.CreateReservationRequest) { r.Reservation.Guest.Children = 1 },
		"no rate plan":  func(r *lodgev1.CreateReservationRequest) { r.Reservation.RatePlan = "" },
		"a changed one": func(r *lodgev1.CreateReservationRequest) { r.Quote = base64.RawURLEncoding.EncodeToString(forged) },
		"none of ours":  func(r *lodgev1.CreateReservationRequest) { r.Quote = "AQ" },
	} {
		req := withQuote(1, 4, quote.GetToken())
		change(req)
		_, err := s.reservations.CreateReservation(ctx, connect.NewRequest(req))
		if connect.CodeOf(err) != connect.CodeInvalidArgument || reasonOf(err) != "INVALID_QUOTE" {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := newStack(t, api.Options{})
	other.seed(1)
	other.seedPlan()
	_, err := other.reservations.CreateReservation(ctx, connect.NewRequest(withQuote(1, 4, quote.GetToken())))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_QUOTE", "quote")
}

func TestQuotesOfWhatCannotBeHad(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(1)
	rates, ctx := s.seedPlan(), context.Background()
	s.reserve(underPlan(4, 6))
	s.settle()
	for name, c := range map[string]struct {
		change func(*lodgev1.QuoteStayRequest)
		code   connect.Code
		reason string
	}{
		"full":        {func(r *lodgev1.QuoteStayRequest) { r.CheckOutDate = day(5) }, connect.CodeFailedPrecondition, "SOLD_OUT"},
		"too short":   {func(r *lodgev1.QuoteStayRequest) { r.CheckOutDate = day(2) }, connect.CodeFailedPrecondition, "RESTRICTED"},
		"no rate":     {func(r *lodgev1.QuoteStayRequest) { r.CheckInDate, r.CheckOutDate = day(29), day(32) }, connect.CodeFailedPrecondition, "NOT_PRICED"},
		"too many":    {func(r *lodgev1.QuoteStayRequest) { r.Adults = 3 }, connect.CodeFailedPrecondition, "OCCUPANCY_EXCEEDED"},
		"past":        {func(r *lodgev1.QuoteStayRequest) { r.CheckInDate = day(-1) }, connect.CodeInvalidArgument, "PAST_DATE"},
		"far":         {func(r *lodgev1.QuoteStayRequest) { r.CheckInDate, r.CheckOutDate = day(1097), day(1099) }, connect.CodeInvalidArgument, "TOO_FAR_AHEAD"},
		"long":        {func(r *lodgev1.QuoteStayRequest) { r.CheckOutDate = day(99) }, connect.CodeInvalidArgument, "STAY_TOO_LONG"},
		"no plan":     {func(r *lodgev1.QuoteStayRequest) { r.RatePlan = "hotels/ritz/ratePlans/none" }, connect.CodeNotFound, "RATE_PLAN_NOT_FOUND"},
		"no room":     {func(r *lodgev1.QuoteStayRequest) { r.RoomType = "hotels/ritz/roomTypes/none" }, connect.CodeNotFound, "ROOM_TYPE_NOT_FOUND"},
		"other hotel": {func(r *lodgev1.QuoteStayRequest) { r.RatePlan = "hotels/savoy/ratePlans/flexible" }, connect.CodeInvalidArgument, "INVALID_ARGUMENT"},
	} {
		req := askQuote(1, 4)
		c.change(req)
		_, err := rates.QuoteStay(ctx, connect.NewRequest(req))
		if connect.CodeOf(err) != c.code || reasonOf(err) != c.reason {
			t.Errorf("%s: %v %s", name, err, reasonOf(err))
		}
	}
}
