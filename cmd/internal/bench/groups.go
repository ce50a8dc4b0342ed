package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
)

// groupHeartbeat is how often the members of the rebalance cases say that they are alive; that is also how they learn of a rebalance.
const groupHeartbeat = 100 * time.Millisecond

// groups measures how long a group takes to share anew, and what a queue group and a filtered reader do.
func (b *run) groups(ctx context.Context) error {
	return firstError(
		func() error {
			return b.one(ctx, "group/rebalance-50-members", "", nil, func() (Result, error) { return b.rebalance(ctx, 50, 100) })
		},
		func() error {
			return b.one(ctx, "queue/16-consumers", "floor/group-16", nil, func() (Result, error) { return b.queue(ctx, 16) })
		},
		func() error { return b.filtered(ctx) },
	)
}

// rebalance lets a member join and leave a group again and again, and measures until everybody has his share.
func (b *run) rebalance(ctx context.Context, members, partitions int) (Result, error) {
	return b.withTopics(ctx, partitions, log.Sync, func(lg *broker.Broker) (Result, error) {
		g := &benchGroup{lg: lg, partitions: partitions, owners: map[log.TopicPartition]int{}, changed: make(chan struct{}, 1)}
		defer g.close()
		for range members - 1 {
			if err := g.join(ctx); err != nil {
				return Result{}, err
			}
		}
		if err := g.settled(ctx, members-1); err != nil {
			return Result{}, err
		}
		h := new(histogram)
		for start := time.Now(); h.n < 2 || time.Since(start) < b.Duration; {
			before := time.Now()
			if err := g.join(ctx); err != nil {
				return Result{}, err
			}
			if err := g.settled(ctx, members); err != nil {
				return Result{}, err
			}
			h.add(time.Since(before))
			before = time.Now()
			g.leave()
			if err := g.settled(ctx, members-1); err != nil {
				return Result{}, err
			}
			h.add(time.Since(before))
		}
		return Result{Value: float64(h.quantile(0.5)) / 1e6, Unit: "ms", Count: h.n, P50: h.quantile(0.5), P99: h.quantile(0.99), What: fmt.Sprintf(
			"member %d joins or leaves, until all %d partitions are with %d or %d members, cooperative-sticky, heartbeats every %s",
			members, partitions, members, members-1, groupHeartbeat)}, nil
	})
}

// benchGroup is a group whose members do nothing but have partitions.
type benchGroup struct {
	lg         *broker.Broker
	partitions int
	members    []*benchMember
	nextID     int
	changed    chan struct{}

	mu     sync.Mutex
	owners map[log.TopicPartition]int
	failed error
}

type benchMember struct {
	id       int
	consumer *client.Consumer
	stop     context.CancelFunc
	done     chan struct{}
}

func (g *benchGroup) join(ctx context.Context) error {
	m := &benchMember{id: g.nextID, done: make(chan struct{})}
	g.nextID++
	var err error
	m.consumer, err = client.NewConsumer(g.lg, client.ConsumerOptions{
		Group: "bench", HeartbeatInterval: groupHeartbeat,
		OnAssigned: func(_ context.Context, tps []log.TopicPartition) (map[log.TopicPartition]log.Offset, error) {
			g.own(m.id, tps, true)
			return nil, nil
		},
		OnRevoked: func(_ context.Context, tps []log.TopicPartition) error {
			g.own(m.id, tps, false)
			return nil
		},
		OnLost: func(tps []log.TopicPartition) { g.own(m.id, tps, false) },
	})
	if err != nil {
		return err
	}
	if err := m.consumer.Subscribe(benchPartition.Topic); err != nil {
		return err
	}
	ctx, m.stop = context.WithCancel(ctx)
	go func() {
		defer close(m.done)
		for ctx.Err() == nil {
			if _, err := m.consumer.Poll(ctx); err != nil && ctx.Err() == nil {
				g.fail(err)
				return
			}
		}
	}()
	g.members = append(g.members, m)
	return nil
}

func (g *benchGroup) fail(err error) {
	g.mu.Lock()
	g.failed = errors.Join(g.failed, err)
	g.mu.Unlock()
	g.signal()
}

func (g *benchGroup) own(member int, tps []log.TopicPartition, has bool) {
	g.mu.Lock()
	for _, tp := range tps {
		if has {
			g.owners[tp] = member
		} else if g.owners[tp] == member {
			delete(g.owners, tp)
		}
	}
	g.mu.Unlock()
	g.signal()
}

func (g *benchGroup) signal() {
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// leave ends the member that came last.
func (g *benchGroup) leave() {
	last := g.members[len(g.members)-1]
	g.members = g.members[:len(g.members)-1]
	last.end()
}

func (m *benchMember) end() {
	m.stop()
	<-m.done
	m.consumer.Close()
}

func (g *benchGroup) close() {
	var ending sync.WaitGroup
	for _, m := range g.members {
		ending.Go(m.end)
	}
	ending.Wait()
}

// settled waits until every partition has an owner and every member a share.
func (g *benchGroup) settled(ctx context.Context, members int) error {
	for {
		g.mu.Lock()
		shares, owned, err := map[int]bool{}, len(g.owners), g.failed
		for _, m := range g.owners {
			shares[m] = true
		}
		g.mu.Unlock()
		if err != nil || owned == g.partitions && len(shares) == members {
			return err
		}
		select {
		case <-g.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// withTopics runs a broker with one topic.
func (b *run) withTopics(ctx context.Context, partitions int, d log.Durability, f func(*broker.Broker) (Result, error)) (Result, error) {
	dir, remove, err := b.folder("groups")
	if err != nil {
		return Result{}, err
	}
	defer remove()
	lg, err := broker.Open(dir, broker.Options{})
	if err != nil {
		return Result{}, err
	}
	stop := background(ctx, lg.Run)
	r, err := func() (Result, error) {
		if err := lg.CreateTopic(ctx, benchPartition.Topic, log.TopicConfig{Partitions: partitions, Durability: d}); err != nil {
			return Result{}, err
		}
		return f(lg)
	}()
	return r, firstError(func() error { return err }, stop, lg.Close)
}

// queue measures consumers of a queue group that receive one record at a time and acknowledge it, both durably.
func (b *run) queue(ctx context.Context, consumers int) (Result, error) {
	return b.withTopics(ctx, 4, log.None, func(lg *broker.Broker) (Result, error) {
		for n := range 4 {
			tp := log.TopicPartition{Topic: benchPartition.Topic, Partition: log.Partition(n)}
			if _, _, err := fillTopic(ctx, lg, tp, newBatch(1024), 16<<20); err != nil {
				return Result{}, err
			}
		}
		if err := lg.CreateQueue(ctx, "bench", []log.Topic{benchPartition.Topic}, log.QueueConfig{}); err != nil {
			return Result{}, err
		}
		h, took, err := measure(ctx, consumers, b.Duration, func(ctx context.Context, _, _ int) error {
			deliveries, err := lg.Receive(ctx, log.ReceiveRequest{Group: "bench", MaxWait: time.Second})
			if err != nil || len(deliveries) == 0 {
				return errors.Join(err, errIfNone(len(deliveries)))
			}
			return lg.Ack(ctx, "bench", deliveries[0].Receipt)
		})
		if err != nil {
			return Result{}, err
		}
		return rateOf("", fmt.Sprintf("%s, one record of 512 B received and acknowledged at a time: two durable changes each, 4 partitions", count(consumers, "consumer")),
			"records/s", 1, h, took), nil
	})
}

func errIfNone(n int) error {
	if n > 0 {
		return nil
	}
	return errors.New("the queue is empty: the case was too long for its records")
}
