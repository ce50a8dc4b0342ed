package broker

import (
	"fmt"
	"path"
	"strconv"
	"sync"
	"sync/atomic"

	"lodge/log"
	"lodge/log/internal/commitlog"
	"lodge/log/internal/producerstate"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// partition is one partition: its log on disk, the groups of batches on their way there, and those who
// wait for either.
//
// mu guards memory only and is never held across I/O. Who has the turn (leading) is the only one to
// write to the log: a waiter that commits its own group, or Run for a sync or a checkpoint.
type partition struct {
	b   *Broker
	tp  log.TopicPartition
	dir string

	settings atomic.Pointer[log.TopicConfig] // replaced by whoever has the turn, so that a commit goes by one of them

	// log is nil when the partition could not be opened; failed says why. Readers hold files while they
	// read, close takes it to wait for them. Neither changes after open but by close.
	log   *commitlog.Log
	files sync.RWMutex
	gone  error // why there are no files to read: could not be opened, closed, deleted. Guarded by files

	highWatermark atomic.Int64

	mu        sync.Mutex
	next      log.Offset           // of the next batch; the log's end
	producers *producerstate.Table // as of next
	refused   error                // why appends are refused: poisoned, closed, deleted, not opened
	layout    int32                // the number of the topic's layout, or layoutChanging or layoutUnknown
	stage     stage                // what the topic's layout makes of the partition
	pending   *group               // takes batches in; never nil
	writing   *group               // being committed by whoever has the turn, or nil
	leading   bool                 // somebody has the turn
	turns     []*waiter            // those who want the turn for other work than commits, in order
	company   int                  // waiters that the next commit may expect: see awaitCompany

	joined atomic.Int32 // waiters of pending: read by awaitCompany without mu

	polls    polls
	watchers watchers // queue groups that wait for records

	recovered log.Offset // the log's end when it was opened

	unsynced     atomic.Int64 // uptime at the first write since the last sync; 0: all is synced
	replayed     bool         // open found batches behind the last checkpoint
	filling      atomic.Bool  // Run was asked for zeros
	checkpointed atomic.Int64 // everything below this offset is covered by a checkpoint
}

// stage is where a partition stands in its life, as appends see it.
type stage uint8

const (
	activeStage   stage = iota
	leavingStage        // a layout is about to begin in which the partition drains
	drainingStage       // takes no more records
)

// place has p go by the topic's definition. mu must be held.
func (p *partition) place(def *definition) {
	p.layout, p.stage = def.layout().Number, activeStage
	if def.stateOf(p.tp.Partition) == log.StateDraining {
		p.stage = drainingStage
	}
}

// openPartition recovers one partition. What goes wrong is kept in it: the others are not to suffer.
func (b *Broker) openPartition(t *topic, n log.Partition, def *definition) *partition {
	tp := log.TopicPartition{Topic: t.name, Partition: n}
	p := &partition{
		b: b, tp: tp, dir: path.Join(t.dir, strconv.Itoa(int(n))),
		producers: producerstate.New(b.opts.ProducersMax),
	}
	p.settings.Store(&def.config)
	p.place(def)
	p.pending = &group{p: p}
	if err := p.open(); err != nil {
		b.opts.Logger.Error("partition cannot be opened", "partition", tp.String(), "error", err)
		p.refused, p.gone = err, err
	}
	return p
}

func (p *partition) open() error {
	fs := p.b.opts.FS
	there, err := vfs.Exists(fs, p.dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", p.tp, err)
	}
	if !there { // it was durable before the topic's file was
		return log.NewError(log.Corrupt, "open "+p.tp.String(), "%s is missing: restore the folder from a copy, "+
			"or make an empty one to begin anew without the partition's records", p.dir)
	}
	p.log, err = commitlog.Open(p.dir, p.tp, commitlog.Options{
		FS: fs, Config: *p.config(), Zero: p.zeroFilled(), Clock: p.b.opts.Clock, Logger: p.b.opts.Logger,
		Tags: p.b.tags,
	}, p.replay, p.producers.Load)
	if err != nil {
		return err
	}
	p.next = p.log.NextOffset()
	p.recovered = p.next
	p.checkpointed.Store(int64(p.next))
	if p.replayed {
		p.checkpointed.Store(int64(log.NoOffset))
	}
	p.highWatermark.Store(int64(p.next))
	return nil
}

// config returns the settings in force. They are replaced as a whole and must not be changed.
func (p *partition) config() *log.TopicConfig { return p.settings.Load() }

// zeroFilled reports whether zeros are written ahead of the writer: it pays where every append is synced.
func (p *partition) zeroFilled() bool {
	return p.config().Durability == log.Sync && !p.b.opts.NoPreallocation
}

// replay takes in the header of a batch that was found behind the checkpoint.
func (p *partition) replay(h record.Header) error {
	p.replayed = true
	if s, ok := h.Producer(); ok {
		p.producers.Replay(s, h.Span(), h.BaseOffset)
	}
	return nil
}

// refusal returns why p takes no appends, or nil.
func (p *partition) refusal() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// refuse makes p refuse all appends from now on, for the first reason given, and fails the group that
// waits. mu must be held.
func (p *partition) refuse(err error) {
	if p.refused == nil {
		p.refused = err
	}
	g, waiters := p.pending, p.pending.waiters
	g.finish(p.refused)
	p.pending = &group{p: p}
	p.joined.Store(0)
	wake(waiters)
}

// close commits what waits, leaves a checkpoint and closes the files. Appends from then on get reason, and
// so do fetches and those that wait for data.
func (p *partition) close(reason error) error { return p.closeFor(reason, reason) }

// closeFor is close with a reason of their own for fetches. Who calls it, or close, holds admin, and does so once.
func (p *partition) closeFor(reason, fetches error) error {
	p.acquire()
	defer p.release()
	p.mu.Lock()
	blob := p.producers.Append(nil) // with all that swap takes, and nothing behind it
	g := p.swap()
	p.refused = reason
	p.refuse(reason)
	p.mu.Unlock()
	err := p.commit(g)
	defer p.polls.end() // when fetches find reason
	p.files.Lock()
	defer p.files.Unlock()
	if p.log != nil && p.gone == nil {
		if e := p.log.Close(blob); err == nil {
			err = e
		}
	}
	p.gone = fetches
	return err
}

// info describes p at this moment.
func (p *partition) info() log.PartitionInfo {
	info := log.PartitionInfo{Partition: p.tp.Partition, LeaderEpoch: p.b.epoch}
	p.mu.Lock()
	info.LogEnd = p.next
	if p.refused != nil {
		info.Err = p.refused.Error()
	}
	p.mu.Unlock()
	p.files.RLock()
	defer p.files.RUnlock()
	info.HighWatermark = log.Offset(p.highWatermark.Load())
	if p.gone == nil {
		info.LogStart, info.Bytes, info.Segments = p.log.StartOffset(), p.log.Bytes(), p.log.Segments()
		info.Offloaded = p.log.OffloadedBytes()
	}
	return info
}
