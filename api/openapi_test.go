package api_test

import (
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"lodge/api"
)

type document struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		OperationID string
		RequestBody struct {
			Content map[string]struct {
				Examples map[string]struct{ Value any }
			}
		}
		Responses  map[string]any
		Parameters []map[string]any
	}
}

func (s *stack) document() (d document) {
	s.Helper()
	status, header, body := s.rest(http.MethodGet, "/openapi.json", "")
	if err := json.Unmarshal([]byte(body), &d); err != nil || status != http.StatusOK || header.Get("Content-Type") != "application/json" {
		s.Fatalf("%d %v %v", status, header, err)
	}
	return d
}

func TestOpenAPIHasEveryMethod(t *testing.T) {
	s := newStack(t, api.Options{})
	d := s.document()
	if d.OpenAPI != "3.1.0" {
		t.Errorf("version %q", d.OpenAPI)
	}
	documented := map[string]int{}
	for path, operations := range d.Paths {
		for method, op := range operations {
			documented[op.OperationID]++
			if op.Responses["default"] == nil {
				t.Errorf("%s %s has no errors", method, path)
			}
		}
	}
	methods := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("lodge.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				m := service.Methods().Get(j)
				if !proto.HasExtension(m.Options(), annotations.E_Http) {
					continue
				}
				methods++
				if documented[string(m.FullName())] == 0 {
					t.Errorf("%s is not documented", m.FullName())
				}
			}
		}
		return true
	})
	if methods < 50 {
		t.Errorf("only %d methods over REST", methods)
	}
	create := d.Paths["/v1/hotels/{hotel}/reservations"]["post"]
	keyed := false
	for _, p := range create.Parameters {
		keyed = keyed || p["$ref"] == "#/components/parameters/IdempotencyKey"
	}
	if !keyed || create.Responses["409"] == nil || create.Responses["422"] == nil {
		t.Errorf("CreateReservation without Idempotency-Key: %v", create)
	}
	if status, header, body := s.rest(http.MethodGet, "/openapi.yaml", ""); status != http.StatusOK || header.Get("Content-Type") != "application/yaml" || !strings.Contains(body, "openapi: 3.1.0") {
		t.Errorf("%d %v", status, header)
	}
}

// Every example of the document is a request that is made here, in the order of the file that both have them from.
func TestOpenAPIExamples(t *testing.T) {
	s := newStack(t, api.Options{})
	data, err := os.ReadFile("openapi/examples.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples []struct {
		Operation, Name, Method, Path string
		Body                          any
		Want                          map[string]any
	}
	if err := json.Unmarshal(data, &examples); err != nil {
		t.Fatal(err)
	}
	made := map[string]any{} // bodies by operation and name
	for _, e := range examples {
		body, err := json.Marshal(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		s.settle()
		status, _, got := s.rest(e.Method, e.Path, string(body), "Idempotency-Key: "+e.Name)
		var answer map[string]any
		if err := json.Unmarshal([]byte(got), &answer); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s %v", e.Name, status, got, err)
		}
		for field, want := range e.Want {
			if !reflect.DeepEqual(answer[field], want) {
				t.Errorf("%s: %s is %v, not %v", e.Name, field, answer[field], want)
			}
		}
		made[e.Operation+" "+strings.ReplaceAll(e.Name, " ", "_")] = e.Body
	}
	shown := 0
	for _, operations := range s.document().Paths {
		for _, op := range operations {
			for name, example := range op.RequestBody.Content["application/json"].Examples {
				shown++
				if !reflect.DeepEqual(made[strings.TrimPrefix(op.OperationID, "lodge.v1.")+" "+name], example.Value) {
					t.Errorf("the example %q of %s is not of examples.json", name, op.OperationID)
				}
			}
		}
	}
	if shown != len(examples) {
		t.Errorf("%d of %d examples are shown", shown, len(examples))
	}
}
