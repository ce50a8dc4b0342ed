package queue

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"lodge/log"
)

// model is the same written plainly.
type model struct {
	next  log.Offset
	items map[log.Offset]*modelItem
}

type modelItem struct {
	done, flying bool
	deliveries   int64
	at           time.Time
}

func (m *model) floor() log.Offset {
	for o := log.Offset(0); o < m.next; o++ {
		if it := m.items[o]; it != nil && !it.done {
			return o
		}
	}
	return m.next
}

// due returns the lowest offset that is to be delivered again now, or none.
func (m *model) due(now time.Time, deliveriesMax int64, dead bool) log.Offset {
	for o := range m.next {
		it := m.items[o]
		if it == nil || it.done {
			continue
		}
		over := !it.at.After(now)
		exhausted := it.deliveries >= deliveriesMax
		if dead == exhausted && (over || exhausted && !it.flying) {
			return o
		}
	}
	return log.NoOffset
}

// machineTest drives a partition and its model through the same random calls.
type machineTest struct {
	p        *Partition
	m        *model
	now      time.Time
	stored   []Entry
	receipts []log.Receipt // of all deliveries
}

const machineDeliveriesMax = 3

func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := &machineTest{p: New(config(machineDeliveriesMax), 0, 7), m: &model{items: map[log.Offset]*modelItem{}}, now: epoch}
		t.Repeat(map[string]func(*rapid.T){
			"fresh": x.fresh, "again": x.again, "ack": x.ack, "nack": x.nack, "extend": x.extend, "bury": x.bury,
			"time": func(t *rapid.T) {
				x.now = x.now.Add(time.Duration(rapid.IntRange(1, 12_000).Draw(t, "ms")) * time.Millisecond)
			},
			"restart": func(t *rapid.T) {
				x.stored = append(x.stored, x.p.Changes()...)
				x.p = load(t, x.stored)
			},
			"": func(t *rapid.T) {
				if x.p.Floor() != x.m.floor() || x.p.Next() != x.m.next {
					t.Fatalf("floor %d, next %d; the model has %d, %d", x.p.Floor(), x.p.Next(), x.m.floor(), x.m.next)
				}
			},
		})
	})
}

// took notes a delivery.
func (x *machineTest) took(t *rapid.T, r log.Receipt) {
	it := x.m.items[r.Offset]
	if it == nil {
		it = &modelItem{}
		x.m.items[r.Offset] = it
	}
	it.deliveries, it.flying, it.at = it.deliveries+1, true, x.now.Add(config(0).Visibility)
	if int64(Deliveries(r)) != it.deliveries {
		t.Fatalf("delivery %d of %d, the model has %d", Deliveries(r), r.Offset, it.deliveries)
	}
	x.receipts = append(x.receipts, r)
}

// held returns what the model has for a receipt, or nil when it is void.
func (x *machineTest) held(r log.Receipt) *modelItem {
	it := x.m.items[r.Offset]
	if it.done || !it.flying || it.deliveries != int64(Deliveries(r)) {
		return nil
	}
	return it
}

// answer picks a delivery and says something of it; the machine must take it exactly when the model holds it.
func (x *machineTest) answer(t *rapid.T, say func(r log.Receipt) error) *modelItem {
	if len(x.receipts) == 0 {
		return nil
	}
	r := rapid.SampledFrom(x.receipts).Draw(t, "receipt")
	it, err := x.held(r), say(r)
	if (err == nil) != (it != nil) {
		t.Fatalf("error %v, the model holds %+v", err, it)
	}
	return it
}

func (x *machineTest) expire() {
	x.p.Expire(x.now)
	for _, it := range x.m.items {
		if it.flying && !it.at.After(x.now) {
			it.flying = false
		}
	}
}

func (x *machineTest) fresh(t *rapid.T) {
	x.m.next += log.Offset(rapid.IntRange(0, 70).Draw(t, "skip"))
	x.took(t, x.p.Fresh(x.m.next, x.now))
	x.m.next++
}

func (x *machineTest) again(t *rapid.T) {
	x.expire()
	got := x.p.Again(x.now, 1)
	want := x.m.due(x.now, machineDeliveriesMax, false)
	if len(got) == 0 != (want == log.NoOffset) || len(got) > 0 && got[0].Offset != want {
		t.Fatalf("again %v, the model wants %d", got, want)
	}
	if len(got) > 0 {
		x.took(t, got[0])
	}
}

func (x *machineTest) ack(t *rapid.T) {
	if it := x.answer(t, func(r log.Receipt) error { return x.p.Ack(r.Offset, r.Delivery) }); it != nil {
		it.done = true
	}
}

func (x *machineTest) nack(t *rapid.T) {
	due := x.now.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "delay")) * time.Millisecond)
	if it := x.answer(t, func(r log.Receipt) error { return x.p.Nack(r.Offset, r.Delivery, due, "x") }); it != nil {
		it.flying, it.at = false, due
	}
}

func (x *machineTest) extend(t *rapid.T) {
	deadline := x.now.Add(time.Minute)
	if it := x.answer(t, func(r log.Receipt) error { return x.p.Extend(r.Offset, r.Delivery, deadline) }); it != nil {
		it.at = deadline
	}
}

func (x *machineTest) bury(t *rapid.T) {
	x.expire()
	letters := x.p.Dead(1)
	want := x.m.due(x.now, machineDeliveriesMax, true)
	if len(letters) == 0 != (want == log.NoOffset) || len(letters) > 0 && letters[0].Offset != want {
		t.Fatalf("dead %v, the model wants %d", letters, want)
	}
	if len(letters) > 0 {
		x.p.Bury(want)
		x.m.items[want].done = true
	}
}

// load makes a partition from what was stored, compacted by key as the topic may be.
func load(t *rapid.T, stored []Entry) *Partition {
	last := map[int64]int{}
	for i, e := range stored {
		last[e.Key] = i
	}
	var l Loader
	for i, e := range stored {
		if last[e.Key] != i && i%2 == 0 {
			continue
		}
		if err := l.Load(e); err != nil {
			t.Fatal(err)
		}
	}
	return l.Partition(config(3), 0, 8)
}
