package client

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"lodge/log"
	"lodge/log/internal/record"
)

// job is the output of one range, on its way into the log.
type job struct {
	s      *source
	output map[log.Topic][]log.Record
}

// job calls the function.
func (t *Transformer) job(ctx context.Context, s *source) (*job, error) {
	n := s.inRange()
	output, err := t.transform(ctx, s.records[:n:n])
	if err != nil {
		return nil, err
	}
	j := &job{s: s, output: map[log.Topic][]log.Record{}}
	for i := range output {
		topic := output[i].Topic
		if s.last.route(topic) == nil {
			return nil, invalid("transform", "output record %d is for %q, which was no target when the range was begun", i, topic)
		}
		j.output[topic] = append(j.output[topic], output[i])
	}
	return j, nil
}

// route returns how the output for a topic is routed, or nil.
func (in *intent) route(topic log.Topic) *routing {
	i := slices.IndexFunc(in.Routes, func(r routing) bool { return r.Topic == topic })
	if i < 0 {
		return nil
	}
	return &in.Routes[i]
}

// deliver appends the output of jobs. What is tried again is the same batches with the same sequences.
func (t *Transformer) deliver(ctx context.Context, jobs []*job) error {
	for backoff := t.consumer.opts.RetryBackoff; ; backoff = min(2*backoff, t.consumer.opts.RetryBackoffMax) {
		err := t.attempt(ctx, jobs)
		if err == nil || !log.CodeOf(err).Retriable() || !sleep(ctx, backoff) {
			return err
		}
	}
}

// try is a job in one attempt.
type try struct {
	*job
	left map[log.Topic][]log.Record   // what the layouts so far did not take, in order
	next map[log.TopicPartition]int32 // sequence of the next batch
	sent map[log.TopicPartition][]log.Ticket
}

// attempt appends what the first layout of each intent takes, waits for it, appends the rest by the second, and so on. Each step does the same in every
// attempt, also in another process: what a layout that is past does not take now it will not take later.
func (t *Transformer) attempt(ctx context.Context, jobs []*job) error {
	tries := make([]*try, len(jobs))
	for i, j := range jobs {
		tries[i] = &try{job: j, left: maps.Clone(j.output), next: map[log.TopicPartition]int32{}, sent: map[log.TopicPartition][]log.Ticket{}}
	}
	for k := 0; ; k++ {
		for _, try := range tries {
			if err := t.extend(ctx, try, k); err != nil {
				return err
			}
		}
		for _, try := range tries {
			if err := t.send(ctx, try, k); err != nil {
				return err
			}
		}
		left := 0
		for _, try := range tries {
			if err := try.wait(ctx); err != nil {
				return err
			}
			left += len(try.left)
		}
		if left == 0 {
			return nil
		}
	}
}

// extend makes sure that there is a k-th layout for what is left, and that the intent that is committed has it.
func (t *Transformer) extend(ctx context.Context, try *try, k int) error {
	extended := false
	for topic := range try.left {
		r := try.s.last.route(topic)
		if k < len(r.Layouts) {
			continue
		}
		if k == intentLayoutsMax {
			return invalid("transform to "+string(topic), "its layout changed more than %d times within one range", k)
		}
		l, err := t.layout(ctx, topic)
		if err != nil {
			return err
		}
		if l.Number <= r.Layouts[k-1].Number {
			return log.NewError(log.Unavailable, "transform to "+string(topic), "layout %d is refused and no other is told", l.Number)
		}
		id, err := t.producerID(ctx)
		if err != nil {
			return err
		}
		l.Producer = &id
		r.Layouts = append(r.Layouts, l)
		extended = true
	}
	if !extended {
		return nil
	}
	return t.commitIntent(ctx, try.s)
}

// commitIntent commits the intent of the range under way as it is now.
func (t *Transformer) commitIntent(ctx context.Context, s *source) error {
	metadata, err := s.last.encode()
	if err != nil {
		return err
	}
	return t.consumer.commitAll(ctx, map[log.TopicPartition]log.CommittedOffset{s.tp: {Offset: s.position, Metadata: metadata}})
}

// send enqueues what is left by the k-th layout, and leaves what that does not take.
func (t *Transformer) send(ctx context.Context, try *try, k int) error {
	for topic, records := range try.left {
		layout := &try.s.last.route(topic).Layouts[k]
		refused := make([]bool, len(records))
		batches, err := t.split(try.s, topic, records, layout)
		if err != nil {
			return err
		}
		clear(try.next)
		for _, b := range batches {
			if err := t.enqueue(ctx, try, b, layout, refused); err != nil {
				return err
			}
		}
		delete(try.left, topic)
		for i := range records {
			if refused[i] {
				try.left[topic] = append(try.left[topic], records[i])
			}
		}
	}
	return nil
}

// outBatch is a batch of output: which of the records, and where to.
type outBatch struct {
	tp      log.TopicPartition
	records []log.Record
	indices []int
	later   int // batches for the same partition behind this one
}

// split routes records and cuts them into batches, always alike.
func (t *Transformer) split(s *source, topic log.Topic, records []log.Record, layout *intentLayout) ([]*outBatch, error) {
	active, err := parseRuns(layout.Active)
	if err != nil {
		return nil, err
	}
	r := route{topic: topic, layout: layout.Number, active: active}
	var batches []*outBatch
	last := map[log.TopicPartition]*outBatch{}
	bytes := map[*outBatch]int{}
	for i := range records {
		p, err := r.pick(t.opts.Partitioner, &records[i])
		if err != nil {
			return nil, err
		}
		if p == Sticky {
			p = active[(int64(s.tp.Partition)+int64(s.position))%int64(len(active))]
		}
		tp := log.TopicPartition{Topic: topic, Partition: p}
		size := record.RecordSize(&records[i])
		b := last[tp]
		if b == nil || bytes[b]+size > t.opts.BatchBytesMax {
			b = &outBatch{tp: tp}
			last[tp], batches = b, append(batches, b)
		}
		b.records, b.indices = append(b.records, records[i]), append(b.indices, i)
		bytes[b] += size
	}
	later := map[log.TopicPartition]int{}
	for _, b := range slices.Backward(batches) {
		b.later = later[b.tp]
		later[b.tp]++
	}
	return batches, nil
}

// enqueue enqueues a batch, or notes that its layout is past.
func (t *Transformer) enqueue(ctx context.Context, try *try, b *outBatch, layout *intentLayout, refused []bool) error {
	by := log.ProducerSequence{ID: try.s.last.Producer, Epoch: try.s.last.Epoch, Sequence: try.next[b.tp]}
	if layout.Producer != nil {
		by.ID, by.Epoch = *layout.Producer, 0
	}
	ticket, err := t.lg.Enqueue(b.tp, &log.Batch{Records: b.records, Compression: t.opts.Compression, Layout: &layout.Number, Producer: &by})
	switch log.CodeOf(err) {
	case log.StaleLayout:
		for _, i := range b.indices {
			refused[i] = true
		}
		return nil
	case log.DuplicateSequence:
		if b.later < rememberedMax {
			return invalid("transform to "+b.tp.String(), "the function is not deterministic: it made another output before: %w", err)
		}
	case log.InvalidProducerEpoch: // another member is further: the coordinator knows
		if deposed := t.commitIntent(ctx, try.s); deposed != nil {
			return deposed
		}
		return err
	case log.LimitReached:
		if err := try.wait(ctx); err != nil { // makes room
			return err
		}
		return err
	default:
		if err != nil {
			return err
		}
		try.sent[b.tp] = append(try.sent[b.tp], ticket)
	}
	try.next[b.tp] += int32(len(b.records))
	return nil
}

// rememberedMax is how many batches of a producer the log remembers in a partition.
const rememberedMax = inFlightMax

// wait waits until what was sent is committed.
func (try *try) wait(ctx context.Context) error {
	for tp, tickets := range try.sent {
		for _, ticket := range tickets {
			if err := ticket.Wait(ctx); err != nil {
				return fmt.Errorf("transform to %s: %w", tp, err)
			}
		}
	}
	clear(try.sent)
	return nil
}
