package api

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
)

// messageService serves records of any topic: appending here, reading in fetch.go and consume.go.
type messageService struct{ *API }

// How a request is appended.
const (
	appendsMax  = 16                    // partitions that one request appends to at a time
	routingsMax = 20                    // a request is routed again this often while the topic's partitions change
	routingWait = 10 * time.Millisecond // before each time
)

// Produce appends records.
func (s *messageService) Produce(ctx context.Context, req *connect.Request[lodgev1.ProduceRequest]) (*connect.Response[lodgev1.ProduceResponse], error) {
	msg := req.Msg
	if err := unprotected("produce to", log.Topic(msg.GetTopic()), "topic"); err != nil {
		return nil, err
	}
	if msg.ExpectedEndOffset != nil && msg.Partition == nil {
		return nil, domain.Errorf(domain.InvalidArgument, "expected_end_offset", "an expected end needs a partition")
	}
	info, err := s.topic(ctx, msg.GetTopic())
	if err != nil {
		return nil, err
	}
	records, err := newRecords(&info, msg.GetRecords())
	if err != nil {
		return nil, err
	}
	p := &producing{log: s.deps.Log, req: msg, records: records, positions: make([]string, len(records))}
	if err := p.run(ctx, &info); err != nil {
		return nil, err
	}
	return connect.NewResponse(&lodgev1.ProduceResponse{Positions: p.positions}), nil
}

// newRecords checks everything about records that the log would refuse, so that bad ones are refused before any is appended.
func newRecords(info *log.TopicInfo, all []*lodgev1.ProduceRequest_NewRecord) ([]log.Record, error) {
	records := make([]log.Record, len(all))
	for i, m := range all {
		r := &records[i]
		*r = log.Record{Key: m.Key, Value: m.Value, Headers: fromHeaders(m.GetHeaders())}
		field := fmt.Sprintf("records[%d]", i)
		if ts := m.GetTimestamp(); ts != nil {
			r.Timestamp = ts.AsTime()
			if ts.CheckValid() != nil || r.Timestamp.UnixMilli() < 0 {
				return nil, domain.Errorf(domain.InvalidArgument, field+".timestamp", "%v is not a time from 1970 on", ts)
			}
		}
		if size := recordSize(r); size > info.Config.RecordBytesMax {
			return nil, domain.Errorf(ReasonRecordTooLarge, field, "a record of %d bytes is larger than the topic's limit of %d", size, info.Config.RecordBytesMax)
		}
		if info.Config.Cleanup != log.CleanupDelete && r.Key == nil {
			return nil, domain.Errorf(domain.InvalidArgument, field+".key", "topic %s is compacted by key: every record needs one", info.Name)
		}
	}
	return records, nil
}

// producing is one request on its way into the log.
type producing struct {
	log       Log
	req       *lodgev1.ProduceRequest
	records   []log.Record
	positions []string // of the records appended
}

// run appends all records, routing those again that were refused because the topic's partitions were changing.
func (p *producing) run(ctx context.Context, info *log.TopicInfo) error {
	left := make([]int, len(p.records))
	for i := range left {
		left[i] = i
	}
	for n := 1; ; n++ {
		refused, err := p.appendRouted(ctx, info, left)
		code := log.CodeOf(err)
		if err == nil || n == routingsMax || code != log.StaleLayout && code != log.Unavailable {
			return err
		}
		left = refused
		select {
		case <-time.After(routingWait):
		case <-ctx.Done():
			return ctx.Err()
		}
		again, err := p.log.DescribeTopic(ctx, info.Name)
		if err != nil {
			return err
		}
		info = &again
	}
}

// appendRouted appends records, and returns the numbers of those that were not, with the first error.
func (p *producing) appendRouted(ctx context.Context, info *log.TopicInfo, numbers []int) (refused []int, err error) {
	routed := p.route(info, numbers)
	if len(routed) == 1 {
		for tp, numbers := range routed {
			return numbers, p.append(ctx, tp, info.Layout.Number, numbers)
		}
	}
	var group errgroup.Group // without its context: an error in one partition does not end the others
	group.SetLimit(appendsMax)
	for tp, numbers := range routed {
		group.Go(func() error { return p.append(ctx, tp, info.Layout.Number, numbers) })
	}
	err = group.Wait()
	for _, n := range numbers {
		if p.positions[n] == "" {
			refused = append(refused, n)
		}
	}
	return refused, err
}

// route says which records go to which partition.
func (p *producing) route(info *log.TopicInfo, numbers []int) map[log.TopicPartition][]int {
	routed := map[log.TopicPartition][]int{}
	keyless := info.Layout.Active[rand.IntN(len(info.Layout.Active))]
	for _, n := range numbers {
		tp := log.TopicPartition{Topic: info.Name, Partition: keyless}
		switch {
		case p.req.Partition != nil:
			tp.Partition = log.Partition(p.req.GetPartition())
		case p.records[n].Key != nil:
			tp.Partition = info.Layout.ForKey(p.records[n].Key)
		}
		routed[tp] = append(routed[tp], n)
	}
	return routed
}

// append appends some records to one partition, as one batch.
func (p *producing) append(ctx context.Context, tp log.TopicPartition, layout int32, numbers []int) error {
	batch := &log.Batch{Records: p.records}
	if len(numbers) < len(p.records) {
		batch.Records = make([]log.Record, 0, len(numbers))
		for _, n := range numbers {
			batch.Records = append(batch.Records, p.records[n])
		}
	}
	if p.req.Partition == nil {
		batch.Layout = &layout
	}
	if p.req.ExpectedEndOffset != nil {
		batch.Expect = new(log.Offset(p.req.GetExpectedEndOffset()))
	}
	base, err := p.commit(ctx, tp, batch)
	if err != nil {
		return err
	}
	for i, n := range numbers {
		p.positions[n] = log.Position{Topic: tp.Topic, Partition: tp.Partition, Offset: base + log.Offset(i)}.String()
	}
	return nil
}

// commit appends a batch and waits as acks says.
func (p *producing) commit(ctx context.Context, tp log.TopicPartition, batch *log.Batch) (log.Offset, error) {
	if p.req.GetAcks() == lodgev1.Acks_ACKS_NONE {
		ticket, err := p.log.Enqueue(tp, batch)
		return ticket.Base, err
	}
	return p.log.Append(ctx, tp, batch)
}
