package tracing

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// queueVariable is the standard variable for the most spans that wait.
const queueVariable = "OTEL_BSP_MAX_QUEUE_SIZE"

const queueSizeMax = 1 << 20

// queueSize reads the variable.
func queueSize(value string) (int, error) {
	if value == "" {
		return sdk.DefaultMaxQueueSize, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > queueSizeMax {
		return 0, fmt.Errorf("traces: %s: %q is not a number from 1 to %d", queueVariable, value, queueSizeMax)
	}
	return n, nil
}

// queue is the SDK's batching processor with counts. That one drops spans when it is full and tells nobody, so whoever is too much is turned away before it: a place is
// taken when a span ends and given back when the exporter has dealt with it, and the SDK's own queue has as many places. Safe for concurrent use.
type queue struct {
	sdk.SpanProcessor
	exporter sdk.SpanExporter
	size     int64

	waiting, exported, failed, dropped atomic.Int64
}

func newQueue(exporter sdk.SpanExporter, size int) *queue {
	q := &queue{exporter: exporter, size: int64(size)}
	q.SpanProcessor = sdk.NewBatchSpanProcessor(counting{q}, sdk.WithMaxQueueSize(size))
	return q
}

// OnEnd implements sdk.SpanProcessor. It never waits.
func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if q.waiting.Add(1) > q.size {
		q.waiting.Add(-1)
		q.dropped.Add(1)
		return
	}
	q.SpanProcessor.OnEnd(s)
}

func (q *queue) stats() Stats {
	return Stats{Waiting: q.waiting.Load(), Exported: q.exported.Load(), Failed: q.failed.Load(), Dropped: q.dropped.Load()}
}

// counting is the exporter, with what becomes of spans counted.
type counting struct{ q *queue }

// ExportSpans implements sdk.SpanExporter.
func (c counting) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	n := int64(len(spans))
	err := c.q.exporter.ExportSpans(ctx, spans)
	c.q.waiting.Add(-n)
	if err != nil {
		c.q.failed.Add(n)
	} else {
		c.q.exported.Add(n)
	}
	return err
}

// Shutdown implements sdk.SpanExporter.
func (c counting) Shutdown(ctx context.Context) error { return c.q.exporter.Shutdown(ctx) }
