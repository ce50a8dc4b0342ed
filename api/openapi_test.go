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
		Responses   map[string]struct {
			Ref     string `json:"$ref"`
			Content map[string]struct {
				Examples map[string]struct{ Value any }
			}
		}
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
