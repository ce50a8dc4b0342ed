package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// fastPost answers the plainest form of the hottest call, CreateReservation posted as JSON or protobuf with a length, without
// Connect's machinery around the same handler and edge: about 5 µs less of some 60. Whatever is not plain it hands on, body and all, to Connect.
type fastPost struct {
	service *reservationService
	edge    *edge
	connect http.Handler
	errors  *connect.ErrorWriter
}

// fastBodyMax is the longest body that is read here.
const fastBodyMax = 16 << 10

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// postForm is how the messages of a post are written.
type postForm struct {
	contentType []string
	read        func(data []byte) (*lodgev1.CreateReservationRequest, bool) // false: it is not plain
	write       func(dst []byte, r *lodgev1.Reservation) ([]byte, error)
}

var (
	jsonForm = &postForm{contentType: []string{"application/json"}, read: readPlainJSON, write: writeJSON}
	wireForm = &postForm{contentType: []string{"application/proto"}, read: readWireCreateReservation, write: writeWire}
)

func readPlainJSON(data []byte) (*lodgev1.CreateReservationRequest, bool) {
	m := new(lodgev1.CreateReservationRequest)
	return m, readCreateReservation(data, m)
}

func writeJSON(dst []byte, r *lodgev1.Reservation) ([]byte, error) {
	return jsonCodec{}.MarshalAppend(dst, r)
}

func writeWire(dst []byte, r *lodgev1.Reservation) ([]byte, error) {
	if b, ok := appendWireReservation(dst, r); ok {
		return b, nil
	}
	return proto.MarshalOptions{}.MarshalAppend(dst, r)
}

// plainForm returns the form of a request's body, or nil when something in its head needs Connect.
func plainForm(r *http.Request) *postForm {
	h := r.Header
	if r.Method != http.MethodPost || r.ContentLength <= 0 || r.ContentLength > fastBodyMax || len(h["Content-Type"]) != 1 ||
		h["Content-Encoding"] != nil || h["Connect-Timeout-Ms"] != nil {
		return nil
	}
	if version := h["Connect-Protocol-Version"]; version != nil && (len(version) != 1 || version[0] != "1") {
		return nil
	}
	switch h["Content-Type"][0] {
	case "application/json":
		return jsonForm
	case "application/proto":
		return wireForm
	}
	return nil
}

// takes reports whether the request is a CreateReservation. Whoever asks before the routes are searched spares it the search, a microsecond.
func (f *fastPost) takes(r *http.Request) bool {
	return r.URL.Path == lodgev1connect.ReservationServiceCreateReservationProcedure
}

// ServeHTTP implements http.Handler.
func (f *fastPost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var form *postForm
	if f.takes(r) {
		form = plainForm(r)
	}
	if form == nil {
		f.connect.ServeHTTP(w, r)
		return
	}
	body := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	_, err := body.ReadFrom(r.Body)
	var msg *lodgev1.CreateReservationRequest
	plain := err == nil
	if plain {
		msg, plain = form.read(body.Bytes())
	}
	if !plain {
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body.Bytes()), r.Body)) // after an error the body's next read says it again
		f.connect.ServeHTTP(w, r)
		return
	}
	f.answer(w, r, form, msg, body)
}

// answer makes the call and writes its answer into the memory that the request was read into, which nothing refers to any more.
func (f *fastPost) answer(w http.ResponseWriter, r *http.Request, form *postForm, msg *lodgev1.CreateReservationRequest, memory *bytes.Buffer) {
	header := w.Header()
	memory.Reset()
	answer := memory.AvailableBuffer()
	ctx, span := f.edge.tracing.begin(r.Context(), r.URL.Path, connect.ProtocolConnect, r.Header)
	err := f.edge.guard(ctx, incoming{procedure: r.URL.Path, header: r.Header, addr: r.RemoteAddr, span: span, msg: msg}, func(ctx context.Context) (err error) {
		if f.edge.gate != nil {
			if ctx, err = f.edge.gate.enter(ctx, r.URL.Path, r.Header, r.RemoteAddr, msg); err != nil {
				return err
			}
		}
		placed, err := f.service.create(ctx, r.Header, msg, header)
		if err == nil {
			answer, err = form.write(answer, placed)
		}
		return err
	})
	if err != nil {
		challenge(err)
		clear(header)                 // as Connect does
		_ = f.errors.Write(w, r, err) // whoever asked may have gone
		return
	}
	header["Content-Type"] = form.contentType
	header["Content-Length"] = []string{strconv.Itoa(len(answer))}
	_, _ = w.Write(answer) // likewise
}
