package api

import (
	"fmt"
	"net/http"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/log"
)

// sseWriteMax is how long a reader of server-sent events may hold up one write before it is dropped.
const sseWriteMax = 30 * time.Second

// serveEvents sends events as server-sent events: /events?topic=bookings&type=…&hotel=…, each repeatable, from the next one
// on, or from the cursor in the header Last-Event-ID that a browser sends when it reconnects. No topic: all.
func (a *API) serveEvents(w http.ResponseWriter, r *http.Request) {
	sub, err := a.sseSubscription(r)
	if err != nil {
		e := translate(r.Context(), a.opts.Logger, r.URL.Path, nil, err)
		http.Error(w, e.Message(), http.StatusBadRequest)
		return
	}
	ctx, done, err := a.stream(r.Context())
	if err != nil {
		http.Error(w, "too many streams are open", http.StatusServiceUnavailable)
		return
	}
	defer done()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	if err := sub.run(ctx, &sseSink{w: w, flush: http.NewResponseController(w), cursor: sub.cursor}); err != nil {
		a.opts.Logger.DebugContext(ctx, "server-sent events ended", "error", err)
	}
}

// sseSubscription makes what a request's query and headers ask for, ready to run.
func (a *API) sseSubscription(r *http.Request) (*subscription, error) {
	query := r.URL.Query()
	topics := query["topic"]
	if len(topics) == 0 {
		topics = []string{event.HotelsTopic, event.InventoryTopic, event.BookingsTopic, event.PaymentsTopic}
	}
	filter, err := newEventFilter(query["type"], query["hotel"])
	if err != nil {
		return nil, err
	}
	var partitions []log.TopicPartition
	for _, topic := range topics {
		more, err := a.partitions(r.Context(), topic, nil, &filter)
		if err != nil {
			return nil, err
		}
		partitions = append(partitions, more...)
	}
	var start startAt
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		cursor := new(lodgev1.Cursor)
		if err := protojson.Unmarshal([]byte(last), cursor); err != nil {
			return nil, domain.Errorf(domain.InvalidArgument, "Last-Event-ID", "the header Last-Event-ID is not one of ours")
		}
		if start.offsets, err = cursorOffsets(topics, cursor.GetPositions(), "Last-Event-ID"); err != nil {
			return nil, err
		}
	}
	sub := a.subscribe(partitions, filter, start)
	return sub, sub.begin(r.Context(), start)
}

// sseSink writes server-sent events, each with the cursor to go on from as its id.
type sseSink struct {
	w      http.ResponseWriter
	flush  *http.ResponseController
	cursor func() *lodgev1.Cursor
}

func (s *sseSink) event(e *lodgev1.Event) error {
	data, err := protojson.Marshal(e)
	if err != nil {
		return err
	}
	return s.send("event", string(data))
}

func (s *sseSink) caughtUp(*lodgev1.Cursor) error  { return s.send("caughtup", "{}") }
func (s *sseSink) heartbeat(*lodgev1.Cursor) error { return s.send("heartbeat", "{}") }

func (s *sseSink) send(name, data string) error {
	id, err := protojson.Marshal(s.cursor())
	if err != nil {
		return err
	}
	if err := s.flush.SetWriteDeadline(time.Now().Add(sseWriteMax)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.w, "event: %s\nid: %s\ndata: %s\n\n", name, id, data); err != nil {
		return err
	}
	return s.flush.Flush()
}
