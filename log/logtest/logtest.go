// Package logtest gives tests a log: a broker in the same process on a file system in memory, which can be
// restarted and can lose power. It is as fast as memory and leaves nothing behind.
//
//	lg := logtest.Open(t, broker.Options{})
//	lg.Topic("bookings", 8)
//	// lg is a log.Writer, log.Reader and log.Admin
//	lg.Crash(vfs.LoseAll)
//	// and what was acknowledged is still there
package logtest

import (
	"context"
	"testing"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/vfs"
)

// dir is the broker's folder in the file system in memory.
const dir = "log"

// Log is a running broker that belongs to a test. Its methods are the broker's, and are the new broker's
// after Restart and Crash, which must not be called while others are under way.
type Log struct {
	*broker.Broker
	FS *vfs.MemFS

	t    testing.TB
	opts broker.Options
	stop context.CancelFunc
	done chan error // what Run returned
}

// Open starts a broker, with a new file system in memory unless opts names one made by vfs.NewMem. It runs
// until the test ends; an error on the way fails the test.
func Open(t testing.TB, opts broker.Options) *Log {
	t.Helper()
	l := &Log{t: t, opts: opts}
	var ok bool
	if l.FS, ok = opts.FS.(*vfs.MemFS); !ok {
		l.FS = vfs.NewMem()
	}
	l.start()
	t.Cleanup(l.shut)
	return l
}

func (l *Log) start() {
	l.t.Helper()
	l.opts.FS = l.FS
	b, err := broker.Open(dir, l.opts)
	if err != nil {
		l.t.Fatalf("open broker: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.Broker, l.stop, l.done = b, cancel, make(chan error, 1)
	go func() { l.done <- b.Run(ctx) }()
}

// shut stops the broker and waits until nothing of it runs.
func (l *Log) shut() {
	l.t.Helper()
	if l.done == nil {
		return // it could not be opened again
	}
	l.stop()
	err := <-l.done
	l.done = nil
	if err != nil {
		l.t.Errorf("run broker: %v", err)
	}
	if err := l.Close(); err != nil {
		l.t.Errorf("close broker: %v", err)
	}
}

// Restart closes the broker and opens its folder again.
func (l *Log) Restart() {
	l.t.Helper()
	l.shut()
	l.start()
}

// Crash has the power fail and opens what is left: all that was acknowledged, in a topic of durability
// sync, and as much of the rest as choose leaves.
func (l *Log) Crash(choose vfs.Choose) {
	l.t.Helper()
	left := l.FS.CrashClone(choose)
	l.shut()
	l.FS = left
	l.start()
}

// Topic makes a topic with the defaults and returns its partitions.
func (l *Log) Topic(name log.Topic, partitions int) []log.TopicPartition {
	l.t.Helper()
	return l.TopicWith(name, log.TopicConfig{Partitions: partitions})
}

// TopicWith makes a topic and returns its partitions.
func (l *Log) TopicWith(name log.Topic, config log.TopicConfig) []log.TopicPartition {
	l.t.Helper()
	if err := l.CreateTopic(context.Background(), name, config); err != nil {
		l.t.Fatalf("create topic: %v", err)
	}
	tps := make([]log.TopicPartition, max(1, config.Partitions))
	for i := range tps {
		tps[i] = log.TopicPartition{Topic: name, Partition: log.Partition(i)}
	}
	return tps
}

// Records returns all committed records of a partition.
func (l *Log) Records(tp log.TopicPartition) []log.Record {
	l.t.Helper()
	ctx := context.Background()
	next, end, err := l.Offsets(ctx, tp)
	var records []log.Record
	for err == nil && next < end {
		var found log.FetchResult
		found, err = l.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: next})
		records, next = append(records, found.Records...), found.Next
	}
	if err != nil {
		l.t.Fatalf("read %s: %v", tp, err)
	}
	return records
}
