package platform

import (
	"context"
	"net"
	"net/http"
	"time"
)

// SocketURL is the base URL for calls through Client's client. Its host means nothing.
const SocketURL = "http://lodge"

const dialTimeout = 5 * time.Second

// Client returns a client of whatever platform serves the data folder dir at the time of each call: all calls go through the
// folder's socket. The caller calls CloseIdleConnections in the end.
func Client(dir string) *http.Client {
	dialer := net.Dialer{Timeout: dialTimeout}
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			name, err := SocketPath(dir)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, "unix", name)
		},
		MaxIdleConnsPerHost: 64,
	}}
}

// Dial is Client, and reports whether any platform serves the folder now.
func Dial(ctx context.Context, dir string) (*http.Client, bool) {
	name, err := SocketPath(dir)
	if err != nil {
		return nil, false
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "unix", name)
	if err != nil {
		return nil, false
	}
	_ = conn.Close() // it was only to see whether anybody answers
	return Client(dir), true
}
