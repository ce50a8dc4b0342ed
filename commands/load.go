package commands

import "lodge/log"

// Load tells how busy a partition is at one moment.
type Load struct {
	Partition log.Partition
	Waiting   int // commands that are not decided yet, at most Options.QueueMax
	InFlight  int // decided commands that are not committed yet, at most Options.InFlightMax
}

// Load returns the load of every partition. For watching; it takes two locks for a moment each.
func (e *Engine) Load() []Load {
	all := make([]Load, 0, len(e.processors))
	for _, p := range e.processors {
		l := Load{Partition: p.partition}
		p.queue.mu.Lock()
		l.Waiting = len(p.queue.waiting)
		p.queue.mu.Unlock()
		p.pipe.mu.Lock()
		l.InFlight = p.pipe.inFlight
		p.pipe.mu.Unlock()
		all = append(all, l)
	}
	return all
}
