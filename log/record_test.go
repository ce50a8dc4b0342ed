package log_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"lodge/log"
)

func TestRecordHeader(t *testing.T) {
	r := log.Record{
		Topic: "bookings", Partition: 3, Offset: 7,
		Headers: []log.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}, {Key: "n"}},
	}
	if v, ok := r.Header("a"); !ok || string(v) != "1" {
		t.Errorf("a is %q, %v: want the first", v, ok)
	}
	if v, ok := r.Header("n"); !ok || v != nil {
		t.Errorf("n is %q, %v", v, ok)
	}
	if _, ok := r.Header("b"); ok {
		t.Error("there is no b")
	}
	if r.Position().String() != "bookings/3@7" {
		t.Errorf("position %v", r.Position())
	}
}

func TestRecordSame(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	base := func() *log.Record {
		return &log.Record{Key: []byte("k"), Value: []byte{}, Timestamp: at, Headers: []log.Header{{Key: "a", Value: []byte("1")}}}
	}
	for name, c := range map[string]struct {
		change func(r *log.Record)
		same   bool
	}{
		"nothing":         {func(*log.Record) {}, true},
		"place":           {func(r *log.Record) { r.Offset, r.Topic = 9, "x" }, true},
		"within a milli":  {func(r *log.Record) { r.Timestamp = at.Add(999 * time.Microsecond).UTC() }, true},
		"milli":           {func(r *log.Record) { r.Timestamp = at.Add(time.Millisecond) }, false},
		"key":             {func(r *log.Record) { r.Key = []byte("l") }, false},
		"nil key":         {func(r *log.Record) { r.Key = nil }, false},
		"nil value":       {func(r *log.Record) { r.Value = nil }, false},
		"header value":    {func(r *log.Record) { r.Headers[0].Value = []byte("2") }, false},
		"header key":      {func(r *log.Record) { r.Headers[0].Key = "b" }, false},
		"no header":       {func(r *log.Record) { r.Headers = nil }, false},
		"one header more": {func(r *log.Record) { r.Headers = append(r.Headers, log.Header{}) }, false},
	} {
		changed := base()
		c.change(changed)
		if base().Same(changed) != c.same || changed.Same(base()) != c.same {
			t.Errorf("%s: same is not %v both ways", name, c.same)
		}
	}
}

type waiter struct{ err error }

func (w waiter) Wait(context.Context) error { return w.err }

func TestTicketWait(t *testing.T) {
	if err := (log.Ticket{}).Wait(t.Context()); err != nil {
		t.Errorf("a committed ticket waits: %v", err)
	}
	want := errors.New("no")
	if err := (log.Ticket{Waiter: waiter{want}}).Wait(t.Context()); !errors.Is(err, want) {
		t.Errorf("error %v", err)
	}
}
