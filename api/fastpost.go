package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// fastPost answers the plainest form of the hottest call, CreateReservation posted as JSON, without Connect's machinery
// around the same handler and edge: 5 µs less of some 60. Whatever is not plain it hands on, body and all, to Connect.
type fastPost struct {
	service *reservationService
	edge    *edge
	connect http.Handler
	errors  *connect.ErrorWriter
}

// fastBodyMax is the longest body that is read here.
const fastBodyMax = 16 << 10

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// plainHeader reports whether nothing in the request's head needs Connect.
func plainHeader(r *http.Request) bool {
	h := r.Header
	return r.Method == http.MethodPost && r.ContentLength > 0 && r.ContentLength <= fastBodyMax &&
		len(h["Content-Type"]) == 1 && h["Content-Type"][0] == "application/json" &&
		h["Content-Encoding"] == nil && h["Connect-Timeout-Ms"] == nil && h["Connect-Protocol-Version"] == nil
}

// ServeHTTP implements http.Handler.
func (f *fastPost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != lodgev1connect.ReservationServiceCreateReservationProcedure || !plainHeader(r) {
		f.connect.ServeHTTP(w, r)
		return
	}
	body := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	_, err := body.ReadFrom(r.Body)
	msg := new(lodgev1.CreateReservationRequest)
	if err != nil || !readCreateReservation(body.Bytes(), msg) {
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body.Bytes()), r.Body)) // after an error the body's next read says it again
		f.connect.ServeHTTP(w, r)
		return
	}
	f.answer(w, r, msg, body)
}

// answer makes the call and writes its answer into the memory that the request was read into, which nothing refers to any more.
func (f *fastPost) answer(w http.ResponseWriter, r *http.Request, msg *lodgev1.CreateReservationRequest, memory *bytes.Buffer) {
	header := w.Header()
	memory.Reset()
	answer := memory.AvailableBuffer()
	err := f.edge.guard(r.Context(), r.URL.Path, msg, func(ctx context.Context) error {
		placed, err := f.service.create(ctx, r.Header, msg, header)
		if err == nil {
			answer, err = jsonCodec{}.MarshalAppend(answer, placed)
		}
		return err
	})
	if err != nil {
		clear(header)                 // as Connect does
		_ = f.errors.Write(w, r, err) // whoever asked may have gone
		return
	}
	header["Content-Type"] = contentJSON
	header["Content-Length"] = []string{strconv.Itoa(len(answer))}
	_, _ = w.Write(answer) // likewise
}

var contentJSON = []string{"application/json"}
