package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

type object = map[string]any

// example is a request and its answer, which the document shows and a test makes (cmd/internal/platform/examples_test.go).
type example struct {
	Operation string `json:"operation"` // its operationId
	Name      string `json:"name"`
	Path      string `json:"path"`
	Body      any    `json:"body"` // nil: the request has none
	Status    int    `json:"status"`
	Asked     *struct {
		Path string `json:"path"`
		Body any    `json:"body"`
	} `json:"asked"` // what was sent, where path and body leave something open
	Answer any `json:"answer"`
}

const (
	problem  = "#/components/schemas/Status"
	failure  = "#/components/responses/Error"
	keyParam = "#/components/parameters/IdempotencyKey"
	position = "#/components/headers/LodgePosition"
	replayed = "#/components/headers/LodgeReplayed"
)

// finish adds what the plugin does not say: all query parameters, the document's head, the header Idempotency-Key where a method has a request id, errors, examples.
func finish(doc object, protos *protos, examples []example) error {
	doc["info"] = object{
		"title":       "Lodge",
		"version":     "v1",
		"description": "Hotels, rooms, prices, reservations, payments and the message queue beneath them. Every error is a google.rpc.Status whose google.rpc.ErrorInfo has a reason.",
		"license":     object{"name": "MIT", "identifier": "MIT"},
		"contact":     object{"name": "Lodge"},
	}
	doc["servers"] = []any{object{"url": "/", "description": "The server that serves this document."}}
	delete(doc, "security")
	components := at(doc, "components")
	schemas := at(components, "schemas")
	untitled(schemas)
	for _, s := range schemas {
		untitled(s)
	}
	schemas["Status"] = statusSchema()
	components["responses"] = object{"Error": object{
		"description": "An error: its reason is in details.",
		"content":     object{"application/json": object{"schema": object{"$ref": problem}}},
	}}
	components["parameters"] = object{"IdempotencyKey": keyParameter()}
	text := object{"type": "string"}
	components["headers"] = object{
		"LodgePosition": object{"description": "The position of the change's last event: hand it to a query as minPosition to see the change.", "schema": text},
		"LodgeReplayed": object{"description": "true when this is the first answer again.", "schema": text},
	}
	operations, paths := map[string]object{}, map[string]string{}
	for template, path := range at(doc, "paths") {
		for method, op := range path.(object) {
			op, ok := op.(object)
			if !ok {
				continue
			}
			id, _ := op["operationId"].(string)
			operations[id], paths[id] = op, template
			of, found := protos.bindings[id]
			if !found {
				return fmt.Errorf("the operation %q is in no proto", id)
			}
			if method == "post" && op["requestBody"] == nil {
				op["requestBody"] = missingBody(of.request, template, schemas)
			}
			if of.all {
				without(at(at(at(at(op, "requestBody"), "content"), "application/json"), "schema"), of.said)
			}
			inQuery := func(p any) bool { param, _ := p.(object); return param["in"] == "query" }
			if params := append(slices.DeleteFunc(list(op["parameters"]), inQuery), protos.parameters(of, schemas)...); len(params) > 0 {
				op["parameters"] = params
			}
			finishOperation(op, schemas)
		}
	}
	trim(doc, schemas)
	return addExamples(operations, paths, examples)
}

// missingBody returns the body of a custom method: the plugin leaves it out where the request has a oneof, or nothing but what is in the path.
func missingBody(request, template string, schemas object) object {
	schema, _ := copied(schemas[request]).(object)
	if schema == nil {
		schema = object{"type": "object", "description": "Nothing but what is in " + template + "."}
	}
	return object{"required": true, "content": object{"application/json": object{"schema": schema}}}
}

// trim drops the schemas that nothing in the document leads to.
func trim(doc, schemas object) {
	used := map[string]bool{}
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case object:
			if ref, ok := v["$ref"].(string); ok {
				if name, ok := strings.CutPrefix(ref, "#/components/schemas/"); ok && !used[name] {
					used[name] = true
					follow(schemas[name])
				}
			}
			for _, inner := range v {
				follow(inner)
			}
		case []any:
			for _, inner := range v {
				follow(inner)
			}
		}
	}
	follow(doc["paths"])
	follow(at(doc, "components")["responses"])
	for name := range schemas {
		if !used[name] {
			delete(schemas, name)
		}
	}
}

// copied returns a value of its own.
func copied(v any) any {
	switch v := v.(type) {
	case object:
		out := make(object, len(v))
		for k, inner := range v {
			out[k] = copied(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = copied(inner)
		}
		return out
	}
	return v
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func finishOperation(op, schemas object) {
	untitled(op)
	if service, method, ok := strings.Cut(op["operationId"].(string), "Service."); ok && op["summary"] == nil {
		op["summary"] = service + " " + method
	}
	responses := at(op, "responses")
	responses["400"] = object{"$ref": failure}
	responses["default"] = object{"$ref": failure}
	if !hasRequestID(op, schemas) {
		return
	}
	responses["409"] = object{"$ref": failure}
	responses["422"] = object{"$ref": failure}
	if ok, found := responses["200"].(object); found {
		ok["headers"] = object{"Lodge-Position": object{"$ref": position}, "Lodge-Replayed": object{"$ref": replayed}}
	}
	params, _ := op["parameters"].([]any)
	op["parameters"] = append(params, object{"$ref": keyParam})
}

// hasRequestID reports whether an operation's query or body has a request id.
func hasRequestID(op, schemas object) bool {
	params, _ := op["parameters"].([]any)
	for _, p := range params {
		if p, ok := p.(object); ok && p["name"] == "requestId" {
			return true
		}
	}
	ref, _ := at(at(at(at(op, "requestBody"), "content"), "application/json"), "schema")["$ref"].(string)
	schema, _ := schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(object)
	_, found := at(schema, "properties")["requestId"]
	return found
}

func keyParameter() object {
	return object{
		"name": "Idempotency-Key", "in": "header", "required": false,
		"description": "Makes retries safe: the same request with the same key gets the first answer again. A UUID, or any 1 to 128 printable ASCII characters, " +
			"as a quoted string or without quotes (draft-ietf-httpapi-idempotency-key-header). Malformed: 400. The first request is still in progress: 409. Used for another request: 422.",
		"schema": object{"type": "string", "minLength": 1, "maxLength": 258, "pattern": "^[ -~]+$"}, "example": `"order-17"`,
	}
}

func statusSchema() object {
	return object{
		"type": "object", "description": "google.rpc.Status.",
		"properties": object{
			"code":    object{"type": "integer", "format": "int32", "description": "google.rpc.Code."},
			"message": object{"type": "string", "description": "For people."},
			"details": object{"type": "array", "description": "ErrorInfo with a reason, for programs; BadRequest with the fields at fault; RetryInfo when the same request may succeed later.", "items": object{
				"type": "object", "description": "A message of google.rpc, by its @type.", "additionalProperties": true,
				"properties": object{"@type": object{"type": "string", "description": "As in type.googleapis.com/google.rpc.ErrorInfo."}},
			}},
		},
	}
}

// addExamples shows the examples: the first of an operation also as the values of its parameters.
func addExamples(operations map[string]object, paths map[string]string, examples []example) error {
	for _, e := range examples {
		id := "lodge.v1." + e.Operation
		op, found := operations[id]
		if !found {
			return fmt.Errorf("example %q is of the operation %q, which there is not", e.Name, e.Operation)
		}
		path, body := e.Path, e.Body
		if e.Asked != nil {
			path, body = e.Asked.Path, e.Asked.Body
		}
		if err := e.addParameters(op, paths[id], path); err != nil {
			return err
		}
		if body != nil {
			media, found := at(at(op, "requestBody"), "content")["application/json"].(object)
			if !found {
				return fmt.Errorf("example %q has a body, which %q has not", e.Name, e.Operation)
			}
			e.add(media, body)
		}
		if e.Status != 0 {
			continue // errors have one schema for all
		}
		media, found := at(at(at(op, "responses"), "200"), "content")["application/json"].(object)
		if !found || e.Answer == nil {
			return fmt.Errorf("example %q of %q has no answer", e.Name, e.Operation)
		}
		e.add(media, e.Answer)
	}
	return nil
}

// add adds a value to the examples of a request or an answer.
func (e *example) add(media object, value any) {
	named, ok := media["examples"].(object)
	if !ok {
		named = object{}
		media["examples"] = named
	}
	named[strings.NewReplacer(" ", "_", ",", "").Replace(e.Name)] = object{"summary": e.Name, "value": value}
}

// addParameters gives the parameters of an operation that have no example the values that they have in a path with a query.
func (e *example) addParameters(op object, template, path string) error {
	u, err := url.Parse(path)
	if err != nil {
		return fmt.Errorf("example %q: %w", e.Name, err)
	}
	values := map[string]string{}
	for name, of := range u.Query() {
		values["query "+name] = of[0]
	}
	names := strings.FieldsFunc(template, func(r rune) bool { return r == '/' || r == ':' })
	parts := strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' || r == ':' })
	if len(names) != len(parts) {
		return fmt.Errorf("example %q of %q: %s is not a path of %s", e.Name, e.Operation, u.Path, template)
	}
	for i, name := range names {
		if inner, ok := strings.CutPrefix(name, "{"); ok {
			values["path "+strings.TrimSuffix(inner, "}")] = parts[i]
		}
	}
	params, _ := op["parameters"].([]any)
	for _, p := range params {
		p, _ := p.(object)
		value, given := values[fmt.Sprint(p["in"], " ", p["name"])]
		if given && p["example"] == nil {
			p["example"] = typed(value, at(p, "schema"))
		}
	}
	return nil
}

// typed reads a value of a path or query as its schema has it.
func typed(value string, schema object) any {
	if schema["type"] == "array" {
		return []any{value}
	}
	var v any
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		return value
	}
	switch types := fmt.Sprint(schema["type"]); v.(type) {
	case float64:
		if strings.Contains(types, "integer") || strings.Contains(types, "number") {
			return v
		}
	case bool:
		if strings.Contains(types, "boolean") {
			return v
		}
	}
	return value
}

// untitled drops titles that only repeat a field's name.
func untitled(v any) {
	switch v := v.(type) {
	case object:
		if _, ok := v["title"].(string); ok {
			delete(v, "title")
		}
		for _, inner := range v {
			untitled(inner)
		}
	case []any:
		for _, inner := range v {
			untitled(inner)
		}
	}
}

// at returns the object at a key, or an empty one.
func at(o object, key string) object {
	inner, _ := o[key].(object)
	return inner
}
