package platform

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/api"
)

var updateExamples = flag.Bool("update-examples", false, "record the answers of api/openapi/examples.json")

const examplesFile = "../../../api/openapi/examples.json"

// example is a request over REST with its answer, as the OpenAPI document shows it. They are made in the order of the file.
type example struct {
	Operation string            `json:"operation"` // its operationId
	Name      string            `json:"name"`
	Method    string            `json:"method"`
	Path      string            `json:"path"` // with the query; {{x}} is what an example before has saved as x
	Body      any               `json:"body,omitempty"`
	Save      map[string]string `json:"save,omitempty"`   // where in the answer it is, as in events.0.id
	Status    int               `json:"status,omitempty"` // 0: 200
	Varies    bool              `json:"varies,omitempty"` // the answer tells of the moment: only its form is compared, and lists are recorded in part
	Asked     *asked            `json:"asked,omitempty"`  // with {{x}} replaced, when it was recorded
	Answer    any               `json:"answer,omitempty"` // recorded: go test ./cmd/internal/platform -run Examples -args -update-examples
}

type asked struct {
	Path string `json:"path"`
	Body any    `json:"body,omitempty"`
}

// TestExamplesOfTheDocument makes every example of the OpenAPI document against a platform with all of its parts, whose days are those of the examples, and compares the
// answers with the recorded ones. What differs each time, such as ids that the platform makes, times and places in the log, need only have the same form.
func TestExamplesOfTheDocument(t *testing.T) {
	data, err := os.ReadFile(examplesFile)
	if err != nil {
		t.Fatal(err)
	}
	var examples []*example
	if err := json.Unmarshal(data, &examples); err != nil {
		t.Fatal(err)
	}
	noon, began := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), time.Now()
	dir := t.TempDir()
	p, _ := runIn(t, dir, Options{Partitions: 1, Clock: func() time.Time { return noon.Add(time.Since(began)) }})
	client := Client(dir)
	t.Cleanup(client.CloseIdleConnections)
	saved := map[string]string{}
	for i, e := range examples {
		if err := p.WaitCaughtUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		answer := e.ask(t, client, saved, i)
		if *updateExamples {
			e.Answer = shown("", answer, e.Varies)
			continue
		}
		got, want := masked("", answer), masked("", e.Answer)
		if e.Varies {
			got, want = form(got), form(want)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s, %s: the answer is not as recorded (-update-examples records it)\n got %s\nwant %s", e.Operation, e.Name, inJSON(t, got), inJSON(t, want))
		}
	}
	if *updateExamples {
		if err := os.WriteFile(examplesFile, append(inJSON(t, examples), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// ask makes the request, which must be answered with its status, and saves what later ones need.
func (e *example) ask(t *testing.T, client *http.Client, saved map[string]string, number int) any {
	t.Helper()
	path, body := e.Path, inJSON(t, e.Body)
	for name, value := range saved {
		path, body = strings.ReplaceAll(path, "{{"+name+"}}", value), bytes.ReplaceAll(body, []byte("{{"+name+"}}"), []byte(value))
	}
	if e.Body == nil {
		body = nil
	}
	req, err := http.NewRequestWithContext(t.Context(), e.Method, SocketURL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if req.Method != http.MethodGet {
		req.Header.Set(api.HeaderIdempotencyKey, "example-"+strconv.Itoa(number))
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer any
	if err := json.Unmarshal(said, &answer); err != nil || res.StatusCode != max(e.Status, http.StatusOK) {
		t.Fatalf("%s, %s: %s %s: %d %s %v", e.Operation, e.Name, e.Method, path, res.StatusCode, said, err)
	}
	for name, where := range e.Save {
		if saved[name] = at(answer, where); saved[name] == "" {
			t.Fatalf("%s, %s: there is no %s in %s", e.Operation, e.Name, where, said)
		}
	}
	if *updateExamples && strings.Contains(e.Path+string(inJSON(t, e.Body)), "{{") {
		e.Asked = &asked{Path: path}
		if body != nil {
			if err := json.Unmarshal(body, &e.Asked.Body); err != nil {
				t.Fatal(err)
			}
		}
	}
	return answer
}

// at returns the text at a place in a value, as in events.0.id, or nothing.
func at(value any, where string) string {
	for key := range strings.SplitSeq(where, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(v) {
				return ""
			}
			value = v[i]
		}
	}
	text, _ := value.(string)
	return text
}

// What differs from run to run.
var (
	madeIDs   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|tokens/[0-9a-z]{16}|[0-9a-z]+:[0-9a-z]{16}`)
	times     = regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z`)
	positions = regexp.MustCompile(`/\d+@\d+`)
	measured  = regexp.MustCompile(`(?i)(token|secret|receipt|lastFour|bytes|offset|lag|watermark|count|reference|cause|events)$`)
	sums      = regexp.MustCompile(`^(\d+)-[0-9a-f]+$`) // etags of reservations, by their ids
	chosen    = "0190a1b2-"                             // what the examples' own ids begin with
)

// masked replaces what differs from run to run by its form.
func masked(key string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, inner := range v {
			out[k] = masked(k, inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = masked(key, inner)
		}
		return out
	case string:
		if measured.MatchString(key) {
			return "<" + key + ">"
		}
		if key == "etag" {
			v = sums.ReplaceAllString(v, "$1-<sum>")
		}
		v = madeIDs.ReplaceAllStringFunc(v, func(id string) string {
			if strings.HasPrefix(id, chosen) {
				return id
			}
			return "<id>"
		})
		return positions.ReplaceAllString(times.ReplaceAllString(v, "<time>"), "/<place>")
	case float64:
		if key == "eventCount" { // grows behind the answers: payments move by themselves
			return "<" + key + ">"
		}
	}
	return value
}

// form is what every answer of an operation has in common.
func form(answer any) any {
	names := map[string]bool{}
	if fields, ok := answer.(map[string]any); ok {
		for name := range fields {
			names[name] = true
		}
	}
	return names
}

// shown is what is recorded of an answer: no secrets, and of long lists a part.
func shown(key string, value any, part bool) any {
	switch v := value.(type) {
	case map[string]any:
		for k, inner := range v {
			v[k] = shown(k, inner, part)
		}
	case []any:
		if part && len(v) > 2 {
			v = v[:2]
		}
		for i, inner := range v {
			v[i] = shown(key, inner, part)
		}
		return v
	case string:
		if key == "secret" {
			return v[:strings.LastIndexByte(v, '_')+1] + "and-43-characters-that-are-shown-only-once"
		}
	}
	return value
}

func inJSON(t *testing.T, v any) []byte {
	t.Helper()
	var out bytes.Buffer
	to := json.NewEncoder(&out)
	to.SetEscapeHTML(false)
	to.SetIndent("", " ")
	if err := to.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(out.Bytes())
}
