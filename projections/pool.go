package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"lodge/log"
)

// pool lends read-only connections to one shard, at most a given number at a time.
type pool struct {
	path     string
	archive  *archive
	cacheKiB int
	slots    chan struct{} // one token for each connection in use

	mu     sync.Mutex
	idle   []*Conn
	closed bool
}

func newPool(path string, a *archive, size, cacheKiB int) *pool {
	return &pool{path: path, archive: a, cacheKiB: cacheKiB, slots: make(chan struct{}, size)}
}

// view lends a connection to fn inside a read transaction, so that all that fn reads is of one moment.
func (p *pool) view(ctx context.Context, fn func(*Conn) error) error {
	c, err := p.get(ctx)
	if err != nil {
		return err
	}
	err = readTx(c, fn)
	p.put(c, corrupt(err))
	return err
}

func readTx(c *Conn, fn func(*Conn) error) (err error) {
	begin, err := c.Stmt("BEGIN")
	if err != nil {
		return err
	}
	end, err := c.Stmt("COMMIT")
	if err != nil {
		return err
	}
	if err := begin.Exec(); err != nil {
		return err
	}
	defer func() {
		if e := end.Exec(); err == nil {
			err = e
		}
	}()
	return fn(c)
}

func (p *pool) get(ctx context.Context) (*Conn, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a connection to %s: %w", p.path, ctx.Err())
	}
	c, err := p.take()
	if err != nil {
		<-p.slots
	}
	return c, err
}

func (p *pool) take() (*Conn, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, log.NewError(log.Closed, "view "+p.path, "the store is closed")
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := openConn(p.path, fmt.Sprintf("_query_only=1&_cache_size=-%d", p.cacheKiB))
	if err == nil {
		c.archive = p.archive
	}
	return c, err
}

func (p *pool) put(c *Conn, bad bool) {
	p.mu.Lock()
	keep := !p.closed && !bad
	if keep {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !keep {
		c.close() //nolint:errcheck // read only: nothing is lost
	}
	<-p.slots
}

// close closes the idle connections; those in use are closed when they come back.
func (p *pool) close() error {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	var errs []error
	for _, c := range idle {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}
