package api_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// TestBadReservations: every kind of bad input gets its own precise error and changes nothing.
func TestBadReservations(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(3)
	local := s.local()
	before := s.eventCount()
	for _, c := range []struct {
		name   string
		change func(*lodgev1.CreateReservationRequest)
		code   connect.Code
		reason string
		field  string
	}{
		{"no parent", func(r *lodgev1.CreateReservationRequest) { r.Parent = "" }, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "parent"},
		{"no reservation", func(r *lodgev1.CreateReservationRequest) { r.Reservation = nil }, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "reservation"},
		{"no dates", func(r *lodgev1.CreateReservationRequest) { r.Reservation.CheckInDate = nil }, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "reservation.check_in_date"},
		{"malformed parent", func(r *lodgev1.CreateReservationRequest) { r.Parent = "ritz" }, connect.CodeInvalidArgument, "INVALID_ID", "parent"},
		{"malformed hotel id", func(r *lodgev1.CreateReservationRequest) { r.Parent = "hotels/Ritz!" }, connect.CodeInvalidArgument, "INVALID_ID", "parent"},
		{"huge hotel id", func(r *lodgev1.CreateReservationRequest) { r.Parent = "hotels/" + strings.Repeat("a", 5000) }, connect.CodeInvalidArgument, "INVALID_ID", "parent"},
		{"malformed room type", func(r *lodgev1.CreateReservationRequest) { r.Reservation.RoomType = "hotels/ritz/rooms/1" }, connect.CodeInvalidArgument, "INVALID_ID", "reservation.room_type"},
		{"room type of another hotel", func(r *lodgev1.CreateReservationRequest) { r.Reservation.RoomType = "hotels/other/roomTypes/double" }, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "reservation.room_type"},
		{"malformed reservation id", func(r *lodgev1.CreateReservationRequest) { r.ReservationId = "1234" }, connect.CodeInvalidArgument, "INVALID_ID", "reservation_id"},
		{"malformed request id", func(r *lodgev1.CreateReservationRequest) { r.RequestId = "again" }, connect.CodeInvalidArgument, "INVALID_ID", "request_id"},
		{"zero request id", func(r *lodgev1.CreateReservationRequest) { r.RequestId = uuid.Nil.String() }, connect.CodeInvalidArgument, "INVALID_ID", "request_id"},
		{"unknown hotel", func(r *lodgev1.CreateReservationRequest) {
			r.Parent, r.Reservation.RoomType = "hotels/nowhere", "hotels/nowhere/roomTypes/double"
		}, connect.CodeNotFound, "HOTEL_NOT_FOUND", ""},
		{"unknown room type", func(r *lodgev1.CreateReservationRequest) { r.Reservation.RoomType = "hotels/ritz/roomTypes/suite" }, connect.CodeNotFound, "ROOM_TYPE_NOT_FOUND", ""},
		{"zero quantity", func(r *lodgev1.CreateReservationRequest) { r.Reservation.Quantity = 0 }, connect.CodeInvalidArgument, "INVALID_QUANTITY", "reservation.quantity"},
		{"negative quantity", func(r *lodgev1.CreateReservationRequest) { r.Reservation.Quantity = -1 }, connect.CodeInvalidArgument, "INVALID_QUANTITY", "reservation.quantity"},
		{"huge quantity", func(r *lodgev1.CreateReservationRequest) { r.Reservation.Quantity = 1 << 30 }, connect.CodeInvalidArgument, "INVALID_QUANTITY", "reservation.quantity"},
		{"check-out on check-in", func(r *lodgev1.CreateReservationRequest) { r.Reservation.CheckOutDate = day(1) }, connect.CodeInvalidArgument, "INVALID_DATES", "reservation.check_out_date"},
		{"check-out before check-in", func(r *lodgev1.CreateReservationRequest) { r.Reservation.CheckOutDate = day(0) }, connect.CodeInvalidArgument, "INVALID_DATES", "reservation.check_out_date"},
		{"no such day", func(r *lodgev1.CreateReservationRequest) {
			r.Reservation.CheckInDate = &date.Date{Year: 2026, Month: 2, Day: 30}
		}, connect.CodeInvalidArgument, "INVALID_DATES", "reservation.check_in_date"},
		{"a month, no day", func(r *lodgev1.CreateReservationRequest) {
			r.Reservation.CheckInDate = &date.Date{Year: 2026, Month: 8}
		}, connect.CodeInvalidArgument, "INVALID_DATES", "reservation.check_in_date"},
		{"year beyond int32 days", func(r *lodgev1.CreateReservationRequest) {
			r.Reservation.CheckInDate = &date.Date{Year: 1 << 30, Month: 8, Day: 1}
		}, connect.CodeInvalidArgument, "INVALID_DATES", "reservation.check_in_date"},
		{"stay over the limit", func(r *lodgev1.CreateReservationRequest) { r.Reservation.CheckOutDate = day(92) }, connect.CodeInvalidArgument, "STAY_TOO_LONG", "reservation.check_out_date"},
		{"past dates", func(r *lodgev1.CreateReservationRequest) {
			r.Reservation.CheckInDate, r.Reservation.CheckOutDate = day(-2), day(2)
		}, connect.CodeInvalidArgument, "PAST_DATE", "reservation.check_in_date"},
		{"too far ahead", func(r *lodgev1.CreateReservationRequest) {
			r.Reservation.CheckInDate, r.Reservation.CheckOutDate = day(2000), day(2001)
		}, connect.CodeInvalidArgument, "TOO_FAR_AHEAD", "reservation.check_out_date"},
		{"negative guests", func(r *lodgev1.CreateReservationRequest) { r.Reservation.Guest.Adults = -1 }, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "reservation.guest.adults"},
		{"name beyond its limit", func(r *lodgev1.CreateReservationRequest) {
			r.Reservation.Guest.DisplayName = strings.Repeat("x", 10_000)
		}, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "reservation.guest.display_name"},
		{"negative rate", func(r *lodgev1.CreateReservationRequest) { r.NightlyRateOverride = euros(-1) }, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "nightly_rate_override"},
		{"fraction of a cent", func(r *lodgev1.CreateReservationRequest) {
			r.NightlyRateOverride = &money.Money{CurrencyCode: "EUR", Nanos: 1}
		}, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "nightly_rate_override.nanos"},
		{"other currency", func(r *lodgev1.CreateReservationRequest) {
			r.NightlyRateOverride = &money.Money{CurrencyCode: "USD", Units: 1}
		}, connect.CodeInvalidArgument, "CURRENCY_MISMATCH", "nightly_rate_override.currency_code"},
		{"no currency", func(r *lodgev1.CreateReservationRequest) { r.NightlyRateOverride = &money.Money{Units: 1} }, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "nightly_rate_override.currency_code"},
		{"beyond all money", func(r *lodgev1.CreateReservationRequest) { r.NightlyRateOverride = euros(1 << 62) }, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "nightly_rate_override"},
		{"oversized message", func(r *lodgev1.CreateReservationRequest) { r.Reservation.Channel = strings.Repeat("x", 2<<20) }, connect.CodeResourceExhausted, "REQUEST_TOO_LARGE", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := stay(1, 2)
			c.change(req)
			client := s.reservations
			if req.NightlyRateOverride != nil {
				client = local // the port says no before it looks at the rate
			}
			_, err := client.CreateReservation(context.Background(), connect.NewRequest(req))
			expect(t, err, c.code, c.reason, c.field)
		})
	}
	if after := s.eventCount(); after != before {
		t.Errorf("bad input made %d events", after-before)
	}
}

// expect checks an error's code, reason and, when it names one, the field at fault.
func expect(t *testing.T, err error, code connect.Code, reason, field string) {
	t.Helper()
	if connect.CodeOf(err) != code || reasonOf(err) != reason {
		t.Fatalf("got %v with reason %q, want %s %q", err, reasonOf(err), code, reason)
	}
	if field == "" {
		return
	}
	violations := detail[*errdetails.BadRequest](err).GetFieldViolations()
	if len(violations) == 0 || violations[0].GetField() != field || violations[0].GetDescription() == "" {
		t.Errorf("field violations %v, want %s", violations, field)
	}
}

// TestBadEmails: whatever brings a guest's e-mail address takes what an account could have, or none, and nothing else; by the short way of CreateReservation too.
func TestBadEmails(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(50)
	placed, _ := f.reserve(stay(1, 2))
	before, ctx := f.eventCount(), t.Context()
	with := func(email string) *lodgev1.CreateReservationRequest {
		req := stay(1, 2)
		req.Reservation.Guest = &lodgev1.Guest{DisplayName: "Ada", Email: email, Adults: 1}
		return req
	}
	calls := []struct {
		name, field string
		do          func(email string) error
	}{
		{"create", "reservation.guest.email", func(email string) error {
			_, err := f.reservations.CreateReservation(ctx, connect.NewRequest(with(email)))
			return err
		}},
		{"create over gRPC-Web", "reservation.guest.email", func(email string) error {
			client := lodgev1connect.NewReservationServiceClient(f.client, f.server.URL, connect.WithGRPCWeb())
			_, err := client.CreateReservation(ctx, connect.NewRequest(with(email)))
			return err
		}},
		{"create in JSON", "reservation.guest.email", func(email string) error {
			client := lodgev1connect.NewReservationServiceClient(f.client, f.server.URL, connect.WithProtoJSON())
			_, err := client.CreateReservation(ctx, connect.NewRequest(with(email)))
			return err
		}},
		{"batch", "requests[1].reservation.guest.email", func(email string) error {
			requests := []*lodgev1.CreateReservationRequest{with("ada@example.com"), with(email)}
			requests[0].RequestId, requests[1].RequestId = "", ""
			_, err := f.reservations.BatchCreateReservations(ctx, connect.NewRequest(&lodgev1.BatchCreateReservationsRequest{Parent: "hotels/ritz", Requests: requests}))
			return err
		}},
		{"quote of a change", "reservation.guest.email", func(email string) error {
			_, err := f.reservations.QuoteModification(ctx, connect.NewRequest(&lodgev1.QuoteModificationRequest{
				Reservation: &lodgev1.Reservation{Name: placed.GetName(), Guest: with(email).GetReservation().GetGuest()},
			}))
			return err
		}},
		{"update", "reservation.guest.email", func(email string) error {
			_, err := f.reservations.UpdateReservation(ctx, connect.NewRequest(&lodgev1.UpdateReservationRequest{
				Reservation: &lodgev1.Reservation{Name: placed.GetName(), Guest: with(email).GetReservation().GetGuest()},
			}))
			return err
		}},
		{"waiting list", "entry.guest.email", func(email string) error {
			_, err := f.waiting.JoinWaitingList(ctx, connect.NewRequest(&lodgev1.JoinWaitingListRequest{Parent: "hotels/ritz", Entry: &lodgev1.WaitingListEntry{
				RoomType: "hotels/ritz/roomTypes/double", Quantity: 1, CheckInDate: day(1), CheckOutDate: day(2), Guest: with(email).GetReservation().GetGuest(),
			}}))
			return err
		}},
	}
	for _, c := range calls {
		for _, email := range []string{"not an email", "ada", "@example.com", "ada@", "a..b@example.com", "Ada <ada@example.com>", strings.Repeat("a", 250) + "@b.cd", " "} {
			t.Run(c.name+" "+email, func(t *testing.T) { expect(t, c.do(email), invalid, "INVALID_ARGUMENT", c.field) })
		}
	}
	if n := f.eventCount() - before; n != 0 {
		t.Errorf("bad addresses made %d events", n)
	}
	for _, c := range calls {
		for _, email := range []string{"", "Ada.O'Hara+x@example.com", "é@example.com"} {
			if err := c.do(email); err != nil && reasonOf(err) == "INVALID_ARGUMENT" {
				t.Errorf("%s %q: %v", c.name, email, err)
			}
		}
	}
}

// TestBadChanges: the same for hotels, room types and inventory.
func TestBadChanges(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(3)
	before := s.eventCount()
	ctx := context.Background()
	hotel := func(change func(*lodgev1.CreateHotelRequest)) error {
		req := &lodgev1.CreateHotelRequest{HotelId: "new", Hotel: &lodgev1.Hotel{DisplayName: "New", TimeZone: "Europe/Paris", CurrencyCode: "EUR"}}
		change(req)
		_, err := s.hotels.CreateHotel(ctx, connect.NewRequest(req))
		return err
	}
	update := func(change func(*lodgev1.UpdateHotelRequest)) error {
		req := &lodgev1.UpdateHotelRequest{Hotel: &lodgev1.Hotel{Name: "hotels/ritz", DisplayName: "Ritz"}}
		change(req)
		_, err := s.hotels.UpdateHotel(ctx, connect.NewRequest(req))
		return err
	}
	inventory := func(change func(*lodgev1.SetInventoryRequest)) error {
		n := int32(1)
		req := &lodgev1.SetInventoryRequest{RoomType: "hotels/ritz/roomTypes/double", StartDate: day(1), EndDate: day(2), PhysicalCount: &n}
		change(req)
		_, err := s.inventory.SetInventory(ctx, connect.NewRequest(req))
		return err
	}
	minus, huge := int32(-1), int32(1<<30)
	for _, c := range []struct {
		name   string
		err    error
		code   connect.Code
		reason string
		field  string
	}{
		{"hotel exists", hotel(func(r *lodgev1.CreateHotelRequest) { r.HotelId = "ritz" }), connect.CodeAlreadyExists, "HOTEL_EXISTS", ""},
		{"hotel id", hotel(func(r *lodgev1.CreateHotelRequest) { r.HotelId = "-" }), connect.CodeInvalidArgument, "INVALID_ID", "hotel_id"},
		{"time zone", hotel(func(r *lodgev1.CreateHotelRequest) { r.Hotel.TimeZone = "Mars/Olympus" }), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "hotel.time_zone"},
		{"currency", hotel(func(r *lodgev1.CreateHotelRequest) { r.Hotel.CurrencyCode = "euro" }), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "hotel.currency_code"},
		{"currency of no country", hotel(func(r *lodgev1.CreateHotelRequest) { r.Hotel.CurrencyCode = "XQQ" }), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "hotel.currency_code"},
		{"name", hotel(func(r *lodgev1.CreateHotelRequest) { r.Hotel.DisplayName = "" }), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "hotel.display_name"},
		{"latitude", hotel(func(r *lodgev1.CreateHotelRequest) { r.Hotel.Address = &lodgev1.Address{Latitude: 91} }), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "hotel.address.latitude"},
		{"hold of no time", hotel(func(r *lodgev1.CreateHotelRequest) { r.Hotel.HoldDuration = durationpb.New(0) }), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "hotel.hold_duration"},
		{"hold before it begins", hotel(func(r *lodgev1.CreateHotelRequest) { r.Hotel.HoldDuration = durationpb.New(-5 * time.Second) }), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "hotel.hold_duration"},
		{"hold changed to no time", update(func(r *lodgev1.UpdateHotelRequest) { r.Hotel.HoldDuration = durationpb.New(0) }), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "hotel.hold_duration"},
		{"stale etag", update(func(r *lodgev1.UpdateHotelRequest) { r.Hotel.Etag = "7" }), connect.CodeAborted, "ETAG_MISMATCH", ""},
		{"foreign etag", update(func(r *lodgev1.UpdateHotelRequest) { r.Hotel.Etag = "W/x" }), connect.CodeAborted, "ETAG_MISMATCH", ""},
		{"mask of nothing that is", update(func(r *lodgev1.UpdateHotelRequest) {
			r.UpdateMask = &fieldmaskpb.FieldMask{Paths: []string{"stars"}}
		}), connect.CodeInvalidArgument, "INVALID_FIELD_MASK", "update_mask"},
		{"mask of what cannot change", update(func(r *lodgev1.UpdateHotelRequest) {
			r.UpdateMask = &fieldmaskpb.FieldMask{Paths: []string{"currency_code"}}
		}), connect.CodeInvalidArgument, "INVALID_FIELD_MASK", "update_mask"},
		{"nothing to change", update(func(r *lodgev1.UpdateHotelRequest) { r.Hotel.DisplayName = "" }), connect.CodeInvalidArgument, "INVALID_FIELD_MASK", "update_mask"},
		{"negative count", inventory(func(r *lodgev1.SetInventoryRequest) { r.PhysicalCount = &minus }), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "physical_count"},
		{"huge count", inventory(func(r *lodgev1.SetInventoryRequest) { r.PhysicalCount = &huge }), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "physical_count"},
		{"nothing to set", inventory(func(r *lodgev1.SetInventoryRequest) { r.PhysicalCount = nil }), connect.CodeInvalidArgument, "INVALID_ARGUMENT", ""},
		{"end before start", inventory(func(r *lodgev1.SetInventoryRequest) { r.EndDate = day(0) }), connect.CodeInvalidArgument, "INVALID_DATES", "end_date"},
		{"in the past", inventory(func(r *lodgev1.SetInventoryRequest) { r.StartDate = day(-3) }), connect.CodeInvalidArgument, "PAST_DATE", "start_date"},
		{"rate in another currency", inventory(func(r *lodgev1.SetInventoryRequest) {
			r.NightlyRate = &money.Money{CurrencyCode: "USD", Units: 1}
		}), connect.CodeInvalidArgument, "CURRENCY_MISMATCH", "nightly_rate.currency_code"},
		{"rate in a currency of no country", inventory(func(r *lodgev1.SetInventoryRequest) {
			r.NightlyRate = &money.Money{CurrencyCode: "XQQ", Units: 1}
		}), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "nightly_rate.currency_code"},
		{"rate in no currency", inventory(func(r *lodgev1.SetInventoryRequest) {
			r.NightlyRate = &money.Money{CurrencyCode: "EURO", Units: 1}
		}), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "nightly_rate.currency_code"},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, c.err, c.code, c.reason, c.field) })
	}
	if after := s.eventCount(); after != before {
		t.Errorf("bad input made %d events", after-before)
	}
}

// TestBadBodies: what is no message at all is answered as such.
func TestBadBodies(t *testing.T) {
	s := newStack(t, api.Options{})
	for _, c := range []struct {
		name, body string
		status     int
		contains   string
	}{
		{"not JSON", `{"parent":`, http.StatusBadRequest, "invalid_argument"},
		{"a field that is not known", `{"color":"red"}`, http.StatusBadRequest, `unknown field \"color\"`},
		{"a misspelled field", `{"parent":"hotels/ritz","reservation":{"rateplan":"x"}}`, http.StatusBadRequest, `unknown field \"rateplan\"`},
		{"nothing that is needed", `{"reservationId":""}`, http.StatusBadRequest, "value is required"},
		{"wrong type", `{"parent":7}`, http.StatusBadRequest, "parent"},
		{"empty", ``, http.StatusBadRequest, "invalid_argument"},
		{"too long", `{"parent":"` + strings.Repeat("x", 2<<20) + `"}`, http.StatusTooManyRequests, "resource_exhausted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, err := s.client.Post(s.server.URL+"/lodge.v1.ReservationService/CreateReservation", "application/json", strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != c.status || !strings.Contains(string(body), c.contains) {
				t.Errorf("%d %s", res.StatusCode, body)
			}
		})
	}
	if n := s.eventCount(); n != 0 {
		t.Errorf("bad input made %d events", n)
	}
}

// TestBadQueries: the same for what only reads.
func TestBadQueries(t *testing.T) {
	s := newStack(t, api.Options{})
	position := s.seed(3)
	ctx := context.Background()
	get := func(name, position string) error {
		_, err := s.reservations.GetReservation(ctx, connect.NewRequest(&lodgev1.GetReservationRequest{Name: name, MinPosition: position}))
		return err
	}
	list := func(req *lodgev1.ListReservationsRequest) error {
		_, err := s.reservations.ListReservations(ctx, connect.NewRequest(req))
		return err
	}
	nights := func(from, to int) error {
		_, err := s.availability.GetAvailability(ctx, connect.NewRequest(&lodgev1.GetAvailabilityRequest{
			Hotel: "hotels/ritz", StartDate: day(from), EndDate: day(to), MinPosition: position,
		}))
		return err
	}
	read := func(req *lodgev1.ReadEventsRequest) error {
		_, err := s.events.ReadEvents(ctx, connect.NewRequest(req))
		return err
	}
	id := uuid.NewString()
	for _, c := range []struct {
		name   string
		err    error
		code   connect.Code
		reason string
		field  string
	}{
		{"unknown reservation", get("hotels/ritz/reservations/"+id, ""), connect.CodeNotFound, "RESERVATION_NOT_FOUND", ""},
		{"malformed reservation", get("hotels/ritz/reservations/7", ""), connect.CodeInvalidArgument, "INVALID_ID", "name"},
		{"malformed position", get("hotels/ritz/reservations/"+id, "bookings"), connect.CodeInvalidArgument, "INVALID_POSITION", "min_position"},
		{"position beyond the log", get("hotels/ritz/reservations/"+id, "bookings/0@99"), connect.CodeInvalidArgument, "INVALID_POSITION", "min_position"},
		{"position in no partition", get("hotels/ritz/reservations/"+id, "bookings/99@0"), connect.CodeInvalidArgument, "INVALID_POSITION", "min_position"},
		{"all hotels without a guest", list(&lodgev1.ListReservationsRequest{Parent: "hotels/-"}), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "guest_id"},
		{"negative page size", list(&lodgev1.ListReservationsRequest{Parent: "hotels/ritz", PageSize: -1}), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "page_size"},
		{"made-up page token", list(&lodgev1.ListReservationsRequest{Parent: "hotels/ritz", PageToken: "AAAA"}), connect.CodeInvalidArgument, "INVALID_PAGE_TOKEN", "page_token"},
		{"unknown hotel", list(&lodgev1.ListReservationsRequest{Parent: "hotels/nowhere", MinPosition: position}), connect.CodeNotFound, "HOTEL_NOT_FOUND", ""},
		{"empty range", nights(3, 3), connect.CodeInvalidArgument, "INVALID_DATES", "end_date"},
		{"endless range", nights(0, 10_000), connect.CodeInvalidArgument, "INVALID_DATES", "end_date"},
		{"unknown topic", read(&lodgev1.ReadEventsRequest{Topic: "gossip"}), connect.CodeNotFound, "TOPIC_NOT_FOUND", ""},
		{"unknown type", read(&lodgev1.ReadEventsRequest{Topic: "bookings", Types: []string{"lodge.nothing.v1"}}), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "types[0]"},
		{"unknown partition", read(&lodgev1.ReadEventsRequest{Topic: "bookings", Partitions: []int32{99}}), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "partitions[0]"},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, c.err, c.code, c.reason, c.field) })
	}
}
