package natsbridge

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"lodge/log"
)

// homeConfig is how __schedules is made. Sync: a schedule that was accepted is on disk, whatever its target's durability. Tests change it.
var homeConfig = log.TopicConfig{Durability: log.Sync, Cleanup: log.CleanupCompact, RecordBytesMax: 64 << 20}

// restore reads __schedules into memory and settles what a crash left open.
func (b *Bridge) restore(ctx context.Context) error {
	if err := b.lg.CreateTopic(ctx, SchedulesTopic, homeConfig); err != nil && log.CodeOf(err) != log.TopicExists {
		return err
	}
	r := replayed{b: b, identity: identity{producer: -1}, marks: map[log.TopicPartition]mark{}}
	if err := r.read(ctx); err != nil {
		return err
	}
	if err := r.identify(ctx); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	now := b.now()
	for _, chunk := range b.pending.ids.chunks {
		for _, e := range chunk {
			if e.place != held {
				b.arrange(e, now)
			}
		}
	}
	return nil
}

// replayed is what was read from __schedules.
type replayed struct {
	b        *Bridge
	identity identity
	marks    map[log.TopicPartition]mark
}

func (r *replayed) read(ctx context.Context) error {
	next, end, err := r.b.lg.Offsets(ctx, home)
	for err == nil && next < end {
		var found log.FetchResult
		found, err = r.b.lg.Fetch(ctx, log.FetchRequest{TopicPartition: home, Offset: next, MaxBytes: 4 << 20})
		for i := range found.Records {
			if err := r.record(&found.Records[i]); err != nil {
				return err
			}
		}
		next = found.Next
	}
	return err
}

// record takes in one record.
func (r *replayed) record(rec *log.Record) (err error) {
	key, pending := string(rec.Key), &r.b.pending.ids
	switch {
	case rec.Value == nil:
		pending.delete(key)
	case key == bridgeKey:
		r.identity, err = decodeIdentity(rec)
	case strings.HasPrefix(key, markPrefix):
		var m mark
		m, err = decodeMark(rec)
		r.marks[m.tp] = m
	default:
		var s log.Schedule
		if s, err = decodeSchedule(rec, true); err != nil {
			return err
		}
		pending.set(&entry{id: s.ID, gen: rec.Offset, due: s.Due.UnixNano(), size: uint32(len(rec.Value)), cron: s.Cron != ""})
		if pending.n > r.b.opts.SchedulesMax {
			return log.NewError(log.LimitReached, "open schedules", "more than %d are pending", r.b.opts.SchedulesMax)
		}
	}
	return err
}

// identify gives a new log's bridge its identity.
func (r *replayed) identify(ctx context.Context) error {
	if r.identity.producer < 0 {
		producer, err := r.b.lg.AllocateProducerID(ctx)
		if err != nil {
			return err
		}
		instance, err := uuid.NewV7()
		if err != nil {
			return err
		}
		r.identity = identity{producer: producer, instance: instance}
		if _, err := r.b.lg.Append(ctx, home, &log.Batch{Records: []log.Record{encodeIdentity(r.identity)}}); err != nil {
			return err
		}
	}
	r.b.identity = r.identity
	return nil
}

// settle finds out, for each target partition, whether the newest batch for it was appended before the crash, and if so
// settles the schedules that it held.
func (r *replayed) settle(ctx context.Context) error {
	byGen := map[log.Offset]*entry{}
	for _, m := range r.marks {
		for _, g := range m.generations {
			byGen[g] = nil
		}
	}
	for _, chunk := range r.b.pending.ids.chunks {
		for _, e := range chunk {
			if _, marked := byGen[e.gen]; marked {
				byGen[e.gen] = e
			}
		}
	}
	var fired []*entry
	for _, m := range r.marks {
		entries := m.pending(byGen)
		if len(entries) == 0 {
			continue
		}
		appended, err := r.b.appended(ctx, m)
		switch {
		case err != nil:
			r.b.hold(entries, m.tp, err)
		default:
			fired = append(fired, appended.of(entries)...)
		}
	}
	return r.b.settleAtOpen(ctx, fired)
}

// pending returns the schedules of m that have not been settled.
func (m *mark) pending(byGen map[log.Offset]*entry) []*entry {
	var entries []*entry
	for _, g := range m.generations {
		if e := byGen[g]; e != nil {
			entries = append(entries, e)
		}
	}
	return entries
}

// verdict says which schedules of a mark were published: all, or those of these generations.
type verdict struct {
	all   bool
	these map[string]bool // generations, as in the header
}

func (v verdict) of(entries []*entry) []*entry {
	if v.all {
		return entries
	}
	var found []*entry
	for _, e := range entries {
		if v.these[e.generation()] {
			found = append(found, e)
		}
	}
	return found
}

// appended asks the target partition whether the batch of m is in it. The broker remembers the newest batch of the bridge's
// producer, even when its records are deleted by now; if too many others have appended since, the records are looked for.
func (b *Bridge) appended(ctx context.Context, m mark) (verdict, error) {
	_, base, err := b.lg.LastAppend(m.tp, b.identity.producer)
	switch {
	case log.CodeOf(err) == log.UnknownTopic:
		return verdict{}, nil // deleted, and with it whatever was appended
	case err != nil:
		return verdict{}, err
	case base != log.NoOffset:
		return verdict{all: base >= m.from}, nil
	}
	return b.look(ctx, m)
}

// look reads the target from the mark on and collects the generations found there.
func (b *Bridge) look(ctx context.Context, m mark) (verdict, error) {
	v := verdict{these: map[string]bool{}}
	start, end, err := b.lg.Offsets(ctx, m.tp)
	for next := max(start, m.from); err == nil && next < end; {
		var found log.FetchResult
		found, err = b.lg.Fetch(ctx, log.FetchRequest{TopicPartition: m.tp, Offset: next, MaxBytes: 4 << 20})
		for i := range found.Records {
			if g, ok := found.Records[i].Header(log.ScheduleGenerationHeader); ok {
				v.these[string(g)] = true
			}
		}
		next = found.Next
	}
	return v, err
}

// hold keeps entries from firing: whether they have cannot be known now.
func (b *Bridge) hold(entries []*entry, tp log.TopicPartition, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range entries {
		e.place = held
		b.stats.Held++
		b.failure(Failure{ID: e.id, Generation: int64(e.gen), Topic: tp.Topic, Text: err.Error(), Held: true})
	}
}

// settleAtOpen writes that these have fired, and puts in memory what follows.
func (b *Bridge) settleAtOpen(ctx context.Context, fired []*entry) error {
	for len(fired) > 0 {
		n := min(len(fired), roundMax)
		var jobs []*job
		err := b.records(ctx, fired[:n], func(e *entry, r *log.Record) error {
			s, err := decodeSchedule(r, false)
			jobs = append(jobs, &job{e: e, s: s})
			return err
		})
		if err != nil {
			return err
		}
		batch, err := b.sequel(jobs)
		if err != nil {
			return err
		}
		base, err := b.lg.Append(ctx, home, batch)
		if err != nil {
			return err
		}
		for i, j := range jobs {
			b.pending.ids.delete(j.e.id)
			if j.again {
				b.pending.ids.set(j.next(base + log.Offset(i)))
			}
		}
		fired = fired[n:]
	}
	return nil
}
