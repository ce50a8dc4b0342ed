package tracing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Tracing is where a process tells its traces. A nil *Tracing tells nothing.
type Tracing struct {
	provider *sdk.TracerProvider
	queue    *queue
}

// name is the instrumentation's.
const name = "lodge"

// The standard variables that say where traces go.
const (
	endpointVariable       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpointVariable = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
)

// Open makes what sends traces to an OTLP endpoint: that which is given, as http(s)://host:port, or else that of the standard variables. Without either it
// returns nil, and nothing is told. It waits for nobody: a collector may come later. Errors: a setting that is none.
func Open(ctx context.Context, endpoint string, logger *slog.Logger) (*Tracing, error) {
	if endpoint == "" && os.Getenv(endpointVariable) == "" && os.Getenv(tracesEndpointVariable) == "" || disabled() {
		return nil, nil
	}
	sampler, err := samplerOf(os.Getenv("OTEL_TRACES_SAMPLER"), os.Getenv("OTEL_TRACES_SAMPLER_ARG"))
	if err != nil {
		return nil, err
	}
	size, err := queueSize(os.Getenv(queueVariable))
	if err != nil {
		return nil, err
	}
	exporter, err := newExporter(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	about, err := resource.New(ctx, resource.WithAttributes(semconv.ServiceName(name)), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("traces: %w", err), exporter.Shutdown(ctx))
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("traces", "error", err) })) // the SDK has one for the process
	q := newQueue(exporter, size)
	return &Tracing{queue: q, provider: sdk.NewTracerProvider(sdk.WithSpanProcessor(q), sdk.WithSampler(sampler), sdk.WithResource(about))}, nil
}

// disabled reports whether the standard variables say that there are to be no traces.
func disabled() bool {
	return strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none"
}

// The protocols of OTLP.
const (
	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf"
)

// newExporter makes the exporter for the endpoint, or for that of the standard variables when it is empty. Timeouts, headers, certificates and compression are the variables' matter.
func newExporter(ctx context.Context, endpoint string) (sdk.SpanExporter, error) {
	if endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("traces: %q is not an OTLP endpoint, as in http://localhost:4318", endpoint)
		}
	}
	switch protocol := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"), protocolHTTP); protocol {
	case protocolGRPC:
		var opts []otlptracegrpc.Option
		if endpoint != "" {
			opts = append(opts, otlptracegrpc.WithEndpointURL(endpoint))
		}
		return otlptracegrpc.New(ctx, opts...)
	case protocolHTTP:
		var opts []otlptracehttp.Option
		if endpoint != "" {
			opts = append(opts, otlptracehttp.WithEndpointURL(strings.TrimSuffix(endpoint, "/")+"/v1/traces"))
		}
		return otlptracehttp.New(ctx, opts...)
	default:
		return nil, fmt.Errorf("traces: OTEL_EXPORTER_OTLP_PROTOCOL: %q is neither %s nor %s", protocol, protocolGRPC, protocolHTTP)
	}
}

// Tracer returns what the parts tell their traces with; nil: they tell nothing.
func (t *Tracing) Tracer() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.provider.Tracer(name)
}

// closeMax is how long the last spans may take to be sent. Tests change it.
var closeMax = 3 * time.Second

// Close sends what is waiting, for as long as closeMax, and ends. A collector that is away keeps nobody.
func (t *Tracing) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, closeMax)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("end the traces: %w", err)
	}
	return nil
}

// Stats is what has become of spans whose trace is sampled.
type Stats struct {
	Waiting  int64 // to be sent
	Exported int64
	Failed   int64 // the collector did not take them
	Dropped  int64 // there was no place for them
}

// Stats returns the counts so far.
func (t *Tracing) Stats() Stats {
	if t == nil {
		return Stats{}
	}
	return t.queue.stats()
}
