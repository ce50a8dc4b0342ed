package platform

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroupMemoryMax is where a container's limit stands (cgroup v2).
const cgroupMemoryMax = "/sys/fs/cgroup/memory.max"

// MemoryBytes returns how much memory this process may count on: the machine's, or its container's if that is less. False: not known.
func MemoryBytes() (int64, bool) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, false
	}
	total := int64(info.Totalram) * int64(info.Unit)
	if text, err := os.ReadFile(cgroupMemoryMax); err == nil {
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit < total {
			total = limit
		}
	}
	return total, true
}
