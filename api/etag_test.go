package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain/hotel"
)

// etagChange is a change of a reservation that names an etag.
type etagChange struct {
	name string
	make func(f *front, reservation, etag, requestID string) error
}

// etagChanges are all that name one, in an order in which one reservation can take them. It is paid for by the platform before the third one.
func etagChanges(t *testing.T) []etagChange {
	ctx := t.Context()
	return []etagChange{
		{"update", func(f *front, name, etag, id string) error {
			_, err := f.reservations.UpdateReservation(ctx, connect.NewRequest(&lodgev1.UpdateReservationRequest{
				Reservation: &lodgev1.Reservation{Name: name, Etag: etag, CheckOutDate: day(3)}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"check_out_date"}}, RequestId: id,
			}))
			return err
		}},
		{"pay", func(f *front, name, etag, id string) error {
			_, err := f.payments.PayReservation(ctx, connect.NewRequest(&lodgev1.PayReservationRequest{Name: name, Etag: etag, RequestId: id, PaymentMethod: "tok_approve", PaymentId: etagPayment}))
			return err
		}},
		{"refund", func(f *front, name, etag, id string) error {
			_, err := f.payments.RefundReservation(ctx, connect.NewRequest(&lodgev1.RefundReservationRequest{Name: name, Etag: etag, RequestId: id, Amount: euros(1)}))
			return err
		}},
		{"check in", func(f *front, name, etag, id string) error {
			_, err := f.stays.CheckInReservation(ctx, connect.NewRequest(&lodgev1.CheckInReservationRequest{Name: name, Etag: etag, RequestId: id}))
			return err
		}},
		{"move", func(f *front, name, etag, id string) error {
			_, err := f.stays.MoveGuest(ctx, connect.NewRequest(&lodgev1.MoveGuestRequest{Name: name, Etag: etag, RequestId: id}))
			return err
		}},
		{"check out", func(f *front, name, etag, id string) error {
			_, err := f.stays.CheckOutReservation(ctx, connect.NewRequest(&lodgev1.CheckOutReservationRequest{Name: name, Etag: etag, RequestId: id}))
			return err
		}},
	}
}

// etagEnds are those that end a reservation, or confirm it.
func etagEnds(t *testing.T) []etagChange {
	ctx := t.Context()
	return []etagChange{
		{"confirm", func(f *front, name, etag, id string) error {
			_, err := f.reservations.ConfirmReservation(ctx, connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: name, Etag: etag, RequestId: id}))
			return err
		}},
		{"cancel", func(f *front, name, etag, id string) error {
			_, err := f.reservations.CancelReservation(ctx, connect.NewRequest(&lodgev1.CancelReservationRequest{Name: name, Etag: etag, RequestId: id}))
			return err
		}},
		{"miss", func(f *front, name, etag, id string) error {
			_, err := f.reservations.MarkNoShow(ctx, connect.NewRequest(&lodgev1.MarkNoShowRequest{Name: name, Etag: etag, RequestId: id}))
			return err
		}},
		{"walk", func(f *front, name, etag, id string) error {
			_, err := f.stays.WalkReservation(ctx, connect.NewRequest(&lodgev1.WalkReservationRequest{Name: name, Etag: etag, RequestId: id}))
			return err
		}},
	}
}

const etagPayment = "0190a1b2-0000-7000-8000-00000000000e"

// only makes a change with etags that are not the reservation's, each of which is refused and changes nothing, with the one that is, and once more as a retry.
func (c *etagChange) only(f *front, name, other string) {
	f.Helper()
	before, events := f.get(name, 0).GetEtag(), f.eventCount()
	number, sum, _ := strings.Cut(before, "-")
	for _, etag := range []string{other, "1", number, "0-" + sum, "-" + sum, before + "0", "99-" + sum, `W/"` + before + `"`, strings.Repeat("x", 2000)} {
		if err := c.make(f, name, etag, uuid.NewString()); connect.CodeOf(err) != connect.CodeAborted || reasonOf(err) != "ETAG_MISMATCH" {
			f.Errorf("%s with etag %.40q of one at %q: %v", c.name, etag, before, err)
		}
	}
	if n := f.eventCount(); n != events {
		f.Errorf("%s: refusals led to %d events", c.name, n-events)
	}
	request := uuid.NewString()
	for _, when := range []string{"first", "again"} {
		if err := c.make(f, name, before, request); err != nil {
			f.Fatalf("%s with its etag %q, %s: %v", c.name, before, when, err)
		}
	}
	if n := f.eventCount(); n != events+1 {
		f.Errorf("%s, and again: %d events", c.name, n-events)
	}
	for _, etag := range []string{"", "99-" + sum} {
		if err := c.make(f, name, etag, request); reasonOf(err) != "IDEMPOTENCY_KEY_REUSED" && (etag == "" || reasonOf(err) != "ETAG_MISMATCH") {
			f.Errorf("%s with etag %q under the request id of another: %v", c.name, etag, err)
		}
	}
	f.settle()
	if after := f.get(name, 0).GetEtag(); (after == before) != (c.name == "pay") {
		f.Errorf("%s: the etag was %q and is %q", c.name, before, after)
	}
}

// TestEtagsOfReservations: whoever names an etag changes what they have seen, or nothing; a retry gets its first answer although the etag is stale by then.
func TestEtagsOfReservations(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(9)
	for _, room := range []string{"101", "102"} {
		must[lodgev1.Room](t)(f.rooms.CreateRoom(t.Context(), connect.NewRequest(&lodgev1.CreateRoomRequest{
			Parent: "hotels/ritz", RoomId: room, Room: &lodgev1.Room{RoomType: "hotels/ritz/roomTypes/double", DisplayName: room},
		})))
	}
	another, _ := f.reserve(stay(0, 2))
	placed, _ := f.reserve(stay(0, 2))
	f.settle()
	for _, c := range etagChanges(t) {
		c.only(f, placed.GetName(), another.GetEtag())
		if c.name == "pay" {
			f.capture(placed.GetName(), etagPayment, 30_000)
			f.settle()
		}
	}
	for _, c := range etagEnds(t) {
		r, _ := f.reserve(stay(0, 2))
		if c.name == "walk" {
			must[lodgev1.Reservation](t)(f.reservations.ConfirmReservation(t.Context(), connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: r.GetName()})))
		}
		f.settle()
		c.only(f, r.GetName(), another.GetEtag())
	}
	_, err := f.reservations.QuoteModification(t.Context(), connect.NewRequest(&lodgev1.QuoteModificationRequest{
		Reservation: &lodgev1.Reservation{Name: another.GetName(), Etag: placed.GetEtag(), CheckOutDate: day(3)},
	}))
	expect(t, err, connect.CodeAborted, "ETAG_MISMATCH", "")
}

// TestEtagsInAnswers: every answer with a reservation says its etag, and they are the same for the same version.
func TestEtagsInAnswers(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(9)
	ctx := t.Context()
	placed, _ := f.reserve(stay(5, 7))
	f.settle()
	if got := f.get(placed.GetName(), 0).GetEtag(); got != placed.GetEtag() || !strings.HasPrefix(got, "1-") {
		t.Errorf("placed with etag %q, read %q", placed.GetEtag(), got)
	}
	f.clock.advance(time.Minute)
	minimal := connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: placed.GetName(), Etag: placed.GetEtag()})
	minimal.Header().Set("Prefer", "return=minimal")
	confirmed, _ := must[lodgev1.Reservation](t)(f.reservations.ConfirmReservation(ctx, minimal))
	f.settle()
	if got := f.get(placed.GetName(), 0).GetEtag(); got != confirmed.GetEtag() || got == placed.GetEtag() {
		t.Errorf("confirmed with etag %q, read %q", confirmed.GetEtag(), got)
	}
	changed, _ := must[lodgev1.Reservation](t)(f.reservations.UpdateReservation(ctx, connect.NewRequest(&lodgev1.UpdateReservationRequest{
		Reservation: &lodgev1.Reservation{Name: placed.GetName(), CheckOutDate: day(8)},
	})))
	listed, _ := must[lodgev1.ListReservationsResponse](t)(f.reservations.ListReservations(ctx, connect.NewRequest(&lodgev1.ListReservationsRequest{Parent: "hotels/ritz"})))
	if len(listed.GetReservations()) != 1 || listed.GetReservations()[0].GetEtag() != changed.GetEtag() || !strings.HasPrefix(changed.GetEtag(), "3-") {
		t.Errorf("changed to %q, listed %v", changed.GetEtag(), listed)
	}
	f.clock.advance(time.Minute)
	for _, at := range []struct {
		time time.Time
		etag string
	}{{noon, placed.GetEtag()}, {noon.Add(time.Minute), changed.GetEtag()}} {
		then, _ := must[lodgev1.Reservation](t)(f.reservations.GetReservation(ctx, connect.NewRequest(&lodgev1.GetReservationRequest{
			Name: placed.GetName(), AsOf: &lodgev1.GetReservationRequest_AsOfTime{AsOfTime: timestamppb.New(at.time)},
		})))
		past, _ := must[lodgev1.ListReservationsResponse](t)(f.reservations.ListReservations(ctx, connect.NewRequest(&lodgev1.ListReservationsRequest{
			Parent: "hotels/ritz", AsOf: &lodgev1.ListReservationsRequest_AsOfTime{AsOfTime: timestamppb.New(at.time)},
		})))
		if then.GetEtag() != at.etag || past.GetReservations()[0].GetEtag() != at.etag {
			t.Errorf("as of %s %q and %q, want %q", at.time, then.GetEtag(), past.GetReservations()[0].GetEtag(), at.etag)
		}
	}
}

// TestEtagsOfGroups: those of a group that is placed and canceled.
func TestEtagsOfGroups(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(9)
	two := &lodgev1.BatchCreateReservationsRequest{Parent: "hotels/ritz", Requests: []*lodgev1.CreateReservationRequest{stay(5, 7), stay(5, 8)}}
	for _, one := range two.GetRequests() {
		one.RequestId = ""
	}
	placed, _ := must[lodgev1.BatchCreateReservationsResponse](t)(f.reservations.BatchCreateReservations(t.Context(), connect.NewRequest(two)))
	cancel := &lodgev1.CancelGroupRequest{Parent: "hotels/ritz", GroupId: placed.GetGroupId(), RequestId: uuid.NewString()}
	gone, _ := must[lodgev1.CancelGroupResponse](t)(f.reservations.CancelGroup(t.Context(), connect.NewRequest(cancel)))
	etags := map[string]string{}
	for _, r := range gone.GetReservations() {
		etags[r.GetName()] = r.GetEtag()
	}
	for _, r := range placed.GetReservations() {
		now := f.get(r.GetName(), 0).GetEtag()
		if etags[r.GetName()] != now || !strings.HasPrefix(now, "2-") || !strings.HasPrefix(r.GetEtag(), "1-") {
			t.Errorf("placed with %q, canceled with %q, read %q", r.GetEtag(), etags[r.GetName()], now)
		}
	}
	name := placed.GetReservations()[0].GetName()
	f.command(&hotel.ForgetGuest{Hotel: "ritz", ReservationID: name[strings.LastIndexByte(name, '/')+1:], Force: true})
	again, _ := must[lodgev1.CancelGroupResponse](t)(f.reservations.CancelGroup(t.Context(), connect.NewRequest(cancel)))
	for _, r := range again.GetReservations() {
		if r.GetEtag() != etags[r.GetName()] {
			t.Errorf("%s was canceled with %q, and again with %q", r.GetName(), etags[r.GetName()], r.GetEtag())
		}
	}
}

// TestEtagsOverREST: in the body of a PATCH, and in the query of a DELETE.
func TestEtagsOverREST(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(9)
	r, _ := f.reserve(stay(5, 7))
	for _, ask := range []struct{ method, path, body string }{
		{http.MethodPatch, "?updateMask=quantity", `{"etag":"7","quantity":2}`},
		{http.MethodDelete, "?etag=7", ""},
		{http.MethodPost, ":pay", `{"etag":"7","paymentMethod":"tok_approve"}`},
	} {
		if status, got := f.fetch(ask.method, "/v1/"+r.GetName()+ask.path, ask.body); status != http.StatusConflict || !strings.Contains(fmt.Sprint(got), "ETAG_MISMATCH") {
			t.Errorf("%s %s: %d %v", ask.method, ask.path, status, got)
		}
	}
	if status, got := f.fetch(http.MethodDelete, "/v1/"+r.GetName()+"?etag="+r.GetEtag(), ""); status != http.StatusOK || got["etag"] == r.GetEtag() {
		t.Errorf("%d %v", status, got)
	}
}
