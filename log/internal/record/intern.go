package record

import (
	"maps"
	"sync/atomic"
)

// Header names come from a small set and repeat with every record: those seen first are kept as
// strings, so that decoding does not make them anew. The table only grows, up to these limits.
const (
	internedNamesMax = 512
	internedBytesMax = 64
)

var interned atomic.Pointer[map[string]string]

// intern returns name as a string.
func intern(name []byte) string {
	table := interned.Load()
	if table != nil {
		if s, ok := (*table)[string(name)]; ok {
			return s
		}
	}
	s := string(name)
	if len(s) > internedBytesMax || table != nil && len(*table) >= internedNamesMax {
		return s
	}
	grown := map[string]string{s: s}
	if table != nil {
		grown = maps.Clone(*table)
		grown[s] = s
	}
	interned.CompareAndSwap(table, &grown) // who loses keeps its own string
	return s
}
