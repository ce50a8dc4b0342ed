package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/uuid"

	"lodge/cmd/internal/platform"
	"lodge/commands"
	"lodge/commands/audit"
	"lodge/domain/event"
	"lodge/log"
)

// checkFolder proves a stopped folder: the audit passes, every acknowledged request is where it was said to be, no request is in
// the log twice, and the projections equal those that a replay makes.
func checkFolder(t *testing.T, dir string, acks []ack) {
	t.Helper()
	before := dump(t, dir, func(p *platform.Platform) {
		report, err := audit.Run(t.Context(), p.Broker, audit.Options{Partitions: p.Partitions})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range report.Violations {
			t.Errorf("audit: %s at %s: %s", v.Kind, v.Position, v.Text)
		}
		checkAcks(t, p, acks)
	})
	if err := os.RemoveAll(filepath.Join(dir, "projections")); err != nil {
		t.Fatal(err)
	}
	after := dump(t, dir, func(*platform.Platform) {})
	if len(before) == 0 {
		t.Error("the projections are empty")
	}
	if !slices.Equal(before, after) {
		t.Errorf("the projections differ from a replay: %s", difference(before, after))
	}
}

// checkAcks compares what clients were told with what the log says.
func checkAcks(t *testing.T, p *platform.Platform, acks []ack) {
	t.Helper()
	logged := map[uuid.UUID]log.Position{} // of each request's last event
	for _, topic := range commands.Topics() {
		for n := range p.Partitions {
			eachRecord(t, p, log.TopicPartition{Topic: topic, Partition: log.Partition(n)}, func(r *log.Record) {
				value, ok := r.Header(event.HeaderRequestID)
				if !ok {
					return
				}
				id := uuid.UUID(value)
				if before, twice := logged[id]; twice {
					t.Errorf("request %s was applied twice: at %s and at %s", id, before, r.Position())
				}
				logged[id] = r.Position()
			})
		}
	}
	for _, a := range acks {
		if at, ok := logged[a.request]; !ok {
			t.Errorf("request %s was acknowledged at %s and is not in the log", a.request, a.position)
		} else if at != a.position {
			t.Errorf("request %s was acknowledged at %s and lies at %s", a.request, a.position, at)
		}
	}
}

func eachRecord(t *testing.T, p *platform.Platform, tp log.TopicPartition, f func(*log.Record)) {
	t.Helper()
	start, end, err := p.Broker.Offsets(t.Context(), tp)
	if err != nil {
		t.Fatal(err)
	}
	for at := start; at < end; {
		res, err := p.Broker.Fetch(t.Context(), log.FetchRequest{TopicPartition: tp, Offset: at})
		if err != nil {
			t.Fatal(err)
		}
		for i := range res.Records {
			f(&res.Records[i])
		}
		at = res.Next
	}
}

// dump opens a stopped folder, lets the projections catch up, calls look, and returns all rows of all tables.
func dump(t *testing.T, dir string, look func(*platform.Platform)) []string {
	t.Helper()
	p, err := platform.Open(t.Context(), dir, platform.Options{NoSocket: true, HoldTick: -1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	rows := dumpRows(t, p)
	look(p)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	return rows
}

func dumpRows(t *testing.T, p *platform.Platform) []string {
	t.Helper()
	if err := p.WaitCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, projector := range platform.Projectors() {
		for n := range p.Partitions {
			err := p.Store.Dump(t.Context(), projector.Name(), log.Partition(n), func(table string, row []any) error {
				rows = append(rows, fmt.Sprintf("%s/%d %s %v", projector.Name(), n, table, row))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return rows
}

// difference names the first row that is not in both.
func difference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("row %d of %d and %d:\n%s\n%s", i, len(a), len(b), a[i], b[i])
		}
	}
	return fmt.Sprintf("%d and %d rows", len(a), len(b))
}
