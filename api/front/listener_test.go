package front_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"lodge/api/front"
	"lodge/log/logtest/leaktest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// site is a server with a listener of ours before it.
type site struct {
	*testing.T
	front  *front.Listener
	server *http.Server
	done   chan error
	over   bool
}

type placeKey struct{}

// here marks the requests that are answered by the listener.
func here(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, placeKey{}, "front")
}

// echo says where a request was answered, and its body.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	place, _ := r.Context().Value(placeKey{}).(string)
	w.Header().Set("Place", place)
	fmt.Fprintf(w, "%s %s: %s", r.Method, r.URL, body)
}

func serve(t *testing.T, handler http.HandlerFunc, opts front.Options) *site {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	opts.Takes = func(r *http.Request) bool { return r.URL.Path == "/hot" }
	opts.ConnContext = here
	opts.Logger = slog.New(slog.DiscardHandler)
	s := &site{T: t, front: front.Listen(inner, handler, opts), done: make(chan error, 1)}
	s.server = &http.Server{Handler: handler, Protocols: new(http.Protocols), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	s.server.Protocols.SetHTTP1(true)
	s.server.Protocols.SetUnencryptedHTTP2(true)
	go func() { s.done <- s.server.Serve(s.front) }()
	t.Cleanup(func() { s.shutdown(context.Background()) })
	return s
}

func (s *site) shutdown(ctx context.Context) {
	s.Helper()
	if s.over {
		return
	}
	s.over = true
	if err := errors.Join(s.server.Shutdown(ctx), s.front.Wait(ctx)); err != nil {
		s.Error(err)
	}
	if err := <-s.done; !errors.Is(err, http.ErrServerClosed) {
		s.Error(err)
	}
}

// line is a connection to a site.
type line struct {
	net.Conn
	in *bufio.Reader
}

func (s *site) dial() *line {
	s.Helper()
	c, err := net.Dial("tcp", s.front.Addr().String())
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = c.Close() })
	return &line{c, bufio.NewReader(c)}
}

func (s *site) send(l *line, wire string) {
	s.Helper()
	if _, err := io.WriteString(l, wire); err != nil {
		s.Fatal(err)
	}
}

// heard is an answer.
type heard struct {
	status string
	header http.Header
	length int64
	last   bool
	body   string
}

func (s *site) hear(l *line) heard {
	s.Helper()
	res, err := http.ReadResponse(l.in, nil)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return heard{res.Status, res.Header, res.ContentLength, res.Close, string(body)}
}

// ended checks that the other side has closed a connection.
func (s *site) ended(l *line) {
	s.Helper()
	if n, err := l.in.Read(make([]byte, 1)); n > 0 || err == nil {
		s.Fatal("the connection is open")
	}
}

const hot = "POST /hot HTTP/1.1\r\nHost: lodge\r\nContent-Length: 2\r\n\r\n{}"

// TestPlaces: plain requests are answered before the server, and what comes after the first other one by the server.
func TestPlaces(t *testing.T) {
	for _, test := range []struct {
		name, wire string
		places     []string // of the answers, in their order
	}{
		{"plain ones", hot + hot + hot, []string{"front", "front", "front"}},
		{"another path between", hot + strings.Replace(hot, "/hot", "/cold", 1) + hot, []string{"front", "", ""}},
		{"a GET first", "GET /cold HTTP/1.1\r\nHost: lodge\r\n\r\n" + hot, []string{"", ""}},
		{"chunks", hot + "POST /hot HTTP/1.1\r\nHost: lodge\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + hot, []string{"front", "", ""}},
		{"a long one", "POST /hot HTTP/1.1\r\nHost: lodge\r\nContent-Length: 10000\r\n\r\n" + strings.Repeat("x", 10000) + hot, []string{"", ""}},
	} {
		for _, way := range []string{"at once", "byte by byte"} {
			t.Run(test.name+" "+way, func(t *testing.T) {
				s := serve(t, echo, front.Options{})
				l := s.dial()
				var from io.Reader = strings.NewReader(test.wire)
				if way != "at once" {
					from = iotest.OneByteReader(from)
				}
				sent := make(chan error, 1)
				go func() {
					_, err := io.Copy(struct{ io.Writer }{l}, struct{ io.Reader }{from})
					sent <- err
				}()
				for i, place := range test.places {
					if got := s.hear(l); got.status != "200 OK" || got.header.Get("Place") != place || !strings.Contains(got.body, ": ") {
						t.Errorf("answer %d: %+v", i, got)
					}
				}
				if err := <-sent; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestSameAnswers: an answer of the listener is to the byte what the server's would be, but for the order of its headers.
func TestSameAnswers(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"text":                  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") },
		"nothing":               func(http.ResponseWriter, *http.Request) {},
		"a status":              func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"a status of one's own": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(299) },
		"two statuses": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			w.WriteHeader(http.StatusOK)
		},
		"an error":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusConflict) },
		"no content": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"no content, and a body": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			io.WriteString(w, "x")
		},
		"a length and a type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			w.Header().Set("Content-Type", "x/y")
			io.WriteString(w, "{}")
		},
		"a header in two lines":  func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", "a\r\nb: c") },
		"headers of many values": func(w http.ResponseWriter, _ *http.Request) { w.Header()["X"] = []string{"1", "2"} },
		"the last answer":        func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") },
		"several pieces":         func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a"); io.WriteString(w, "b") },
		"what it was asked":      echoAll,
		"encoded and of no type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "x")
			io.WriteString(w, "{}")
		},
		"something informational": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "after nothing") },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, handler, front.Options{})
			ours, theirs := s.dial(), s.dial()
			s.send(theirs, "GET /other HTTP/1.1\r\nHost: lodge\r\n\r\n")
			if s.hear(theirs).last {
				theirs = s.dial() // whose first request is not plain
			}
			s.send(ours, hot)
			s.send(theirs, strings.Replace(hot, "Host", "Connection: keep-alive, x\r\nHost", 1))
			a, b := s.hear(ours), s.hear(theirs)
			a.header.Del("Date")
			b.header.Del("Date")
			if !reflect.DeepEqual(a, b) {
				t.Errorf("%+v is not\n%+v", a, b)
			}
			if a.last {
				s.ended(ours)
			}
		})
	}
}

// echoAll says all that a handler may look at.
func echoAll(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	again, _ := r.Body.Read(make([]byte, 1))
	r.Header.Del("Connection")
	_, local := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	fmt.Fprint(w, r.Method, r.URL, r.RequestURI, r.Proto, r.Host, r.ContentLength, r.Header, r.TransferEncoding, r.Trailer == nil, r.TLS == nil, host, local, string(body), err, again)
}

// TestOverHTTP2: the server speaks what it speaks without us.
func TestOverHTTP2(t *testing.T) {
	s := serve(t, echo, front.Options{})
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Post("http://"+s.front.Addr().String()+"/hot", "text/plain", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "POST /hot: {}" || res.ProtoMajor != 2 {
		t.Errorf("%v: %q, %v", res, body, err)
	}
}

// TestExpectation: who asks whether to send the body is told to.
func TestExpectation(t *testing.T) {
	s := serve(t, echo, front.Options{})
	l := s.dial()
	s.send(l, "POST /hot HTTP/1.1\r\nHost: lodge\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
	if answer, err := l.in.ReadString('\n'); err != nil || !strings.Contains(answer, "100 Continue") {
		t.Fatalf("%q, %v", answer, err)
	}
}

// TestPanic: a handler that panics costs its connection, no more.
func TestPanic(t *testing.T) {
	for _, what := range []any{"bug", http.ErrAbortHandler} {
		s := serve(t, func(http.ResponseWriter, *http.Request) { panic(what) }, front.Options{})
		l := s.dial()
		s.send(l, hot)
		s.ended(l)
		s.send(s.dial(), hot)
	}
}

// TestTimeouts: neither half a request nor silence holds a connection for ever.
func TestTimeouts(t *testing.T) {
	opts := front.Options{HeadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	for name, test := range map[string]struct {
		wire string
		hear bool
		took time.Duration
	}{
		"nothing":                 {took: opts.HeadTimeout},
		"half a head":             {wire: hot[:30], took: opts.HeadTimeout},
		"half a body":             {wire: hot[:len(hot)-1], took: opts.HeadTimeout},
		"half a request more":     {wire: hot + hot[:30], hear: true, took: opts.HeadTimeout},
		"silence after an answer": {wire: hot, hear: true, took: opts.IdleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, echo, opts, func(t *testing.T, _ *front.Listener, client net.Conn) {
				began := time.Now()
				if _, err := io.WriteString(client, test.wire); err != nil {
					t.Fatal(err)
				}
				in := bufio.NewReader(client)
				if test.hear {
					res, err := http.ReadResponse(in, nil)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(res.Body)
					if err := errors.Join(err, res.Body.Close()); err != nil || string(body) != "POST /hot: {}" {
						t.Errorf("%q, %v", body, err)
					}
				}
				if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
					t.Errorf("%q, %v", rest, err)
				}
				if took := time.Since(began); took != test.took {
					t.Errorf("the connection ended after %v, not %v", took, test.took)
				}
			})
		})
	}
}

// TestShutdown: a request that is being handled gets its answer, which says that it is the last, and no reset for what was sent behind it; connections without one end.
func TestShutdown(t *testing.T) {
	reached, leave := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Body != http.NoBody && r.ContentLength == 2 {
			close(reached)
			<-leave
		}
		echo(w, r)
	}, front.Options{})
	idle, begun, busy := s.dial(), s.dial(), s.dial()
	s.send(begun, hot[:10])
	s.send(busy, hot+hot) // the second is not begun
	<-reached
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.shutdown(context.Background())
	}()
	s.ended(idle)
	s.ended(begun)
	s.send(busy, hot) // which nobody reads
	select {
	case <-ended:
		t.Fatal("nobody waited for the answer")
	default:
	}
	close(leave)
	if got := s.hear(busy); !got.last || got.body != "POST /hot: {}" {
		t.Errorf("%+v", got)
	}
	if n, err := busy.in.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("behind the last answer: %d bytes, %v", n, err)
	}
	if err := busy.Close(); err != nil {
		t.Error(err)
	}
	<-ended
}

// TestCutOff: who does not want to wait any longer need not.
func TestCutOff(t *testing.T) {
	reached, leave := make(chan struct{}), make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request) {
		close(reached)
		<-leave
	}, front.Options{})
	l := s.dial()
	s.send(l, hot)
	<-reached
	if err := s.server.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	impatient := errors.New("impatient")
	cancel(impatient)
	if err := s.front.Wait(ctx); !errors.Is(err, impatient) || !strings.HasPrefix(err.Error(), "1 request") {
		t.Error(err)
	}
	s.ended(l)
	close(leave)
	if err := s.front.Wait(context.Background()); err != nil {
		t.Error(err)
	}
}

// broken is a listener that fails some times, as when a process has too many files open.
type broken struct {
	net.Listener
	failures int
}

var errFew = errors.New("too few files")

func (b *broken) Accept() (net.Conn, error) {
	if b.failures--; b.failures >= 0 {
		return nil, errFew
	}
	return b.Listener.Accept()
}

// TestTrouble: who serves hears of errors and may go on.
func TestTrouble(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := front.Listen(&broken{inner, 2}, http.HandlerFunc(echo), front.Options{Takes: func(*http.Request) bool { return true }})
	for range 2 {
		if _, err := l.Accept(); !errors.Is(err, errFew) {
			t.Fatal(err)
		}
	}
	c, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	got, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	read := make([]byte, 16)
	if _, err := io.ReadFull(got, read); err != nil || !bytes.HasPrefix(read, []byte("GET / HTTP/1.1\r\n")) {
		t.Errorf("%q, %v", read, err)
	}
	if err := errors.Join(l.Close(), l.Close(), l.Wait(context.Background())); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
