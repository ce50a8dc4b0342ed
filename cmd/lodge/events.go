package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/domain/event"
	_ "lodge/domain/eventpb" // events are written out by their own types
	"lodge/log"
)

// eventsCommand shows events.
type eventsCommand struct {
	dataFlag
	Reservation string   `arg:"" optional:"" help:"Show the history of this reservation: hotels/HOTEL/reservations/ID."`
	Topic       []string `help:"Topics to show." default:"hotels,inventory,bookings"`
	Type        []string `help:"Only these types, such as lodge.reservation.placed.v1, or a part of the name, such as placed." placeholder:"TYPE"`
	Hotel       []string `help:"Only these hotels." placeholder:"HOTEL"`
	From        string   `help:"Where to begin: beginning, latest, a time (2026-07-01T00:00:00Z), a duration back (24h) or a position (bookings/3@1024)." default:"beginning"`
	Follow      bool     `short:"f" help:"Wait for more and show it as it is committed."`
	Limit       int      `short:"n" help:"Stop after this many events (0: no limit)." default:"0"`
	JSON        bool     `help:"One JSON object a line."`
}

// Help shows examples.
func (eventsCommand) Help() string {
	return `Each line: time, position, type, hotel, what happened. Topics and partitions have no order between them.

Examples:
  lodge events --topic bookings -n 10
  lodge events -f --type placed --type rejected --hotel resort-hotel
  lodge events --from 24h --json
  lodge events hotels/resort-hotel/reservations/0190a1b2-…`
}

// errEnough ends a stream at the limit.
var errEnough = errors.New("enough")

// Run implements the command.
func (c *eventsCommand) Run(ctx context.Context, m *Main) error {
	out := &eventWriter{m: m, json: c.JSON, left: c.Limit, limited: c.Limit > 0}
	err := withServer(ctx, c.Data, func(s *server) error {
		if c.Reservation != "" {
			return c.history(ctx, s, out)
		}
		return c.subscribe(ctx, s, out)
	})
	if ctx.Err() != nil { // interrupted: that is how following ends
		err = nil
	}
	return ignoreEnough(err)
}

func ignoreEnough(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// history shows the events of one reservation.
func (c *eventsCommand) history(ctx context.Context, s *server, out *eventWriter) error {
	position, err := c.newest(ctx, s)
	if err != nil {
		return err
	}
	client := lodgev1connect.NewReservationServiceClient(s.client, s.url)
	return eachPage(func(token string) (string, error) {
		res, err := client.ListReservationEvents(ctx, connect.NewRequest(&lodgev1.ListReservationEventsRequest{
			Parent: c.Reservation, PageSize: 1000, PageToken: token, MinPosition: position,
		}))
		if err != nil {
			return "", err
		}
		for _, e := range res.Msg.GetEvents() {
			if err := out.write(e); err != nil {
				return "", err
			}
		}
		return res.Msg.GetNextPageToken(), nil
	})
}

// newest returns the position of the last event in the reservation's partition, or "" when there is none: the history is to
// show what was acknowledged before it was asked for, also when the tables are not that far yet.
func (c *eventsCommand) newest(ctx context.Context, s *server) (string, error) {
	admin := lodgev1connect.NewAdminServiceClient(s.client, s.url)
	var partitions []*lodgev1.Partition
	err := eachPage(func(token string) (string, error) {
		res, err := admin.ListPartitions(ctx, connect.NewRequest(&lodgev1.ListPartitionsRequest{
			Parent: "topics/" + event.BookingsTopic, PageSize: 1000, PageToken: token,
		}))
		if err != nil {
			return "", err
		}
		partitions = append(partitions, res.Msg.GetPartitions()...)
		return res.Msg.GetNextPageToken(), nil
	})
	if err != nil {
		return "", err
	}
	name := strings.Split(c.Reservation, "/")
	if len(name) < 2 || len(partitions) == 0 {
		return "", nil // the server says what is wrong with the name
	}
	n := log.PartitionForKey([]byte(name[1]), len(partitions))
	end := partitions[n].GetHighWatermark()
	if end == 0 {
		return "", nil
	}
	return log.Position{Topic: event.BookingsTopic, Partition: n, Offset: log.Offset(end - 1)}.String(), nil
}

// subscribe shows the events of topics, one after the other, or all at once when they are followed.
func (c *eventsCommand) subscribe(ctx context.Context, s *server, out *eventWriter) error {
	requests, err := c.requests(time.Now())
	if err != nil {
		return err
	}
	client := lodgev1connect.NewEventServiceClient(s.client, s.url)
	if !c.Follow {
		for _, req := range requests {
			if err := c.stream(ctx, client, req, out); err != nil {
				return err
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	for _, req := range requests {
		group.Go(func() {
			if err := c.stream(ctx, client, req, out); err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

func (c *eventsCommand) stream(ctx context.Context, client lodgev1connect.EventServiceClient, req *lodgev1.SubscribeRequest, out *eventWriter) error {
	stream, err := client.Subscribe(ctx, connect.NewRequest(req))
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // what it says was said by Err
	for stream.Receive() {
		switch msg := stream.Msg().GetMessage().(type) {
		case *lodgev1.SubscribeResponse_Event:
			if err := out.write(msg.Event); err != nil {
				return err
			}
		case *lodgev1.SubscribeResponse_CaughtUp_:
			if !c.Follow {
				return nil
			}
		}
	}
	return stream.Err()
}

// requests makes one subscription for each topic.
func (c *eventsCommand) requests(now time.Time) ([]*lodgev1.SubscribeRequest, error) {
	var requests []*lodgev1.SubscribeRequest
	for _, topic := range c.topics() {
		types := c.types(topic)
		if len(c.Type) > 0 && len(types) == 0 {
			continue
		}
		req := &lodgev1.SubscribeRequest{Topic: topic, Types: types, Keys: hotelIDs(c.Hotel)}
		if err := c.start(req, now); err != nil {
			return nil, err
		}
		requests = append(requests, req)
	}
	if len(requests) == 0 {
		return nil, fmt.Errorf("no event type of these topics is called %s: %s", strings.Join(c.Type, " or "), strings.Join(eventTypes(), ", "))
	}
	return requests, nil
}

// topics returns the topics to show; a position is of one.
func (c *eventsCommand) topics() []string {
	if topic, _, ok := strings.Cut(c.From, "/"); ok && strings.Contains(c.From, "@") {
		return []string{topic}
	}
	return c.Topic
}

// types returns the full names that the types mean in a topic.
func (c *eventsCommand) types(topic string) []string {
	var types []string
	for _, kind := range event.Kinds() {
		if kind.Topic != topic {
			continue
		}
		if slices.ContainsFunc(c.Type, func(part string) bool { return strings.Contains(kind.Type, part) }) {
			types = append(types, kind.Type)
		}
	}
	return types
}

func eventTypes() []string {
	var types []string
	for _, kind := range event.Kinds() {
		types = append(types, kind.Type)
	}
	return types
}

// hotelIDs takes ids and resource names alike.
func hotelIDs(names []string) []string {
	ids := make([]string, len(names))
	for i, name := range names {
		ids[i] = strings.TrimPrefix(name, "hotels/")
	}
	return ids
}

// start says where a subscription begins.
func (c *eventsCommand) start(req *lodgev1.SubscribeRequest, now time.Time) error {
	switch {
	case c.From == "beginning":
		req.Start = &lodgev1.SubscribeRequest_Beginning_{Beginning: &lodgev1.SubscribeRequest_Beginning{}}
		return nil
	case c.From == "latest":
		req.Start = &lodgev1.SubscribeRequest_Latest_{Latest: &lodgev1.SubscribeRequest_Latest{}}
		return nil
	case strings.Contains(c.From, "@"):
		req.Start = &lodgev1.SubscribeRequest_Position{Position: c.From}
		return nil
	}
	if d, err := time.ParseDuration(c.From); err == nil {
		req.Start = &lodgev1.SubscribeRequest_Time{Time: timestamppb.New(now.Add(-d))}
		return nil
	}
	t, err := time.Parse(time.RFC3339, c.From)
	if err != nil {
		return fmt.Errorf("--from %q is no beginning, latest, time, duration or position", c.From)
	}
	req.Start = &lodgev1.SubscribeRequest_Time{Time: timestamppb.New(t)}
	return nil
}

// eventWriter writes events as lines, up to a limit. Safe for concurrent use.
type eventWriter struct {
	m    *Main
	json bool

	mu      sync.Mutex
	left    int
	limited bool
}

func (w *eventWriter) write(e *lodgev1.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.limited && w.left == 0 {
		return errEnough
	}
	w.left--
	line, err := protojson.Marshal(e)
	if err != nil {
		return fmt.Errorf("event %s: %w", e.GetPosition(), err)
	}
	if w.json {
		_, err = fmt.Fprintln(w.m.Stdout, string(line))
	} else {
		_, err = fmt.Fprintf(w.m.Stdout, "%s  %-20s  %-32s  %-20s  %s%s\n", e.GetTime().AsTime().UTC().Format("2006-01-02 15:04:05.000"),
			e.GetPosition(), e.GetType(), lastPart(e.GetHotel()), describe(line), byWhom(e))
	}
	if err == nil && w.limited && w.left == 0 {
		return errEnough
	}
	return err
}

// byWhom says what led to an event, whose command that was, and why, as far as it tells.
func byWhom(e *lodgev1.Event) (text string) {
	if e.GetCommand() != "" {
		text = "  after " + e.GetCommand()
	}
	if e.GetActor() != "" {
		text += "  by " + e.GetActor()
	}
	if e.GetReason() != "" {
		text += fmt.Sprintf("  %q", e.GetReason())
	}
	return text
}

// describe returns an event's own fields, without those that the line has already.
func describe(line []byte) string {
	var e struct {
		Data map[string]any `json:"data"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return string(line)
	}
	delete(e.Data, "@type")
	delete(e.Data, "hotelId")
	if text, err := json.Marshal(e.Data); err == nil {
		return string(text)
	}
	return string(line)
}
