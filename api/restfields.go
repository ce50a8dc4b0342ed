package api

import (
	"strings"
	"sync"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// takenFields are the fields of a method's request that its path or its body say, by procedure: vanguard would let the query of the URL say them once more, and be the one that counts. Whoever
// looks at paths, such as a proxy with rules of its own, would then have seen another hotel than the call is about.
var takenFields sync.Map // procedure → []string, paths of fields in proto's names

// taken returns the fields that a procedure's path or body say.
func taken(procedure string) []string {
	if v, ok := takenFields.Load(procedure); ok {
		return v.([]string)
	}
	var fields []string
	name := strings.ReplaceAll(strings.TrimPrefix(procedure, "/"), "/", ".")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if method, ok := found.(protoreflect.MethodDescriptor); ok && err == nil {
		rule, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
		for _, r := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
			fields = append(fields, pathFields(r)...)
			if body := r.GetBody(); body != "" && body != "*" {
				fields = append(fields, body)
			}
		}
	}
	takenFields.Store(procedure, fields) // as often as there are procedures
	return fields
}

// pathFields returns the variables of a rule's path: "name" of "/v1/{name=hotels/*}:archive".
func pathFields(rule *annotations.HttpRule) (fields []string) {
	var path string
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		path = p.Get
	case *annotations.HttpRule_Put:
		path = p.Put
	case *annotations.HttpRule_Post:
		path = p.Post
	case *annotations.HttpRule_Delete:
		path = p.Delete
	case *annotations.HttpRule_Patch:
		path = p.Patch
	case *annotations.HttpRule_Custom:
		path = p.Custom.GetPath()
	}
	for {
		_, rest, ok := strings.Cut(path, "{")
		if !ok {
			return fields
		}
		variable, after, _ := strings.Cut(rest, "}")
		field, _, _ := strings.Cut(variable, "=")
		fields, path = append(fields, field), after
	}
}

// overlaps reports whether setting one field sets, or is part of, another.
func overlaps(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(b, a+".")
}

// protoPath returns the path of a message's field in proto's names, of a path in the names of JSON or of proto. ok: there is one.
func protoPath(m protoreflect.MessageDescriptor, path string) (_ string, ok bool) {
	var names []string
	for m != nil {
		name, rest, more := strings.Cut(path, ".")
		field := m.Fields().ByJSONName(name)
		if field == nil {
			field = m.Fields().ByName(protoreflect.Name(name))
		}
		if field == nil {
			return "", false
		}
		names = append(names, string(field.Name()))
		if !more {
			return strings.Join(names, "."), true
		}
		m, path = field.Message(), rest
	}
	return "", false
}
