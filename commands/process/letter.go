package process

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"lodge/log"
	"lodge/log/watermill"
)

// PoisonTopic keeps what handlers gave up on.
const PoisonTopic log.Topic = "process_poison"

var poisonPartition = log.TopicPartition{Topic: PoisonTopic}

// The headers of a record of PoisonTopic, behind the original's own.
const (
	HeaderHandler     = "lodge_process_handler"
	HeaderTopic       = "lodge_process_topic"
	HeaderPartition   = "lodge_process_partition"
	HeaderOffset      = "lodge_process_offset"
	HeaderKey         = "lodge_process_key" // missing: the original has none
	HeaderError       = "lodge_process_error"
	HeaderAttempts    = "lodge_process_attempts"
	HeaderFailureTime = "lodge_process_failure_time" // RFC 3339 with nanoseconds, UTC

	// HeaderRequeued names the handler that is to handle a letter again. It is the topic's tag, so that the log sends it to that handler alone. A letter that
	// waits for staff has none.
	HeaderRequeued = "lodge_process_requeued"
)

// headerPrefix is that of the headers above.
const headerPrefix = "lodge_process_"

// LetterState is where a letter is in its life.
type LetterState string

// The states of a letter. One that was handled or discarded is gone.
const (
	LetterWaiting  LetterState = "waiting"  // for staff
	LetterRequeued LetterState = "requeued" // the handler has it again
)

// Letter is a record that a handler gave up on.
type Letter struct {
	ID          string // "handler.topic.partition.offset", of the original; with ".digest" where another's letter has that
	State       LetterState
	Handler     string
	Position    log.Position // of the original
	Key         []byte       // the original's
	Value       []byte       // the original's
	Headers     []log.Header // the original's, by name
	Error       string       // of the last attempt
	Attempts    int          // in all
	FailureTime time.Time    // of the last attempt
}

// Header returns the value of one of the original's headers, or "".
func (l *Letter) Header(key string) string {
	for _, h := range l.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// letterID names the letter of a handler for a record.
func letterID(handler string, at log.Position) string {
	return fmt.Sprintf("%s.%s.%d.%d", handler, at.Topic, at.Partition, at.Offset)
}

// longID is the name of a letter where another's has base.
func longID(base, digest string) string { return base + "." + digest[:16] }

// digest tells an original from others at its place in the log: in a topic that was deleted and made anew, or that a power loss has cut.
func digest(key, value []byte, headers []log.Header) string {
	h := sha256.New()
	add := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	add(key)
	add(value)
	for i := range headers {
		if !strings.HasPrefix(headers[i].Key, headerPrefix) { // as parseLetter leaves them out
			add([]byte(headers[i].Key))
			add(headers[i].Value)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (l *Letter) digest() string { return digest(l.Key, l.Value, l.Headers) }

// record makes the letter a record of PoisonTopic.
func (l *Letter) record() log.Record {
	r := log.Record{Key: []byte(l.ID), Value: l.Value, Headers: make([]log.Header, 0, len(l.Headers)+9)}
	if r.Value == nil {
		r.Value = []byte{} // nil would be the letter's end
	}
	for _, h := range l.Headers {
		if !strings.HasPrefix(h.Key, headerPrefix) { // else it would be taken for the letter's own
			r.Headers = append(r.Headers, h)
		}
	}
	add := func(key, value string) { r.Headers = append(r.Headers, log.Header{Key: key, Value: []byte(value)}) }
	add(HeaderHandler, l.Handler)
	add(HeaderTopic, string(l.Position.Topic))
	add(HeaderPartition, strconv.Itoa(int(l.Position.Partition)))
	add(HeaderOffset, strconv.FormatInt(int64(l.Position.Offset), 10))
	if l.Key != nil {
		add(HeaderKey, string(l.Key))
	}
	add(HeaderError, l.Error)
	add(HeaderAttempts, strconv.Itoa(l.Attempts))
	add(HeaderFailureTime, l.FailureTime.UTC().Format(time.RFC3339Nano))
	if l.State == LetterRequeued {
		add(HeaderRequeued, l.Handler)
	}
	return r
}

// parseLetter is the reverse of record. Errors: Corrupt.
func parseLetter(r *log.Record) (*Letter, error) {
	l := &Letter{ID: string(r.Key), Value: r.Value, State: LetterWaiting}
	own := map[string]string{}
	for _, h := range r.Headers {
		if strings.HasPrefix(h.Key, headerPrefix) {
			own[h.Key] = string(h.Value)
		} else {
			l.Headers = append(l.Headers, h)
		}
	}
	l.Handler, l.Error = own[HeaderHandler], own[HeaderError]
	if key, ok := own[HeaderKey]; ok {
		l.Key = []byte(key)
	}
	if _, ok := own[HeaderRequeued]; ok {
		l.State = LetterRequeued
	}
	partition, errPartition := strconv.ParseInt(own[HeaderPartition], 10, 32)
	offset, errOffset := strconv.ParseInt(own[HeaderOffset], 10, 64)
	attempts, errAttempts := strconv.Atoi(own[HeaderAttempts])
	failed, errTime := time.Parse(time.RFC3339Nano, own[HeaderFailureTime])
	l.Position = log.Position{Topic: log.Topic(own[HeaderTopic]), Partition: log.Partition(partition), Offset: log.Offset(offset)}
	l.Attempts, l.FailureTime = attempts, failed
	for _, err := range []error{errPartition, errOffset, errAttempts, errTime} {
		if err != nil {
			return nil, log.NewError(log.Corrupt, "read letter "+r.Position().String(), "%w", err)
		}
	}
	if id := letterID(l.Handler, l.Position); l.ID != id && l.ID != longID(id, l.digest()) {
		return nil, log.NewError(log.Corrupt, "read letter "+r.Position().String(), "its id is %q, not %q", l.ID, id)
	}
	return l, nil
}

// recordOf makes the record of a message again that log/watermill made of it. Headers are those of the message, by name.
func recordOf(msg *message.Message) *log.Record {
	at, _ := watermill.PositionOf(msg.Context())
	r := &log.Record{Topic: at.Topic, Partition: at.Partition, Offset: at.Offset, Value: msg.Payload}
	for _, name := range sortedNames(msg.Metadata) {
		if name == watermill.KeyMetadata {
			r.Key = []byte(msg.Metadata[name])
			continue
		}
		r.Headers = append(r.Headers, log.Header{Key: name, Value: []byte(msg.Metadata[name])})
	}
	return r
}
