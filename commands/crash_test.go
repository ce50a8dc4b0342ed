package commands

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"lodge/commands/audit"
	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/broker"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

var crashes = flag.Int("crashes", 1, "how many random workloads the crash tests run")

// step is one command of a workload, and what was answered. Which request ids are acknowledged is all that a client knows.
type step struct {
	command Command
	eventID string // of the acknowledged answer
	refused bool   // with a rule of the domain
}

// workload is a history of commands for two hotels that depend upon each other: last rooms, cancellations that free
// them, confirmations, payments and refunds, modifications, changes of inventory and of hotels between them.
func workload(r *rand.Rand, count int) []*step {
	var steps []*step
	add := func(body hotel.Command) {
		steps = append(steps, &step{command: Command{RequestID: requestID(len(steps)), Body: body}})
	}
	for _, id := range []string{"grand", "ritz"} {
		for _, body := range opening(id, 3) {
			add(body)
		}
	}
	for n := range count {
		id := []string{"grand", "ritz"}[r.IntN(2)]
		switch other := r.IntN(n + 1); r.IntN(11) {
		case 0:
			add(setRooms(id, int32(2+r.IntN(4))))
		case 1:
			name := fmt.Sprint("name ", n)
			add(&hotel.UpdateHotel{Hotel: id, DisplayName: &name})
		case 2:
			add(confirm(id, other))
		case 3, 4:
			add(&hotel.CancelReservation{Hotel: id, ReservationID: reservationID(other)})
		case 5, 6, 7:
			for _, body := range withMoney(id, other, r.IntN(4)) {
				add(body)
			}
		default:
			add(place(id, n))
		}
	}
	return steps
}

// site is a platform on one file system: a broker and an engine in it.
type site struct {
	*house
	lg *broker.Broker
}

var siteOptions = Options{Partitions: 2, SnapshotDir: "data/snapshots", SnapshotEvery: 10, HoldTick: -1}

func openSite(t *testing.T, fs vfs.FS, opts Options) (*site, error) {
	t.Helper()
	lg, err := broker.Open("data/log", broker.Options{FS: fs})
	if err != nil {
		return nil, err
	}
	if _, err := CreateTopics(t.Context(), lg, opts.Partitions, log.Sync); err != nil {
		return nil, errors.Join(err, lg.Close())
	}
	opts.FS, opts.Clock = fs, atNoon
	e, err := Open(t.Context(), lg, opts)
	if err != nil {
		return nil, errors.Join(err, lg.Close())
	}
	return &site{house: start(t, e), lg: lg}, nil
}

// perform executes the steps with a few clients, each its share in order, and keeps what was answered under mu.
func (s *site) perform(mu *sync.Mutex, steps []*step, clients int) {
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for i := c; i < len(steps); i += clients {
				r, err := s.Execute(context.Background(), steps[i].command)
				mu.Lock()
				switch {
				case err == nil && len(r.Events) > 0:
					steps[i].eventID = r.Events[0].ID
				case domain.ReasonOf(err) != "":
					steps[i].refused = true
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
}

func (s *site) close() error { return errors.Join(s.stop(), s.lg.Close()) }

// crashed is what was left of a file system at one moment, and what had been acknowledged by then.
type crashed struct {
	at    string
	fs    *vfs.MemFS
	acked map[int]string
}

func TestCrashAtEveryStep(t *testing.T) {
	r := random(t)
	for range *crashes {
		for _, clients := range []int{1, 8} {
			steps := workload(r, 40)
			for _, c := range crashEverywhere(t, r, steps, clients) {
				checkCrashed(t, c, steps)
			}
		}
	}
}

// crashEverywhere performs the steps and, before every operation that changes the file system, keeps what a power loss would leave of it.
func crashEverywhere(t *testing.T, r *rand.Rand, steps []*step, clients int) (all []crashed) {
	t.Helper()
	fs := vfs.NewMem()
	var mu sync.Mutex
	inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !op.Mutates() {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		c := crashed{at: fmt.Sprintf("before operation %d, %s", len(all), op), acked: acknowledged(steps)}
		choose := []vfs.Choose{vfs.LoseAll, vfs.KeepAll, vfs.Randomly(r)}[r.IntN(3)]
		c.fs = fs.CrashClone(choose)
		all = append(all, c)
		return nil
	})
	s, err := openSite(t, errorfs.Wrap(fs, inject), siteOptions)
	if err != nil {
		t.Fatal(err)
	}
	s.perform(&mu, steps, clients)
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d clients: %d crashes, %d of %d commands acknowledged", clients, len(all), len(acknowledged(steps)), len(steps))
	return all
}

func acknowledged(steps []*step) map[int]string {
	acked := make(map[int]string)
	for i, s := range steps {
		if s.eventID != "" {
			acked[i] = s.eventID
		}
	}
	return acked
}

// checkCrashed opens what a crash left and demands that everything acknowledged is there once, that everything can be sent
// again, and that snapshots and replay agree.
func checkCrashed(t *testing.T, c crashed, steps []*step) {
	t.Helper()
	s, err := openSite(t, c.fs, siteOptions)
	if err != nil {
		t.Fatalf("%s: %v", c.at, err)
	}
	for i, st := range steps {
		r, err := s.Execute(t.Context(), st.command)
		id, acked := c.acked[i]
		switch {
		case acked && (err != nil || !r.Replayed || r.Events[0].ID != id):
			t.Fatalf("%s: command %d (%T) was acknowledged as %s; its retry: %+v, %v", c.at, i, st.command.Body, id, r, err)
		case err != nil && domain.ReasonOf(err) == "":
			t.Fatalf("%s: command %d: %v", c.at, i, err)
		}
	}
	checkAudit(t, c.at, s.lg)
	lg := s.lg
	want := s.dump()
	replayed := open(t, lg, Options{Partitions: siteOptions.Partitions, HoldTick: -1}).dump()
	if want != replayed {
		t.Fatalf("%s: snapshot and log give\n%s\nthe log alone gives\n%s", c.at, want, replayed)
	}
	if err := lg.Close(); err != nil {
		t.Fatal(err)
	}
}

func checkAudit(t *testing.T, at string, lg log.Reader) {
	t.Helper()
	report, err := audit.Run(t.Context(), lg, audit.Options{Partitions: siteOptions.Partitions})
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	if !report.OK() {
		t.Fatalf("%s: %+v", at, report.Violations)
	}
}

// Every operation that changes the file system fails once: whatever was acknowledged is there after a restart.
func TestFailEveryOperation(t *testing.T) {
	r := random(t)
	for n := 0; ; n++ {
		steps := workload(r, 25)
		fs := vfs.NewMem()
		nth := &errorfs.Nth{N: n, Match: errorfs.Op.Mutates}
		var mu sync.Mutex
		s, err := openSite(t, errorfs.Wrap(fs, nth), siteOptions)
		if err == nil {
			s.perform(&mu, steps, 4)
			err = s.close()
		}
		if nth.Hit() == nil {
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d operations", n)
			return
		}
		at := fmt.Sprintf("operation %d failed, %s", n, nth.Hit())
		checkCrashed(t, crashed{at: at, fs: fs.CrashClone(vfs.Randomly(r)), acked: acknowledged(steps)}, steps)
	}
}
