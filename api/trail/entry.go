package trail

import (
	"encoding/json"
	"fmt"
	"time"

	"lodge/domain/event"
	"lodge/log"
)

// Topic holds the trail: one partition, in order of time. Keys are ids of hotels; no key: it is about none. A record's tag is its method. Its only writer is the Trail.
const Topic log.Topic = "__audit"

// Partition is where all of it lies.
var Partition = log.TopicPartition{Topic: Topic}

// Outcome is what came of a call. Its values are stored.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused" // nothing was changed
	Failed  Outcome = "failed"  // it was broken off: it may have been done
	Lost    Outcome = "lost"    // no call: Count entries could not be kept
)

// Entry is one call, or Count of the same.
type Entry struct {
	Time  time.Time // when it was recorded; the trail sets it
	First time.Time // of the first call, when there is more than one

	Actor  string // as in events
	Client string // the address that it came from, without port
	Trace  string // the id of the trace that it belongs to

	Method        string
	Resource      string // the name of what it is about
	HotelID       string // that this belongs to
	RequestID     string
	CorrelationID string
	Reason        string // why, in the caller's words

	Outcome Outcome
	Code    string // of the answer
	Refusal string // the answer's reason
	Field   string // paths of fields: at fault, or changed
	Count   int64  // calls
}

// stored is an entry in the log.
type stored struct {
	Version       int        `json:"version"`
	Time          time.Time  `json:"time"`
	First         *time.Time `json:"first_time,omitempty"`
	Actor         string     `json:"actor,omitempty"`
	Client        string     `json:"client_address,omitempty"`
	Trace         string     `json:"trace_id,omitempty"`
	Method        string     `json:"method,omitempty"`
	Resource      string     `json:"resource,omitempty"`
	RequestID     string     `json:"request_id,omitempty"`
	CorrelationID string     `json:"correlation_id,omitempty"`
	Reason        string     `json:"reason,omitempty"`
	Outcome       Outcome    `json:"outcome"`
	Code          string     `json:"code,omitempty"`
	Refusal       string     `json:"error_reason,omitempty"`
	Field         string     `json:"field,omitempty"`
	Count         int64      `json:"count"`
}

const storedVersion = 1

// record makes the record of an entry.
func (e *Entry) record() (log.Record, error) {
	s := stored{
		Version: storedVersion, Time: e.Time.UTC(), Actor: e.Actor, Client: e.Client, Trace: e.Trace, Method: e.Method, Resource: e.Resource,
		RequestID: e.RequestID, CorrelationID: e.CorrelationID, Reason: e.Reason, Outcome: e.Outcome, Code: e.Code, Refusal: e.Refusal, Field: e.Field, Count: e.Count,
	}
	if !e.First.IsZero() {
		first := e.First.UTC()
		s.First = &first
	}
	value, err := json.Marshal(s)
	r := log.Record{Value: value, Timestamp: e.Time}
	if e.HotelID != "" {
		r.Key = []byte(e.HotelID)
	}
	if e.Method != "" {
		r.Headers = []log.Header{{Key: event.HeaderType, Value: []byte(e.Method)}}
	}
	return r, err
}

// Read reads a record of the topic.
func Read(r *log.Record) (*Entry, error) {
	var s stored
	if err := json.Unmarshal(r.Value, &s); err != nil {
		return nil, fmt.Errorf("read the audit trail at %s: %w", r.Position(), err)
	}
	if s.Version != storedVersion {
		return nil, fmt.Errorf("read the audit trail at %s: version %d is not one that this program knows", r.Position(), s.Version)
	}
	e := &Entry{
		Time: s.Time, Actor: s.Actor, Client: s.Client, Trace: s.Trace, Method: s.Method, Resource: s.Resource, HotelID: string(r.Key),
		RequestID: s.RequestID, CorrelationID: s.CorrelationID, Reason: s.Reason, Outcome: s.Outcome, Code: s.Code, Refusal: s.Refusal, Field: s.Field, Count: s.Count,
	}
	if s.First != nil {
		e.First = *s.First
	}
	return e, nil
}
