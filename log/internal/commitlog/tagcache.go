package commitlog

import (
	"container/list"
	"sync"
)

// TagCache bounds the memory that tag indexes take, of one Log or of several: those not used for longest are dropped. They are read
// from their files, or made anew, when they are asked for again. Safe for concurrent use.
type TagCache struct {
	mu       sync.Mutex
	bytesMax int64
	bytes    int64
	used     list.List // of *tagEntry, the one used last in front
}

// tagEntry is an index in the cache. Guarded by TagCache.mu.
type tagEntry struct {
	index *tagIndex
	bytes int64
	place *list.Element
}

// tagCacheBytes is the bound for a Log that was given no cache; tagEntryBytes is what an empty index counts.
const (
	tagCacheBytes = 16 << 20
	tagEntryBytes = 512
)

// NewTagCache returns a cache for indexes of bytesMax together, and one more of any size.
func NewTagCache(bytesMax int64) *TagCache { return &TagCache{bytesMax: bytesMax} }

// Bytes returns about how many bytes the indexes take.
func (c *TagCache) Bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// put makes x the index of its owner, in place of another or none.
func (c *TagCache) put(x *tagIndex) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := x.owner.tags.Swap(x); old != nil {
		c.remove(old)
	}
	x.entry = &tagEntry{index: x, bytes: tagEntryBytes + int64(len(x.open.bloom))}
	for i := range x.stretches {
		x.entry.bytes += x.stretches[i].memory()
	}
	x.entry.place = c.used.PushFront(x.entry)
	c.bytes += x.entry.bytes
	c.shrink()
}

// touch notes that x is being used.
func (c *TagCache) touch(x *tagIndex) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.entry != nil {
		c.used.MoveToFront(x.entry.place)
	}
}

// grow notes that x takes more bytes.
func (c *TagCache) grow(x *tagIndex, bytes int64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.entry != nil {
		x.entry.bytes += bytes
		c.bytes += bytes
		c.used.MoveToFront(x.entry.place)
		c.shrink()
	}
}

// drop takes the index of s out, if it has one.
func (c *TagCache) drop(s *segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := s.tags.Swap(nil); x != nil {
		c.remove(x)
	}
}

// shrink drops what was not used for longest. mu must be held.
func (c *TagCache) shrink() {
	for c.bytes > c.bytesMax && c.used.Len() > 1 {
		x := c.used.Back().Value.(*tagEntry).index
		x.owner.tags.CompareAndSwap(x, nil)
		c.remove(x)
	}
}

// remove forgets x. mu must be held.
func (c *TagCache) remove(x *tagIndex) {
	if x.entry == nil {
		return
	}
	c.used.Remove(x.entry.place)
	c.bytes -= x.entry.bytes
	x.entry = nil
}
