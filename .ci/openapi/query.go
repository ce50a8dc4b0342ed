package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// protos are what query parameters and bodies are told from: the plugin leaves out the fields of a message that a request has twice, and does not know a path's field by its name in JSON.
type protos struct {
	messages map[string][]field // by full name
	bindings map[string]binding // by operationId
}

// field is a field of a message.
type field struct {
	Name, JSONName, Label, Type, TypeName string
}

// binding is one way over HTTP to a method.
type binding struct {
	request string          // the message's full name
	said    map[string]bool // the request's own fields that the path or the body says, by their names in JSON
	all     bool            // the body is the whole message: nothing is left for the query
}

// image is a buf image in JSON.
type image struct {
	File []struct {
		Package     string
		MessageType []message
		Service     []struct {
			Name   string
			Method []struct {
				Name, InputType string
				Options         struct {
					HTTP rule `json:"[google.api.http]"`
				}
			}
		}
	}
}

type message struct {
	Name       string
	Field      []field
	NestedType []message
}

// rule is a google.api.HttpRule.
type rule struct {
	Get, Post, Put, Patch, Delete, Body string
	AdditionalBindings                  []rule
}

func readProtos(name string) (*protos, error) {
	var of image
	if err := readJSON(name, &of); err != nil {
		return nil, err
	}
	p := &protos{messages: map[string][]field{}, bindings: map[string]binding{}}
	for _, file := range of.File {
		p.add(file.Package, file.MessageType)
	}
	for _, file := range of.File {
		for _, service := range file.Service {
			for _, m := range service.Method {
				id := file.Package + "." + service.Name + "." + m.Name
				for i, r := range append([]rule{m.Options.HTTP}, m.Options.HTTP.AdditionalBindings...) {
					number := ""
					if i > 0 {
						number = fmt.Sprint(i + 1) // as the plugin calls them
					}
					p.bindings[id+number] = p.bind(strings.TrimPrefix(m.InputType, "."), r)
				}
			}
		}
	}
	return p, nil
}

func (p *protos) add(within string, messages []message) {
	for _, m := range messages {
		name := within + "." + m.Name
		p.messages[name] = m.Field
		p.add(name, m.NestedType)
	}
}

var pathVariable = regexp.MustCompile(`\{([^}=]+)`)

func (p *protos) bind(request string, r rule) binding {
	b := binding{request: request, said: map[string]bool{}, all: r.Body == "*"}
	said := []string{r.Body}
	for _, variable := range pathVariable.FindAllStringSubmatch(r.Get+r.Post+r.Put+r.Patch+r.Delete, -1) {
		said = append(said, variable[1])
	}
	for _, f := range p.messages[request] {
		if slices.Contains(said, f.Name) {
			b.said[f.JSONName] = true
		}
	}
	return b
}

// scalars are the messages that a query parameter says as a whole, as in JSON.
var scalars = []string{"Duration", "Empty", "FieldMask", "Timestamp", "BoolValue", "BytesValue", "DoubleValue", "FloatValue", "Int32Value", "Int64Value", "StringValue", "UInt32Value", "UInt64Value"}

func (f *field) message() bool {
	name, known := strings.CutPrefix(f.TypeName, ".google.protobuf.")
	return f.Type == "TYPE_MESSAGE" && (!known || !slices.Contains(scalars, name))
}

// parameters returns the query parameters of a binding: all that the path and the body leave, and of messages their fields.
func (p *protos) parameters(b binding, schemas object) (params []any) {
	if b.all {
		return nil
	}
	return p.flatten(b.request, "", "", true, b.said, schemas)
}

func (p *protos) flatten(message, prefix, about string, needed bool, said map[string]bool, schemas object) (params []any) {
	of := at(schemas, message)
	for _, f := range p.messages[message] {
		if said[f.JSONName] {
			continue
		}
		schema := property(of, f.JSONName)
		text := described(about, schema)
		required := needed && (message == "google.type.Date" || slices.Contains(requiredOf(of), any(f.JSONName))) // a day has all three
		switch {
		case !f.message():
			params = append(params, f.parameter(prefix, text, required, schema))
		case f.Label != "LABEL_REPEATED": // a list of messages has no form in a query
			params = append(params, p.flatten(strings.TrimPrefix(f.TypeName, "."), prefix+f.JSONName+".", text, required, nil, schemas)...)
		}
	}
	return params
}

func (f *field) parameter(prefix, text string, required bool, schema object) object {
	schema = copied(schema).(object)
	delete(schema, "description")
	if f.TypeName == ".google.protobuf.FieldMask" {
		schema = object{"type": "string"}
		text = strings.TrimSpace("Comma-separated field names, * for all that can be changed. " + text)
	}
	param := object{"name": prefix + f.JSONName, "in": "query", "schema": schema}
	if text != "" {
		param["description"] = text
	}
	if required {
		param["required"] = true
	}
	return param
}

// shapeRule is a line of a description that repeats a rule of the schema.
var shapeRule = regexp.MustCompile(`(?m)^[a-z0-9_]+(\.[a-z0-9_]+)+ = .*$`)

// described returns what is said about a field, behind what is said about the message that it is in.
func described(about string, schema object) string {
	text, _ := schema["description"].(string)
	text = strings.TrimSpace(shapeRule.ReplaceAllString(text, ""))
	return strings.TrimSpace(about + "\n" + text)
}

// property finds a property in a schema and the schemas that it is made of.
func property(schema object, name string) object {
	if found, ok := at(schema, "properties")[name].(object); ok {
		return found
	}
	for _, key := range []string{"allOf", "oneOf", "anyOf"} {
		for _, part := range list(schema[key]) {
			part, _ := part.(object)
			if found := property(part, name); found != nil {
				return found
			}
		}
	}
	return nil
}

// requiredOf returns the properties that a schema cannot be without.
func requiredOf(schema object) []any {
	required := slices.Clone(list(schema["required"]))
	for _, part := range list(schema["allOf"]) {
		part, _ := part.(object)
		required = append(required, requiredOf(part)...)
	}
	return required
}

// without drops properties from a schema.
func without(schema object, names map[string]bool) {
	maps.DeleteFunc(at(schema, "properties"), func(name string, _ any) bool { return names[name] })
	required := slices.DeleteFunc(list(schema["required"]), func(name any) bool { return names[fmt.Sprint(name)] })
	delete(schema, "required")
	if len(required) > 0 {
		schema["required"] = required
	}
	for _, part := range list(schema["allOf"]) {
		part, _ := part.(object)
		without(part, names)
	}
}
