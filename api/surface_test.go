package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// TestProtocols: the same call in every protocol, over HTTP/1.1 and HTTP/2 without TLS.
func TestProtocols(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(100)
	h2c := &http.Transport{Protocols: new(http.Protocols)}
	h2c.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(h2c.CloseIdleConnections)
	h2 := &http.Client{Transport: h2c}
	for _, c := range []struct {
		name    string
		client  *http.Client
		options []connect.ClientOption
	}{
		{"connect", s.client, nil},
		{"connect h2c", h2, nil},
		{"connect json", s.client, []connect.ClientOption{connect.WithProtoJSON()}},
		{"connect get", s.client, []connect.ClientOption{connect.WithHTTPGet()}},
		{"connect get json", s.client, []connect.ClientOption{connect.WithHTTPGet(), connect.WithProtoJSON()}},
		{"grpc", h2, []connect.ClientOption{connect.WithGRPC()}},
		{"grpc gzip", h2, []connect.ClientOption{connect.WithGRPC(), connect.WithSendGzip()}},
		{"grpc-web", s.client, []connect.ClientOption{connect.WithGRPCWeb()}},
		{"grpc-web json", h2, []connect.ClientOption{connect.WithGRPCWeb(), connect.WithProtoJSON()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := lodgev1connect.NewReservationServiceClient(c.client, s.server.URL, c.options...)
			placed, position := must[lodgev1.Reservation](t)(client.CreateReservation(context.Background(), connect.NewRequest(stay(1, 2))))
			read, _ := must[lodgev1.Reservation](t)(client.GetReservation(context.Background(), connect.NewRequest(&lodgev1.GetReservationRequest{
				Name: placed.GetName(), MinPosition: position,
			})))
			if !proto.Equal(read, placed) {
				t.Errorf("read %v, placed %v", read, placed)
			}
			_, err := client.GetReservation(context.Background(), connect.NewRequest(&lodgev1.GetReservationRequest{Name: "hotels/ritz/reservations/" + uuid.NewString()}))
			expect(t, err, connect.CodeNotFound, "RESERVATION_NOT_FOUND", "")
			events := lodgev1connect.NewEventServiceClient(c.client, s.server.URL, c.options...)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			stream, err := events.Subscribe(ctx, connect.NewRequest(&lodgev1.SubscribeRequest{
				Topic: "bookings", Start: &lodgev1.SubscribeRequest_Position{Position: position},
			}))
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			if !stream.Receive() || stream.Msg().GetEvent().GetPosition() != position {
				t.Errorf("subscribed %v: %v", stream.Msg(), stream.Err())
			}
		})
	}
}

// fetch sends a plain HTTP request, as curl does, and decodes the JSON of the answer.
func (s *stack) fetch(method, path, body string) (status int, answer map[string]any) {
	s.Helper()
	req, err := http.NewRequest(method, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if err := json.Unmarshal(text, &answer); err != nil {
		s.Fatalf("%s %s: %s: %v", method, path, text, err)
	}
	return res.StatusCode, answer
}

func TestPlainJSON(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(100)
	text, err := protojson.Marshal(stay(1, 2))
	if err != nil {
		t.Fatal(err)
	}
	status, placed := s.fetch(http.MethodPost, "/lodge.v1.ReservationService/CreateReservation", string(text))
	if status != http.StatusOK || placed["status"] != "RESERVATION_STATUS_PENDING" {
		t.Errorf("%d %v", status, placed)
	}
	status, placed = s.fetch(http.MethodPost, "/lodge.v1.ReservationService/CreateReservation", `{"parent":"hotels/ritz","reservation":{"roomType":"hotels/ritz/roomTypes/double"}}`)
	if status != http.StatusBadRequest || placed["code"] != "invalid_argument" || !strings.Contains(placed["message"].(string), "reservation.check_in_date") {
		t.Errorf("%d %v", status, placed)
	}
}

// TestFastPostAnswersAsConnectDoes: the charset sends a request past the short way; the answers must not tell.
func TestFastPostAnswersAsConnectDoes(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(2)
	post := func(contentType, body string) (int, http.Header, map[string]any) {
		t.Helper()
		res, err := s.client.Post(s.server.URL+lodgev1connect.ReservationServiceCreateReservationProcedure, contentType, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var answer map[string]any
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		details, _ := answer["details"].([]any)
		for _, d := range details {
			delete(d.(map[string]any), "value") // the bytes of a map have no order
		}
		return res.StatusCode, res.Header, answer
	}
	text := func(change func(*lodgev1.CreateReservationRequest)) string {
		req := stay(1, 3)
		change(req)
		data, err := protojson.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, c := range []struct{ name, body string }{
		{"placed", text(func(*lodgev1.CreateReservationRequest) {})},
		{"with escapes", text(func(r *lodgev1.CreateReservationRequest) { r.Reservation.Guest.DisplayName = "A \"B\" <c> é" })},
		{"sold out", text(func(r *lodgev1.CreateReservationRequest) { r.Reservation.Quantity = 100 })},
		{"bad quantity", text(func(r *lodgev1.CreateReservationRequest) { r.Reservation.Quantity = -3 })},
		{"bad shape", text(func(r *lodgev1.CreateReservationRequest) { r.Reservation.CheckInDate = nil })},
		{"not JSON", `{"parent":`},
		{"empty object", `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			fastStatus, fastHeader, fast := post("application/json", c.body)
			status, header, answer := post("application/json; charset=utf-8", c.body)
			if fastStatus != status || !reflect.DeepEqual(fast, answer) || fastHeader.Get(api.HeaderPosition) != header.Get(api.HeaderPosition) {
				t.Errorf("short way: %d %v %v\nConnect: %d %v %v", fastStatus, fast, fastHeader, status, answer, header)
			}
		})
	}
}

func TestREST(t *testing.T) {
	s := newStack(t, api.Options{})
	position := s.seed(100)
	reservation, err := protojson.Marshal(stay(1, 2).GetReservation())
	if err != nil {
		t.Fatal(err)
	}
	status, placed := s.fetch(http.MethodPost, "/v1/hotels/ritz/reservations", string(reservation))
	if status != http.StatusOK || placed["status"] != "RESERVATION_STATUS_PENDING" {
		t.Fatalf("%d %v", status, placed)
	}
	name := placed["name"].(string)
	status, paid := s.fetch(http.MethodPost, "/v1/"+name+":confirm", `{}`)
	if status != http.StatusOK || paid["status"] != "RESERVATION_STATUS_PAID" {
		t.Errorf("%d %v", status, paid)
	}
	if status, got := s.fetch(http.MethodGet, "/v1/"+name, ""); status != http.StatusOK || got["name"] != name {
		t.Errorf("%d %v", status, got)
	}
	if status, got := s.fetch(http.MethodGet, "/v1/hotels/ritz?minPosition="+position, ""); status != http.StatusOK || got["timeZone"] != "Europe/Lisbon" {
		t.Errorf("%d %v", status, got)
	}
	if status, got := s.fetch(http.MethodGet, "/v1/hotels/ritz/reservations?guestId=ada&pageSize=3", ""); status != http.StatusOK || len(got["reservations"].([]any)) != 1 {
		t.Errorf("%d %v", status, got)
	}
	if status, got := s.fetch(http.MethodGet, "/v1/hotels:search?city=lisbon&checkInDate.year=2026&checkInDate.month=7&checkInDate.day=2&checkOutDate.year=2026&checkOutDate.month=7&checkOutDate.day=4", ""); status != http.StatusOK || len(got["offers"].([]any)) != 1 {
		t.Errorf("%d %v", status, got)
	}
	if status, got := s.fetch(http.MethodGet, "/v1/hotels/nowhere", ""); status != http.StatusNotFound || got["details"] == nil {
		t.Errorf("%d %v", status, got)
	}
	if status, got := s.fetch(http.MethodPatch, "/v1/hotels/ritz?updateMask=description", `{"description":"grand"}`); status != http.StatusOK || got["description"] != "grand" {
		t.Errorf("%d %v", status, got)
	}
	if status, got := s.fetch(http.MethodGet, "/v1/topics/bookings/events?types=lodge.reservation.paid.v1", ""); status != http.StatusOK || len(got["events"].([]any)) != 1 {
		t.Errorf("%d %v", status, got)
	}
}

func TestReflectionAndHealth(t *testing.T) {
	s := newStack(t, api.Options{})
	h2c := &http.Transport{Protocols: new(http.Protocols)}
	h2c.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(h2c.CloseIdleConnections)
	stream := grpcreflect.NewClient(&http.Client{Transport: h2c}, s.server.URL, connect.WithGRPC()).NewStream(context.Background())
	found, err := stream.ListServices()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Hotel", "Inventory", "Availability", "Reservation", "Event", "Admin"} {
		if !slices.Contains(found, protoreflect.FullName("lodge.v1."+want+"Service")) {
			t.Errorf("%v lacks %sService", found, want)
		}
	}
	files, err := stream.FileContainingSymbol("lodge.v1.ReservationService")
	if err != nil || len(files) == 0 {
		t.Errorf("%d files: %v", len(files), err)
	}
	if _, err := stream.Close(); err != nil {
		t.Error(err)
	}
	for _, service := range []string{"", "lodge.v1.HotelService"} {
		status, answer := s.fetch(http.MethodPost, "/grpc.health.v1.Health/Check", `{"service":"`+service+`"}`)
		if status != http.StatusOK || answer["status"] != "SERVING_STATUS_SERVING" && answer["status"] != "SERVING" {
			t.Errorf("%q: %d %v", service, status, answer)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := s.page(path); status != http.StatusOK || !strings.Contains(body, "ok") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	s.api.EndStreams()
	if status, _ := s.page("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("ready while ending: %d", status)
	}
}

func (s *stack) page(path string) (int, string) {
	s.Helper()
	res, err := s.client.Get(s.server.URL + path)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

func TestStartPage(t *testing.T) {
	s := newStack(t, api.Options{})
	if status, body := s.page("/"); status != http.StatusOK || !strings.Contains(body, "No hotels yet") {
		t.Errorf("%d %s", status, body)
	}
	s.seedHotel("ritz", `Lis<script>bon`, 2)
	s.reserve(stay(1, 2))
	s.settle()
	status, body := s.page("/")
	for _, want := range []string{"RITZ", "Lis&lt;script&gt;bon", "1 of 2 left, 0 sold, 1 held, 100.00 EUR", "hsl(65 70% 64%)", `"parent":"hotels/ritz"`, "grpcurl"} {
		if !strings.Contains(body, want) {
			t.Errorf("%d: no %q in %s", status, want, body)
		}
	}
	if status, _ := s.page("/nothing"); status != http.StatusNotFound {
		t.Errorf("/nothing: %d", status)
	}
}

func TestHotelsLive(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(2)
	ctx := context.Background()
	updated, position := must[lodgev1.Hotel](t)(s.hotels.UpdateHotel(ctx, connect.NewRequest(&lodgev1.UpdateHotelRequest{
		Hotel:      &lodgev1.Hotel{Name: "hotels/ritz", DisplayName: "ignored", Description: "by the river", Etag: "1"},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description"}},
	})))
	if updated.GetDisplayName() != "RITZ" || updated.GetDescription() != "by the river" || updated.GetEtag() != "2" || updated.GetAddress().GetCity() != "Lisbon" {
		t.Errorf("updated %v", updated)
	}
	read, _ := must[lodgev1.Hotel](t)(s.hotels.GetHotel(ctx, connect.NewRequest(&lodgev1.GetHotelRequest{Name: "hotels/ritz", MinPosition: position})))
	if read.GetCreateTime() == nil {
		t.Errorf("read %v", read)
	}
	read.CreateTime = nil
	if !proto.Equal(read, updated) {
		t.Errorf("read %v, updated %v", read, updated)
	}
	everything, _ := must[lodgev1.Hotel](t)(s.hotels.UpdateHotel(ctx, connect.NewRequest(&lodgev1.UpdateHotelRequest{
		Hotel: &lodgev1.Hotel{Name: "hotels/ritz", DisplayName: "Ritz", TimeZone: "Europe/Paris"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"*"}},
	})))
	if everything.GetDescription() != "" || everything.GetAddress() != nil || everything.GetTimeZone() != "Europe/Paris" {
		t.Errorf("everything %v", everything)
	}
	room, _ := must[lodgev1.RoomType](t)(s.hotels.UpdateRoomType(ctx, connect.NewRequest(&lodgev1.UpdateRoomTypeRequest{
		RoomType: &lodgev1.RoomType{Name: "hotels/ritz/roomTypes/double", BaseRate: euros(120)},
	})))
	if room.GetBaseRate().GetUnits() != 120 || room.GetDisplayName() != "Double" || room.GetMaxGuests() != 2 {
		t.Errorf("room %v", room)
	}
	_, err := s.hotels.UpdateRoomType(ctx, connect.NewRequest(&lodgev1.UpdateRoomTypeRequest{
		RoomType: &lodgev1.RoomType{Name: "hotels/ritz/roomTypes/double"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"base_rate"}},
	}))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "room_type.base_rate")
	archived, position := must[lodgev1.RoomType](t)(s.hotels.ArchiveRoomType(ctx, connect.NewRequest(&lodgev1.ArchiveRoomTypeRequest{Name: "hotels/ritz/roomTypes/double"})))
	if !archived.GetArchived() {
		t.Errorf("archived %v", archived)
	}
	for show, want := range map[bool]int{false: 0, true: 1} {
		list, _ := must[lodgev1.ListRoomTypesResponse](t)(s.hotels.ListRoomTypes(ctx, connect.NewRequest(&lodgev1.ListRoomTypesRequest{Parent: "hotels/ritz", ShowArchived: show, MinPosition: position})))
		if len(list.GetRoomTypes()) != want {
			t.Errorf("show archived %t: %v", show, list)
		}
	}
	_, err = s.reservations.CreateReservation(ctx, connect.NewRequest(stay(1, 2)))
	expect(t, err, connect.CodeFailedPrecondition, "ROOM_TYPE_ARCHIVED", "")
	_, position = must[lodgev1.Hotel](t)(s.hotels.ArchiveHotel(ctx, connect.NewRequest(&lodgev1.ArchiveHotelRequest{Name: "hotels/ritz"})))
	list, _ := must[lodgev1.ListHotelsResponse](t)(s.hotels.ListHotels(ctx, connect.NewRequest(&lodgev1.ListHotelsRequest{MinPosition: position})))
	if len(list.GetHotels()) != 0 {
		t.Errorf("hotels %v", list)
	}
}

func TestListHotelsPages(t *testing.T) {
	s := newStack(t, api.Options{})
	s.book(7, 0)
	var names []string
	req := &lodgev1.ListHotelsRequest{PageSize: 3}
	for {
		page, _ := must[lodgev1.ListHotelsResponse](t)(s.hotels.ListHotels(context.Background(), connect.NewRequest(req)))
		for _, h := range page.GetHotels() {
			names = append(names, h.GetName())
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if len(names) != 7 || !slices.IsSorted(names) {
		t.Errorf("hotels %v", names)
	}
}

func TestListHotelsOfACity(t *testing.T) {
	s := newStack(t, api.Options{})
	for id, city := range map[string]string{"paulista": "São Paulo", "ritz": "Lisbon", "santos": "SAO PAULO"} {
		s.seedHotel(id, city, 1)
	}
	at := timestamppb.New(s.clock.now())
	s.clock.advance(time.Hour)
	must[lodgev1.Hotel](t)(s.hotels.ArchiveHotel(t.Context(), connect.NewRequest(&lodgev1.ArchiveHotelRequest{Name: "hotels/santos"})))
	s.settle()
	for _, c := range []struct {
		req  *lodgev1.ListHotelsRequest
		want []string
	}{
		{&lodgev1.ListHotelsRequest{City: "sao paulo"}, []string{"hotels/paulista"}},
		{&lodgev1.ListHotelsRequest{City: "Sao"}, nil},
		{&lodgev1.ListHotelsRequest{City: "sao paulo", ShowArchived: true}, []string{"hotels/paulista", "hotels/santos"}},
		{&lodgev1.ListHotelsRequest{City: "são paulo", AsOfTime: at}, []string{"hotels/paulista", "hotels/santos"}},
	} {
		page, _ := must[lodgev1.ListHotelsResponse](t)(s.hotels.ListHotels(t.Context(), connect.NewRequest(c.req)))
		var got []string
		for _, h := range page.GetHotels() {
			got = append(got, h.GetName())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.req, got, c.want)
		}
	}
}

func TestAvailabilityAndInventory(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(3)
	ctx := context.Background()
	placed, _ := s.reserve(stay(1, 3))
	_, position := must[lodgev1.Reservation](t)(s.reservations.ConfirmReservation(ctx, connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: placed.GetName()})))
	got, _ := must[lodgev1.Availability](t)(s.availability.GetAvailability(ctx, connect.NewRequest(&lodgev1.GetAvailabilityRequest{
		Hotel: "hotels/ritz", StartDate: day(0), EndDate: day(4), MinPosition: position,
	})))
	nights := got.GetRoomTypes()[0].GetNights()
	for i, want := range []int32{3, 2, 2, 3} {
		if n := nights[i]; n.GetAvailableCount() != want || n.GetSellableCount() != 3 || n.GetSoldCount() != 3-want || n.GetNightlyRate().GetUnits() != 100 || !proto.Equal(n.GetDate(), day(i)) {
			t.Errorf("night %d: %v", i, n)
		}
	}
	var inventory []*lodgev1.StayNight
	req := &lodgev1.ListInventoryRequest{Parent: "hotels/ritz/roomTypes/double", PageSize: 13}
	for {
		page, _ := must[lodgev1.ListInventoryResponse](t)(s.inventory.ListInventory(ctx, connect.NewRequest(req)))
		inventory = append(inventory, page.GetNights()...)
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if len(inventory) != 30 || !proto.Equal(inventory[29].GetDate(), day(29)) || inventory[1].GetSoldCount() != 1 {
		t.Errorf("%d nights, %v", len(inventory), inventory)
	}
	search := func(change func(*lodgev1.SearchHotelsRequest)) int {
		req := &lodgev1.SearchHotelsRequest{City: "LISBON", CheckInDate: day(1), CheckOutDate: day(3)}
		change(req)
		res, _ := must[lodgev1.SearchHotelsResponse](t)(s.availability.SearchHotels(ctx, connect.NewRequest(req)))
		if len(res.GetOffers()) > 0 {
			offer := res.GetOffers()[0].GetRoomTypes()[0]
			if offer.GetAvailableCount() != 2 || offer.GetTotal().GetUnits() != 200*int64(max(1, req.GetQuantity())) {
				t.Errorf("offer %v", offer)
			}
		}
		return len(res.GetOffers())
	}
	for _, c := range []struct {
		name   string
		change func(*lodgev1.SearchHotelsRequest)
		want   int
	}{
		{"one room", func(*lodgev1.SearchHotelsRequest) {}, 1},
		{"two rooms", func(r *lodgev1.SearchHotelsRequest) { r.Quantity = 2 }, 1},
		{"three rooms", func(r *lodgev1.SearchHotelsRequest) { r.Quantity = 3 }, 0},
		{"two guests", func(r *lodgev1.SearchHotelsRequest) { r.GuestCount = 2 }, 1},
		{"three guests", func(r *lodgev1.SearchHotelsRequest) { r.GuestCount = 3 }, 0},
		{"elsewhere", func(r *lodgev1.SearchHotelsRequest) { r.City = "Porto" }, 0},
		{"beyond the horizon", func(r *lodgev1.SearchHotelsRequest) { r.CheckInDate, r.CheckOutDate = day(58), day(61) }, 0},
	} {
		if got := search(c.change); got != c.want {
			t.Errorf("%s: %d offers, want %d", c.name, got, c.want)
		}
	}
}

func TestAdmin(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(3)
	ctx := context.Background()
	topics, _ := must[lodgev1.ListTopicsResponse](t)(s.admin.ListTopics(ctx, connect.NewRequest(&lodgev1.ListTopicsRequest{PageSize: 2})))
	rest, _ := must[lodgev1.ListTopicsResponse](t)(s.admin.ListTopics(ctx, connect.NewRequest(&lodgev1.ListTopicsRequest{PageSize: 2, PageToken: topics.GetNextPageToken()})))
	all := append(topics.GetTopics(), rest.GetTopics()...)
	if len(all) != 4 || all[1].GetName() != "topics/hotels" || all[1].GetRecordCount() != 2 || all[1].GetPartitionCount() != partitions || all[1].GetDurability() != "sync" {
		t.Errorf("topics %v", all)
	}
	var records int64
	req := &lodgev1.ListPartitionsRequest{Parent: "topics/hotels", PageSize: 3}
	for {
		page, _ := must[lodgev1.ListPartitionsResponse](t)(s.admin.ListPartitions(ctx, connect.NewRequest(req)))
		for _, p := range page.GetPartitions() {
			records += p.GetHighWatermark()
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if records != 2 {
		t.Errorf("%d records", records)
	}
	_, err := s.admin.GetTopic(ctx, connect.NewRequest(&lodgev1.GetTopicRequest{Name: "topics/gossip"}))
	expect(t, err, connect.CodeNotFound, "TOPIC_NOT_FOUND", "")
	health, _ := must[lodgev1.Health](t)(s.admin.GetHealth(ctx, connect.NewRequest(&lodgev1.GetHealthRequest{})))
	if !health.GetHealthy() || len(health.GetParts()) != 5+len(projectors) {
		t.Errorf("health %v", health)
	}
	stream, err := s.admin.RebuildProjection(ctx, connect.NewRequest(&lodgev1.RebuildProjectionRequest{Name: "projections/hotels"}))
	if err != nil {
		t.Fatal(err)
	}
	var last *lodgev1.RebuildProjectionResponse
	for stream.Receive() {
		last = stream.Msg()
	}
	if stream.Err() != nil || !last.GetDone() || last.GetEventsApplied() != 2 || last.GetEventsTotal() != 2 {
		t.Errorf("rebuilt %v: %v", last, stream.Err())
	}
	stream.Close()
	list, _ := must[lodgev1.ListProjectionsResponse](t)(s.admin.ListProjections(ctx, connect.NewRequest(&lodgev1.ListProjectionsRequest{})))
	i := slices.IndexFunc(list.GetProjections(), func(p *lodgev1.Projection) bool { return p.GetName() == "projections/hotels" })
	if p := list.GetProjections()[i]; p.GetVersion() != 2 || len(p.GetPartitions()) != partitions || p.GetLag() != 0 {
		t.Errorf("projection %v", p)
	}
	stream, err = s.admin.RebuildProjection(ctx, connect.NewRequest(&lodgev1.RebuildProjectionRequest{Name: "projections/tarot"}))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	stream.Receive()
	expect(t, stream.Err(), connect.CodeNotFound, "PROJECTION_NOT_FOUND", "")
}
