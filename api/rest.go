package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"lodge/commands"
	"lodge/domain"
)

// rest gives vanguard's REST the answers that people expect of HTTP: errors of requests that get to no method as google.rpc.Status
// in JSON with a status that says who is at fault, a query of whose parameters each counts or is refused, HEAD wherever there is GET, the status codes of Idempotency-Key.
type rest struct {
	next    http.Handler
	bodyMax int64
	audit   *auditor
	running keysRunning
}

// restCall is one request over REST. It lies in the request's context and belongs to the request's goroutine.
type restCall struct {
	running *keysRunning
	bodyMax int64     // bytes
	method  string    // GET for HEAD
	query   string    // as it was sent
	reached bool      // the request was read, and is a method's
	tooLong bool      // the body
	status  int       // of an error, where HTTP knows a better one than its code has; 0: none
	key     uuid.UUID // that this request has claimed; uuid.Nil: none
}

type restKey struct{}

// restOf returns the call over REST that a context is of, or nil.
func restOf(ctx context.Context) *restCall {
	c, _ := ctx.Value(restKey{}).(*restCall)
	return c
}

// ServeHTTP implements http.Handler.
func (h *rest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &restCall{running: &h.running, bodyMax: h.bodyMax, query: r.URL.RawQuery}
	path := r.URL.Path // which the next handler changes to the method's when it knows it
	r = r.WithContext(context.WithValue(r.Context(), restKey{}, c))
	if r.Method == http.MethodHead {
		r.Method = http.MethodGet // net/http leaves out the body of the answer
	}
	c.method = r.Method
	unasked := *r.URL
	unasked.RawQuery = "" // the edge reads it
	r.URL = &unasked
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &restBody{http.MaxBytesReader(w, r.Body, h.bodyMax), c}
	}
	answer := &restWriter{ResponseWriter: w, call: c}
	h.next.ServeHTTP(answer, r)
	if refusal, refused := answer.finish(); refused {
		h.audit.unrouted(r, path, refusal)
	}
}

// begin says that the request got to its method, and reads its query into its message.
func (c *restCall) begin(procedure string, msg proto.Message) error {
	c.reached = true
	if c.query == "" {
		return nil
	}
	return readQuery(taken(c.method, procedure), c.query, msg)
}

// ended looks at how the call came out, for what HTTP has a status of its own.
func (c *restCall) ended(err error) {
	if domain.ReasonOf(err) == commands.ReasonRequestReused {
		c.status = http.StatusUnprocessableEntity
	}
}

// restBody remembers that a body was too long: vanguard only says that it could not be read.
type restBody struct {
	io.ReadCloser
	call *restCall
}

// Read implements io.Reader.
func (b *restBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		b.call.tooLong = true
	}
	return n, err
}

// heldMax bounds what is kept of the text of an error that is written anew.
const heldMax = 64 << 10

// restWriter holds back the errors of requests that did not get to a method, to write them anew.
type restWriter struct {
	http.ResponseWriter
	call *restCall
	head bool         // the status has been written, or is held back
	held int          // the status that is held back; 0: none is
	text bytes.Buffer // the body that goes with it
}

// WriteHeader implements http.ResponseWriter.
func (w *restWriter) WriteHeader(code int) {
	if code >= http.StatusBadRequest && !w.head {
		if !w.call.reached {
			w.head, w.held = true, code
			return
		}
		if w.call.status != 0 {
			code = w.call.status
		}
	}
	w.head = w.head || code >= http.StatusOK
	w.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (w *restWriter) Write(p []byte) (int, error) {
	if w.held != 0 {
		w.text.Write(p[:min(len(p), heldMax-w.text.Len())])
		return len(p), nil
	}
	w.head = true
	return w.ResponseWriter.Write(p)
}

// Flush implements http.Flusher, which vanguard asks for.
func (w *restWriter) Flush() {
	if w.held == 0 {
		w.head = true
		_ = http.NewResponseController(w.ResponseWriter).Flush() // whoever asked may have gone
	}
}

// Unwrap is for http.ResponseController.
func (w *restWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// unreached is why a request got to no method.
type unreached struct {
	code   connect.Code
	reason string
}

// finish writes what was held back, if there is something.
func (w *restWriter) finish() (refusal unreached, refused bool) {
	if w.held == 0 {
		return refusal, false
	}
	refusal, code, answer := w.unreached()
	header := w.Header()
	header.Del("Content-Length")
	header.Del("Content-Encoding")
	header.Set("Content-Type", "application/json")
	w.ResponseWriter.WriteHeader(code)
	_, _ = w.ResponseWriter.Write(answer) // whoever asked may have gone
	return refusal, true
}

// unreached makes the answer to a request that got to no method. It is the request's fault, whatever vanguard makes of it.
func (w *restWriter) unreached() (unreached, int, []byte) {
	code, grpc, reason, text := w.held, connect.CodeInvalidArgument, string(domain.InvalidArgument), strings.TrimSpace(w.text.String())
	var metadata map[string]string
	said := new(status.Status)
	if protojson.Unmarshal(w.text.Bytes(), said) == nil {
		text = said.GetMessage()
	}
	switch {
	case w.call.tooLong || connect.Code(said.GetCode()) == connect.CodeResourceExhausted:
		large := tooLarge(int(w.call.bodyMax))
		code, grpc, reason, text = http.StatusRequestEntityTooLarge, large.Code(), ReasonRequestTooLarge, large.Message()
		metadata = map[string]string{"limit_bytes": strconv.FormatInt(w.call.bodyMax, 10)}
	case code == http.StatusNotFound:
		grpc, reason, text = connect.CodeNotFound, ReasonRouteNotFound, "there is nothing at this path"
	case code == http.StatusMethodNotAllowed:
		allow := allowed(w.Header().Get("Allow"))
		w.Header().Set("Allow", allow)
		grpc, reason, text = connect.CodeUnimplemented, ReasonMethodNotAllowed, "this path takes only "+allow
	case code == http.StatusUnsupportedMediaType:
		reason = ReasonUnsupportedMedia
	case code >= http.StatusInternalServerError:
		code = http.StatusBadRequest
	}
	info, err := anypb.New(&errdetails.ErrorInfo{Reason: reason, Domain: ErrorDomain, Metadata: metadata})
	if err != nil { // never: it is a message that can be written
		return unreached{grpc, reason}, code, nil
	}
	answer, err := protojson.Marshal(&status.Status{Code: int32(grpc), Message: shortened(text), Details: append([]*anypb.Any{info}, said.GetDetails()...)})
	if err != nil { // a detail of a type that is not known here
		answer, _ = json.Marshal(map[string]any{"code": int32(grpc), "message": shortened(text)})
	}
	return unreached{grpc, reason}, code, answer
}

// allowed adds HEAD to methods that have GET.
func allowed(methods string) string {
	all := strings.Split(methods, ",")
	if slices.Contains(all, http.MethodGet) {
		all = append(all, http.MethodHead)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// shortened bounds what is said again of what was sent.
func shortened(text string) string {
	const most = 512
	if len(text) <= most {
		return strings.ToValidUTF8(text, "�")
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
