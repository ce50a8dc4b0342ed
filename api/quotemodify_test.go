package api_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
)

// changer quotes changes of reservations at random, makes them, and holds the two against each other.
type changer struct {
	*front
	random                    *rand.Rand
	names                     []string
	made, unavailable, failed int
	charged, givenBack, kept  int
}

func (c *changer) n(n int) int { return c.random.IntN(n) }

// reservation makes one that is pending, or paid through a provider.
func (c *changer) reservation() {
	c.Helper()
	ctx, from := context.Background(), 1+c.n(8)
	res, err := c.reservations.CreateReservation(ctx, connect.NewRequest(underPlan(from, from+2+c.n(3))))
	if err != nil {
		if reasonOf(err) != "SOLD_OUT" {
			c.Fatal(err)
		}
		return
	}
	name := res.Msg.GetName()
	c.names = append(c.names, name)
	if c.n(4) == 0 {
		return
	}
	payment := uuid.NewString()
	paid, _ := must[lodgev1.Payment](c)(c.payments.PayReservation(ctx, connect.NewRequest(&lodgev1.PayReservationRequest{Name: name, PaymentId: payment, PaymentMethod: "tok_approve"})))
	c.capture(name, payment, paid.GetAmount().GetUnits()*100)
}

// change is what is asked for, at random: also what cannot be had.
func (c *changer) change() *lodgev1.QuoteModificationRequest {
	r, mask := &lodgev1.Reservation{Name: c.names[c.n(len(c.names))]}, &fieldmaskpb.FieldMask{}
	from := 1 + c.n(9)
	if c.n(2) == 0 {
		r.CheckInDate, r.CheckOutDate = day(from), day(from+c.n(5)) // or no night at all
		mask.Paths = append(mask.Paths, "check_in_date", "check_out_date")
	}
	if c.n(3) == 0 {
		r.Quantity = int32(1 + c.n(3))
		mask.Paths = append(mask.Paths, "quantity")
	}
	if c.n(3) == 0 || len(mask.Paths) == 0 {
		r.Guest = &lodgev1.Guest{GuestId: "ada", Adults: int32(1 + c.n(4))}
		mask.Paths = append(mask.Paths, "guest")
	}
	return &lodgev1.QuoteModificationRequest{Reservation: r, UpdateMask: mask}
}

func (c *changer) step() {
	c.Helper()
	ctx, req := context.Background(), c.change()
	before := c.eventCount()
	quoted, quoteErr := c.reservations.QuoteModification(ctx, connect.NewRequest(req))
	if n := c.eventCount(); n != before {
		c.Fatalf("a quote has led to %d events", n-before)
	}
	c.settle()
	was := c.get(req.GetReservation().GetName(), 0)
	update := connect.NewRequest(&lodgev1.UpdateReservationRequest{Reservation: req.GetReservation(), UpdateMask: req.GetUpdateMask()})
	update.Header().Set(api.HeaderPrefer, "return=minimal")
	changed, err := c.reservations.UpdateReservation(ctx, update)
	switch {
	case err != nil && quoteErr != nil:
		c.failed++
		if reasonOf(err) != reasonOf(quoteErr) || connect.CodeOf(err) != connect.CodeOf(quoteErr) {
			c.Fatalf("refused with %v, quoted %v", err, quoteErr)
		}
	case err != nil:
		c.unavailable++
		c.sameRefusal(quoted.Msg, err)
	case quoteErr != nil || quoted.Msg.GetUnavailable() != "":
		c.Fatalf("quoted %v %v, and it is changed: %v", quoted, quoteErr, changed.Msg)
	default:
		c.made++
		c.sameChange(quoted.Msg, was, changed.Msg)
	}
}

func (c *changer) sameRefusal(quote *lodgev1.ModificationQuote, err error) {
	c.Helper()
	if quote.GetUnavailable() != reasonOf(err) || quote.GetReservation().GetTotal() != nil {
		c.Fatalf("quoted %v, refused with %v", quote, err)
	}
	nights := ""
	for i, night := range quote.GetNights() {
		if i > 0 {
			nights += ","
		}
		nights += fmt.Sprintf("%04d-%02d-%02d", night.GetYear(), night.GetMonth(), night.GetDay())
	}
	if told := detail[*errdetails.ErrorInfo](err).GetMetadata()["nights"]; told != nights || nights == "" {
		c.Fatalf("the quote has %s, the refusal %s", nights, told)
	}
}

func (c *changer) sameChange(quote *lodgev1.ModificationQuote, was, changed *lodgev1.Reservation) {
	c.Helper()
	changed.UpdateTime = nil
	if !proto.Equal(quote.GetReservation(), changed) {
		c.Fatalf("changed\n%v, quoted\n%v", changed, quote.GetReservation())
	}
	c.settle()
	now := c.get(changed.GetName(), 0)
	if !proto.Equal(now.GetTotal(), quote.GetReservation().GetTotal()) || nanosOf(quote.GetDifference()) != nanosOf(now.GetTotal())-nanosOf(was.GetTotal()) ||
		!proto.Equal(quote.GetPreviousTotal(), was.GetTotal()) {
		c.Fatalf("%v, before %v, quoted %v", now, was, quote)
	}
	if now.GetStatus() == lodgev1.ReservationStatus_RESERVATION_STATUS_PENDING {
		if !proto.Equal(quote.GetCharge(), now.GetTotal()) || nanosOf(quote.GetRefund()) != 0 {
			c.Fatalf("a pending one: %v, quoted %v", now, quote)
		}
		return
	}
	if nanosOf(quote.GetCharge()) != nanosOf(now.GetAmounts().GetBalance()) {
		c.Fatalf("to be paid %v, quoted %v", now.GetAmounts(), quote)
	}
	if given := nanosOf(now.GetAmounts().GetRefundPending()) - nanosOf(was.GetAmounts().GetRefundPending()); given != nanosOf(quote.GetRefund()) {
		c.Fatalf("%v given back, quoted %v", given, quote)
	}
	a := now.GetAmounts()
	had := nanosOf(a.GetCaptured()) + nanosOf(a.GetSettledOutside()) + nanosOf(a.GetBalance()) - nanosOf(a.GetRefunded()) - nanosOf(a.GetRefundPending())
	if had != nanosOf(now.GetTotal())+nanosOf(a.GetFee()) {
		c.Fatalf("the house has %v, of a total of %v: %v", had, now.GetTotal(), a)
	}
	if nanosOf(a.GetFee()) > 0 {
		c.kept++
	}
	if nanosOf(quote.GetCharge()) > 0 {
		c.charged++
	}
	if nanosOf(quote.GetRefund()) > 0 {
		c.givenBack++
	}
}

// What is quoted is what happens: the rooms, the price to the last line, what is charged and given back, and the refusal.
func TestQuoteThenModify(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { quoteThenModify(t, seed) })
	}
}

func quoteThenModify(t *testing.T, seed uint64) {
	c := &changer{front: newFront(t, api.Options{}), random: rand.New(rand.NewPCG(seed, 0))}
	c.seed(3)
	rates, strict := c.seedPlan(), seed == 2
	if strict { // a change for less leaves what canceling would have cost
		must[lodgev1.RatePlan](c)(rates.UpdateRatePlan(t.Context(), connect.NewRequest(&lodgev1.UpdateRatePlanRequest{RatePlan: &lodgev1.RatePlan{Name: flexible, Cancellation: &lodgev1.CancellationTerms{
			NeverFree: true, Fee: &lodgev1.CancellationFee{Fee: &lodgev1.CancellationFee_PercentThousandths{PercentThousandths: 100_000}},
		}}})))
	}
	for range 8 {
		c.reservation()
	}
	for range 120 {
		c.step()
	}
	t.Logf("%d made (%d charged, %d given back, %d cost more than their total), %d unavailable, %d refused otherwise", c.made, c.charged, c.givenBack, c.kept, c.unavailable, c.failed)
	if c.made < 10 || c.unavailable == 0 || c.failed == 0 || c.charged == 0 || strict == (c.kept == 0) {
		t.Error("too little has happened to tell")
	}
}

// The rooms of the reservation itself count as free, where a quote for a new stay says that there are none.
func TestQuoteOfOnesOwnRooms(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(1)
	name := f.paid() // the only room, for two nights from day 5 at 100 each
	_, err := f.rates.QuoteStay(t.Context(), connect.NewRequest(&lodgev1.QuoteStayRequest{RoomType: double, CheckInDate: day(5), CheckOutDate: day(8)}))
	expect(t, err, connect.CodeFailedPrecondition, "SOLD_OUT", "")
	longer := &lodgev1.QuoteModificationRequest{Reservation: &lodgev1.Reservation{Name: name, CheckOutDate: day(8)}}
	quote, _ := must[lodgev1.ModificationQuote](t)(f.reservations.QuoteModification(t.Context(), connect.NewRequest(longer)))
	if quote.GetUnavailable() != "" || !proto.Equal(quote.GetDifference(), euros(100)) || !proto.Equal(quote.GetCharge(), euros(100)) || !proto.Equal(quote.GetPreviousTotal(), euros(200)) {
		t.Errorf("%v", quote)
	}
	status, answer := f.fetch("POST", "/v1/"+name+":quoteModification?updateMask=checkOutDate,checkInDate", `{"checkInDate":`+dateJSON(day(6))+`,"checkOutDate":`+dateJSON(day(7))+`}`)
	if refund, _ := answer["refund"].(map[string]any); status != 200 || refund["units"] != "100" {
		t.Errorf("%d %v", status, answer)
	}
	for _, bad := range []struct {
		change *lodgev1.Reservation
		code   connect.Code
		reason string
	}{
		{&lodgev1.Reservation{Name: name}, connect.CodeInvalidArgument, "INVALID_FIELD_MASK"},
		{&lodgev1.Reservation{Name: name, CheckOutDate: day(5)}, connect.CodeInvalidArgument, "INVALID_DATES"},
		{&lodgev1.Reservation{Name: name[:len(name)-12] + "000000000000", CheckOutDate: day(8)}, connect.CodeNotFound, "RESERVATION_NOT_FOUND"},
		{&lodgev1.Reservation{Name: "ritz", CheckOutDate: day(8)}, connect.CodeInvalidArgument, "INVALID_ID"},
	} {
		_, err := f.reservations.QuoteModification(t.Context(), connect.NewRequest(&lodgev1.QuoteModificationRequest{Reservation: bad.change}))
		expect(t, err, bad.code, bad.reason, "")
	}
}
