package natsbridge

import (
	"container/heap"
	"slices"
	"sort"
	"strconv"
	"strings"

	"lodge/log"
)

// place says where a pending schedule is.
type place uint8

const (
	far    place = iota // its ring is awaited; in pending.far
	near                // waits for its due time on the bridge's own timer; in pending.near
	firing              // in the round; nobody else touches it
	parked              // due, but its target partition takes no records now
	held                // its append was begun and failed: whether it was written is known when the log is opened again
)

// entry is what is kept in memory of a pending schedule: not its record, which is read when it fires.
type entry struct { // all but at and place never changes
	id    string
	gen   log.Offset // of its record in __schedules
	due   int64      // nanoseconds since 1970
	size  uint32     // of the record's value
	at    int32      // index in its heap; owned by dueHeap
	place place
	cron  bool
}

// generation is how headers name e's.
func (e *entry) generation() string { return strconv.FormatInt(int64(e.gen), 10) }

// before orders by due time, ties by when they were scheduled.
func (e *entry) before(other *entry) bool {
	return e.due < other.due || e.due == other.due && e.gen < other.gen
}

// pending holds all schedules that have not fired.
type pending struct {
	ids  ids
	far  dueHeap
	near dueHeap
}

// put adds e to the heap that p names.
func (q *pending) put(e *entry, p place) {
	e.place = p
	switch p {
	case far:
		heap.Push(&q.far, e)
	case near:
		heap.Push(&q.near, e)
	}
}

// take takes e out of the heap it is in.
func (q *pending) take(e *entry) {
	switch e.place {
	case far:
		heap.Remove(&q.far, int(e.at))
	case near:
		heap.Remove(&q.near, int(e.at))
	}
}

// move takes e to another place.
func (q *pending) move(e *entry, p place) {
	q.take(e)
	q.put(e, p)
}

// dueHeap is a heap whose first entry is due first.
type dueHeap []*entry

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].before(h[j]) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = int32(i), int32(j)
}

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	e := x.(*entry)
	e.at = int32(len(*h))
	*h = append(*h, e)
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}

// first returns the entry due first, or nil.
func (h dueHeap) first() *entry {
	if len(h) == 0 {
		return nil
	}
	return h[0]
}

// ids holds entries by id, in sorted chunks: 8 bytes for each, and no sorting to list them.
type ids struct {
	chunks [][]*entry // none empty; each at most chunkMax
	n      int
}

const chunkMax = 512

func byID(e *entry, id string) int { return strings.Compare(e.id, id) }

// find returns where id is, or belongs.
func (s *ids) find(id string) (chunk, i int, found bool) {
	chunk = sort.Search(len(s.chunks), func(c int) bool { return s.chunks[c][len(s.chunks[c])-1].id >= id })
	if chunk == len(s.chunks) {
		return chunk, 0, false
	}
	i, found = slices.BinarySearchFunc(s.chunks[chunk], id, byID)
	return chunk, i, found
}

func (s *ids) get(id string) *entry {
	if c, i, ok := s.find(id); ok {
		return s.chunks[c][i]
	}
	return nil
}

// set adds e or replaces the one with its id.
func (s *ids) set(e *entry) {
	c, i, found := s.find(e.id)
	if found {
		s.chunks[c][i] = e
		return
	}
	s.n++
	if c == len(s.chunks) {
		if c == 0 {
			s.chunks = append(s.chunks, []*entry{e})
			return
		}
		c--
		i = len(s.chunks[c])
	}
	s.chunks[c] = slices.Insert(s.chunks[c], i, e)
	if full := s.chunks[c]; len(full) > chunkMax {
		cut := chunkMax / 2
		if c == len(s.chunks)-1 {
			cut = chunkMax - 8 // ids that ascend leave full chunks behind
		}
		s.chunks = slices.Insert(s.chunks, c+1, slices.Clone(full[cut:]))
		clear(full[cut:])
		s.chunks[c] = full[:cut:cut]
	}
}

func (s *ids) delete(id string) {
	c, i, found := s.find(id)
	if !found {
		return
	}
	s.n--
	s.chunks[c] = slices.Delete(s.chunks[c], i, i+1)
	if len(s.chunks[c]) == 0 {
		s.chunks = slices.Delete(s.chunks, c, c+1)
	}
}

// after returns up to limit entries with ids above after, in order of id.
func (s *ids) after(after string, limit int) []*entry {
	var found []*entry
	c, i, exact := s.find(after)
	if exact {
		i++
	}
	for ; c < len(s.chunks) && len(found) < limit; c, i = c+1, 0 {
		chunk := s.chunks[c][i:]
		found = append(found, chunk[:min(len(chunk), limit-len(found))]...)
	}
	return found
}
