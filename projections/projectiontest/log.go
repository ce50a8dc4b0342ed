package projectiontest

import (
	"context"
	"sort"
	"sync"
	"time"

	"lodge/domain/event"
	"lodge/log"
)

// Log is a log in memory: a log.Reader that tests append events to. Safe for concurrent use.
type Log struct {
	partitions int

	mu      sync.Mutex
	records map[log.TopicPartition][]log.Record
	changed chan struct{} // closed at the next append
	overlap int
	fail    error
}

// topics are the domain's.
var topics = []log.Topic{event.HotelsTopic, event.InventoryTopic, event.BookingsTopic, event.PaymentsTopic}

// NewLog returns an empty log with the domain's topics.
func NewLog(partitions int) *Log {
	l := &Log{partitions: partitions, records: map[log.TopicPartition][]log.Record{}, changed: make(chan struct{})}
	for _, topic := range topics {
		for p := range partitions {
			l.records[log.TopicPartition{Topic: topic, Partition: log.Partition(p)}] = nil
		}
	}
	return l
}

// Append puts events where they belong and returns the position of the last. It panics on what is no event.
func (l *Log) Append(events ...*event.Envelope) (last log.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		var headers []log.Header
		value, err := event.Encode(e, func(key string, v []byte) { headers = append(headers, log.Header{Key: key, Value: v}) })
		if err != nil {
			panic(err)
		}
		hotel := event.HotelOf(e.Message)
		last = l.put(log.Topic(event.TopicOf(e.Message)), hotel, log.Record{Key: []byte(hotel), Value: value, Headers: headers, Timestamp: e.Time})
	}
	close(l.changed)
	l.changed = make(chan struct{})
	return last
}

func (l *Log) put(topic log.Topic, hotel string, r log.Record) log.Position {
	tp := log.TopicPartition{Topic: topic, Partition: log.PartitionForKey([]byte(hotel), l.partitions)}
	r.Topic, r.Partition, r.Offset = tp.Topic, tp.Partition, log.Offset(len(l.records[tp]))
	r.Size = len(r.Value) + 200
	l.records[tp] = append(l.records[tp], r)
	return r.Position()
}

// Overlap makes every fetch return up to n records before the one that was asked for, and each record twice.
func (l *Log) Overlap(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.overlap = n
}

// Fail makes every fetch fail until it is called with nil.
func (l *Log) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

// Cut drops the end of a partition, as a log that was restored from an old backup.
func (l *Log) Cut(tp log.TopicPartition, end log.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records[tp] = l.records[tp][:end:end]
}

// Ends returns the position of the last record of every partition that has one.
func (l *Log) Ends() []log.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ends []log.Position
	for tp, records := range l.records {
		if n := len(records); n > 0 {
			ends = append(ends, log.Position{Topic: tp.Topic, Partition: tp.Partition, Offset: log.Offset(n - 1)})
		}
	}
	sort.Slice(ends, func(i, j int) bool { return ends[i].TopicPartition().Compare(ends[j].TopicPartition()) < 0 })
	return ends
}

// Fetch implements log.Reader.
func (l *Log) Fetch(ctx context.Context, req log.FetchRequest) (log.FetchResult, error) {
	timer := time.NewTimer(req.MaxWait)
	defer timer.Stop()
	for {
		result, changed, err := l.fetch(req)
		if err != nil || len(result.Records) > 0 || req.MaxWait == 0 {
			return result, err
		}
		select {
		case <-changed:
		case <-timer.C:
			return result, nil
		case <-ctx.Done():
			return log.FetchResult{}, ctx.Err()
		}
	}
}

func (l *Log) fetch(req log.FetchRequest) (log.FetchResult, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	records, ok := l.records[req.TopicPartition]
	end := log.Offset(len(records))
	switch {
	case l.fail != nil:
		return log.FetchResult{}, nil, l.fail
	case !ok:
		return log.FetchResult{}, nil, log.NewError(log.UnknownTopic, "fetch "+req.TopicPartition.String(), "no such partition")
	case req.Offset < 0 || req.Offset > end:
		return log.FetchResult{}, nil, log.NewError(log.OffsetOutOfRange, "fetch "+req.TopicPartition.String(), "%d is not in [0, %d]", req.Offset, end)
	}
	result := log.FetchResult{Next: req.Offset, HighWatermark: end}
	for size := 0; result.Next < end && size < max(1, req.MaxBytes); result.Next++ {
		size += records[result.Next].Size
	}
	if result.Next == req.Offset {
		return result, l.changed, nil
	}
	result.Records = records[req.Offset:result.Next:result.Next]
	if l.overlap > 0 {
		result.Records = twice(records[max(0, req.Offset-log.Offset(l.overlap)):result.Next])
	}
	return result, l.changed, nil
}

func twice(records []log.Record) []log.Record {
	var out []log.Record
	for _, r := range records {
		out = append(out, r, r)
	}
	return out
}

// Offsets implements log.Reader.
func (l *Log) Offsets(_ context.Context, tp log.TopicPartition) (start, highWatermark log.Offset, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	records, ok := l.records[tp]
	if !ok {
		return 0, 0, log.NewError(log.UnknownTopic, "offsets of "+tp.String(), "no such partition")
	}
	return 0, log.Offset(len(records)), nil
}

// OffsetForTime implements log.Reader.
func (l *Log) OffsetForTime(_ context.Context, tp log.TopicPartition, t time.Time) (log.Offset, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, r := range l.records[tp] {
		if !r.Timestamp.Before(t) {
			return log.Offset(i), nil
		}
	}
	return log.Offset(len(l.records[tp])), nil
}
