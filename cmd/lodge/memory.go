package main

import (
	"os"
	"runtime/debug"

	"lodge/cmd/internal/platform"
)

// A server allocates much that lives for one request only. Collecting when the heap has grown fivefold instead of twofold spares about
// a sixth of the processor under load; half of the machine's memory bounds what that may cost.
const (
	gcPercent       = 400
	memoryLimitPart = 2
)

// tuneMemory sets up garbage collection, unless the environment says how (GOGC, GOMEMLIMIT).
func tuneMemory() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	total, ok := platform.MemoryBytes()
	if !ok {
		return
	}
	debug.SetMemoryLimit(total / memoryLimitPart)
	debug.SetGCPercent(gcPercent)
}
