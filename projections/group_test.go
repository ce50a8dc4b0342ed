package projections_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/client"
	"lodge/projections"
	"lodge/projections/hotels"
	"lodge/projections/projectiontest"
)

const (
	groupPartitions = 4
	groupTopics     = 4 // of all()
)

// fleet is stores of one group over one log.
type fleet struct {
	t     *testing.T
	log   *projectiontest.Log
	group *projectiontest.Group
	story *projectiontest.History
	rng   *rand.Rand
}

func newFleet(t *testing.T) *fleet {
	seed := projectiontest.Seed(t)
	f := &fleet{t: t, log: projectiontest.NewLog(groupPartitions), group: projectiontest.NewGroup(t, groupPartitions),
		story: projectiontest.NewHistory(seed, 12), rng: rand.New(rand.NewPCG(seed, 3))}
	f.log.Append(f.story.Hotels(30)...)
	return f
}

// grouped are the options of a store in the group.
func grouped(members int) projections.Options {
	return projections.Options{Partitions: groupPartitions, Logger: projectiontest.Quiet(), NearEvents: 50, FetchBytes: 4000, Group: projections.GroupName,
		Members: members, SessionTimeout: time.Minute, WaitMax: time.Minute, HeartbeatInterval: 3 * time.Millisecond, CommitInterval: 10 * time.Millisecond}
}

// store opens and runs a store with all projections.
func (f *fleet) store(dir string, opts projections.Options) (s *projections.Store, stop func()) {
	f.t.Helper()
	return f.storeOver(projectiontest.Grouped{Log: f.log, Group: f.group}, dir, opts)
}

func (f *fleet) storeOver(l log.Reader, dir string, opts projections.Options) (s *projections.Store, stop func()) {
	f.t.Helper()
	s, err := projections.Open(dir, l, all(), opts)
	if err != nil {
		f.t.Fatal(err)
	}
	stop = run(f.t, s)
	if err := s.WaitReady(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	until(f.t, "begun", func() bool { return len(s.Members()) == opts.Members })
	return s, stop
}

// rows returns all rows of some partitions as text.
func rows(t *testing.T, s *projections.Store, partitions ...log.Partition) (all []string) {
	t.Helper()
	for _, st := range s.Status(t.Context()) {
		for _, p := range partitions {
			err := s.Dump(t.Context(), st.Name, p, func(table string, row []any) error {
				all = append(all, fmt.Sprintf("%s/%d %s %#v", st.Name, p, table, row))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

var everywhere = []log.Partition{0, 1, 2, 3}

// equalsReplay compares partitions of a store with a straight replay.
func (f *fleet) equalsReplay(s *projections.Store, partitions ...log.Partition) {
	f.t.Helper()
	straight := open4(f.t, f.log)
	stop := run(f.t, straight)
	catchUp(f.t, straight, f.log)
	want, got := rows(f.t, straight, partitions...), rows(f.t, s, partitions...)
	stop()
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			f.t.Fatalf("row %d differs from a straight replay\n got %s\nwant %s", i, got[i], want[i])
		}
	}
	if len(want) != len(got) || len(want) < 100 {
		f.t.Fatalf("%d rows, a straight replay has %d", len(got), len(want))
	}
}

func open4(t *testing.T, l *projectiontest.Log) *projections.Store {
	t.Helper()
	s, err := projections.Open(t.TempDir(), l, all(), projections.Options{Partitions: groupPartitions, Logger: projectiontest.Quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// load appends events until stop, which returns when the last are in the log.
func (f *fleet) load() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		pace := time.NewTicker(2 * time.Millisecond)
		defer pace.Stop()
		for range 400 {
			f.log.Append(f.story.Next(50)...)
			select {
			case <-ctx.Done():
				return
			case <-pace.C:
			}
		}
	}()
	return func() { cancel(); <-done }
}

// Members come, go, die without leaving, and are cut off and come back, and a projection is rebuilt, in random order under load.
func TestMembersComeAndGoUnderLoad(t *testing.T) {
	f := newFleet(t)
	opts := grouped(3)
	opts.SessionTimeout = time.Second // of those that die
	s, stop := f.store(t.TempDir(), opts)
	defer stop()
	stopLoad := f.load()
	for range 25 {
		f.happen(s)
		f.wait(s)
	}
	stopLoad()
	if len(s.Members()) == 0 {
		f.add(s)
	}
	catchUp(t, s, f.log)
	f.equalsReplay(s, everywhere...)
}

// happen does something to the members.
func (f *fleet) happen(s *projections.Store) {
	f.t.Helper()
	members := s.Members()
	if len(members) < 2 {
		f.add(s)
		return
	}
	m := members[f.rng.IntN(len(members))]
	if m.ID == "" {
		return // it is about to join
	}
	switch f.rng.IntN(5) {
	case 0:
		f.add(s)
	case 1:
		f.remove(s, m.Name)
	case 2: // it dies
		f.group.CutOff(m.ID, true)
		f.remove(s, m.Name)
	case 3: // it is cut off, and heard again before or after the others have been given what it has
		f.group.CutOff(m.ID, true)
		f.wait(s)
		f.group.CutOff(m.ID, false)
	default:
		names := s.Status(f.t.Context())
		if err := s.Rebuild(f.t.Context(), names[f.rng.IntN(len(names))].Name, nil); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *fleet) add(s *projections.Store) string {
	f.t.Helper()
	name, err := s.AddMember()
	if err != nil {
		f.t.Fatal(err)
	}
	return name
}

func (f *fleet) remove(s *projections.Store, name string) {
	f.t.Helper()
	if err := s.RemoveMember(f.t.Context(), name); err != nil {
		f.t.Fatal(err)
	}
}

// wait waits now and then until something is read that is new, so that changes also come apart.
func (f *fleet) wait(s *projections.Store) {
	if f.rng.IntN(2) == 0 {
		return
	}
	ends := f.log.Ends()
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Second)
	defer cancel()
	_ = s.WaitFor(ctx, hotels.Name, ends[f.rng.IntN(len(ends))]) // or until time is up
}

// reads waits until the group is at rest and the members of the stores read all partitions, each of them one at least.
func (f *fleet) reads(stores ...*projections.Store) {
	f.t.Helper()
	until(f.t, "shared out", func() bool {
		info, err := f.group.Admin().DescribeGroup(f.t.Context(), projections.GroupName)
		if err != nil || info.State != log.GroupStable {
			return false
		}
		read := map[log.Partition]bool{}
		for _, s := range stores {
			for _, m := range s.Members() {
				if len(m.Partitions) == 0 || m.Err != "" || m.Generation != info.Generation {
					return false
				}
				for _, p := range m.Partitions {
					read[p] = true
				}
			}
		}
		given := 0
		for _, m := range info.Members {
			given += len(m.Assignment)
		}
		return len(read) == groupPartitions && given == groupTopics*groupPartitions
	})
}

func TestPartitionsOfOneNumberStayTogether(t *testing.T) {
	f := newFleet(t)
	s, stop := f.store(t.TempDir(), grouped(2))
	defer stop()
	f.reads(s)
	f.add(s)
	f.reads(s)
	info, err := f.group.Admin().DescribeGroup(t.Context(), projections.GroupName)
	if err != nil || len(info.Members) != 3 || info.Protocol != client.CoPartitioned.Name() {
		t.Fatalf("group %+v, error %v", info, err)
	}
	for _, m := range info.Members {
		numbers := map[log.Partition]int{}
		for _, tp := range m.Assignment {
			numbers[tp.Partition]++
		}
		for p, n := range numbers {
			if n != groupTopics {
				t.Errorf("member %s has %d of the %d partitions %d", m.ClientID, n, groupTopics, p)
			}
		}
	}
}

// What lag the group shows is that of the tables.
func TestTheGroupKnowsHowFarTheTablesAre(t *testing.T) {
	f := newFleet(t)
	s, stop := f.store(t.TempDir(), grouped(2))
	f.reads(s)
	f.log.Append(f.story.Next(300)...)
	catchUp(t, s, f.log)
	told := func() bool {
		info, err := f.group.Admin().DescribeGroup(t.Context(), projections.GroupName)
		if err != nil {
			t.Fatal(err)
		}
		known := map[log.TopicPartition]log.Offset{}
		for _, o := range info.Offsets {
			known[o.TopicPartition] = o.Offset
		}
		return !slices.ContainsFunc(f.log.Ends(), func(end log.Position) bool { return known[end.TopicPartition()] != end.Offset+1 })
	}
	until(t, "committed", told)
	f.remove(s, s.Members()[0].Name) // two that leave at once may disturb each other's last commit
	f.reads(s)
	f.log.Append(f.story.Next(300)...)
	catchUp(t, s, f.log)
	stop()
	if !told() {
		t.Error("what the members reached last was not committed when they left")
	}
}

// Two stores with a folder each share the partitions; when one is gone the other goes on from its own tables.
func TestTwoStoresShareThePartitions(t *testing.T) {
	f := newFleet(t)
	dir := t.TempDir()
	first, stopFirst := f.store(dir, grouped(2))
	second, stopSecond := f.store(t.TempDir(), grouped(2))
	defer stopSecond()
	f.reads(first, second)
	stopLoad := f.load()
	until(t, "busy", func() bool { return len(f.log.Ends()) == groupTopics*groupPartitions && f.log.Ends()[0].Offset > 300 })
	if st := first.Status(t.Context())[0]; st.State != projections.Rebalancing && st.State != projections.CatchingUp {
		t.Errorf("a store that has half of the partitions is %s", st.State)
	}
	stopFirst()
	f.reads(second)
	first, stopFirst = f.store(dir, grouped(2))
	f.reads(first, second)
	stopLoad()
	for _, s := range []*projections.Store{first, second} {
		var mine []log.Partition
		for _, m := range s.Members() {
			mine = append(mine, m.Partitions...)
		}
		catchUpIn(t, s, f.log, mine)
		f.equalsReplay(s, mine...)
	}
	stopFirst()
	catchUp(t, second, f.log)
	f.equalsReplay(second, everywhere...)
}

func catchUpIn(t *testing.T, s *projections.Store, l *projectiontest.Log, partitions []log.Partition) {
	t.Helper()
	for _, st := range s.Status(t.Context()) {
		for _, pos := range l.Ends() {
			if slices.Contains(partitions, pos.Partition) {
				if err := s.WaitFor(t.Context(), st.Name, pos); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// Two stores write the same files, each as if they were its own: what a deposed store in another process would do at its worst.
func TestTwoStoresOnTheSameFiles(t *testing.T) {
	f, dir, alias := newFleet(t), t.TempDir(), t.TempDir()
	opts := grouped(1)
	first, stopFirst := f.store(dir, opts)
	catchUp(t, first, f.log)
	for _, st := range first.Status(t.Context()) {
		if err := os.Symlink(filepath.Join(dir, st.Name), filepath.Join(alias, st.Name)); err != nil {
			t.Fatal(err)
		}
	}
	var met atomic.Int32
	opts.Group, opts.Logger = "another", slog.New(fences{slog.DiscardHandler, &met})
	second, stopSecond := f.store(alias, opts)
	stopLoad := f.load()
	until(t, "fenced", func() bool { return met.Load() > 20 })
	stopLoad()
	catchUp(t, first, f.log)
	catchUp(t, second, f.log)
	f.equalsReplay(first, everywhere...)
	f.equalsReplay(second, everywhere...)
	stopFirst()
	stopSecond()
}

// fences counts how often a store has noticed another writer.
type fences struct {
	slog.Handler
	met *atomic.Int32
}

func (h fences) Enabled(context.Context, slog.Level) bool { return true }

func (h fences) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if strings.Contains(a.Value.String(), "somebody else writes this file") {
			h.met.Add(1)
		}
		return true
	})
	return nil
}

func TestAFolderHasOneStore(t *testing.T) {
	f, dir := newFleet(t), t.TempDir()
	_, stop := f.store(dir, grouped(1))
	_, err := projections.Open(dir, f.log, all(), projections.Options{Partitions: groupPartitions})
	if log.CodeOf(err) != log.Locked || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second store: %v", err)
	}
	stop()
	_, stop = f.store(dir, grouped(1))
	stop()
}
