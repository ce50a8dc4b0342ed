// Package tracingtest is an OpenTelemetry collector for tests: it receives OTLP on loopback, over gRPC and over HTTP, and keeps what it gets.
package tracingtest

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Collector keeps the spans that it has received.
type Collector struct {
	coltrace.UnimplementedTraceServiceServer

	HTTP string // endpoint for OTLP over HTTP
	GRPC string // endpoint for OTLP over gRPC

	mu       sync.Mutex
	spans    []Span
	services []string
	came     chan struct{} // closed and replaced when spans come
}

// Span is a received span, with ids in hexadecimal.
type Span struct {
	*tracepb.Span
	Trace, ID, Parent string
}

// Attribute returns an attribute as text, or "".
func (s *Span) Attribute(key string) string {
	for _, a := range s.Attributes {
		if a.GetKey() == key {
			if text := a.GetValue().GetStringValue(); text != "" {
				return text
			}
			return a.GetValue().String()
		}
	}
	return ""
}

// Start starts a collector that ends with the test.
func Start(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{came: make(chan struct{})}
	over := httptest.NewServer(c)
	t.Cleanup(over.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	coltrace.RegisterTraceServiceServer(server, c)
	var served sync.WaitGroup
	served.Go(func() {
		if err := server.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		server.Stop()
		served.Wait()
	})
	c.HTTP, c.GRPC = over.URL, "http://"+l.Addr().String()
	return c
}

// Export implements the gRPC service.
func (c *Collector) Export(_ context.Context, req *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	c.take(req)
	return &coltrace.ExportTraceServiceResponse{}, nil
}

// ServeHTTP implements http.Handler.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	req := &coltrace.ExportTraceServiceRequest{}
	if err == nil {
		err = proto.Unmarshal(body, req)
	}
	if r.URL.Path != "/v1/traces" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-protobuf" || err != nil {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	c.take(req)
	w.Header().Set("Content-Type", "application/x-protobuf") // an empty message says that all of it was taken
}

func (c *Collector) take(req *coltrace.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range req.GetResourceSpans() {
		for _, a := range r.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				c.services = append(c.services, a.GetValue().GetStringValue())
			}
		}
		for _, scope := range r.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, Span{
					Span: s, Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
				})
			}
		}
	}
	close(c.came)
	c.came = make(chan struct{})
}

// Spans returns what has come so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Services returns the names that the senders gave themselves, each once.
func (c *Collector) Services() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.services)
	return slices.Compact(slices.Clone(c.services))
}

// Await waits until what has come is enough.
func (c *Collector) Await(ctx context.Context, enough func([]Span) bool) []Span {
	for {
		c.mu.Lock()
		spans, came := slices.Clone(c.spans), c.came
		c.mu.Unlock()
		if enough(spans) {
			return spans
		}
		select {
		case <-came:
		case <-ctx.Done():
			return spans
		}
	}
}
