package front_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lodge/api/front"
)

// full is a listener of one connection, after which the process has too many files open.
type full struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (f *full) Accept() (net.Conn, error) {
	select {
	case <-f.closed:
		return nil, net.ErrClosed
	case c := <-f.conns:
		return c, nil
	default:
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
}

func (f *full) Close() error {
	close(f.closed)
	return nil
}

func (f *full) Addr() net.Addr { return &net.TCPAddr{} }

// within serves one connection in a bubble, in whose time nothing takes any, and gives the client's end to do.
func within(t *testing.T, handler http.HandlerFunc, opts front.Options, do func(t *testing.T, l *front.Listener, client net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		client, ours := net.Pipe()
		inner := &full{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
		inner.conns <- ours
		opts.Takes = func(r *http.Request) bool { return r.URL.Path == "/hot" }
		opts.Logger = slog.New(slog.DiscardHandler)
		l := front.Listen(inner, handler, opts)
		server := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		done := make(chan error, 1)
		go func() { done <- server.Serve(l) }()
		do(t, l, client)
		_ = client.Close() // it may be closed
		if err := errors.Join(server.Shutdown(context.Background()), l.Wait(context.Background())); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// TestTooManyFiles: while no connection can be accepted, those that there are go to the server without delay.
func TestTooManyFiles(t *testing.T) {
	within(t, echo, front.Options{}, func(t *testing.T, _ *front.Listener, client net.Conn) {
		time.Sleep(9 * time.Second) // in the bubble's time: net/http waits longer with each error
		began := time.Now()
		if _, err := io.WriteString(client, "GET /cold HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(client); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.0 200") {
			t.Errorf("%q, %v", answer, err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// TestNobodyReads: a client that does not take its answer does not hold its connection for ever.
func TestNobodyReads(t *testing.T) {
	within(t, echo, front.Options{IdleTimeout: time.Minute}, func(t *testing.T, _ *front.Listener, client net.Conn) {
		if _, err := io.WriteString(client, hot); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := client.SetWriteDeadline(began.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(client, hot); !errors.Is(err, io.ErrClosedPipe) { // nobody takes it before the answer is
			t.Error(err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

// TestSlowly: a request that comes a byte at a time has no more time than another.
func TestSlowly(t *testing.T) {
	within(t, echo, front.Options{HeadTimeout: 10 * time.Second}, func(t *testing.T, _ *front.Listener, client net.Conn) {
		began := time.Now()
		for _, c := range hot {
			if _, err := io.WriteString(client, string(c)); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestCutOffContext: requests that are cut off hear of it.
func TestCutOffContext(t *testing.T) {
	began := make(chan struct{})
	handler := func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	}
	s := serve(t, handler, front.Options{})
	s.send(s.dial(), hot)
	<-began
	if err := s.front.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.front.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := s.front.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	s.over = true
	if err := <-s.done; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestLastAnswer: who is still sending when the server has had enough gets the answer and its end, rather than a connection reset.
func TestLastAnswer(t *testing.T) {
	const size = 1 << 20
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1))
		if too := new(http.MaxBytesError); !errors.As(err, &too) {
			return // the client has gone
		}
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	}, front.Options{})
	l := s.dial()
	s.send(l, "POST /cold HTTP/1.1\r\nHost: lodge\r\nContent-Length: "+strconv.Itoa(size)+"\r\n\r\n"+strings.Repeat("x", 64<<10))
	if got := s.hear(l); got.status != "413 Request Entity Too Large" || !got.last {
		t.Errorf("%+v", got)
	}
	if n, err := l.in.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes, %v", n, err)
	}
}
