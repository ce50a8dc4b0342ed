package projections

import (
	"cmp"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"go.opentelemetry.io/otel/trace"

	"lodge/log"
)

// GroupName is the name of the platform's projections' group.
const GroupName log.Group = "projections"

// Options configures a Store. The zero value of a field means its default.
type Options struct {
	Partitions      int           // of every topic that is read; default 8. Fixed once files exist: another number rebuilds
	Readers         int           // connections for queries per shard; default 4. More wait for a free one
	FetchBytes      int           // of one fetch while following the log; default 1 MiB
	BulkEvents      int           // merged before they are written in a rebuild; default 65,536
	TransactionRows int           // rows at which a live transaction is cut (by Weigher); default 100,000
	NearEvents      int64         // a shard this close to the log's end joins the live feed; default 2,000
	WALPages        int           // wal_autocheckpoint; default 20,000 pages of 4 KiB
	CacheKiB        int           // page cache of a shard's writer; default 16 MiB. A reader has an eighth
	Workers         int           // shards that replay at the same time; default: one for each processor, at most GOMAXPROCS
	WaitMax         time.Duration // WaitFor gives up after this; default 10 s
	Linger          time.Duration // least time between two batches of a topic while nobody waits for a position; default 20 ms, negative: none
	LingerMax       time.Duration // what Linger grows to, by one Linger for each 16 events of the last batch; default 500 ms
	Logger          *slog.Logger  // default slog.Default()
	Tracer          trace.Tracer  // tells in which traces events were applied, and who waited for that; nil: none. Replays are not told

	ArchiveDays  int           // rows are archived when their hotel has come so many days beyond them; default 60, negative: never
	ArchiveEvery time.Duration // the least time between two looks for such rows, in each shard; default 1 s
	ColdFiles    int           // files of the archive that stay open for queries; default 64

	// Group is the consumer group whose members read the log, each the partitions that the group assigns to it. The log must be a log.Coordinator.
	// "": the store is in no group, and reads all partitions. What follows is for a group.
	Group             log.Group
	Members           int           // that Run begins with, at most MembersMax; default 2
	SessionTimeout    time.Duration // a member without heartbeat for so long is out; default 10 s. The coordinator has its own limits
	HeartbeatInterval time.Duration // and so how long a change of the group may stay unnoticed; default 250 ms, at most a third of SessionTimeout
	CommitInterval    time.Duration // how often a member tells the group how far it is; default 1 s

	// Fault, when set, is called at every Step; an error makes Run or Rebuild end with it at once, as
	// if the process had been killed there. For tests. Calls come from several goroutines.
	Fault func(Step) error
}

func (o Options) withDefaults() Options {
	setInt := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	setInt(&o.Partitions, 8)
	setInt(&o.Readers, 4)
	setInt(&o.FetchBytes, 1<<20)
	setInt(&o.BulkEvents, 1<<16)
	setInt(&o.TransactionRows, 100_000)
	setInt(&o.WALPages, 20_000)
	setInt(&o.CacheKiB, 16<<10)
	setInt(&o.Workers, min(runtime.NumCPU(), runtime.GOMAXPROCS(0)))
	setInt(&o.Members, 2)
	setInt(&o.ArchiveDays, 60)
	setInt(&o.ColdFiles, 64)
	o.ArchiveEvery = cmp.Or(o.ArchiveEvery, time.Second)
	o.NearEvents = cmp.Or(o.NearEvents, 2000)
	o.WaitMax = cmp.Or(o.WaitMax, 10*time.Second)
	o.Linger = cmp.Or(o.Linger, 20*time.Millisecond)
	o.LingerMax = cmp.Or(o.LingerMax, 500*time.Millisecond)
	o.SessionTimeout = cmp.Or(o.SessionTimeout, 10*time.Second)
	o.HeartbeatInterval = cmp.Or(o.HeartbeatInterval, min(250*time.Millisecond, o.SessionTimeout/3))
	o.CommitInterval = cmp.Or(o.CommitInterval, time.Second)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Validate returns an error that names the first option out of its range.
func (o Options) Validate() error {
	for _, c := range []struct {
		name        string
		value       int
		least, most int
	}{
		{"Partitions", o.Partitions, 0, 1024},
		{"Readers", o.Readers, 0, 256},
		{"FetchBytes", o.FetchBytes, 0, 64 << 20},
		{"BulkEvents", o.BulkEvents, 0, 1 << 22},
		{"TransactionRows", o.TransactionRows, 0, 1 << 24},
		{"WALPages", o.WALPages, 0, 1 << 20},
		{"CacheKiB", o.CacheKiB, 0, 4 << 20},
		{"Workers", o.Workers, 0, 1024},
		{"Members", o.Members, 0, MembersMax},
		{"ArchiveDays", o.ArchiveDays, -1, 36_500},
		{"ColdFiles", o.ColdFiles, 0, 4096},
	} {
		if c.value < c.least || c.value > c.most {
			return fmt.Errorf("projections option %s: %d is not between %d and %d", c.name, c.value, c.least, c.most)
		}
	}
	if o.NearEvents < 0 || o.WaitMax < 0 || o.LingerMax < 0 || o.ArchiveEvery < 0 {
		return fmt.Errorf("projections options NearEvents, WaitMax, LingerMax and ArchiveEvery must not be negative")
	}
	if o.SessionTimeout < 0 || o.HeartbeatInterval < 0 || o.CommitInterval < 0 {
		return fmt.Errorf("projections options SessionTimeout, HeartbeatInterval and CommitInterval must not be negative")
	}
	if o.Group == "" {
		return nil
	}
	return o.Group.Validate()
}
