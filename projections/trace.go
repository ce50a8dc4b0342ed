package projections

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"lodge/domain/event"
	"lodge/log"
)

// tracedMax is how many traces are told of one batch. A batch that catches up has thousands, and nobody looks at each of them.
const tracedMax = 64

// traced is an event of a batch that is part of a sampled trace: the last one of its command.
type traced struct {
	ctx      context.Context //nolint:containedctx // the trace that the event came with
	position log.Position
	kind     string
}

// traced returns those events whose traces are to tell that they were applied: of each command one.
func (s *Store) traced(b *batch) (all []traced) {
	if s.opts.Tracer == nil {
		return nil
	}
	last := ""
	for i := range b.events {
		e := &b.events[i]
		parent := e.Envelope.TraceParent
		if parent == "" {
			continue
		}
		if parent != last {
			if len(all) == tracedMax {
				break
			}
			carrier := propagation.MapCarrier{"traceparent": parent}
			all, last = append(all, traced{ctx: propagation.TraceContext{}.Extract(context.Background(), carrier)}), parent
		}
		all[len(all)-1].position, all[len(all)-1].kind = e.Position, e.Envelope.Type
	}
	return all
}

// tell has the traces of a batch tell that a projection applied it.
func (s *Store) tell(all []traced, sh *shard, b *batch, began time.Time, err error) {
	if _, reads, _ := sh.marks.get(b.topic); !reads {
		return
	}
	for _, t := range all {
		_, span := s.opts.Tracer.Start(t.ctx, "project "+sh.owner.name, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(began), trace.WithAttributes(
			attribute.String("messaging.system", "lodge"), attribute.String("messaging.destination.name", string(b.topic)),
			attribute.Int("messaging.batch.message_count", len(b.events)),
			attribute.String(event.HeaderType, t.kind), attribute.String("lodge.position", t.position.String()),
		))
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// traceWait begins the span of a wait for a position, when the caller's trace is sampled and there is something to wait for.
func (s *Store) traceWait(ctx context.Context, name string, pos log.Position) (end func(error)) {
	if s.opts.Tracer == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return func(error) {}
	}
	_, span := s.opts.Tracer.Start(ctx, "wait for "+name, trace.WithAttributes(attribute.String("lodge.position", pos.String())))
	return func(err error) {
		if err != nil {
			span.SetAttributes(attribute.String("error.type", log.CodeOf(err).String()))
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
