package natsbridge

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
)

// job is one schedule in a round.
type job struct {
	e     *entry
	s     log.Schedule // as kept; by sequel, as it goes on
	rec   log.Record   // to be published, with its headers but for the time it is fired
	again bool         // set by sequel: it is due again
	alone bool         // in a batch of its own
}

// next returns the entry of a job's next time.
func (j *job) next(gen log.Offset) *entry {
	return &entry{id: j.e.id, gen: gen, due: j.s.Due.UnixNano(), size: j.e.size, cron: true}
}

// lot is a round's batch for one target partition.
type lot struct {
	tp       log.TopicPartition
	layout   *int32
	sequence log.ProducerSequence
	from     log.Offset // the partition's end before the batch
	jobs     []*job     // in order of due time
	full     bool       // takes no more

	enqueued bool
	err      error
}

// load reads the records of what is due.
func (b *Bridge) load(ctx context.Context, due []*entry) ([]*job, error) {
	jobs := make([]*job, 0, len(due))
	err := b.records(ctx, due, func(e *entry, r *log.Record) error {
		s, err := decodeSchedule(r, false)
		j := &job{e: e, s: s, rec: s.Record}
		j.rec.Headers = append(j.rec.Headers, scheduleHeaders(s.ID, e.generation(), s.Due, s.Due)...)
		jobs = append(jobs, j)
		return err
	})
	slices.SortFunc(jobs, func(x, y *job) int { return cmp.Or(cmp.Compare(x.e.due, y.e.due), cmp.Compare(x.e.gen, y.e.gen)) })
	return jobs, err
}

// records calls f for the record of each entry, in order of their offsets. Those that lie close together are read together.
func (b *Bridge) records(ctx context.Context, entries []*entry, f func(*entry, *log.Record) error) error {
	entries = slices.SortedFunc(slices.Values(entries), func(x, y *entry) int { return cmp.Compare(x.gen, y.gen) })
	if err := b.committed(ctx, entries); err != nil {
		return err
	}
	for len(entries) > 0 {
		req := log.FetchRequest{TopicPartition: home, Offset: entries[0].gen, MaxBytes: 1} // one batch
		if len(entries) > 1 && entries[1].gen-entries[0].gen < 64 {
			req.MaxBytes = 64 << 10
		}
		found, err := b.lg.Fetch(ctx, req)
		if err != nil {
			return err
		}
		for i := range found.Records {
			r := &found.Records[i]
			if len(entries) == 0 || entries[0].gen != r.Offset {
				continue
			}
			if err := f(entries[0], r); err != nil {
				return err
			}
			entries = entries[1:]
		}
		if len(entries) > 0 && entries[0].gen == req.Offset {
			return log.NewError(log.Corrupt, "read "+home.String(), "schedule %s is not at offset %d", entries[0].id, req.Offset)
		}
	}
	return nil
}

// committed waits until the last of entries can be read: one may be due before it is accepted.
func (b *Bridge) committed(ctx context.Context, entries []*entry) error {
	_, end, err := b.lg.Offsets(ctx, home)
	if err != nil || len(entries) == 0 || entries[len(entries)-1].gen < end {
		return err
	}
	b.mu.Lock()
	newest := b.newest
	b.mu.Unlock()
	return newest.Wait(ctx)
}

// planner routes the jobs of one round.
type planner struct {
	b      *Bridge
	topics map[log.Topic]*route
	lots   map[log.TopicPartition]*lot
	order  []*lot
}

// route is what a round knows of a target topic.
type route struct {
	err    error // UnknownTopic
	limit  int   // of a record
	layout *int32
	active []log.Partition
	sticky int // index of the active partition that records without key go to
}

// plan makes one batch for each target partition. Schedules that cannot be published now go to where they wait.
func (b *Bridge) plan(ctx context.Context, jobs []*job) ([]*lot, error) {
	p := planner{b: b, topics: map[log.Topic]*route{}, lots: map[log.TopicPartition]*lot{}}
	for _, j := range jobs {
		if err := p.add(ctx, j); err != nil {
			return nil, err
		}
	}
	return p.order, nil
}

// add puts j into its lot.
func (p *planner) add(ctx context.Context, j *job) error {
	to, err := p.route(ctx, j.rec.Topic)
	if err != nil {
		return err
	}
	if why := p.b.refusal(j, to); why != "" {
		if err := p.b.divert(ctx, j, why); err != nil {
			return err
		}
		if to, err = p.route(ctx, FailedTopic); err != nil {
			return err
		}
	}
	tp, open := p.partition(j, to)
	if !open {
		p.b.park([]*job{j}, tp, nil)
		return nil
	}
	l := p.lots[tp]
	if l == nil {
		l = &lot{tp: tp, layout: to.layout}
		if l.from, err = p.b.lg.NextOffset(tp); err == nil {
			l.sequence, _, err = p.b.lg.LastAppend(tp, p.b.identity.producer)
		}
		if err != nil {
			p.b.park([]*job{j}, tp, err)
			return nil
		}
		p.lots[tp] = l
		p.order = append(p.order, l)
	}
	if l.full || j.alone && len(l.jobs) > 0 {
		l.full = true // nor anything behind it
		p.b.putBack([]*job{j}, false)
		return nil
	}
	l.jobs, l.full = append(l.jobs, j), j.alone
	return nil
}

// route returns what is known of a topic.
func (p *planner) route(ctx context.Context, name log.Topic) (*route, error) {
	if to := p.topics[name]; to != nil {
		return to, nil
	}
	to := &route{}
	info, err := p.b.lg.DescribeTopic(ctx, name)
	switch {
	case log.CodeOf(err) == log.UnknownTopic:
		to.err = err
	case err != nil:
		return nil, err
	default:
		to.limit, to.active = info.Config.RecordBytesMax, info.Layout.Active
		if len(to.active) > 0 {
			to.layout = &info.Layout.Number
		} else {
			for i := range info.Partitions {
				to.active = append(to.active, info.Partitions[i].Partition)
			}
		}
		to.sticky = rand.IntN(max(1, len(to.active)))
	}
	p.topics[name] = to
	return to, nil
}

// partition returns where j goes, and whether appends there are to be tried now. Records without key go to one partition in
// a round; another one if that takes none.
func (p *planner) partition(j *job, to *route) (tp log.TopicPartition, open bool) {
	tp.Topic = j.rec.Topic
	if j.rec.Key != nil {
		tp.Partition = to.active[log.PartitionForKey(j.rec.Key, len(to.active))]
		return tp, !p.b.closedNow(tp)
	}
	for range to.active {
		tp.Partition = to.active[to.sticky]
		if !p.b.closedNow(tp) {
			return tp, true
		}
		to.sticky = (to.sticky + 1) % len(to.active)
	}
	return tp, false
}

// closedNow reports whether what is due for tp waits.
func (b *Bridge) closedNow(tp log.TopicPartition) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.parked[tp]
	return p != nil && time.Now().Before(p.until)
}

// refusal says why j's target will never take it, or "".
func (b *Bridge) refusal(j *job, to *route) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	why, known := b.failed[j.e.gen]
	j.alone = b.alone[j.e.gen]
	size := record.RecordSize(&j.rec) + firedRoom
	switch {
	case known:
		return why
	case to.err != nil:
		return to.err.Error()
	case len(to.active) == 0:
		return "topic " + string(j.rec.Topic) + " has no active partition"
	case size > to.limit:
		return log.NewError(log.RecordTooLarge, "publish schedule "+j.e.id, "the record of %d bytes is larger than the topic's limit of %d", size, to.limit).Error()
	}
	return ""
}

// firedRoom is by how much the fired time may be longer than the due time.
const firedRoom = len(".123456789")

// park makes jobs wait until their partition is tried again. With an error that is later than last time.
func (b *Bridge) park(jobs []*job, tp log.TopicPartition, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.parked[tp]
	if p == nil {
		p = &parking{}
		b.parked[tp] = p
	}
	if err != nil {
		p.delay = min(max(2*p.delay, parkDelayMin), parkDelayMax)
		p.until = time.Now().Add(p.delay)
		b.opts.Logger.Warn("schedules wait for their partition", "partition", tp.String(), "schedules", len(p.entries)+len(jobs), "again_in", p.delay, "error", err)
	}
	for _, j := range jobs {
		j.e.place = parked
		p.entries = append(p.entries, j.e)
	}
}

// putBack makes jobs due again: at once, or after a pause.
func (b *Bridge) putBack(jobs []*job, pause bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, j := range jobs {
		b.pending.put(j.e, near)
	}
	if pause {
		b.fire.notBefore = time.Now().Add(pauseTime)
	}
}
