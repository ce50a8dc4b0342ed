package logtest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leakTime is how long goroutines may take to end: on a busy machine those of a server that is down do so long after it has said that it is.
const leakTime = 30 * time.Second

// VerifyTestMain runs a package's tests, and fails when goroutines are left: goleak.VerifyTestMain with more patience.
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

// VerifyNoLeaks fails a test that leaves goroutines behind which there were not when it was called.
func VerifyNoLeaks(t testing.TB) {
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
