package commitlog

import (
	"math/rand/v2"
	"testing"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// TestGoOnAfterErrors fails operations here and there while the log goes on as long as it can: compaction, deletion, retention
// and checkpoints are tried again in whatever state their failure left. A poisoned log is opened anew, after a power loss or with
// pages and lengths that the kernel has and the disk has not. Power losses are tried all the while.
func TestGoOnAfterErrors(t *testing.T) {
	failures, opened := 0, 0
	eachSeed(t, *seedsFlag, func(t *testing.T, rng *rand.Rand) {
		p := &persevering{world: newWorld(t, rng), odds: 6 + rng.IntN(60)}
		p.inject = p
		p.use(p.mem)
		if err := p.open(); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			p.tryStep()
		}
		failures, opened = failures+p.failures, opened+p.opened
	})
	t.Logf("%d failures, opened %d times", failures, opened)
	if *seedFlag == 0 && *seedsFlag >= 8 && !testing.Short() && (failures < 50 || opened < 20) {
		t.Error("failures were not tested")
	}
}

// persevering is a world whose file system fails now and then, in one of odds operations while armed.
type persevering struct {
	*world
	odds             int
	armed            bool
	start            log.Offset // where a step that failed may have moved the log's start to, on disk
	failures, opened int
}

// Inject implements errorfs.Injector.
func (p *persevering) Inject(op errorfs.Op) error {
	if !p.armed {
		return nil
	}
	if op.Mutates() && p.rng.IntN(12) == 0 {
		p.armed = false
		for _, choose := range []vfs.Choose{vfs.LoseAll, vfs.KeepAll, vfs.Randomly(p.rng)} {
			if err := p.survive(p.mem.CrashClone(choose), p.model, p.rng.IntN(16) == 0); err != nil {
				p.t.Fatalf("power lost before %s: %v", op, err)
			}
		}
		p.armed = true
	}
	if op.Kind == errorfs.Stat || p.rng.IntN(p.odds) > 0 {
		return nil
	}
	p.failures++
	if p.rng.IntN(3) == 0 {
		return &errorfs.ShortError{N: p.rng.IntN(3000), Err: errorfs.ErrInjected}
	}
	return errorfs.ErrInjected
}

// tryStep does one thing, and opens the log anew when it was poisoned or closed by it, or just so.
func (p *persevering) tryStep() {
	p.model.start = max(p.model.start, p.start)
	before := p.log
	p.armed = true
	err := p.step()
	p.armed = false
	if err != nil {
		p.start = max(p.start, p.model.start)
	}
	if log.CodeOf(err) == log.Corrupt {
		p.t.Fatal(err)
	}
	p.model.start = max(p.model.start, p.start)
	before.mu.Lock()
	failed := before.failed
	before.mu.Unlock()
	if p.log == before && (failed != nil || p.rng.IntN(25) == 0) {
		p.openAnew()
	}
	if err := p.model.verify(p.log); err != nil {
		p.t.Fatal(err)
	}
}

func (p *persevering) openAnew() {
	mem := p.mem
	if p.rng.IntN(2) == 0 {
		mem = mem.CrashClone(vfs.Randomly(p.rng))
	}
	p.use(mem)
	if err := p.open(); err != nil {
		p.t.Fatal(err)
	}
	if err := p.model.verify(p.log); err != nil {
		p.t.Fatal(err)
	}
	p.reopened()
	p.opened++
	p.start = p.log.StartOffset()
	p.model.start = p.start
}
