package commands

import (
	"context"
	"reflect"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"lodge/domain"
	"lodge/log"
)

// journey is what the trace of a command tells: when it was queued, decided and committed. Only commands of a sampled trace have one; whoever works on the command
// notes the time and nothing else, and the spans are made of that when it is answered.
type journey struct {
	tracer trace.Tracer
	ctx    context.Context //nolint:containedctx // the span's; the stages become its children when all of them are over
	span   trace.Span
	queued time.Time

	// Owned by the processor until the command is decided.
	began, decided time.Time
}

// begin begins the journey of a command that is part of a sampled trace. Its events will be, too.
func (p *Pending) begin(ctx context.Context, tracer trace.Tracer, partition log.Partition) {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return
	}
	name := reflect.Indirect(reflect.ValueOf(p.command.Body)).Type().Name()
	ctx, span := tracer.Start(context.WithoutCancel(ctx), "command "+name, trace.WithAttributes(
		attribute.String("lodge.hotel", p.command.Body.HotelID()), attribute.Int("lodge.partition", int(partition)),
	))
	if !span.SpanContext().IsSampled() {
		return
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	p.parent = carrier["traceparent"]
	p.journey = &journey{tracer: tracer, ctx: ctx, span: span, queued: time.Now()}
}

func (j *journey) deciding() {
	if j != nil {
		j.began = time.Now()
	}
}

func (j *journey) wasDecided() {
	if j != nil {
		j.decided = time.Now()
	}
}

// end tells the stages and how the command ended. p is not answered yet.
func (j *journey) end(p *Pending) {
	now := time.Now()
	if j.decided.IsZero() { // nobody got to it
		j.stage("queue", j.queued, now)
	} else {
		j.stage("queue", j.queued, j.began)
		j.stage("decide", j.began, j.decided)
	}
	if len(p.result.Events) > 0 {
		j.stage("commit", j.decided, now)
		j.span.SetAttributes(attribute.String("lodge.position", p.result.Position.String()), attribute.Int("lodge.events", len(p.result.Events)))
	}
	switch reason := domain.ReasonOf(p.err); {
	case p.err == nil:
		j.span.SetAttributes(attribute.Bool("lodge.replayed", p.replay != 0))
	case reason != "": // a rule: nothing is wrong with the platform
		j.span.SetAttributes(attribute.String("lodge.reason", string(reason)))
	default:
		j.span.SetAttributes(attribute.String("error.type", log.CodeOf(p.err).String()))
		j.span.SetStatus(codes.Error, "")
	}
	j.span.End(trace.WithTimestamp(now))
}

func (j *journey) stage(name string, from, to time.Time) {
	_, span := j.tracer.Start(j.ctx, name, trace.WithTimestamp(from))
	span.End(trace.WithTimestamp(to))
}
