package platform

import (
	"context"
	"fmt"

	"lodge/commands/process"
	"lodge/log"
)

// openProcesses makes the process managers. What they are given runs already when they do.
func (p *Platform) openProcesses(ctx context.Context) error {
	router, err := process.Open(ctx, p.Broker, process.Options{TimerPartitions: p.Partitions, Clock: p.opts.Clock, Logger: p.opts.Logger, Tracer: p.tracing.Tracer()})
	if err != nil {
		return fmt.Errorf("open the process managers: %w", err)
	}
	p.Processes = router
	p.upkeep, err = process.NewUpkeep(p.Engine, p.scheduler(), p.deadlines, process.UpkeepOptions{Clock: p.opts.Clock, Logger: p.opts.Logger})
	if err != nil {
		return err
	}
	return router.Register(p.upkeep.Handlers()...)
}

// scheduler returns the bridge, or nil when there is none.
func (p *Platform) scheduler() log.Scheduler {
	if p.Bridge == nil {
		return nil
	}
	return p.Bridge
}
