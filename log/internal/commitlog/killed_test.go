package commitlog

import (
	"math/rand/v2"
	"testing"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// TestKilledThenPowerLoss kills the process anywhere in a random workload: nothing is lost, and nothing made durable. The next
// process opens the log and works on, until the power fails, at any operation. What was only in the page cache when the first one
// died must not be taken for durable by the second.
func TestKilledThenPowerLoss(t *testing.T) {
	eachSeed(t, *seedsFlag, func(t *testing.T, rng *rand.Rand) {
		seed := rng.Uint64()
		for n := 0; ; n += 1 + rng.IntN(3) {
			w := newWorld(t, rand.New(rand.NewPCG(seed, uint64(n%5))))
			w.opts.Config.RetentionBytes = 8 << 10
			kill := &errorfs.Nth{N: n, After: true, Match: func(op errorfs.Op) bool { return op.Mutates() }}
			if !w.workUntilKilled(kill) {
				break
			}
			w.workUntilPowerLoss(rng.IntN(60))
		}
	})
}

func (w *world) workUntilKilled(kill *errorfs.Nth) bool {
	w.inject = kill
	w.use(w.mem)
	err := w.open()
	for i := 0; i < 25 && err == nil; i++ {
		err = w.step()
	}
	return kill.Hit() != nil
}

func (w *world) workUntilPowerLoss(after int) {
	var lost []*vfs.MemFS
	var models []model
	n := 0
	w.inject = errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !op.Mutates() {
			return nil
		}
		if n++; n > after || len(lost) > 40 {
			return nil
		}
		for _, choose := range []vfs.Choose{vfs.LoseAll, vfs.Randomly(w.rng)} {
			lost = append(lost, w.mem.CrashClone(choose))
			m := w.model
			m.start = log.Offset(len(m.ids)) // the killed process may have moved it
			models = append(models, m)
		}
		return nil
	})
	w.use(w.mem)
	if err := w.open(); err != nil {
		w.t.Fatalf("open after a kill: %v", err)
	}
	for i, mem := range lost {
		if err := w.survive(mem, models[i], false); err != nil {
			w.t.Fatalf("power loss %d while opening after a kill: %v", i, err)
		}
	}
}
