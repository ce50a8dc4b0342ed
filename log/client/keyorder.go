package client

import (
	"context"
	"sync"
	"time"

	"lodge/log"
)

// keyOrder has the layouts of topics read one after the other by the whole group.
//
// Every record belongs to one layout of its topic: Began tells which. A layout is open when the group has committed all that lies
// before it, in every partition; what is no longer kept needs no commit. Partitions are fetched up to the first layout that is not open, and
// wait there. Whether a layout has begun is asked after each fetch, as the records that were fetched may be the first ones of it.
type keyOrder struct {
	c     *Consumer
	coord coordinator

	mu   sync.Mutex
	open map[topicBirth]int32 // layouts up to this number are open: once open, always open
}

// topicBirth tells a topic from another one that was made later by the same name.
type topicBirth struct {
	name    log.Topic
	created int64
}

func birthOf(info *log.TopicInfo) topicBirth {
	return topicBirth{info.Name, info.CreateTime.UnixNano()}
}

// keyOrderBackoffMax bounds how long a layout that has become open is waited for.
const keyOrderBackoffMax = 200 * time.Millisecond

func newKeyOrder(c *Consumer, coord coordinator) *keyOrder {
	return &keyOrder{c: c, coord: coord, open: map[topicBirth]int32{}}
}

// fetch fetches what may be read now, and waits when the next record may not.
func (k *keyOrder) fetch(ctx context.Context, req log.FetchRequest) (log.FetchResult, error) {
	for {
		result, err := k.c.reader.Fetch(ctx, req)
		if err != nil {
			return result, err
		}
		limit, limited, err := k.limit(ctx, req.TopicPartition)
		switch {
		case err != nil || !limited || result.Next <= limit:
			return result, err
		case req.Offset < limit:
			return cut(result, limit), nil
		}
		if err := k.await(ctx, req); err != nil {
			return log.FetchResult{}, err
		}
	}
}

// await waits until the record at the offset asked for may be read.
func (k *keyOrder) await(ctx context.Context, req log.FetchRequest) error {
	for backoff := k.c.opts.RetryBackoff; ; backoff = min(2*backoff, max(keyOrderBackoffMax, k.c.opts.RetryBackoff)) {
		if !sleep(ctx, backoff) {
			return ctx.Err()
		}
		limit, limited, err := k.limit(ctx, req.TopicPartition)
		if err != nil || !limited || req.Offset < limit {
			return err
		}
	}
}

// cut takes the records at and above limit away.
func cut(result log.FetchResult, limit log.Offset) log.FetchResult {
	for i := range result.Records {
		if result.Records[i].Offset >= limit {
			result.Records = result.Records[:i:i]
			break
		}
	}
	result.Next = limit
	return result
}

// limit returns where the first layout begins in a partition that is not open; limited is false when all are.
func (k *keyOrder) limit(ctx context.Context, tp log.TopicPartition) (limit log.Offset, limited bool, err error) {
	info, err := k.coord.DescribeTopic(ctx, tp.Topic)
	if err != nil {
		return 0, false, err
	}
	k.mu.Lock()
	open := k.open[birthOf(&info)]
	k.mu.Unlock()
	if len(info.Earlier) > 0 && open < info.Layout.Number {
		if open, err = k.opened(ctx, &info); err != nil {
			return 0, false, err
		}
	}
	for _, l := range layoutsOf(&info) {
		if began, ok := l.Began[tp.Partition]; ok && l.Number > open {
			return began, true, nil
		}
	}
	return 0, false, nil
}

// layoutsOf returns the layouts after the first known one, ascending: before that there is nothing to wait for.
func layoutsOf(info *log.TopicInfo) []log.Layout {
	if len(info.Earlier) == 0 {
		return nil
	}
	return append(info.Earlier[1:len(info.Earlier):len(info.Earlier)], info.Layout)
}

// opened finds out how far layouts are open, and remembers it.
func (k *keyOrder) opened(ctx context.Context, info *log.TopicInfo) (int32, error) {
	tps := make([]log.TopicPartition, len(info.Partitions))
	done := make(map[log.Partition]log.Offset, len(tps)) // below it nothing is left to be finished
	for i, p := range info.Partitions {
		tps[i] = log.TopicPartition{Topic: info.Name, Partition: p.Partition}
		done[p.Partition] = p.LogStart
	}
	committed, err := k.coord.FetchOffsets(ctx, k.c.opts.Group, tps)
	if err != nil {
		return 0, err
	}
	for tp, o := range committed {
		done[tp.Partition] = max(done[tp.Partition], o.Offset)
	}
	open := info.Earlier[0].Number
	for _, l := range layoutsOf(info) {
		if !finished(&l, done) {
			break
		}
		open = l.Number
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open[birthOf(info)] = max(k.open[birthOf(info)], open)
	return k.open[birthOf(info)], nil
}

// finished reports whether all that lies before a layout is.
func finished(l *log.Layout, done map[log.Partition]log.Offset) bool {
	for p, began := range l.Began {
		if upTo, left := done[p]; left && upTo < began {
			return false
		}
	}
	return true
}
