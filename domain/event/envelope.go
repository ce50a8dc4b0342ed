package event

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
)

// Envelope is an event with its attributes.
type Envelope struct {
	ID            string    // a UUID in its canonical form
	Type          string    // as stored, even when Message has been upcast
	Source        string    // which program wrote it
	Time          time.Time // of the command, UTC
	CorrelationID string    // optional
	CausationID   string    // optional
	Command       string    // its name, such as cancel_reservation; empty in events of before it was kept
	Actor         string    // who gave the command, as role:id; empty where nobody was asked, or the platform itself acted
	Reason        string    // why, in the words of who gave it; optional
	SealedReason  Seal      // Reason, sealed; it is empty then

	// TraceParent is the W3C trace context of the command, where its trace is sampled; else empty. After the distributed tracing extension of CloudEvents.
	TraceParent string

	// Of the command that the event came from; zero when it had no request id.
	RequestID          [16]byte
	RequestFingerprint [16]byte

	HotelID string // taken from the message; the record's key
	Message proto.Message
}

// The names of the headers.
const (
	HeaderSpecVersion        = "ce_specversion"
	HeaderID                 = "ce_id"
	HeaderType               = "ce_type"
	HeaderSource             = "ce_source"
	HeaderTime               = "ce_time"
	HeaderCorrelationID      = "ce_correlationid"
	HeaderCausationID        = "ce_causationid"
	HeaderTraceParent        = "ce_traceparent"
	HeaderCommand            = "lodge_command"
	HeaderActor              = "lodge_actor"
	HeaderReason             = "lodge_reason"
	HeaderSealedReason       = "lodge_sealed_reason" // the number of the key as a uint64, big-endian, and the sealed bytes
	HeaderRequestID          = "lodge_request_id"
	HeaderRequestFingerprint = "lodge_request_fp"
)

// AttributeMax is the longest id, source, correlation or causation id, trace parent, command, or actor in bytes.
const AttributeMax = 256

// ReasonMax is the longest reason in bytes.
const ReasonMax = 512

// sealedReasonMax is the longest sealed reason in bytes, with what a seal adds.
const sealedReasonMax = ReasonMax + 128

// Seal is what people wrote, in a form that only the holder of a key can read (see commands/persons).
type Seal struct {
	Key    uint64 // the key's number; 0: nothing is sealed
	Sealed []byte // not changed any more
}

// ErrUnknownType is what Decode wraps when no kind has the record's ce_type: a newer program wrote it.
var ErrUnknownType = errors.New("unknown event type")

// ErrMalformed is what Decode wraps when headers or value are not what Encode writes.
var ErrMalformed = errors.New("malformed event")

var specVersion = []byte("1.0")

// Encode returns the event's value and passes its headers to header. An empty Type is taken from the message. All returned and
// passed slices share one new piece of memory (or are constants) and must not be changed. An error says what of the
// envelope is not an event.
func Encode(e *Envelope, header func(key string, value []byte)) (value []byte, err error) {
	return registry.Encode(e, header)
}

// Decode is the reverse of Encode; header returns the value of a header, or nil when there is none. Old versions
// are upcast. What it returns shares no memory with its arguments. The error wraps ErrUnknownType or ErrMalformed.
func Decode(value []byte, header func(key string) []byte) (*Envelope, error) {
	return registry.Decode(value, header)
}

// Encode is the function Encode over the kinds of r.
func (r *Registry) Encode(e *Envelope, header func(key string, value []byte)) ([]byte, error) {
	kind := r.KindOf(e.Message)
	if kind == nil {
		return nil, fmt.Errorf("encode event %s: %T is not a registered event", e.ID, e.Message)
	}
	if e.Type != "" && e.Type != kind.Type {
		return nil, fmt.Errorf("encode event %s: %T has type %s, not %s", e.ID, e.Message, kind.Type, e.Type)
	}
	if err := e.validate(); err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	size := proto.Size(e.Message)
	buffer := make([]byte, 0, size+len(e.ID)+len(e.Source)+len(time.RFC3339Nano)+len(e.CorrelationID)+len(e.CausationID)+len(e.TraceParent)+len(e.Command)+len(e.Actor)+len(e.Reason)+len(e.SealedReason.Sealed)+40)
	buffer, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(buffer, e.Message)
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	value := buffer[:len(buffer):len(buffer)]
	e.putHeaders(kind, buffer, header)
	return value, nil
}

func (e *Envelope) putHeaders(kind *Kind, buffer []byte, header func(key string, value []byte)) {
	text := func(key, s string) {
		if s != "" {
			buffer = append(buffer, s...)
			header(key, buffer[len(buffer)-len(s):len(buffer):len(buffer)])
		}
	}
	header(HeaderSpecVersion, specVersion)
	text(HeaderID, e.ID)
	header(HeaderType, kind.typeValue)
	text(HeaderSource, e.Source)
	start := len(buffer)
	buffer = e.Time.UTC().AppendFormat(buffer, time.RFC3339Nano)
	header(HeaderTime, buffer[start:len(buffer):len(buffer)])
	text(HeaderCorrelationID, e.CorrelationID)
	text(HeaderCausationID, e.CausationID)
	text(HeaderTraceParent, e.TraceParent)
	text(HeaderCommand, e.Command)
	text(HeaderActor, e.Actor)
	text(HeaderReason, e.Reason)
	if s := &e.SealedReason; s.Key != 0 {
		start := len(buffer)
		buffer = append(binary.BigEndian.AppendUint64(buffer, s.Key), s.Sealed...)
		header(HeaderSealedReason, buffer[start:len(buffer):len(buffer)])
	}
	for _, h := range [...]struct {
		key   string
		value *[16]byte
	}{{HeaderRequestID, &e.RequestID}, {HeaderRequestFingerprint, &e.RequestFingerprint}} {
		if *h.value != ([16]byte{}) {
			start := len(buffer)
			buffer = append(buffer, h.value[:]...)
			header(h.key, buffer[start:len(buffer):len(buffer)])
		}
	}
}

func (e *Envelope) validate() error {
	if e.ID == "" || e.Source == "" {
		return errors.New("it has no id or no source")
	}
	if max(len(e.ID), len(e.Source), len(e.CorrelationID), len(e.CausationID), len(e.TraceParent), len(e.Command), len(e.Actor)) > AttributeMax {
		return fmt.Errorf("an attribute is longer than %d bytes", AttributeMax)
	}
	if len(e.Reason) > ReasonMax {
		return fmt.Errorf("its reason is longer than %d bytes", ReasonMax)
	}
	if len(e.SealedReason.Sealed) > sealedReasonMax {
		return fmt.Errorf("its sealed reason is longer than %d bytes", sealedReasonMax)
	}
	if year := e.Time.UTC().Year(); year < 1 || year > 9999 {
		return fmt.Errorf("its time is in the year %d", year)
	}
	return nil
}
