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
	memory := make([]byte, req.ContentLength+1)
	n, err := io.ReadFull(req.Body, memory)
	switch { // net/http notices only sometimes what is wrong: the answer, or the end of the connection, may be there first
	case err == nil:
		err = fmt.Errorf("%s %q: ContentLength=%d with a longer Body", req.Method, req.URL, req.ContentLength)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
	case int64(n) < req.ContentLength:
		err = fmt.Errorf("%s %q: ContentLength=%d with Body length %d", req.Method, req.URL, req.ContentLength, n)
	default: // as long as it says: there was one byte of room left
		err = nil
	}
	if err := errors.Join(err, req.Body.Close()); err != nil {
		return nil, err
	}
	again := *req // a RoundTripper must not change its request
	again.Body = io.NopCloser(bytes.NewReader(memory[:n]))
	return t.Transport.RoundTrip(&again)
}
