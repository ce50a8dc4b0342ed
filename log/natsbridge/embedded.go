package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// startTimeMax bounds how long the embedded server may take to start, with a million schedules in its store.
const startTimeMax = time.Minute

// embedded is a NATS server in this process, which nobody else can reach: it listens nowhere.
type embedded struct {
	server *server.Server
}

// startEmbedded starts a server with its store in dir. A store that it cannot open is removed: all that was in it is in the log.
func startEmbedded(dir string, opts Options) (*embedded, error) {
	e, err := tryEmbedded(dir, opts)
	if err == nil {
		return e, nil
	}
	opts.Logger.Warn("the NATS store cannot be opened and is made anew", "folder", dir, "error", err)
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("remove %s: %w", dir, err)
	}
	return tryEmbedded(dir, opts)
}

func tryEmbedded(dir string, opts Options) (*embedded, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make %s: %w", dir, err)
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "lodge", DontListen: true, NoSigs: true, DisableJetStreamBanner: true,
		JetStream: true, StoreDir: dir, SyncInterval: opts.SyncInterval, NoSystemAccount: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make the NATS server: %w", err)
	}
	s.SetLoggerV2(natsLogger{opts.Logger.With("component", "nats")}, false, false, false)
	s.Start()
	e := &embedded{server: s}
	if !s.ReadyForConnections(startTimeMax) || !s.JetStreamEnabled() {
		e.stop()
		return nil, errors.New("the NATS server did not start: see its log")
	}
	return e, nil
}

// stop ends the server and waits for it.
func (e *embedded) stop() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

// connect returns a connection that nothing but the bridge's session uses. It ends with the first interruption.
func (b *Bridge) connect(closed func()) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("lodge schedules"), nats.NoReconnect(), nats.Timeout(5 * time.Second), nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ClosedHandler(func(*nats.Conn) { closed() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { b.opts.Logger.Warn("NATS", "error", err) }),
	}
	if b.nats != nil {
		return nats.Connect("", append(options, nats.InProcessServer(b.nats.server))...)
	}
	if b.opts.Credentials != "" {
		options = append(options, nats.UserCredentials(b.opts.Credentials))
	}
	return nats.Connect(b.opts.URL, options...)
}

// natsLogger hands the server's log on. What the server calls fatal is an error here: the process is not the server's.
type natsLogger struct{ to *slog.Logger }

func (l natsLogger) log(level slog.Level, format string, v []any) {
	if l.to.Enabled(context.Background(), level) {
		l.to.Log(context.Background(), level, fmt.Sprintf(format, v...))
	}
}

func (l natsLogger) Noticef(format string, v ...any) { l.log(slog.LevelDebug, format, v) }
func (l natsLogger) Warnf(format string, v ...any)   { l.log(slog.LevelWarn, format, v) }
func (l natsLogger) Fatalf(format string, v ...any)  { l.log(slog.LevelError, format, v) }
func (l natsLogger) Errorf(format string, v ...any)  { l.log(slog.LevelError, format, v) }
func (l natsLogger) Debugf(format string, v ...any)  { l.log(slog.LevelDebug, format, v) }
func (l natsLogger) Tracef(format string, v ...any)  { l.log(slog.LevelDebug, format, v) }
