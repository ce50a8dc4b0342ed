package api_test

import (
	"context"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/dayofweek"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

const flexible = "hotels/ritz/ratePlans/flexible"

// plan is what TestRatePlans creates.
func plan() *lodgev1.RatePlan {
	return &lodgev1.RatePlan{
		DisplayName: "Flexible", IncludedGuests: 1, ExtraGuestCharge: euros(20), MaxAdults: proto.Int32(2), MinStay: 2,
		Cancellation: &lodgev1.CancellationTerms{
			FreeDays: 1, FreeUntilHour: 18, Fee: &lodgev1.CancellationFee{Fee: &lodgev1.CancellationFee_Nights{Nights: 1}},
			NoShowFee: &lodgev1.CancellationFee{Fee: &lodgev1.CancellationFee_Amount{Amount: euros(90)}},
		},
	}
}

// seedPlan makes the plan with 80 EUR a night and 120 on Fridays and Saturdays, and the hotel's taxes.
func (s *stack) seedPlan() lodgev1connect.RateServiceClient {
	s.Helper()
	ctx, rates := context.Background(), lodgev1connect.NewRateServiceClient(s.client, s.server.URL)
	must[lodgev1.RatePlan](s)(rates.CreateRatePlan(ctx, connect.NewRequest(&lodgev1.CreateRatePlanRequest{Parent: "hotels/ritz", RatePlanId: "flexible", RatePlan: plan()})))
	for _, c := range []struct {
		amount int64
		days   []dayofweek.DayOfWeek
	}{{80, nil}, {120, []dayofweek.DayOfWeek{dayofweek.DayOfWeek_FRIDAY, dayofweek.DayOfWeek_SATURDAY}}} {
		must[lodgev1.SetRatesResponse](s)(rates.SetRates(ctx, connect.NewRequest(&lodgev1.SetRatesRequest{
			RatePlan: flexible, RoomType: double, StartDate: day(0), EndDate: day(30), Weekdays: c.days, NightlyRate: euros(c.amount),
		})))
	}
	must[lodgev1.Hotel](s)(s.hotels.UpdateHotel(ctx, connect.NewRequest(&lodgev1.UpdateHotelRequest{Hotel: &lodgev1.Hotel{Name: "hotels/ritz", Taxes: []*lodgev1.Tax{
		{TaxId: "vat", DisplayName: "VAT", Amount: &lodgev1.Tax_PercentThousandths{PercentThousandths: 10_000}, Included: true},
		{TaxId: "city", DisplayName: "City tax", Amount: &lodgev1.Tax_GuestNight{GuestNight: euros(2)}},
	}}})))
	s.settle()
	return rates
}

// underPlan reserves days of July from the second on, for two adults.
func underPlan(from, to int) *lodgev1.CreateReservationRequest {
	req := stay(from, to)
	req.Reservation.RatePlan, req.Reservation.Guest = flexible, &lodgev1.Guest{GuestId: "ada", Adults: 2}
	return req
}

func TestRatePlans(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(2)
	rates, ctx := s.seedPlan(), context.Background()
	read, _ := must[lodgev1.RatePlan](t)(rates.GetRatePlan(ctx, connect.NewRequest(&lodgev1.GetRatePlanRequest{Name: flexible})))
	want := plan()
	want.Name, want.Etag, want.CreateTime, want.UpdateTime = flexible, "1", read.GetCreateTime(), read.GetUpdateTime()
	if !proto.Equal(read, want) || !read.GetCreateTime().IsValid() {
		t.Errorf("read %v, want %v", read, want)
	}
	h, _ := must[lodgev1.Hotel](t)(s.hotels.GetHotel(ctx, connect.NewRequest(&lodgev1.GetHotelRequest{Name: "hotels/ritz"})))
	if len(h.GetTaxes()) != 2 || h.GetTaxes()[0].GetPercentThousandths() != 10_000 || !proto.Equal(h.GetTaxes()[1].GetGuestNight(), euros(2)) {
		t.Errorf("taxes %v", h.GetTaxes())
	}
	listed, _ := must[lodgev1.ListRatesResponse](t)(rates.ListRates(ctx, connect.NewRequest(&lodgev1.ListRatesRequest{Parent: flexible, RoomType: double, StartDate: day(1), EndDate: day(3)})))
	if r := listed.GetRates(); len(r) != 2 || r[0].GetAmount().GetUnits() != 80 || r[1].GetAmount().GetUnits() != 120 {
		t.Errorf("rates %v", r)
	}

	placed, position := s.reserve(underPlan(1, 3)) // Thursday 80 and Friday 120, each with 20 for the second guest
	if placed.GetTotal().GetUnits() != 248 || placed.GetNightlyAmounts()[1].GetUnits() != 140 || placed.GetExtraGuestAmount().GetUnits() != 20 ||
		placed.GetRatePlan() != flexible || !proto.Equal(placed.GetCancellation(), plan().GetCancellation()) {
		t.Errorf("placed %v", placed)
	}
	if c := placed.GetCharges(); len(c) != 2 || !c[0].GetIncluded() || c[0].GetAmount().GetUnits() != 21 || c[0].GetAmount().GetNanos() != 820_000_000 || c[1].GetAmount().GetUnits() != 8 {
		t.Errorf("charges %v", c)
	}
	again, _ := must[lodgev1.Reservation](t)(s.reservations.GetReservation(ctx, connect.NewRequest(&lodgev1.GetReservationRequest{Name: placed.GetName(), MinPosition: position})))
	if !proto.Equal(again, placed) {
		t.Errorf("read %v, placed %v", again, placed)
	}
	tooMany := underPlan(1, 3)
	tooMany.Reservation.Guest.Adults = 3
	_, err := s.reservations.CreateReservation(ctx, connect.NewRequest(tooMany))
	expect(t, err, connect.CodeFailedPrecondition, "OCCUPANCY_EXCEEDED", "")
	_, err = s.reservations.CreateReservation(ctx, connect.NewRequest(underPlan(1, 2)))
	expect(t, err, connect.CodeFailedPrecondition, "RESTRICTED", "")
	_, err = s.reservations.CreateReservation(ctx, connect.NewRequest(underPlan(40, 42)))
	expect(t, err, connect.CodeFailedPrecondition, "NOT_PRICED", "")
}

func TestRatePlansChange(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(2)
	rates, ctx := s.seedPlan(), context.Background()
	_, err := rates.CreateRatePlan(ctx, connect.NewRequest(&lodgev1.CreateRatePlanRequest{Parent: "hotels/ritz", RatePlanId: "flexible", RatePlan: plan()}))
	expect(t, err, connect.CodeAlreadyExists, "RATE_PLAN_EXISTS", "")
	changed, _ := must[lodgev1.RatePlan](t)(rates.UpdateRatePlan(ctx, connect.NewRequest(&lodgev1.UpdateRatePlanRequest{
		RatePlan: &lodgev1.RatePlan{Name: flexible, Etag: "1", DisplayName: "Freer"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"display_name", "cancellation", "max_adults"}},
	})))
	if changed.GetDisplayName() != "Freer" || changed.Cancellation != nil || changed.MaxAdults != nil || changed.GetIncludedGuests() != 1 || changed.GetEtag() != "2" {
		t.Errorf("changed %v", changed)
	}
	_, err = rates.UpdateRatePlan(ctx, connect.NewRequest(&lodgev1.UpdateRatePlanRequest{RatePlan: &lodgev1.RatePlan{Name: flexible, Etag: "1", DisplayName: "x"}}))
	expect(t, err, connect.CodeAborted, "ETAG_MISMATCH", "")
	must[lodgev1.RatePlan](t)(rates.ArchiveRatePlan(ctx, connect.NewRequest(&lodgev1.ArchiveRatePlanRequest{Name: flexible})))
	_, err = s.reservations.CreateReservation(ctx, connect.NewRequest(underPlan(1, 3)))
	expect(t, err, connect.CodeFailedPrecondition, "RATE_PLAN_ARCHIVED", "")
	s.settle()
	for archived, n := range map[bool]int{false: 0, true: 1} {
		list, _ := must[lodgev1.ListRatePlansResponse](t)(rates.ListRatePlans(ctx, connect.NewRequest(&lodgev1.ListRatePlansRequest{Parent: "hotels/ritz", ShowArchived: archived})))
		if len(list.GetRatePlans()) != n {
			t.Errorf("archived %v: %v", archived, list)
		}
	}
	_, err = rates.GetRatePlan(ctx, connect.NewRequest(&lodgev1.GetRatePlanRequest{Name: "hotels/ritz/ratePlans/none"}))
	expect(t, err, connect.CodeNotFound, "RATE_PLAN_NOT_FOUND", "")
	if status, answer := s.fetch("POST", "/v1/hotels/ritz/ratePlans?ratePlanId=saver", `{"displayName":"Saver","cancellation":{"neverFree":true}}`); status != 200 || answer["name"] != "hotels/ritz/ratePlans/saver" {
		t.Errorf("%d %v", status, answer)
	}
}
