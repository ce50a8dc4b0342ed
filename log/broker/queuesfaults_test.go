package broker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// jobsOf returns what deliveries hold, in order.
func jobsOf(deliveries []log.Delivery) (all []string) {
	for _, d := range deliveries {
		all = append(all, string(d.Record.Value))
	}
	return all
}

func ackAll(t testing.TB, b *Broker, deliveries []log.Delivery) {
	t.Helper()
	for _, d := range deliveries {
		if err := b.Ack(t.Context(), "workers", d.Receipt); err != nil {
			t.Fatal(err)
		}
	}
}

func wantValues(t testing.TB, what string, got []log.Delivery, want ...string) {
	t.Helper()
	if fmt.Sprint(jobsOf(got)) != fmt.Sprint(want) {
		t.Fatalf("%s: %v, not %v", what, jobsOf(got), want)
	}
}

// settingClock is a clock of which each look is a microsecond later.
func settingClock() func() time.Time {
	var mu sync.Mutex
	now := time.UnixMilli(1_700_000_000_000)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Microsecond)
		return now
	}
}

func TestQueueIsChangedWhileItIsWorkedOn(t *testing.T) {
	b := queueOf(t, vfs.NewMem(), 2, log.QueueConfig{})
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for range 300 {
			if err := b.CreateQueue(t.Context(), "workers", []log.Topic{"jobs"}, log.QueueConfig{}); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 300 {
		mustAppend(t, b, job(log.Partition(i%2)), batchOf("a"))
		ackAll(t, b, receive(t, b, 1))
	}
}

func TestQueueBeginsAnewWithATopicMadeAnew(t *testing.T) {
	for _, restart := range []string{"between", "before", "after"} {
		t.Run(restart, func(t *testing.T) {
			opts := Options{Clock: settingClock()}
			mem := vfs.NewMem()
			b := open(t, mem, opts)
			create(t, b, "jobs", log.TopicConfig{})
			if err := b.CreateQueue(t.Context(), "workers", []log.Topic{"jobs"}, log.QueueConfig{}); err != nil {
				t.Fatal(err)
			}
			reopen := func(when string) {
				if when == restart {
					mem = mem.CrashClone(vfs.LoseAll)
					b = open(t, mem, opts)
				}
			}
			for range 100 {
				mustAppend(t, b, job(0), batchOf("old"))
			}
			ackAll(t, b, receive(t, b, 100)[10:])
			reopen("before")
			if err := b.DeleteTopic(t.Context(), "jobs"); err != nil {
				t.Fatal(err)
			}
			reopen("between")
			create(t, b, "jobs", log.TopicConfig{})
			for i := range 100 {
				mustAppend(t, b, job(0), batchOf(fmt.Sprint(i)))
			}
			if restart != "after" {
				wantValues(t, "new topic", receive(t, b, 1), "0")
			}
			mem = mem.CrashClone(vfs.LoseAll)
			b = open(t, mem, opts)
			want := 100
			if restart != "after" {
				want = 99 // one is in flight
			}
			got := receive(t, b, 1000)
			if len(got) != want {
				t.Fatalf("%d records of the new topic came, not %d", len(got), want)
			}
			ackAll(t, b, got[:50])
			b = open(t, mem.CrashClone(vfs.LoseAll), opts)
			if infos, err := b.DescribeQueues(t.Context()); err != nil || len(infos) != 1 || infos[0].InFlight != 50 {
				t.Errorf("standing %+v, %v", infos, err)
			}
		})
	}
}

func TestQueueKeepsItsStandingInATopicThatComesBack(t *testing.T) {
	for _, restart := range []bool{false, true} {
		mem := vfs.NewMem()
		b := queueOf(t, mem, 1, log.QueueConfig{})
		create(t, b, "others", log.TopicConfig{})
		mustAppend(t, b, job(0), batchOf("a", "b", "c"))
		d := receive(t, b, 3)
		ackAll(t, b, d[:1])
		ackAll(t, b, d[2:])
		for _, topic := range []log.Topic{"others", "jobs"} {
			if err := b.CreateQueue(t.Context(), "workers", []log.Topic{topic}, log.QueueConfig{}); err != nil {
				t.Fatal(err)
			}
			if d := receive(t, b, 9); len(d) > 0 {
				t.Fatalf("with %s: %v", topic, jobsOf(d))
			}
			if restart {
				mem = mem.CrashClone(vfs.LoseAll)
				b = open(t, mem, Options{})
			}
		}
		ackAll(t, b, d[1:2])
		if infos, err := b.DescribeQueues(t.Context()); err != nil || len(infos) != 1 || infos[0].Floor != 3 {
			t.Errorf("standing %+v, %v", infos, err)
		}
	}
}

// TestQueueSeesWhatFollowsLostRecords loses records of a topic that is not synced, and delivers those that get their offsets.
func TestQueueSeesWhatFollowsLostRecords(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{})
	create(t, b, "jobs", log.TopicConfig{Durability: log.None})
	if err := b.CreateQueue(t.Context(), "workers", []log.Topic{"jobs"}, log.QueueConfig{}); err != nil {
		t.Fatal(err)
	}
	for range 70 {
		mustAppend(t, b, job(0), batchOf("lost"))
	}
	ackAll(t, b, receive(t, b, 70)[:68])
	mem = mem.CrashClone(vfs.LoseAll)
	b = open(t, mem, Options{})
	if _, end, err := b.Offsets(t.Context(), job(0)); end >= 70 || err != nil {
		t.Fatalf("nothing was lost: the log ends at %d, %v", end, err)
	}
	mustAppend(t, b, job(0), batchOf("x", "y")) // before anybody asks for the queue
	wantValues(t, "after the loss", receive(t, b, 9), "x", "y")
}

func TestQueueWakesWhoWaitsForTheTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, vfs.NewMem(), Options{})
		create(t, b, "jobs", log.TopicConfig{})
		create(t, b, "others", log.TopicConfig{})
		if err := b.CreateQueue(t.Context(), "workers", []log.Topic{"jobs", "others"}, log.QueueConfig{}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		wg.Go(func() {
			_, _ = b.Receive(ctx, log.ReceiveRequest{Group: "workers", Topics: []log.Topic{"others"}, MaxWait: time.Hour})
		})
		synctest.Wait()
		wakes(t, b, "jobs", 0, func() { mustAppend(t, b, job(0), batchOf("a")) })
	})
}

func TestQueueWakesWhenThereIsRoomAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := queueOf(t, vfs.NewMem(), 1, log.QueueConfig{InFlightMax: 1, Visibility: time.Hour})
		mustAppend(t, b, job(0), batchOf("a", "b"))
		d := receive(t, b, 2)
		wantValues(t, "room for one", d, "a")
		wakes(t, b, "jobs", 0, func() { ackAll(t, b, d) })
	})
}

// wakes has a Receive wait, does something, and checks that the Receive returns a record within a time.
func wakes(t *testing.T, b *Broker, topic log.Topic, within time.Duration, do func()) {
	t.Helper()
	done := make(chan int, 1)
	began := time.Now()
	go func() {
		got, err := b.Receive(context.Background(), log.ReceiveRequest{Group: "workers", Topics: []log.Topic{topic}, MaxWait: 30 * time.Minute})
		if err != nil {
			t.Error(err)
		}
		done <- len(got)
	}()
	synctest.Wait()
	do()
	if n := <-done; n != 1 || time.Since(began) > within {
		t.Errorf("%d records after %v", n, time.Since(began))
	}
}

func TestAReceiveThatEndsEarlyDeliversNothing(t *testing.T) {
	g := newGate()
	b := gatedTopic(t, g, Options{})
	if err := b.CreateQueue(t.Context(), "workers", []log.Topic{"t"}, log.QueueConfig{DeliveriesMax: 1}); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, b, tp0, batchOf("a"))
	_ = receive(t, b, 1)
	mustAppend(t, b, tp0, batchOf("b"))
	group, err := b.queueGroup("workers", "test")
	if err != nil {
		t.Fatal(err)
	}
	q := group.partitions()[0]
	ctx, cancel := context.WithCancel(t.Context())
	before := g.syncs.Load()
	g.shut()
	held := make(chan error)
	go func() { // has the turn, and is held up
		held <- b.CreateQueue(context.Background(), "others", []log.Topic{"t"}, log.QueueConfig{DeadLetter: "dlq.workers"})
	}()
	for g.syncs.Load() == before {
		runtime.Gosched()
	}
	cancel()
	if _, _, err := q.receive(ctx, &room{records: 1}); err == nil {
		t.Fatal("a Receive that ended early has no error")
	}
	g.open()
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	d := receive(t, b, 1)
	if len(d) != 1 || string(d[0].Record.Value) != "b" || d[0].Deliveries != 1 {
		t.Errorf("received %+v", d)
	}
}

func TestOneLetterThatCannotBeBuriedLeavesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, vfs.NewMem(), Options{})
		defer running(t, b)()
		create(t, b, "jobs", log.TopicConfig{})
		create(t, b, "small", log.TopicConfig{RecordBytesMax: 1000})
		if err := b.CreateQueue(t.Context(), "workers", []log.Topic{"jobs"}, log.QueueConfig{DeadLetter: "small", DeliveriesMax: 1}); err != nil {
			t.Fatal(err)
		}
		mustAppend(t, b, job(0), batchOf(string(make([]byte, 2000)), "b"))
		for _, d := range receive(t, b, 2) {
			if err := b.Nack(t.Context(), "workers", 0, "no", d.Receipt); err != nil {
				t.Fatal(err)
			}
		}
		letters, err := b.Fetch(t.Context(), log.FetchRequest{TopicPartition: log.TopicPartition{Topic: "small"}, MaxWait: time.Minute})
		if err != nil || len(letters.Records) != 1 || string(letters.Records[0].Value) != "b" {
			t.Errorf("letters %+v, %v", letters, err)
		}
	})
}

func TestANameIsAConsumerGroupOrAQueueGroup(t *testing.T) {
	mem := vfs.NewMem()
	b := queueOf(t, mem, 1, log.QueueConfig{})
	commit := func(b *Broker, name log.Group) error {
		return b.CommitOffsets(t.Context(), log.CommitRequest{Group: name, Generation: log.NoGeneration,
			Offsets: map[log.TopicPartition]log.CommittedOffset{job(0): {}}})
	}
	refused := func(b *Broker) {
		t.Helper()
		_, err := b.JoinGroup(t.Context(), log.JoinRequest{Group: "workers", SessionTimeout: 10 * time.Second, ProtocolType: "consumer"})
		wantCode(t, err, log.InconsistentProtocol)
		wantCode(t, commit(b, "workers"), log.InconsistentProtocol)
	}
	refused(b)
	if err := commit(b, "readers"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, b.CreateQueue(t.Context(), "readers", []log.Topic{"jobs"}, log.QueueConfig{}), log.InvalidArgument)
	mem = mem.CrashClone(vfs.LoseAll)
	b = open(t, mem, Options{})
	refused(b)
	wantCode(t, b.CreateQueue(t.Context(), "readers", []log.Topic{"jobs"}, log.QueueConfig{}), log.InvalidArgument)
	if err := b.DeleteQueue(t.Context(), "workers"); err != nil {
		t.Fatal(err)
	}
	if err := commit(b, "workers"); err != nil {
		t.Error(err)
	}
	if err := b.DeleteGroup(t.Context(), "readers"); err != nil {
		t.Fatal(err)
	}
	if err := b.CreateQueue(t.Context(), "readers", []log.Topic{"jobs"}, log.QueueConfig{}); err != nil {
		t.Error(err)
	}
}

// TestQueueAmidChanges works on a group while it, its topics and consumer groups come and go, and closes the log in the middle of it: nobody
// waits for ever.
func TestQueueAmidChanges(t *testing.T) {
	b := queueOf(t, vfs.NewMem(), 2, log.QueueConfig{InFlightMax: 2})
	create(t, b, "others", log.TopicConfig{})
	stop := running(t, b)
	ctx := context.Background()
	const rounds = 200
	var changes, workers sync.WaitGroup
	for _, change := range []func(int){
		func(i int) {
			topics := [][]log.Topic{{"jobs"}, {"jobs", "others"}, {"others"}}[i%3]
			_ = b.CreateQueue(ctx, "workers", topics, log.QueueConfig{InFlightMax: 2})
		},
		func(int) {
			_ = b.DeleteTopic(ctx, "others")
			_ = b.CreateTopic(ctx, "others", log.TopicConfig{})
		},
		func(i int) { _, _ = b.Append(ctx, job(log.Partition(i%2)), batchOf("a", "b")) },
		func(i int) {
			_, _ = b.Append(ctx, log.TopicPartition{Topic: "others"}, batchOf("c"))
			_, _ = b.DescribeQueues(ctx)
			_ = b.CommitOffsets(ctx, log.CommitRequest{Group: "readers", Generation: log.NoGeneration})
			if i%20 == 0 {
				_ = b.DeleteQueue(ctx, "workers")
			}
		},
	} {
		changes.Go(func() {
			for i := range rounds {
				change(i)
			}
		})
	}
	for range 4 {
		workers.Go(func() {
			for {
				got, err := b.Receive(ctx, log.ReceiveRequest{Group: "workers", RecordsMax: 2, MaxWait: time.Second})
				switch log.CodeOf(err) {
				case log.Closed:
					return
				case log.UnknownGroup:
					runtime.Gosched()
				case log.Unknown:
					for _, d := range got {
						_ = b.Ack(ctx, "workers", d.Receipt)
					}
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	changes.Wait()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	workers.Wait()
	stop()
}

// TestQueueOfATopicMadeAnew: who works on a partition while its topic is deleted and made anew neither reads nor deletes anything of the new one.
func TestQueueOfATopicMadeAnew(t *testing.T) {
	b := open(t, vfs.NewMem(), Options{})
	t.Cleanup(func() { b.Close() })
	create(t, b, "jobs", log.TopicConfig{PointToPoint: true})
	if err := b.CreateQueue(t.Context(), "workers", []log.Topic{"jobs"}, log.QueueConfig{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(t.Context(), job(0), batchOf("a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	for _, d := range receive(t, b, 3) {
		if err := b.Ack(t.Context(), "workers", d.Receipt); err != nil {
			t.Fatal(err)
		}
	}
	q := (*b.queues.groups.Load())["workers"].partitions()[0]
	if err := b.DeleteTopic(t.Context(), "jobs"); err != nil {
		t.Fatal(err)
	}
	create(t, b, "jobs", log.TopicConfig{PointToPoint: true})
	if _, err := b.Append(t.Context(), job(0), batchOf("d", "e", "f", "g")); err != nil {
		t.Fatal(err)
	}
	if start, _, err := b.Offsets(t.Context(), job(0)); start != 0 || err != nil {
		t.Fatal(start, err)
	}
	wantCode(t, q.trim(), log.UnknownTopic)
	if start, end, err := b.Offsets(t.Context(), job(0)); start != 0 || end != 4 || err != nil {
		t.Errorf("of the new topic %d..%d is left, %v", start, end, err)
	}
	_, err := q.fetch(3)
	wantCode(t, err, log.UnknownTopic)
	_, err = q.fetchOne(3)
	wantCode(t, err, log.UnknownTopic)
}

// TestReceiptsOfBefore: neither a receipt of a topic that was deleted nor one of a group that was names a delivery of the one that was made anew.
func TestReceiptsOfBefore(t *testing.T) {
	for name, anew := range map[string]func(t *testing.T, b *Broker){
		"topic": func(t *testing.T, b *Broker) {
			if err := b.DeleteTopic(t.Context(), "jobs"); err != nil {
				t.Fatal(err)
			}
			create(t, b, "jobs", log.TopicConfig{})
			mustAppend(t, b, job(0), batchOf("new"))
		},
		"group": func(t *testing.T, b *Broker) {
			err := errors.Join(b.DeleteQueue(t.Context(), "workers"), b.CreateQueue(t.Context(), "workers", []log.Topic{"jobs"}, log.QueueConfig{}))
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			b := queueOf(t, mem, 1, log.QueueConfig{})
			mustAppend(t, b, job(0), batchOf("old"))
			old := receive(t, b, 1)[0]
			anew(t, b)
			fresh := receive(t, b, 1)[0]
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			b = open(t, mem, Options{})
			t.Cleanup(func() { b.Close() })
			if fresh.Receipt.Offset != old.Receipt.Offset || fresh.Deliveries != 1 {
				t.Fatalf("%+v behind %+v", fresh, old)
			}
			wantCode(t, b.Ack(t.Context(), "workers", old.Receipt), log.VoidReceipt)
			wantCode(t, b.Nack(t.Context(), "workers", 0, "", old.Receipt), log.VoidReceipt)
			if err := b.Ack(t.Context(), "workers", fresh.Receipt); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWhatAPowerLossTookStaysLost: what a queue knew of records that a power loss took is forgotten when the log is opened, also where nobody asks for queues before the
// log is opened once more, with others at their offsets.
func TestWhatAPowerLossTookStaysLost(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{})
	create(t, b, "jobs", log.TopicConfig{Durability: log.None})
	if err := b.CreateQueue(t.Context(), "workers", []log.Topic{"jobs"}, log.QueueConfig{}); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, b, job(0), batchOf("a", "b", "c"))
	old := receive(t, b, 3)
	ackAll(t, b, old[:2])
	lost := mem.CrashClone(vfs.LoseAll)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, lost, Options{})
	if _, end, err := b.Offsets(t.Context(), job(0)); end != 0 || err != nil {
		t.Fatalf("%d records were not lost, %v", end, err)
	}
	mustAppend(t, b, job(0), batchOf("d", "e", "f"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, lost, Options{})
	t.Cleanup(func() { b.Close() })
	found := receive(t, b, 3)
	wantValues(t, "after it", found, "d", "e", "f")
	wantCode(t, b.Ack(t.Context(), "workers", old[2].Receipt), log.VoidReceipt)
	ackAll(t, b, found)
}

// TestPointToPointTopicOfSeveralGroups: the topic may go and come back as one, as long as one group waits for it.
func TestPointToPointTopicOfSeveralGroups(t *testing.T) {
	b := queueOf(t, vfs.NewMem(), 1, log.QueueConfig{})
	t.Cleanup(func() { b.Close() })
	if err := errors.Join(b.CreateQueue(t.Context(), "others", []log.Topic{"jobs"}, log.QueueConfig{}), b.DeleteTopic(t.Context(), "jobs")); err != nil {
		t.Fatal(err)
	}
	config := log.TopicConfig{PointToPoint: true}
	wantCode(t, b.CreateTopic(t.Context(), "jobs", config), log.InvalidArgument)
	if _, err := b.DescribeTopic(t.Context(), "jobs"); log.CodeOf(err) != log.UnknownTopic {
		t.Errorf("the topic: %v", err)
	}
	if err := b.DeleteQueue(t.Context(), "others"); err != nil {
		t.Fatal(err)
	}
	create(t, b, "jobs", config)
	wantCode(t, b.CreateQueue(t.Context(), "others", []log.Topic{"jobs"}, log.QueueConfig{}), log.InvalidArgument)
}

// TestWhatAPowerLossTookMustBeStored: where that fails the log is not opened, and nothing gets the offsets of what was lost.
func TestWhatAPowerLossTookMustBeStored(t *testing.T) {
	for name, hit := range map[string]func(op errorfs.Op) bool{
		"unread":   func(op errorfs.Op) bool { return strings.Contains(op.Name, "__queues/0") },
		"unstored": func(op errorfs.Op) bool { return op.Kind == errorfs.WriteAt && strings.Contains(op.Name, "__queues/0") },
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			b := open(t, mem, Options{})
			create(t, b, "jobs", log.TopicConfig{Durability: log.None})
			if err := b.CreateQueue(t.Context(), "workers", []log.Topic{"jobs"}, log.QueueConfig{}); err != nil {
				t.Fatal(err)
			}
			mustAppend(t, b, job(0), batchOf("a", "b", "c"))
			ackAll(t, b, receive(t, b, 3))
			mem = mem.CrashClone(vfs.LoseAll)
			_, err := Open("dir", Options{FS: errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if hit(op) {
					return errorfs.ErrInjected
				}
				return nil
			}))})
			if !errors.Is(err, errorfs.ErrInjected) {
				t.Fatalf("opened: %v", err)
			}
			b = open(t, mem, Options{})
			mustAppend(t, b, job(0), batchOf("d", "e", "f"))
			wantValues(t, "after it", receive(t, b, 3), "d", "e", "f")
		})
	}
}

// TestQueuesThatCannotBeRead: where nothing can have been lost only queues suffer, until the log is opened anew.
func TestQueuesThatCannotBeRead(t *testing.T) {
	mem := vfs.NewMem()
	b := queueOf(t, mem, 1, log.QueueConfig{})
	create(t, b, "point", log.TopicConfig{PointToPoint: true})
	mustAppend(t, b, job(0), batchOf("a"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.Contains(op.Name, "__queues/0") {
			return errorfs.ErrInjected
		}
		return nil
	})), Options{})
	mustAppend(t, b, job(0), batchOf("b"))
	point := log.TopicConfig{PointToPoint: true}
	wantCode(t, b.CreateTopic(t.Context(), "point", point), log.TopicExists)
	_, received := b.Receive(t.Context(), log.ReceiveRequest{Group: "workers"})
	_, described := b.DescribeQueues(t.Context())
	for what, err := range map[string]error{
		"receive": received, "describe": described,
		"create queue": b.CreateQueue(t.Context(), "others", []log.Topic{"jobs"}, log.QueueConfig{}),
		"delete queue": b.DeleteQueue(t.Context(), "workers"),
		"create topic": b.CreateTopic(t.Context(), "another", point),
	} {
		if !errors.Is(err, errorfs.ErrInjected) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wantValues(t, "opened anew", receive(t, open(t, mem, Options{}), 2), "a", "b")
}

// TestDeletionOfAQueueThatIsGivenUp is done all the same, and the name is free.
func TestDeletionOfAQueueThatIsGivenUp(t *testing.T) {
	b := queueOf(t, vfs.NewMem(), 1, log.QueueConfig{})
	mustAppend(t, b, job(0), batchOf("a"))
	_ = receive(t, b, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := errors.Join(b.DeleteQueue(ctx, "workers"), b.CreateQueue(t.Context(), "workers", []log.Topic{"jobs"}, log.QueueConfig{}))
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, "the new group", receive(t, b, 9), "a")
}

// TestAppendBesideADeletionOfAQueue: whoever appends to its topic does not wait for the end of what is stored of it.
func TestAppendBesideADeletionOfAQueue(t *testing.T) {
	g := newGate()
	b := gatedTopic(t, g, Options{})
	create(t, b, "jobs", log.TopicConfig{Durability: log.None})
	if err := b.CreateQueue(t.Context(), "workers", []log.Topic{"jobs"}, log.QueueConfig{}); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, b, job(0), batchOf("a"))
	_ = receive(t, b, 1)
	g.shut()
	before := g.syncs.Load()
	deleted := make(chan error)
	go func() { deleted <- b.DeleteQueue(context.Background(), "workers") }()
	for g.syncs.Load() == before {
		runtime.Gosched()
	}
	mustAppend(t, b, job(0), batchOf("b"))
	_, err := b.Receive(t.Context(), log.ReceiveRequest{Group: "workers"})
	wantCode(t, err, log.UnknownGroup)
	g.open()
	if err := <-deleted; err != nil {
		t.Error(err)
	}
}

// TestDeletionOfAQueueThatCannotBeStored leaves a queue of which nobody knows more before the log is opened anew, and says so.
func TestDeletionOfAQueueThatCannotBeStored(t *testing.T) {
	var fails atomic.Bool
	mem := vfs.NewMem()
	b := queueOf(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fails.Load() && op.Kind == errorfs.WriteAt && strings.Contains(op.Name, "__queues/0") {
			return errorfs.ErrInjected
		}
		return nil
	})), 1, log.QueueConfig{})
	mustAppend(t, b, job(0), batchOf("a"))
	old := receive(t, b, 1)[0]
	fails.Store(true)
	wantCode(t, b.DeleteQueue(t.Context(), "workers"), log.Poisoned)
	wantCode(t, b.DeleteQueue(t.Context(), "workers"), log.Poisoned)
	_, err := b.Receive(t.Context(), log.ReceiveRequest{Group: "workers"})
	wantCode(t, err, log.Poisoned)
	wantCode(t, b.Ack(t.Context(), "workers", old.Receipt), log.Poisoned)
	b = open(t, mem.CrashClone(vfs.KeepAll), Options{})
	if err := b.Ack(t.Context(), "workers", old.Receipt); err != nil {
		t.Error(err)
	}
}

// TestAQueueThatIsGivenUp while it is made is there, before and after the log is opened anew: no other group gets its point-to-point topic.
func TestAQueueThatIsGivenUp(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{})
	create(t, b, "jobs", log.TopicConfig{PointToPoint: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.CreateQueue(ctx, "workers", []log.Topic{"jobs"}, log.QueueConfig{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantCode(t, b.CreateQueue(t.Context(), "others", []log.Topic{"jobs"}, log.QueueConfig{}), log.InvalidArgument)
		wantCode(t, b.ResetOffsets(t.Context(), "workers", map[log.TopicPartition]log.Offset{job(0): 0}), log.InconsistentProtocol)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b = open(t, mem, Options{})
	}
}

// TestReceiveBesideAPointToPointTopicInTheMaking: who makes one may have to wait, and nobody waits with him.
func TestReceiveBesideAPointToPointTopicInTheMaking(t *testing.T) {
	b := queueOf(t, vfs.NewMem(), 1, log.QueueConfig{})
	mustAppend(t, b, job(0), batchOf("a"))
	b.admin.Lock() // a deletion of much
	made := make(chan error)
	go func() { made <- b.CreateTopic(context.Background(), "point", log.TopicConfig{PointToPoint: true}) }()
	for b.queues.making.TryLock() {
		b.queues.making.Unlock()
		runtime.Gosched()
	}
	wantValues(t, "meanwhile", receive(t, b, 1), "a")
	b.admin.Unlock()
	if err := <-made; err != nil {
		t.Error(err)
	}
}
