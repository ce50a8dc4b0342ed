package bench

import (
	"fmt"
	"time"
)

// Result is one measured line.
type Result struct {
	Name  string  `json:"name"`            // section/case, such as append/64-writers
	What  string  `json:"what"`            // sizes, durability and mode, for a reader
	Value float64 `json:"value"`           // the figure, in Unit
	Unit  string  `json:"unit"`            // records/s, bytes/s, ms, …
	Count int64   `json:"count,omitempty"` // operations measured

	P50 time.Duration `json:"p50_ns,omitempty"` // of one operation
	P99 time.Duration `json:"p99_ns,omitempty"`

	FloorName string  `json:"floor,omitempty"` // the floor it is compared with
	Ratio     float64 `json:"ratio,omitempty"` // Value to the floor's (or p50 to the floor's p50 for latencies)
	Target    string  `json:"target,omitempty"`
	Met       *bool   `json:"met,omitempty"` // nil: no target

	Err string `json:"error,omitempty"` // the case did not run: why
}

// target judges a result and says in words what was asked.
type target struct {
	text string
	met  func(r *Result) bool
}

func (r *Result) judge(t target) {
	met := t.met(r)
	r.Target, r.Met = t.text, &met
}

func atLeast(value float64, unit string) target {
	return target{text: "≥ " + quantity(value, unit), met: func(r *Result) bool { return r.Value >= value }}
}

func atMost(value float64, unit string) target {
	return target{text: "≤ " + quantity(value, unit), met: func(r *Result) bool { return r.Value <= value }}
}

// atLeastOrRatio is met by a rate or by a share of the floor.
func atLeastOrRatio(value float64, unit string, ratio float64) target {
	return target{
		text: fmt.Sprintf("≥ %s or %.0f%% of floor", quantity(value, unit), ratio*100),
		met:  func(r *Result) bool { return r.Value >= value || r.Ratio >= ratio },
	}
}

// latencyRatio is met when the median is at most so many times the floor's.
func latencyRatio(ratio float64) target {
	return target{text: fmt.Sprintf("p50 ≤ %.1f × floor", ratio), met: func(r *Result) bool { return r.Ratio <= ratio }}
}

// quantity writes a figure as people read it: 203k records/s, 1.52 GB/s, 12.3 ms.
func quantity(v float64, unit string) string {
	switch {
	case unit == "ms" || unit == "bytes":
		return fmt.Sprintf("%.4g %s", v, unit)
	case unit == "bytes/s" && v >= 1e9:
		return fmt.Sprintf("%.2f GB/s", v/1e9)
	case unit == "bytes/s":
		return fmt.Sprintf("%.0f MB/s", v/1e6)
	case v >= 1e6:
		return fmt.Sprintf("%.2fM %s", v/1e6, unit)
	case v >= 10e3:
		return fmt.Sprintf("%.1fk %s", v/1e3, unit)
	default:
		return fmt.Sprintf("%.0f %s", v, unit)
	}
}
