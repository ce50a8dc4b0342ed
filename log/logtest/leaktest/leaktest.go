// Package leaktest fails tests that leave goroutines behind, with more patience than goleak, which does the looking: 0.4 s is little on a machine that does
// something else. It knows nothing of the log, so every package's tests may use it.
//
//	func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }
package leaktest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leakTime is how long goroutines may take to end: on a busy machine those of a server that is down do so long after it has said that it is.
const leakTime = 30 * time.Second

// VerifyTestMain runs a package's tests, and fails when goroutines are left 30 s after.
func VerifyTestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := leaked(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines are left:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// VerifyNone fails a test that leaves goroutines behind which there were not when it was called, 30 s after its end.
func VerifyNone(t testing.TB) {
	t.Helper()
	there := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if err := leaked(there); err != nil {
			t.Error(err)
		}
	})
}

func leaked(options ...goleak.Option) (err error) {
	for end := time.Now().Add(leakTime); ; {
		if err = goleak.Find(options...); err == nil || time.Now().After(end) {
			return err
		}
	}
}
