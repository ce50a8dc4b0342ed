package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options say what is taken and how.
type Options struct {
	// Takes tells from the head of a request whether it is answered here. Called by several goroutines at once.
	Takes func(*http.Request) bool
	// ConnContext makes the context of a connection's requests; nil: nothing is added. As in http.Server.
	ConnContext func(context.Context, net.Conn) context.Context
	// HeadTimeout bounds how long a request takes to arrive, and a new connection its first; 0: 10 s.
	HeadTimeout time.Duration
	// IdleTimeout bounds how long a connection stays between two requests, and how long an answer waits for the client to take it, and may end it a fourth
	// of that earlier; 0: 2 min.
	IdleTimeout time.Duration
	Logger      *slog.Logger // of panics, and of errors that pass; nil: slog.Default()
}

// Listener accepts connections, answers the plain requests at their beginning, and hands them on with the first that is not. Safe for concurrent use.
type Listener struct {
	inner   net.Listener
	handler http.Handler
	opts    Options

	handed chan net.Conn
	failed chan error    // of the inner listener
	closed chan struct{} // by Close
	begin  func()
	end    func() error

	mu    sync.Mutex
	conns map[*conn]struct{} // none comes any more, and none stays without a request, once it is over
	empty chan struct{}      // closed when it is over and no connection is left
}

// Listen returns a listener that accepts from inner once Accept is called. Close ends it.
func Listen(inner net.Listener, handler http.Handler, opts Options) *Listener {
	if opts.HeadTimeout <= 0 {
		opts.HeadTimeout = 10 * time.Second
	}
	if opts.IdleTimeout <= 0 {
		opts.IdleTimeout = 2 * time.Minute
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	l := &Listener{
		inner: inner, handler: handler, opts: opts, handed: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{}),
		conns: map[*conn]struct{}{}, empty: make(chan struct{}),
	}
	l.begin = sync.OnceFunc(func() { go l.accept() })
	l.end = sync.OnceValue(l.close)
	return l
}

// Accept implements net.Listener: it returns the connections that are for the server.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed: // whatever else is ready
		return nil, net.ErrClosed
	default:
	}
	l.begin()
	select {
	case c := <-l.handed:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Close implements net.Listener. Connections without a request end; the others end with their answer: see Wait.
func (l *Listener) Close() error { return l.end() }

func (l *Listener) close() error {
	close(l.closed)
	err := l.inner.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.wake()
	}
	l.sweep()
	return err
}

// Wait waits until the last answer is written, which Close must come before. When ctx ends first, it cuts the connections off, ends their requests' contexts
// and returns an error.
func (l *Listener) Wait(ctx context.Context) error {
	select {
	case <-l.empty:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	count := len(l.conns)
	if l.isOver() && count == 0 {
		return nil
	}
	for c := range l.conns {
		c.cancel()
		_ = c.Close() // whatever it says, it is over
	}
	return fmt.Errorf("%d requests were cut off: %w", count, context.Cause(ctx))
}

// accept accepts until the inner listener is closed. It waits after errors that pass, such as too many open files, as the server would: that would take no
// connection from us meanwhile. Of the others the server hears.
func (l *Listener) accept() {
	var wait time.Duration
	for !l.isOver() {
		inner, err := l.inner.Accept()
		switch {
		case passes(err):
			wait = min(max(2*wait, waitMin), waitMax)
			l.opts.Logger.Error("cannot accept connections", "error", err, "again_in", wait)
			select {
			case <-time.After(wait):
			case <-l.closed:
			}
		case err != nil:
			select {
			case l.failed <- err:
			case <-l.closed:
			}
		default:
			wait = 0
			l.take(inner)
		}
	}
}

// What accept waits after an error that passes, twice as long each time, is as long as net/http waits.
const (
	waitMin = 5 * time.Millisecond
	waitMax = time.Second
)

func passes(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Temporary() //nolint:staticcheck // net/http asks it too, and nothing else tells
}

// take begins to serve a connection, unless it comes too late.
func (l *Listener) take(inner net.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &conn{Conn: inner, front: l, cancel: cancel}
	if !l.add(c) {
		cancel()
		_ = inner.Close() // nobody knows of it yet
		return
	}
	go c.serve(ctx)
}

func (l *Listener) add(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isOver() {
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *Listener) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	l.sweep()
}

// sweep tells who waits for the last connection. Called with the lock.
func (l *Listener) sweep() {
	if l.isOver() && len(l.conns) == 0 {
		select {
		case <-l.empty:
		default:
			close(l.empty)
		}
	}
}

// isOver reports whether connections end after the answer that they are at.
func (l *Listener) isOver() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// hand gives a connection to the server.
func (l *Listener) hand(c net.Conn) {
	select {
	case l.handed <- c:
	case <-l.closed:
		_ = c.Close() // as the server would
	}
}
