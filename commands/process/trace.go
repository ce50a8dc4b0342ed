package process

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"lodge/commands/payment"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/log"
)

// traced begins the span of one attempt, where the record came out of a sampled trace: what the handler gives and asks is part of that, too.
func (h *handler) traced(ctx context.Context, d *delivery) (_ context.Context, end func(error)) {
	tracer := h.router.opts.Tracer
	if tracer == nil {
		return ctx, func(error) {}
	}
	parent := d.record.HeaderValue(event.HeaderTraceParent)
	if parent == nil {
		return ctx, func(error) {}
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": string(parent)})
	ctx, span := tracer.Start(ctx, "process "+h.Name, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.system", "lodge"), attribute.String("messaging.destination.name", string(d.Position.Topic)),
		attribute.String("messaging.consumer.group.name", string(GroupOf(h.Name))),
		attribute.String(event.HeaderType, string(d.record.HeaderValue(event.HeaderType))),
		attribute.String("lodge.position", d.Position.String()), attribute.Int("lodge.attempt", d.Attempt), attribute.Bool("lodge.requeued", d.Requeued),
	))
	return ctx, func(err error) {
		defer span.End()
		if err == nil {
			return
		}
		span.SetStatus(codes.Error, "") // the error's text is for the log: it may name anything
		span.SetAttributes(attribute.String("error.type", errorType(err)))
	}
}

// errPanicked is how an attempt ended that did not return.
var errPanicked = errors.New("the handler panicked")

// errorType is what a trace tells of an error: a name that is the same for all of its kind.
func errorType(err error) string {
	if reason := domain.ReasonOf(err); reason != "" {
		return string(reason)
	}
	switch {
	case errors.Is(err, errPanicked):
		return "panic"
	case isPermanent(err):
		return "permanent"
	case IsTransient(err):
		return "transient"
	}
	return log.CodeOf(err).String()
}

// asking begins the span of a call of a provider, when it is part of a sampled trace.
func (p *Payments) asking(ctx context.Context, operation string, provider payment.Provider) (_ context.Context, end func(payment.Outcome, error)) {
	if p.opts.Tracer == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, func(payment.Outcome, error) {}
	}
	ctx, span := p.opts.Tracer.Start(ctx, operation+" "+provider.Name(), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("lodge.payment.provider", provider.Name())))
	return ctx, func(o payment.Outcome, err error) {
		defer span.End()
		if err == nil {
			span.SetAttributes(attribute.String("lodge.payment.status", o.Status.String()))
			return
		}
		kind := "no_answer"
		if _, ok := payment.Permanent(err); ok {
			kind = "refused"
		}
		span.SetStatus(codes.Error, "")
		span.SetAttributes(attribute.String("error.type", kind))
	}
}

// traceHeader returns the header by which a timer stays part of the trace that set it, or none.
func traceHeader(ctx context.Context) []log.Header {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return nil
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return []log.Header{{Key: event.HeaderTraceParent, Value: []byte(carrier["traceparent"])}}
}
