package api

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	lodgev1 "lodge/api/gen/lodge/v1"
)

// aliases says, for a field of a command, by which of the request's own fields it may have come, in order.
var aliases = map[string][]string{
	"hotel_id":       {"parent", "hotel", "name"},
	"room_type_id":   {"room_type", "parent", "name"},
	"rate_plan_id":   {"rate_plan", "parent", "name"},
	"reservation_id": {"name"},
	"nightly_rate":   {"nightly_rate_override"},
	"room_id":        {"room", "name"},
	"room_ids":       {"rooms"},
	"from_room_id":   {"from_room"},
	"to_room_id":     {"to_room"},
	"entry_id":       {"name"},
}

// paths say where a field of a command lies in a request, when it is deeper than a resource.
var paths = map[string]string{
	"default_physical_count":      "room_type.defaults.physical_count",
	"default_overbooking_limit":   "room_type.defaults.overbooking_limit",
	"default_overbooking_percent": "room_type.defaults.overbooking_percent",
}

// requestField returns the path in a request of what the domain calls field: the field itself, the one of that name in the
// resource that the request carries, or the resource name that holds the id. Only for errors: it reflects.
func requestField(req proto.Message, field string) string {
	if req == nil || field == "" {
		return field
	}
	if group, ok := req.(*lodgev1.BatchCreateReservationsRequest); ok {
		return groupField(group, field)
	}
	if path, ok := paths[field]; ok {
		return path
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

// groupField is requestField for a group, of whose reservations the domain speaks by their index, as in "reservations[2].stay".
func groupField(req *lodgev1.BatchCreateReservationsRequest, field string) string {
	rest, ok := strings.CutPrefix(field, "reservations[")
	number, rest, closed := strings.Cut(rest, "]")
	i, err := strconv.Atoi(number)
	if !ok || !closed || err != nil || i < 0 || i >= len(req.GetRequests()) {
		return field
	}
	path := "requests[" + number + "]"
	if rest = strings.TrimPrefix(rest, "."); rest != "" {
		path += "." + requestField(req.GetRequests()[i], rest)
	}
	return path
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
