package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lodge/api"
	"lodge/api/access"
	"lodge/api/trail"
	"lodge/cmd/internal/tracing"
	"lodge/commands"
	"lodge/commands/payment"
	"lodge/commands/persons"
	"lodge/commands/process"
	"lodge/log"
	"lodge/log/broker"
	"lodge/log/natsbridge"
	"lodge/log/vfs"
	"lodge/projections"
	"lodge/projections/availability"
	"lodge/projections/eventindex"
	"lodge/projections/hotels"
	"lodge/projections/payments"
	"lodge/projections/reservations"
)

// Platform is all parts over one data folder. The parts may be used directly while Run runs.
type Platform struct {
	Broker    *broker.Broker
	Engine    *commands.Engine
	Store     *projections.Store
	Bridge    *natsbridge.Bridge // nil: without schedules
	Processes *process.Router
	Payments  *process.Payments
	Trail     *trail.Trail
	Persons   *persons.Keys
	API       *api.API

	Partitions int // of each topic

	dir     string
	opts    Options
	servers []server             // TCP first, if any
	metrics *prometheus.Registry // nil: there is no admin port
	tracing *tracing.Tracing     // nil: nothing is told in traces

	deadlines *process.Deadlines // what the engine wants timers for; nil: it looks at the time itself
	upkeep    *process.Upkeep
	simulator *payment.Simulator // nil: payments never went to it
	webhooks  map[string]http.Handler

	accounts    *access.Accounts
	sessionKeys *access.Keys
}

// server is an open listener and what answers there.
type server struct {
	net.Listener
	http *http.Server
	wait func(context.Context) error // after the server has shut down, for the answers that are not its own; nil: there are none
}

// Folders within the data folder.
const (
	logFolder        = "log"
	snapshotFolder   = "snapshots"
	projectionFolder = "projections"
	natsFolder       = "nats"
	proofFolder      = "proof"
	keysFolder       = "keys"
)

// LogFolder returns the broker's folder within a data folder.
func LogFolder(dir string) string { return filepath.Join(dir, logFolder) }

// Exists reports whether dir is a data folder.
func Exists(dir string) bool {
	info, err := os.Stat(LogFolder(dir))
	return err == nil && info.IsDir()
}

// InUseError says that another process has the data folder. It wraps the log's error, which names the process.
type InUseError struct {
	Dir string
	Err error
}

// Error names the folder, the process, and what can be done.
func (e *InUseError) Error() string {
	return fmt.Sprintf("data folder %s is in use: %v; stop that process or give --data another folder", e.Dir, e.Err)
}

// Unwrap returns the log's error.
func (e *InUseError) Unwrap() error { return e.Err }

// Open takes the data folder, making it when it is missing, rebuilds what is held in memory and listens. It starts no
// goroutine that outlives it. The error is an *InUseError when another process has the folder.
func Open(ctx context.Context, dir string, opts Options) (*Platform, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	p := &Platform{dir: dir, opts: opts.withDefaults()}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Platform) open(ctx context.Context) error {
	if err := checkFolder(p.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	for _, step := range []func(context.Context) error{p.openTracing, p.openLog, p.openEngine, p.openStore, p.openBridge, p.openProcesses, p.openPayments, p.openAccounts, p.openAPI} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return p.listen()
}

func (p *Platform) openTracing(ctx context.Context) (err error) {
	if p.opts.Traces {
		p.tracing, err = tracing.Open(ctx, p.opts.TracesEndpoint, p.opts.Logger)
	}
	return err
}

func (p *Platform) openLog(ctx context.Context) error {
	b, err := broker.Open(LogFolder(p.dir), broker.Options{
		Profile: p.opts.Profile, OffloadDir: p.opts.OffloadDir, Clock: p.opts.Clock, Logger: p.opts.Logger, Groups: broker.GroupOptions{Kept: process.IsGroup},
	})
	if log.CodeOf(err) == log.Locked {
		return &InUseError{Dir: p.dir, Err: err}
	}
	if err != nil {
		return err
	}
	p.Broker = b
	partitions := p.opts.Partitions
	topics, err := b.ListTopics(ctx)
	if err != nil || slices.ContainsFunc(topics, func(t log.TopicInfo) bool { return slices.Contains(commands.Topics(), t.Name) }) {
		partitions = 0 // as many as there are
	}
	p.Partitions, err = commands.CreateTopics(ctx, b, partitions, p.opts.Durability)
	return err
}

func (p *Platform) openEngine(ctx context.Context) error {
	var err error
	if p.Persons, err = persons.Open(vfs.Private, filepath.Join(p.dir, keysFolder)); err != nil {
		return err
	}
	opts := commands.Options{
		Persons: p.Persons, Partitions: p.Partitions, SnapshotDir: filepath.Join(p.dir, snapshotFolder), HoldTick: p.opts.HoldTick,
		Clock: p.opts.Clock, Logger: p.opts.Logger, OnOpen: p.opts.OnOpen, Tracer: p.tracing.Tracer(),
	}
	if !p.opts.NoSchedules && opts.HoldTick >= 0 { // a delayed record ends holds
		p.deadlines = process.NewDeadlines()
		opts.HoldTick, opts.OnHold = -1, p.deadlines.Put
	}
	e, err := commands.Open(ctx, p.Broker, opts)
	if err != nil {
		return fmt.Errorf("open the command engine: %w", err)
	}
	p.Engine = e
	return nil
}

// Projectors returns the read models that the platform keeps.
func Projectors() []projections.Projector {
	return []projections.Projector{hotels.New(), availability.New(), reservations.New(), payments.New(), eventindex.New()}
}

func (p *Platform) openStore(context.Context) error {
	s, err := projections.Open(filepath.Join(p.dir, projectionFolder), p.Broker, Projectors(),
		projections.Options{Partitions: p.Partitions, Logger: p.opts.Logger, Group: projections.GroupName, Tracer: p.tracing.Tracer(),
			WaitMax: time.Minute}) // who waits has a time of their own
	if err != nil {
		return fmt.Errorf("open the projections: %w", err)
	}
	p.Store = s
	return nil
}

func (p *Platform) openAPI(ctx context.Context) error {
	deps := api.Deps{
		Engine: p.Engine, Persons: p.Persons, Log: p.Broker, Store: p.Store, Scheduler: p.scheduler(), Processes: p.Processes,
		Parts: []api.Part{{Name: "processes", Check: p.Processes.Health}}, Webhooks: p.webhooks, Accounts: p.accounts,
	}
	if p.Bridge != nil {
		deps.Parts = append(deps.Parts, api.Part{Name: "schedules", Check: p.schedulesHealth})
	}
	if p.opts.AdminAddr != "" { // else nobody could look
		var err error
		if p.metrics, err = p.newMetrics(); err != nil {
			return err
		}
		deps.Metrics = p.metrics
	}
	var err error
	if deps.Access, err = access.Open(ctx, p.Broker, p.opts.Clock); err != nil {
		return err
	}
	if p.Trail, err = trail.Open(ctx, p.Broker, trail.Options{Retention: p.opts.AuditRetention, Clock: p.opts.Clock, Logger: p.opts.Logger}); err != nil {
		return err
	}
	deps.Trail = p.Trail
	deps.Parts = append(deps.Parts, api.Part{Name: "audit trail", Check: p.Trail.Health})
	if deps.OpenID, err = p.openID(); err != nil {
		return err
	}
	key, err := quoteKey(p.dir)
	if err != nil {
		return err
	}
	a, err := api.New(deps, api.Options{Clock: p.opts.Clock, Logger: p.opts.Logger, Tracer: p.tracing.Tracer(), QuoteKey: key, ProofDir: filepath.Join(p.dir, proofFolder), PaymentProviders: []string{p.Payments.Provider()},
		AuthRequired: p.opts.AuthRequired, PublicURL: p.opts.PublicURL, RateLimit: p.opts.RateLimit, RateBurst: p.opts.RateBurst, CORSOrigins: p.opts.CORSOrigins,
		GuestLimit: p.opts.GuestLimit, GuestBurst: p.opts.GuestBurst, TrustedProxies: p.opts.TrustedProxies, FreshTimeout: p.opts.FreshTimeout})
	if err != nil {
		return err
	}
	p.API = a
	return nil
}

func (p *Platform) listen() error {
	if p.opts.Addr != "" {
		l, err := net.Listen("tcp", p.opts.Addr)
		if err != nil {
			return fmt.Errorf("listen for the API: %w", err)
		}
		p.serve(l)
	}
	if p.opts.AdminAddr != "" {
		l, err := net.Listen("tcp", p.opts.AdminAddr)
		if err != nil {
			return fmt.Errorf("listen for metrics and profiles: %w", err)
		}
		p.servers = append(p.servers, server{Listener: l, http: p.adminServer()})
	}
	if p.opts.NoSocket {
		return nil
	}
	l, err := listenSocket(p.dir)
	if err != nil {
		return fmt.Errorf("listen for local tools: %w", err)
	}
	p.serve(l)
	return nil
}

// serve lets Run answer calls of the API at a listener.
func (p *Platform) serve(l net.Listener) {
	front := api.Listen(p.API, l)
	p.servers = append(p.servers, server{front, api.NewServer(p.API), front.Wait})
}

// Addr returns the address of the TCP port, or nil when there is none.
func (p *Platform) Addr() net.Addr {
	if p.opts.Addr == "" || len(p.servers) == 0 {
		return nil
	}
	return p.servers[0].Addr()
}

// Close releases the folder. Run must have returned.
func (p *Platform) Close() error {
	var errs []error
	for _, l := range p.servers {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if p.simulator != nil {
		errs = append(errs, p.simulator.Close())
	}
	if p.Bridge != nil {
		errs = append(errs, p.Bridge.Close())
	}
	if p.Store != nil {
		errs = append(errs, p.Store.Close())
	}
	if p.Persons != nil {
		errs = append(errs, p.Persons.Close())
	}
	if p.Broker != nil {
		errs = append(errs, p.Broker.Close())
	}
	errs = append(errs, p.tracing.Close(context.Background()))
	return errors.Join(errs...)
}
