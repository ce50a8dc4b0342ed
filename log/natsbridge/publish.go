package natsbridge

import (
	"context"
	"sync"
	"time"

	"lodge/log"
)

// Headers of a record in FailedTopic, beside its own and those of a schedule.
const (
	FailedTopicHeader = "lodge_schedule_topic" // where it was to be published
	FailedErrorHeader = "lodge_schedule_error" // why it was not
)

// failedConfig is how FailedTopic is made: what nobody looks at for a week is gone.
var failedConfig = log.TopicConfig{RecordBytesMax: 64 << 20, RetentionAge: 7 * 24 * time.Hour, RetentionBytes: 1 << 30}

// divert makes j's target FailedTopic.
func (b *Bridge) divert(ctx context.Context, j *job, why string) error {
	err := b.lg.CreateTopic(ctx, FailedTopic, failedConfig)
	if err != nil && log.CodeOf(err) != log.TopicExists {
		return err
	}
	b.mu.Lock()
	b.failed[j.e.gen] = why
	b.mu.Unlock()
	j.rec.Headers = append(j.rec.Headers, log.Header{Key: FailedTopicHeader, Value: []byte(j.rec.Topic)}, log.Header{Key: FailedErrorHeader, Value: []byte(why)})
	j.rec.Topic = FailedTopic
	return nil
}

// publish appends all lots, side by side.
func (b *Bridge) publish(ctx context.Context, lots []*lot) {
	if len(lots) == 1 {
		b.append(ctx, lots[0])
		return
	}
	const atOnce = 32
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for _, l := range lots {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			b.append(ctx, l)
		})
	}
	wg.Wait()
}

// append appends one lot.
func (b *Bridge) append(ctx context.Context, l *lot) {
	batch := &log.Batch{Records: make([]log.Record, len(l.jobs)), Producer: &l.sequence, Layout: l.layout}
	fired := []byte(time.Unix(0, b.now()).UTC().Format(time.RFC3339Nano))
	for i, j := range l.jobs {
		setHeader(&j.rec, log.ScheduleFiredHeader, fired)
		batch.Records[i] = j.rec
	}
	ticket, err := b.lg.Enqueue(l.tp, batch)
	if err == nil {
		l.enqueued = true
		err = ticket.Wait(ctx)
	}
	l.err = err
}

// setHeader sets the last header of a name, which is the bridge's.
func setHeader(r *log.Record, name string, value []byte) {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == name {
			r.Headers[i].Value = value
			return
		}
	}
}

// conclude writes what follows from the outcome of each lot.
func (b *Bridge) conclude(ctx context.Context, lots []*lot) error {
	var published []*job
	for _, l := range lots {
		switch {
		case l.err == nil:
			published = append(published, l.jobs...)
			b.reopen(l.tp)
		case l.enqueued:
			b.holdJobs(l)
		default:
			b.refused(l)
		}
	}
	if len(published) == 0 {
		return nil
	}
	batch, err := b.sequel(published)
	if err != nil {
		return err
	}
	ticket, err := b.enqueueHome(ctx, batch)
	if err != nil {
		return err
	}
	b.fire.conclusion = ticket
	b.mu.Lock()
	defer b.mu.Unlock()
	if ticket.Base > b.newest.Base {
		b.newest = ticket
	}
	now := b.now()
	for i, j := range published {
		b.fire.concluded = append(b.fire.concluded, j.e.gen)
		b.count(j)
		b.pending.ids.delete(j.e.id)
		if j.again {
			e := j.next(ticket.Base + log.Offset(i))
			b.pending.ids.set(e)
			b.arrange(e, now)
		}
	}
	return nil
}

// count counts a job that was published. mu must be held.
func (b *Bridge) count(j *job) {
	why, failed := b.failed[j.e.gen]
	b.pardon(j.e)
	if !failed {
		b.stats.Fired++
		return
	}
	b.stats.Failed++
	b.failure(Failure{ID: j.e.id, Generation: int64(j.e.gen), Topic: j.s.Record.Topic, Text: why})
}

// sequel returns the record of __schedules that concludes each job, in their order: a tombstone, or a cron's next time. Times
// that passed while nothing ran are skipped.
func (b *Bridge) sequel(jobs []*job) (*log.Batch, error) {
	batch := &log.Batch{Records: make([]log.Record, len(jobs))}
	now := b.opts.Clock()
	for i, j := range jobs {
		batch.Records[i] = log.Record{Key: []byte(j.e.id)}
		if j.s.Cron == "" {
			continue
		}
		from := j.s.Due
		if from.Before(now) {
			from = now
		}
		next, err := nextOccurrence(j.s.Cron, j.s.TimeZone, from)
		if err != nil { // its zone is gone, or the parser has become stricter
			b.opts.Logger.Error("cron ends", "schedule", j.e.id, "error", err)
			continue
		}
		if !next.IsZero() {
			j.s.Due, j.again = next, true
			batch.Records[i] = encodeSchedule(&j.s)
		}
	}
	return batch, nil
}

// reopen notes that a partition takes records.
func (b *Bridge) reopen(tp log.TopicPartition) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.parked[tp]; p != nil && len(p.entries) == 0 {
		delete(b.parked, tp)
	}
}

// holdJobs keeps the jobs of a lot whose append was begun: they may be on disk.
func (b *Bridge) holdJobs(l *lot) {
	entries := make([]*entry, len(l.jobs))
	for i, j := range l.jobs {
		entries[i] = j.e
	}
	b.hold(entries, l.tp, l.err)
}

// refused decides what becomes of a lot that was not enqueued.
func (b *Bridge) refused(l *lot) {
	switch log.CodeOf(l.err) {
	case log.RecordTooLarge, log.InvalidArgument:
		b.refusedForGood(l)
	case log.UnknownTopic, log.StaleLayout, log.Draining, log.LimitReached,
		log.OutOfOrderSequence, log.DuplicateSequence, log.InvalidProducerEpoch:
		b.putBack(l.jobs, true) // the next plan knows better
	default:
		b.park(l.jobs, l.tp, l.err)
	}
}

// refusedForGood has the jobs of a batch tried alone, and one that was goes to FailedTopic. What even that does not take is held.
func (b *Bridge) refusedForGood(l *lot) {
	if len(l.jobs) == 1 && l.tp.Topic == FailedTopic {
		b.holdJobs(l)
		return
	}
	b.mu.Lock()
	for _, j := range l.jobs {
		if len(l.jobs) == 1 {
			b.failed[j.e.gen] = l.err.Error()
		}
		b.alone[j.e.gen] = true
	}
	b.mu.Unlock()
	b.putBack(l.jobs, false)
}

// pardon forgets what was refused of e. mu must be held.
func (b *Bridge) pardon(e *entry) {
	delete(b.failed, e.gen)
	delete(b.alone, e.gen)
}
