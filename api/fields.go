package api

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// aliases says, for a field of a command, by which of the request's own fields it may have come, in order.
var aliases = map[string][]string{
	"hotel_id":       {"parent", "hotel", "name"},
	"room_type_id":   {"room_type", "parent", "name"},
	"rate_plan_id":   {"rate_plan", "parent", "name"},
	"reservation_id": {"name"},
	"nightly_rate":   {"nightly_rate_override"},
}

// requestField returns the path in a request of what the domain calls field: the field itself, the one of that name in the
// resource that the request carries, or the resource name that holds the id. Only for errors: it reflects.
func requestField(req proto.Message, field string) string {
	if req == nil || field == "" {
		return field
	}
	head, _, _ := strings.Cut(field, ".")
	head, _, _ = strings.Cut(head, "[")
	fields := req.ProtoReflect().Descriptor().Fields()
	if fields.ByName(protoreflect.Name(head)) != nil {
		return field
	}
	if path, ok := inResource(fields, head); ok {
		return path + strings.TrimPrefix(field, head)
	}
	for _, alias := range aliases[head] {
		f := fields.ByName(protoreflect.Name(alias))
		if f != nil && f.Message() != nil && f.Message().Fields().ByName("name") != nil {
			return alias + ".name"
		}
		if f != nil {
			return alias + strings.TrimPrefix(field, head)
		}
		if path, ok := inResource(fields, alias); ok {
			return path + strings.TrimPrefix(field, head)
		}
	}
	return field
}

// inResource finds a field of that name in one of the messages of lodge.v1 that the request carries.
func inResource(fields protoreflect.FieldDescriptors, name string) (path string, ok bool) {
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.Message() == nil || f.IsList() || f.Message().ParentFile().Package() != "lodge.v1" {
			continue
		}
		if f.Message().Fields().ByName(protoreflect.Name(name)) != nil {
			return string(f.Name()) + "." + name, true
		}
	}
	return "", false
}
