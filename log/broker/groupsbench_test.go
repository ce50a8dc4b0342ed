package broker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"lodge/log"
)

// BenchmarkCommitOffsets commits one partition's offset at a time, to groups of their own, on the disk that holds the temporary folder.
func BenchmarkCommitOffsets(b *testing.B) {
	for _, committers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("committers=", committers), func(b *testing.B) {
			lg := onDisk(b)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for i := range committers {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						req := log.CommitRequest{
							Group: log.Group(fmt.Sprint("g", i)), Generation: log.NoGeneration,
							Offsets: map[log.TopicPartition]log.CommittedOffset{tOf(0): {Offset: log.Offset(n)}},
						}
						if err := lg.CommitOffsets(ctx, req); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// BenchmarkRebalance is one whole rebalance of a group of 50.
func BenchmarkRebalance(b *testing.B) {
	lg := onDisk(b)
	joined := make([]log.JoinResponse, 50)
	gather(b, lg, joined)
	b.ResetTimer()
	for b.Loop() {
		rebalance(b, lg, joined)
	}
}

// onDisk opens and runs a broker with the topic "t" in a temporary folder.
func onDisk(b *testing.B) *Broker {
	lg, err := Open(filepath.ToSlash(b.TempDir()), Options{})
	if err != nil {
		b.Fatal(err)
	}
	create(b, lg, "t", log.TopicConfig{Partitions: 4})
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- lg.Run(running) }()
	b.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, lg.Close()); err != nil {
			b.Error(err)
		}
	})
	return lg
}

// rebalance has the leader join, the others when they hear of it, and all of them sync.
func rebalance(b *testing.B, lg *Broker, joined []log.JoinResponse) {
	var wg sync.WaitGroup
	for i, j := range joined {
		wg.Go(func() {
			alive := log.HeartbeatRequest{Group: "g", Generation: j.Generation, Member: j.Member}
			for j.Member != j.Leader && log.CodeOf(lg.Heartbeat(ctx, alive)) != log.RebalanceInProgress {
				runtime.Gosched()
			}
			joined[i] = mustJoin(b, lg, joinRequest(j.Member, ""))
			mustSync(b, lg, joined[i], "")
		})
	}
	wg.Wait()
}

// gather brings members together in one generation.
func gather(b *testing.B, lg *Broker, joined []log.JoinResponse) {
	var wg sync.WaitGroup
	for i := range joined {
		wg.Go(func() {
			joined[i] = joinUntil(b, lg, len(joined))
			mustSync(b, lg, joined[i], "")
		})
	}
	wg.Wait()
}

// joinUntil joins again until the group has n members.
func joinUntil(b *testing.B, lg *Broker, n int) (joined log.JoinResponse) {
	for {
		joined = mustJoin(b, lg, joinRequest(joined.Member, ""))
		info, err := lg.DescribeGroup(ctx, "g")
		if err != nil {
			b.Fatal(err)
		}
		if len(info.Members) == n && info.Generation == joined.Generation && info.State != log.GroupPreparingRebalance {
			return joined
		}
	}
}
