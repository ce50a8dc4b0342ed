package front

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// TestLeftAlone: a connection that the server has is no longer woken by Close, which would end the request that it is at, and no limit of ours stays.
func TestLeftAlone(t *testing.T) {
	theirs, ours := net.Pipe()
	defer theirs.Close()
	defer ours.Close()
	l := Listen(nil, nil, Options{IdleTimeout: 1})
	c := &conn{Conn: ours, front: l, cancel: func() {}}
	c.limit(1, 1)
	c.limitAnswer()
	go c.leave([]byte("a"))
	got := <-l.handed
	c.wake() // as Close does before it knows that the connection has gone
	go io.WriteString(theirs, "b")
	read := make([]byte, 2)
	if _, err := io.ReadFull(got, read); err != nil || string(read) != "ab" {
		t.Errorf("%q, %v", read, err)
	}
	go io.ReadFull(theirs, make([]byte, 1))
	if _, err := got.Write([]byte("c")); err != nil {
		t.Error(err)
	}
}

// TestWaitIsFair: when nothing is left to wait for, it does not matter that time is up.
func TestWaitIsFair(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	l := Listen(inner, nil, Options{})
	if err := l.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("before Close: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for range 100 {
		if err := l.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// nowhere is a connection whose client has gone: some systems do not know its address.
type nowhere struct{ net.Conn }

func (nowhere) RemoteAddr() net.Addr { return nil }

// TestNowhere: an address that is not known is none.
func TestNowhere(t *testing.T) {
	theirs, ours := net.Pipe()
	defer theirs.Close()
	l := Listen(nil, nil, Options{})
	c := &conn{Conn: nowhere{ours}, front: l, cancel: func() {}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.serve(context.Background())
	}()
	if err := theirs.SetDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	theirs.Close()
	<-done
}
