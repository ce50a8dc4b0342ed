package front

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// bufferSize is the most that a request may have, head and body.
const bufferSize = 4 << 10

// conn is a connection whose requests have all been plain.
type conn struct {
	net.Conn
	front  *Listener
	cancel func() // ends the context of its requests
	body   body
	reply  answer
	taken  time.Time // when an answer must have been taken, as writes know it

	mu       sync.Mutex
	deadline time.Time // of reads
	woken    bool      // it is over: reads fail, whatever the deadline
	left     bool      // its deadlines are not for wake any more: it is the server's, or parts from its client
}

// wake ends a wait for bytes.
func (c *conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.woken = true; !c.left {
		_ = c.SetReadDeadline(time.Now()) // or the connection is closed
	}
}

// limit sets when reads fail: after between least and most. A deadline between them stays, since setting one for each request costs more than it is worth.
func (c *conn) limit(least, most time.Duration) {
	now := time.Now()
	if left := c.deadline.Sub(now); left >= least && left <= most {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.woken {
		c.deadline = now.Add(most)
		_ = c.SetReadDeadline(c.deadline) // the next read says what is wrong with the connection
	}
}

// limitAnswer sets when writes fail: after IdleTimeout, or up to a fourth of it earlier.
func (c *conn) limitAnswer() {
	now, most := time.Now(), c.front.opts.IdleTimeout
	if c.taken.Sub(now) < most*3/4 {
		c.taken = now.Add(most)
		_ = c.SetWriteDeadline(c.taken) // the write says what is wrong with the connection
	}
}

// serve answers requests until one is not plain or the connection ends.
func (c *conn) serve(ctx context.Context) {
	defer c.front.remove(c)
	defer c.cancel()
	opts := &c.front.opts
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, c.LocalAddr())
	if opts.ConnContext != nil {
		ctx = opts.ConnContext(ctx, c.Conn)
	}
	base := (&http.Request{Body: &c.body}).WithContext(ctx)
	if addr := c.RemoteAddr(); addr != nil { // some systems do not know that of a client that has gone
		base.RemoteAddr = addr.String()
	}
	buffer, have := make([]byte, bufferSize), 0
	c.limit(opts.HeadTimeout, opts.HeadTimeout)
	arriving := true // a request, whose time is limited
	for {
		r, body, size, v := parse(buffer[:have], base, opts.Takes)
		switch {
		case v == other || v == unfinished && have == len(buffer):
			c.leave(buffer[:have])
			return
		case v == plain:
			c.body.left = body
			if !c.answer(r) {
				_ = c.Close() // it is over either way
				return
			}
			have = copy(buffer, buffer[size:have])
			arriving = false
			continue
		case have == 0 && !arriving:
			c.limit(opts.IdleTimeout*3/4, opts.IdleTimeout)
		case !arriving:
			arriving = true
			c.limit(opts.HeadTimeout, opts.HeadTimeout)
		}
		n, err := c.Read(buffer[have:])
		if have += n; n == 0 && err != nil {
			_ = c.Close() // the client's, or the time's
			return
		}
	}
}

// answer has a request handled, sends the answer and reports whether another may follow.
func (c *conn) answer(r *http.Request) (more bool) {
	defer func() {
		c.body.left = nil
		if p := recover(); p != nil {
			more = false
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				c.front.opts.Logger.Error("a handler panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			}
		}
	}()
	c.reply.reset()
	c.front.handler.ServeHTTP(&c.reply, r)
	c.limitAnswer()
	more, err := c.reply.send(c.Conn, c.front.isOver())
	if err != nil {
		return false
	}
	if !more {
		c.part()
	}
	return more
}

// part ends what is sent, and reads for a while what the client sends still: closed with bytes unread, a connection is reset, and the answer may be lost.
func (c *conn) part() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.mu.Lock()
	c.left = true
	err := c.SetReadDeadline(time.Now().Add(partTime))
	c.mu.Unlock()
	if err == nil {
		_, _ = io.Copy(io.Discard, c.Conn) // until the client, the time or Wait ends it
	}
}

// partTime is as long as net/http gives a client to hear its last answer.
const partTime = 500 * time.Millisecond

// leave hands the connection to the server, with what was read of it.
func (c *conn) leave(read []byte) {
	c.mu.Lock()
	c.left = true
	err := c.SetDeadline(time.Time{})
	c.mu.Unlock()
	if err != nil {
		_ = c.Close()
		return
	}
	c.front.hand(&handed{c.Conn, bytes.Clone(read)})
}

// body is a request's, in the connection's memory until the handler returns.
type body struct{ left []byte }

// Read implements io.Reader. Like the server's, it says the end with the last bytes.
func (b *body) Read(p []byte) (n int, err error) {
	n = copy(p, b.left)
	if b.left = b.left[n:]; len(b.left) == 0 {
		err = io.EOF
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error { return nil }

// handed is a connection of which something was read.
type handed struct {
	net.Conn
	read []byte
}

// Read implements io.Reader.
func (h *handed) Read(p []byte) (int, error) {
	if len(h.read) == 0 {
		return h.Conn.Read(p)
	}
	n := copy(p, h.read)
	if h.read = h.read[n:]; len(h.read) == 0 {
		h.read = nil // the memory is of no use any more
	}
	return n, nil
}

// CloseWrite ends what is sent, as (*net.TCPConn).CloseWrite does. The server asks for it so that whoever is still sending gets its last answer.
func (h *handed) CloseWrite() error {
	if c, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// NetConn returns the connection itself, as (*tls.Conn).NetConn does.
func (h *handed) NetConn() net.Conn { return h.Conn }
