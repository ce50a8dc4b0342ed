package api

import (
	"context"
	"encoding/binary"
	"time"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/log"
)

// eventService serves the log: pages here, streams in subscribe.go.
type eventService struct{ *API }

// scanBytes is how much of a partition is read at a time for a page. scanCostMax is what that counts of ScanMax at most, in events, when few
// of them match: the log steps over most without reading them.
const (
	scanBytes   = 256 << 10
	scanCostMax = 1000
)

// lane is one partition's part of a page that is being read.
type lane struct {
	tp      log.TopicPartition
	next    log.Offset   // not looked at yet
	end     log.Offset   // the high watermark when the first page was read
	pending []log.Record // match, and wait for their turn; before next
	read    bool         // it was read for this page
}

// resume returns where the next page begins in this lane.
func (l *lane) resume() log.Offset {
	if len(l.pending) > 0 {
		return l.pending[0].Offset
	}
	return l.next
}

// ReadEvents returns one page.
func (s *eventService) ReadEvents(ctx context.Context, req *connect.Request[lodgev1.ReadEventsRequest]) (*connect.Response[lodgev1.ReadEventsResponse], error) {
	filter, err := newEventFilter(req.Msg.GetTypes(), req.Msg.GetKeys())
	if err != nil {
		return nil, err
	}
	partitions, err := s.partitions(ctx, req.Msg.GetTopic(), req.Msg.GetPartitions(), &filter)
	if err != nil {
		return nil, err
	}
	token, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 1)
	if err != nil {
		return nil, err
	}
	var lanes []lane
	if token != nil {
		lanes, err = resumeLanes(partitions, []byte(token[0]))
	} else {
		lanes, err = s.firstLanes(ctx, partitions, req.Msg)
	}
	if err != nil {
		return nil, err
	}
	page, more, err := s.readPage(ctx, lanes, filter, pageSize(req.Msg.GetPageSize()))
	if err != nil {
		return nil, err
	}
	if more {
		page.NextPageToken = newPageToken(req.Msg, string(appendLanes(nil, lanes)))
	}
	return connect.NewResponse(page), nil
}

func (s *eventService) firstLanes(ctx context.Context, partitions []log.TopicPartition, req *lodgev1.ReadEventsRequest) ([]lane, error) {
	lanes := make([]lane, len(partitions))
	for i, tp := range partitions {
		start, end, err := s.deps.Log.Offsets(ctx, tp)
		if err == nil && req.GetStartTime() != nil {
			start, err = s.deps.Log.OffsetForTime(ctx, tp, req.GetStartTime().AsTime())
		}
		if err != nil {
			return nil, err
		}
		lanes[i] = lane{tp: tp, next: start, end: end}
	}
	return lanes, nil
}

// readPage merges the lanes by time until the page is full, they are empty, or enough was looked at.
func (s *eventService) readPage(ctx context.Context, lanes []lane, filter eventFilter, size int) (page *lodgev1.ReadEventsResponse, more bool, err error) {
	page = &lodgev1.ReadEventsResponse{}
	budget, chosen := s.opts.ScanMax, filter.request()
	for len(page.Events) < size {
		if err := s.refill(ctx, lanes, filter, chosen, &budget); err != nil {
			return nil, false, err
		}
		first := earliest(lanes)
		if first == nil {
			break
		}
		e, err := s.toEvent(&first.pending[0])
		if err != nil {
			return nil, false, err
		}
		page.Events = append(page.Events, e)
		first.pending = first.pending[1:]
	}
	for i := range lanes {
		more = more || lanes[i].resume() < lanes[i].end
	}
	return page, more, nil
}

// refill sees to it that every lane that is not at its end has a record waiting, as far as the budget of records goes. A lane's
// first read does not ask for the budget, so that every page gets ahead.
func (s *eventService) refill(ctx context.Context, lanes []lane, filter eventFilter, chosen *log.Filter, budget *int) error {
	for i := range lanes {
		l := &lanes[i]
		for len(l.pending) == 0 && l.next < l.end && (*budget > 0 || !l.read) {
			l.read = true
			got, err := s.deps.Log.Fetch(ctx, log.FetchRequest{TopicPartition: l.tp, Offset: l.next, MaxBytes: scanBytes, Filter: chosen})
			if err != nil {
				return err
			}
			for j := range got.Records {
				if got.Records[j].Offset < l.end && filter.match(&got.Records[j]) {
					l.pending = append(l.pending, got.Records[j])
				}
			}
			*budget -= max(len(got.Records), int(min(got.Next-l.next, scanCostMax)))
			if got.Next == l.next { // nothing below the high watermark after all
				return nil
			}
			l.next = min(got.Next, l.end)
		}
	}
	return nil
}

// earliest returns the lane whose next record is the oldest, or nil when there is none or one that has not been read yet may
// come before.
func earliest(lanes []lane) *lane {
	var first *lane
	var at time.Time
	for i := range lanes {
		l := &lanes[i]
		switch {
		case len(l.pending) > 0:
			if t := l.pending[0].Timestamp; first == nil || t.Before(at) {
				first, at = l, t
			}
		case l.next < l.end:
			return nil
		}
	}
	return first
}

// appendLanes writes where each lane goes on and ends: the part of the page token.
func appendLanes(b []byte, lanes []lane) []byte {
	for i := range lanes {
		b = binary.AppendUvarint(b, uint64(lanes[i].resume()))
		b = binary.AppendUvarint(b, uint64(lanes[i].end))
	}
	return b
}

func resumeLanes(partitions []log.TopicPartition, b []byte) ([]lane, error) {
	lanes := make([]lane, len(partitions))
	for i, tp := range partitions {
		next, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, badToken("is for other partitions")
		}
		end, m := binary.Uvarint(b[n:])
		if m <= 0 {
			return nil, badToken("is for other partitions")
		}
		lanes[i], b = lane{tp: tp, next: log.Offset(next), end: log.Offset(end)}, b[n+m:]
	}
	if len(b) > 0 {
		return nil, badToken("is for other partitions")
	}
	return lanes, nil
}
