package client_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/logtest"
	"lodge/log/vfs"
)

// With acks 1 and all a future is done when its record survives a power failure, and not before; with acks 0 as soon as it has its offset.
func TestAcks(t *testing.T) {
	for name, acks := range map[string]log.Acks{"0": log.AcksNone, "1": log.AcksLeader, "all": log.AcksAll} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lg := newFake(1)
				commits := make(chan struct{})
				var waits atomic.Int32
				lg.onWait = func(context.Context, log.TopicPartition) (bool, error) {
					waits.Add(1)
					<-commits
					return false, nil
				}
				p := newProducer(t, lg, client.ProducerOptions{Acks: &acks})
				f := send(t, p, rec("a"))
				synctest.Wait()
				select {
				case <-f.Done():
					if acks != log.AcksNone {
						t.Error("done before the log has it")
					}
				default:
					if acks == log.AcksNone {
						t.Error("not done with its offset")
					}
				}
				close(commits)
				closeProducer(t, p)
				if waited := waits.Load() > 0; waited != (acks != log.AcksNone) {
					t.Errorf("%d waits", waits.Load())
				}
			})
			lg := logtest.Open(t, broker.Options{})
			lg.Topic("bookings", 1)
			p := newProducer(t, lg, client.ProducerOptions{Acks: &acks})
			if _, err := p.ProduceSync(t.Context(), rec("a"), rec("b")); err != nil {
				t.Fatal(err)
			}
			lg.Crash(vfs.LoseAll)
			got := values(lg.Records(log.TopicPartition{Topic: "bookings"}))
			if acks != log.AcksNone && !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("after the power failed: %v", got)
			}
			p.Close(t.Context())
		})
	}
}

// A custom partitioner is told how many partitions are active, and what it picks is one of these.
func TestPartitionerSeesActivePartitions(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	lg.Topic("bookings", 4)
	seen := map[int]bool{}
	p := newProducer(t, lg, client.ProducerOptions{Partitioner: func(_ *log.Record, n int) log.Partition {
		seen[n] = true
		return log.Partition(n - 1)
	}})
	for i, change := range []struct {
		retire []log.Partition
		want   log.Partition
	}{{nil, 3}, {[]log.Partition{3}, 2}, {[]log.Partition{1}, 2}, {[]log.Partition{2}, 0}} {
		if change.retire != nil {
			if _, err := lg.RetirePartitions(t.Context(), "bookings", -1, change.retire...); err != nil {
				t.Fatal(err)
			}
		}
		at, err := p.ProduceSync(t.Context(), rec("%d", i))
		if err != nil || at[0].Partition != change.want {
			t.Errorf("%d: at %v, error %v, want partition %d", i, at, err, change.want)
		}
	}
	if fmt.Sprint(seen) != "map[1:true 2:true 3:true 4:true]" {
		t.Errorf("it was told %v", seen)
	}
	closeProducer(t, p)
}

// A change of the layout that fails half-way leaves the old one: what was refused meanwhile goes through by that.
func TestLayoutChangeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := newFake(2)
		lg.layout = log.Layout{Active: []log.Partition{0, 1}}
		var changing atomic.Bool
		changing.Store(true)
		lg.onEnqueue = func(log.TopicPartition, *log.Batch) error {
			if changing.Load() {
				return log.NewError(log.StaleLayout, "enqueue", "the topic gets another")
			}
			return nil
		}
		p := newProducer(t, lg, client.ProducerOptions{})
		f := send(t, p, rec("a"))
		time.Sleep(3 * time.Second) // within synctest
		changing.Store(false)
		if _, err := f.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		changing.Store(true)
		f = send(t, p, rec("b"))
		_, err := f.Wait(t.Context())
		wantCode(t, "for ever", err, log.Unavailable)
		changing.Store(false)
		p.Close(t.Context())
		if got := len(lg.all()); got != 1 {
			t.Errorf("%d records", got)
		}
	})
}
