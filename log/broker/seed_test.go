package broker

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"lodge/log/vfs/errorfs"
)

// seeds runs a random test with n seeds (times -long; a quarter of them with -short), or with the one given by -seed.
func seeds(t *testing.T, n int, test func(*testing.T, *rand.Rand)) {
	if testing.Short() {
		n = max(1, n/4)
	}
	first, last := uint64(1), uint64(n**longFlag)
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			test(t, rand.New(rand.NewPCG(seed, 0)))
			if t.Failed() {
				t.Logf("replay with: go test ./log/broker -run '%s' -seed %d", t.Name(), seed)
			}
		})
	}
}

// mutations calls inject before operations that change something.
func mutations(inject func(errorfs.Op) error) errorfs.Injector {
	return errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !op.Mutates() {
			return nil
		}
		return inject(op)
	})
}
