package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"lodge/api"
	"lodge/cmd/internal/platform"
)

// running is a platform that runs in this process until stop.
type running struct {
	*platform.Platform
	cancel context.CancelFunc
	done   chan error
}

// start opens and runs a platform, and returns when it answers queries.
func start(ctx context.Context, dir string, opts platform.Options) (*running, error) {
	p, err := platform.Open(ctx, dir, opts)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &running{Platform: p, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- p.Run(ctx) }()
	return r, r.until(ctx, p.WaitReady)
}

// until waits for something that comes while the platform runs. A platform that fails or is stopped meanwhile is closed.
func (r *running) until(ctx context.Context, wait func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	waited := make(chan error, 1)
	go func() { waited <- wait(ctx) }()
	select {
	case err := <-waited:
		if err != nil {
			return errors.Join(err, r.stop())
		}
		return nil
	case err := <-r.done:
		cancel()
		return errors.Join(errors.New("stopped before it was ready"), err, <-waited, r.Close())
	}
}

// stop ends the platform gracefully and releases its folder.
func (r *running) stop() error {
	r.cancel()
	return errors.Join(<-r.done, r.Close())
}

// wait blocks until the platform ends by itself or ctx does, and releases its folder.
func (r *running) wait() error { return errors.Join(<-r.done, r.Close()) }

// server is the API of a data folder, in another process or in this one.
type server struct {
	client *http.Client
	url    string
	own    *running // nil: another process serves the folder
}

// reach leads to the server of a data folder. A folder that nobody serves is served by this process until close, and does nothing by itself meanwhile: who looks at
// a stopped house neither charges guests nor ends their holds.
func reach(ctx context.Context, dir string) (*server, error) {
	if client, ok := platform.Dial(ctx, dir); ok {
		return &server{client: because(ctx, client), url: platform.SocketURL}, nil
	}
	if !platform.Exists(dir) {
		return nil, fmt.Errorf("%s is not a data folder: lodge import or lodge serve makes one", dir)
	}
	own, err := start(ctx, dir, platform.Options{Logger: slog.New(slog.DiscardHandler), Passive: true})
	if err == nil {
		err = own.until(ctx, own.WaitCaughtUp)
	}
	if err != nil {
		return nil, err
	}
	client, ok := platform.Dial(ctx, dir)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the socket of %s does not answer", dir), own.stop())
	}
	return &server{client: because(ctx, client), url: platform.SocketURL, own: own}, nil
}

type reasonKey struct{}

// because makes a client say with each call why it is made, if the command line does.
func because(ctx context.Context, client *http.Client) *http.Client {
	if reason, _ := ctx.Value(reasonKey{}).(string); reason != "" {
		client.Transport = &reasoned{client.Transport, "UTF-8''" + url.PathEscape(reason)}
	}
	return client
}

// reasoned adds the header Lodge-Reason to requests.
type reasoned struct {
	http.RoundTripper
	reason string
}

// RoundTrip implements http.RoundTripper.
func (t *reasoned) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(api.HeaderReason, t.reason)
	return t.RoundTripper.RoundTrip(r)
}

// CloseIdleConnections is for http.Client.
func (t *reasoned) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// close hangs up, and ends the platform if it is this process's.
func (s *server) close() error {
	s.client.CloseIdleConnections()
	if s.own == nil {
		return nil
	}
	return s.own.stop()
}

// withServer connects to the server of a data folder, calls f and hangs up.
func withServer(ctx context.Context, dir string, f func(*server) error) error {
	s, err := reach(ctx, dir)
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.close())
}
