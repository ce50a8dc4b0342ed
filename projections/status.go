package projections

import (
	"context"
	"fmt"
	"os"
	"slices"

	"lodge/log"
)

// State says what a projection is doing.
type State string

// The states.
const (
	Building   State = "building"    // no tables yet: queries are refused
	Rebuilding State = "rebuilding"  // tables in service, others being made
	CatchingUp State = "catching up" // in service, not at the live feed yet
	Following  State = "following"   // in service, applying events as they come

	// Rebalancing: in service, and there are partitions that no member of this store reads: they are between two members, or those of another store.
	Rebalancing State = "rebalancing"

	Failed  State = "failed"  // in service, not applying events: see Err. It is retried
	Stopped State = "stopped" // in service, Run is not running
)

// Status describes a projection at one moment.
type Status struct {
	Name    string
	State   State
	Version int   // in service, or 0
	Lag     int64 // events in the log that are not in the tables
	Bytes   int64 // of the database files, the archive's not
	Shards  []ShardStatus
	Archive []ArchiveStatus // by year, the oldest first
	Rebuild *Progress       // of a rebuild under way, or nil
	Err     string          // why events are not applied, or ""
}

// ShardStatus describes one shard.
type ShardStatus struct {
	Partition log.Partition
	Member    string // of the group, that reads the partition; "": none of this store's, or the store is in no group
	Topics    []TopicStatus
	Following bool
}

// TopicStatus tells how far a shard is in a topic.
type TopicStatus struct {
	Topic         log.Topic
	Next          log.Offset // everything before it is in the tables
	HighWatermark log.Offset
}

// ArchiveStatus describes what a projection's archive holds of a year, in the files of all shards.
type ArchiveStatus struct {
	Year  int
	Rows  int64
	Bytes int64
}

// Status describes all projections, in the order given to Open.
func (s *Store) Status(ctx context.Context) []Status {
	all := make([]Status, 0, len(s.projections))
	for _, p := range s.projections {
		all = append(all, s.status(ctx, p, s.current.Load()))
	}
	return all
}

func (s *Store) status(ctx context.Context, p *projection, r *run) Status {
	p.mu.Lock()
	st := Status{Name: p.name, Rebuild: p.progress}
	trouble := p.trouble()
	p.mu.Unlock()
	if trouble == nil {
		trouble = r.trouble()
	}
	following, held := true, true
	if v, err := p.acquire(); err == nil {
		st.Version = v.number
		for _, sh := range v.shards {
			shard, ferr := s.shardStatus(ctx, sh, &st)
			following, held = following && shard.Following, held && (shard.Member != "" || s.opts.Group == "")
			st.Shards = append(st.Shards, shard)
			if aerr := sh.archiveStatus(ctx, &st); ferr == nil {
				ferr = aerr
			}
			if trouble == nil {
				trouble = ferr
			}
		}
		if err := v.release(false); trouble == nil {
			trouble = err
		}
	}
	if trouble != nil {
		st.Err = trouble.Error()
	}
	st.State = stateOf(&st, r != nil, following, held)
	return st
}

// trouble returns why a member is not in the group, or nil.
func (r *run) trouble() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	members := slices.Clone(r.members)
	r.mu.Unlock()
	for _, m := range members {
		if err := m.trouble(); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

func stateOf(st *Status, running, following, held bool) State {
	switch {
	case st.Version == 0 && (running || st.Err == ""):
		return Building
	case st.Rebuild != nil:
		return Rebuilding
	case !running:
		return Stopped
	case st.Err != "":
		return Failed
	case following:
		return Following
	case !held:
		return Rebalancing
	}
	return CatchingUp
}

// shardStatus describes a shard, adds its lag and size to st, and returns what keeps its feed from reading.
func (s *Store) shardStatus(ctx context.Context, sh *shard, st *Status) (ShardStatus, error) {
	f := s.feeds[sh.partition]
	f.mu.Lock()
	out, err := ShardStatus{Partition: sh.partition, Member: f.holder, Following: sh.attached}, f.err
	f.mu.Unlock()
	for _, topic := range sh.projector.Topics() {
		next, _, _ := sh.marks.get(topic)
		_, end, oerr := s.reader.Offsets(ctx, log.TopicPartition{Topic: topic, Partition: sh.partition})
		if err == nil {
			err = oerr
		}
		st.Lag += max(0, int64(end-next))
		out.Topics = append(out.Topics, TopicStatus{Topic: topic, Next: next, HighWatermark: end})
	}
	for _, name := range []string{sh.path, sh.path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			st.Bytes += info.Size()
		}
	}
	return out, err
}

// archiveStatus adds the shard's archive to st.
func (sh *shard) archiveStatus(ctx context.Context, st *Status) error {
	if sh.archive == nil {
		return nil
	}
	return sh.readers.view(ctx, func(c *Conn) error {
		return c.Query(ctx, "SELECT year, sum(total) FROM archive_part GROUP BY year ORDER BY year", nil, func(r *Row) error {
			year := int(r.Int(0))
			i := slices.IndexFunc(st.Archive, func(a ArchiveStatus) bool { return a.Year >= year })
			if i < 0 {
				i = len(st.Archive)
			}
			if i == len(st.Archive) || st.Archive[i].Year != year {
				st.Archive = slices.Insert(st.Archive, i, ArchiveStatus{Year: year})
			}
			st.Archive[i].Rows += r.Int(1)
			if info, err := os.Stat(sh.archive.file(year)); err == nil {
				st.Archive[i].Bytes += info.Size()
			}
			return nil
		})
	})
}
