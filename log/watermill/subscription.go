package watermill

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"lodge/log"
	"lodge/log/client"
)

// subscription is one call of Subscribe: a consumer, and a lane for each partition that it has.
type subscription struct {
	s        *Subscriber
	topic    log.Topic
	ctx      context.Context // the caller's, ended by Close too
	stop     context.CancelFunc
	out      chan *message.Message
	consumer *client.Consumer
	filtered bool           // records are left out, and how far was looked is committed
	running  sync.WaitGroup // lanes

	noted      time.Time  // when noteLooked last did something. Owned by run
	committing sync.Mutex // held from what is to be committed until it is: an older commit never follows a newer one

	mu    sync.Mutex
	lanes map[log.TopicPartition]*lane
}

func newSubscription(ctx context.Context, s *Subscriber, topic log.Topic) (*subscription, error) {
	sub := &subscription{s: s, topic: topic, out: make(chan *message.Message), lanes: map[log.TopicPartition]*lane{}}
	opts := s.config.Consumer
	opts.Group = s.config.Group
	if s.config.Filter != nil {
		opts.Filter = s.config.Filter
	}
	sub.filtered = !opts.Filter.All() && opts.Group != ""
	opts.OnAssigned, opts.OnRevoked, opts.OnLost = nil, nil, nil
	if opts.OutOfRange == client.Fail {
		opts.OutOfRange = client.ToBeginning
	}
	if opts.Group != "" {
		opts.Start, opts.Delivery, opts.CommitInterval = s.config.Start, client.AtLeastOnce, -1
		opts.OnRevoked, opts.OnLost = sub.handOver, sub.drop
	}
	var err error
	if sub.consumer, err = client.NewConsumer(s.lg, opts); err != nil {
		return nil, err
	}
	if opts.Group != "" {
		err = sub.consumer.Subscribe(topic)
	} else {
		err = sub.assignAll(ctx)
	}
	if err != nil {
		sub.consumer.Close()
		return nil, err
	}
	sub.ctx, sub.stop = context.WithCancel(ctx)
	return sub, nil
}

// assignAll gives a subscription without a group all partitions of the topic.
func (sub *subscription) assignAll(ctx context.Context) error {
	tps, err := client.NewAdmin(sub.s.lg).Partitions(ctx, sub.topic)
	if err != nil {
		return err
	}
	return sub.consumer.Assign(ctx, sub.s.config.Start, tps...)
}

// follow gives a subscription without a group the partitions that the topic gets, and takes those away that it has no longer.
func (sub *subscription) follow() {
	for sub.s.config.Group == "" && sub.ctx.Err() == nil {
		pause(sub.ctx, sub.s.config.FollowInterval)
		there, err := client.NewAdmin(sub.s.lg).Partitions(sub.ctx, sub.topic)
		if err != nil {
			continue // also when the topic is deleted: it may be made anew
		}
		had := sub.consumer.Assignment()
		added := slices.DeleteFunc(slices.Clone(there), func(tp log.TopicPartition) bool { return slices.Contains(had, tp) })
		if err := sub.consumer.Assign(sub.ctx, client.AtBeginning(), added...); err != nil && sub.ctx.Err() == nil {
			sub.s.config.Logger.Warn("added partitions are not read yet", "topic", string(sub.topic), "error", err)
		}
	}
}

// run polls and hands records to the lanes until the subscription ends.
func (sub *subscription) run() {
	defer close(sub.out)
	defer sub.stop()
	go func() {
		select {
		case <-sub.s.closing:
			sub.stop()
		case <-sub.ctx.Done():
		}
	}()
	var beside sync.WaitGroup
	beside.Go(sub.commitRegularly)
	beside.Go(sub.follow)
	for sub.ctx.Err() == nil {
		records, err := sub.poll()
		if err != nil && sub.ctx.Err() == nil && !sub.survives(err) {
			break
		}
		sub.dispatch(records)
		sub.noteLooked()
	}
	sub.stop()
	beside.Wait()
	sub.running.Wait()
	sub.finish()
}

// poll is Poll, which returns without records now and then when some are left out, so that what was looked at can be noted.
func (sub *subscription) poll() ([]log.Record, error) {
	if !sub.filtered {
		return sub.consumer.Poll(sub.ctx)
	}
	ctx, cancel := context.WithTimeout(sub.ctx, sub.s.config.CommitInterval)
	defer cancel()
	records, err := sub.consumer.Poll(ctx)
	if errors.Is(err, context.DeadlineExceeded) && sub.ctx.Err() == nil {
		return nil, nil
	}
	return records, err
}

// noteLooked tells the lanes how far their partitions were looked at. It is called when all that Poll returned is with the lanes, and no
// Poll is under way: then what lies before a partition's position is with its lane, or was left out.
func (sub *subscription) noteLooked() {
	if !sub.filtered || time.Since(sub.noted) < sub.s.config.CommitInterval/2 {
		return
	}
	sub.noted = time.Now()
	for _, tp := range sub.consumer.Assignment() {
		if at, ok := sub.consumer.Position(tp); ok && at > 0 {
			sub.lane(tp).looked(at)
		}
	}
}

// survives says whether polling may go on after an error, and waits a little if so.
func (sub *subscription) survives(err error) bool {
	sub.s.config.Logger.Error("subscription", "topic", string(sub.topic), "group", string(sub.s.config.Group), "error", err)
	code := log.CodeOf(err)
	if code == log.Closed || code == log.FencedInstance {
		return false
	}
	var partition *client.PartitionError
	if errors.As(err, &partition) && code == log.UnknownTopic && sub.s.config.Group == "" {
		sub.consumer.Unassign(partition.TopicPartition) // retired or deleted: follow sees to one that is made anew
		return true
	}
	pause(sub.ctx, time.Second)
	if partition != nil {
		sub.consumer.Resume(partition.TopicPartition)
	}
	return true
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// finish commits what was acknowledged and leaves the group.
func (sub *subscription) finish() {
	if sub.s.config.Group != "" {
		sub.commit(context.WithoutCancel(sub.ctx), nil)
	}
	sub.consumer.Close()
}

// commitTimeout bounds one commit.
const commitTimeout = 10 * time.Second

func (sub *subscription) commitRegularly() {
	if sub.s.config.Group == "" {
		return
	}
	for {
		pause(sub.ctx, sub.s.config.CommitInterval)
		if sub.ctx.Err() != nil {
			return
		}
		sub.commit(sub.ctx, nil)
	}
}

// commit commits what was acknowledged since the last time, in tps or everywhere when that is nil.
func (sub *subscription) commit(ctx context.Context, tps []log.TopicPartition) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	sub.committing.Lock()
	defer sub.committing.Unlock()
	offsets, lanes := map[log.TopicPartition]log.Offset{}, map[log.TopicPartition]*lane{}
	sub.mu.Lock()
	for tp, l := range sub.lanes {
		if done, ok := l.uncommitted(); ok && among(tps, tp) {
			offsets[tp], lanes[tp] = done, l
		}
	}
	sub.mu.Unlock()
	if len(offsets) == 0 {
		return
	}
	if err := sub.consumer.Commit(ctx, offsets); err != nil {
		if ctx.Err() == nil {
			sub.s.config.Logger.Warn("acknowledged messages are not committed and may come again", "topic", string(sub.topic), "error", err)
		}
		return
	}
	for tp, l := range lanes { // not those of now: a partition may have gone and come back
		l.setCommitted(offsets[tp])
	}
}

func among(tps []log.TopicPartition, tp log.TopicPartition) bool {
	return tps == nil || slices.Contains(tps, tp)
}

// dispatch gives records to their partitions' lanes.
func (sub *subscription) dispatch(records []log.Record) {
	for len(records) > 0 {
		tp := records[0].Position().TopicPartition()
		n := 1
		for n < len(records) && records[n].Position().TopicPartition() == tp {
			n++
		}
		if l := sub.lane(tp); l.take(records[:n]) {
			sub.consumer.Pause(tp) // until the lane has caught up
			l.paused(func() { sub.consumer.Resume(tp) })
		}
		records = records[n:]
	}
}

// lane returns the lane of a partition, and starts one if there is none.
func (sub *subscription) lane(tp log.TopicPartition) *lane {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	l := sub.lanes[tp]
	if l == nil {
		l = newLane(sub)
		sub.lanes[tp] = l
		sub.running.Go(l.run)
	}
	return l
}

// handOver ends the lanes of partitions that go to another member, when the messages under way are answered or took too long, and commits.
func (sub *subscription) handOver(ctx context.Context, tps []log.TopicPartition) error {
	var lanes []*lane
	sub.mu.Lock()
	for _, tp := range tps {
		if l := sub.lanes[tp]; l != nil {
			lanes = append(lanes, l)
		}
	}
	sub.mu.Unlock()
	for _, l := range lanes {
		l.finish()
	}
	waited, cancel := context.WithTimeout(ctx, sub.s.config.HandoverWait)
	defer cancel()
	for _, l := range lanes {
		select {
		case <-l.ended:
		case <-waited.Done():
			l.stop()
			<-l.ended
		}
	}
	sub.commit(context.WithoutCancel(ctx), tps)
	sub.drop(tps)
	return nil
}

// drop ends the lanes of partitions that are another member's.
func (sub *subscription) drop(tps []log.TopicPartition) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	for _, tp := range tps {
		if l := sub.lanes[tp]; l != nil {
			l.stop()
			delete(sub.lanes, tp)
		}
	}
}
