package vfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Choose decides what a power loss does: for each thing that may have n states it returns one, from 0 (as it was when last synced)
// to n-1 (as it was last written).
type Choose func(n int) int

// LoseAll is the power loss that keeps only what was synced.
func LoseAll(int) int { return 0 }

// KeepAll is the power loss that loses nothing, as when only the process dies.
func KeepAll(n int) int { return n - 1 }

// Randomly returns a Choose that draws from rng: once how much survives this time (nothing, little, half, most, all), then for each thing.
func Randomly(rng *rand.Rand) Choose {
	keep := []float64{0, 0.1, 0.5, 0.9, 1}[rng.IntN(5)]
	return func(n int) int {
		switch r := rng.Float64(); {
		case r < keep*0.7:
			return n - 1
		case r < keep:
			return rng.IntN(n)
		}
		return 0
	}
}

// CrashClone returns what the file system may look like after a power loss at this moment; m itself goes on unharmed. Each unsynced
// sector holds one of the contents it had since it was last durable, a file's size is one that it had or one between, and each unsynced
// creation, renaming and removal of a name has happened or not. Locks are gone. All that is left is durable.
func (m *MemFS) CrashClone(choose Choose) *MemFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := crash{choose: choose, done: map[memNode]memNode{}}
	return &MemFS{root: c.dir(m.root), locks: map[string]bool{}}
}

// crash clones a tree. done maps what has been cloned to its clone, since a node may be found under two names.
type crash struct {
	choose Choose
	done   map[memNode]memNode
}

func (c *crash) node(n memNode) memNode {
	if clone, ok := c.done[n]; ok {
		return clone
	}
	var clone memNode
	if dir, ok := n.(*memDir); ok {
		clone = c.dir(dir)
	} else {
		clone = c.file(n.(*memInode))
	}
	c.done[n] = clone
	return clone
}

func (c *crash) dir(d *memDir) *memDir {
	entries := maps.Clone(d.durable)
	for _, change := range d.changes {
		if c.choose(2) == 1 {
			d.apply(entries, change)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) { // sorted, so that a seed means one outcome
		entries[name] = c.node(entries[name])
	}
	return newMemDir(entries)
}

func (c *crash) file(n *memInode) *memInode {
	size := c.size(n)
	data := make([]byte, size)
	copy(data, n.data)
	for _, lost := range []map[int64][]*sector{n.dirty, n.forgotten} {
		for _, i := range slices.Sorted(maps.Keys(lost)) {
			versions := lost[i]
			if v := c.choose(len(versions) + 1); v < len(versions) {
				putSector(data, i, versions[v])
			}
		}
	}
	return newMemInode(data)
}

func putSector(data []byte, i int64, s *sector) {
	from := i * SectorSize
	if from >= int64(len(data)) {
		return
	}
	if s == nil {
		s = new(sector)
	}
	copy(data[from:], s[:])
}

// size picks one of the sizes that the file had since it was last synced, or one between that and the newest.
func (c *crash) size(n *memInode) int64 {
	now := int64(len(n.data))
	if len(n.sizes) == 0 {
		return now
	}
	pick := c.choose(len(n.sizes) + 2)
	if pick < len(n.sizes) {
		return n.sizes[pick]
	}
	if pick == len(n.sizes)+1 {
		return now
	}
	old := n.sizes[len(n.sizes)-1]
	low, high := min(old, now), max(old, now)
	return low + int64(c.choose(int(high-low)+1))
}
