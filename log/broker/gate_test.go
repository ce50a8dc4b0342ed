package broker

import (
	"sync"
	"sync/atomic"
	"testing"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// gate is an errorfs.Injector that holds up data syncs while it is shut, and counts them.
type gate struct {
	syncs atomic.Int64
	mu    sync.Mutex
	shutc chan struct{} // not nil: shut
}

func newGate() *gate { return &gate{} }

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shutc = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shutc)
	g.shutc = nil
}

// Inject implements errorfs.Injector.
func (g *gate) Inject(op errorfs.Op) error {
	if op.Kind != errorfs.SyncData {
		return nil
	}
	g.syncs.Add(1)
	g.mu.Lock()
	shut := g.shutc
	g.mu.Unlock()
	if shut != nil {
		<-shut
	}
	return nil
}

// gatedTopic opens a broker in memory behind the gate, with the topic "t".
func gatedTopic(t *testing.T, g *gate, opts Options) *Broker {
	b := open(t, errorfs.Wrap(vfs.NewMem(), g), opts)
	create(t, b, "t", log.TopicConfig{})
	return b
}

func appendAsync(b *Broker, batch *log.Batch) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := b.Append(ctx, tp0, batch)
		done <- err
	}()
	return done
}

func waitAsync(ticket log.Ticket) <-chan error {
	done := make(chan error, 1)
	go func() { done <- ticket.Wait(ctx) }()
	return done
}

func answered(done <-chan error) bool { return len(done) > 0 }
