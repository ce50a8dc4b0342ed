package commands

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"lodge/domain"
	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest"
	"lodge/log/vfs"
)

// Several clients send the same commands at once, in different orders, over and over, while the log loses power between
// the rounds: every request is applied once, and everybody gets the same answer.
func TestExactlyOnceUnderRetries(t *testing.T) {
	const clients, rounds = 6, 4
	r := random(t)
	lg := logtest.Open(t, broker.Options{})
	if _, err := CreateTopics(t.Context(), lg, 2, log.Sync); err != nil {
		t.Fatal(err)
	}
	steps := workload(r, 150)
	setup, rest := steps[:6], steps[6:]
	answers := make(map[int]string) // event id of each acknowledged step of rest
	var mu sync.Mutex
	for round := range rounds {
		h := open(t, lg, Options{Partitions: 2, FS: lg.FS, SnapshotDir: "snapshots", SnapshotEvery: 20, HoldTick: -1})
		for i, s := range setup {
			if _, err := h.Execute(t.Context(), s.command); err != nil {
				t.Fatalf("setup %d: %v", i, err)
			}
		}
		var group sync.WaitGroup
		for range clients {
			order := r.Perm(len(rest))
			group.Go(func() {
				for _, i := range order {
					got, err := h.Execute(context.Background(), rest[i].command)
					if err != nil {
						if domain.ReasonOf(err) == "" {
							t.Errorf("round %d, command %d: %v", round, i, err)
						}
						continue
					}
					if len(got.Events) == 0 { // there was nothing to do
						continue
					}
					mu.Lock()
					if known, ok := answers[i]; ok && known != got.Events[0].ID {
						t.Errorf("round %d, command %d: answers %s and %s", round, i, known, got.Events[0].ID)
					}
					answers[i] = got.Events[0].ID
					mu.Unlock()
				}
			})
		}
		group.Wait()
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		checkAudit(t, fmt.Sprint("round ", round), lg)
		if round%2 == 0 {
			lg.Crash(vfs.Randomly(r))
		} else {
			lg.Restart()
		}
	}
	if len(answers) < 30 {
		t.Errorf("only %d of %d commands were ever applied", len(answers), len(rest))
	}
}

// The race for the last room on the real broker, many times: each hotel has one room.
func TestRaceForTheLastRoom(t *testing.T) {
	const hotels, clients = 20, 100
	lg := logtest.Open(t, broker.Options{})
	n, err := CreateTopics(t.Context(), lg, 0, log.Sync)
	if err != nil || n != PartitionsDefault() {
		t.Fatal(n, err)
	}
	h := open(t, lg, Options{HoldTick: -1})
	for i := range hotels {
		h.build(hotelName(i), 1)
	}
	winners := make([]int, hotels)
	var mu sync.Mutex
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for _, i := range rand.Perm(hotels) {
				if isPlaced(h.do(i*clients+c, place(hotelName(i), i*clients+c))) {
					mu.Lock()
					winners[i]++
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	for i, n := range winners {
		if n != 1 {
			t.Errorf("%d clients got the last room of hotel %d", n, i)
		}
	}
	if n := len(placedIDs(t, lg, PartitionsDefault())); n != hotels {
		t.Errorf("%d reservations for %d rooms", n, hotels)
	}
	if _, err := CreateTopics(t.Context(), lg, 3, log.Sync); log.CodeOf(err) != log.InvalidTopic {
		t.Errorf("another number of partitions: %v", err)
	}
}
