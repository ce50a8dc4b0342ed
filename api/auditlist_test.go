package api_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/commands"
	"lodge/domain/hotel"
	"lodge/log"
)

func (g *gated) audit(who string) lodgev1connect.AuditServiceClient {
	return lodgev1connect.NewAuditServiceClient(&http.Client{Transport: &bearer{g.client.Transport.(*bearer).RoundTripper, g.secrets[who]}}, g.server.URL)
}

// list returns all pages, and calls between after each.
func list(t testing.TB, c lodgev1connect.AuditServiceClient, req *lodgev1.ListAuditEntriesRequest, between func()) (all []*lodgev1.AuditEntry) {
	t.Helper()
	for {
		res, err := c.ListAuditEntries(context.Background(), connect.NewRequest(req))
		if err != nil {
			t.Fatalf("%v: %v %s", req, err, reasonOf(err))
		}
		if all = append(all, res.Msg.GetEntries()...); len(res.Msg.GetEntries()) > int(req.GetPageSize()) && req.GetPageSize() > 0 {
			t.Fatalf("%d entries on a page of %d", len(res.Msg.GetEntries()), req.GetPageSize())
		}
		if req.PageToken = res.Msg.GetNextPageToken(); req.PageToken == "" {
			return all
		}
		if between != nil {
			between()
		}
	}
}

// act does one thing at random, at one of two hotels, by somebody of those who may, or may not.
func (g *gated) act(r *rand.Rand) {
	hotel, who := []string{"ritz", "savoy"}[r.IntN(2)], []string{"staff", "service", "admin"}[r.IntN(3)]
	reason := []string{}
	if r.IntN(2) == 0 {
		reason = []string{"Lodge-Reason", "because"}
	}
	switch r.IntN(5) {
	case 0:
		g.post(who, "HotelService/UpdateHotel", fmt.Sprintf(`{"hotel":{"name":"hotels/%s","description":"%d"}}`, hotel, r.Int()), reason...)
	case 1:
		g.post(who, "ReservationService/CancelReservation", fmt.Sprintf(`{"name":"hotels/%s/reservations/%s"}`, hotel, uuid.New()), reason...)
	case 2:
		g.post(who, "ReservationService/CreateReservation", fmt.Sprintf(
			`{"parent":"hotels/%s","reservation":{"roomType":"hotels/%[1]s/roomTypes/double","quantity":%d,"checkInDate":%s,"checkOutDate":%s}}`, hotel, 1+r.IntN(30), dateJSON(day(40)), dateJSON(day(41))), reason...)
	case 3:
		g.post(who, "ReservationService/ConfirmReservation", fmt.Sprintf(`{"name":%q}`, []string{g.ada, g.eve}[r.IntN(2)]), reason...)
	case 4:
		g.post(who, "AdminService/CreateTopic", `{"topicId":"x-`+uuid.NewString()+`","topic":{}}`, reason...)
	}
	g.clock.advance(time.Duration(r.IntN(3)) * time.Millisecond)
}

// TestAuditPages: whatever the filter, order and size of pages, and whatever happens meanwhile, the pages have each entry that one page had, once, in order.
func TestAuditPages(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	g := newGated(t, api.Options{ScanMax: 40})
	for range 150 {
		g.act(r)
	}
	g.settle()
	if err := g.trail.Flush(t.Context()); err != nil { // what is counted by the minute
		t.Fatal(err)
	}
	c := g.audit("admin")
	whole := list(t, c, &lodgev1.ListAuditEntriesRequest{PageSize: 1000}, nil)
	if len(whole) < 120 { // what was so already leaves none
		t.Fatalf("%d entries", len(whole))
	}
	g.clock.advance(time.Second)
	began, ended := whole[len(whole)-1].GetTime().AsTime(), whole[0].GetTime().AsTime()
	for range 40 {
		req := &lodgev1.ListAuditEntriesRequest{PageSize: int32(1 + r.IntN(20)), EndTime: timestamppb.New(ended.Add(1))}
		if r.IntN(2) == 0 {
			req.OrderBy = "time"
		}
		if r.IntN(2) == 0 {
			req.Hotel = "hotels/ritz"
		}
		if r.IntN(3) == 0 {
			req.Actor = []string{"staff", "admin", g.actor("service")}[r.IntN(3)]
		}
		if r.IntN(3) == 0 {
			req.Outcome = lodgev1.AuditOutcome(1 + r.IntN(2))
		}
		if r.IntN(4) == 0 {
			req.Types = [][]string{{"CreateTopic"}, {"lodge.v1.ReservationService/CancelReservation", "lodge.reservation.placed.v1"}, {"lodge.hotel.updated.v1"}, {"UpdateHotel"}, {"confirm_reservation", "CreateTopic"}}[r.IntN(5)]
		}
		if r.IntN(4) == 0 {
			req.StartTime = timestamppb.New(began.Add(time.Duration(r.Int64N(int64(ended.Sub(began)) + 1))))
		}
		if r.IntN(6) == 0 {
			req.Reservation, req.Hotel = g.ada, ""
		}
		want := expected(whole, req)
		got := list(t, c, req, func() { g.act(r) })
		if !slices.EqualFunc(got, want, func(a, b *lodgev1.AuditEntry) bool { return a.GetPosition() == b.GetPosition() }) {
			t.Errorf("%v: %d entries, want %d", req, len(got), len(want))
			t.Fatalf("got  %v\nwant %v", positions(got), positions(want))
		}
	}
}

func positions(of []*lodgev1.AuditEntry) (all []string) {
	for _, e := range of {
		all = append(all, e.GetPosition())
	}
	return all
}

// expected picks from all entries, the newest first, what a request asks for.
func expected(whole []*lodgev1.AuditEntry, req *lodgev1.ListAuditEntriesRequest) (want []*lodgev1.AuditEntry) {
	for _, e := range whole {
		short := e.GetMethod()[strings.LastIndexByte(e.GetMethod(), '/')+1:]
		switch {
		case req.GetHotel() != "" && e.GetHotel() != req.GetHotel(),
			req.GetReservation() != "" && e.GetResource() != req.GetReservation(),
			req.GetActor() != "" && e.GetActor() != req.GetActor() && strings.Split(e.GetActor(), ":")[0] != req.GetActor(),
			req.GetOutcome() != 0 && e.GetOutcome() != req.GetOutcome(),
			len(req.GetTypes()) > 0 && !slices.Contains(req.GetTypes(), e.GetEventType()) && !slices.Contains(req.GetTypes(), e.GetCommand()) && (e.GetMethod() == "" || !slices.Contains(req.GetTypes(), e.GetMethod()) && !slices.Contains(req.GetTypes(), short)),
			req.GetStartTime() != nil && e.GetTime().AsTime().Before(req.GetStartTime().AsTime()),
			!e.GetTime().AsTime().Before(req.GetEndTime().AsTime()):
			continue
		}
		want = append(want, e)
	}
	if req.GetOrderBy() != "time" {
		return want
	}
	slices.Reverse(want)
	return want
}

// TestWhoDidWhat asks the questions that the trail is for.
func TestWhoDidWhat(t *testing.T) {
	g := newGated(t, api.Options{})
	staff, guest := g.actor("staff"), g.actor("guest")
	key := uuid.NewString()
	cancel := fmt.Sprintf(`{"name":%q}`, g.ada)
	post := func(who, call, body string, header ...string) {
		g.clock.advance(time.Millisecond)
		g.post(who, call, body, header...)
	}
	post("staff", "ReservationService/ConfirmReservation", cancel, "Lodge-Reason", "paid in cash")
	post("staff", "ReservationService/CancelReservation", cancel, "Idempotency-Key", key, "Lodge-Reason", "she rang")
	post("guest", "ReservationService/CancelReservation", cancel)                                                    // it is canceled
	post("guest", "ReservationService/CancelReservation", fmt.Sprintf(`{"name":%q}`, g.eve))                         // it is not hers
	post("staff", "HotelService/UpdateHotel", `{"hotel":{"name":"hotels/savoy","displayName":"S"}}`)                 // it is not theirs
	post("guest", "ReservationService/CreateReservation", bookingJSON("ritz", 21, 5, 6))                             // there are 20
	post("staff", "ReservationService/CancelReservation", fmt.Sprintf(`{"name":%q}`, g.eve), "Idempotency-Key", key) // another request's key
	eve := strings.TrimPrefix(g.eve, "hotels/savoy/reservations/")
	cause := uuid.NewString()
	g.clock.advance(time.Millisecond)
	if _, err := g.engine.Execute(t.Context(), commands.Command{ // the platform gives commands of clients too
		RequestID: uuid.New(), CausationID: cause, Body: &hotel.CancelReservation{Hotel: "savoy", ReservationID: eve},
	}); err != nil {
		t.Fatal(err)
	}
	g.settle()

	c := g.audit("admin")
	var got []string
	for _, e := range list(t, c, &lodgev1.ListAuditEntriesRequest{Reservation: g.ada, OrderBy: "time"}, nil) {
		got = append(got, strings.Join([]string{e.GetActor(), e.GetMethod(), e.GetCommand(), e.GetEventType(), e.GetOutcome().String()[14:], e.GetErrorReason(), e.GetReason()}, " "))
	}
	want := []string{
		g.actorOfAdmins() + " lodge.v1.ReservationService/CreateReservation place_reservation lodge.reservation.placed.v1 DONE  ",
		staff + " lodge.v1.ReservationService/ConfirmReservation confirm_reservation lodge.reservation.paid.v1 DONE  paid in cash",
		staff + " lodge.v1.ReservationService/CancelReservation cancel_reservation lodge.reservation.canceled.v1 DONE  she rang",
		guest + " lodge.v1.ReservationService/CancelReservation   REFUSED STATUS_CONFLICT ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the reservation's:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, q := range []struct {
		req  *lodgev1.ListAuditEntriesRequest
		want []string // method and type, and reason, the newest first
	}{
		{&lodgev1.ListAuditEntriesRequest{Hotel: "hotels/savoy", Outcome: lodgev1.AuditOutcome_AUDIT_OUTCOME_REFUSED}, []string{"CancelReservation HOTEL_DENIED", "UpdateHotel HOTEL_DENIED", "CancelReservation NOT_YOURS"}},
		{&lodgev1.ListAuditEntriesRequest{RequestId: key}, []string{"CancelReservation HOTEL_DENIED", "CancelReservation lodge.reservation.canceled.v1 "}},
		{&lodgev1.ListAuditEntriesRequest{Actor: guest}, []string{"CreateReservation lodge.reservation.rejected.v1 SOLD_OUT", "CancelReservation NOT_YOURS", "CancelReservation STATUS_CONFLICT"}},
		{&lodgev1.ListAuditEntriesRequest{Types: []string{"UpdateHotel", "lodge.reservation.paid.v1"}}, []string{"UpdateHotel HOTEL_DENIED", "ConfirmReservation lodge.reservation.paid.v1 "}},
		{&lodgev1.ListAuditEntriesRequest{Types: []string{"CancelReservation"}}, []string{
			"CancelReservation HOTEL_DENIED", "CancelReservation NOT_YOURS", "CancelReservation STATUS_CONFLICT", "CancelReservation lodge.reservation.canceled.v1 ",
		}},
		{&lodgev1.ListAuditEntriesRequest{Types: []string{"cancel_reservation"}}, []string{" lodge.reservation.canceled.v1 ", "CancelReservation lodge.reservation.canceled.v1 "}},
		{&lodgev1.ListAuditEntriesRequest{Types: []string{"CreateReservation"}, Outcome: lodgev1.AuditOutcome_AUDIT_OUTCOME_REFUSED}, []string{"CreateReservation lodge.reservation.rejected.v1 SOLD_OUT"}},
		{&lodgev1.ListAuditEntriesRequest{Outcome: lodgev1.AuditOutcome_AUDIT_OUTCOME_LOST}, nil},
	} {
		var got []string
		for _, e := range list(t, c, q.req, nil) {
			what := e.GetMethod()[strings.LastIndexByte(e.GetMethod(), '/')+1:]
			if e.GetEventType() != "" {
				what += " " + e.GetEventType()
			}
			got = append(got, what+" "+e.GetErrorReason())
		}
		if !slices.Equal(got, q.want) {
			t.Errorf("%v: %q, want %q", q.req, got, q.want)
		}
	}
	history, err := g.reservations.GetReservationHistory(t.Context(), connect.NewRequest(&lodgev1.GetReservationHistoryRequest{Name: g.ada}))
	if err != nil {
		t.Fatal(err)
	}
	if last := history.Msg.GetEntries()[2].GetEvent(); last.GetActor() != staff || last.GetReason() != "she rang" || last.GetCommand() != "cancel_reservation" {
		t.Errorf("the history ends with %v", last)
	}
}

func bookingJSON(hotel string, quantity, in, out int) string {
	return fmt.Sprintf(`{"parent":"hotels/%s","reservation":{"roomType":"hotels/%[1]s/roomTypes/double","quantity":%d,"checkInDate":%s,"checkOutDate":%s}}`,
		hotel, quantity, dateJSON(day(in)), dateJSON(day(out)))
}

// actorOfAdmins is who the stack's own client is.
func (g *gated) actorOfAdmins() string {
	t, err := g.tokens.Authenticate("Bearer " + g.client.Transport.(*bearer).secret)
	if err != nil {
		g.Fatal(err)
	}
	return t.Actor()
}

func TestWhoMaySeeTheTrail(t *testing.T) {
	g := newGated(t, api.Options{})
	g.post("guest", "HotelService/UpdateHotel", `{"hotel":{"name":"hotels/ritz","displayName":"R"}}`)
	for _, q := range []struct {
		req  *lodgev1.ListAuditEntriesRequest
		want string // as in TestWhoMay
	}{
		{&lodgev1.ListAuditEntriesRequest{}, "trhry"},
		{&lodgev1.ListAuditEntriesRequest{Hotel: "hotels/savoy"}, "trhry"},
		{&lodgev1.ListAuditEntriesRequest{Hotel: "hotels/ritz"}, "tryry"},
		{&lodgev1.ListAuditEntriesRequest{Reservation: g.ada}, "tryry"},
		{&lodgev1.ListAuditEntriesRequest{Reservation: g.eve}, "trhry"},
	} {
		for i, who := range everybody {
			_, err := g.audit(who).ListAuditEntries(t.Context(), connect.NewRequest(q.req))
			if got, want := reasonOf(err), outcomes[rune(q.want[i])]; got != want {
				t.Errorf("%v by %s: %q, want %q", q.req, who, got, want)
			}
		}
	}
	_, err := g.audit("staff").ListAuditEntries(t.Context(), connect.NewRequest(&lodgev1.ListAuditEntriesRequest{Hotel: "hotels/ritz", Reservation: g.eve}))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "reservation")
	req := &lodgev1.ListAuditEntriesRequest{Hotel: "hotels/ritz", Outcome: lodgev1.AuditOutcome_AUDIT_OUTCOME_REFUSED, Types: []string{"UpdateHotel"}}
	theirs, all := list(t, g.audit("staff"), req, nil), list(t, g.audit("admin"), req, nil)
	if len(theirs) != 1 || theirs[0].GetClientAddress() != "" || len(all) != 1 || all[0].GetClientAddress() != "127.0.0.1" || all[0].GetActor() != g.actor("guest") {
		t.Errorf("staff see %v, admins %v", theirs, all)
	}
}

func TestAuditMistakes(t *testing.T) {
	g := newGated(t, api.Options{})
	c := g.audit("admin")
	first, err := c.ListAuditEntries(t.Context(), connect.NewRequest(&lodgev1.ListAuditEntriesRequest{PageSize: 1}))
	if err != nil || first.Msg.GetNextPageToken() == "" {
		t.Fatal(first, err)
	}
	now := timestamppb.New(noon)
	for _, q := range []struct {
		req           *lodgev1.ListAuditEntriesRequest
		reason, field string
	}{
		{&lodgev1.ListAuditEntriesRequest{Hotel: "ritz"}, "INVALID_ID", "hotel"},
		{&lodgev1.ListAuditEntriesRequest{Reservation: "hotels/ritz"}, "INVALID_ID", "reservation"},
		{&lodgev1.ListAuditEntriesRequest{Types: []string{"GetHotel", "Rob"}}, "INVALID_ARGUMENT", "types[1]"},
		{&lodgev1.ListAuditEntriesRequest{RequestId: "one"}, "INVALID_ID", "request_id"},
		{&lodgev1.ListAuditEntriesRequest{OrderBy: "actor"}, "INVALID_ARGUMENT", "order_by"},
		{&lodgev1.ListAuditEntriesRequest{StartTime: now, EndTime: now}, "INVALID_ARGUMENT", "end_time"},
		{&lodgev1.ListAuditEntriesRequest{PageSize: 1, PageToken: first.Msg.GetNextPageToken(), Actor: "staff"}, "INVALID_PAGE_TOKEN", "page_token"},
	} {
		_, err := c.ListAuditEntries(t.Context(), connect.NewRequest(q.req))
		expect(t, err, connect.CodeInvalidArgument, q.reason, q.field)
	}
	for value, ok := range map[string]bool{
		"she rang": true, "Gäste": true, "UTF-8''G%C3%A4ste": true, strings.Repeat("x", 512): true,
		strings.Repeat("x", 513): false, "UTF-8''%zz": false, "\xff": false, "UTF-8''a%0Ab": false, "utf-8''%FF": false,
	} {
		for call, body := range map[string]string{"HotelService/UpdateHotel": `{"hotel":{"name":"hotels/ritz","description":"` + uuid.NewString() + `"}}`, "AdminService/CreateTopic": `{"topicId":"t` + uuid.NewString() + `","topic":{}}`} {
			if got := g.post("admin", call, body, api.HeaderReason, value); (got == "") != ok {
				t.Errorf("%s because of %q: %q", call, value, got)
			}
		}
	}
}

// TestNothingPersonalIsOnRecord fills requests with what must not be in the trail, has them refused in every way, and looks for it there, byte by byte.
func TestNothingPersonalIsOnRecord(t *testing.T) {
	g := newGated(t, api.Options{})
	const marked = "Mar1a-S1lva"
	g.secrets["wrong"] = "lodge_" + strings.Repeat("a", 16) + "_" + strings.Repeat("b", 52)
	guest := `"guest":{"guestId":"` + marked + `","displayName":"` + marked + `","email":"` + marked + `@example.com","phone":"` + marked + `","adults":1}`
	bookings := []string{
		fmt.Sprintf(`{"parent":"hotels/ritz","reservation":{"roomType":"hotels/ritz/roomTypes/gone","quantity":1,"checkInDate":%s,"checkOutDate":%s,%s,"externalReference":%q}}`, dateJSON(day(1)), dateJSON(day(2)), guest, marked),
		fmt.Sprintf(`{"parent":"hotels/%s","reservation":{"roomType":"%[1]s","quantity":0,%s}}`, marked+"@x", guest),
		`{"parent":"` + marked + ` lives here","reservation":{` + guest + `}}`, `{"` + marked + `":1}`, `{"parent":"hotels/ritz","reservation":{` + guest,
	}
	headers := []string{"Idempotency-Key", marked, "Lodge-Guest-Email", marked + "@example.com", "User-Agent", marked, "Cookie", marked, "Lodge-Correlation-Id", marked + " " + marked}
	why := append([]string{"Lodge-Reason", marked + " rang"}, headers...)
	for _, who := range append([]string{"wrong"}, everybody...) {
		for _, body := range bookings {
			g.raw(who, "/lodge.v1.ReservationService/CreateReservation", body, false, why...)
			g.raw(who, "/lodge.v1.WaitingListService/JoinWaitingList", strings.Replace(body, "reservation", "entry", 1), false, why...)
			g.raw(who, "/v1/hotels/"+marked+"@x/reservations?displayName="+marked, body, false, why...)
			g.raw(who, "/v1/hotels/ritz/reservations/"+marked+"@x:cancel", body, false, why...)
		}
		g.raw(who, "/lodge.v1.PaymentService/PayReservation", fmt.Sprintf(`{"name":%q,"paymentMethod":%q}`, g.ada, marked), false, why...)
		g.raw(who, "/lodge.v1.AccessService/CreateToken", `{"token":{"role":"ROLE_GUEST","guestId":"`+marked+`","label":"`+marked+`"}}`, false, headers...)
		g.raw(who, "/lodge.v1.MessageService/Produce", `{"topic":"none","records":[{"key":"`+marked+`"}]}`, false, headers...)
	}
	if err := g.trail.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := 0
	for from := log.Offset(0); ; {
		got, err := g.broker.Fetch(t.Context(), log.FetchRequest{TopicPartition: log.TopicPartition{Topic: "__audit"}, Offset: from})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got.Records {
			n++
			text := bytes.Join([][]byte{r.Key, r.Value, r.HeaderValue("ce_type")}, []byte("\n"))
			for _, secret := range append([]string{marked}, values(g.secrets)...) {
				if secret != "" && bytes.Contains(bytes.ToLower(text), []byte(strings.ToLower(secret))) {
					t.Errorf("the trail has %s: %s", secret, text)
				}
			}
		}
		if from = got.Next; from >= got.HighWatermark {
			break
		}
	}
	if n < 50 {
		t.Errorf("%d entries", n)
	}
}

func values(m map[string]string) (all []string) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// TestLettersAreOnRecord: what staff do with what process managers gave up on, as something of the hotel.
func TestLettersAreOnRecord(t *testing.T) {
	h := newProcessHouse(t, api.Options{})
	h.poison("ritz")
	letters := h.letters(2)
	_, end := h.entries(0)
	for _, do := range []func() error{
		func() error {
			_, err := h.client.RequeueLetter(t.Context(), connect.NewRequest(&lodgev1.RequeueLetterRequest{Name: letters[0].GetName()}))
			return err
		},
		func() error {
			_, err := h.client.DeleteLetter(t.Context(), connect.NewRequest(&lodgev1.DeleteLetterRequest{Name: letters[0].GetName()}))
			return err
		},
	} {
		err := do()
		found, next := h.entries(end)
		if end = next; len(found) != 1 || found[0].Resource != letters[0].GetName() || found[0].HotelID != "ritz" || (found[0].Outcome == "done") != (err == nil) {
			t.Errorf("%v: %+v", err, found)
		}
	}
}

// TestRefusalsOverREST: a request that gets to no method, and one that does.
func TestRefusalsOverREST(t *testing.T) {
	g := newGated(t, api.Options{RateLimit: 1000, RateBurst: 1000})
	_, end := g.entries(0)
	for _, q := range []struct{ method, path, body, want string }{
		{http.MethodPost, "/v1/hotels/ritz/nothing", `{}`, "POST /v1 ROUTE_NOT_FOUND hotels/ritz"},
		{http.MethodPost, "/v1/hotels/ritz/reservations", `{`, "lodge.v1.ReservationService/CreateReservation INVALID_ARGUMENT hotels/ritz"},
		{http.MethodPost, "/v1/hotels/ritz/reservations?color=red", `{}`, "lodge.v1.ReservationService/CreateReservation INVALID_ARGUMENT hotels/ritz"},
		{http.MethodDelete, "/v1/hotels/savoy", ``, "lodge.v1.HotelService/ArchiveHotel ROLE_DENIED hotels/savoy"},
		{http.MethodGet, "/v1/hotels/ritz/nothing", ``, ""},
		{http.MethodGet, "/v1/hotels/none", ``, ""},
		{http.MethodGet, "/v1/tokens", ``, "lodge.v1.AccessService/ListTokens ROLE_DENIED "},
	} {
		req, err := http.NewRequest(q.method, g.server.URL+q.path, strings.NewReader(q.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		g.ask("staff", req)
		found, next := g.entries(end)
		end = next
		got := ""
		for _, e := range found {
			got += e.Method + " " + e.Refusal + " " + e.Resource
			if e.Actor != g.actor("staff") {
				t.Errorf("%s %s by %s", q.method, q.path, e.Actor)
			}
		}
		if got != q.want {
			t.Errorf("%s %s: %q, want %q", q.method, q.path, got, q.want)
		}
	}
}
