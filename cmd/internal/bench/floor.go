package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// Sizes of the floors.
const (
	floorSyncName = "floor/sync"
	recordBytes   = 512      // what one durable append writes
	floorFile     = 64 << 20 // zero-filled beforehand, as the log does
	pageCacheStep = 1 << 20  // of page-cache writes and reads
)

// floors measures what the machine gives to loops that do nothing else.
func (b *run) floors(ctx context.Context) error {
	dir, done, err := b.folder("floor")
	if err != nil {
		return err
	}
	defer done()
	f, err := zeroFilled(filepath.Join(dir, "sync"), floorFile)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // the file is removed
	return firstError(
		func() error { return b.floorSync(ctx, f) },
		func() error { return b.floorGroup(ctx, f, 16) },
		func() error { return b.floorGroup(ctx, f, 64) },
		func() error { return b.floorGroup(ctx, f, 256) },
		func() error { return b.floorPageCache(ctx, filepath.Join(dir, "cache")) },
	)
}

func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// zeroFilled returns a file of zeros that are on the disk: a sync of what is written over them changes no metadata.
func zeroFilled(name string, size int) (*os.File, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, 1<<20)
	for at := 0; at < size; at += len(zeros) {
		if _, err := f.WriteAt(zeros, int64(at)); err != nil {
			return nil, fmt.Errorf("fill %s with zeros: %w", name, err)
		}
	}
	return f, f.Sync()
}

// floorSync is the plain loop: one writer, 512 B, fdatasync.
func (b *run) floorSync(ctx context.Context, f *os.File) error {
	record := make([]byte, recordBytes)
	h, took, err := measure(ctx, 1, b.Duration, func(_ context.Context, _, i int) error {
		return writeSync(f, record, int64(i)*recordBytes%(floorFile-recordBytes))
	})
	if err != nil {
		return err
	}
	b.add(rateOf(floorSyncName, "plain loop: pwrite 512 B into zeros + fdatasync", "records/s", 1, h, took))
	return nil
}

func writeSync(f *os.File, p []byte, at int64) error {
	if _, err := f.WriteAt(p, at); err != nil {
		return err
	}
	return fdatasync(f)
}

// floorGroup is the least that a group commit can be: buffers and one fdatasync for all that waits. No format, no
// checksum, no offsets, no index.
func (b *run) floorGroup(ctx context.Context, f *os.File, writers int) error {
	h, took, err := measure(ctx, writers, b.Duration, bareAppends(f))
	if err != nil {
		return err
	}
	b.add(groupFloor(writers, "", h, took))
	return nil
}

// bareAppends returns what each writer of a bare group commit to f does.
func bareAppends(f *os.File) func(context.Context, int, int) error {
	g := &bareGroup{file: f, next: newBareBatch()}
	record := make([]byte, recordBytes)
	return func(context.Context, int, int) error { return g.append(record) }
}

func groupFloor(writers int, more string, h *histogram, took time.Duration) Result {
	return rateOf(fmt.Sprintf("floor/group-%d", writers),
		fmt.Sprintf("%s of 512 B sharing each fdatasync: buffers only%s", count(writers, "writer"), more), "records/s", 1, h, took)
}

// bareGroup is a group commit without a log.
type bareGroup struct {
	file *os.File

	mu      sync.Mutex
	next    *bareBatch // filling
	writing bool
	last    int // records of the group before, which the leader waits for a little
	at      int64
}

type bareBatch struct {
	data []byte
	n    int
	done chan struct{}
	err  error
}

func newBareBatch() *bareBatch { return &bareBatch{done: make(chan struct{})} }

// append returns when p is on the disk. Whoever finds nobody writing writes for all.
func (g *bareGroup) append(p []byte) error {
	g.mu.Lock()
	mine := g.next
	mine.data = append(mine.data, p...)
	mine.n++
	if g.writing {
		g.mu.Unlock()
		<-mine.done
		return mine.err
	}
	g.writing = true
	for {
		batch := g.take()
		batch.err = writeSync(g.file, batch.data, g.place(len(batch.data)))
		close(batch.done)
		g.mu.Lock()
		if g.next.n == 0 {
			g.writing = false
			g.mu.Unlock()
			return mine.err
		}
	}
}

// take waits for company up to 40 µs and takes the group. It is called with the lock held and returns without it.
func (g *bareGroup) take() *bareBatch {
	for start := time.Now(); g.next.n < g.last && time.Since(start) < 40*time.Microsecond; {
		g.mu.Unlock()
		runtime.Gosched()
		g.mu.Lock()
	}
	batch := g.next
	g.last = batch.n
	g.next = newBareBatch()
	g.next.data = make([]byte, 0, cap(batch.data))
	g.mu.Unlock()
	return batch
}

func (g *bareGroup) place(n int) int64 {
	if g.at+int64(n) > floorFile {
		g.at = 0
	}
	at := g.at
	g.at += int64(n)
	return at
}

// floorPageCache writes and reads a file without syncing it.
func (b *run) floorPageCache(ctx context.Context, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // the file is removed
	size, step := b.bytes(), make([]byte, pageCacheStep)
	for i := range step {
		step[i] = byte(i * 7)
	}
	pass := func(op func(p []byte, at int64) (int, error)) (*histogram, time.Duration, error) {
		h, start := new(histogram), time.Now()
		for at := int64(0); at < size && ctx.Err() == nil; at += pageCacheStep {
			before := time.Now()
			if _, err := op(step, at); err != nil && !errors.Is(err, io.EOF) {
				return nil, 0, err
			}
			h.add(time.Since(before))
		}
		return h, time.Since(start), ctx.Err()
	}
	w, wTook, err := pass(f.WriteAt)
	if err != nil {
		return err
	}
	r, rTook, err := pass(f.ReadAt)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s in steps of 1 MiB, ", quantityBytes(size))
	b.add(rateOf("floor/cache-write", what+"written to the page cache", "bytes/s", pageCacheStep, w, wTook))
	b.add(rateOf("floor/cache-read", what+"read from the page cache", "bytes/s", pageCacheStep, r, rTook))
	return nil
}

func quantityBytes(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.3g GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
