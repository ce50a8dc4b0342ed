package api

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"lodge/domain"
)

// readQuery reads the query of a URL into the message of a call. A parameter that is none of the message's fields, that the path or the body says already, that
// another parameter says too or excludes, or whose value is none of its type is refused, all of them at once. vanguard does not get to see the query: with it the query has the last word over the path and the
// body, and of a value that it cannot read it says no more than half.
func readQuery(taken *takenOf, raw string, msg proto.Message) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return domain.Errorf(domain.InvalidArgument, "", "the query of the URL is malformed: %v", err)
	}
	bad := map[string]string{} // what is wrong with a parameter, by its name
	said := make(map[string]fieldPath, len(query))
	for name := range query {
		field, ok := newFieldPath(msg.ProtoReflect().Descriptor(), name)
		switch {
		case !ok:
			bad[name] = "there is no such query parameter"
			continue
		case taken.says(field):
			bad[name] = "the path or the body says this, not the query"
			continue
		}
		for other, another := range said {
			if field.excludes(another) {
				bad[name], bad[other] = "only one of it and "+other+" may be there", "only one of it and "+name+" may be there"
			}
		}
		said[name] = field
	}
	for name, field := range said {
		if bad[name] == "" {
			if wrong := setField(msg.ProtoReflect(), field, query[name]); wrong != "" {
				bad[name] = wrong
			}
		}
	}
	if len(bad) > 0 {
		return badQuery(bad)
	}
	return nil
}

// badQuery refuses query parameters, for what is wrong with each.
func badQuery(bad map[string]string) error {
	violations := &errdetails.BadRequest{}
	texts := make([]string, 0, len(bad))
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		field := shortened(name)
		texts = append(texts, "query parameter "+strconv.Quote(field)+": "+bad[name])
		violations.FieldViolations = append(violations.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: field, Description: bad[name], Reason: string(domain.InvalidArgument)})
	}
	answer := newError(connect.CodeInvalidArgument, string(domain.InvalidArgument), strings.Join(texts, "; "), nil)
	attach(answer, violations)
	return answer
}

// setField gives a field the values of a query parameter, and returns what is wrong with them.
func setField(m protoreflect.Message, path fieldPath, values []string) (wrong string) {
	for _, field := range path[:len(path)-1] {
		switch {
		case field.IsList() || field.IsMap():
			return "a query cannot say what is within a list"
		case field.Message() == maskDescriptor: // its one field are the paths
			return setValues(m, field, []string{strings.Join(values, ",")})
		case valueForm(field) != "":
			return "a query says " + field.JSONName() + " as a whole: " + valueForm(field)
		}
		m = m.Mutable(field).Message()
	}
	return setValues(m, path[len(path)-1], values)
}

// setValues gives a message's field the values of a query parameter. They are read as in JSON.
func setValues(m protoreflect.Message, field protoreflect.FieldDescriptor, values []string) (wrong string) {
	form := valueForm(field)
	switch {
	case form == "":
		return "a query can say its fields only, as in " + field.JSONName() + ".x"
	case len(values) > 1 && !field.IsList():
		return "it is there more than once"
	}
	if field.Message() == maskDescriptor {
		m.Set(field, protoreflect.ValueOfMessage(maskOf(values[0]).ProtoReflect()))
		return ""
	}
	for _, value := range values {
		text := jsonValue(field, value)
		if field.IsList() {
			text = "[" + text + "]"
		}
		one := m.New()
		if !utf8.ValidString(value) || protojson.Unmarshal([]byte(`{"`+field.JSONName()+`":`+text+`}`), one.Interface()) != nil {
			return strconv.Quote(shortened(value)) + " is not " + form
		}
		proto.Merge(m.Interface(), one.Interface()) // which appends to lists
	}
	return ""
}

// jsonValue writes the value of a query parameter as JSON: what is no number of an enum, true or false is a string, as it may be for numbers too.
func jsonValue(field protoreflect.FieldDescriptor, value string) string {
	bare := false
	switch {
	case field.Kind() == protoreflect.EnumKind:
		_, err := strconv.ParseInt(value, 10, 32)
		bare = err == nil
	case valueForm(field) == boolForm:
		bare = value == "true" || value == "false"
	}
	if bare {
		return value
	}
	text, _ := json.Marshal(value) // strings have no errors
	return string(text)
}

var maskDescriptor = (&fieldmaskpb.FieldMask{}).ProtoReflect().Descriptor()

const boolForm = "true or false"

// valueForms say what values of a kind look like.
var valueForms = map[protoreflect.Kind]string{
	protoreflect.BoolKind: boolForm, protoreflect.StringKind: "text in UTF-8", protoreflect.BytesKind: "base64",
	protoreflect.Int32Kind: "a whole number of 32 bits", protoreflect.Sint32Kind: "a whole number of 32 bits", protoreflect.Sfixed32Kind: "a whole number of 32 bits",
	protoreflect.Uint32Kind: "a whole number from 0, of 32 bits", protoreflect.Fixed32Kind: "a whole number from 0, of 32 bits",
	protoreflect.Int64Kind: "a whole number of 64 bits", protoreflect.Sint64Kind: "a whole number of 64 bits", protoreflect.Sfixed64Kind: "a whole number of 64 bits",
	protoreflect.Uint64Kind: "a whole number from 0, of 64 bits", protoreflect.Fixed64Kind: "a whole number from 0, of 64 bits",
	protoreflect.FloatKind: "a number", protoreflect.DoubleKind: "a number",
}

// valueForm says what the values of a field look like, or "" of a field that a query cannot say as a whole.
func valueForm(field protoreflect.FieldDescriptor) string {
	switch {
	case field.IsMap():
		return ""
	case field.Enum() != nil:
		values := field.Enum().Values()
		names := make([]string, values.Len())
		for i := range names {
			names[i] = string(values.Get(i).Name())
		}
		return "one of " + strings.Join(names, ", ")
	case field.Message() == nil:
		return valueForms[field.Kind()]
	case field.Message().ParentFile().Package() != "google.protobuf":
		return ""
	}
	switch field.Message().Name() {
	case "Duration":
		return `a duration in seconds, as in "1.5s"`
	case "Timestamp":
		return `a time after RFC 3339, as in "2026-07-01T12:00:00Z"`
	case "FieldMask":
		return "fields' names between commas"
	}
	if value := field.Message().Fields().ByName("value"); value != nil && field.Message().ParentFile().Path() == "google/protobuf/wrappers.proto" {
		return valueForm(value)
	}
	return ""
}
