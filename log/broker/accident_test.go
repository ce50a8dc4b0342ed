package broker

import (
	"errors"
	"strings"
	"testing"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

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
