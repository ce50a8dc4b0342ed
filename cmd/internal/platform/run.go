package platform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// part is one long-running piece with a context of its own, so that parts can be ended one after the other.
type part struct {
	name string
	run  func(context.Context) error
	stop context.CancelFunc
	done chan struct{}
	err  error
}

// Run serves until ctx ends or a part fails, and then ends everything in the order of dependence: the servers let nothing
// new in and finish the calls that they have, the process managers stop between two commands, the schedules fire no more, the engine commits what it has accepted, the projections finish their
// transactions, the audit trail writes what it has put aside, the log syncs. Nothing that was acknowledged is lost, and nothing runs when Run returns. Call it once.
func (p *Platform) Run(ctx context.Context) error {
	failed := make(chan struct{})
	var once sync.Once
	start := func(name string, run func(context.Context) error) *part {
		c, stop := context.WithCancel(context.WithoutCancel(ctx))
		t := &part{name: name, run: run, stop: stop, done: make(chan struct{})}
		go func() {
			defer close(t.done)
			if t.err = t.run(c); t.err != nil || c.Err() == nil {
				once.Do(func() { close(failed) }) // it ended before it was told to
			}
		}()
		return t
	}
	parts := []*part{start("log", p.Broker.Run), start("audit trail", p.Trail.Run), start("projections", p.Store.Run), start("keys of persons", p.Persons.Run), start("commands", p.Engine.Run), start("session keys", p.runSessionKeys)}
	if p.Bridge != nil {
		parts = append(parts, start("schedules", p.Bridge.Run))
	}
	if p.simulator != nil && !p.opts.Passive {
		parts = append(parts, start("payment simulator", p.simulator.Run))
	}
	if !p.opts.Passive {
		parts = append(parts, start("process managers", p.Processes.Run), start("upkeep", p.upkeep.Run))
	}
	for _, s := range p.servers {
		parts = append(parts, start("serve "+s.Addr().String(), s.run))
	}
	select {
	case <-ctx.Done():
	case <-failed:
	}
	return p.stop(parts)
}

// stop ends parts from the last to the first and returns their errors.
func (p *Platform) stop(parts []*part) error {
	var errs []error
	p.shutdown()
	for i := len(parts) - 1; i >= 0; i-- {
		t := parts[i]
		t.stop()
		<-t.done
		if t.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", t.name, t.err))
		}
	}
	return errors.Join(errs...)
}

// run answers calls until ctx ends. The calls end in shutdown.
func (s server) run(ctx context.Context) error {
	err := s.http.Serve(s.Listener)
	if errors.Is(err, http.ErrServerClosed) {
		<-ctx.Done()
		return nil
	}
	return err
}

// shutdown lets calls in flight finish, and closes the connections of those that take too long.
func (p *Platform) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), p.opts.ShutdownTimeout)
	defer cancel()
	var group sync.WaitGroup
	for _, s := range p.servers {
		group.Go(func() {
			err := s.http.Shutdown(ctx)
			if s.wait != nil {
				err = errors.Join(err, s.wait(ctx))
			}
			if err != nil {
				p.opts.Logger.Warn("calls were cut off at shutdown", "listener", s.Addr(), "after", p.opts.ShutdownTimeout, "error", err)
				_ = s.http.Close() // the connections are lost either way
			}
		})
	}
	group.Wait()
}
