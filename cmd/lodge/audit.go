package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// auditCommand shows who did what.
type auditCommand struct {
	dataFlag
	Hotel       string   `help:"Only what was about this hotel." placeholder:"HOTEL"`
	Reservation string   `help:"Only what was about this reservation: hotels/HOTEL/reservations/ID." placeholder:"NAME"`
	Actor       string   `help:"Only who this is, as in staff:k3v9q2m7c5x1r8ta, or everybody of a role, as in staff." placeholder:"ACTOR"`
	Outcome     string   `help:"Only what came out so: done, refused, failed, or lost." enum:",done,refused,failed,lost" default:"" placeholder:"OUTCOME"`
	Type        []string `help:"Only these calls and what they led to, such as CancelReservation, these commands, such as cancel_reservation or expire_holds, and types of events, such as lodge.reservation.canceled.v1." placeholder:"TYPE"`
	Request     string   `help:"Only what this request led to." placeholder:"UUID"`
	Since       string   `help:"Where to begin: a time (2026-07-01T00:00:00Z) or a duration back (24h)." placeholder:"WHEN"`
	Until       string   `help:"Where to end, likewise." placeholder:"WHEN"`
	Limit       int      `short:"n" help:"The last so many (0: all)." default:"100"`
	Follow      bool     `short:"f" help:"Wait for more and show it as it is recorded."`
	JSON        bool     `help:"One JSON object a line."`
}

// Help shows examples.
func (auditCommand) Help() string {
	return `What was done to hotels and reservations, what was refused, and what was changed of topics, tokens, queues and the like: who, when, what, what came of it, and
why, where the caller said so (the header Lodge-Reason, or --reason of lodge's commands). The oldest comes first.

Examples:
  lodge audit --hotel ritz --since 24h
  lodge audit --reservation hotels/ritz/reservations/0190a1b2-… --json
  lodge audit --actor staff --outcome refused -n 0
  lodge audit --hotel ritz --type CancelReservation --type expire_holds
  lodge audit -f --outcome refused`
}

// Followed entries are asked for again at this interval, and again for those that were recorded shortly before the last one: partitions have clocks of their own.
const (
	auditPoll    = time.Second
	auditOverlap = 5 * time.Second
)

// Run implements the command.
func (c *auditCommand) Run(ctx context.Context, m *Main) error {
	req, err := c.request(time.Now())
	if err != nil {
		return err
	}
	if c.Follow && c.Until != "" {
		return errors.New("--follow has no end: leave out --until")
	}
	w := &auditWriter{m: m, json: c.JSON, seen: map[string]time.Time{}}
	err = withServer(ctx, c.Data, func(s *server) error {
		client := lodgev1connect.NewAuditServiceClient(s.client, s.url)
		if err := c.show(ctx, client, req, w); err != nil || !c.Follow {
			return err
		}
		return c.follow(ctx, client, req, w)
	})
	if ctx.Err() != nil && c.Follow { // interrupted: that is how following ends
		return nil
	}
	return err
}

func (c *auditCommand) request(now time.Time) (*lodgev1.ListAuditEntriesRequest, error) {
	req := &lodgev1.ListAuditEntriesRequest{Reservation: c.Reservation, Actor: c.Actor, Types: c.Type, RequestId: c.Request, PageSize: 1000}
	if c.Hotel != "" {
		req.Hotel = "hotels/" + strings.TrimPrefix(c.Hotel, "hotels/")
	}
	if c.Outcome != "" {
		req.Outcome = lodgev1.AuditOutcome(lodgev1.AuditOutcome_value["AUDIT_OUTCOME_"+strings.ToUpper(c.Outcome)])
	}
	if c.Limit < 0 {
		return nil, errors.New("--limit is negative")
	}
	var err error
	if req.StartTime, err = moment(c.Since, "--since", now); err != nil {
		return nil, err
	}
	req.EndTime, err = moment(c.Until, "--until", now)
	return req, err
}

// moment reads a time, or how long ago it was; empty: none.
func moment(text, flag string, now time.Time) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return timestamppb.New(now.Add(-d)), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, fmt.Errorf("%s %q is neither a time nor a duration", flag, text)
	}
	return timestamppb.New(t), nil
}

// show writes the last entries, the oldest first.
func (c *auditCommand) show(ctx context.Context, client lodgev1connect.AuditServiceClient, req *lodgev1.ListAuditEntriesRequest, w *auditWriter) error {
	if c.Limit == 0 {
		req.OrderBy = "time"
		return pagesOf(ctx, client, req, func(page []*lodgev1.AuditEntry) (bool, error) { return true, w.write(page...) })
	}
	var last []*lodgev1.AuditEntry
	err := pagesOf(ctx, client, req, func(page []*lodgev1.AuditEntry) (bool, error) {
		last = append(last, page[:min(len(page), c.Limit-len(last))]...)
		return len(last) < c.Limit, nil
	})
	if err != nil {
		return err
	}
	slices.Reverse(last)
	return w.write(last...)
}

// pagesOf calls f with each page as long as it wants more.
func pagesOf(ctx context.Context, client lodgev1connect.AuditServiceClient, req *lodgev1.ListAuditEntriesRequest, f func([]*lodgev1.AuditEntry) (more bool, err error)) error {
	return eachPage(func(token string) (string, error) {
		req.PageToken = token
		res, err := client.ListAuditEntries(ctx, connect.NewRequest(req))
		if err != nil {
			return "", err
		}
		more, err := f(res.Msg.GetEntries())
		if !more || err != nil {
			return "", err
		}
		return res.Msg.GetNextPageToken(), nil
	})
}

// follow asks for what has come since, until ctx ends.
func (c *auditCommand) follow(ctx context.Context, client lodgev1connect.AuditServiceClient, req *lodgev1.ListAuditEntriesRequest, w *auditWriter) error {
	req.OrderBy = "time"
	tick := time.NewTicker(auditPoll)
	defer tick.Stop()
	for {
		if !w.last.IsZero() {
			req.StartTime = timestamppb.New(w.last.Add(-auditOverlap))
		}
		if err := pagesOf(ctx, client, req, func(page []*lodgev1.AuditEntry) (bool, error) { return true, w.write(page...) }); err != nil {
			return err
		}
		w.forget(w.last.Add(-2 * auditOverlap))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// auditWriter writes each entry once.
type auditWriter struct {
	m    *Main
	json bool
	last time.Time
	seen map[string]time.Time // by position
}

// forget forgets what is not asked for again.
func (w *auditWriter) forget(before time.Time) {
	for position, at := range w.seen {
		if at.Before(before) {
			delete(w.seen, position)
		}
	}
}

func (w *auditWriter) write(entries ...*lodgev1.AuditEntry) error {
	for _, e := range entries {
		at := e.GetTime().AsTime()
		if _, seen := w.seen[e.GetPosition()]; seen {
			continue
		}
		w.seen[e.GetPosition()] = at
		if at.After(w.last) {
			w.last = at
		}
		if w.json {
			t := newTable(w.m.Stdout, true)
			t.row(e)
			if err := t.flush(); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(w.m.Stdout, "%s  %-26s  %-7s  %s\n", at.UTC().Format("2006-01-02 15:04:05.000"), dash(e.GetActor()),
			strings.ToLower(strings.TrimPrefix(e.GetOutcome().String(), "AUDIT_OUTCOME_")), auditText(e)); err != nil {
			return err
		}
	}
	return nil
}

// auditText says what was done, to what, and what came of it and why.
func auditText(e *lodgev1.AuditEntry) string {
	what := strings.TrimPrefix(e.GetMethod(), "lodge.v1.")
	if what == "" {
		what = e.GetCommand() // of the platform itself
	}
	parts := []string{what, e.GetEventType(), e.GetResource()}
	if e.GetErrorReason() != "" {
		parts = append(parts, e.GetErrorReason())
	} else if e.GetCode() != "" {
		parts = append(parts, e.GetCode())
	}
	if e.GetField() != "" {
		parts = append(parts, "("+e.GetField()+")")
	}
	if e.GetCount() > 1 {
		parts = append(parts, fmt.Sprintf("%d times since %s", e.GetCount(), e.GetFirstTime().AsTime().UTC().Format("15:04:05")))
	}
	if e.GetClientAddress() != "" {
		parts = append(parts, "from "+e.GetClientAddress())
	}
	if e.GetCausationId() != "" {
		parts = append(parts, "after "+e.GetCausationId())
	}
	if e.GetReason() != "" {
		parts = append(parts, fmt.Sprintf("%q", e.GetReason()))
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "  ")
}
