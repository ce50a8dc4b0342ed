package event

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
)

// Decode is the function Decode over the kinds of r.
func (r *Registry) Decode(value []byte, header func(key string) []byte) (*Envelope, error) {
	e, kind, err := r.attributes(header)
	if err != nil {
		return nil, err
	}
	if e.Message, err = r.message(kind, value); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", e.Type, e.ID, err)
	}
	e.HotelID = HotelOf(e.Message)
	return e, nil
}

// DecodeMessage decodes the value of an event of a known type and upcasts it. The error wraps ErrUnknownType or ErrMalformed.
func (r *Registry) DecodeMessage(eventType string, value []byte) (proto.Message, error) {
	kind := r.Kind(eventType)
	if kind == nil {
		return nil, fmt.Errorf("decode %q: %w", eventType, ErrUnknownType)
	}
	return r.message(kind, value)
}

func (r *Registry) message(kind *Kind, value []byte) (proto.Message, error) {
	m := kind.New()
	if err := proto.Unmarshal(value, m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for !kind.Current() {
		next, err := kind.Upcast(m)
		if err != nil {
			return nil, fmt.Errorf("%w: upcast %s: %w", ErrMalformed, kind.Type, err)
		}
		if kind = r.KindOf(next); kind == nil {
			return nil, fmt.Errorf("upcast to %T: %w", next, ErrUnknownType)
		}
		m = next
	}
	return m, nil
}

func (r *Registry) attributes(header func(key string) []byte) (*Envelope, *Kind, error) {
	eventType := header(HeaderType)
	kind := r.byType[string(eventType)]
	if kind == nil {
		return nil, nil, fmt.Errorf("decode event %.80q of type %.80q: %w", header(HeaderID), eventType, ErrUnknownType)
	}
	e := &Envelope{Type: kind.Type}
	if err := e.readAttributes(header); err != nil {
		return nil, nil, fmt.Errorf("decode %s %.80q: %w: %w", kind.Type, header(HeaderID), ErrMalformed, err)
	}
	return e, kind, nil
}

func (e *Envelope) readAttributes(header func(key string) []byte) error {
	if version := header(HeaderSpecVersion); string(version) != string(specVersion) {
		return fmt.Errorf("CloudEvents version %.16q is not 1.0", version)
	}
	var err error
	if e.Time, err = parseTime(header(HeaderTime)); err != nil {
		return err
	}
	e.ID = string(header(HeaderID))
	e.Source = string(header(HeaderSource))
	e.CorrelationID = string(header(HeaderCorrelationID))
	e.CausationID = string(header(HeaderCausationID))
	e.TraceParent = string(header(HeaderTraceParent))
	e.Command = string(header(HeaderCommand))
	e.Actor = string(header(HeaderActor))
	e.Reason = string(header(HeaderReason))
	if e.SealedReason, err = readSeal(header(HeaderSealedReason)); err != nil {
		return err
	}
	if err := copyHeader(&e.RequestID, HeaderRequestID, header); err != nil {
		return err
	}
	if err := copyHeader(&e.RequestFingerprint, HeaderRequestFingerprint, header); err != nil {
		return err
	}
	return e.validate()
}

func readSeal(value []byte) (s Seal, err error) {
	if len(value) == 0 {
		return s, nil
	}
	if len(value) < 8 || binary.BigEndian.Uint64(value) == 0 {
		return s, fmt.Errorf("header %s has no key", HeaderSealedReason)
	}
	return Seal{Key: binary.BigEndian.Uint64(value), Sealed: bytes.Clone(value[8:])}, nil
}

func copyHeader(dst *[16]byte, key string, header func(key string) []byte) error {
	value := header(key)
	if value != nil && len(value) != len(dst) {
		return fmt.Errorf("header %s has %d bytes, not %d", key, len(value), len(dst))
	}
	copy(dst[:], value)
	return nil
}

func parseTime(value []byte) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, string(value))
	if err != nil {
		return time.Time{}, fmt.Errorf("header %s: %w", HeaderTime, err)
	}
	return t.UTC(), nil
}
