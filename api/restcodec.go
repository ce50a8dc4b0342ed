package api

import (
	"fmt"

	"connectrpc.com/connect"
	"connectrpc.com/vanguard"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"lodge/domain"
)

// restCodec is vanguard's JSON codec whose errors say that the request is at fault: vanguard answers any other with HTTP 500. It also refuses bodies that contradict the path.
type restCodec struct{ *vanguard.JSONCodec }

func newRestCodec(types vanguard.TypeResolver) vanguard.Codec {
	codec := vanguard.NewJSONCodec(types)
	codec.UnmarshalOptions.DiscardUnknown = false // as jsonCodec
	return restCodec{codec}
}

// Unmarshal reads a body that is a whole message, or that is a field which is one.
func (c restCodec) Unmarshal(data []byte, message proto.Message) error {
	if err := c.JSONCodec.Unmarshal(data, message); err != nil {
		return unreadable(err)
	}
	m := message.ProtoReflect()
	said := m.New()
	for _, name := range pathBound()[m.Descriptor().FullName()] {
		if field := m.Descriptor().Fields().ByName(name); m.Has(field) {
			said.Set(field, m.Get(field))
		}
	}
	return keepSaid(m, said)
}

// keepSaid puts what a body says of what the path says too among the unknown fields of its message, which nobody else reads or writes: vanguard lets the path have the last word, and then writes the message.
func keepSaid(m, said protoreflect.Message) error {
	kept, err := proto.Marshal(said.Interface())
	m.SetUnknown(kept)
	return err
}

// MarshalAppend writes a message. A request whose body contradicts its path is refused.
func (c restCodec) MarshalAppend(base []byte, message proto.Message) ([]byte, error) {
	m := message.ProtoReflect()
	err := contradiction(m, "")
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if err == nil && field.Message() != nil && !field.IsList() && !field.IsMap() {
			err = contradiction(value.Message(), string(field.Name())+".")
		}
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	return c.JSONCodec.MarshalAppend(base, message)
}

// contradiction refuses a message whose body said something else than its path, which has been set since. prefix is the message's path in the request.
func contradiction(m protoreflect.Message, prefix string) error {
	kept := m.GetUnknown()
	if len(kept) == 0 {
		return nil
	}
	m.SetUnknown(nil)
	said := m.New()
	if err := proto.Unmarshal(kept, said.Interface()); err != nil {
		return err
	}
	var answer *connect.Error
	said.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if is := m.Get(field); !value.Equal(is) {
			text := fmt.Sprintf("the body says %q, the path %q", shortened(value.String()), shortened(is.String()))
			name := prefix + string(field.Name())
			answer = connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("%s: %s", name, text))
			attach(answer, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: name, Description: text, Reason: string(domain.InvalidArgument)}}})
		}
		return answer == nil
	})
	if answer == nil {
		return nil
	}
	return answer
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
