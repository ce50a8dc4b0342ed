package broker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// TestKilledThenPowerLoss kills the process at any operation of creating a topic, appending and deleting it: nothing is lost, and
// nothing made durable. The next process opens the folder and appends, until the power fails, at any operation.
func TestKilledThenPowerLoss(t *testing.T) {
	seeds(t, 3, func(t *testing.T, rng *rand.Rand) {
		for n := 0; ; n++ {
			mem := vfs.NewMem()
			open(t, mem, Options{}).Close()
			kill := &errorfs.Nth{N: n, After: true, Match: func(op errorfs.Op) bool { return op.Mutates() }}
			first := life{}
			first.live(errorfs.Wrap(mem, kill))
			if kill.Hit() == nil {
				return
			}
			second := life{existing: true}
			lose := func(op errorfs.Op) error {
				for _, choose := range []vfs.Choose{vfs.LoseAll, vfs.Randomly(rng), vfs.Randomly(rng), vfs.Randomly(rng)} {
					if err := first.check(second, mem.CrashClone(choose)); err != nil {
						t.Errorf("killed at %v (%+v), power lost before %v (%+v): %v", kill.Hit(), first, op, second, err)
						return err
					}
				}
				return nil
			}
			second.live(errorfs.Wrap(mem, mutations(lose)))
			if t.Failed() {
				return
			}
		}
	})
}

// life is what one process did with the topic "t".
type life struct {
	existing                 bool // it takes the topic that it finds, and neither creates nor deletes
	created, deleting, ended bool
	found, gone              bool
	acked                    []string
}

func (l *life) live(fs vfs.FS) {
	b, err := Open("dir", Options{FS: fs})
	if err != nil {
		return
	}
	defer b.Close()
	if l.existing {
		_, err := b.DescribeTopic(ctx, "t")
		l.found, l.gone = err == nil, err != nil
	} else {
		l.created = b.CreateTopic(ctx, "t", log.TopicConfig{}) == nil
	}
	for i := range 2 {
		value := fmt.Sprint(l.existing, i)
		if _, err := b.Append(ctx, tp0, batchOf(value)); err == nil {
			l.acked = append(l.acked, value)
		}
	}
	if !l.existing {
		l.deleting = true
		l.ended = b.DeleteTopic(ctx, "t") == nil
	}
}

// check opens what the power loss left: the topic is there with all that was acknowledged, or gone if somebody deleted it.
func (l *life) check(next life, fs vfs.FS) error {
	b, err := Open("dir", Options{FS: fs})
	if err != nil {
		return err
	}
	defer b.Close()
	info, err := b.DescribeTopic(ctx, "t")
	if err != nil {
		if next.found || l.created && !l.deleting {
			return errors.New("the topic is gone")
		}
		return nil
	}
	if l.ended || next.gone {
		return errors.New("the topic is back")
	}
	if info.Partitions[0].Err != "" {
		return errors.New(info.Partitions[0].Err)
	}
	records, err := readAll(b, tp0)
	if err != nil {
		return err
	}
	want := append(append([]string{}, l.acked...), next.acked...)
	var got []string // without what was not acknowledged and survived all the same
	for _, r := range records {
		if slices.Contains(want, string(r.Value)) {
			got = append(got, string(r.Value))
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("found %v of %v", got, want)
	}
	return nil
}

// TestDeleteThatCannotBeMadeDurable: the topic's file has its new name, so that the next process takes the topic for deleted. This
// one must not go on acknowledging records in it.
func TestDeleteThatCannotBeMadeDurable(t *testing.T) {
	mem := vfs.NewMem()
	fail := &errorfs.Nth{N: 1 << 30, Match: func(op errorfs.Op) bool { return op.Kind == errorfs.SyncDir && op.Name == "dir/topics/t" }}
	b := open(t, errorfs.Wrap(mem, fail), Options{})
	create(t, b, "t", log.TopicConfig{})
	mustAppend(t, b, tp0, batchOf("a"))
	fail.N = 1 // the first was create's
	for fail.Hit() == nil {
		fail.N++
		if err := b.DeleteTopic(ctx, "t"); err == nil {
			t.Fatal("the sync did not fail")
		}
	}
	_, appendErr := b.Append(ctx, tp0, batchOf("b"))
	b.Close()
	b = open(t, mem, Options{})
	if _, err := b.DescribeTopic(ctx, "t"); err != nil && appendErr == nil {
		t.Fatalf("a record was acknowledged after the delete failed, and is gone: %v", err)
	}
	wantCode(t, appendErr, log.UnknownTopic)
	create(t, b, "t", log.TopicConfig{})
	mustAppend(t, b, tp0, batchOf("c"))
}

// TestLostPartitionIsNotAnEmptyOne removes a partition's folder behind the broker's back.
func TestLostPartitionIsNotAnEmptyOne(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{})
	create(t, b, "t", log.TopicConfig{Partitions: 2})
	mustAppend(t, b, tp0, batchOf("precious"))
	b.Close()
	if err := mem.RemoveAll("dir/topics/t/0"); err != nil {
		t.Fatal(err)
	}
	b = open(t, mem, Options{})
	_, err := b.Append(ctx, tp0, batchOf("x"))
	wantCode(t, err, log.Corrupt)
	if info, err := b.DescribeTopic(ctx, "t"); err != nil || !strings.Contains(info.Partitions[0].Err, "dir/topics/t/0") {
		t.Errorf("%+v, %v", info, err)
	}
	mustAppend(t, b, log.TopicPartition{Topic: "t", Partition: 1}, batchOf("x"))
}

// TestIdentityIsLeftAloneAfterClose: the folder may belong to the next process already.
func TestIdentityIsLeftAloneAfterClose(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{})
	b.Close()
	next := open(t, mem, Options{})
	before, err := vfs.ReadFile(mem, "dir/"+identityFile)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.identity.producerID() // as a call does that was checked just before Close
	wantCode(t, err, log.Closed)
	if after, err := vfs.ReadFile(mem, "dir/"+identityFile); err != nil || string(after) != string(before) {
		t.Errorf("%s became %s, %v", before, after, err)
	}
	next.Close()
}

// TestUnreadableIdentityIsNotALostOne: the remedy for a lost file would ruin one that only cannot be read now.
func TestUnreadableIdentityIsNotALostOne(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{})
	create(t, b, "t", log.TopicConfig{})
	b.Close()
	fail := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.Open && strings.HasSuffix(op.Name, identityFile) {
			return errorfs.ErrInjected
		}
		return nil
	})
	_, err := Open("dir", Options{FS: errorfs.Wrap(mem, fail)})
	if !errors.Is(err, errorfs.ErrInjected) || log.CodeOf(err) == log.Corrupt {
		t.Errorf("got %v", err)
	}
}
