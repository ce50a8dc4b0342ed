package projections

import (
	"slices"
	"sync"

	"lodge/log"
)

// Applied tells what a projection's tables have taken in.
type Applied struct {
	Partition log.Partition
	Topic     log.Topic
	Events    []Event // of the topic, in order; shared, not to be changed or kept

	// All says that anything may have changed: other tables are in service, or somebody else has written to them. Then nothing else is set.
	All bool
}

// listeners are told of what a projection's tables take in.
type listeners struct {
	mu  sync.RWMutex
	all []*listener
}

type listener struct{ tell func(Applied) }

// Listen has f called for every batch of events that the projection's tables take in: behind its commit, so that a View begun from then on sees
// it, and before any WaitFor of its events returns. What is derived from rows and thrown away by f is therefore never older than a
// position that was waited for. Tables that are being made beside those in service may be told of too. Calls come from several goroutines, hold up the
// applying one, and must not call the store. stop ends them; one may then still be under way.
func (s *Store) Listen(name string, f func(Applied)) (stop func(), err error) {
	p, err := s.find(name, 0)
	if err != nil {
		return nil, err
	}
	l := &listener{f}
	p.listeners.mu.Lock()
	defer p.listeners.mu.Unlock()
	p.listeners.all = append(p.listeners.all, l)
	return func() {
		p.listeners.mu.Lock()
		defer p.listeners.mu.Unlock()
		p.listeners.all = slices.DeleteFunc(slices.Clone(p.listeners.all), func(x *listener) bool { return x == l })
	}, nil
}

func (l *listeners) tell(a Applied) {
	l.mu.RLock()
	all := l.all
	l.mu.RUnlock()
	for _, x := range all {
		x.tell(a)
	}
}
