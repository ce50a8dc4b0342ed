package api_test

import (
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

func (s *stack) proofs() lodgev1connect.ProofServiceClient {
	return lodgev1connect.NewProofServiceClient(s.client, s.server.URL)
}

// last reads a proof to its end: the report, or the error instead.
func last(t *testing.T, stream *connect.ServerStreamForClient[lodgev1.VerifyNoOversellResponse], err error) (*lodgev1.VerifyNoOversellResponse, error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var m *lodgev1.VerifyNoOversellResponse
	for stream.Receive() {
		m = stream.Msg()
	}
	err = stream.Err()
	if closed := stream.Close(); closed != nil {
		t.Error(closed)
	}
	return m, err
}

func (s *stack) verify(t *testing.T, full bool) *lodgev1.ProofReport {
	t.Helper()
	stream, err := s.proofs().VerifyNoOversell(t.Context(), connect.NewRequest(&lodgev1.VerifyNoOversellRequest{Full: full}))
	m, err := last(t, stream, err)
	if err != nil || m.GetReport() == nil || m.GetRecordsRead() != m.GetRecordsTotal() {
		t.Fatalf("%v %v", m, err)
	}
	return m.GetReport()
}

func TestProofGoesOnAndCanBeChecked(t *testing.T) {
	s := newStack(t, api.Options{ProofDir: t.TempDir()})
	s.book(3, 2)
	first := s.verify(t, false)
	if !first.GetPassed() || first.GetEventReadCount() != first.GetEventCount() || first.GetCounts().GetPlaced() == 0 || len(first.GetHotels()) != 3 ||
		first.GetHotels()[0].GetFullest().GetSoldCount() == 0 || len(first.GetWorstNights()) == 0 {
		t.Errorf("%v", first)
	}
	again := s.verify(t, false)
	if again.GetCertificate() != first.GetCertificate() || again.GetEventReadCount() >= first.GetEventReadCount() {
		t.Errorf("%d events read again of %d", again.GetEventReadCount(), first.GetEventReadCount())
	}
	if full := s.verify(t, true); full.GetCertificate() != first.GetCertificate() || full.GetEventReadCount() != full.GetEventCount() {
		t.Errorf("%d events read of %d", full.GetEventReadCount(), full.GetEventCount())
	}
	check := func(document string) (*lodgev1.VerifyNoOversellResponse, error) {
		stream, err := s.proofs().CheckCertificate(t.Context(), connect.NewRequest(&lodgev1.CheckCertificateRequest{Certificate: document}))
		return last(t, stream, err)
	}
	if m, err := check(first.GetCertificate()); err != nil || !m.GetReport().GetPassed() || len(m.GetReport().GetDifferences()) != 0 {
		t.Errorf("%v %v", m, err)
	}
	_, err := check(strings.Replace(first.GetCertificate(), `"passed": true`, `"passed": false`, 1))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "certificate")
	_, err = check("{}")
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "certificate")
}

func TestSimulation(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(1)
	s.settle()
	ask := func(change func(*lodgev1.SimulateOverbookingRequest)) (*lodgev1.SimulateOverbookingResponse, error) {
		req := &lodgev1.SimulateOverbookingRequest{Name: "hotels/ritz"}
		change(req)
		res, err := s.proofs().SimulateOverbooking(t.Context(), connect.NewRequest(req))
		if err != nil {
			return nil, err
		}
		return res.Msg, nil
	}
	m, err := ask(func(r *lodgev1.SimulateOverbookingRequest) {
		r.Overbooking = &lodgev1.SimulateOverbookingRequest_OverbookingPercent{OverbookingPercent: 10}
		r.WalkCost, r.Period = &money.Money{CurrencyCode: "EUR", Units: 9}, lodgev1.SimulationPeriod_SIMULATION_PERIOD_WEEK
	})
	if err != nil || m.GetDivergenceCount() != 0 || m.GetBaseline().GetTotal().GetRequestCount() != 0 || m.GetEventCount() == 0 {
		t.Errorf("%v %v", m, err)
	}
	status, answer := s.fetch("POST", "/v1/hotels/ritz:simulateOverbooking", `{"overbookingLimit": 2, "period": "SIMULATION_PERIOD_DAY"}`)
	if status != 200 || answer["scenario"] == nil {
		t.Errorf("over REST: %d %v", status, answer)
	}
	for name, c := range map[string]struct {
		change func(*lodgev1.SimulateOverbookingRequest)
		code   connect.Code
		reason string
		field  string
	}{
		"no hotel":       {func(r *lodgev1.SimulateOverbookingRequest) { r.Name = "hotels/grand" }, connect.CodeNotFound, "HOTEL_NOT_FOUND", ""},
		"no name":        {func(r *lodgev1.SimulateOverbookingRequest) { r.Name = "grand" }, connect.CodeInvalidArgument, "INVALID_ID", "name"},
		"another's type": {func(r *lodgev1.SimulateOverbookingRequest) { r.RoomType = "hotels/grand/roomTypes/double" }, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "room_type"},
		"no such type": {func(r *lodgev1.SimulateOverbookingRequest) {
			r.RoomType = "hotels/ritz/roomTypes/tent"
			r.Overbooking = &lodgev1.SimulateOverbookingRequest_OverbookingLimit{}
		}, connect.CodeNotFound, "ROOM_TYPE_NOT_FOUND", ""},
		"below nothing": {func(r *lodgev1.SimulateOverbookingRequest) {
			r.Overbooking = &lodgev1.SimulateOverbookingRequest_OverbookingLimit{OverbookingLimit: -1}
		}, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "overbooking_limit"},
		"other money": {func(r *lodgev1.SimulateOverbookingRequest) { r.WalkCost = &money.Money{CurrencyCode: "USD", Units: 9} }, connect.CodeInvalidArgument, "CURRENCY_MISMATCH", "walk_cost"},
		"no day":      {func(r *lodgev1.SimulateOverbookingRequest) { r.StartDate = &date.Date{Year: 2026, Month: 2, Day: 30} }, connect.CodeInvalidArgument, "INVALID_DATES", "start_date"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask(c.change)
			expect(t, err, c.code, c.reason, c.field)
		})
	}
}
