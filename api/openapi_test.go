package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
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
		Responses   map[string]struct {
			Ref     string `json:"$ref"`
			Content map[string]struct {
				Examples map[string]struct{ Value any }
			}
		}
		Parameters  []map[string]any
		RequestBody struct {
			Content map[string]struct{ Schema schema }
		}
	}
}

// schema is a JSON schema, as far as the tests look at it.
type schema struct {
	Properties map[string]any
	AllOf      []schema
}

func (s *schema) has(property string) bool {
	_, found := s.Properties[property]
	return found || slices.ContainsFunc(s.AllOf, func(part schema) bool { return part.has(property) })
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
			if op.Responses["default"].Ref == "" {
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
	if !keyed || create.Responses["409"].Ref == "" || create.Responses["422"].Ref == "" {
		t.Errorf("CreateReservation without Idempotency-Key: %v", create)
	}
	if status, header, body := s.rest(http.MethodGet, "/openapi.yaml", ""); status != http.StatusOK || header.Get("Content-Type") != "application/yaml" || !strings.Contains(body, "openapi: 3.1.0") {
		t.Errorf("%d %v", status, header)
	}
}

// withoutExample says why an operation has none.
var withoutExample = map[string]string{
	"MessageService.Commit":        "is of a Consume stream, which REST does not have",
	"ProcessService.GetLetter":     "only a process manager that fails writes letters",
	"ProcessService.RequeueLetter": "likewise",
	"ProcessService.DeleteLetter":  "likewise",

	"AccountService.AcceptInvitation": "is new, and has none yet",
	"AccountService.ChangePassword":   "is new, and has none yet",
	"AccountService.CreateAccount":    "is new, and has none yet",
	"AccountService.DeleteAccount":    "is new, and has none yet",
	"AccountService.DisableAccount":   "is new, and has none yet",
	"AccountService.EnableAccount":    "is new, and has none yet",
	"AccountService.GetAccount":       "is new, and has none yet",
	"AccountService.InviteAccount":    "is new, and has none yet",
	"AccountService.ListAccounts":     "is new, and has none yet",
	"AccountService.SignUp":           "is new, and has none yet",
	"AccountService.UpdateAccount":    "is new, and has none yet",
	"PaymentService.SettleRefund":     "is new, and has none yet",
	"SessionService.CreateSession":    "is new, and has none yet",
	"SessionService.DeleteSession":    "is new, and has none yet",
	"SessionService.ListSessions":     "is new, and has none yet",
	"SessionService.RefreshSession":   "is new, and has none yet",
}

// Every operation has an example, with an answer. They are in openapi/examples.json, and each is made against a platform by cmd/internal/platform's tests.
func TestOpenAPIHasExamples(t *testing.T) {
	s := newStack(t, api.Options{})
	data, err := os.ReadFile("openapi/examples.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples []struct {
		Operation, Name string
		Status          int
		Answer          any
	}
	if err := json.Unmarshal(data, &examples); err != nil {
		t.Fatal(err)
	}
	answers := map[string]any{} // by operation and name
	for _, e := range examples {
		if e.Status == 0 {
			answers[e.Operation+" "+strings.NewReplacer(" ", "_", ",", "").Replace(e.Name)] = e.Answer
		}
	}
	shown := 0
	for _, operations := range s.document().Paths {
		for _, op := range operations {
			id := strings.TrimPrefix(op.OperationID, "lodge.v1.")
			answered := op.Responses["200"].Content["application/json"].Examples
			if why, excepted := withoutExample[id]; excepted == (len(answered) > 0) {
				t.Errorf("%s has %d examples with an answer (excepted because it %q)", id, len(answered), why)
			}
			for name, example := range answered {
				shown++
				if !reflect.DeepEqual(answers[id+" "+name], example.Value) {
					t.Errorf("the example %q of %s is not as examples.json has it: .ci/generate", name, id)
				}
			}
		}
	}
	if shown != len(answers) {
		t.Errorf("%d of %d examples are shown", shown, len(answers))
	}
}

// queryLeaves calls found for each query parameter that the server's parser (vanguard's) knows of a message: fields, also of messages within, but for what the path or the body says.
func queryLeaves(m protoreflect.MessageDescriptor, prefix string, said []string, found func(name string, field protoreflect.FieldDescriptor)) {
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		name := prefix + f.JSONName()
		switch {
		case slices.Contains(said, string(f.Name())):
		case f.Message() == nil, f.Message().FullName().Parent() == "google.protobuf" && !slices.Contains([]protoreflect.Name{"Any", "ListValue", "Struct", "Value"}, f.Message().Name()):
			found(name, f)
		case f.Cardinality() != protoreflect.Repeated:
			queryLeaves(f.Message(), name+".", nil, found)
		}
	}
}

// queryValue returns a value that a query parameter can have.
func queryValue(t *testing.T, f protoreflect.FieldDescriptor) string {
	switch kind := f.Kind(); kind {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return "abcd"
	case protoreflect.BoolKind:
		return "true"
	case protoreflect.MessageKind:
		values := map[protoreflect.Name]string{"Timestamp": "2026-01-01T00:00:00Z", "Duration": "1s", "FieldMask": "name"}
		if values[f.Message().Name()] == "" {
			t.Fatalf("there is no value for %s", f.FullName())
		}
		return values[f.Message().Name()]
	default:
		return "1"
	}
}

var anyVariable = regexp.MustCompile(`\{([^}]+)\}`)

// TestOpenAPIHasTheQueryOfEveryOperation holds the query parameters of the document against those of the messages, both ways, and against the server.
func TestOpenAPIHasTheQueryOfEveryOperation(t *testing.T) {
	s := newStack(t, api.Options{})
	d := s.document()
	declared := map[string][]string{} // query parameters, by method and path
	bodies := map[string]schema{}     // likewise
	byID := map[string][]string{}     // and by operation
	for path, operations := range d.Paths {
		for method, op := range operations {
			var query, inPath []string
			for _, p := range op.Parameters {
				name, _ := p["name"].(string)
				switch p["in"] {
				case "query":
					query = append(query, name)
				case "path":
					inPath = append(inPath, name)
				}
			}
			for _, name := range query {
				if slices.Contains(inPath, name) {
					t.Errorf("%s: %s is of the path and of the query", op.OperationID, name)
				}
			}
			route := strings.ToUpper(method) + " " + anyVariable.ReplaceAllString(path, "*")
			declared[route], byID[op.OperationID], bodies[route] = query, query, op.RequestBody.Content["application/json"].Schema
		}
	}
	asked := 0
	for _, r := range routes() {
		path, said := r.pattern()
		documented, found := declared[r.method+" "+path]
		if !found {
			t.Errorf("%s: %s %s is not documented", r.operation, r.method, path)
		}
		for _, field := range said {
			name := jsonPath(field)
			if body := bodies[r.method+" "+path]; r.body == "*" && body.has(name) {
				t.Errorf("%s: %s is of the path and of the body", r.operation, name)
			}
		}
		method, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(r.operation))
		if err != nil {
			t.Fatal(err)
		}
		var taken []string
		if r.body != "*" {
			queryLeaves(method.(protoreflect.MethodDescriptor).Input(), "", append(said, r.body), func(name string, f protoreflect.FieldDescriptor) {
				asked++
				taken = append(taken, name)
				body := ""
				if r.body != "" {
					body = "{}"
				}
				_, _, answer := s.rest(r.method, strings.ReplaceAll(path, "*", "1")+"?"+name+"="+url.QueryEscape(queryValue(t, f)), body)
				if strings.Contains(answer, "query parameter") || strings.Contains(answer, "invalid parameter") || strings.Contains(answer, "ROUTE_NOT_FOUND") {
					t.Errorf("%s does not take %s: %s", r.operation, name, answer)
				}
			})
		}
		slices.Sort(taken)
		slices.Sort(documented)
		if !slices.Equal(taken, documented) {
			t.Errorf("%s %s takes\n%v, documented are\n%v", r.method, path, taken, documented)
		}
	}
	if asked < 200 {
		t.Errorf("only %d parameters were asked for", asked)
	}
	data, err := os.ReadFile("openapi/examples.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples []struct{ Operation, Name, Path string }
	if err := json.Unmarshal(data, &examples); err != nil {
		t.Fatal(err)
	}
	for _, e := range examples {
		u, err := url.Parse(e.Path)
		if err != nil {
			t.Fatal(err)
		}
		for name := range u.Query() {
			if !slices.Contains(byID["lodge.v1."+e.Operation], name) {
				t.Errorf("%s, which the example %q has, is no parameter of %s", name, e.Name, e.Operation)
			}
		}
	}
}
