package api

import (
	"context"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// tracing tells of calls in traces, after OpenTelemetry's conventions for RPC. A nil *tracing tells nothing.
//
// A trace says what was called and how it ended: the method, code and reason. It never says what was asked, by whom, from where or in which words it was
// refused, since that may name a guest.
type tracing struct{ tracer trace.Tracer }

// begin begins the span of a call, as part of the caller's trace when the headers name one. The sampler decides whether more than that is told.
func (t *tracing) begin(ctx context.Context, procedure, protocol string, header http.Header) (context.Context, trace.Span) {
	if t == nil {
		return ctx, nil
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
	method := strings.TrimPrefix(procedure, "/")
	ctx, span := t.tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer))
	if span.IsRecording() {
		system := semconv.RPCSystemNameConnectrpc
		if protocol != connect.ProtocolConnect {
			system = semconv.RPCSystemNameGRPC
		}
		span.SetAttributes(system, semconv.RPCMethod(method))
		if restOf(ctx) != nil {
			span.SetAttributes(attribute.Bool("lodge.rest", true))
		}
	}
	return ctx, span
}

// end ends the span of a call with what the edge answers.
func (t *tracing) end(span trace.Span, err error) {
	if span == nil {
		return
	}
	defer span.End()
	if !span.IsRecording() {
		return
	}
	code := codeOf(err)
	span.SetAttributes(semconv.RPCResponseStatusCode(strings.ToUpper(codeName(code))))
	if err == nil {
		return
	}
	kind := strings.ToUpper(codeName(code))
	if reason := errorReason(err); reason != "" {
		kind = reason
		span.SetAttributes(attribute.String("lodge.reason", reason))
	}
	switch connect.Code(code) {
	case connect.CodeUnknown, connect.CodeDeadlineExceeded, connect.CodeUnimplemented, connect.CodeInternal, connect.CodeUnavailable, connect.CodeDataLoss:
		span.SetStatus(codes.Error, "") // the others are the caller's matter
		span.SetAttributes(semconv.ErrorTypeKey.String(kind))
	}
}

// errorReason returns the reason of an error that the edge has translated, if it has one.
func errorReason(err error) string {
	e, ok := err.(*connect.Error) //nolint:errorlint // what the edge answers is nothing else
	if !ok {
		return ""
	}
	for _, d := range e.Details() {
		if m, err := d.Value(); err == nil {
			if info, ok := m.(*errdetails.ErrorInfo); ok {
				return info.GetReason()
			}
		}
	}
	return ""
}

// sampledTrace returns the id of the trace that a span is told in, or "".
func sampledTrace(span trace.Span) string {
	if span == nil || !span.SpanContext().IsSampled() {
		return ""
	}
	return span.SpanContext().TraceID().String()
}
