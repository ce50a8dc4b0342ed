package api

import (
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// callBuckets are the upper ends of what calls are counted by, in seconds.
var callBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}

// codesMax is one more than the largest connect.Code.
const codesMax = int(connect.CodeUnauthenticated) + 1

// calls counts calls by method and code, with how long they took. What a call costs is two looks at the clock, a look-up by procedure and
// three atomic additions: the counters of a method and code are found once and kept. A nil *calls counts nothing.
type calls struct {
	seconds *prometheus.HistogramVec
	streams *prometheus.CounterVec
	methods map[string]*method // by procedure; not changed once made
	other   *method            // of procedures that are not of the platform's services
}

// method is one procedure's counters.
type method struct {
	name   string
	byCode [codesMax]atomic.Pointer[prometheus.Observer] // 0: it went well; the others are connect.Codes
}

// newCalls registers the counters. Calls are counted only where there is somebody to tell.
func newCalls(to prometheus.Registerer) (*calls, error) {
	if to == nil {
		return nil, nil
	}
	c := &calls{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lodge_api_call_seconds", Help: "Unary calls by method and code, and how long they took.", Buckets: callBuckets,
		}, []string{"method", "code"}),
		streams: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lodge_api_streams_total", Help: "Streams that have ended, by method and code.",
		}, []string{"method", "code"}),
		methods: map[string]*method{}, other: &method{name: "other"},
	}
	for _, name := range services {
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			return nil, err
		}
		methods := found.(protoreflect.ServiceDescriptor).Methods()
		for i := range methods.Len() {
			full := name + "/" + string(methods.Get(i).Name())
			c.methods["/"+full] = &method{name: full}
		}
	}
	if err := to.Register(c.seconds); err != nil {
		return nil, err
	}
	return c, to.Register(c.streams)
}

// begin returns when a call begins, if that is of interest.
func (c *calls) begin() (at time.Time) {
	if c != nil {
		at = time.Now()
	}
	return at
}

// end counts a call that began at a time. One whose trace is sampled is an example of its bucket.
func (c *calls) end(procedure string, began time.Time, span trace.Span, err error) {
	if c == nil {
		return
	}
	m, code := c.method(procedure), codeOf(err)
	observer := m.byCode[code].Load()
	if observer == nil {
		found := c.seconds.WithLabelValues(m.name, codeName(code))
		observer = &found
		m.byCode[code].Store(observer)
	}
	seconds := time.Since(began).Seconds()
	if id := sampledTrace(span); id != "" {
		if o, ok := (*observer).(prometheus.ExemplarObserver); ok {
			o.ObserveWithExemplar(seconds, prometheus.Labels{"trace_id": id})
			return
		}
	}
	(*observer).Observe(seconds)
}

// endStream counts a stream.
func (c *calls) endStream(procedure string, err error) {
	if c != nil {
		c.streams.WithLabelValues(c.method(procedure).name, codeName(codeOf(err))).Inc()
	}
}

func (c *calls) method(procedure string) *method {
	if m := c.methods[procedure]; m != nil {
		return m
	}
	return c.other
}

// codeOf returns the code of an error that the edge has translated, 0 for none.
func codeOf(err error) int {
	if err == nil {
		return 0
	}
	if code := int(connect.CodeOf(err)); code < codesMax {
		return code
	}
	return int(connect.CodeUnknown)
}

func codeName(code int) string {
	if code == 0 {
		return "ok"
	}
	return strings.ToLower(connect.Code(code).String())
}

// OpenStreams returns how many streams are open, and how many of them watch nights.
func (a *API) OpenStreams() (all, watching int) {
	return len(a.streaming), int(a.watchers.count.Load())
}
