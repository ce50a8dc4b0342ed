package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"lodge/api/access"
	rpc "lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/api/trail"
	"lodge/commands/process"
	"lodge/domain"
)

// auditor writes down what events do not tell. A nil auditor writes nothing, at no cost.
type auditor struct {
	trail *trail.Trail
	gate  *gate // nil: nobody is asked who they are

	processes *process.Router // nil: there are no letters
}

func (a *API) newAuditor() *auditor {
	if a.deps.Trail == nil {
		return nil
	}
	return &auditor{a.deps.Trail, a.gate, a.deps.Processes}
}

// reasonMalformed is recorded of a call that could not be read.
const reasonMalformed = "MALFORMED"

// around makes a call that has been let in. A change that no event tells of is on record before it is answered.
func (u *auditor) around(ctx context.Context, in *incoming, do func() (any, error)) error {
	var kind effect
	if u != nil {
		kind = effects[in.procedure]
	}
	if m, ok := in.msg.(interface{ GetValidateOnly() bool }); ok && m.GetValidateOnly() {
		kind = reads
	}
	if kind != action && kind != flow {
		_, err := do()
		return err
	}
	if _, err := parseReason(in.header); err != nil {
		return err
	}
	if kind == action {
		if err := u.ready(ctx); err != nil {
			return err
		}
	}
	who, of := u.who(ctx, in.header), u.hotelOf(resourceOf(in.msg)) // who ends their own token is somebody until then, and a letter is some hotel's
	answer, err := do()
	if ended := in.stream && kind == flow && ctx.Err() != nil; err != nil && !ended { // who consumes hangs up in the end
		return err
	}
	e := u.entry(ctx, in)
	e.Actor, e.Outcome, e.HotelID = who, trail.Done, cmp.Or(e.HotelID, of)
	if kind == flow {
		u.trail.Counted(e)
		return err
	}
	e.Field = changedFields(in.msg)
	if made, ok := answer.(proto.Message); ok {
		if name := madeName(made); name != "" {
			e.Resource = name
		}
	}
	return u.record(ctx, e)
}

// ready refuses a change that could not be recorded.
func (u *auditor) ready(ctx context.Context) error {
	if u == nil {
		return nil
	}
	if err := u.trail.Ready(ctx); err != nil {
		return unrecorded("nothing was changed, because the audit trail cannot be written", err)
	}
	return nil
}

// record has a change that was made on disk.
func (u *auditor) record(ctx context.Context, e trail.Entry) error {
	if err := u.trail.Record(ctx, e); err != nil {
		return unrecorded("it was done, but the audit trail could not be written", err)
	}
	return nil
}

func unrecorded(text string, err error) error {
	return errors.Join(newError(connect.CodeUnavailable, ReasonAuditUnavailable, text, nil), err)
}

// refused puts aside a call that was refused or has failed: one that would have changed something, and any other that was not let in. A refusal that is an event is not
// put aside. It does not wait.
func (u *auditor) refused(ctx context.Context, in incoming, err error, answer *connect.Error) {
	if u == nil || answer == nil {
		return
	}
	if effects[in.procedure] == reads && !keptOut(answer.Code()) {
		return
	}
	if r := (*recordedError)(nil); errors.As(err, &r) {
		return
	}
	if in.stream && answer.Code() == connect.CodeCanceled { // around has counted it, or it has changed nothing
		return
	}
	e := u.entry(ctx, &in)
	if in.msg == nil {
		e.Refusal = reasonMalformed // unless the answer has a reason
	}
	u.putAside(e, answer)
}

// putAside puts aside a call by how it was answered. It does not wait.
func (u *auditor) putAside(e trail.Entry, answer *connect.Error) {
	e.Outcome, e.Code = outcomeOf(answer.Code()), strings.ToUpper(answer.Code().String())
	reason, field := refusalOf(answer)
	e.Refusal, e.Field = cmp.Or(reason, e.Refusal), field
	u.trail.Refused(e)
}

// keptOut reports whether a code says that a caller was not let in.
func keptOut(code connect.Code) bool {
	return code == connect.CodeUnauthenticated || code == connect.CodePermissionDenied || code == connect.CodeResourceExhausted
}

// outcomeOf returns what a code says of a change.
func outcomeOf(code connect.Code) trail.Outcome {
	switch code {
	case connect.CodeInternal, connect.CodeUnknown, connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeCanceled, connect.CodeDataLoss:
		return trail.Failed
	}
	return trail.Refused
}

// refusalOf returns an answer's reason and the paths of the fields at fault.
func refusalOf(answer *connect.Error) (reason, field string) {
	var fields []string
	for _, d := range answer.Details() {
		m, err := d.Value()
		if err != nil {
			continue
		}
		switch m := m.(type) {
		case *errdetails.ErrorInfo:
			reason = m.GetReason()
			if f := m.GetMetadata()["field"]; f != "" && len(fields) == 0 {
				fields = append(fields, f)
			}
		case *errdetails.BadRequest:
			fields = fields[:0]
			for _, v := range m.GetFieldViolations() {
				fields = append(fields, v.GetField())
			}
		}
	}
	return reason, fieldPaths(fields)
}

// auditedTextMax bounds names and paths in an entry, in bytes.
const auditedTextMax = 256

// pathForm is what a field's path is. Anything else may hold what a caller has written.
var pathForm = regexp.MustCompile(`^[A-Za-z0-9_.\-\[\]]{1,100}$`)

func fieldPaths(fields []string) string {
	var b strings.Builder
	for _, f := range fields {
		if pathForm.MatchString(f) && b.Len()+len(f) < auditedTextMax {
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			b.WriteString(f)
		}
	}
	return b.String()
}

// changedFields returns the paths of an update's mask.
func changedFields(msg proto.Message) string {
	if m, ok := msg.(interface{ GetUpdateMask() *fieldmaskpb.FieldMask }); ok {
		return fieldPaths(m.GetUpdateMask().GetPaths())
	}
	return ""
}

// entry says who made a call, and of what.
func (u *auditor) entry(ctx context.Context, in *incoming) trail.Entry {
	e := trail.Entry{
		Actor: u.who(ctx, in.header), Client: addressOf(ctx, in.addr), Trace: traceOf(in),
		Method: strings.TrimPrefix(in.procedure, "/"), CorrelationID: idText(in.header.Get(HeaderCorrelationID)),
	}
	if namesReason(in.procedure) {
		e.Reason, _ = parseReason(in.header) // what is malformed is no reason
	}
	field := ""
	if m, ok := in.msg.(interface{ GetRequestId() string }); ok {
		field = m.GetRequestId()
	}
	if id, named, err := parseRequestID(field, in.header); err == nil && named {
		e.RequestID = id.String()
	}
	if in.msg == nil {
		return e
	}
	e.Resource = auditedName(in.msg)
	e.HotelID = u.hotelOf(e.Resource)
	return e
}

// hotelOf returns the id of the hotel that a resource belongs to, or "".
func (u *auditor) hotelOf(resource string) string {
	if rest, ok := strings.CutPrefix(resource, hotelsPrefix); ok {
		id, _, _ := strings.Cut(rest, "/")
		if domain.ValidateID(id, "hotel") == nil {
			return id
		}
	}
	if id, ok := strings.CutPrefix(resource, lettersPrefix); ok && u.processes != nil {
		of, err := u.processes.LetterHotel(id)
		if err == nil && domain.ValidateID(of, "hotel") == nil {
			return of
		}
	}
	return ""
}

// ofGuests are the services whose calls are about a guest's booking. Their events have the reason, sealed; an entry of the trail could not forget it.
var ofGuests = []string{rpc.ReservationServiceName, rpc.StayServiceName, rpc.PaymentServiceName, rpc.WaitingListServiceName, rpc.GuestServiceName}

// namesReason reports whether an entry says why a call was made: not of a guest's booking, nor of what got to no method.
func namesReason(procedure string) bool {
	service, _, _ := strings.Cut(strings.TrimPrefix(procedure, "/"), "/")
	return strings.HasPrefix(service, "lodge.v1.") && !slices.Contains(ofGuests, service)
}

// who returns who makes a call, also when it got nowhere.
func (u *auditor) who(ctx context.Context, header http.Header) string {
	if who := actor(ctx); who != "" {
		return who
	}
	if u.gate != nil && u.gate.required {
		c := &caller{header: header}
		if err := u.gate.meet(ctx, c); err == nil && c.token != nil {
			return c.token.Actor()
		}
		if !local(ctx) {
			return anonymousActor
		}
	}
	if local(ctx) {
		return localActor
	}
	return ""
}

// addressOf returns where a call came from, or "" for the socket.
func addressOf(ctx context.Context, addr string) string {
	if local(ctx) {
		return ""
	}
	return access.ClientOf(addr)
}

// traceOf returns the id of the trace that a call belongs to, or "".
func traceOf(in *incoming) string {
	if in.span != nil && in.span.SpanContext().HasTraceID() {
		return in.span.SpanContext().TraceID().String()
	}
	return traceIn(in.header.Get("Traceparent"))
}

// traceIn returns the id in a trace parent after W3C's Trace Context, or "".
func traceIn(parent string) string {
	parts := strings.Split(parent, "-")
	if len(parts) < 4 || len(parts[1]) != 32 || strings.Trim(parts[1], "0123456789abcdef") != "" {
		return ""
	}
	return parts[1]
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9._:\-]{1,128}$`)

// idText returns an id that a caller chose, or "" for what looks like none.
func idText(id string) string {
	if idForm.MatchString(id) {
		return id
	}
	return ""
}

// nameForm is what the names of resources are. Anything else may be what somebody typed in place of one.
var nameForm = regexp.MustCompile(`^[a-zA-Z]+/[a-zA-Z0-9._\-]+(/[a-zA-Z]+/[a-zA-Z0-9._\-]+)*$`)

func cleanName(name string) string {
	if strings.HasPrefix(name, guestsPrefix) { // who is forgotten is not remembered here
		return guestsPrefix + "-"
	}
	if len(name) > auditedTextMax || !nameForm.MatchString(name) {
		return ""
	}
	return name
}

// childNames say how a resource that a message wants to make is called, by the field of its id.
var childNames = []struct{ field, collection string }{
	{"reservation_id", "reservations"}, {"entry_id", "waitingListEntries"}, {"room_type_id", "roomTypes"}, {"rate_plan_id", "ratePlans"}, {"room_id", "rooms"},
	{"hotel_id", "hotels"}, {"topic_id", "topics"}, {"queue_id", "queues"}, {"schedule_id", "schedules"},
}

// auditedName returns the name of what a message is about, or "" when it has none that looks like one.
func auditedName(msg proto.Message) string {
	name := resourceOf(msg)
	m := msg.ProtoReflect()
	fields := m.Descriptor().Fields()
	if name == "" {
		name = inMessage(m)
	}
	for _, c := range childNames {
		f := fields.ByName(protoreflect.Name(c.field))
		if f == nil || f.Kind() != protoreflect.StringKind || m.Get(f).String() == "" {
			continue
		}
		child := c.collection + "/" + m.Get(f).String()
		if _, ok := msg.(interface{ GetParent() string }); ok {
			child = name + "/" + child
		}
		if child = cleanName(child); child != "" {
			return child
		}
	}
	return cleanName(name)
}

// inMessage returns the name of a resource that a message carries, or of the topic that it names.
func inMessage(m protoreflect.Message) string {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.Name() == "topic" && f.Kind() == protoreflect.StringKind:
			return topicsPrefix + strings.TrimPrefix(m.Get(f).String(), topicsPrefix)
		case f.Name() == "consumer" && f.Kind() == protoreflect.StringKind:
			return m.Get(f).String()
		case f.Message() != nil && !f.IsList() && !f.IsMap() && f.Message().ParentFile().Package() == "lodge.v1":
			if name := f.Message().Fields().ByName("name"); name != nil && name.Kind() == protoreflect.StringKind {
				return m.Get(f).Message().Get(name).String()
			}
		}
	}
	return ""
}

// madeName returns the name of the resource that an answer is, or brings.
func madeName(answer proto.Message) string {
	m := answer.ProtoReflect()
	if f := m.Descriptor().Fields().ByName("name"); f != nil && f.Kind() == protoreflect.StringKind {
		return cleanName(m.Get(f).String())
	}
	return cleanName(inMessage(m))
}

// A call that is not read gets to no method. Its handler leaves a mark in the context that is set when it does.
type (
	reachKey struct{}
	reach    struct{ reached bool }
)

// reached says that a call has been read.
func (u *auditor) reached(ctx context.Context) {
	if u == nil {
		return
	}
	if mark, ok := ctx.Value(reachKey{}).(*reach); ok {
		mark.reached = true
	}
}

// unread puts aside the changes that a service's handler refuses because it cannot read them. Over REST the wrapper does so.
func (u *auditor) unread(next http.Handler) http.Handler {
	if u == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if effects[r.URL.Path] == reads || restOf(r.Context()) != nil {
			next.ServeHTTP(w, r)
			return
		}
		mark := &reach{}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), reachKey{}, mark)))
		why := unreached{connect.CodeInvalidArgument, reasonMalformed}
		if b, ok := r.Body.(*boundedBody); ok && b.refused {
			why = unreached{connect.CodeResourceExhausted, ReasonRequestTooLarge}
		}
		if !mark.reached {
			u.malformed(r, r.URL.Path, r.URL.Path, why)
		}
	})
}

// unrouted puts aside a request over REST that wanted to change something and got to no method.
func (u *auditor) unrouted(r *http.Request, path string, refusal unreached) {
	switch {
	case u == nil:
	case effects[r.URL.Path] != reads:
		u.malformed(r, path, r.URL.Path, refusal)
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions:
		u.malformed(r, path, methodText(r.Method)+" /v1", refusal)
	}
}

func methodText(method string) string {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return method
	}
	return "OTHER"
}

// malformed puts aside a request that could not be read. Of its path only the hotel is kept.
func (u *auditor) malformed(r *http.Request, path, method string, refusal unreached) {
	e := u.entry(r.Context(), &incoming{procedure: method, header: r.Header, addr: r.RemoteAddr})
	e.Outcome, e.Code, e.Refusal = trail.Refused, strings.ToUpper(refusal.code.String()), refusal.reason
	if rest, ok := strings.CutPrefix(path, "/v1/"+hotelsPrefix); ok {
		id, _, _ := strings.Cut(rest, "/")
		id, _, _ = strings.Cut(id, ":")
		if domain.ValidateID(id, "hotel") == nil {
			e.HotelID, e.Resource = id, hotelName(id)
		}
	}
	u.trail.Refused(e)
}

// posted puts aside what payment providers, or who pretends to be one, post in vain.
func (u *auditor) posted(next http.Handler) http.Handler {
	if u == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		if seen.status < http.StatusBadRequest {
			return
		}
		e := trail.Entry{Client: addressOf(r.Context(), r.RemoteAddr), Trace: traceIn(r.Header.Get("Traceparent")), Method: "POST " + r.URL.Path, Outcome: trail.Refused, Code: "INVALID_ARGUMENT", Refusal: reasonMalformed}
		if seen.status >= http.StatusInternalServerError {
			e.Outcome, e.Code, e.Refusal = trail.Failed, "UNAVAILABLE", ReasonUnavailable
		}
		u.trail.Refused(e)
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(code int) {
	w.status = code
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
