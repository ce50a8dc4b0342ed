package platform

import (
	"context"
	"net"
	"net/http"
	"time"
)

// SocketURL is the base URL for calls through Dial's client. Its host means nothing.
const SocketURL = "http://lodge"

// Dial returns a client of the platform that serves the data folder dir from another process or this one, and whether
// there is one. All calls go through the folder's socket. The caller calls CloseIdleConnections in the end.
func Dial(ctx context.Context, dir string) (*http.Client, bool) {
	name, err := SocketPath(dir)
	if err != nil {
		return nil, false
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "unix", name)
	if err != nil {
		return nil, false
	}
	_ = conn.Close() // it was only to see whether anybody answers
	transport := &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.DialContext(ctx, "unix", name) },
		MaxIdleConnsPerHost: 64,
	}
	return &http.Client{Transport: transport}, true
}
