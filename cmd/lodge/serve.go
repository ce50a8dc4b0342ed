package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
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
	Addr         string  `help:"Host and port of the API." default:"localhost:8080" env:"LODGE_ADDR"`
	AdminAddr    string  `help:"Host and port of metrics (/metrics) and profiles (/debug/pprof/); default: none." env:"LODGE_ADMIN_ADDR"`
	Partitions   int     `help:"Partitions of each topic, for a new folder; 0: one for every two processors, from 2 to 8." default:"0"`
	Durability   string  `help:"What acknowledged means for bookings, for a new folder: sync (on disk), interval (on disk within 100 ms), none (page cache). Hotels and rooms are always on disk." enum:"sync,interval,none" default:"sync"`
	Profile      string  `help:"What commits are tuned for: throughput or latency." enum:"throughput,latency" default:"throughput"`
	OffloadDir   string  `help:"Cold folder, on another disk perhaps, for old segments of topics with an offload age; it is remembered." placeholder:"DIR" type:"path" env:"LODGE_OFFLOAD_DIR"`
	NATSURL      string  `help:"NATS servers (2.12 or newer, with JetStream) that are the clock of schedules, several by comma; default: one in this process." name:"nats-url" placeholder:"URL" env:"LODGE_NATS_URL"`
	NATSCreds    string  `help:"Credentials file for --nats-url." name:"nats-credentials" placeholder:"FILE" type:"path" env:"LODGE_NATS_CREDENTIALS"`
	Auth         string  `help:"Whether callers of the port must say who they are: required (by a token or a session, see lodge tokens and lodge accounts) or open (everybody may do everything: for loopback and demos only)." enum:"open,required" default:"open" env:"LODGE_AUTH"`
	PublicURL    string  `help:"Where browsers reach the server, as in https://lodge.example; with https, cookies are for TLS only. A proxy on this machine that passes its name on needs it with --auth open. Default: not known." name:"public-url" placeholder:"URL" env:"LODGE_PUBLIC_URL"`
	RateLimit    float64 `help:"Calls a second of one client, a token or an address, in the long run; 0: any number." default:"0" env:"LODGE_RATE_LIMIT"`
	RateBurst    int     `help:"Calls of one client at once; 0: those of a second." default:"0" env:"LODGE_RATE_BURST"`
	OTLPEndpoint string  `help:"OpenTelemetry collector that traces go to, as in http://localhost:4318 (OTLP over HTTP; gRPC with OTEL_EXPORTER_OTLP_PROTOCOL=grpc); the other OTEL_* variables count, too. Default: $OTEL_EXPORTER_OTLP_ENDPOINT, or no traces." name:"otlp-endpoint" placeholder:"URL"`
	paymentFlags
	oidcFlags

	CORSOrigins []string `help:"Origins of browser apps that may call, several by comma, as in https://app.example; default: none. *, any, only with --auth required." name:"cors-origins" placeholder:"ORIGIN" env:"LODGE_CORS_ORIGINS"`

	GuestRateLimit float64  `help:"Rooms a second that guests of one address, and of one account, may reserve by themselves, in the long run, with --auth required; 0: any number. Loopback and private addresses are limited with --trusted-proxies only." default:"1" env:"LODGE_GUEST_RATE_LIMIT"`
	GuestRateBurst int      `help:"Rooms that they may reserve at once; 0: those of a second." default:"30" env:"LODGE_GUEST_RATE_BURST"`
	TrustedProxies []string `help:"Proxies before the server, addresses or CIDRs, several by comma, as in 10.0.0.7,192.168.0.0/24: their X-Forwarded-For says who calls; default: none." placeholder:"CIDR" env:"LODGE_TRUSTED_PROXIES"`

	FreshTimeout time.Duration `help:"How long an answer waits for the read models: that to a change, which then has what the change says by itself, and that to a query with min_position; 1m at most." default:"2s" env:"LODGE_FRESH_TIMEOUT"`

	AuditKeep time.Duration `help:"How long the audit trail is kept, at least 1h; it is remembered. Default: 9600h (400 days) in a new folder." placeholder:"9600h" env:"LODGE_AUDIT_KEEP"`

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
  lodge serve --data /var/lib/lodge --addr :8080 --auth required --rate-limit 100
  lodge serve --auth required --public-url https://lodge.example --trusted-proxies 127.0.0.1,::1
  lodge serve --auth required --cors-origins https://app.example,http://localhost:5173
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
	provider, err := c.oidcFlags.options()
	if err != nil {
		return err
	}
	if c.Auth != authRequired && beyondLoopback(c.Addr) {
		logger.Warn("everybody who reaches the port may do everything: give --auth required, or listen on loopback only", "addr", c.Addr)
	}
	r, err := start(ctx, c.Data, platform.Options{
		Addr: c.Addr, AdminAddr: c.AdminAddr, Partitions: c.Partitions, Durability: log.Durability(c.Durability), Profile: broker.Profile(c.Profile),
		OffloadDir: c.OffloadDir, Logger: logger, ShutdownTimeout: c.Grace, NATSURL: c.NATSURL, NATSCredentials: c.NATSCreds, Payments: payments,
		AuthRequired: c.Auth == authRequired, PublicURL: c.PublicURL, OpenID: provider, RateLimit: c.RateLimit, RateBurst: c.RateBurst, CORSOrigins: c.CORSOrigins, Traces: true, TracesEndpoint: c.OTLPEndpoint,
		AuditRetention: c.AuditKeep, GuestLimit: c.GuestRateLimit, GuestBurst: c.GuestRateBurst, TrustedProxies: c.TrustedProxies,
		FreshTimeout: c.FreshTimeout,
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

const authRequired = "required"

// beyondLoopback reports whether others than this machine's programs can reach an address. A name that cannot be looked up is left to the listener.
func beyondLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if ip := net.ParseIP(host); ip != nil {
		return !ip.IsLoopback()
	}
	return host != "localhost"
}

func (c *serveCommand) logger(m *Main) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogJSON {
		return slog.New(slog.NewJSONHandler(m.Stderr, opts))
	}
	return slog.New(slog.NewTextHandler(m.Stderr, opts))
}
