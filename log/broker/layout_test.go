package broker

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

func part(n log.Partition) log.TopicPartition { return log.TopicPartition{Topic: "t", Partition: n} }

// routed returns a batch of one record, routed by a layout.
func routed(layout int32, value string) *log.Batch {
	b := batchOf(value)
	b.Layout = &layout
	return b
}

func describe(t testing.TB, b *Broker) log.TopicInfo {
	t.Helper()
	info, err := b.DescribeTopic(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// states shows the partitions of a topic as in "0 active, 2 draining".
func states(info log.TopicInfo) string {
	var s []string
	for _, p := range info.Partitions {
		s = append(s, fmt.Sprintf("%d %s", p.Partition, p.State))
	}
	return strings.Join(s, ", ")
}

// clock is a clock that tests set forward.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) time() time.Time         { return time.Unix(0, c.now.Load()).UTC() }
func (c *clock) forward(d time.Duration) { c.now.Add(int64(d)) }

func TestAddPartitions(t *testing.T) {
	fs := vfs.NewMem()
	b := open(t, fs, Options{})
	create(t, b, "t", log.TopicConfig{Partitions: 2})
	mustAppend(t, b, part(1), routed(0, "old"))
	mustAppend(t, b, part(1), batchOf("by no layout"))
	layout, err := b.AddPartitions(ctx, "t", 3)
	want := log.Layout{
		Number: 1, Active: []log.Partition{0, 1, 2, 3, 4},
		Began: map[log.Partition]log.Offset{0: 0, 1: 2, 2: 0, 3: 0, 4: 0},
	}
	if err != nil || !reflect.DeepEqual(layout, want) {
		t.Fatalf("%+v, %v", layout, err)
	}
	for n := range log.Partition(5) {
		_, err := b.Append(ctx, part(n), routed(0, "stale"))
		wantCode(t, err, log.StaleLayout)
		_, err = b.Append(ctx, part(n), routed(2, "from the future"))
		wantCode(t, err, log.StaleLayout)
		_, err = b.Append(ctx, part(n), routed(layoutChanging, "a number that is none"))
		wantCode(t, err, log.StaleLayout)
		mustAppend(t, b, part(n), routed(1, "new"))
		mustAppend(t, b, part(n), batchOf("by no layout"))
	}
	if got := values(t, b, part(1)); got != "old,by no layout,new,by no layout" {
		t.Error(got)
	}
	for _, b := range []*Broker{b, open(t, fs.CrashClone(vfs.LoseAll), Options{})} {
		info := describe(t, b)
		if !reflect.DeepEqual(info.Layout, want) || len(info.Earlier) != 1 || info.Earlier[0].Number != 0 || info.Config.Partitions != 5 {
			t.Errorf("%+v", info)
		}
		if got := states(info); got != "0 active, 1 active, 2 active, 3 active, 4 active" {
			t.Error(got)
		}
		for o, number := range []int32{0, 0, 1, 1} {
			if got := info.LayoutOf(1, log.Offset(o)); got != number {
				t.Errorf("offset %d is of layout %d", o, got)
			}
		}
		if got := info.LayoutOf(4, 0); got != 1 {
			t.Errorf("the first record of a new partition is of layout %d", got)
		}
		_, err := b.Append(ctx, part(5), batchOf("x"))
		wantCode(t, err, log.UnknownTopic)
	}
}

func TestRetirePartitions(t *testing.T) {
	fs, clock := vfs.NewMem(), newClock()
	b := open(t, fs, Options{Clock: clock.time})
	create(t, b, "t", log.TopicConfig{Partitions: 3})
	mustAppend(t, b, part(1), routed(0, "one"))
	layout, err := b.RetirePartitions(ctx, "t", time.Hour, 1)
	if err != nil || !slices.Equal(layout.Active, []log.Partition{0, 2}) || layout.Number != 1 || layout.Began[1] != 1 {
		t.Fatalf("%+v, %v", layout, err)
	}
	check := func(b *Broker) {
		t.Helper()
		if got := states(describe(t, b)); got != "0 active, 1 draining, 2 active" {
			t.Error(got)
		}
		_, err := b.Append(ctx, part(1), batchOf("x"))
		wantCode(t, err, log.Draining)
		_, err = b.Append(ctx, part(1), routed(1, "x"))
		wantCode(t, err, log.Draining)
		_, err = b.Append(ctx, part(1), routed(0, "x"))
		wantCode(t, err, log.StaleLayout)
		if got := values(t, b, part(1)); got != "one" {
			t.Errorf("read %s", got)
		}
	}
	check(b)
	b.Close()
	b = open(t, fs, Options{Clock: clock.time})
	clock.forward(time.Hour - time.Millisecond)
	b.retain(ctx)
	check(b)
	clock.forward(time.Millisecond)
	b.retain(ctx)
	checkRetired(t, fs, b)
	b.Close()
	b = open(t, fs, Options{Clock: clock.time})
	checkRetired(t, fs, b)
	layout, err = b.AddPartitions(ctx, "t", 1)
	if err != nil || !slices.Equal(layout.Active, []log.Partition{0, 2, 3}) {
		t.Errorf("the number of a retired partition is used again: %+v, %v", layout, err)
	}
}

// checkRetired checks that partition 1 of three is gone.
func checkRetired(t *testing.T, fs vfs.FS, b *Broker) {
	t.Helper()
	info := describe(t, b)
	if got := states(info); got != "0 active, 2 active" {
		t.Error(got)
	}
	if _, ok := info.Layout.Began[1]; ok || info.Config.Partitions != 2 {
		t.Errorf("%+v", info)
	}
	_, err := b.Append(ctx, part(1), batchOf("x"))
	wantCode(t, err, log.Draining)
	_, err = b.Append(ctx, part(1), routed(0, "x"))
	wantCode(t, err, log.StaleLayout)
	_, err = b.Fetch(ctx, log.FetchRequest{TopicPartition: part(1)})
	wantCode(t, err, log.UnknownTopic)
	if !strings.Contains(err.Error(), "retired") {
		t.Errorf("%v does not say retired", err)
	}
	if names, err := fs.List("dir/topics/t"); err != nil || !slices.Equal(names, []string{"0", "2", "topic.json"}) {
		t.Errorf("the folder has %v, %v", names, err)
	}
}

// TestDrainedPartitionIsRetired has a partition drain by the topic's retention, and one that was never used.
func TestDrainedPartitionIsRetired(t *testing.T) {
	clock := newClock()
	b := openTopic(t, Options{Clock: clock.time}, log.TopicConfig{Partitions: 3, RetentionAge: time.Hour})
	mustAppend(t, b, part(1), batchOf("one"))
	mustAppend(t, b, part(2), batchOf("two"))
	clock.forward(time.Minute)
	if _, err := b.RetirePartitions(ctx, "t", -1, 0, 1); err != nil {
		t.Fatal(err)
	}
	b.checkpoint(ctx)
	b.retain(ctx)
	if got := states(describe(t, b)); got != "1 draining, 2 active" {
		t.Error(got)
	}
	clock.forward(time.Hour)
	b.retain(ctx)
	info := describe(t, b)
	if got := states(info); got != "2 active" || info.Partitions[0].LogStart != 1 {
		t.Errorf("%s; %+v", got, info.Partitions)
	}
}

func TestLayoutChangesAreChecked(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{Partitions: 2})
	add := func(topic log.Topic, n int) error { _, err := b.AddPartitions(ctx, topic, n); return err }
	retire := func(topic log.Topic, p ...log.Partition) error {
		_, err := b.RetirePartitions(ctx, topic, -1, p...)
		return err
	}
	wantCode(t, add("u", 1), log.UnknownTopic)
	wantCode(t, add("t", 0), log.InvalidArgument)
	wantCode(t, add("t", -1), log.InvalidArgument)
	wantCode(t, add("t", log.PartitionsMax-1), log.LimitReached)
	wantCode(t, add("t", int(^uint(0)>>1)), log.LimitReached)
	wantCode(t, retire("u", 0), log.UnknownTopic)
	wantCode(t, retire("t"), log.InvalidArgument)
	wantCode(t, retire("t", 2), log.InvalidArgument)
	wantCode(t, retire("t", -1), log.InvalidArgument)
	wantCode(t, retire("t", 0, 0), log.InvalidArgument)
	wantCode(t, retire("t", 0, 1), log.InvalidArgument)
	if info := describe(t, b); info.Layout.Number != 0 || states(info) != "0 active, 1 active" {
		t.Errorf("%+v", info)
	}
	if err := retire("t", 0); err != nil {
		t.Fatal(err)
	}
	wantCode(t, retire("t", 0), log.InvalidArgument)
	b.Close()
	wantCode(t, add("t", 1), log.Closed)
	wantCode(t, retire("t", 1), log.Closed)
}

// TestEarlierLayoutsAreForgotten changes a topic as often as may be remembered: beyond that records of the oldest layout must go first.
func TestEarlierLayoutsAreForgotten(t *testing.T) {
	clock := newClock()
	b := openTopic(t, Options{Clock: clock.time}, log.TopicConfig{RetentionAge: time.Hour})
	mustAppend(t, b, part(0), batchOf("keeps all layouts"))
	for n := 1; n < log.LayoutsMax; n++ {
		if _, err := b.AddPartitions(ctx, "t", 1); err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.AddPartitions(ctx, "t", 1)
	wantCode(t, err, log.LimitReached)
	_, err = b.RetirePartitions(ctx, "t", -1, 1)
	wantCode(t, err, log.LimitReached)
	clock.forward(2 * time.Hour)
	b.checkpoint(ctx)
	b.retain(ctx)
	if _, err := b.AddPartitions(ctx, "t", 1); err != nil {
		t.Fatal(err)
	}
	if info := describe(t, b); info.Layout.Number != log.LayoutsMax || len(info.Earlier) != 1 {
		t.Errorf("layout %d, %d earlier ones", info.Layout.Number, len(info.Earlier))
	}
}

// TestRetryIsADuplicateUnderAnyLayout retries batches that succeeded, on an active and on a draining partition.
func TestRetryIsADuplicateUnderAnyLayout(t *testing.T) {
	b := openTopic(t, Options{}, log.TopicConfig{Partitions: 2})
	first := func(value string) *log.Batch {
		batch := routed(0, value)
		batch.Producer = &log.ProducerSequence{ID: 7}
		return batch
	}
	for n := range log.Partition(2) {
		mustAppend(t, b, part(n), first("x"))
	}
	if _, err := b.RetirePartitions(ctx, "t", -1, 1); err != nil {
		t.Fatal(err)
	}
	for n := range log.Partition(2) {
		ticket, err := b.Enqueue(part(n), first("x"))
		if err != nil || !ticket.Duplicate || ticket.Base != 0 {
			t.Errorf("%+v, %v", ticket, err)
		}
		second := first("y")
		second.Producer.Sequence = 1
		_, err = b.Enqueue(part(n), second)
		wantCode(t, err, log.StaleLayout)
	}
}

// watch is an errorfs.Injector that stops who writes the topic's file, and calls synced once at the first sync of data after it was set.
type watch struct {
	hold   chan struct{} // not nil: the file is written when it is closed
	synced func()
	held   func()
}

// Inject implements errorfs.Injector.
func (w *watch) Inject(op errorfs.Op) error {
	switch call := w.synced; {
	case op.Kind == errorfs.SyncData && call != nil:
		w.synced = nil
		call()
	case op.Kind == errorfs.Create && w.hold != nil && strings.HasSuffix(op.Name, "topic.json.tmp"):
		w.held()
		<-w.hold
	}
	return nil
}

// TestWaitingProducersAreCommitted begins a layout while batches wait, and while more come: those from before the halt are on disk before
// the topic's file is written, and who asks for the layout meanwhile gets the new one.
func TestWaitingProducersAreCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem, w := vfs.NewMem(), &watch{}
		b := open(t, errorfs.Wrap(mem, w), Options{})
		create(t, b, "t", log.TopicConfig{})
		tickets := []log.Ticket{mustEnqueue(t, b, tp0, routed(0, "waits"))}
		w.hold = make(chan struct{})
		w.synced = func() { tickets = append(tickets, mustEnqueue(t, b, tp0, routed(0, "came during the first sync"))) }
		var left *vfs.MemFS
		w.held = func() { left = mem.CrashClone(vfs.LoseAll) }
		layouts := make(chan log.Layout, 2)
		go func() {
			layout, err := b.AddPartitions(ctx, "t", 1)
			if err != nil {
				t.Error(err)
			}
			layouts <- layout
		}()
		synctest.Wait()
		_, err := b.Enqueue(tp0, routed(0, "too late"))
		wantCode(t, err, log.StaleLayout)
		mustAppend(t, b, tp0, batchOf("by no layout"))
		go func() { layouts <- describe(t, b).Layout }()
		synctest.Wait()
		if len(layouts) > 0 {
			t.Error("answered before the file was written")
		}
		close(w.hold)
		for range 2 {
			if l := <-layouts; l.Number != 1 || l.Began[0] != 2 {
				t.Errorf("%+v", l)
			}
		}
		for _, ticket := range tickets {
			if err := ticket.Wait(ctx); err != nil {
				t.Error(err)
			}
		}
		const before = "waits,came during the first sync"
		if got := values(t, b, tp0); got != before+",by no layout" {
			t.Error(got)
		}
		if got := values(t, open(t, left, Options{}), tp0); got != before {
			t.Errorf("on disk when the file was written: %s", got)
		}
		b.Close()
	})
}
