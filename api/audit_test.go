package api_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/trail"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/log"
)

func TestEveryChangeIsClassified(t *testing.T) {
	effects, n := api.Effects(), 0
	protoregistry.GlobalFiles.RangeFilesByPackage("lodge.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				n++
				name := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
				safe := m.Options().(*descriptorpb.MethodOptions).GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
				if _, changes := effects[name]; changes == (safe || api.Harmless(name)) {
					t.Errorf("%s has no side effects by its proto: %t; by the audit trail it changes something: %t; see effects", name, safe, changes)
				}
			}
		}
		return true
	})
	if n < 80 {
		t.Errorf("%d calls were found", n)
	}
}

// entries returns the trail from an offset on, and its end.
func (s *stack) entries(from log.Offset) (found []*trail.Entry, end log.Offset) {
	s.Helper()
	if err := s.trail.Sync(context.Background()); err != nil {
		s.Fatal(err)
	}
	for {
		got, err := s.broker.Fetch(context.Background(), log.FetchRequest{TopicPartition: trail.Partition, Offset: from})
		if err != nil {
			s.Fatal(err)
		}
		for i := range got.Records {
			e, err := trail.Read(&got.Records[i])
			if err != nil {
				s.Fatal(err)
			}
			found = append(found, e)
		}
		if from = got.Next; from >= got.HighWatermark {
			return found, from
		}
	}
}

// eventsOf returns how many events requests led to, and how many of them this one. Holds end by themselves meanwhile.
func (s *stack) eventsOf(request uuid.UUID) (all, its int) {
	s.Helper()
	for _, topic := range commands.Topics() {
		for p := range log.Partition(partitions) {
			from := log.Offset(0)
			for {
				got, err := s.broker.Fetch(context.Background(), log.FetchRequest{TopicPartition: log.TopicPartition{Topic: topic, Partition: p}, Offset: from})
				if err != nil {
					s.Fatal(err)
				}
				for i := range got.Records {
					id := got.Records[i].HeaderValue("lodge_request_id")
					if id != nil {
						all++
					}
					if string(id) == string(request[:]) {
						its++
					}
				}
				if from = got.Next; from >= got.HighWatermark {
					break
				}
			}
		}
	}
	return all, its
}

// raw posts JSON to a procedure, unary or a stream, and returns the answer.
func (g *gated) raw(who, procedure, body string, stream bool, header ...string) (status int, answer []byte) {
	g.Helper()
	payload, form := []byte(body), "application/json"
	if stream {
		form = "application/connect+json"
		payload = append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
	}
	req, err := http.NewRequest(http.MethodPost, g.server.URL+procedure, bytes.NewReader(payload))
	if err != nil {
		g.Fatal(err)
	}
	req.Header.Set("Content-Type", form)
	req.Header.Set("Authorization", "Bearer "+g.secrets[who])
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := g.plain.Do(req)
	if err != nil {
		g.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err = io.ReadAll(res.Body); err != nil {
		g.Fatal(err)
	}
	return res.StatusCode, answer
}

// actor returns who somebody is.
func (g *gated) actor(who string) string {
	g.Helper()
	t, err := g.tokens.Authenticate("Bearer " + g.secrets[who])
	if err != nil {
		g.Fatal(err)
	}
	return t.Actor()
}

var streams = map[string]bool{"/lodge.v1.AdminService/RebuildProjection": true, "/lodge.v1.MessageService/Consume": true}

var ofGuests = regexp.MustCompile(`\.(Reservation|Stay|Payment|WaitingList|Guest)Service/`)

// TestEveryRefusalIsOnRecord makes every call that could change something so that it is refused: once unreadable, once by who or what may not.
func TestEveryRefusalIsOnRecord(t *testing.T) {
	g := newGated(t, api.Options{})
	_, end := g.entries(0)
	for _, procedure := range slices.Sorted(maps.Keys(api.Effects())) {
		for _, body := range []string{`{`, `{}`} {
			request := uuid.NewString()
			before, _ := g.eventsOf(uuid.Nil)
			g.raw("staff", procedure, body, streams[procedure], "Idempotency-Key", request, "Lodge-Reason", "to see", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
			found, next := g.entries(end)
			if end = next; len(found) != 1 {
				t.Errorf("%s %s: %d entries", procedure, body, len(found))
				continue
			}
			e, reason := found[0], "to see"
			if ofGuests.MatchString(procedure) { // an entry could not forget it
				reason = ""
			}
			if e.Method != procedure[1:] || e.Actor != g.actor("staff") || e.Outcome != trail.Refused || e.Code == "" || e.Refusal == "" || e.Count != 1 ||
				e.Client != "127.0.0.1" || e.Reason != reason || e.Trace != "0af7651916cd43dd8448eb211c80319c" || e.RequestID != request {
				t.Errorf("%s %s: %+v", procedure, body, e)
			}
			if after, _ := g.eventsOf(uuid.Nil); after != before {
				t.Errorf("%s %s: %d events", procedure, body, after-before)
			}
		}
	}
}

// changes is a gated stack whose calls are all to succeed, and what each has left on record.
type changes struct {
	*gated
	end  log.Offset
	done map[string]bool
}

// do makes a call as admin and checks that it has left exactly one record: events of its request, or an entry.
func (c *changes) do(call, body string) map[string]any {
	c.Helper()
	procedure, request := "/lodge.v1."+call, uuid.New()
	before, _ := c.eventsOf(uuid.Nil)
	status, answer := c.raw("admin", procedure, body, streams[procedure], "Idempotency-Key", request.String(), "Lodge-Reason", "UTF-8''Gr%C3%BCnde")
	if status != http.StatusOK {
		c.Fatalf("%s %s: %s", call, body, answer)
	}
	effect := api.Effects()[procedure]
	if effect == "flow" {
		if err := c.trail.Flush(context.Background()); err != nil {
			c.Fatal(err)
		}
	}
	after, its := c.eventsOf(request)
	found, end := c.entries(c.end)
	c.end, c.done[procedure] = end, true
	if effect == "command" {
		if its == 0 || after-before != its || len(found) != 0 {
			c.Errorf("%s has left %d events, %d of its request, and %d entries", call, after-before, its, len(found))
		}
		c.named(call, request, its)
	} else if after != before || len(found) != 1 || found[0].Method != procedure[1:] || found[0].Actor != c.actor("admin") || found[0].Outcome != trail.Done || found[0].Count != 1 {
		c.Errorf("%s has left %d events and the entries %+v", call, after-before, found)
	} else if e := found[0]; effect == "action" && (e.Reason != "Gründe" || e.Resource == "" || e.RequestID != request.String()) {
		c.Errorf("%s has left %+v", call, e)
	}
	c.settle()
	var m map[string]any
	_ = json.Unmarshal(answer, &m) // of a stream it is none
	return m
}

// named checks that the events of a call's request are found by the name of the call, and by that of their command.
func (c *changes) named(call string, request uuid.UUID, n int) {
	c.Helper()
	method := "lodge.v1." + call
	found := list(c, c.gated.audit("admin"), &lodgev1.ListAuditEntriesRequest{RequestId: request.String(), Types: []string{method}}, nil)
	if len(found) != n {
		c.Errorf("%d of the %d events of %s are found by its name", len(found), n, call)
		return
	}
	command := found[0].GetCommand()
	if again := list(c, c.gated.audit("admin"), &lodgev1.ListAuditEntriesRequest{RequestId: request.String(), Types: []string{command}}, nil); len(again) != n {
		c.Errorf("%d of the %d events of %s are found by %q", len(again), n, call, command)
	}
	for _, e := range found {
		if e.GetMethod() != method || e.GetCommand() != command || e.GetEventType() == "" {
			c.Errorf("%s led to %v", call, e)
		}
	}
}

// commandNames are the names of commands in their source.
var commandNames = regexp.MustCompile(`return "([a-z_]+)"`)

// TestEveryCommandIsKnown: each is given by a call that changes something, or by the platform alone; or it leads to no event.
func TestEveryCommandIsKnown(t *testing.T) {
	source, err := os.ReadFile("../domain/hotel/names.go")
	if err != nil {
		t.Fatal(err)
	}
	givers, platform, n := api.Givers(), api.PlatformCommands(), 0
	for _, m := range commandNames.FindAllStringSubmatch(string(source), -1) {
		n++
		giver, given := givers[m[1]]
		looks := m[1] == "check_payment" || m[1] == "check_refund"
		if ways := slices.DeleteFunc([]bool{given, platform[m[1]], looks}, func(way bool) bool { return !way }); len(ways) != 1 {
			t.Errorf("%s is given by call %q, by the platform alone: %t, leads to no event: %t", m[1], giver, platform[m[1]], looks)
		}
		if given && api.Effects()[giver] != "command" {
			t.Errorf("%s is given by %s, which gives none", m[1], giver)
		}
	}
	if n != len(givers)+len(platform)+2 {
		t.Errorf("%d commands in the source, %d of calls, %d of the platform", n, len(givers), len(platform))
	}
}

// paid books at the ritz as do does, and has the money come.
func (c *changes) paid(in, out int) (name, payment string) {
	c.Helper()
	name = c.do("ReservationService/CreateReservation", c.booking(in, out))["name"].(string)
	payment = uuid.NewString()
	c.do("PaymentService/PayReservation", fmt.Sprintf(`{"name":%q,"paymentId":%q,"paymentMethod":"tok"}`, name, payment))
	id, amount := name[strings.LastIndexByte(name, '/')+1:], domain.Money{Currency: "EUR", MinorUnits: int64(out-in) * 100_00}
	c.command(&hotel.RecordPayment{Hotel: "ritz", ReservationID: id, PaymentID: payment, Outcome: hotel.PaymentCaptured, Amount: amount, ProviderReference: "ch_1"})
	c.command(&hotel.ConfirmReservation{Hotel: "ritz", ReservationID: id, PaymentID: payment, Amount: amount})
	c.settle()
	return name, payment
}

// command gives the engine a command as a process manager does.
func (c *changes) command(body hotel.Command) {
	c.Helper()
	if _, err := c.engine.Execute(context.Background(), commands.Command{RequestID: uuid.New(), Body: body}); err != nil {
		c.Fatal(err)
	}
}

// failed has a refund of a reservation fail, and returns it.
func (c *changes) failed(name, payment string) (refund string) {
	c.Helper()
	id := name[strings.LastIndexByte(name, '/')+1:]
	refund = uuid.NewString()
	c.command(&hotel.SettleRefunds{Hotel: "ritz", ReservationID: id, RefundID: refund})
	c.command(&hotel.RecordRefund{Hotel: "ritz", ReservationID: id, PaymentID: payment, RefundID: refund, Cause: "the card is no more"})
	c.settle()
	return refund
}

func (c *changes) booking(in, out int) string {
	return fmt.Sprintf(`{"parent":"hotels/ritz","reservation":{"roomType":"hotels/ritz/roomTypes/double","quantity":1,"checkInDate":%s,"checkOutDate":%s,"guest":{"displayName":"A","adults":1}}}`,
		dateJSON(day(in)), dateJSON(day(out)))
}

// TestEveryChangeIsOnRecord makes every call that changes something so that it succeeds.
func TestEveryChangeIsOnRecord(t *testing.T) {
	c := &changes{gated: newGatedWith(t, api.Options{}, bridge(t)), done: map[string]bool{}}
	_, c.end = c.entries(0)
	c.houses()
	c.lives()
	c.waits()
	c.people()
	c.machinery()
	c.records()
	for _, procedure := range slices.Sorted(maps.Keys(api.Effects())) {
		if !c.done[procedure] && !strings.Contains(procedure, "Letter") { // see TestLettersAreOnRecord
			t.Errorf("%s was not tried", procedure)
		}
	}
}

func (c *changes) houses() {
	name := func(of string) string { return fmt.Sprintf(`{"name":%q}`, of) }
	span := fmt.Sprintf(`"startDate":%s,"endDate":%s`, dateJSON(day(0)), dateJSON(day(30)))
	c.do("HotelService/CreateHotel", `{"hotelId":"plaza","hotel":{"displayName":"P","timeZone":"UTC","currencyCode":"EUR"}}`)
	c.do("HotelService/UpdateHotel", `{"hotel":{"name":"hotels/plaza","displayName":"Plaza"}}`)
	c.do("HotelService/CreateRoomType", `{"parent":"hotels/plaza","roomTypeId":"single","roomType":{"displayName":"S","maxGuests":1,"baseRate":{"currencyCode":"EUR","units":"50"}}}`)
	c.do("HotelService/UpdateRoomType", `{"roomType":{"name":"hotels/plaza/roomTypes/single","displayName":"Single"}}`)
	c.do("HotelService/ArchiveRoomType", name("hotels/plaza/roomTypes/single"))
	c.do("HotelService/ArchiveHotel", name("hotels/plaza"))
	c.do("InventoryService/SetInventory", `{"roomType":"hotels/ritz/roomTypes/double",`+span+`,"physicalCount":21}`)
	c.do("InventoryService/SetRestrictions", `{"roomType":"hotels/ritz/roomTypes/double",`+span+`,"maxStay":20}`)
	c.do("RateService/CreateRatePlan", `{"parent":"hotels/ritz","ratePlanId":"flex","ratePlan":{"displayName":"Flex"}}`)
	c.do("RateService/UpdateRatePlan", `{"ratePlan":{"name":"hotels/ritz/ratePlans/flex","displayName":"Flexible"}}`)
	c.do("RateService/SetRates", `{"ratePlan":"hotels/ritz/ratePlans/flex","roomType":"hotels/ritz/roomTypes/double",`+span+`,"nightlyRate":{"currencyCode":"EUR","units":"90"}}`)
	c.do("RateService/ArchiveRatePlan", name("hotels/ritz/ratePlans/flex"))
	for _, room := range []string{"101", "102", "103"} {
		c.do("RoomService/CreateRoom", fmt.Sprintf(`{"parent":"hotels/ritz","roomId":%q,"room":{"roomType":"hotels/ritz/roomTypes/double","displayName":%[1]q}}`, room))
	}
	c.do("RoomService/UpdateRoom", `{"room":{"name":"hotels/ritz/rooms/102","floor":"1"}}`)
	c.do("RoomService/ArchiveRoom", name("hotels/ritz/rooms/102"))
}

func (c *changes) lives() {
	name := func(of string) string { return fmt.Sprintf(`{"name":%q}`, of) }
	group := c.do("ReservationService/BatchCreateReservations", `{"parent":"hotels/ritz","requests":[`+c.booking(3, 4)+`,`+c.booking(3, 5)+`]}`)["groupId"]
	c.do("PaymentService/PayGroup", fmt.Sprintf(`{"parent":"hotels/ritz","groupId":%q,"paymentMethod":"tok"}`, group))
	c.do("ReservationService/CancelGroup", fmt.Sprintf(`{"parent":"hotels/ritz","groupId":%q}`, group))
	changed := c.do("ReservationService/CreateReservation", c.booking(2, 4))["name"].(string)
	c.do("ReservationService/UpdateReservation", fmt.Sprintf(`{"reservation":{"name":%q,"quantity":2},"updateMask":"quantity"}`, changed))
	c.do("ReservationService/ConfirmReservation", name(changed))
	c.do("ReservationService/CancelReservation", name(changed))
	c.settle()
	c.do("GuestService/ForgetGuest", fmt.Sprintf(`{"name":%q}`, changed))
	refunded, payment := c.paid(2, 4)
	c.do("PaymentService/RefundReservation", fmt.Sprintf(`{"name":%q,"amount":{"currencyCode":"EUR","units":"10"}}`, refunded))
	c.do("PaymentService/SettleRefund", fmt.Sprintf(`{"name":"%s/payments/%s","refundId":%q,"method":"REFUND_METHOD_CASH"}`, refunded, payment, c.failed(refunded, payment)))
	stays, _ := c.paid(0, 2)
	walks, _ := c.paid(0, 1)
	missing, _ := c.paid(0, 1)
	c.do("StayService/CheckInReservation", fmt.Sprintf(`{"name":%q,"rooms":["hotels/ritz/rooms/101"]}`, stays))
	c.do("StayService/MoveGuest", fmt.Sprintf(`{"name":%q,"toRoom":"hotels/ritz/rooms/103"}`, stays))
	c.do("StayService/CheckOutReservation", name(stays))
	c.do("StayService/WalkReservation", fmt.Sprintf(`{"name":%q,"relocatedTo":"The Savoy"}`, walks))
	c.clock.advance(36 * 3600e9)
	c.do("ReservationService/MarkNoShow", name(missing))
}

func (c *changes) waits() {
	span := fmt.Sprintf(`"startDate":%s,"endDate":%s`, dateJSON(day(20)), dateJSON(day(21)))
	c.do("InventoryService/SetInventory", `{"roomType":"hotels/ritz/roomTypes/double",`+span+`,"physicalCount":0}`)
	entry := c.do("WaitingListService/JoinWaitingList", fmt.Sprintf(
		`{"parent":"hotels/ritz","entry":{"roomType":"hotels/ritz/roomTypes/double","quantity":1,"checkInDate":%s,"checkOutDate":%s,"guest":{"email":"a@example.com","adults":1}}}`, dateJSON(day(20)), dateJSON(day(21))))
	c.do("WaitingListService/LeaveWaitingList", fmt.Sprintf(`{"name":%q}`, entry["name"]))
	c.do("GuestService/ForgetGuest", fmt.Sprintf(`{"name":%q}`, entry["name"]))
}

func (c *changes) people() {
	const email, password, other = "kim@example.com", sesame, sesame + " now"
	made := c.do("AccountService/CreateAccount", `{"account":{"email":"`+email+`","role":"ROLE_STAFF","hotels":["hotels/ritz"]}}`)
	account := made["account"].(map[string]any)["name"].(string)
	name := fmt.Sprintf(`{"name":%q}`, account)
	invited := c.do("AccountService/InviteAccount", name)
	c.do("AccountService/AcceptInvitation", fmt.Sprintf(`{"invitation":%q,"password":%q}`, invited["invitation"], password))
	c.do("AccountService/UpdateAccount", fmt.Sprintf(`{"account":{"name":%q,"label":"Kim"}}`, account))
	c.do("AccountService/DisableAccount", name)
	c.do("AccountService/EnableAccount", name)
	c.do("AccountService/ChangePassword", fmt.Sprintf(`{"name":%q,"oldPassword":%q,"newPassword":%q}`, account, password, other))
	session := c.do("SessionService/CreateSession", fmt.Sprintf(`{"email":%q,"password":%q}`, email, other))
	c.do("SessionService/RefreshSession", fmt.Sprintf(`{"refreshToken":%q}`, session["refreshToken"]))
	c.do("SessionService/DeleteSession", fmt.Sprintf(`{"name":%q}`, session["session"].(map[string]any)["name"]))
	c.do("AccountService/DeleteAccount", name)
	c.do("AccountService/SignUp", fmt.Sprintf(`{"email":"zoe@example.com","password":%q}`, sesame))
}

func (c *changes) machinery() {
	token := c.do("AccessService/CreateToken", `{"token":{"role":"ROLE_SERVICE","label":"of a test"}}`)["token"].(map[string]any)["name"].(string)
	c.do("AccessService/RevokeToken", fmt.Sprintf(`{"name":%q}`, token))
	c.do("AdminService/CreateTopic", `{"topicId":"orders","topic":{"partitionCount":2}}`)
	c.do("AdminService/CreateTopic", `{"topicId":"gone","topic":{}}`)
	c.do("AdminService/UpdateTopic", `{"topic":{"name":"topics/orders","retentionAge":"3600s"},"updateMask":"retentionAge"}`)
	c.do("AdminService/AddPartitions", `{"name":"topics/orders","count":1}`)
	c.do("AdminService/RetirePartitions", `{"name":"topics/orders","partitions":[2]}`)
	c.do("AdminService/DeleteTopic", `{"name":"topics/gone"}`)
	c.do("AdminService/RebuildProjection", `{"name":"projections/hotels"}`)
	c.do("ScheduleService/CreateSchedule", `{"scheduleId":"tea","schedule":{"topic":"orders","cron":"0 17 * * *","value":"dGVh"}}`)
	c.do("ScheduleService/DeleteSchedule", `{"name":"schedules/tea"}`)
}

func (c *changes) records() {
	c.do("MessageService/Produce", `{"topic":"orders","partition":0,"records":[{"value":"b25l"},{"value":"dHdv"}]}`)
	c.do("QueueService/CreateQueue", `{"queueId":"kitchen","queue":{"topics":["orders"],"visibilityTimeout":"30s"}}`)
	c.do("QueueService/UpdateQueue", `{"queue":{"name":"queues/kitchen","visibilityTimeout":"60s"},"updateMask":"visibilityTimeout"}`)
	got := c.do("QueueService/Receive", `{"name":"queues/kitchen","recordsMax":2}`)
	var receipts []string
	for _, d := range got["deliveries"].([]any) {
		receipts = append(receipts, d.(map[string]any)["receipt"].(string))
	}
	c.do("QueueService/ExtendVisibility", fmt.Sprintf(`{"name":"queues/kitchen","receipts":[%q],"visibilityTimeout":"10s"}`, receipts[0]))
	c.do("QueueService/Ack", fmt.Sprintf(`{"name":"queues/kitchen","receipts":[%q]}`, receipts[0]))
	c.do("QueueService/Nack", fmt.Sprintf(`{"name":"queues/kitchen","receipts":[%q]}`, receipts[1]))
	c.do("QueueService/DeleteQueue", `{"name":"queues/kitchen"}`)
	c.consumes()
	c.do("GroupService/ResetGroupOffsets", `{"name":"groups/g","topics":["orders"],"end":{}}`)
	c.do("GroupService/DeleteGroup", `{"name":"groups/g"}`)
	c.do("AdminService/DeleteRecords", `{"name":"topics/orders","partition":0,"beforeOffset":"1"}`)
}

// consumes holds a stream open, commits through it, and hangs up.
func (c *changes) consumes() {
	c.Helper()
	m := c.consume(c, &lodgev1.ConsumeRequest{Topics: []string{"orders"}, Group: "h", Start: &lodgev1.ConsumeRequest_Beginning_{Beginning: &lodgev1.ConsumeRequest_Beginning{}}})
	if got := m.upToCaughtUp(); len(got) != 2 {
		c.Fatalf("consumed %q", got)
	}
	c.do("MessageService/Commit", fmt.Sprintf(`{"consumer":%q,"positions":["orders/0@2"]}`, m.consumer))
	m.leave("h")
	// The stream's end is counted when the server sees that nobody listens any more.
	for len(c.counted("/lodge.v1.MessageService/Consume")) == 0 {
	}
	c.done["/lodge.v1.MessageService/Consume"] = true
}

// counted returns the new entries of a call that is counted.
func (c *changes) counted(procedure string) []*trail.Entry {
	c.Helper()
	if err := c.trail.Flush(context.Background()); err != nil {
		c.Fatal(err)
	}
	found, end := c.entries(c.end)
	c.end = end
	return slices.DeleteFunc(found, func(e *trail.Entry) bool { return e.Method != procedure[1:] || e.Outcome != trail.Done })
}
