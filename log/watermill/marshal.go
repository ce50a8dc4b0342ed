package watermill

import (
	"context"
	"maps"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"

	"lodge/log"
)

// Names that a message's own things have in a record and the other way round.
const (
	UUIDHeader  = "_watermill_message_uuid"
	KeyMetadata = "lodge_key" // the metadata entry that holds the record's key
)

// recordOf makes a record of a message. Headers are in the order of their names.
func recordOf(topic log.Topic, msg *message.Message, keyMetadata string) (log.Record, error) {
	r := log.Record{Topic: topic, Value: msg.Payload, Headers: make([]log.Header, 0, len(msg.Metadata)+1)}
	if r.Value == nil {
		r.Value = []byte{} // nil would be a tombstone
	}
	r.Headers = append(r.Headers, log.Header{Key: UUIDHeader, Value: []byte(msg.UUID)})
	for _, name := range slices.Sorted(maps.Keys(msg.Metadata)) {
		switch name {
		case UUIDHeader:
			return r, log.NewError(log.InvalidArgument, "publish to "+string(topic), "metadata %q is the UUID's", name)
		case keyMetadata:
			r.Key = []byte(msg.Metadata[name])
		default:
			r.Headers = append(r.Headers, log.Header{Key: name, Value: []byte(msg.Metadata[name])})
		}
	}
	return r, nil
}

// messageOf makes a message of a record. Of headers with the same name the last one counts.
func messageOf(r *log.Record, keyMetadata string) *message.Message {
	msg := message.NewMessage("", r.Value)
	for _, h := range r.Headers {
		if h.Key == UUIDHeader {
			msg.UUID = string(h.Value)
			continue
		}
		msg.Metadata.Set(h.Key, string(h.Value))
	}
	if r.Key != nil {
		msg.Metadata.Set(keyMetadata, string(r.Key))
	}
	if msg.UUID == "" {
		msg.UUID = r.Position().String()
	}
	return msg
}

type positionKey struct{}

// PositionOf returns where in the log a message that was received lies, from the message's context.
func PositionOf(ctx context.Context) (log.Position, bool) {
	p, ok := ctx.Value(positionKey{}).(log.Position)
	return p, ok
}
