package access

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
)

// TestHashesGetDearer: who signs in with a hash of another cost gets one of today's.
func TestHashesGetDearer(t *testing.T) {
	h := openHouse(t)
	h.signUp("ada@example.com")
	h.accounts.hasher = newHasher(HashCost{128, 2, 1})
	for range 2 {
		if _, err := h.accounts.SignIn(t.Context(), "ada@example.com", sesame, desk); err != nil {
			t.Fatal(err)
		}
		if k := h.accounts.byEmail("ada@example.com"); !strings.HasPrefix(k.password, "$argon2id$v=19$m=128,t=2,p=1$") {
			t.Error(k.password)
		}
		h.restart()
		h.accounts.hasher = newHasher(HashCost{128, 2, 1})
	}
}

// TestHashesWaitTheirTurn: so many at a time, so many waiting, and the others are told.
func TestHashesWaitTheirTurn(t *testing.T) {
	h := newHasher(HashCost{64, 1, 1})
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, hashesWaitingMax+1)
	for range hashesWaitingMax + 1 {
		go func() {
			_, err := h.make(ctx, sesame)
			failed <- err
		}()
	}
	if err := <-failed; log.CodeOf(err) != log.LimitReached {
		t.Error(err)
	}
	cancel()
	for range hashesWaitingMax {
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	<-h.slots
	if _, err := h.make(t.Context(), sesame); err != nil {
		t.Error(err)
	}
}

// TestAFloodOfSignIns: hashes are computed a few at a time, a few wait, and nobody longer than their call has time.
func TestAFloodOfSignIns(t *testing.T) {
	for processors, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 64: 32} {
		if got := hashesAtOnce(processors); got != want {
			t.Errorf("%d processors: %d, want %d", processors, got, want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(HashCost{64, 1, 1})
		var mu sync.Mutex
		running, peak, hashed := 0, 0, 0
		count := func(begun int) {
			mu.Lock()
			defer mu.Unlock()
			running += begun
			peak, hashed = max(peak, running), hashed+max(begun, 0)
		}
		open := make(chan struct{})
		h.derive = func(HashCost, string, []byte, int) []byte {
			count(1)
			<-open
			count(-1)
			return nil
		}
		const refused, late = 5, 3
		errs := make(chan error, cap(h.slots)+hashesWaitingMax+refused)
		sign := func(ctx context.Context, n int) {
			for range n {
				go func() {
					_, _, err := h.matches(ctx, "", sesame)
					errs <- err
				}()
			}
			synctest.Wait()
		}
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		sign(t.Context(), cap(h.slots))
		sign(t.Context(), hashesWaitingMax-late)
		sign(hurried, late)
		sign(t.Context(), refused)
		got := map[string]int{}
		collect := func(n int) {
			for range n {
				err := <-errs
				switch {
				case log.CodeOf(err) == log.LimitReached:
					got["refused"]++
				case errors.Is(err, context.DeadlineExceeded):
					got["late"]++
				case err == nil:
					got["done"]++
				default:
					t.Error(err)
				}
			}
		}
		collect(refused + late) // for these time goes by, as it does here once all wait
		close(open)
		collect(cap(errs) - refused - late)
		want := map[string]int{"refused": refused, "late": late, "done": cap(h.slots) + hashesWaitingMax - late}
		if !maps.Equal(got, want) || peak != cap(h.slots) || hashed != want["done"] || h.waiting.Load() != 0 {
			t.Errorf("%v, want %v; %d at once, %d hashed, %d wait", got, want, peak, hashed, h.waiting.Load())
		}
	})
}

// BenchmarkAuthenticate is what finding out who calls costs: by a token, and by a session.
func BenchmarkHash(b *testing.B) {
	h := newHasher(HashCost{})
	for b.Loop() {
		if _, err := h.make(b.Context(), sesame); err != nil {
			b.Fatal(err)
		}
	}
}
