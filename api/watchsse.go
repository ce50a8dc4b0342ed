package api

import (
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/protobuf/encoding/protojson"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
)

// serveAvailability sends WatchAvailability as server-sent events: /availability?hotel=hotels/…&room_type=…&start_date=2026-07-01&end_date=…, named calendar,
// caughtup, change and heartbeat, each with its cursor as id, which a browser sends in the header Last-Event-ID when it reconnects.
func (a *API) serveAvailability(w http.ResponseWriter, r *http.Request) {
	req, err := watchRequest(r)
	var watch *watch
	if err == nil {
		watch, err = a.newWatch(r.Context(), req)
	}
	if err != nil {
		e := translate(r.Context(), a.opts.Logger, r.URL.Path, nil, err)
		status := http.StatusBadRequest
		switch e.Code() {
		case connect.CodeNotFound:
			status = http.StatusNotFound
		case connect.CodeUnavailable:
			status = http.StatusServiceUnavailable
		default:
		}
		http.Error(w, e.Message(), status)
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
	if err := watch.run(ctx, &watchSSE{w: w, flush: http.NewResponseController(w)}); err != nil {
		a.opts.Logger.DebugContext(ctx, "server-sent events ended", "error", err)
	}
}

// watchRequest makes the request that query and headers ask for.
func watchRequest(r *http.Request) (*lodgev1.WatchAvailabilityRequest, error) {
	query := r.URL.Query()
	for name := range query {
		switch name {
		case "hotel", "room_type", "start_date", "end_date":
		default:
			return nil, domain.Errorf(domain.InvalidArgument, name, "%.80q is no parameter", name)
		}
	}
	req := &lodgev1.WatchAvailabilityRequest{Hotel: query.Get("hotel"), RoomType: query.Get("room_type")}
	var err error
	if req.StartDate, err = queryDate(query.Get("start_date"), "start_date"); err != nil {
		return nil, err
	}
	if req.EndDate, err = queryDate(query.Get("end_date"), "end_date"); err != nil {
		return nil, err
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		req.Cursor = new(lodgev1.Cursor)
		if err := protojson.Unmarshal([]byte(last), req.Cursor); err != nil {
			return nil, domain.Errorf(domain.InvalidArgument, "Last-Event-ID", "the header Last-Event-ID is not one of ours")
		}
	}
	return req, nil
}

func queryDate(text, field string) (*date.Date, error) {
	if text == "" {
		return nil, nil
	}
	d, err := domain.ParseDate(text)
	if err != nil {
		return nil, domain.Errorf(domain.InvalidDates, field, "%.32q is not a day of the calendar written as YYYY-MM-DD", text)
	}
	return toDate(d), nil
}

// watchSSE writes what a watch finds as server-sent events.
type watchSSE struct {
	w     http.ResponseWriter
	flush *http.ResponseController
}

func (s *watchSSE) send(m *lodgev1.WatchAvailabilityResponse) error {
	name, data := "heartbeat", []byte("{}")
	var err error
	switch x := m.GetMessage().(type) {
	case *lodgev1.WatchAvailabilityResponse_Calendar:
		name = "calendar"
		data, err = protojson.Marshal(x.Calendar)
	case *lodgev1.WatchAvailabilityResponse_Change_:
		name = "change"
		data, err = protojson.Marshal(x.Change)
	case *lodgev1.WatchAvailabilityResponse_CaughtUp_:
		name = "caughtup"
	}
	if err != nil {
		return err
	}
	id, err := protojson.Marshal(m.GetCursor())
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
