package broker

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"lodge/log"
	"lodge/log/internal/commitlog"
	"lodge/log/vfs"
	"lodge/log/vfs/tiered"
)

// Names within the broker's folder.
const (
	topicsDir = "topics"
)

// Broker keeps the topics of one folder. It is a log.Writer, a log.Reader and a log.Admin.
type Broker struct {
	dir      string
	opts     Options
	opened   time.Time
	lock     io.Closer
	identity *identity
	epoch    log.LeaderEpoch // of all partitions: this opening of the folder

	// topics is replaced as a whole, under admin, so that appends and fetches look it up without a lock.
	topics atomic.Pointer[map[log.Topic]*topic]
	admin  sync.Mutex // one create, delete or close at a time; never taken by appends or fetches

	fill    chan *partition // partitions whose zero-filled space runs low
	waiting atomic.Int64    // fetches that wait for data
	scratch buffers         // for encoding one batch
	groups  buffers         // for what one commit writes
	waiters sync.Pool       // *waiter
	tags    *commitlog.TagCache

	queues    queues       // queue groups
	consumers *coordinator // consumer groups

	closed  atomic.Bool
	closing chan struct{}  // closed by Close
	running sync.WaitGroup // Run
}

// topic is one topic, complete: a topic in the map has all of its partitions.
type topic struct {
	name    log.Topic
	dir     string
	created time.Time

	state     atomic.Pointer[topicState]    // replaced as a whole, under admin
	changing  atomic.Pointer[chan struct{}] // closed when the layout that is being begun has begun, or has not; nil: none is
	unsettled error                         // why the file on disk may be another than state's; see alter.go. Guarded by admin
}

// config returns the settings in force. They are replaced as a whole and must not be changed.
func (t *topic) config() *log.TopicConfig { return &t.state.Load().config }

// live returns the partitions that are not retired, by number.
func (t *topic) live() []*partition { return t.state.Load().live }

// Open takes the folder, making it when it is missing, and recovers its partitions. It starts no goroutine.
//
// Codes: Locked (another process has the folder: the error names it), Corrupt and UnsupportedFormat (a
// settings file cannot be trusted), InvalidArgument (options), and the file system's errors. A single partition that cannot be opened is no error
// here: it is shown in its PartitionInfo.Err, and its appends and fetches return it.
func Open(dir string, opts Options) (*Broker, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	b := &Broker{
		dir: dir, opts: opts.withDefaults(), opened: time.Now(), closing: make(chan struct{}), fill: make(chan *partition, log.PartitionsMax),
		scratch: buffers{keepMax: 1 << 20}, groups: buffers{keepMax: 16 << 20},
	}
	if err := b.open(); err != nil {
		return nil, errors.Join(err, b.release())
	}
	return b, nil
}

func (b *Broker) open() error {
	fs := b.opts.FS
	b.tags = commitlog.NewTagCache(b.opts.TagIndexBytesMax)
	if err := vfs.MkdirAllSynced(fs, path.Join(b.dir, topicsDir)); err != nil {
		return fmt.Errorf("make %s: %w", b.dir, err)
	}
	var err error
	if b.lock, err = lockDir(fs, b.dir); err != nil {
		return err
	}
	if fs, err = b.openTiers(); err != nil {
		return err
	}
	names, err := fs.List(path.Join(b.dir, topicsDir))
	if err != nil {
		return fmt.Errorf("list %s: %w", path.Join(b.dir, topicsDir), err)
	}
	if b.identity, err = openIdentity(fs, b.dir, len(names) > 0); err != nil {
		return err
	}
	b.epoch = b.identity.stored.LeaderEpoch
	topics := make(map[log.Topic]*topic)
	b.topics.Store(&topics)
	for _, name := range names {
		if err := b.openTopicDir(topics, log.Topic(name)); err != nil {
			return err
		}
	}
	b.openGroups()
	return b.openQueues()
}

// openTiers makes the file system one with a cold folder, if there is one.
func (b *Broker) openTiers() (fs vfs.FS, err error) {
	if b.opts.OffloadDir != "" {
		fs, err = tiered.Attach(b.opts.FS, b.dir, b.opts.OffloadDir)
	} else {
		fs, err = tiered.Open(b.opts.FS, b.dir)
	}
	if err == nil {
		b.opts.FS = fs
	}
	return fs, err
}

// openTopicDir opens the topic in a folder, or removes what an unfinished create or delete left there.
func (b *Broker) openTopicDir(topics map[log.Topic]*topic, name log.Topic) error {
	dir := b.topicDir(name)
	_, err := b.opts.FS.Stat(path.Join(dir, settingsFile))
	if errors.Is(err, iofs.ErrNotExist) {
		return b.clearTopicDir(dir)
	}
	if err != nil {
		return fmt.Errorf("open topic %s: %w", name, err)
	}
	def, created, err := readSettings(b.opts.FS, dir, name)
	if err != nil {
		return err
	}
	if err := b.opts.FS.SyncDir(dir); err != nil { // a process killed while it made the topic may not have
		return fmt.Errorf("open topic %s: %w", name, err)
	}
	if err := b.clearPast(dir, &def); err != nil {
		return err
	}
	t := b.openTopic(name, def, created)
	topics[name] = t
	return b.clamp(t)
}

// openTopic opens the partitions of a topic, several at a time.
func (b *Broker) openTopic(name log.Topic, def definition, created time.Time) *topic {
	t := &topic{name: name, dir: b.topicDir(name), created: created}
	partitions := make([]*partition, def.made)
	each(partitions, func(n int, _ *partition) {
		if def.stateOf(log.Partition(n)) != log.StateRetired {
			partitions[n] = b.openPartition(t, log.Partition(n), &def)
		}
	})
	t.state.Store(newTopicState(def, partitions))
	return t
}

// each calls f for each partition, several at a time: each one reads and syncs files of its own, and
// devices do that better side by side. It returns when all calls have.
func each(partitions []*partition, f func(int, *partition)) {
	const atOnce = 16
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for n, p := range partitions {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(n, p)
		})
	}
	wg.Wait()
}

// uptime returns the nanoseconds since Open, never 0. They go on when somebody sets the clock back.
func (b *Broker) uptime() int64 { return max(1, int64(time.Since(b.opened))) }

func (b *Broker) topicDir(name log.Topic) string { return path.Join(b.dir, topicsDir, string(name)) }

// partition returns the partition that tp names.
func (b *Broker) partition(tp log.TopicPartition, op string) (*partition, error) {
	if t := (*b.topics.Load())[tp.Topic]; t != nil {
		state := t.state.Load()
		if state.isMade(tp.Partition) {
			if p := state.partitions[tp.Partition]; p != nil {
				return p, nil
			}
			return nil, errRetired(op, tp)
		}
	}
	if b.closed.Load() {
		return nil, errClosed(op + " " + tp.String())
	}
	return nil, log.NewError(log.UnknownTopic, op+" "+tp.String(), "no such topic or partition")
}

// Close writes what is still waiting, syncs, leaves a checkpoint in each partition and gives up the
// folder. It ends Run and every waiting fetch, and waits for them. Appends and fetches from then on
// return code Closed. The error tells of what could not be written; the folder is given up all the same.
func (b *Broker) Close() error {
	b.admin.Lock()
	defer b.admin.Unlock()
	if b.closed.Swap(true) {
		return nil
	}
	close(b.closing)
	b.running.Wait()
	return b.release()
}

// release closes what is open. Also called when Open fails halfway.
func (b *Broker) release() error {
	var errs []error
	if topics := b.topics.Load(); topics != nil {
		errs = append(errs, closeTopics(*topics))
	}
	if b.identity != nil {
		b.identity.close()
	}
	if b.lock != nil {
		errs = append(errs, b.lock.Close())
	}
	return errors.Join(errs...)
}

// closeTopics closes all partitions.
func closeTopics(topics map[log.Topic]*topic) error {
	var all []*partition
	for _, t := range topics {
		all = append(all, t.live()...)
	}
	errs := make([]error, len(all))
	each(all, func(n int, p *partition) { errs[n] = p.close(errClosed("append " + p.tp.String())) })
	return errors.Join(errs...)
}

// errRetired is what reads of a retired partition get.
func errRetired(op string, tp log.TopicPartition) error {
	return log.NewError(log.UnknownTopic, op+" "+tp.String(), "the partition is retired: its records are deleted")
}

func errClosed(op string) error { return log.NewError(log.Closed, op, "the log is closed") }
