package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/trail"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
)

// auditFilter says which entries a caller wants, and in which order.
type auditFilter struct {
	hotelID, reservationID string // empty: any
	actor, role            string // one of them at most
	outcome                lodgev1.AuditOutcome
	types, methods         map[string]bool // all nil: all
	commands               map[string]bool
	requestID              uuid.UUID // uuid.Nil: any
	start, end             time.Time // zero: open
	newest                 bool      // first
	hideAddress            bool
	open                   func(*event.Envelope) error // puts into an event why its command was given
}

func newAuditFilter(req *lodgev1.ListAuditEntriesRequest) (*auditFilter, error) {
	f := &auditFilter{outcome: req.GetOutcome(), newest: req.GetOrderBy() == "" || strings.HasSuffix(req.GetOrderBy(), " desc")}
	if err := f.about(req); err != nil {
		return nil, err
	}
	if f.actor = req.GetActor(); f.actor != "" && !strings.Contains(f.actor, ":") {
		f.actor, f.role = "", f.actor+":"
	}
	if id := req.GetRequestId(); id != "" {
		var err error
		if f.requestID, err = uuid.Parse(id); err != nil || len(id) != 36 || f.requestID == uuid.Nil {
			return nil, domain.Errorf(domain.InvalidID, "request_id", "%.80q is not a UUID", id)
		}
	}
	for i, t := range req.GetTypes() {
		if err := f.take(t); err != nil {
			return nil, domain.Errorf(domain.InvalidArgument, fmt.Sprintf("types[%d]", i), "%.80q is neither a call nor a command nor a type of event", t)
		}
	}
	for _, t := range []struct {
		field string
		at    *timestamppb.Timestamp
		to    *time.Time
	}{{"start_time", req.GetStartTime(), &f.start}, {"end_time", req.GetEndTime(), &f.end}} {
		if t.at == nil {
			continue
		}
		if t.at.CheckValid() != nil || t.at.AsTime().IsZero() {
			return nil, domain.Errorf(domain.InvalidArgument, t.field, "that is no time")
		}
		*t.to = t.at.AsTime()
	}
	if !f.start.IsZero() && !f.end.IsZero() && !f.start.Before(f.end) {
		return nil, domain.Errorf(domain.InvalidArgument, "end_time", "it is not after start_time")
	}
	return f, nil
}

// about takes the hotel and the reservation that a request names.
func (f *auditFilter) about(req *lodgev1.ListAuditEntriesRequest) (err error) {
	if req.GetHotel() != "" {
		if f.hotelID, err = parseHotel(req.GetHotel(), "hotel"); err != nil {
			return err
		}
	}
	if req.GetReservation() == "" {
		return nil
	}
	hotelID, id, err := parseReservation(req.GetReservation(), "reservation")
	if err != nil {
		return err
	}
	if f.hotelID != "" && f.hotelID != hotelID {
		return domain.Errorf(domain.InvalidArgument, "reservation", "it is not of hotel %s", f.hotelID)
	}
	f.hotelID, f.reservationID = hotelID, id.String()
	return nil
}

// take takes a type of event, the name of a command, or that of a call.
func (f *auditFilter) take(name string) error {
	if f.types == nil {
		f.types, f.methods, f.commands = map[string]bool{}, map[string]bool{}, map[string]bool{}
	}
	if event.Default().Kind(name) != nil {
		f.types[name] = true
		return nil
	}
	if givers[name] != "" || platformCommands[name] {
		f.commands[name] = true
		return nil
	}
	known := false
	for procedure := range rules {
		if procedure == "/"+name || strings.HasSuffix(procedure, "/"+name) && !strings.Contains(name, "/") {
			f.methods[procedure[1:]], known = true, true
		}
	}
	if !known {
		return domain.Errorf(domain.InvalidArgument, "", "")
	}
	return nil
}

// rejectedType is the event that is a refusal.
var rejectedType = event.TypeOf(&eventpb.ReservationRejected{})

// wantsEvents reports whether any event can match.
func (f *auditFilter) wantsEvents() bool {
	switch f.outcome {
	case lodgev1.AuditOutcome_AUDIT_OUTCOME_FAILED, lodgev1.AuditOutcome_AUDIT_OUTCOME_LOST:
		return false
	case lodgev1.AuditOutcome_AUDIT_OUTCOME_REFUSED:
		return f.types == nil || f.types[rejectedType] || f.byCommand()
	}
	return f.types == nil || len(f.types) > 0 || f.byCommand()
}

// byCommand reports whether events are wanted by what led to them.
func (f *auditFilter) byCommand() bool {
	if len(f.commands) > 0 {
		return true
	}
	for method := range f.methods {
		if effects["/"+method] == command {
			return true
		}
	}
	return false
}

// wantsCalls reports whether any entry of the trail can match.
func (f *auditFilter) wantsCalls() bool { return f.types == nil || len(f.methods) > 0 }

// eventTypes returns the only types of events that can match, nil when all can.
func (f *auditFilter) eventTypes() map[string]bool {
	if f.outcome == lodgev1.AuditOutcome_AUDIT_OUTCOME_REFUSED {
		return map[string]bool{rejectedType: true}
	}
	if f.byCommand() {
		return nil
	}
	return f.types
}

// trailFilter returns what the log is asked for of the trail, nil for all.
func (f *auditFilter) trailFilter() *log.Filter {
	chosen := &log.Filter{Tags: slices.Sorted(maps.Keys(f.methods))}
	if f.hotelID != "" {
		chosen.Keys = [][]byte{[]byte(f.hotelID)}
	}
	if chosen.All() {
		return nil
	}
	return chosen
}

// item makes an entry of a record that matches.
func (f *auditFilter) item(r *log.Record) (item auditItem, ok bool, err error) {
	if r.Topic == trail.Topic {
		e, err := trail.Read(r)
		if err != nil || !f.matchCall(e) {
			return item, false, err
		}
		return auditItem{r.Offset, r.Timestamp, f.callEntry(r, e)}, true, nil
	}
	if !f.matchActor(string(r.HeaderValue(event.HeaderActor))) || f.requestID != uuid.Nil && string(r.HeaderValue(event.HeaderRequestID)) != string(f.requestID[:]) {
		return item, false, nil
	}
	led := string(r.HeaderValue(event.HeaderCommand))
	if !f.matchWhat(string(r.HeaderValue(event.HeaderType)), led, strings.TrimPrefix(givers[led], "/")) {
		return item, false, nil
	}
	e, err := decodeRecord(r)
	if err != nil || !f.matchEvent(e) {
		return item, false, err
	}
	if err := f.open(e); err != nil {
		return item, false, err
	}
	return auditItem{r.Offset, r.Timestamp, eventEntry(r, e)}, true, nil
}

// before reports whether an entry comes before one of an earlier lane. Of one time the earlier lane's is the older.
func (f *auditFilter) before(a, b *auditItem) bool {
	if f.newest {
		return !a.at.Before(b.at)
	}
	return a.at.Before(b.at)
}

func (f *auditFilter) matchActor(actor string) bool {
	return (f.actor == "" || f.actor == actor) && strings.HasPrefix(actor, f.role)
}

// matchWhat reports whether an event may match by its type, its command, or the call that gave that.
func (f *auditFilter) matchWhat(eventType, command, method string) bool {
	return f.types == nil || f.types[eventType] || f.commands[command] || f.methods[method]
}

func (f *auditFilter) matchEvent(e *event.Envelope) bool {
	if types := f.eventTypes(); types != nil && !types[e.Type] || f.outcome == lodgev1.AuditOutcome_AUDIT_OUTCOME_DONE && e.Type == rejectedType ||
		f.hotelID != "" && e.HotelID != f.hotelID || !f.matchWhat(e.Type, e.Command, methodOf(e)) {
		return false
	}
	if f.reservationID == "" {
		return true
	}
	m, ok := e.Message.(interface{ GetReservationId() string })
	return ok && m.GetReservationId() == f.reservationID
}

func (f *auditFilter) matchCall(e *trail.Entry) bool {
	switch {
	case !f.matchActor(e.Actor), f.outcome != 0 && f.outcome != auditOutcomes[e.Outcome], f.hotelID != "" && e.HotelID != f.hotelID,
		f.requestID != uuid.Nil && e.RequestID != f.requestID.String(), f.types != nil && !f.methods[e.Method]:
		return false
	case f.reservationID == "":
		return true
	}
	name := reservationName(f.hotelID, f.reservationID)
	return e.Resource == name || strings.HasPrefix(e.Resource, name+"/")
}

var auditOutcomes = map[trail.Outcome]lodgev1.AuditOutcome{
	trail.Done: lodgev1.AuditOutcome_AUDIT_OUTCOME_DONE, trail.Refused: lodgev1.AuditOutcome_AUDIT_OUTCOME_REFUSED,
	trail.Failed: lodgev1.AuditOutcome_AUDIT_OUTCOME_FAILED, trail.Lost: lodgev1.AuditOutcome_AUDIT_OUTCOME_LOST,
}

// callEntry makes the API's form of an entry of the trail.
func (f *auditFilter) callEntry(r *log.Record, e *trail.Entry) *lodgev1.AuditEntry {
	out := &lodgev1.AuditEntry{
		Position: r.Position().String(), Time: timestamppb.New(r.Timestamp), Actor: e.Actor, ClientAddress: e.Client, Method: e.Method, Resource: e.Resource,
		RequestId: e.RequestID, CorrelationId: e.CorrelationID, TraceId: e.Trace, Reason: e.Reason, Outcome: auditOutcomes[e.Outcome],
		Code: e.Code, ErrorReason: e.Refusal, Field: e.Field, Count: e.Count, Origin: lodgev1.EventOrigin_EVENT_ORIGIN_CLIENT,
	}
	if e.HotelID != "" {
		out.Hotel = hotelName(e.HotelID)
	}
	if e.Outcome == trail.Lost {
		out.Origin = lodgev1.EventOrigin_EVENT_ORIGIN_PLATFORM
	}
	if !e.First.IsZero() {
		out.FirstTime = timestamppb.New(e.First)
	}
	if f.hideAddress {
		out.ClientAddress = ""
	}
	return out
}

// eventEntry makes an entry of an event: who, why and what came of it are in its headers.
func eventEntry(r *log.Record, e *event.Envelope) *lodgev1.AuditEntry {
	out := &lodgev1.AuditEntry{
		Position: r.Position().String(), Time: timestamppb.New(r.Timestamp), Actor: e.Actor, Method: methodOf(e), Command: e.Command, EventType: e.Type, EventId: e.ID,
		Resource: eventSubject(e), Hotel: hotelName(e.HotelID), CorrelationId: e.CorrelationID, CausationId: e.CausationID, TraceId: traceIn(e.TraceParent), Reason: e.Reason,
		Outcome: lodgev1.AuditOutcome_AUDIT_OUTCOME_DONE, Count: 1, Origin: originOf(e),
	}
	if e.RequestID != uuid.Nil {
		out.RequestId = uuid.UUID(e.RequestID).String()
	}
	if m, ok := e.Message.(*eventpb.ReservationRejected); ok {
		out.Outcome, out.Code = lodgev1.AuditOutcome_AUDIT_OUTCOME_REFUSED, "FAILED_PRECONDITION"
		out.ErrorReason = strings.TrimPrefix(m.GetReason().String(), "RESERVATION_REASON_")
	}
	return out
}

// eventSubject returns the name of what an event is about.
func eventSubject(e *event.Envelope) string {
	child := func(infix, id string) string {
		if id == "" {
			return hotelName(e.HotelID)
		}
		return hotelName(e.HotelID) + infix + id
	}
	switch m := e.Message.(type) {
	case interface{ GetEntryId() string }:
		return child(waitingListInfix, m.GetEntryId())
	case interface{ GetReservationId() string }:
		return child(reservationsInfix, m.GetReservationId())
	case interface{ GetRoomId() string }:
		return child(roomsInfix, m.GetRoomId())
	case interface{ GetRoom() *eventpb.Room }:
		return child(roomsInfix, m.GetRoom().GetRoomId())
	case interface{ GetRatePlanId() string }:
		return child(ratePlansInfix, m.GetRatePlanId())
	case interface{ GetRatePlan() *eventpb.RatePlan }:
		return child(ratePlansInfix, m.GetRatePlan().GetRatePlanId())
	case interface{ GetRoomTypeId() string }:
		return child(roomTypesInfix, m.GetRoomTypeId())
	case interface{ GetRoomType() *eventpb.RoomType }:
		return child(roomTypesInfix, m.GetRoomType().GetRoomTypeId())
	}
	return hotelName(e.HotelID)
}
