package api

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	lodgev1 "lodge/api/gen/lodge/v1"
)

// jsonCodec is Connect's JSON codec (protojson, unknown fields ignored) with a short way for the one message pair that
// decides how many reservations a second can be posted as JSON: protojson takes 17 µs for it, reading and writing by
// hand 2 µs. The short way does only what is plain; whatever else it meets it leaves to protojson, so that the two never disagree. An update_mask it reads itself, see cutMask.
type jsonCodec struct{ name string }

// Name implements connect.Codec.
func (c jsonCodec) Name() string { return c.name }

// IsBinary says that messages can be written into a URL as they are.
func (jsonCodec) IsBinary() bool { return false }

// Marshal implements connect.Codec.
func (c jsonCodec) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

// MarshalStable gives the same bytes for the same message, for URLs: protojson varies the spaces on purpose.
func (c jsonCodec) MarshalStable(message any) ([]byte, error) {
	data, err := c.MarshalAppend(nil, message)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, data)
	return compact.Bytes(), err
}

// MarshalAppend appends the message to dst.
func (jsonCodec) MarshalAppend(dst []byte, message any) ([]byte, error) {
	if r, ok := message.(*lodgev1.Reservation); ok {
		if b, ok := appendReservation(dst, r); ok {
			return b, nil
		}
	}
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is not a protobuf message", message)
	}
	return protojson.MarshalOptions{}.MarshalAppend(dst, m)
}

// Unmarshal implements connect.Codec.
func (jsonCodec) Unmarshal(data []byte, message any) error {
	if r, ok := message.(*lodgev1.CreateReservationRequest); ok {
		if readCreateReservation(data, r) {
			return nil
		}
		r.Reset()
	}
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is not a protobuf message", message)
	}
	if len(data) == 0 {
		return fmt.Errorf("zero-length payload is not a valid JSON object")
	}
	req, updates := m.(masked)
	var mask *fieldmaskpb.FieldMask
	if updates {
		data, mask = cutMask(data)
	}
	err := protojson.Unmarshal(data, m) // a misspelled field or value is an error: without it the request would mean something else
	if err == nil && mask != nil {
		req.GetUpdateMask().Paths = mask.Paths
	}
	return err
}
