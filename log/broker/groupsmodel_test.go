package broker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	groups "lodge/log/internal/group"
	"lodge/log/internal/group/assignor"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// groupModel is a group under faults, and what is known of it from outside: what its members were told.
type groupModel struct {
	t        *testing.T
	assignor assignor.Assignor
	faults   atomic.Bool
	over     atomic.Bool
	members  sync.WaitGroup

	log struct { // replaced by a power loss
		sync.RWMutex
		b    *Broker
		mem  *vfs.MemFS
		dead *atomic.Bool // its disk makes nothing durable any more
		stop func()
	}

	mu        sync.Mutex
	latest    log.Generation                                   // the highest that anybody was told
	owners    map[log.Generation]map[log.TopicPartition]string // by instance, or id
	accepted  map[log.TopicPartition]log.Offset                // the last commit that was answered
	attempted map[log.TopicPartition]map[log.Offset]bool       // commits that were answered with an error since: they may be stored or not
	alive     map[string]*groupMember
	takeovers int
}

// groupMember is a member's process: one goroutine.
type groupMember struct {
	m        *groupModel
	rng      *rand.Rand
	name     string // of its process
	instance string
	id       log.MemberID

	joined   log.JoinResponse
	assigned []log.TopicPartition
	at       map[log.TopicPartition]log.Offset // where it reads on
}

const modelSession = 10 * time.Second

// start opens the log on mem and runs it.
func (m *groupModel) start(mem *vfs.MemFS) {
	dead := &atomic.Bool{}
	failing := mutations(func(op errorfs.Op) error {
		if dead.Load() && (op.Kind == errorfs.SyncData || op.Kind == errorfs.Sync || op.Kind == errorfs.SyncDir) {
			return errorfs.ErrInjected
		}
		return nil
	})
	b, stop := runGroups(m.t, errorfs.Wrap(mem, failing), Options{FlushInterval: 100 * time.Millisecond})
	m.log.Lock()
	defer m.log.Unlock()
	m.log.b, m.log.mem, m.log.dead, m.log.stop = b, mem, dead, stop
}

// losePower replaces the log by what is left of it. For a moment before, what is written does not become durable any more. It must end when
// nobody else runs: at a time of its own.
func (m *groupModel) losePower(rng *rand.Rand) {
	m.log.dead.Store(true)
	time.Sleep(time.Duration(rng.IntN(3000))*time.Millisecond + 500*time.Microsecond)
	after := m.log.mem.CrashClone(vfs.Randomly(rng))
	m.log.stop()
	m.log.b.Close() // fails: its disk is gone
	m.start(after)
	time.Sleep(500 * time.Microsecond)
}

func (m *groupModel) broker() *Broker {
	m.log.RLock()
	defer m.log.RUnlock()
	return m.log.b
}

// told notes a generation that a member was told; before is the latest when it asked.
func (m *groupModel) told(g, before log.Generation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g < before {
		m.t.Errorf("generation %d after %d", g, before)
	}
	m.latest = max(m.latest, g)
}

func (m *groupModel) generation() log.Generation {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.latest
}

// own notes an assignment: a partition has one owner in a generation.
func (m *groupModel) own(p *groupMember) {
	m.mu.Lock()
	defer m.mu.Unlock()
	owners := m.owners[p.joined.Generation]
	if owners == nil {
		owners = map[log.TopicPartition]string{}
		m.owners[p.joined.Generation] = owners
	}
	name := p.instance
	if name == "" {
		name = string(p.id)
	}
	for _, tp := range p.assigned {
		if other, ok := owners[tp]; ok && other != name {
			m.t.Errorf("generation %d: %v is %s's and %s's", p.joined.Generation, tp, other, name)
		}
		owners[tp] = name
	}
}

// begins notes where a member begins a partition: where the last commit was that was answered, or one that may have been stored after it.
func (m *groupModel) begins(tp log.TopicPartition, at log.Offset) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.takeovers++
	if at != m.accepted[tp] && !m.attempted[tp][at] {
		m.t.Errorf("%v: an owner begins at %d, accepted is %d, attempted are %v", tp, at, m.accepted[tp], m.attempted[tp])
	}
	m.accepted[tp] = at
	m.attempted[tp] = nil
}

// commits notes a commit's outcome.
func (m *groupModel) commits(p *groupMember, offsets map[log.TopicPartition]log.Offset, before log.Generation, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && p.joined.Generation < before {
		m.t.Errorf("%s committed in generation %d, %d had begun", p.name, p.joined.Generation, before)
	}
	for tp, o := range offsets {
		switch code := log.CodeOf(err); {
		case err == nil:
			m.accepted[tp], m.attempted[tp] = o, nil
		case code == log.UnknownMember, code == log.IllegalGeneration, code == log.RebalanceInProgress, code == log.FencedInstance:
		default:
			if m.attempted[tp] == nil {
				m.attempted[tp] = map[log.Offset]bool{}
			}
			m.attempted[tp][o] = true
		}
	}
}

// run lives a member's life: until a fault ends it, or the model is over. No two members do something at the same moment of the bubble: what one has noted
// of what it did, the next one knows.
func (p *groupMember) run() {
	defer p.m.members.Done()
	defer p.forget()
	time.Sleep(p.moment())
	for !p.m.over.Load() {
		err := p.join()
		for err == nil && !p.m.over.Load() {
			var ends bool
			if ends, err = p.work(); ends {
				return
			}
		}
		switch log.CodeOf(err) {
		case log.RebalanceInProgress:
		case log.FencedInstance:
			return
		case log.UnknownMember, log.IllegalGeneration:
			p.lost()
		default: // the log is gone
			p.lost()
			time.Sleep(50*time.Millisecond + p.moment())
		}
	}
}

// moment returns less than a millisecond.
func (p *groupMember) moment() time.Duration { return time.Duration(p.rng.IntN(int(time.Millisecond))) }

func (p *groupMember) lost() { p.id, p.assigned, p.at = "", nil, map[log.TopicPartition]log.Offset{} }

func (p *groupMember) forget() {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	delete(p.m.alive, p.name)
}

// join becomes a member of the next generation, with its assignment, and looks where to begin what it did not have.
func (p *groupMember) join() (err error) {
	b := p.m.broker()
	subscription := groups.Subscription{Topics: []log.Topic{"t"}, Owned: p.assigned, Generation: p.joined.Generation}
	if !p.m.assignor.Cooperative {
		p.assigned, p.at, subscription.Owned = nil, map[log.TopicPartition]log.Offset{}, nil
	}
	metadata, _ := subscription.Encode()
	before := p.m.generation()
	p.joined, err = b.JoinGroup(ctx, log.JoinRequest{
		Group: "g", Member: p.id, Instance: p.instance, SessionTimeout: modelSession, RebalanceTimeout: time.Duration(1+p.rng.IntN(4)) * time.Second,
		ProtocolType: "consumer", Protocols: []log.GroupProtocol{{Name: p.m.assignor.Name, Metadata: metadata}},
	})
	if err != nil {
		return err
	}
	p.id = p.joined.Member
	p.m.told(p.joined.Generation, before)
	if p.rng.IntN(10) == 0 {
		time.Sleep(p.pause())
	}
	sync := log.SyncRequest{Group: "g", Generation: p.joined.Generation, Member: p.id, Instance: p.instance}
	if p.joined.Leader == p.id && !p.joined.SkipAssignment {
		if sync.Assignments, err = p.m.assignor.Assign(p.joined.Members, p.partitions(b)); err != nil {
			return err
		}
	}
	encoded, err := b.SyncGroup(ctx, sync)
	if err != nil {
		return err
	}
	return p.assign(b, encoded)
}

// partitions returns the topic's.
func (p *groupMember) partitions(b *Broker) assignor.Partitions {
	info, err := b.DescribeTopic(ctx, "t")
	if err != nil {
		return nil
	}
	all := assignor.Partitions{}
	for _, pi := range info.Partitions {
		all["t"] = append(all["t"], pi.Partition)
	}
	return all
}

// assign takes up an assignment. Of a cooperative one that takes something away it joins again at once.
func (p *groupMember) assign(b *Broker, encoded []byte) error {
	a, err := groups.DecodeAssignment(encoded)
	if err != nil {
		p.m.t.Error(err)
	}
	before := p.assigned
	p.assigned = a.Partitions
	p.m.own(p)
	at, err := b.FetchOffsets(ctx, "g", p.assigned)
	if err != nil {
		return err
	}
	taken := false
	for _, tp := range before {
		if !slices.Contains(p.assigned, tp) {
			delete(p.at, tp)
			taken = true
		}
	}
	for _, tp := range p.assigned {
		if _, has := p.at[tp]; !has {
			p.at[tp] = at[tp].Offset
			p.m.begins(tp, at[tp].Offset)
		}
	}
	if taken {
		return log.NewError(log.RebalanceInProgress, "join", "what was given up goes to others")
	}
	return nil
}

func (p *groupMember) pause() time.Duration {
	return time.Duration(p.rng.IntN(int(1500 * time.Millisecond)))
}

// work reads and commits a little and tells that it is alive; or suffers a fault.
func (p *groupMember) work() (ends bool, err error) {
	b := p.m.broker()
	if p.m.faults.Load() {
		switch p.rng.IntN(40) {
		case 0:
			return true, nil // dies
		case 1:
			_ = b.LeaveGroup(ctx, log.LeaveRequest{Group: "g", Members: []log.HeartbeatRequest{{Member: p.id, Instance: p.instance}}})
			return true, nil
		case 2:
			time.Sleep(time.Duration(p.rng.IntN(20)) * time.Second) // hangs, and goes on as if nothing had happened
		}
	}
	if err := p.commit(b); err != nil {
		return false, err
	}
	time.Sleep(p.pause())
	if p.joined.Leader == p.id && len(p.partitions(b)["t"]) > p.m.planned(p.joined.Generation) && !p.m.assignor.Cooperative {
		return false, log.NewError(log.RebalanceInProgress, "watch", "there are more partitions than were planned for")
	}
	return false, b.Heartbeat(ctx, log.HeartbeatRequest{Group: "g", Generation: p.joined.Generation, Member: p.id, Instance: p.instance})
}

// planned returns how many partitions have an owner in a generation, as far as is known.
func (m *groupModel) planned(g log.Generation) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.owners[g]) == 0 {
		return 1 << 30
	}
	return len(m.owners[g])
}

// commit reads a little of each partition and commits that.
func (p *groupMember) commit(b *Broker) error {
	read := map[log.TopicPartition]log.Offset{}
	req := log.CommitRequest{
		Group: "g", Generation: p.joined.Generation, Member: p.id, Instance: p.instance, Offsets: map[log.TopicPartition]log.CommittedOffset{},
	}
	for _, tp := range p.assigned {
		found, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: p.at[tp], MaxBytes: 300})
		if err != nil {
			return err
		}
		if found.Next > p.at[tp] {
			read[tp] = found.Next
			req.Offsets[tp] = log.CommittedOffset{Offset: found.Next}
		}
	}
	hurried, cancel := context.WithTimeout(ctx, time.Duration(1+p.rng.IntN(20))*time.Millisecond)
	defer cancel()
	before := p.m.generation()
	err := b.CommitOffsets(hurried, req)
	p.m.commits(p, read, before, err)
	if err == nil {
		for tp, o := range read {
			p.at[tp] = o
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// spawn starts members until there are n, some of them static.
func (m *groupModel) spawn(rng *rand.Rand, n, serial int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; len(m.alive) < n; serial++ {
		p := &groupMember{m: m, rng: rand.New(rand.NewPCG(rng.Uint64(), 3)), name: fmt.Sprintf("p%d-%d", serial, len(m.alive)), at: map[log.TopicPartition]log.Offset{}}
		if rng.IntN(2) == 0 {
			p.instance = fmt.Sprint("i", rng.IntN(2))
		}
		m.alive[p.name] = p
		m.members.Add(1)
		go p.run()
	}
}

// disturb brings about faults for a while.
func (m *groupModel) disturb(rng *rand.Rand, rounds int) {
	for round := range rounds {
		m.spawn(rng, 1+rng.IntN(5), round*100)
		for range 10 {
			tp := tOf(log.Partition(rng.IntN(4)))
			_, _ = m.broker().Append(ctx, tp, batchOf("a", "b", "c"))
		}
		time.Sleep(time.Duration(1+rng.IntN(8)) * time.Second)
		if rng.IntN(4) == 0 {
			m.losePower(rng)
		}
	}
}

// checkRest checks that each partition has one owner among the living, and that everything is committed.
func (m *groupModel) checkRest() {
	info, err := m.broker().DescribeGroup(ctx, "g")
	if err != nil || info.State != log.GroupStable {
		m.t.Errorf("at rest the group is %+v, %v", info, err)
	}
	owned := 0
	for _, mi := range info.Members {
		owned += len(mi.Assignment)
	}
	for _, p := range m.alive {
		owned -= len(p.assigned)
	}
	if owned != 0 || len(m.owners[info.Generation]) != 4 || len(info.Members) != len(m.alive) {
		m.t.Errorf("at rest %d members of %d have %v, %d too many", len(info.Members), len(m.alive), m.owners[info.Generation], owned)
	}
	for _, o := range info.Offsets {
		if o.Lag != 0 {
			m.t.Errorf("at rest %v lags %d", o.TopicPartition, o.Lag)
		}
	}
}

// Members join, leave, die, hang and come back, the power fails: each partition has one owner in a generation, owners begin where the ones
// before them ended, a deposed member cannot commit, and once the faults stop everything is assigned and gets read.
func TestGroupUnderFaults(t *testing.T) {
	seeds(t, 6, func(t *testing.T, rng *rand.Rand) {
		synctest.Test(t, func(t *testing.T) {
			m := &groupModel{
				t: t, assignor: []assignor.Assignor{assignor.Range, assignor.RoundRobin, assignor.CooperativeSticky}[rng.IntN(3)],
				owners: map[log.Generation]map[log.TopicPartition]string{}, accepted: map[log.TopicPartition]log.Offset{},
				attempted: map[log.TopicPartition]map[log.Offset]bool{}, alive: map[string]*groupMember{},
			}
			m.start(vfs.NewMem())
			m.faults.Store(true)
			m.disturb(rng, 30)
			m.faults.Store(false)
			m.spawn(rng, 3, 100_000)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			m.mu.Lock()
			m.checkRest()
			t.Logf("%s: %d generations, %d takeovers", m.assignor.Name, m.latest, m.takeovers)
			if m.latest < 10 || m.takeovers < 20 {
				t.Errorf("only %d generations and %d takeovers", m.latest, m.takeovers)
			}
			m.mu.Unlock()
			m.over.Store(true)
			m.members.Wait()
			m.log.stop()
			m.log.b.Close()
		})
	})
}
