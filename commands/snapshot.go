package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync/atomic"

	"lodge/log"
	"lodge/log/vfs"
)

// snapshots keeps one snapshot for each partition number. While the engine runs they are made by a reader of the log and not by the
// processors: the snapshot in place, plus what was committed since, is the next one. So a
// snapshot never holds what is not committed, and no processor stops for it; the price is a second state of one partition in memory meanwhile.
// A nil *snapshots keeps none, and must not be read.
type snapshots struct {
	lg     Log
	opts   Options
	asked  chan log.Partition
	events []atomic.Int64 // in the snapshot of each partition
}

func newSnapshots(lg Log, opts Options) *snapshots {
	if opts.SnapshotDir == "" || opts.SnapshotEvery < 0 {
		return nil
	}
	return &snapshots{
		lg: lg, opts: opts,
		asked:  make(chan log.Partition, opts.Partitions),
		events: make([]atomic.Int64, opts.Partitions),
	}
}

// eventsIn returns how many events the snapshot of n stands for.
func (s *snapshots) eventsIn(n log.Partition) int64 {
	if s == nil {
		return 0
	}
	return s.events[n].Load()
}

func (s *snapshots) name(n log.Partition) string {
	return path.Join(s.opts.SnapshotDir, fmt.Sprintf("partition-%04d.snapshot", n))
}

// askForSnapshot asks for a new snapshot when enough has happened since the last time.
func (p *processor) askForSnapshot() {
	if p.snapshots == nil || p.down != nil || p.state.events()-p.requested < int64(p.opts.SnapshotEvery) {
		return
	}
	select {
	case p.snapshots.asked <- p.partition:
		p.requested = p.state.events()
	default:
	}
}

// run renews snapshots as they are asked for, one at a time, until ctx ends. A snapshot that cannot be made is
// logged: it costs time at the next start and nothing else.
func (s *snapshots) run(ctx context.Context) error {
	if s == nil {
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-s.asked:
			if err := s.renew(ctx, n); err != nil && ctx.Err() == nil {
				s.opts.Logger.Warn("no snapshot", "partition", n, "error", err)
			}
		}
	}
}

func (s *snapshots) renew(ctx context.Context, n log.Partition) error {
	st := s.read(ctx, n)
	if err := catchUp(ctx, s.lg, n, st, nil); err != nil {
		return err
	}
	return s.write(ctx, n, st)
}

// read returns the state of n's snapshot, or an empty state when there is none that can be used. Why not is logged.
func (s *snapshots) read(ctx context.Context, n log.Partition) *state {
	st, err := s.readFile(ctx, n)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.opts.Logger.Warn("snapshot ignored", "partition", n, "error", err)
		}
		st = newState(s.opts)
	}
	s.events[n].Store(st.events())
	return st
}

func (s *snapshots) readFile(ctx context.Context, n log.Partition) (*state, error) {
	f, err := s.opts.FS.Open(s.name(n))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, marks, err := readSnapshot(f, n, s.opts)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.name(n), err)
	}
	now, err := s.marks(ctx, n, st)
	if err != nil {
		return nil, fmt.Errorf("compare %s with the log: %w", s.name(n), err)
	}
	if now != marks {
		return nil, fmt.Errorf("%s is of another log", s.name(n))
	}
	return st, nil
}

// write puts the snapshot of st, all of which is committed, in place.
func (s *snapshots) write(ctx context.Context, n log.Partition, st *state) error {
	if s == nil {
		return nil
	}
	marks, err := s.marks(ctx, n, st)
	if err != nil {
		return err
	}
	if err := vfs.MkdirAllSynced(s.opts.FS, s.opts.SnapshotDir); err != nil {
		return fmt.Errorf("make %s: %w", s.opts.SnapshotDir, err)
	}
	if err := s.replace(ctx, s.name(n), func(w *snapshotWriter) { w.state(n, st, marks, s.opts) }); err != nil {
		return fmt.Errorf("write %s: %w", s.name(n), err)
	}
	s.events[n].Store(st.events())
	return nil
}

// replace writes a file under a temporary name, syncs it, renames it and syncs the folder. It gives up when ctx ends.
func (s *snapshots) replace(ctx context.Context, name string, fill func(*snapshotWriter)) error {
	temp := name + vfs.TempSuffix
	f, err := s.opts.FS.Create(temp)
	if err != nil {
		return err
	}
	w := &snapshotWriter{ctx: ctx, file: f}
	fill(w)
	err = w.finish()
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, s.opts.FS.Remove(temp))
	}
	if err := s.opts.FS.Rename(temp, name); err != nil {
		return err
	}
	return s.opts.FS.SyncDir(path.Dir(name))
}

// snapshotMarks tie a snapshot to its log: the checksum of the last batch of each topic that it has applied.
type snapshotMarks [topicCount]uint32

func (s *snapshots) marks(ctx context.Context, n log.Partition, st *state) (marks snapshotMarks, err error) {
	for topic, next := range st.next {
		if next == 0 {
			continue
		}
		tp := log.TopicPartition{Topic: topicNames[topic], Partition: n}
		got, err := s.lg.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: next - 1, MaxBytes: 1})
		if err != nil {
			return marks, err
		}
		if len(got.Records) == 0 {
			return marks, log.NewError(log.OffsetOutOfRange, "snapshot of "+tp.String(), "no record at %d", next-1)
		}
		marks[topic] = got.Records[0].CRC
	}
	return marks, nil
}
