package projections

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"

	"lodge/log"
)

// fenceFile names the file, in the environment of the process that TestWritersInTwoProcesses starts.
const fenceFile = "LODGE_FENCE_FILE"

const fenceEvents = 3000

// contend applies events to a shard's file that others write too, as a store does that takes itself for the only one: from where its last
// batch ended, until it is told otherwise, and then from the checkpoint. It returns how often that happened, and how often it wrote.
func contend(path string, ready func()) (fenced, written int, err error) {
	opts := Options{}.withDefaults()
	sh := newShard(&projection{projector: counter{}, name: "counter"}, 0, path, &opts)
	if err := sh.openLive(); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, sh.close()) }()
	sh.marks = newMarks(map[log.Topic]log.Offset{"a": 0, "b": 0})
	ready()
	for {
		next, _, _ := sh.marks.get("a")
		if next >= fenceEvents {
			return fenced, written, nil
		}
		b := batchOf("a", next, min(fenceEvents, next+1+log.Offset(rand.IntN(4))))
		err := sh.apply(b, func(Step) error { return nil })
		var fence *fencedError
		switch {
		case err == nil:
			written++
		case errors.As(err, &fence):
			fenced++
			if err := sh.reload(context.Background()); err != nil {
				return fenced, written, err
			}
		default:
			return fenced, written, err
		}
	}
}

// onlyOnce checks that each event is in the rows once.
func onlyOnce(t *testing.T, path string) {
	t.Helper()
	c, err := openConn(path, liveParams)
	if err != nil {
		t.Fatal(err)
	}
	var rows, sum int64
	err = c.Query(t.Context(), "SELECT count(*), sum(n) FROM seen", nil, func(r *Row) error { rows, sum = r.Int(0), r.Int(1); return nil })
	if err = errors.Join(err, c.close()); err != nil || rows != fenceEvents || sum != fenceEvents {
		t.Errorf("%d events are there, applied %d times, want %d each; error %v", rows, sum, fenceEvents, err)
	}
}

func counterFile(t *testing.T) string { return newCounterShard(t).path }

// Two that take themselves for the only writer, in one process.
func TestWritersInOneProcess(t *testing.T) {
	path := counterFile(t)
	var work sync.WaitGroup
	var fenced [2]int
	for i := range fenced {
		work.Go(func() {
			var err error
			if fenced[i], _, err = contend(path, func() {}); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if fenced[0]+fenced[1] == 0 {
		t.Error("nobody was fenced: they have not met")
	}
	onlyOnce(t, path)
}

// And in two processes: this one, and another that runs this test.
func TestWritersInTwoProcesses(t *testing.T) {
	if path := os.Getenv(fenceFile); path != "" {
		fenced, written, err := contend(path, func() {
			fmt.Println("ready")
			_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("fenced", fenced, "written", written)
		return
	}
	path := counterFile(t)
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWritersInTwoProcesses$")
	other.Env = append(os.Environ(), fenceFile+"="+path)
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the other process says %q, error %v", line, err)
	}
	fenced, written, err := contend(path, func() { _, _ = fmt.Fprintln(in) })
	if err != nil {
		t.Error(err)
	}
	var theirs [2]int
	if _, err := fmt.Fscanf(lines, "fenced %d written %d\n", &theirs[0], &theirs[1]); err != nil {
		t.Errorf("what the other process has done: %v", err)
	}
	_, _ = io.Copy(io.Discard, lines)
	if err := other.Wait(); err != nil {
		t.Errorf("the other process: %v", err)
	}
	t.Logf("here: %d batches, fenced %d times; there: %d and %d", written, fenced, theirs[1], theirs[0])
	if fenced+theirs[0] == 0 {
		t.Error("nobody was fenced: they have not met")
	}
	onlyOnce(t, path)
}
