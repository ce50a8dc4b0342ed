package api_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"lodge/api"
)

// route is one way over REST to a method.
type route struct{ operation, method, path, body string }

// routes returns every way over REST to every method.
func routes() (all []route) {
	protoregistry.GlobalFiles.RangeFilesByPackage("lodge.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				rule, _ := proto.GetExtension(methods.Get(j).Options(), annotations.E_Http).(*annotations.HttpRule)
				for _, r := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
					for method, path := range map[string]string{
						http.MethodGet: r.GetGet(), http.MethodPost: r.GetPost(), http.MethodPut: r.GetPut(), http.MethodPatch: r.GetPatch(), http.MethodDelete: r.GetDelete(),
					} {
						if path != "" {
							all = append(all, route{string(methods.Get(j).FullName()), method, path, r.GetBody()})
						}
					}
				}
			}
		}
		return true
	})
	return all
}

var pathVariable = regexp.MustCompile(`\{([^}=]+)(=[^}]*)?\}`)

// TestTheQueryDoesNotOverrideThePath asks every route for one thing in its path and another in its query.
func TestTheQueryDoesNotOverrideThePath(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(5)
	before := s.eventCount()
	asked := 0
	for _, r := range routes() {
		var fields []string
		path := pathVariable.ReplaceAllStringFunc(r.path, func(variable string) string {
			parts := pathVariable.FindStringSubmatch(variable)
			fields = append(fields, parts[1])
			if parts[2] == "" {
				return "1"
			}
			return strings.ReplaceAll(parts[2][1:], "*", "ritz")
		})
		body := ""
		if r.body != "" {
			body = "{}"
			if r.body != "*" {
				fields = append(fields, r.body+".name")
			}
		}
		for _, field := range fields {
			for _, name := range []string{field, jsonPath(field)} {
				asked++
				status, _, answer := s.rest(r.method, path+"?"+url.QueryEscape(name)+"=2", body)
				if _, reason, violations := faultOf(t, answer); status != http.StatusBadRequest || reason != "INVALID_ARGUMENT" || !strings.Contains(answer, name) {
					t.Errorf("%s: %s %s?%s=…: %d %s %s", r.operation, r.method, path, name, status, violations, answer)
				}
			}
		}
	}
	if asked < 150 {
		t.Errorf("only %d were asked", asked)
	}
	if n := s.eventCount(); n != before {
		t.Errorf("refused requests made %d events", n-before)
	}
	if status, _, answer := s.rest(http.MethodGet, "/v1/hotels/savoy/reservations?parent=hotels/ritz", ""); status != http.StatusBadRequest || !strings.Contains(answer, "parent") {
		t.Errorf("%d %s", status, answer)
	}
}

// jsonPath writes a path of fields in the names of JSON.
func jsonPath(path string) string {
	parts := strings.Split(path, "_")
	for i := 1; i < len(parts); i++ {
		parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
	}
	return strings.Join(parts, "")
}
