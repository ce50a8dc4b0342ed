package main

import (
	"context"
	"encoding/json"
	"time"

	"lodge/cmd/internal/bench"
)

// benchClientCommand is the client process of bench.
type benchClientCommand struct {
	URL      string        `arg:"" help:"Server."`
	Clients  int           `arg:"" help:"Clients at a time."`
	Hotels   int           `arg:"" help:"Hotels that take turns."`
	Duration time.Duration `arg:"" help:"How long."`
}

// Run implements the command.
func (c *benchClientCommand) Run(ctx context.Context, m *Main) error {
	r, err := (&bench.Client{URL: c.URL, Clients: c.Clients, Hotels: c.Hotels, Duration: c.Duration}).Drive(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(m.Stdout).Encode(r)
}
