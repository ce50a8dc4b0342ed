//go:build !linux

package platform

// MemoryBytes returns how much memory this process may count on. It is known on Linux only.
func MemoryBytes() (int64, bool) { return 0, false }
