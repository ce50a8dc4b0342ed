package api_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
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

// pattern returns the path with a * for each part that is open, and the request's own fields that it says.
func (r *route) pattern() (path string, said []string) {
	path = pathVariable.ReplaceAllStringFunc(r.path, func(variable string) string {
		parts := pathVariable.FindStringSubmatch(variable)
		field, _, _ := strings.Cut(parts[1], ".")
		said = append(said, field)
		if parts[2] == "" {
			return "*"
		}
		return parts[2][1:]
	})
	return path, said
}

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

// TestTheBodyDoesNotContradictThePath asks every route for one thing in its path and another in its body.
func TestTheBodyDoesNotContradictThePath(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(5)
	before := s.eventCount()
	asked := 0
	for _, r := range routes() {
		for _, variable := range pathVariable.FindAllStringSubmatch(r.path, -1) {
			field, inBody := strings.CutPrefix(variable[1], r.body+".")
			inBody = inBody || r.body == "*"
			if r.body == "" || !inBody || strings.Contains(field, ".") {
				continue
			}
			asked++
			path := pathVariable.ReplaceAllStringFunc(r.path, func(variable string) string {
				if _, pattern, ok := strings.Cut(strings.Trim(variable, "{}"), "="); ok {
					return strings.ReplaceAll(pattern, "*", "ritz")
				}
				return "1"
			})
			body := `{"` + jsonPath(field) + `":"2"}`
			status, _, answer := s.rest(r.method, path, body)
			if _, reason, violations := faultOf(t, answer); status != http.StatusBadRequest || reason != "INVALID_ARGUMENT" || violations != variable[1]+";" || !strings.Contains(answer, "the body says") {
				t.Errorf("%s: %s %s %s: %d %s %s", r.operation, r.method, path, body, status, violations, answer)
			}
		}
	}
	if asked < 40 {
		t.Errorf("only %d were asked", asked)
	}
	if n := s.eventCount(); n != before {
		t.Errorf("refused requests made %d events", n-before)
	}
	if status, _, answer := s.rest(http.MethodPatch, "/v1/hotels/ritz", `{"name":"hotels/ritz","description":"grand"}`); status != http.StatusOK {
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

// TestTheQuerySaysAThingOnce asks every route for two members of a oneof, for a field twice, and for it by both of its names.
func TestTheQuerySaysAThingOnce(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(5)
	before := s.eventCount()
	asked, pairs := 0, 0
	for _, r := range routes() {
		if r.body == "*" {
			continue
		}
		path, said := r.pattern()
		path = strings.ReplaceAll(path, "*", "1")
		body := ""
		if r.body != "" {
			body = "{}"
		}
		refused := func(query, names string) {
			asked++
			status, _, answer := s.rest(r.method, path+"?"+query, body)
			if _, reason, fields := faultOf(t, answer); status != http.StatusBadRequest || reason != "INVALID_ARGUMENT" || fields != names {
				t.Errorf("%s: %s %s?%s: %d %s %s", r.operation, r.method, path, query, status, fields, answer)
			}
		}
		method, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(r.operation))
		if err != nil {
			t.Fatal(err)
		}
		members := map[protoreflect.OneofDescriptor][]string{}
		queryLeaves(method.(protoreflect.MethodDescriptor).Input(), "", append(said, r.body), func(name string, f protoreflect.FieldDescriptor) {
			value := "=" + url.QueryEscape(queryValue(t, f))
			if f.IsList() {
				return
			}
			refused(name+value+"&"+name+value, name+";")
			if other := strings.TrimSuffix(name, f.JSONName()) + string(f.Name()); other != name {
				refused(name+value+"&"+other+value, name+";"+other+";")
			}
			if of := f.ContainingOneof(); of != nil && !of.IsSynthetic() {
				for _, member := range members[of] {
					pairs++
					names := []string{name, strings.Split(member, "=")[0]}
					slices.Sort(names)
					refused(member+"&"+name+value, strings.Join(names, ";")+";")
				}
				members[of] = append(members[of], name+value)
			}
		})
	}
	if asked < 300 || pairs < 10 {
		t.Errorf("only %d were asked, %d of them for two members", asked, pairs)
	}
	if n := s.eventCount(); n != before {
		t.Errorf("refused requests made %d events", n-before)
	}
	for path, name := range map[string]string{":archive": "etag", "/reservations/" + uuid.NewString() + ":cancel": "note"} { // whose body is the whole request
		status, _, answer := s.rest(http.MethodPost, "/v1/hotels/ritz"+path+"?"+name+"=x", "{}")
		if _, _, fields := faultOf(t, answer); status != http.StatusBadRequest || fields != name+";" {
			t.Errorf("%s: %d %s %s", path, status, fields, answer)
		}
		if status, _, answer := s.rest(http.MethodDelete, "/v1/hotels/ritz"+strings.Split(path, ":")[0]+"?"+name+"=x", ""); strings.Contains(answer, "query parameter") {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	for _, c := range []struct{ query, names string }{
		{"asOfTime=2026-01-01T00:00:00Z&asOfTime.nanos=5", "asOfTime;asOfTime.nanos;"}, // a whole and a part of it
		{"asOfTime.nanos=5&as_of_position=hotels/0@1", "asOfTime.nanos;as_of_position;"},
	} {
		status, _, answer := s.rest(http.MethodGet, "/v1/hotels/ritz?"+c.query, "")
		if _, _, fields := faultOf(t, answer); status != http.StatusBadRequest || fields != c.names {
			t.Errorf("%s: %d %s %s", c.query, status, fields, answer)
		}
	}
	if status, _, answer := s.rest(http.MethodGet, "/v1/hotels/ritz/reservations?statuses=RESERVATION_STATUS_PAID&statuses=RESERVATION_STATUS_CANCELED", ""); status != http.StatusOK {
		t.Errorf("a list of two: %d %s", status, answer)
	}
}
