package platform

import (
	"context"
	"fmt"
	"path/filepath"

	"lodge/log/natsbridge"
)

// openBridge takes over the schedules, with a NATS server in this process or the one that is named.
func (p *Platform) openBridge(ctx context.Context) error {
	if p.opts.NoSchedules {
		return nil
	}
	opts := natsbridge.Options{URL: p.opts.NATSURL, Credentials: p.opts.NATSCredentials, Clock: p.opts.Clock, Logger: p.opts.Logger}
	if opts.URL == "" {
		opts.StoreDir = filepath.Join(p.dir, natsFolder)
	}
	b, err := natsbridge.Open(ctx, p.Broker, opts)
	if err != nil {
		return fmt.Errorf("open the schedules: %w", err)
	}
	p.Bridge = b
	return nil
}

// schedulesHealth says how the schedules are. Without NATS they fire all the same, by the bridge's own timers.
func (p *Platform) schedulesHealth() (healthy bool, message string) {
	s := p.Bridge.Stats()
	message = fmt.Sprintf("%d pending", s.Pending)
	if !s.Connected {
		message += ", without NATS: " + s.Err
	}
	if s.Held > 0 {
		return false, message + fmt.Sprintf("; %d cannot fire before the log is opened again", s.Held)
	}
	return true, message
}
