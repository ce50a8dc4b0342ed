package projections

import (
	"maps"
	"sync"

	"lodge/log"
)

// marks holds the next offset of each topic that a shard has committed, and wakes those who wait for more.
type marks struct {
	mu      sync.Mutex
	next    map[log.Topic]log.Offset
	changed chan struct{} // closed at the next change
}

func newMarks(next map[log.Topic]log.Offset) *marks {
	return &marks{next: next, changed: make(chan struct{})}
}

func (m *marks) set(topic log.Topic, next log.Offset) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next[topic] = next
	m.announce()
}

// wake makes those who wait look again, for another reason than a change.
func (m *marks) wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.announce()
}

func (m *marks) announce() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// get returns the topic's mark, whether it has one, and a channel that is closed when any mark changes.
func (m *marks) get(topic log.Topic) (log.Offset, bool, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next, ok := m.next[topic]
	return next, ok, m.changed
}

func (m *marks) all() map[log.Topic]log.Offset {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.next)
}
