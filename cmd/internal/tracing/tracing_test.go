package tracing

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"lodge/cmd/internal/tracing/tracingtest"
)

func clearEnvironment(t *testing.T) {
	for _, v := range []string{endpointVariable, tracesEndpointVariable, queueVariable, "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_SDK_DISABLED",
		"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"} {
		t.Setenv(v, "")
	}
}

// open opens traces that are sent to the last one, also where the machine stands still for a while.
func open(t *testing.T, endpoint string) *Tracing {
	t.Helper()
	before := closeMax
	closeMax = time.Minute
	t.Cleanup(func() { closeMax = before })
	traces, err := Open(t.Context(), endpoint, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return traces
}

func span(ctx context.Context, t *Tracing, name string) context.Context {
	ctx, s := t.Tracer().Start(ctx, name)
	s.End()
	return ctx
}

func TestSpansReachACollector(t *testing.T) {
	for name, set := range map[string]func(*tracingtest.Collector) (endpoint string){
		"HTTP": func(c *tracingtest.Collector) string { return c.HTTP },
		"HTTP by the variable": func(c *tracingtest.Collector) string {
			t.Setenv(endpointVariable, c.HTTP)
			return ""
		},
		"HTTP by the variable of traces": func(c *tracingtest.Collector) string {
			t.Setenv(tracesEndpointVariable, c.HTTP+"/v1/traces")
			return ""
		},
		"gRPC": func(c *tracingtest.Collector) string {
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
			return c.GRPC
		},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			t.Setenv("OTEL_SERVICE_NAME", "the house")
			c := tracingtest.Start(t)
			traces := open(t, set(c))
			span(span(t.Context(), traces, "a call"), traces, "a step")
			if err := traces.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := c.Spans()
			if len(got) != 2 || got[0].GetName() != "a call" || got[1].Parent != got[0].ID || got[1].Trace != got[0].Trace || got[0].Parent != "" {
				t.Errorf("%v", got)
			}
			if services := c.Services(); !slices.Equal(services, []string{"the house"}) {
				t.Errorf("%q", services)
			}
			if s := traces.Stats(); s != (Stats{Exported: 2}) {
				t.Errorf("%+v", s)
			}
		})
		clearEnvironment(t)
	}
}

// A collector that does not answer gets a queue's worth; what is more is dropped, and nobody waits.
func TestASlowCollectorKeepsNobody(t *testing.T) {
	clearEnvironment(t)
	t.Setenv(queueVariable, "16")
	slow, asked := make(chan struct{}), make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- struct{}{}
		<-slow
	}))
	defer server.Close()
	traces := open(t, server.URL)
	for range 16 {
		span(t.Context(), traces, "a call")
	}
	<-asked // all are on their way
	for range 100 {
		span(t.Context(), traces, "a call")
	}
	if s := traces.Stats(); s != (Stats{Waiting: 16, Dropped: 100}) {
		t.Errorf("%+v", s)
	}
	close(slow)
	if err := traces.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := traces.Stats(); s != (Stats{Exported: 16, Dropped: 100}) {
		t.Errorf("%+v", s)
	}
}

func TestACollectorThatRefuses(t *testing.T) {
	clearEnvironment(t)
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	traces := open(t, server.URL)
	span(t.Context(), traces, "a call")
	if err := traces.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := traces.Stats(); s != (Stats{Failed: 1}) {
		t.Errorf("%+v", s)
	}
}

func TestNobodyIsTold(t *testing.T) {
	clearEnvironment(t)
	for _, set := range []func() string{
		func() string { return "" },
		func() string { t.Setenv("OTEL_TRACES_EXPORTER", "none"); return "http://localhost:1" },
		func() string { t.Setenv("OTEL_SDK_DISABLED", "true"); return "http://localhost:1" },
	} {
		traces := open(t, set())
		if traces != nil || traces.Tracer() != nil || traces.Stats() != (Stats{}) || traces.Close(t.Context()) != nil {
			t.Errorf("%+v", traces)
		}
	}
}

func TestSettingsThatAreNone(t *testing.T) {
	for variable, value := range map[string]string{
		"OTEL_TRACES_SAMPLER": "sometimes", "OTEL_TRACES_SAMPLER_ARG": "1.5", queueVariable: "0", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
	} {
		clearEnvironment(t)
		t.Setenv(variable, value)
		if traces, err := Open(t.Context(), "http://localhost:1", slog.Default()); err == nil {
			t.Errorf("%s=%s is taken: %v", variable, value, traces)
		}
	}
	clearEnvironment(t)
	for _, endpoint := range []string{"localhost:4318", "ftp://x", "http://"} {
		if _, err := Open(t.Context(), endpoint, slog.Default()); err == nil {
			t.Errorf("%s is taken", endpoint)
		}
	}
}

// A caller's flag makes a trace smaller, never larger than the sampler would.
func TestSamplersAndCallers(t *testing.T) {
	remote := func(id byte, flags trace.TraceFlags) context.Context {
		c := trace.SpanContextConfig{TraceFlags: flags, Remote: true, SpanID: trace.SpanID{1}}
		c.TraceID[0], c.TraceID[8] = 1, id // ratios look at the second half
		return trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(c))
	}
	const low, high = 0x00, 0xff // below and above any ratio
	for _, test := range []struct {
		sampler, arg string
		ctx          context.Context
		sampled      bool
	}{
		{"", "", t.Context(), true},
		{"", "", remote(high, trace.FlagsSampled), true},
		{"", "", remote(low, 0), false},
		{"parentbased_traceidratio", "0.5", remote(low, trace.FlagsSampled), true},
		{"parentbased_traceidratio", "0.5", remote(high, trace.FlagsSampled), false},
		{"parentbased_traceidratio", "0.5", remote(low, 0), false},
		{"parentbased_always_off", "", remote(low, trace.FlagsSampled), false},
		{"parentbased_always_on", "", remote(low, 0), false},
		{"always_on", "", remote(low, 0), true},
		{"always_off", "", t.Context(), false},
		{"traceidratio", "0", t.Context(), false},
		{"traceidratio", "1", t.Context(), true},
	} {
		t.Run(fmt.Sprint(test.sampler, test.arg), func(t *testing.T) {
			clearEnvironment(t)
			t.Setenv("OTEL_TRACES_SAMPLER", test.sampler)
			t.Setenv("OTEL_TRACES_SAMPLER_ARG", test.arg)
			traces := open(t, "http://localhost:1")
			_, s := traces.Tracer().Start(test.ctx, "a call") // never ended, never sent
			if s.SpanContext().IsSampled() != test.sampled {
				t.Errorf("sampled %t", !test.sampled)
			}
			if from := trace.SpanContextFromContext(test.ctx); from.IsValid() && s.SpanContext().TraceID() != from.TraceID() {
				t.Error("it is another trace")
			}
			if err := traces.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
