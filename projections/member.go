package projections

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"lodge/log"
	"lodge/log/client"
)

// member is one member of the group. The group says which partitions it has (by a client.Consumer, which fetches nothing); the
// feeds read them. So members are cheap: what a partition costs, its fetching, decoding, applying and shards, it costs once in the store, whoever has it.
//
// A partition number is applied only when the member has it of every topic: they share the shards. The group's assignor sees to
// that; a member that is assigned something else, because the topics' partitions differ, leaves it alone and says so.
type member struct {
	run      *run
	name     string
	consumer *client.Consumer
	stop     context.CancelFunc
	done     chan struct{} // closed when it has left

	mu        sync.Mutex // held while partitions come and go
	held      map[log.TopicPartition]bool
	committed map[log.TopicPartition]log.Offset // known to be the group's
	err       error                             // why it is not in the group, or does not begin
	strange   map[log.Partition]error           // numbers that it has and does not apply
}

func newMember(r *run, name string) (*member, error) {
	m := &member{run: r, name: name, done: make(chan struct{}), held: map[log.TopicPartition]bool{},
		committed: map[log.TopicPartition]log.Offset{}, strange: map[log.Partition]error{}}
	opts := &r.store.opts
	var err error
	m.consumer, err = client.NewConsumer(r.store.reader, client.ConsumerOptions{
		Group: opts.Group, ClientID: name, Assignors: []client.Assignor{client.CoPartitioned},
		SessionTimeout: opts.SessionTimeout, HeartbeatInterval: opts.HeartbeatInterval,
		Delivery: client.ExactlyOnce, CommitInterval: -1, Paused: true,
		OnAssigned: m.assigned, OnRevoked: m.revoked, OnLost: m.lost,
	})
	if err != nil {
		return nil, err
	}
	return m, m.consumer.Subscribe(r.store.topics()...)
}

// live keeps the member in the group until ctx ends, and then gives its partitions to the others. The error says that the log is closed.
func (m *member) live(ctx context.Context) error {
	defer close(m.done)
	defer m.consumer.Close()
	var commits sync.WaitGroup
	defer commits.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	commits.Go(func() { m.commitNowAndThen(ctx) })
	for pause := backoffMin; ctx.Err() == nil; {
		began := time.Now()
		_, err := m.consumer.Poll(ctx) // all is paused: it returns errors only
		switch {
		case ctx.Err() != nil:
			return nil
		case log.CodeOf(err) == log.Closed:
			return err
		case time.Since(began) > backoffMax:
			pause = backoffMin
		}
		m.setErr(err)
		m.run.store.opts.Logger.Error("a member of the projections' group is retried", "member", m.name, "in", pause, "error", err)
		sleep(ctx, pause)
		pause = min(2*pause, backoffMax)
	}
	return nil
}

// assigned begins to read partitions, each where its shards are.
func (m *member) assigned(ctx context.Context, tps []log.TopicPartition) (map[log.TopicPartition]log.Offset, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, tp := range tps {
		m.held[tp] = true
	}
	_, generation := m.consumer.Member()
	for _, p := range numbersOf(tps) {
		if !m.mayApply(p) {
			continue
		}
		if err := m.run.begin(ctx, m.run.store.feeds[p], m.name, generation); err != nil {
			return nil, err
		}
	}
	m.err = nil
	offsets := map[log.TopicPartition]log.Offset{}
	for tp, o := range m.applied() {
		if slices.Contains(tps, tp) {
			offsets[tp] = o
		}
	}
	return offsets, nil
}

// mayApply checks what the member has of a number, and notes it when that is strange. The caller holds mu.
func (m *member) mayApply(p log.Partition) bool {
	err := m.check(p)
	if err == nil {
		delete(m.strange, p)
		return true
	}
	if m.strange[p] == nil {
		m.run.store.opts.Logger.Error("a partition of the projections is not applied", "member", m.name, "partition", p, "error", err)
	}
	m.strange[p] = err
	return false
}

// check says why what the member has of a number must not be applied, or nil.
func (m *member) check(p log.Partition) error {
	s := m.run.store
	if int(p) >= len(s.feeds) {
		return fmt.Errorf("partition %d is not below %d, for which the projections were opened", p, len(s.feeds))
	}
	for _, topic := range s.topics() {
		if tp := (log.TopicPartition{Topic: topic, Partition: p}); !m.held[tp] {
			return fmt.Errorf("the group %s has given %s to another member than the rest of partition %d", s.opts.Group, tp, p)
		}
	}
	return nil
}

// revoked finishes the batches under way, and has the group know how far they got.
func (m *member) revoked(ctx context.Context, tps []log.TopicPartition) error {
	m.mu.Lock()
	for _, p := range numbersOf(tps) {
		if t := m.tenure(p); t != nil {
			t.end()
		}
	}
	offsets := m.behind()
	maps.DeleteFunc(offsets, func(tp log.TopicPartition, _ log.Offset) bool { return !slices.Contains(tps, tp) })
	m.forget(tps)
	m.mu.Unlock()
	m.commit(ctx, lastCommitMax, offsets) // there is no other time
	return nil
}

// lost lets go of partitions that are another's already.
func (m *member) lost(tps []log.TopicPartition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range numbersOf(tps) {
		if t := m.tenure(p); t != nil {
			t.lose()
		}
	}
	m.forget(tps)
}

// forget notes that partitions are not the member's any more. The caller holds mu since before it ended their tenures: else resume would begin them again.
func (m *member) forget(tps []log.TopicPartition) {
	for _, tp := range tps {
		delete(m.held, tp)
		delete(m.committed, tp)
		delete(m.strange, tp.Partition)
	}
	for tp := range m.held {
		if slices.ContainsFunc(tps, func(gone log.TopicPartition) bool { return gone.Partition == tp.Partition }) {
			m.mayApply(tp.Partition) // it has a part of the number still
		}
	}
}

// tenure returns the member's tenure of a number, or nil.
func (m *member) tenure(p log.Partition) *tenure {
	if int(p) >= len(m.run.store.feeds) {
		return nil
	}
	return m.run.heldBy(m.run.store.feeds[p], m.name)
}

// commitNowAndThen has the group know how far the member is, for whoever watches its lag: the truth is in the shards. It also
// begins what nobody in the store reads although this member has it, should that ever happen.
func (m *member) commitNowAndThen(ctx context.Context) {
	tick := time.NewTicker(m.run.store.opts.CommitInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		m.mu.Lock()
		if _, generation := m.consumer.Member(); generation != log.NoGeneration {
			m.err = m.resume(ctx, generation)
		}
		offsets := m.behind()
		m.mu.Unlock()
		m.commit(ctx, m.run.store.opts.CommitInterval, offsets)
	}
}

// resume begins the tenures that are missing. The caller holds mu.
func (m *member) resume(ctx context.Context, generation log.Generation) error {
	for _, p := range numbersOf(slices.Collect(maps.Keys(m.held))) {
		if m.check(p) != nil || m.run.tenure(m.run.store.feeds[p]) != nil {
			continue
		}
		if err := m.run.begin(ctx, m.run.store.feeds[p], m.name, generation); err != nil {
			return err
		}
	}
	return nil
}

// applied returns how far all projections are in what the member applies: of each partition the offset behind the last event that is in
// the tables of all of them. The caller holds mu.
func (m *member) applied() map[log.TopicPartition]log.Offset {
	offsets := map[log.TopicPartition]log.Offset{}
	for tp := range m.held {
		if m.check(tp.Partition) == nil {
			offsets[tp] = m.run.store.applied(tp)
		}
	}
	return offsets
}

// behind returns the offsets that the group does not know yet. The caller holds mu.
func (m *member) behind() map[log.TopicPartition]log.Offset {
	offsets := m.applied()
	maps.DeleteFunc(offsets, func(tp log.TopicPartition, o log.Offset) bool {
		known, ok := m.committed[tp]
		return known == o && (ok || o == 0)
	})
	return offsets
}

// lastCommitMax bounds how long partitions that go to another member wait for the group to know how far they are.
const lastCommitMax = 5 * time.Second

// commit tells the group within a time. What it does not take then is told another time, or is no longer this member's to tell.
func (m *member) commit(ctx context.Context, limit time.Duration, offsets map[log.TopicPartition]log.Offset) {
	if len(offsets) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := m.consumer.Commit(ctx, offsets); err != nil {
		m.run.store.opts.Logger.Debug("the projections' group does not take offsets", "member", m.name, "error", err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for tp, o := range offsets {
		if m.held[tp] {
			m.committed[tp] = o
		}
	}
}

func (m *member) setErr(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// applied returns the offset behind the last event of tp that is in the tables of all projections; 0 while one has no tables.
func (s *Store) applied(tp log.TopicPartition) log.Offset {
	least := log.Offset(-1)
	for _, p := range s.projections {
		v, err := p.acquire()
		if err != nil {
			return 0
		}
		next, reads, _ := v.shards[tp.Partition].marks.get(tp.Topic)
		if reads && (least < 0 || next < least) {
			least = next
		}
		if err := v.release(false); err != nil {
			s.opts.Logger.Error("an old version of a projection is not closed", "projection", p.name, "error", err)
		}
	}
	return max(0, least)
}

// numbersOf returns the partition numbers, ascending.
func numbersOf(tps []log.TopicPartition) []log.Partition {
	numbers := map[log.Partition]bool{}
	for _, tp := range tps {
		numbers[tp.Partition] = true
	}
	return slices.Sorted(maps.Keys(numbers))
}
