package api

import (
	"connectrpc.com/connect"
	"connectrpc.com/vanguard"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// restCodec is vanguard's JSON codec whose errors say that the request is at fault: vanguard answers any other with HTTP 500.
type restCodec struct{ *vanguard.JSONCodec }

func newRestCodec(types vanguard.TypeResolver) vanguard.Codec {
	codec := vanguard.NewJSONCodec(types)
	codec.UnmarshalOptions.DiscardUnknown = false // as jsonCodec
	return restCodec{codec}
}

// Unmarshal reads a body that is a whole message.
func (c restCodec) Unmarshal(data []byte, message proto.Message) error {
	return unreadable(c.JSONCodec.Unmarshal(data, message))
}

// UnmarshalField reads a body that is one field of a message.
func (c restCodec) UnmarshalField(data []byte, message proto.Message, field protoreflect.FieldDescriptor) error {
	return unreadable(c.JSONCodec.UnmarshalField(data, message, field))
}

func unreadable(err error) error {
	if err == nil {
		return nil
	}
	return connect.NewError(connect.CodeInvalidArgument, err)
}
