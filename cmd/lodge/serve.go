package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"lodge/cmd/internal/platform"
	"lodge/commands"
	"lodge/log"
	"lodge/log/broker"
)

// serveCommand serves a data folder until it is told to stop.
type serveCommand struct {
	dataFlag
	Addr       string `help:"Host and port of the API." default:"localhost:8080" env:"LODGE_ADDR"`
	AdminAddr  string `help:"Host and port of metrics (/metrics) and profiles (/debug/pprof/); default: none." env:"LODGE_ADMIN_ADDR"`
	Partitions int    `help:"Partitions of each topic, for a new folder." default:"8"`
	Durability string `help:"What acknowledged means for bookings, for a new folder: sync (on disk), interval (on disk within 100 ms), none (page cache). Hotels and rooms are always on disk." enum:"sync,interval,none" default:"sync"`
	Profile    string `help:"What commits are tuned for: throughput or latency." enum:"throughput,latency" default:"throughput"`
	OffloadDir string `help:"Cold folder, on another disk perhaps, for old segments of topics with an offload age; it is remembered." placeholder:"DIR" type:"path" env:"LODGE_OFFLOAD_DIR"`
	NATSURL    string `help:"NATS servers (2.12 or newer, with JetStream) that are the clock of schedules, several by comma; default: one in this process." name:"nats-url" placeholder:"URL" env:"LODGE_NATS_URL"`
	NATSCreds  string `help:"Credentials file for --nats-url." name:"nats-credentials" placeholder:"FILE" type:"path" env:"LODGE_NATS_CREDENTIALS"`
	paymentFlags
	LogLevel slog.Level    `help:"Least level that is logged: debug, info, warn, error." default:"info" env:"LODGE_LOG_LEVEL"`
	LogJSON  bool          `help:"Log in JSON." env:"LODGE_LOG_JSON"`
	Grace    time.Duration `help:"How long calls in flight may take at shutdown." default:"10s"`
}

// Help shows examples.
func (serveCommand) Help() string {
	return `Serves Connect, gRPC, gRPC-Web, JSON and REST on one port, and the same for tools of this machine on the socket DIR/lodge.sock.
SIGINT or SIGTERM stops it: calls in flight finish, and nothing acknowledged is lost. Only one process at a time can have a data folder.

Examples:
  lodge serve
  lodge serve --data /var/lib/lodge --addr :8080
  lodge serve --nats-url nats://n1:4222,nats://n2:4222 --nats-credentials /etc/lodge/nats.creds
  lodge serve --payments stripe --stripe-key-file /etc/lodge/stripe.key --stripe-webhook-secret-file /etc/lodge/stripe.webhook
  curl http://localhost:8080/readyz`
}

// Run implements the command.
func (c *serveCommand) Run(ctx context.Context, m *Main) error {
	logger := c.logger(m)
	payments, err := c.paymentFlags.options()
	if err != nil {
		return err
	}
	r, err := start(ctx, c.Data, platform.Options{
		Addr: c.Addr, AdminAddr: c.AdminAddr, Partitions: c.Partitions, Durability: log.Durability(c.Durability), Profile: broker.Profile(c.Profile),
		OffloadDir: c.OffloadDir, Logger: logger, ShutdownTimeout: c.Grace, NATSURL: c.NATSURL, NATSCredentials: c.NATSCreds, Payments: payments,
		OnOpen: func(p commands.OpenProgress) {
			logger.Debug("state rebuilt", "partition", p.Partition, "from_snapshot", p.FromSnapshot, "replayed", p.Replayed, "total", p.Total)
		},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(m.Stdout, "lodge serves %s on http://%s (process %d)\n", c.Data, r.Addr(), os.Getpid())
	if err := r.wait(); err != nil {
		return err
	}
	fmt.Fprintln(m.Stdout, "lodge has stopped: everything that was acknowledged is on disk")
	return nil
}

func (c *serveCommand) logger(m *Main) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogJSON {
		return slog.New(slog.NewJSONHandler(m.Stderr, opts))
	}
	return slog.New(slog.NewTextHandler(m.Stderr, opts))
}
