package event_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain/event"
	"lodge/domain/eventpb"
)

func same(a, b *event.Envelope) bool {
	if !proto.Equal(a.Message, b.Message) {
		return false
	}
	x, y := *a, *b
	x.Message, y.Message = nil, nil
	return x.Time.Equal(y.Time) && func() bool { x.Time = y.Time; return reflect.DeepEqual(x, y) }()
}

func TestEveryEventComesBack(t *testing.T) {
	for _, m := range samples() {
		want := typicalEnvelope()
		want.Message = m
		got, err := event.Decode(stored(t, want))
		if err != nil {
			t.Fatal(err)
		}
		want.Type, want.HotelID = event.TypeOf(m), "grand"
		if !same(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestHeadersAreCloudEvents(t *testing.T) {
	_, header := stored(t, typicalEnvelope())
	for key, want := range map[string]string{
		"ce_specversion": "1.0", "ce_id": "01980000-0000-7000-8000-000000000001", "ce_type": "lodge.reservation.placed.v1",
		"ce_source": "lodge/commands", "ce_time": "2026-07-01T12:00:00.123456789Z",
		"ce_correlationid": "01980000-0000-7000-8000-000000000002",
		"lodge_command":    "place_reservation",
		"lodge_actor":      "guest:k3v9q2m7c5x4r2ta",
		"lodge_request_id": "\x01" + strings.Repeat("\x00", 15), "lodge_request_fp": "\x02" + strings.Repeat("\x00", 15),
	} {
		if string(header(key)) != want {
			t.Errorf("%s is %q, want %q", key, header(key), want)
		}
	}
	if header("ce_causationid") != nil {
		t.Error("an empty attribute has a header")
	}
}

// The trace that an event is part of comes back with it, and nothing of one with an event that is part of none.
func TestTraceParents(t *testing.T) {
	e := typicalEnvelope()
	if _, header := stored(t, e); header("ce_traceparent") != nil {
		t.Errorf("%q", header("ce_traceparent"))
	}
	e.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	value, header := stored(t, e)
	if string(header("ce_traceparent")) != e.TraceParent {
		t.Errorf("%q", header("ce_traceparent"))
	}
	if got, err := event.Decode(value, header); err != nil || got.TraceParent != e.TraceParent {
		t.Errorf("%+v %v", got, err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*event.Envelope){
		"no message":     func(e *event.Envelope) { e.Message = nil },
		"no event":       func(e *event.Envelope) { e.Message = new(eventpb.Stay) },
		"another type":   func(e *event.Envelope) { e.Type = "lodge.reservation.paid.v1" },
		"no id":          func(e *event.Envelope) { e.ID = "" },
		"no source":      func(e *event.Envelope) { e.Source = "" },
		"a long command": func(e *event.Envelope) { e.Command = strings.Repeat("x", event.AttributeMax+1) },
		"a long source":  func(e *event.Envelope) { e.Source = strings.Repeat("x", event.AttributeMax+1) },
		"a far year":     func(e *event.Envelope) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"text not UTF-8": func(e *event.Envelope) { e.Message = &eventpb.ReservationPaid{HotelId: "\xff"} },
	} {
		e := typicalEnvelope()
		spoil(e)
		if value, err := event.Encode(e, func(string, []byte) {}); err == nil {
			t.Errorf("%s: encoded as %x", name, value)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	value, header := stored(t, typicalEnvelope())
	for _, tc := range []struct {
		name, key, content string
		want               error
	}{
		{"unknown type", event.HeaderType, "lodge.unknown.v1", event.ErrUnknownType},
		{"no type", event.HeaderType, "", event.ErrUnknownType},
		{"other version", event.HeaderSpecVersion, "0.3", event.ErrMalformed},
		{"no time", event.HeaderTime, "yesterday", event.ErrMalformed},
		{"no id", event.HeaderID, "", event.ErrMalformed},
		{"short request id", event.HeaderRequestID, "1234", event.ErrMalformed},
		{"short fingerprint", event.HeaderRequestFingerprint, "1234", event.ErrMalformed},
	} {
		_, err := event.Decode(value, func(key string) []byte {
			if key == tc.key {
				return []byte(tc.content)
			}
			return header(key)
		})
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: error %v, want %v", tc.name, err, tc.want)
		}
	}
	if _, err := event.Decode(value[:len(value)-1], header); !errors.Is(err, event.ErrMalformed) {
		t.Errorf("cut value: error %v", err)
	}
}

// FuzzDecode: what is decoded encodes again, and comes back as the same event.
func FuzzDecode(f *testing.F) {
	for _, m := range samples() {
		e := typicalEnvelope()
		e.Message = m
		value, header := stored(f, e)
		f.Add(event.TypeOf(m), string(header(event.HeaderTime)), "id", "source", value)
	}
	f.Fuzz(func(t *testing.T, eventType, when, id, source string, value []byte) {
		headers := map[string][]byte{
			event.HeaderSpecVersion: []byte("1.0"), event.HeaderType: []byte(eventType), event.HeaderTime: []byte(when),
			event.HeaderID: []byte(id), event.HeaderSource: []byte(source),
		}
		before := bytes.Clone(value)
		first, err := event.Decode(value, func(key string) []byte { return headers[key] })
		if !bytes.Equal(value, before) {
			t.Fatal("decoding changed the value")
		}
		if err != nil {
			return
		}
		second, err := event.Decode(stored(t, first))
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(first.Message, second.Message) || first.ID != second.ID || !first.Time.Equal(second.Time) {
			t.Fatalf("%+v came back as %+v", first, second)
		}
	})
}

// TestSealedReasons: a reason that is sealed comes back sealed, and a header that is none is refused.
func TestSealedReasons(t *testing.T) {
	e := typicalEnvelope()
	e.SealedReason = event.Seal{Key: 812, Sealed: []byte("\x01\x8f\x00 sealed")}
	value, header := stored(t, e)
	if got, err := event.Decode(value, header); err != nil || !reflect.DeepEqual(got.SealedReason, e.SealedReason) || got.Reason != "" {
		t.Errorf("%+v %v", got, err)
	}
	for _, bad := range []string{"1234567", strings.Repeat("\x00", 40), strings.Repeat("x", 1000)} {
		if _, err := event.Decode(value, func(key string) []byte {
			if key == event.HeaderSealedReason {
				return []byte(bad)
			}
			return header(key)
		}); !errors.Is(err, event.ErrMalformed) {
			t.Errorf("%q: error %v", bad, err)
		}
	}
	e.SealedReason.Sealed = bytes.Repeat([]byte("x"), 1000)
	if _, err := event.Encode(e, func(string, []byte) {}); err == nil {
		t.Error("a reason that is too long is encoded")
	}
}
