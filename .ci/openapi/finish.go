package main

import (
	"fmt"
	"strings"
)

type object = map[string]any

// example is a request that the document shows and the tests make.
type example struct {
	Operation string `json:"operation"` // its operationId
	Name      string `json:"name"`
	Body      any    `json:"body"` // nil: the request has none
}

const (
	problem  = "#/components/schemas/Status"
	failure  = "#/components/responses/Error"
	keyParam = "#/components/parameters/IdempotencyKey"
	position = "#/components/headers/LodgePosition"
	replayed = "#/components/headers/LodgeReplayed"
)

// finish adds what the protos do not say: the document's head, the header Idempotency-Key where a method has a request id, errors, examples.
func finish(doc object, examples []example) error {
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
	operations := map[string]object{}
	for _, path := range at(doc, "paths") {
		for _, op := range path.(object) {
			op, ok := op.(object)
			if !ok {
				continue
			}
			id, _ := op["operationId"].(string)
			operations[id] = op
			finishOperation(op, schemas)
		}
	}
	return addExamples(operations, examples)
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

func addExamples(operations map[string]object, examples []example) error {
	for _, e := range examples {
		op, found := operations["lodge.v1."+e.Operation]
		if !found {
			return fmt.Errorf("example %q is of the operation %q, which there is not", e.Name, e.Operation)
		}
		if e.Body == nil {
			continue
		}
		media, found := at(at(op, "requestBody"), "content")["application/json"].(object)
		if !found {
			return fmt.Errorf("example %q has a body, which %q has not", e.Name, e.Operation)
		}
		named, ok := media["examples"].(object)
		if !ok {
			named = object{}
			media["examples"] = named
		}
		named[strings.ReplaceAll(e.Name, " ", "_")] = object{"summary": e.Name, "value": e.Body}
	}
	return nil
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
