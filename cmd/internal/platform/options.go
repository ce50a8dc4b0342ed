package platform

import (
	"fmt"
	"log/slog"
	"time"

	"lodge/api/openid"
	"lodge/commands"
	"lodge/commands/payment"
	"lodge/log"
	"lodge/log/broker"
)

// Options sets up a platform. The zero value of a field means its default.
type Options struct {
	Addr     string // host:port of the API; empty: no TCP port, only the socket. Port 0: any free one
	NoSocket bool   // no Unix socket either

	// AdminAddr is host:port of metrics (/metrics) and profiles (/debug/pprof/), for whoever runs the process; empty: none.
	AdminAddr string

	Partitions int              // of each topic of a new folder: default commands.PartitionsDefault(); an old folder keeps its own
	Durability log.Durability   // of each topic of a new folder: default log.Sync
	Profile    broker.Profile   // default broker.Throughput
	HoldTick   time.Duration    // as commands.Options.HoldTick, where there are no schedules; negative: holds do not expire by themselves
	Clock      func() time.Time // default time.Now
	Logger     *slog.Logger     // default: discard

	Payments PaymentsOptions // default the simulator

	// Passive is for a tool that looks: process managers do not run, no payment provider is asked, holds do not end by themselves. Commands and
	// queries are answered, schedules fire; what they lead to waits for whoever serves next.
	Passive bool

	// OffloadDir is the cold folder, as broker.Options.OffloadDir.
	OffloadDir string

	// NATSURL names the NATS servers that are the clock of schedules, several by comma, and NATSCredentials a file for them. Empty: a server in
	// this process. NoSchedules: no clock at all; what is pending stays so, and holds end by HoldTick.
	NATSURL         string
	NATSCredentials string
	NoSchedules     bool

	// AuthRequired asks callers for tokens, except over the socket; the others are as api.Options'.
	AuthRequired bool
	PublicURL    string         // as api.Options'
	OpenID       openid.Options // whose word is taken for who somebody is; no issuer: nobody's. Where browsers are sent back to, keys and clock are the platform's to fill in
	RateLimit    float64
	RateBurst    int
	CORSOrigins  []string

	GuestLimit     float64 // these, too
	GuestBurst     int
	TrustedProxies []string
	FreshTimeout   time.Duration

	// Traces has traces told to the collector that TracesEndpoint or the standard variables name, if any: as tracing.Open.
	Traces         bool
	TracesEndpoint string

	// AuditRetention is how long the audit trail is kept; 0: as long as it was, trail.RetentionDefault in a new folder.
	AuditRetention time.Duration

	// ShutdownTimeout is how long calls in flight may take when Run ends. Default 10 s; then their connections are closed.
	ShutdownTimeout time.Duration

	// OnOpen is told how far Open has got, as commands.Options.OnOpen.
	OnOpen func(commands.OpenProgress)
}

func (o Options) withDefaults() Options {
	if o.Durability == "" {
		o.Durability = log.Sync
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Payments.Provider == "" {
		o.Payments.Provider = payment.SimulatorName
	}
	if o.ShutdownTimeout == 0 {
		o.ShutdownTimeout = 10 * time.Second
	}
	return o
}

// Validate returns an error for a setting out of its range. What belongs to a part is checked by that part.
func (o Options) Validate() error {
	if o.Partitions < 0 || o.Partitions > log.PartitionsMax {
		return fmt.Errorf("platform: %d partitions are not in [0, %d]", o.Partitions, log.PartitionsMax)
	}
	if o.ShutdownTimeout < 0 {
		return fmt.Errorf("platform: the shutdown timeout is negative")
	}
	if o.NATSCredentials != "" && o.NATSURL == "" {
		return fmt.Errorf("platform: credentials for NATS need its URL")
	}
	return nil
}
