package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"lodge/domain"
)

// masked is a request that says which fields of its resource are to be changed.
type masked interface {
	proto.Message
	GetUpdateMask() *fieldmaskpb.FieldMask
}

// maskOf reads a mask that is written as in JSON: names between commas, or "*".
func maskOf(text string) *fieldmaskpb.FieldMask {
	mask := &fieldmaskpb.FieldMask{}
	if text != "" {
		mask.Paths = strings.Split(text, ",")
	}
	for i, path := range mask.Paths {
		mask.Paths[i] = strings.Trim(path, " ")
	}
	return mask
}

// cutMask takes the update_mask out of a request in JSON: protojson refuses "*", and names as they are in the protos. It returns the request with an empty mask at the same place, and what the mask says; nil: there
// is none, or it is no text, as protojson then says.
func cutMask(data []byte) (rest []byte, mask *fieldmaskpb.FieldMask) {
	in := json.NewDecoder(bytes.NewReader(data))
	if open, err := in.Token(); err != nil || open != json.Delim('{') {
		return data, nil
	}
	for in.More() {
		name, err := in.Token()
		var value json.RawMessage
		if err != nil || in.Decode(&value) != nil {
			return data, nil
		}
		if name != "updateMask" && name != "update_mask" {
			continue
		}
		var text string
		if value[0] != '"' || json.Unmarshal(value, &text) != nil {
			return data, nil
		}
		end := int(in.InputOffset())
		empty := `""` + strings.Repeat(" ", len(value)-2) // what protojson finds wrong behind it stays where it is
		return slices.Concat(data[:end-len(value)], []byte(empty), data[end:]), maskOf(text)
	}
	return data, nil
}

// nameMask makes the names of a request's mask those of the protos. What names no field stays as it is, to be refused.
func nameMask(req masked) {
	paths := req.GetUpdateMask().GetPaths()
	if len(paths) == 0 {
		return
	}
	resource := updatedBy(req.ProtoReflect().Descriptor())
	for i, path := range paths {
		if field, ok := newFieldPath(resource, path); ok {
			paths[i] = field.name()
		}
	}
}

// updatedBy returns what an update changes: its one field of a message of lodge.v1.
func updatedBy(req protoreflect.MessageDescriptor) protoreflect.MessageDescriptor {
	for i := range req.Fields().Len() {
		if m := req.Fields().Get(i).Message(); m != nil && m.ParentFile().Package() == req.ParentFile().Package() {
			return m
		}
	}
	return nil
}

// maskedFields returns which of the fields that can be changed a mask selects: all with a value when it is empty, all when
// it is "*". A path that is none of them is refused. So is, when the mask names none, another value than the resource has for a field that cannot be changed: see unchanged, which says what current is.
func maskedFields(mask *fieldmaskpb.FieldMask, resource proto.Message, current func() (proto.Message, error), changeable ...string) (map[string]bool, error) {
	selected := make(map[string]bool, len(changeable))
	m := resource.ProtoReflect()
	for _, name := range changeable {
		if len(mask.GetPaths()) == 0 && m.Has(m.Descriptor().Fields().ByName(protoreflect.Name(name))) {
			selected[name] = true
		}
	}
	for _, path := range mask.GetPaths() {
		if !selectPath(selected, path, changeable) {
			return nil, domain.Errorf(ReasonInvalidFieldMask, "update_mask", "%.80q is not one of the fields that can be changed: %s", path, strings.Join(changeable, ", "))
		}
	}
	if len(mask.GetPaths()) == 0 || slices.Contains(mask.GetPaths(), "*") {
		if err := unchanged(m, current, changeable); err != nil {
			return nil, err
		}
	}
	if len(selected) == 0 {
		return nil, domain.Errorf(ReasonInvalidFieldMask, "update_mask", "nothing is to be changed; the fields that can be are %s", strings.Join(changeable, ", "))
	}
	return selected, nil
}

// unchanged refuses values for fields that cannot be changed and that are not the output's alone, unless they are those that the resource has: what GET has answered may be sent back with one field changed. current returns
// the resource as it is, and is asked only if there are such values; nil: there are no such fields.
func unchanged(m protoreflect.Message, current func() (proto.Message, error), changeable []string) error {
	var fixed []protoreflect.FieldDescriptor
	m.Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if name := string(field.Name()); name != "name" && name != "etag" && !slices.Contains(changeable, name) && !isOutput(field) {
			fixed = append(fixed, field)
		}
		return true
	})
	if len(fixed) == 0 {
		return nil
	}
	is, err := current()
	if domainCodes[domain.ReasonOf(err)] == connect.CodeNotFound {
		return nil // the read model may be behind: whoever makes the change knows whether there is one
	}
	if err != nil {
		return err
	}
	slices.SortFunc(fixed, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number() - b.Number()) })
	for _, field := range fixed {
		if !m.Get(field).Equal(is.ProtoReflect().Get(field)) {
			return domain.Errorf(domain.InvalidArgument, string(field.Name()), "%s cannot be changed, and has another value: leave it out, or name in update_mask what is to be changed; the fields that can be are %s",
				field.Name(), strings.Join(changeable, ", "))
		}
	}
	return nil
}

func isOutput(field protoreflect.FieldDescriptor) bool {
	behaviors, _ := proto.GetExtension(field.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	return slices.Contains(behaviors, annotations.FieldBehavior_OUTPUT_ONLY)
}

func selectPath(selected map[string]bool, path string, changeable []string) (known bool) {
	for _, name := range changeable {
		if path == name || path == "*" {
			selected[name], known = true, true
		}
	}
	return known
}

// when returns a pointer to value when the field is selected, else nil.
func when[T any](selected bool, value T) *T {
	if !selected {
		return nil
	}
	return &value
}
