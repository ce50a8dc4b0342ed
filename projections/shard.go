package projections

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	archive   *archive // nil: none

	mu    sync.Mutex
	conn  *Conn // nil: closed
	bulk  bool  // loading a version that is not in service: no journal, no sync
	since int   // events loaded since rows last moved, in bulk
	marks *marks

	attached bool // follows the log; owned by the feed's mu
	retired  bool // is out of service and never attached again; owned by the feed's mu
}

const (
	liveParams = "mode=rwc&_journal_mode=WAL&_synchronous=NORMAL&_txlock=immediate"
	bulkParams = "mode=rwc&_journal_mode=OFF&_synchronous=OFF&_locking_mode=EXCLUSIVE"

	// undoInMemory keeps statement journals out of files. SQLite copies there each page that a statement of several rows changes, to undo that statement
	// alone: in a file, more bytes than the WAL takes, and two system calls a page. A bulk load does better with SQLite's default.
	undoInMemory = "PRAGMA temp_store=MEMORY"

	// quickCheckBytesMax bounds the check of a file at open; damage in a larger one shows when it is read. At this size it takes some 10 ms for each.
	quickCheckBytesMax = 4 << 20

	// walBytesKept is what a WAL file may keep on disk after a checkpoint.
	walBytesKept = 64 << 20
)

func newShard(p *projection, partition log.Partition, path string, opts *Options) *shard {
	a := newArchive(p, filepath.Dir(path), partition, p.cold)
	return &shard{
		owner: p, projector: p.projector, schema: newSchema(p.projector), partition: partition, path: path, opts: opts,
		readers: newPool(path, a, opts.Readers, opts.CacheKiB/8), archive: a,
	}
}

// create makes the file, without indexes and in bulk mode: what a crash leaves of it is garbage.
func (sh *shard) create() error {
	conn, err := openConn(sh.path, fmt.Sprintf("%s&_cache_size=-%d", bulkParams, 4*sh.opts.CacheKiB))
	if err != nil {
		return err
	}
	sh.conn, sh.bulk, conn.archive = conn, true, sh.archive
	if err := conn.run(append([]string{"BEGIN"}, sh.schema.tables...)...); err != nil {
		return err
	}
	if err := writeIdentity(conn, identity(sh.schema, sh.partition, sh.opts.Partitions)); err != nil {
		return err
	}
	put, err := conn.Stmt("INSERT INTO projection_checkpoint (topic, next_offset, last_event_id) VALUES (?, 0, '')")
	if err != nil {
		return err
	}
	next := map[log.Topic]log.Offset{}
	for _, topic := range sh.projector.Topics() {
		next[topic] = 0
		if err := put.Exec(string(topic)); err != nil {
			return err
		}
	}
	sh.marks = newMarks(next)
	if err := conn.run("COMMIT"); err != nil {
		return err
	}
	return sh.archive.load(context.Background(), conn, sh.projector, &sh.schema)
}

// seal ends the bulk load: it makes the indexes, makes the file durable, and opens it for live use.
func (sh *shard) seal(fault func(Step) error) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if err := fault(StepIndex); err != nil {
		return err
	}
	if err := sh.shrink(fault); err != nil {
		return err
	}
	if err := sh.conn.run(sh.schema.indexes...); err != nil {
		return err
	}
	if err := fault(StepSeal); err != nil {
		return err
	}
	err := sh.conn.close()
	sh.conn = nil
	if err = errors.Join(err, syncPath(sh.path)); err != nil {
		return err
	}
	sh.bulk = false
	return sh.openLive()
}

// open opens an existing file for live use. An unusableError says that it must be made anew.
func (sh *shard) open(ctx context.Context) error {
	info, err := os.Stat(sh.path)
	if err != nil {
		return &unusableError{err}
	}
	if err := sh.openLive(); err != nil {
		return &unusableError{err}
	}
	if err := checkIdentity(ctx, sh.conn, identity(sh.schema, sh.partition, sh.opts.Partitions)); err != nil {
		return &unusableError{err}
	}
	if info.Size() <= quickCheckBytesMax {
		if err := quickCheck(ctx, sh.conn); err != nil {
			return &unusableError{err}
		}
	}
	next, err := loadCheckpoint(ctx, sh.conn, sh.projector.Topics())
	if err != nil {
		return &unusableError{err}
	}
	sh.marks = newMarks(next)
	return sh.openArchive(ctx)
}

// openArchive makes sure of the archive.
func (sh *shard) openArchive(ctx context.Context) error {
	if err := sh.archive.load(ctx, sh.conn, sh.projector, &sh.schema); err != nil {
		return err
	}
	return sh.archive.verify(ctx, sh.conn, identity(sh.schema, sh.partition, sh.opts.Partitions))
}

// shrink moves what is due at the end of a bulk load, and leaves the file no larger than what stays in it.
func (sh *shard) shrink(fault func(Step) error) error {
	if err := sh.moveAll(fault); err != nil {
		return err
	}
	if err := sh.archive.seal(context.Background(), sh.conn); err != nil {
		return err
	}
	pages, free := int64(0), int64(0)
	err := sh.conn.Query(context.Background(), "SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count", nil,
		func(r *Row) error { pages, free = r.Int(0), r.Int(1); return nil })
	if err != nil || free <= pages/4 {
		return err
	}
	return sh.conn.run("VACUUM")
}

// reload reads from the file how far the shard is: another writer may have brought it further, or an old file may have been put back.
func (sh *shard) reload(ctx context.Context) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.conn == nil {
		return errClosed
	}
	next, err := loadCheckpoint(ctx, sh.conn, sh.projector.Topics())
	if err != nil {
		return err
	}
	for topic, offset := range next {
		if known, _, _ := sh.marks.get(topic); known != offset {
			sh.owner.listeners.tell(Applied{All: true})
			sh.marks.set(topic, offset)
		}
	}
	return sh.archive.load(ctx, sh.conn, sh.projector, &sh.schema)
}

func (sh *shard) openLive() error {
	conn, err := openConn(sh.path, fmt.Sprintf("%s&_cache_size=-%d", liveParams, sh.opts.CacheKiB))
	if err != nil {
		return err
	}
	sh.conn, conn.archive = conn, sh.archive
	return conn.run(undoInMemory, fmt.Sprintf("PRAGMA wal_autocheckpoint=%d", sh.opts.WALPages),
		fmt.Sprintf("PRAGMA journal_size_limit=%d", walBytesKept))
}

func (sh *shard) close() error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	err := sh.readers.close()
	sh.archive.forget()
	if sh.conn != nil {
		err = errors.Join(err, sh.conn.close())
		sh.conn = nil
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
