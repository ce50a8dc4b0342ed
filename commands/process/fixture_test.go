package process_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"lodge/commands/process"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest/leaktest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// patience is for how long a test waits for what must happen.
const patience = 2 * time.Minute

const (
	archived = "lodge.hotel.archived.v1"
	updated  = "lodge.hotel.updated.v1"
)

// impatient are settings with which tests need not wait.
var impatient = process.Options{RetryInterval: time.Millisecond, RetryMax: 4 * time.Millisecond, CommitInterval: 5 * time.Millisecond}

// openLog opens a broker with topic hotels of two partitions.
func openLog(t *testing.T) *broker.Broker {
	t.Helper()
	lg, err := broker.Open(t.TempDir(), broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- lg.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := lg.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := lg.CreateTopic(t.Context(), event.HotelsTopic, log.TopicConfig{Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	return lg
}

// give appends an event of a hotel to topic hotels and returns where it lies. Its version tells events of a hotel apart.
func give(t *testing.T, lg log.Writer, hotel, eventType string, version int64) log.Position {
	t.Helper()
	h := &eventpb.Hotel{HotelId: hotel, Version: version}
	var m proto.Message = &eventpb.HotelArchived{Hotel: h}
	if eventType == updated {
		m = &eventpb.HotelUpdated{Hotel: h}
	}
	r := log.Record{Key: []byte(hotel)}
	e := &event.Envelope{
		ID: uuid.NewString(), Source: "test", Time: time.Now(), CorrelationID: "correlated", RequestID: uuid.New(), RequestFingerprint: uuid.New(), HotelID: hotel, Message: m,
	}
	var err error
	r.Value, err = event.Encode(e, func(key string, value []byte) { r.Headers = append(r.Headers, log.Header{Key: key, Value: value}) })
	if err != nil {
		t.Fatal(err)
	}
	tp := log.TopicPartition{Topic: event.HotelsTopic, Partition: log.PartitionForKey(r.Key, 2)}
	offset, err := lg.Append(t.Context(), tp, &log.Batch{Records: []log.Record{r}})
	if err != nil {
		t.Fatal(err)
	}
	return log.Position{Topic: tp.Topic, Partition: tp.Partition, Offset: offset}
}

// versionOf returns the version that give has put into an event.
func versionOf(e *event.Envelope) int64 {
	switch m := e.Message.(type) {
	case *eventpb.HotelArchived:
		return m.GetHotel().GetVersion()
	case *eventpb.HotelUpdated:
		return m.GetHotel().GetVersion()
	}
	return -1
}

// start opens a router with handlers and runs it until stop is called, or the test ends.
func start(t *testing.T, lg process.Log, opts process.Options, handlers ...process.Handler) (r *process.Router, stop func()) {
	t.Helper()
	r, err := process.Open(t.Context(), lg, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Register(handlers...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return r, stop
}

// await waits until ok.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s did not happen", what)
		}
	}
}

// next receives from a channel.
func next[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return v
}

func letters(t *testing.T, r *process.Router) []process.Letter {
	t.Helper()
	found, err := r.Letters(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// seen is what a handler was called with.
func seen(hotel string, version int64) string { return fmt.Sprintf("%s %d", hotel, version) }

func seenOf(e *event.Envelope) string { return seen(e.HotelID, versionOf(e)) }
