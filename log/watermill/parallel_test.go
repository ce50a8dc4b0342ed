package watermill_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/watermill"
)

// fill makes a topic of one partition with n records of so many keys, by turns.
func fill(t *testing.T, lg *broker.Broker, n, keys int) {
	t.Helper()
	if err := lg.CreateTopic(t.Context(), "t", log.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	batch := log.Batch{Records: make([]log.Record, n)}
	for i := range batch.Records {
		batch.Records[i] = log.Record{Key: fmt.Append(nil, "key-", i%keys), Value: fmt.Append(nil, i)}
	}
	if _, err := lg.Append(t.Context(), log.TopicPartition{Topic: "t"}, &batch); err != nil {
		t.Fatal(err)
	}
}

// subscribe reads the topic with so many messages at a time. The subscription ends with end, or with the test.
func subscribe(t *testing.T, lg *broker.Broker, parallel int) (messages <-chan *message.Message, end func()) {
	t.Helper()
	sub, err := watermill.NewSubscriber(lg, watermill.SubscriberConfig{Group: "g", Parallel: parallel, NackDelay: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	end = func() {
		if err := sub.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	if messages, err = sub.Subscribe(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	return messages, end
}

// TestParallelKeepsTheOrderOfAKey acknowledges and refuses what is under way at random.
func TestParallelKeepsTheOrderOfAKey(t *testing.T) {
	const n, keys, parallel = 3000, 7, 4 // more than a lane holds at once
	chosen := *seed
	if chosen == 0 {
		chosen = rand.Uint64()
	}
	t.Logf("-seed=%d", chosen)
	dice := rand.New(rand.NewPCG(chosen, 0))
	lg := openLog(t)
	fill(t, lg, n, keys)
	messages, _ := subscribe(t, lg, parallel)
	next, busy, most := map[string]int{}, map[string]bool{}, 0
	var underWay []*message.Message
	for done := 0; done < n; {
		if len(underWay) < parallel && done+len(underWay) < n && (len(underWay) == 0 || len(busy) < keysLeft(next, n, keys)) {
			msg := <-messages
			key := msg.Metadata.Get(watermill.KeyMetadata)
			if busy[key] {
				t.Fatalf("%s: two messages at a time", key)
			}
			if want := fmt.Sprint(next[key]*keys + keyNumber(key)); string(msg.Payload) != want {
				t.Fatalf("%s: got %s, want %s", key, msg.Payload, want)
			}
			busy[key] = true
			underWay = append(underWay, msg)
			most = max(most, len(underWay))
			continue
		}
		i := dice.IntN(len(underWay))
		msg := underWay[i]
		underWay[i] = underWay[len(underWay)-1]
		underWay = underWay[:len(underWay)-1]
		key := msg.Metadata.Get(watermill.KeyMetadata)
		delete(busy, key)
		if dice.IntN(4) == 0 {
			msg.Nack()
			continue
		}
		next[key]++
		done++
		msg.Ack()
	}
	if most != parallel {
		t.Errorf("%d messages at a time at most, not %d", most, parallel)
	}
}

func keyNumber(key string) (n int) {
	fmt.Sscanf(key, "key-%d", &n)
	return n
}

// keysLeft is how many keys have messages that are not acknowledged yet.
func keysLeft(next map[string]int, n, keys int) (left int) {
	for k := range keys {
		if next[fmt.Sprint("key-", k)]*keys+k < n {
			left++
		}
	}
	return left
}

// TestParallelCommitsNothingBehindAGap has all messages acknowledged but the first one.
func TestParallelCommitsNothingBehindAGap(t *testing.T) {
	const n = 20
	lg := openLog(t)
	fill(t, lg, n, n)
	messages, end := subscribe(t, lg, 2)
	for acked := 0; acked < n-1; {
		if msg := <-messages; string(msg.Payload) != "0" {
			msg.Ack()
			acked++
		}
	}
	end()
	messages, end = subscribe(t, lg, 2)
	again := map[string]bool{}
	for range n {
		msg := <-messages
		again[string(msg.Payload)] = true
		msg.Ack()
	}
	if len(again) != n {
		t.Errorf("%d messages came again, not all %d from the one that was not acknowledged", len(again), n)
	}
	end()
	appendTo(t, lg, 0, "new")
	messages, _ = subscribe(t, lg, 2)
	wantNext(t, messages, "new")
}

// TestParallelHoldsNoMoreThanALane has the first message under way while the topic is longer than what a lane holds.
func TestParallelHoldsNoMoreThanALane(t *testing.T) {
	const n, least, most = 5000, 1000 - 2, 2000
	lg := openLog(t)
	fill(t, lg, n, n)
	messages, _ := subscribe(t, lg, 2)
	var first *message.Message
	came := 0
	for came < least || first == nil {
		if msg := <-messages; string(msg.Payload) == "0" {
			first = msg
		} else {
			msg.Ack()
			came++
		}
	}
	for quiet := false; !quiet; {
		select {
		case msg := <-messages:
			msg.Ack()
			came++
		case <-time.After(100 * time.Millisecond): // where more is slow to come the test sees less
			quiet = true
		}
	}
	if came > most {
		t.Errorf("%d messages were acknowledged behind one that was not", came)
	}
	first.Ack()
	for range n - 1 - came {
		(<-messages).Ack()
	}
}
