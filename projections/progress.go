package projections

import (
	"fmt"
	"sync"
	"time"
)

// Phase says what a rebuild is doing.
type Phase string

// The phases, in order. Compare only when asked for.
const (
	PhaseReplay  Phase = "replay"   // reading the topics into a version that is not in service, making its indexes
	PhaseCatchUp Phase = "catch up" // applying what came meanwhile; then it follows the log
	PhaseCompare Phase = "compare"  // against the version in service
	PhaseSwap    Phase = "swap"
	PhaseDone    Phase = "done"
)

// Progress tells how far a rebuild is.
type Progress struct {
	Projection string
	Version    int // the one that is made
	Phase      Phase
	Done       int64   // events applied
	Total      int64   // events in the log when the rebuild began, or Done if that is more
	Rate       float64 // events per second so far
	Elapsed    time.Duration
	ETA        time.Duration // estimate of what the replay still takes; 0 when unknown or done
}

// String returns one line for a person.
func (p Progress) String() string {
	return fmt.Sprintf("%s v%d: %s, %d of %d events (%.0f%%), %.0f/s, %s left",
		p.Projection, p.Version, p.Phase, p.Done, p.Total, p.Percent(), p.Rate, p.ETA.Round(100*time.Millisecond))
}

// Percent returns Done of Total, 100 for an empty log.
func (p Progress) Percent() float64 {
	if p.Total == 0 {
		return 100
	}
	return 100 * float64(p.Done) / float64(p.Total)
}

func (p *Progress) short() string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf(": %.0f%% done", p.Percent())
}

// meter counts a rebuild's events and reports progress, a few times a second and at each change of phase.
type meter struct {
	report func(Progress) // called by one goroutine at a time
	begun  time.Time

	mu   sync.Mutex
	now  Progress
	last time.Time
}

// reportEvery is the shortest time between two reports of one phase.
const reportEvery = 200 * time.Millisecond

func newMeter(name string, version int, total int64, report func(Progress)) *meter {
	return &meter{report: report, begun: time.Now(), now: Progress{Projection: name, Version: version, Total: total}}
}

func (m *meter) phase(p Phase) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Phase = p
	m.tell()
}

func (m *meter) add(events int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Done += int64(events)
	m.now.Total = max(m.now.Total, m.now.Done)
	if time.Since(m.last) >= reportEvery {
		m.tell()
	}
}

// tell reports. The caller holds mu.
func (m *meter) tell() {
	m.last = time.Now()
	m.now.Elapsed = m.last.Sub(m.begun)
	if s := m.now.Elapsed.Seconds(); s > 0 && m.now.Done > 0 {
		m.now.Rate = float64(m.now.Done) / s
		m.now.ETA = time.Duration(float64(m.now.Total-m.now.Done) / m.now.Rate * float64(time.Second))
	}
	m.report(m.now)
}
