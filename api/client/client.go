// Package client makes HTTP clients that suit the API: give one to a generated Connect client
// (lodgev1connect.NewReservationServiceClient and its like). They are net/http's with settings for many
// small calls to one server. The package knows nothing of Lodge's messages, retries nothing and sets no deadlines: contexts do.
package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	bodyBytesMax = 64 << 10         // the longest body that is sent in one piece with its head
	dialTimeout  = 10 * time.Second // for a connection, and again for its TLS handshake
	idleTimeout  = 90 * time.Second // less than the server keeps idle connections, so that none is closed under a call
)

// New returns a client that keeps up to connections idle connections to each server open, so that as many callers find
// one; fewer than 1 means 1. Safe for concurrent use. CloseIdleConnections ends what is idle.
func New(connections int) *http.Client {
	return &http.Client{Transport: onePiece{&http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		ForceAttemptHTTP2:   true, // over TLS, although DialContext is set
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: max(1, connections),
		IdleConnTimeout:     idleTimeout,
	}}}
}

// onePiece sends a short request with one write to the connection. net/http writes head and body apart unless the body is of a type that
// it knows to be in memory, which Connect's is not: that costs a system call here, and there one more read and often one more wake-up,
// about a tenth of the processor time of a small call.
type onePiece struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t onePiece) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.ContentLength <= 0 || req.ContentLength > bodyBytesMax {
		return t.Transport.RoundTrip(req)
	}
	again := *req // a RoundTripper must not change its request
	memory := make([]byte, req.ContentLength+1)
	n, err := io.ReadFull(req.Body, memory)
	read := bytes.NewReader(memory[:n])
	switch {
	case int64(n) == req.ContentLength && errors.Is(err, io.ErrUnexpectedEOF): // as long as it says: there was one byte of room left
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
		again.Body = io.NopCloser(read)
	case err == nil: // net/http notices only sometimes: the answer may be there first
		return nil, errors.Join(fmt.Errorf("%s %q: ContentLength=%d with a longer Body", req.Method, req.URL, req.ContentLength), req.Body.Close())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // too short: net/http says so
		again.Body = &readAgain{Reader: io.MultiReader(read, req.Body), Closer: req.Body}
	default:
		again.Body = &readAgain{Reader: io.MultiReader(read, failing{err}), Closer: req.Body}
	}
	return t.Transport.RoundTrip(&again)
}

// readAgain is a body of which something has been read.
type readAgain struct {
	io.Reader
	io.Closer
}

// failing is a reader that fails.
type failing struct{ error }

// Read implements io.Reader.
func (f failing) Read([]byte) (int, error) { return 0, f.error }
