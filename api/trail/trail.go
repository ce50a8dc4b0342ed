package trail

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"lodge/log"
)

// Log is what the trail is kept in.
type Log interface {
	log.Writer
	log.Admin
	log.TopicChanger
}

// Options sets up a trail. The zero value of a field means its default.
type Options struct {
	Retention time.Duration // how long entries are kept: default what the topic has, RetentionDefault for a new one
	Linger    time.Duration // how long what nobody waits for is gathered before it is written: default 250 ms
	Window    time.Duration // calls that are counted become an entry when it is over: default 1 min
	Clock     func() time.Time
	Logger    *slog.Logger // default slog.Default()
}

// RetentionDefault is somewhat over a year, so that last year's season can be looked at in this one's.
const RetentionDefault = 400 * 24 * time.Hour

// The limits.
const (
	BufferMax   = 4096 // entries that wait to be written; of what is waited for twice as many
	batchMax    = 512  // of one append
	sameMax     = 10   // entries of the same actor, method and refusal in a window; the others are counted
	tallyMax    = 256  // kinds of calls that are counted apart in a window; the others are counted together
	perSecond   = 10   // entries of refused calls in the long run
	burst       = 1000 // at once
	drainMax    = 10 * time.Second
	retryPause  = time.Second
	retentionOf = time.Hour // the least
)

// Trail writes the trail. Safe for concurrent use.
type Trail struct {
	lg   Log
	opts Options
	wake chan struct{} // has room for one: something waits to be written

	mu       sync.Mutex
	buffer   []Entry // in order of Time; what is being written is still in it
	added    uint64  // entries that were ever put in the buffer
	last     time.Time
	lost     int64 // entries that found no room, and are not written down as lost yet
	since    time.Time
	lostEver int64
	bucket   *rate.Limiter
	tallies  map[tallyKey]*tally
	failure  error // of the last append, nil when it went well

	writing sync.Mutex // held by whoever writes; before mu
	written uint64     // entries of added that are on disk. Under writing
}

// Open makes the topic when it is missing, and sets its retention when one is given. It starts no goroutine. Nobody else may write to the topic.
func Open(ctx context.Context, lg Log, opts Options) (*Trail, error) {
	if opts.Retention != 0 && opts.Retention < retentionOf {
		return nil, fmt.Errorf("keep the audit trail: %s is less than %s", opts.Retention, retentionOf)
	}
	opts.Linger, opts.Window = cmp.Or(opts.Linger, 250*time.Millisecond), cmp.Or(opts.Window, time.Minute)
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	config := log.TopicConfig{Partitions: 1, Durability: log.Sync, RetentionAge: cmp.Or(opts.Retention, RetentionDefault)}
	err := lg.CreateTopic(ctx, Topic, config)
	if log.CodeOf(err) == log.TopicExists {
		err = nil
		if opts.Retention != 0 {
			err = keep(ctx, lg, opts.Retention)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("make the topic of the audit trail: %w", err)
	}
	return &Trail{
		lg: lg, opts: opts, wake: make(chan struct{}, 1), bucket: rate.NewLimiter(perSecond, burst), tallies: map[tallyKey]*tally{},
	}, nil
}

// keep changes how long entries are kept, if that is something else.
func keep(ctx context.Context, lg Log, retention time.Duration) error {
	info, err := lg.DescribeTopic(ctx, Topic)
	if err != nil || info.Config.RetentionAge == retention {
		return err
	}
	return lg.AlterTopic(ctx, Topic, func(c *log.TopicConfig) { c.RetentionAge = retention })
}

// Record returns when the entry, and every one before it, is on disk. When there is an error the entry waits to be written all the same.
func (t *Trail) Record(ctx context.Context, e Entry) error {
	t.mu.Lock()
	if len(t.buffer) >= 2*BufferMax {
		t.lose(1)
		t.mu.Unlock()
		return log.NewError(log.Unavailable, "record in the audit trail", "%d entries wait to be written", len(t.buffer))
	}
	t.put(e)
	until := t.added
	t.mu.Unlock()
	return t.write(ctx, until)
}

// Ready returns why nothing can be recorded now, or nil. Who is about to change something asks first.
func (t *Trail) Ready(ctx context.Context) error {
	t.mu.Lock()
	failure, until := t.failure, t.added
	t.mu.Unlock()
	if failure == nil {
		return nil
	}
	return t.write(ctx, until)
}

// Sync returns when everything is on disk that was put aside before. Calls that are only counted are not.
func (t *Trail) Sync(ctx context.Context) error {
	t.mu.Lock()
	until := t.added
	t.mu.Unlock()
	return t.write(ctx, until)
}

// Flush is Sync with the calls that are counted.
func (t *Trail) Flush(ctx context.Context) error {
	t.mu.Lock()
	t.tallied()
	t.mu.Unlock()
	return t.Sync(ctx)
}

// Run writes what nobody waits for until ctx ends, and then everything.
func (t *Trail) Run(ctx context.Context) error {
	window := time.NewTicker(t.opts.Window)
	defer window.Stop()
	for {
		select {
		case <-ctx.Done():
			return t.drain(ctx)
		case <-window.C:
			t.mu.Lock()
			t.tallied()
			t.mu.Unlock()
		case <-t.wake:
			pause(ctx, t.opts.Linger)
			if err := t.Sync(ctx); err != nil && ctx.Err() == nil {
				pause(ctx, retryPause)
				t.rouse()
			}
		}
	}
}

// drain writes what is left. What cannot be written is lost with the process, and the process says so.
func (t *Trail) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainMax)
	defer cancel()
	err := t.Flush(ctx)
	if err == nil {
		return nil
	}
	t.mu.Lock()
	left := int64(len(t.buffer)) + t.lost
	t.mu.Unlock()
	return fmt.Errorf("%d entries of the audit trail are lost: %w", left, err)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (t *Trail) rouse() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Health says how the trail is.
func (t *Trail) Health() (healthy bool, message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.failure != nil:
		return false, fmt.Sprintf("%d entries wait, %d are lost: %v", len(t.buffer), t.lostEver, t.failure)
	case t.lostEver > 0:
		return true, fmt.Sprintf("%d entries were lost", t.lostEver)
	}
	return true, ""
}

// put puts an entry behind the others, with a time that is not before theirs. The caller holds mu and has seen that there is room.
func (t *Trail) put(e Entry) {
	e.Time = t.now()
	e.Count = max(1, e.Count)
	t.buffer = append(t.buffer, e)
	t.added++
	t.rouse()
}

// now returns a time that does not go back. The caller holds mu.
func (t *Trail) now() time.Time {
	if now := t.opts.Clock().UTC().Truncate(time.Millisecond); now.After(t.last) {
		t.last = now
	}
	return t.last
}

// offer puts an entry behind the others if there is room, and else counts what it stands for as lost. The caller holds mu.
func (t *Trail) offer(e Entry) {
	if len(t.buffer) >= BufferMax {
		t.lose(max(1, e.Count))
		return
	}
	t.put(e)
}

// lose counts calls that no entry tells of. The caller holds mu.
func (t *Trail) lose(n int64) {
	if t.lost == 0 {
		t.since = t.now()
		t.opts.Logger.Error("the audit trail is full: entries are lost", "waiting", len(t.buffer), "error", t.failure)
	}
	t.lost += n
	t.lostEver += n
	t.rouse()
}

// write returns when the first until entries that were ever put in the buffer are on disk, and how many were lost before.
func (t *Trail) write(ctx context.Context, until uint64) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	for {
		t.mu.Lock()
		if t.written >= until && t.lost == 0 {
			t.failure = nil // nothing is left that failed
			t.mu.Unlock()
			return nil
		}
		n := min(len(t.buffer), batchMax)
		batch := append(make([]Entry, 0, n+1), t.buffer[:n]...)
		lost := int64(0)
		if n == len(t.buffer) && t.lost > 0 { // behind all that was kept
			lost = t.lost
			batch = append(batch, Entry{Time: t.now(), First: t.since, Outcome: Lost, Count: lost})
		}
		t.mu.Unlock()
		err := t.append(ctx, batch)
		t.mu.Lock()
		if t.failure = err; err == nil {
			t.buffer = t.buffer[:copy(t.buffer, t.buffer[n:])]
			t.written += uint64(n)
			t.lost -= lost
		}
		t.mu.Unlock()
		if err != nil {
			return fmt.Errorf("write the audit trail: %w", err)
		}
	}
}

// append appends entries as one batch.
func (t *Trail) append(ctx context.Context, entries []Entry) error {
	b := &log.Batch{Records: make([]log.Record, len(entries))}
	for i := range entries {
		var err error
		if b.Records[i], err = entries[i].record(); err != nil {
			return err
		}
	}
	_, err := t.lg.Append(context.WithoutCancel(ctx), Partition, b) // what is given up half way might be written twice
	return err
}
