package bench

import (
	"fmt"
	"io"
	"time"
)

// columns of a line for a person. The description goes on a line of its own.
const lineFormat = "%-30s %20s %10s %10s %9s  %s\n"

// WriteHeader writes what stands above WriteLine's lines.
func WriteHeader(w io.Writer) {
	fmt.Fprintf(w, lineFormat, "CASE", "RESULT", "P50", "P99", "TO FLOOR", "TARGET")
}

// WriteLine writes one result for a person. The ratio is to the floor's median for one caller (less is better), and to
// the floor's rate otherwise (more is better).
func WriteLine(w io.Writer, r Result) {
	if r.Err != "" {
		fmt.Fprintf(w, "%-30s not measured: %s\n", r.Name, r.Err)
		return
	}
	ratio := ""
	if r.FloorName != "" {
		ratio = fmt.Sprintf("%.2f", r.Ratio)
	}
	fmt.Fprintf(w, lineFormat, r.Name, quantity(r.Value, r.Unit), latency(r.P50), latency(r.P99), ratio, verdict(r))
	fmt.Fprintf(w, "    %s%s\n", r.What, against(r))
}

func against(r Result) string {
	if r.FloorName == "" {
		return ""
	}
	return "; against " + r.FloorName
}

func verdict(r Result) string {
	if r.Met == nil {
		return ""
	}
	return r.Target + map[bool]string{true: ": met", false: ": NOT MET"}[*r.Met]
}

func latency(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < 10*time.Microsecond:
		return d.Round(10 * time.Nanosecond).String()
	case d < 10*time.Millisecond:
		return d.Round(time.Microsecond).String()
	default:
		return d.Round(100 * time.Microsecond).String()
	}
}
