package projections

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"
	"sync/atomic"

	"lodge/log"
)

// Store keeps the databases of a set of projections. Safe for concurrent use.
type Store struct {
	reader      log.Reader
	opts        Options
	projections []*projection // in the order given to Open
	byName      map[string]*projection
	feeds       []*feed       // by partition
	workers     chan struct{} // a token for each shard that replays
	lock        io.Closer     // of the folder
	cold        *coldPool
	running     sync.Mutex          // held by Run, or by a rebuild without Run
	current     atomic.Pointer[run] // nil: Run is not running
	closed      atomic.Bool
}

var projectionName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// Open opens the projections' databases below dir. What is missing or unusable is built by Run; queries of it are
// answered with log.Unavailable until then. It starts no goroutine and reads nothing from the log. Errors: log.Locked when another
// store has the folder, in this process or another one; log.InvalidArgument when Options.Group is set and reader is not a log.Coordinator.
func Open(dir string, reader log.Reader, projectors []Projector, opts Options) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	s := &Store{reader: reader, opts: opts.withDefaults(), byName: map[string]*projection{}}
	if _, ok := reader.(log.Coordinator); !ok && opts.Group != "" {
		return nil, log.NewError(log.InvalidArgument, "open projections", "the log of type %T has no groups, so not %s", reader, opts.Group)
	}
	var err error
	if s.lock, err = lockFolder(dir); err != nil {
		return nil, err
	}
	s.cold = &coldPool{idleMax: s.opts.ColdFiles}
	s.workers = make(chan struct{}, s.opts.Workers)
	for i := range s.opts.Partitions {
		s.feeds = append(s.feeds, &feed{partition: log.Partition(i)})
	}
	for _, p := range projectors {
		if err := s.add(dir, p); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Store) add(dir string, projector Projector) error {
	name := projector.Name()
	if !projectionName.MatchString(name) || s.byName[name] != nil {
		return fmt.Errorf("open projections: %q is not a name or is there twice", name)
	}
	p, err := openProjection(context.Background(), projector, dir, &s.opts, s.cold)
	if err != nil {
		return err
	}
	s.byName[name] = p
	s.projections = append(s.projections, p)
	return nil
}

// Close closes all databases; queries under way finish first. Call it when Run has returned.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	var errs []error
	for _, p := range s.projections {
		if v := p.withdraw(); v != nil {
			errs = append(errs, v.release(false))
		}
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// Partitions returns the number of shards of each projection.
func (s *Store) Partitions() int { return s.opts.Partitions }

// PartitionFor returns the shard that holds the rows of a hotel.
func (s *Store) PartitionFor(hotelID string) log.Partition {
	return log.PartitionForKey([]byte(hotelID), s.opts.Partitions)
}

// View calls fn with a read-only connection to one shard; all that fn reads is of one moment. Other calls wait for
// at most ctx while all of the shard's connections are in use. Errors: fn's; log.Unavailable while the projection is first built.
func (s *Store) View(ctx context.Context, name string, partition log.Partition, fn func(*Conn) error) error {
	p, err := s.find(name, partition)
	if err != nil {
		return err
	}
	v, err := p.acquire()
	if err != nil {
		return err
	}
	err = v.shards[partition].readers.view(ctx, fn)
	if corrupt(err) {
		p.condemn(err)
	}
	if rerr := v.release(false); err == nil {
		err = rerr
	}
	return err
}

func (s *Store) find(name string, partition log.Partition) (*projection, error) {
	p := s.byName[name]
	if p == nil {
		return nil, log.NewError(log.InvalidArgument, "projections", "there is no projection %q", name)
	}
	if partition < 0 || int(partition) >= len(s.feeds) {
		return nil, log.NewError(log.InvalidArgument, "projection "+name, "partition %d is not below %d", partition, len(s.feeds))
	}
	if s.closed.Load() {
		return nil, log.NewError(log.Closed, "projection "+name, "the store is closed")
	}
	return p, nil
}

// step passes a step of Options.Fault.
func (s *Store) step(step Step) error {
	if s.opts.Fault == nil {
		return nil
	}
	if err := s.opts.Fault(step); err != nil {
		return &faultError{step, err}
	}
	return nil
}

// faultError is an injected end of the process.
type faultError struct {
	step Step
	err  error
}

func (e *faultError) Error() string { return fmt.Sprintf("stopped at step %q: %v", e.step, e.err) }
func (e *faultError) Unwrap() error { return e.err }

func injected(err error) bool {
	var e *faultError
	return errors.As(err, &e)
}
