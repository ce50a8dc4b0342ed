package queue

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lodge/log"
)

var epoch = time.UnixMilli(1_700_000_000_000)

func config(deliveries int) log.QueueConfig {
	return log.QueueConfig{Visibility: 10 * time.Second, DeliveriesMax: deliveries, DeadLetter: "dlq", InFlightMax: 100}
}

func TestARecordGoesToOneAndIsDone(t *testing.T) {
	p := New(config(5), 0, 0)
	r := p.Fresh(0, epoch)
	if err := p.Ack(r.Offset, r.Delivery); err != nil {
		t.Fatal(err)
	}
	if p.Floor() != 1 || p.Next() != 1 {
		t.Errorf("floor %d, next %d", p.Floor(), p.Next())
	}
	if err := p.Ack(r.Offset, r.Delivery); log.CodeOf(err) != log.VoidReceipt {
		t.Errorf("second ack: %v", err)
	}
}

func TestATimedOutDeliveryIsMadeAgainAndItsReceiptIsVoid(t *testing.T) {
	p := New(config(5), 0, 0)
	first := p.Fresh(0, epoch)
	p.Expire(epoch.Add(9999 * time.Millisecond))
	if again := p.Again(epoch, 1); again != nil {
		t.Fatalf("again before its time: %v", again)
	}
	now := epoch.Add(10 * time.Second)
	p.Expire(now)
	again := p.Again(now, 1)
	if len(again) != 1 || again[0].Delivery != 2 {
		t.Fatalf("again: %v", again)
	}
	if err := p.Ack(0, first.Delivery); log.CodeOf(err) != log.VoidReceipt {
		t.Errorf("ack of the first delivery: %v", err)
	}
	if err := p.Ack(0, 2); err != nil {
		t.Error(err)
	}
}

// TestAReceiptOfAnotherIncarnationIsVoid: the standing of a topic or a group that was made anew knows nothing of deliveries of before, and one that is loaded knows its own.
func TestAReceiptOfAnotherIncarnationIsVoid(t *testing.T) {
	before, p := New(config(5), 0, 1), New(config(5), 0, 2)
	old, r := before.Fresh(0, epoch), p.Fresh(0, epoch)
	var l Loader
	for _, e := range p.Changes() {
		if err := l.Load(e); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []*Partition{p, l.Partition(config(5), 0, 3)} {
		if err := p.Ack(0, old.Delivery); log.CodeOf(err) != log.VoidReceipt || Deliveries(old) != 1 {
			t.Errorf("ack of delivery %d: %v", Deliveries(old), err)
		}
		if err := p.Ack(0, r.Delivery); err != nil || Deliveries(r) != 1 {
			t.Errorf("ack of its own delivery %d: %v", Deliveries(r), err)
		}
	}
}

// TestHeadOfBeforeIncarnations: what an earlier version has stored is read, and its receipts stay good.
func TestHeadOfBeforeIncarnations(t *testing.T) {
	p := New(config(5), 0, 0)
	r := p.Fresh(0, epoch)
	var l Loader
	for _, e := range p.Changes() {
		if e.Key == Head {
			e.Value = []byte{version, 0, 1}
		}
		if err := l.Load(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Partition(config(5), 0, 3).Ack(r.Offset, 1); err != nil {
		t.Error(err)
	}
}

// TestPartitionsOfOneLoaderAreTheirOwn: what one does with its items, the other one does not see.
func TestPartitionsOfOneLoaderAreTheirOwn(t *testing.T) {
	p := New(config(2), 0, 0)
	p.Fresh(0, epoch)
	if err := p.Nack(0, 1, epoch.Add(time.Second), "no room"); err != nil {
		t.Fatal(err)
	}
	var l Loader
	for _, e := range p.Changes() {
		if err := l.Load(e); err != nil {
			t.Fatal(err)
		}
	}
	if dead := l.Partition(config(1), 0, 0).Dead(9); len(dead) != 1 {
		t.Fatalf("of one delivery at most %v is dead", dead)
	}
	later := epoch.Add(time.Minute)
	p = l.Partition(config(2), 0, 0)
	if p.Expire(later); len(p.Again(later, 9)) != 1 {
		t.Error("the record that waits does not come again")
	}
}

func TestNackWaitsAndTheLastOneIsDead(t *testing.T) {
	p := New(config(2), 0, 0)
	p.Fresh(7, epoch)
	if err := p.Nack(7, 1, epoch.Add(time.Second), "no room"); err != nil {
		t.Fatal(err)
	}
	p.Expire(epoch)
	if got := p.Again(epoch, 9); got != nil {
		t.Fatalf("too early: %v", got)
	}
	now := epoch.Add(time.Second)
	p.Expire(now)
	if got := p.Again(now, 9); len(got) != 1 {
		t.Fatalf("again: %v", got)
	}
	if err := p.Nack(7, 2, now.Add(time.Hour), "still no room"); err != nil {
		t.Fatal(err)
	}
	letters := p.Dead(9)
	if len(letters) != 1 || letters[0] != (Letter{Offset: 7, Deliveries: 2, Cause: "still no room"}) {
		t.Fatalf("dead: %v", letters)
	}
	p.Exhume(7)
	if len(p.Dead(9)) != 1 {
		t.Error("exhumed and not dead again")
	}
	p.Bury(7)
	if p.Floor() != 8 {
		t.Errorf("floor %d after the burial", p.Floor())
	}
}

func TestRoomIsBounded(t *testing.T) {
	c := config(5)
	c.InFlightMax = 2
	p := New(c, 0, 0)
	p.Fresh(0, epoch)
	p.Fresh(1, epoch)
	if p.Room() != 0 {
		t.Errorf("room %d", p.Room())
	}
	p.Skip(windowMax)
	_ = p.Ack(1, 1)
	if p.Room() != 0 {
		t.Errorf("room %d in a window of %d", p.Room(), p.Next()-p.Floor())
	}
	_ = p.Ack(0, 1)
	if p.Room() != 2 {
		t.Errorf("room %d after all", p.Room())
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(Head, []byte{version, 3, 71}) // as it was stored before there were incarnations
	p := New(config(2), 3, 1<<31-1)
	p.Fresh(5, epoch)
	p.Fresh(70, epoch)
	_ = p.Nack(5, (1<<31-1)<<32|1, epoch.Add(time.Second), "because")
	for _, e := range p.Changes() {
		f.Add(e.Key, e.Value)
	}
	f.Fuzz(func(t *testing.T, key int64, value []byte) {
		var l Loader
		if l.Load(Entry{Key: key, Value: value}) != nil || value == nil {
			return
		}
		p := l.Partition(config(-1), 0, 8)
		if key != Head { // what belongs to no head is not kept: look at the block itself
			p.next, p.done, p.items = 1<<62, l.done, l.items[key]
		}
		p.moved = true
		var again Loader
		for _, e := range append(p.Changes(), Entry{Key: key, Value: p.encodeBlock(key)}) {
			if e.Key == key && (key != Head || e.Value != nil) {
				if err := again.Load(e); err != nil {
					t.Fatalf("what was read from %x and written again: %v", value, err)
				}
			}
		}
		switch {
		case key == Head && (again.floor != l.floor || again.next != l.next || again.number != l.number):
			t.Errorf("head %d, %d, %d became %d, %d, %d", l.floor, l.next, l.number, again.floor, again.next, again.number)
		case key != Head && len(l.items[key])+int(l.done[key]) != 0 && !reflect.DeepEqual(again.items[key], l.items[key]):
			t.Errorf("items %v became %v", l.items[key], again.items[key])
		case again.done[key] != l.done[key]:
			t.Errorf("done %x became %x", l.done[key], again.done[key])
		}
	})
}

// TestAJumpCostsNothing moves over more offsets than could be stored one by one: retention or compaction took them.
func TestAJumpCostsNothing(t *testing.T) {
	const far = 1 << 40
	p := New(config(5), 0, 0)
	p.Fresh(0, epoch)
	p.Fresh(1, epoch)
	p.Changes()
	p.Advance(far)
	if p.Floor() != far || p.Next() != far || len(p.done) > 1 {
		t.Errorf("floor %d, next %d, %d blocks", p.Floor(), p.Next(), len(p.done))
	}
	if e := p.Changes(); len(e) != 2 || e[0].Key != Head || e[1].Value != nil {
		t.Errorf("changes %v, not the head and one tombstone", e)
	}
	p.Fresh(2*far, epoch)
	if e := p.Changes(); len(e) != 2 {
		t.Errorf("%d changes for a record behind a gap", len(e))
	}
	if p.Takes(2*far+windowMax) || !p.Takes(2*far+windowMax-1) {
		t.Error("the window is not the window")
	}
	if _ = p.Ack(2*far, 1); !p.Takes(3 * far) {
		t.Error("nothing is outstanding, and a gap is too wide")
	}
}

// TestAnyFirstPartOfChangesMakesSense loads all that a crash may leave of the last changes: nothing outstanding is forgotten, and what was
// acknowledged before them stays so.
func TestAnyFirstPartOfChangesMakesSense(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := New(config(-1), 0, 0)
		n := log.Offset(rapid.IntRange(1, 300).Draw(t, "n"))
		for o := range n {
			p.Fresh(o, epoch)
		}
		ack := func(chance int) (acked []log.Offset) {
			for o := range n {
				if p.items[o] != nil && rapid.IntRange(0, 9).Draw(t, "ack") < chance {
					_ = p.Ack(o, 1)
					acked = append(acked, o)
				}
			}
			return acked
		}
		first := ack(6)
		stored := p.Changes()
		ack(8)
		p.Fresh(n, epoch)
		held := map[log.Offset]bool{}
		for o := range p.items {
			held[o] = true
		}
		last := p.Changes()
		stored = append(stored, last[:rapid.IntRange(0, len(last)).Draw(t, "cut")]...)
		again := load(t, stored)
		for o := range held {
			if o < again.Floor() || o < again.Next() && again.items[o] == nil {
				t.Fatalf("offset %d is outstanding, and forgotten", o)
			}
		}
		for _, o := range first {
			if again.items[o] != nil || o >= again.Next() {
				t.Fatalf("offset %d was acknowledged, and comes again", o)
			}
		}
		for o := range again.items {
			_ = again.Ack(o, 1)
		}
		if again.Floor() != again.Next() {
			t.Fatalf("all is done, and the floor stays at %d of %d", again.Floor(), again.Next())
		}
	})
}

// TestWhatTheLogLostIsForgotten loads a standing of which the log lost the last records: others get their offsets.
func TestWhatTheLogLostIsForgotten(t *testing.T) {
	p := New(config(-1), 0, 0)
	for o := range log.Offset(200) {
		p.Fresh(o, epoch)
		if o != 3 {
			_ = p.Ack(o, 1)
		}
	}
	var l Loader
	stored := p.Changes()
	for _, e := range stored {
		if err := l.Load(e); err != nil {
			t.Fatal(err)
		}
	}
	l.Clamp(100, 9)
	p = l.Partition(config(-1), 0, 8)
	if p.Floor() != 3 || p.Next() != 100 {
		t.Fatalf("floor %d, next %d", p.Floor(), p.Next())
	}
	if err := p.Ack(3, 1); log.CodeOf(err) != log.VoidReceipt {
		t.Errorf("a receipt of before: %v", err)
	}
	again := p.Fresh(100, epoch)
	if err := p.Ack(3, again.Delivery); err != nil { // of 3 too it was the first delivery
		t.Error(err)
	}
	if p.Floor() != 100 {
		t.Errorf("floor %d: the record at 100 is new and not done", p.Floor())
	}
	for _, e := range append(stored, p.Changes()...) {
		if err := l.Load(e); err != nil {
			t.Fatal(err)
		}
	}
	if p = l.Partition(config(-1), 0, 8); p.Floor() != 100 || p.Next() != 101 || len(p.items) != 1 {
		t.Errorf("loaded again: floor %d, next %d", p.Floor(), p.Next())
	}
}

func TestTimersAreBounded(t *testing.T) {
	p := New(config(5), 0, 0)
	for o := range log.Offset(10 * timersSpare) {
		p.Fresh(o, epoch)
		_ = p.Extend(o, 1, epoch.Add(12*time.Hour))
		_ = p.Ack(o, 1)
	}
	if len(p.timers) > timersSpare+2 {
		t.Errorf("%d timers of records that are done", len(p.timers))
	}
}

func TestReleaseTakesBackItsOwnDelivery(t *testing.T) {
	p := New(config(5), 0, 0)
	p.Fresh(0, epoch)
	now := epoch.Add(time.Minute)
	p.Expire(now)
	p.Again(now, 1)
	p.Release(0, 1) // comes late: the second delivery is somebody's
	if err := p.Ack(0, 2); err != nil {
		t.Error(err)
	}
}
