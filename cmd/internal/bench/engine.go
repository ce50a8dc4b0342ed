package bench

import (
	"context"

	"lodge/cmd/internal/platform"
	"lodge/commands"
	"lodge/log/broker"
)

// reopenEngine opens log and engine of a house's folder without projections and API, so that nothing else takes the processors' time.
func reopenEngine(ctx context.Context, dir string, built *house) (*house, func() error, error) {
	lg, err := broker.Open(platform.LogFolder(dir), broker.Options{})
	if err != nil {
		return nil, nil, err
	}
	engine, err := commands.Open(ctx, lg, commands.Options{Partitions: built.Partitions, HoldTick: -1})
	if err != nil {
		return nil, nil, firstError(func() error { return err }, lg.Close)
	}
	h := &house{Platform: &platform.Platform{Broker: lg, Engine: engine, Partitions: built.Partitions}, hotels: built.hotels, today: built.today}
	stopLog, stopEngine := background(ctx, lg.Run), background(ctx, engine.Run)
	return h, func() error { return firstError(stopEngine, stopLog, lg.Close) }, nil
}
