package projections

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"lodge/log"
)

// version is one generation of a projection's files: a shard for every partition.
//
// It is closed when the last of its users lets go: the projection, while it is in service, and each query.
type version struct {
	number int
	dir    string
	shards []*shard

	mu      sync.Mutex
	users   int
	discard bool // remove the files once closed
}

func newVersion(p *projection, number int, opts *Options) *version {
	v := &version{number: number, dir: filepath.Join(p.dir, versionDir(number)), users: 1}
	for i := range opts.Partitions {
		partition := log.Partition(i)
		v.shards = append(v.shards, newShard(p, partition, filepath.Join(v.dir, shardFile(partition)), opts))
	}
	return v
}

// open opens all shards for live use, as many at a time as there are workers.
func (v *version) open(ctx context.Context, workers int) error {
	var group errgroup.Group
	group.SetLimit(workers)
	for _, s := range v.shards {
		group.Go(func() error { return s.open(ctx) })
	}
	if err := group.Wait(); err != nil {
		return errors.Join(fmt.Errorf("open version %d: %w", v.number, err), v.release(false))
	}
	return nil
}

// sync makes the folder's entries durable; the files are by then.
func (v *version) sync() error {
	return errors.Join(syncPath(v.dir), syncPath(filepath.Dir(v.dir)))
}

func (v *version) use() {
	v.mu.Lock()
	v.users++
	v.mu.Unlock()
}

// release ends one use. discard says that the version has gone out of service: the last user removes it.
func (v *version) release(discard bool) error {
	v.mu.Lock()
	v.users--
	last := v.users == 0
	v.discard = v.discard || discard
	discard = v.discard
	v.mu.Unlock()
	if !last {
		return nil
	}
	var errs []error
	if discard { // before they are closed: SQLite would first write the WAL's pages into files that nobody reads again
		errs = append(errs, os.RemoveAll(v.dir))
	}
	for _, s := range v.shards {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}
