package commitlog

import "lodge/log"

// Config returns the settings in force. They are replaced as a whole and must not be changed. It takes no lock: for
// any goroutine, readers too.
func (l *Log) Config() *log.TopicConfig { return l.config.Load() }

// SetConfig puts other settings in force, and says anew whether zeros are kept ahead of the writer. It is the writer's, and waits for
// the background work that is under way. Durability sync takes for granted that full segments are on disk, so a change to it makes everything
// appended so far durable first; after an error of that sync the Log is poisoned and keeps its settings. Codes: InvalidArgument, Poisoned,
// Closed.
func (l *Log) SetConfig(c log.TopicConfig, zero bool) error {
	c = c.WithDefaults()
	if err := validateConfig(c); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	if c.Durability == log.Sync && l.Config().Durability != log.Sync {
		if err := l.sync(); err != nil {
			return err
		}
	}
	l.config.Store(&c)
	l.opts.Zero = zero
	return nil
}
