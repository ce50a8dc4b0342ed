package api

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// takenFields are the fields of a method's request that its path or its body say, by HTTP's method and procedure: vanguard would let the query of the URL say them once more, and be the one that
// counts. Whoever looks at paths, such as a proxy with rules of its own, would then have seen another hotel than the call is about.
var takenFields sync.Map // method procedure → *takenOf

type takenOf struct {
	fields []fieldPath
	all    bool // the body is the whole message
}

// taken returns what the path or the body of a request to a procedure say.
func taken(method, procedure string) *takenOf {
	key := method + " " + procedure
	if v, ok := takenFields.Load(key); ok {
		return v.(*takenOf)
	}
	of := new(takenOf)
	name := strings.ReplaceAll(strings.TrimPrefix(procedure, "/"), "/", ".")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if descriptor, ok := found.(protoreflect.MethodDescriptor); ok && err == nil {
		for _, r := range rulesOf(descriptor) {
			if by, path := pattern(r); by == method {
				of.all = of.all || r.GetBody() == "*"
				for _, name := range append(variables(path), r.GetBody()) {
					if field, ok := newFieldPath(descriptor.Input(), name); ok { // else there is no body, or it is all
						of.fields = append(of.fields, field)
					}
				}
			}
		}
	}
	takenFields.Store(key, of) // as often as there are methods
	return of
}

// says reports whether the path or the body says a field.
func (t *takenOf) says(field fieldPath) bool {
	return t.all || slices.ContainsFunc(t.fields, field.excludes)
}

// pathBound returns, by message, the fields that may be in a body and are in the path of the same request: those of a request that is the body, and those of a resource that is.
var pathBound = sync.OnceValue(func() map[protoreflect.FullName][]protoreflect.Name {
	bound := map[protoreflect.FullName][]protoreflect.Name{}
	protoregistry.GlobalFiles.RangeFilesByPackage("lodge.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				for _, rule := range rulesOf(methods.Get(j)) {
					bindBody(bound, methods.Get(j).Input(), rule)
				}
			}
		}
		return true
	})
	return bound
})

// bindBody adds the fields that a rule has in both the path and the body.
func bindBody(bound map[protoreflect.FullName][]protoreflect.Name, request protoreflect.MessageDescriptor, rule *annotations.HttpRule) {
	body, prefix := request, ""
	switch rule.GetBody() {
	case "":
		return
	case "*":
	default:
		if body = request.Fields().ByName(protoreflect.Name(rule.GetBody())).Message(); body == nil {
			return
		}
		prefix = rule.GetBody() + "."
	}
	_, path := pattern(rule)
	for _, field := range variables(path) {
		name, ok := strings.CutPrefix(field, prefix)
		if known := bound[body.FullName()]; ok && !strings.Contains(name, ".") && !slices.Contains(known, protoreflect.Name(name)) {
			bound[body.FullName()] = append(known, protoreflect.Name(name))
		}
	}
}

// rulesOf returns a method's ways over REST.
func rulesOf(method protoreflect.MethodDescriptor) []*annotations.HttpRule {
	rule, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	return append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...)
}

// pattern returns the method and the path of a rule.
func pattern(rule *annotations.HttpRule) (method, path string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Put:
		return http.MethodPut, p.Put
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	case *annotations.HttpRule_Custom:
		return p.Custom.GetKind(), p.Custom.GetPath()
	}
	return "", ""
}

// variables returns the fields that a path says: "name" of "/v1/{name=hotels/*}:archive".
func variables(path string) (fields []string) {
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

// fieldPath is a field of a message, or of a message within it: the fields that lead there, itself last.
type fieldPath []protoreflect.FieldDescriptor

// newFieldPath reads a path in the names of JSON or of proto. ok: there is such a field.
func newFieldPath(m protoreflect.MessageDescriptor, path string) (fields fieldPath, ok bool) {
	for m != nil {
		name, rest, more := strings.Cut(path, ".")
		field := m.Fields().ByJSONName(name)
		if field == nil {
			field = m.Fields().ByName(protoreflect.Name(name))
		}
		if field == nil {
			return nil, false
		}
		fields = append(fields, field)
		if !more {
			return fields, true
		}
		m, path = field.Message(), rest
	}
	return nil, false
}

// name returns the path in proto's names.
func (p fieldPath) name() string {
	names := make([]string, len(p))
	for i, field := range p {
		names[i] = string(field.Name())
	}
	return strings.Join(names, ".")
}

// excludes reports whether a message cannot have both: one is the other or a part of it, or they are of different members of a oneof.
func (p fieldPath) excludes(other fieldPath) bool {
	for i := range min(len(p), len(other)) {
		if a, b := p[i], other[i]; a != b {
			return a.ContainingOneof() != nil && a.ContainingOneof() == b.ContainingOneof()
		}
	}
	return true
}
