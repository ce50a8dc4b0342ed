package projections

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"lodge/log"
)

// shard is the database of one projection, version and partition.
//
// Rows and checkpoint change only in apply, which holds mu, so there is one writer whatever runs:
// the live feed, a catch-up or a rebuild. Readers have connections of their own.
type shard struct {
	owner     *projection
	projector Projector
	schema    schema
	partition log.Partition
	path      string
	opts      *Options
	readers   *pool

	mu    sync.Mutex
	conn  *Conn // nil: closed
	bulk  bool  // loading a version that is not in service: no journal, no sync
	marks *marks

	attached bool // follows the log; owned by the feed's mu
}

const (
	liveParams = "mode=rwc&_journal_mode=WAL&_synchronous=NORMAL&_txlock=immediate"
	bulkParams = "mode=rwc&_journal_mode=OFF&_synchronous=OFF&_locking_mode=EXCLUSIVE"

	// quickCheckBytesMax bounds the check of a file at open; damage in a larger one shows when it is read.
	quickCheckBytesMax = 32 << 20

	// walBytesKept is what a WAL file may keep on disk after a checkpoint.
	walBytesKept = 64 << 20
)

func newShard(p *projection, partition log.Partition, path string, opts *Options) *shard {
	return &shard{
		owner: p, projector: p.projector, schema: newSchema(p.projector), partition: partition, path: path, opts: opts,
		readers: newPool(path, opts.Readers, opts.CacheKiB/8),
	}
}

// create makes the file, without indexes and in bulk mode: what a crash leaves of it is garbage.
func (s *shard) create() error {
	conn, err := openConn(s.path, fmt.Sprintf("%s&_cache_size=-%d", bulkParams, 4*s.opts.CacheKiB))
	if err != nil {
		return err
	}
	s.conn, s.bulk = conn, true
	if err := conn.run(append([]string{"BEGIN"}, s.schema.tables...)...); err != nil {
		return err
	}
	if err := writeIdentity(conn, identity(s.schema, s.partition, s.opts.Partitions)); err != nil {
		return err
	}
	put, err := conn.Stmt("INSERT INTO projection_checkpoint (topic, next_offset, last_event_id) VALUES (?, 0, '')")
	if err != nil {
		return err
	}
	next := map[log.Topic]log.Offset{}
	for _, topic := range s.projector.Topics() {
		next[topic] = 0
		if err := put.Exec(string(topic)); err != nil {
			return err
		}
	}
	s.marks = newMarks(next)
	return conn.run("COMMIT")
}

// seal ends the bulk load: it makes the indexes, makes the file durable, and opens it for live use.
func (s *shard) seal(fault func(Step) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := fault(StepIndex); err != nil {
		return err
	}
	if err := s.conn.run(s.schema.indexes...); err != nil {
		return err
	}
	if err := fault(StepSeal); err != nil {
		return err
	}
	err := s.conn.close()
	s.conn = nil
	if err = errors.Join(err, syncPath(s.path)); err != nil {
		return err
	}
	s.bulk = false
	return s.openLive()
}

// open opens an existing file for live use. An unusableError says that it must be made anew.
func (s *shard) open(ctx context.Context) error {
	info, err := os.Stat(s.path)
	if err != nil {
		return &unusableError{err}
	}
	if err := s.openLive(); err != nil {
		return &unusableError{err}
	}
	if err := checkIdentity(ctx, s.conn, identity(s.schema, s.partition, s.opts.Partitions)); err != nil {
		return &unusableError{err}
	}
	if info.Size() <= quickCheckBytesMax {
		if err := quickCheck(ctx, s.conn); err != nil {
			return &unusableError{err}
		}
	}
	next, err := loadCheckpoint(ctx, s.conn, s.projector.Topics())
	if err != nil {
		return &unusableError{err}
	}
	s.marks = newMarks(next)
	return nil
}

func (s *shard) openLive() error {
	conn, err := openConn(s.path, fmt.Sprintf("%s&_cache_size=-%d", liveParams, s.opts.CacheKiB))
	if err != nil {
		return err
	}
	s.conn = conn
	return conn.run(fmt.Sprintf("PRAGMA wal_autocheckpoint=%d", s.opts.WALPages),
		fmt.Sprintf("PRAGMA journal_size_limit=%d", walBytesKept))
}

func (s *shard) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.readers.close()
	if s.conn != nil {
		err = errors.Join(err, s.conn.close())
		s.conn = nil
	}
	return err
}

// unusableError says that a shard's file is missing, damaged, of another schema or of another log.
type unusableError struct{ err error }

func (e *unusableError) Error() string { return e.err.Error() }
func (e *unusableError) Unwrap() error { return e.err }

func unusable(err error) bool {
	var e *unusableError
	return errors.As(err, &e) || corrupt(err)
}

func quickCheck(ctx context.Context, c *Conn) error {
	return c.Query(ctx, "PRAGMA quick_check(1)", nil, func(r *Row) error {
		if r.Text(0) != "ok" {
			return fmt.Errorf("%s: %s", c.path, r.Text(0))
		}
		return nil
	})
}

func loadCheckpoint(ctx context.Context, c *Conn, topics []log.Topic) (map[log.Topic]log.Offset, error) {
	next := map[log.Topic]log.Offset{}
	err := c.Query(ctx, "SELECT topic, next_offset FROM projection_checkpoint", nil, func(r *Row) error {
		next[log.Topic(r.Text(0))] = log.Offset(r.Int(1))
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, topic := range topics {
		if _, ok := next[topic]; !ok {
			return nil, fmt.Errorf("%s: no checkpoint for topic %s", c.path, topic)
		}
	}
	return next, nil
}
