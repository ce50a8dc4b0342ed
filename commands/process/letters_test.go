package process_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"lodge/commands/process"
	"lodge/domain/event"
	"lodge/log"
)

// fragile is a handler that fails until it is mended.
type fragile struct {
	name    string
	mended  atomic.Bool
	calls   atomic.Int64
	handled chan process.Delivery
}

func newFragile(name string) *fragile {
	return &fragile{name: name, handled: make(chan process.Delivery, 10)}
}

func (f *fragile) handler() process.Handler {
	return process.Handler{Name: f.name, Topic: event.HotelsTopic, Handle: func(ctx context.Context, _ *event.Envelope) error {
		f.calls.Add(1)
		if !f.mended.Load() {
			return errors.New("broken")
		}
		d, _ := process.DeliveryOf(ctx)
		f.handled <- d
		return nil
	}}
}

// poisonOne has a record poisoned by each of the handlers.
func poisonOne(t *testing.T, lg log.Writer, r *process.Router, handlers int) log.Position {
	t.Helper()
	at := give(t, lg, "a", archived, 1)
	await(t, "poisoning", func() bool { return len(letters(t, r)) == handlers })
	return at
}

// TestRequeueIsForOneHandler: a letter that is requeued is handled again by the handler that gave up, once, and is gone then.
func TestRequeueIsForOneHandler(t *testing.T) {
	lg := openLog(t)
	one, other := newFragile("one"), newFragile("other")
	r, _ := start(t, lg, impatient, one.handler(), other.handler())
	at := poisonOne(t, lg, r, 2)
	one.mended.Store(true)
	other.mended.Store(true)
	before := other.calls.Load()
	l, err := r.Requeue(t.Context(), "one.hotels."+strings.TrimPrefix(strings.ReplaceAll(at.String(), "@", "."), "hotels/"))
	if err != nil || l.State != process.LetterRequeued {
		t.Fatalf("requeue: %+v, %v", l, err)
	}
	if d := next(t, one.handled); d != (process.Delivery{Handler: "one", Position: at, Attempt: 7, Requeued: true}) {
		t.Errorf("delivery %+v", d)
	}
	await(t, "the letter's end", func() bool { return len(letters(t, r)) == 1 })
	if left := letters(t, r)[0]; left.Handler != "other" || left.State != process.LetterWaiting {
		t.Errorf("left %+v", left)
	}
	var missing *process.LetterNotFoundError
	if _, err := r.Requeue(t.Context(), l.ID); !errors.As(err, &missing) {
		t.Errorf("requeue again: %v", err)
	}
	give(t, lg, "a", archived, 2) // behind it in both partitions' line
	next(t, one.handled)
	next(t, other.handled)
	if got := other.calls.Load(); got != before+1 {
		t.Errorf("the other handler was called %d times", got-before)
	}
}

// TestRequeuedLetterMayFailAgain: it waits again, and its attempts add up.
func TestRequeuedLetterMayFailAgain(t *testing.T) {
	lg := openLog(t)
	f := newFragile("pay")
	r, _ := start(t, lg, impatient, f.handler())
	poisonOne(t, lg, r, 1)
	id := letters(t, r)[0].ID
	if _, err := r.Requeue(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	await(t, "failing again", func() bool {
		l, err := r.Letter(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return l.State == process.LetterWaiting && l.Attempts == 12
	})
	f.mended.Store(true)
	for range 2 { // the second one changes nothing, or finds it handled
		if _, err := r.Requeue(t.Context(), id); err != nil && !errors.As(err, new(*process.LetterNotFoundError)) {
			t.Fatal(err)
		}
	}
	next(t, f.handled)
	await(t, "the letter's end", func() bool { return len(letters(t, r)) == 0 })
	select {
	case d := <-f.handled:
		t.Errorf("handled twice: %+v", d)
	default:
	}
}

// TestLettersOutliveTheProcess: waiting and requeued letters are there after a restart; a requeued one is then handled, a discarded one is gone. A record that comes
// again since its group had not heard of its end is the letter's.
func TestLettersOutliveTheProcess(t *testing.T) {
	lg := openLog(t)
	f := newFragile("pay")
	r, stop := start(t, lg, impatient, f.handler())
	for v := range int64(3) {
		give(t, lg, "a", archived, v)
	}
	await(t, "poisoning", func() bool { return len(letters(t, r)) == 3 })
	ids := []string{letters(t, r)[0].ID, letters(t, r)[1].ID, letters(t, r)[2].ID}
	stop()
	if _, err := r.Requeue(t.Context(), ids[1]); err != nil {
		t.Fatal(err)
	}
	if err := r.Discard(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	var missing *process.LetterNotFoundError
	if err := r.Discard(t.Context(), ids[0]); !errors.As(err, &missing) {
		t.Errorf("discard again: %v", err)
	}
	f.mended.Store(true)
	r, _ = start(t, lg, impatient, f.handler())
	if d := next(t, f.handled); d.Position.Offset != 1 || !d.Requeued {
		t.Errorf("handled %+v", d)
	}
	await(t, "one letter to be left", func() bool { return len(letters(t, r)) == 1 })
	for hotel, want := range map[string]int{"a": 1, "b": 0} {
		if found, err := r.LettersOf(t.Context(), process.LetterFilter{Hotel: hotel}, "", 10); err != nil || len(found) != want {
			t.Errorf("letters of %s: %v, %v", hotel, found, err)
		}
	}
	if of, err := r.LetterHotel(ids[2]); of != "a" || err != nil {
		t.Errorf("of hotel %q: %v", of, err)
	}
	if left := letters(t, r)[0]; left.ID != ids[2] || left.State != process.LetterWaiting || left.Error != "broken" {
		t.Errorf("left %+v", left)
	}
}

// TestARecordWithALetterIsNotTriedAgain: where the group does not know of a record's end, and where it is read again from the beginning.
func TestARecordWithALetterIsNotTriedAgain(t *testing.T) {
	lg := openLog(t)
	f := newFragile("pay")
	r, stop := start(t, lg, impatient, f.handler())
	at := poisonOne(t, lg, r, 1)
	stop()
	if err := lg.ResetOffsets(t.Context(), process.GroupOf("pay"), map[log.TopicPartition]log.Offset{at.TopicPartition(): at.Offset}); err != nil {
		t.Fatal(err)
	}
	f.mended.Store(true)
	r, _ = start(t, lg, impatient, f.handler())
	behind := give(t, lg, "a", archived, 2)
	if d := next(t, f.handled); d.Position != behind {
		t.Errorf("handled %+v", d)
	}
	if left := letters(t, r); len(left) != 1 || left[0].Position != at {
		t.Errorf("letters %+v", left)
	}
}

// makeAnew deletes the topic of the records and makes it again, empty.
func makeAnew(t *testing.T, lg log.Admin) {
	t.Helper()
	err := errors.Join(lg.DeleteTopic(t.Context(), event.HotelsTopic), lg.CreateTopic(t.Context(), event.HotelsTopic, log.TopicConfig{Partitions: 2}))
	if err != nil {
		t.Fatal(err)
	}
}

// TestALetterIsOfItsRecord: one that has the place of a letter's in a topic that was made anew is another record. It is handled, and where it fails each has a letter.
func TestALetterIsOfItsRecord(t *testing.T) {
	lg := openLog(t)
	f := newFragile("pay")
	r, stop := start(t, lg, impatient, f.handler())
	at := poisonOne(t, lg, r, 1)
	stop()
	makeAnew(t, lg)
	if anew := give(t, lg, "a", archived, 2); anew != at {
		t.Fatalf("%v, not %v", anew, at)
	}
	r, stop = start(t, lg, impatient, f.handler())
	await(t, "another letter", func() bool { return len(letters(t, r)) == 2 })
	stop()
	found := letters(t, r)
	if found[0].Position != at || found[1].Position != at || !strings.HasPrefix(found[1].ID, found[0].ID+".") || bytes.Equal(found[0].Value, found[1].Value) {
		t.Fatalf("letters %+v", found)
	}
	if err := lg.ResetOffsets(t.Context(), process.GroupOf("pay"), map[log.TopicPartition]log.Offset{at.TopicPartition(): at.Offset}); err != nil {
		t.Fatal(err)
	}
	f.mended.Store(true)
	r, stop = start(t, lg, impatient, f.handler())
	behind := give(t, lg, "a", archived, 3)
	if d := next(t, f.handled); d.Position != behind { // what it reads again before that has its letter
		t.Errorf("handled %+v", d)
	}
	if _, err := r.Requeue(t.Context(), found[1].ID); err != nil {
		t.Fatal(err)
	}
	if d := next(t, f.handled); d.Position != at || !d.Requeued {
		t.Errorf("handled %+v", d)
	}
	await(t, "the letter's end", func() bool { return len(letters(t, r)) == 1 })
	stop()
	makeAnew(t, lg)
	give(t, lg, "a", archived, 4)
	r, _ = start(t, lg, impatient, f.handler())
	if d := next(t, f.handled); d.Position != at || d.Requeued {
		t.Errorf("handled %+v", d)
	}
	if left := letters(t, r); len(left) != 1 || left[0].ID != found[0].ID || !bytes.Equal(left[0].Value, found[0].Value) {
		t.Errorf("left %+v", left)
	}
}

// TestHandledEndsItsOwnLetter: while a requeued letter is being handled another record at its place may fail, also when the letter was discarded meanwhile.
func TestHandledEndsItsOwnLetter(t *testing.T) {
	for _, discarded := range []bool{false, true} {
		lg := openLog(t)
		in, out := make(chan struct{}), make(chan struct{})
		h := process.Handler{Name: "pay", Topic: event.HotelsTopic, Handle: func(ctx context.Context, _ *event.Envelope) error {
			if d, _ := process.DeliveryOf(ctx); !d.Requeued {
				return errors.New("broken")
			}
			in <- struct{}{}
			<-out
			return nil
		}}
		r, stop := start(t, lg, impatient, h)
		poisonOne(t, lg, r, 1)
		stop()
		old := letters(t, r)[0]
		makeAnew(t, lg)
		r, stop = start(t, lg, impatient, h)
		if _, err := r.Requeue(t.Context(), old.ID); err != nil {
			t.Fatal(err)
		}
		<-in
		if discarded {
			if err := r.Discard(t.Context(), old.ID); err != nil {
				t.Fatal(err)
			}
		}
		give(t, lg, "a", archived, 2)
		await(t, "the new letter", func() bool {
			found := letters(t, r)
			return len(found) > 0 && !bytes.Equal(found[len(found)-1].Value, old.Value)
		})
		close(out)
		stop()
		if left := letters(t, r); len(left) != 1 || bytes.Equal(left[0].Value, old.Value) || (left[0].ID == old.ID) != discarded {
			t.Errorf("discarded %v: left %+v", discarded, left)
		}
	}
}

// TestLetterOfAHandlerThatIsGone: it can be looked at and discarded, not requeued.
func TestLetterOfAHandlerThatIsGone(t *testing.T) {
	lg := openLog(t)
	r, stop := start(t, lg, impatient, newFragile("old").handler())
	poisonOne(t, lg, r, 1)
	stop()
	r, _ = start(t, lg, impatient)
	l := letters(t, r)[0]
	var unknown *process.UnknownHandlerError
	if _, err := r.Requeue(t.Context(), l.ID); !errors.As(err, &unknown) || unknown.Handler != "old" {
		t.Errorf("requeue: %v", err)
	}
	if err := r.Discard(t.Context(), l.ID); err != nil || len(letters(t, r)) != 0 {
		t.Errorf("discard: %v", err)
	}
}

// TestFullPoisonQueueHoldsUp: a handler that cannot poison tries on, and goes on when there is room.
func TestFullPoisonQueueHoldsUp(t *testing.T) {
	lg := openLog(t)
	f := newFragile("pay")
	opts := impatient
	opts.LettersMax = 1
	r, _ := start(t, lg, opts, f.handler())
	give(t, lg, "a", archived, 1)
	give(t, lg, "a", archived, 2)
	await(t, "trying on", func() bool { return f.calls.Load() > 20 })
	if healthy, message := r.Health(); healthy || !strings.Contains(message, "full") {
		t.Errorf("health %v, %s", healthy, message)
	}
	first := letters(t, r)
	if len(first) != 1 {
		t.Fatalf("letters %+v", first)
	}
	if err := r.Discard(t.Context(), first[0].ID); err != nil {
		t.Fatal(err)
	}
	await(t, "poisoning the next", func() bool { found := letters(t, r); return len(found) == 1 && found[0].ID != first[0].ID })
}

// deaf is a log whose appends to the poison queue fail at times, before or after they have happened.
type deaf struct {
	process.Log
	fail func() (before, after error)
}

func (d *deaf) Append(ctx context.Context, tp log.TopicPartition, b *log.Batch) (log.Offset, error) {
	if tp.Topic != process.PoisonTopic {
		return d.Log.Append(ctx, tp, b)
	}
	before, after := d.fail()
	if before != nil {
		return 0, before
	}
	offset, err := d.Log.Append(ctx, tp, b)
	return offset, errors.Join(err, after)
}

// TestUncertainAppendsOfLetters: whatever becomes of the appends to the poison queue, a record is poisoned, requeued and handled in the end, and its letter is gone.
func TestUncertainAppendsOfLetters(t *testing.T) {
	broker := openLog(t)
	var n atomic.Int64
	lost := log.NewError(log.Unavailable, "append", "lost")
	lg := &deaf{Log: broker, fail: func() (before, after error) {
		switch n.Add(1) % 3 {
		case 1:
			return lost, nil
		case 2:
			return nil, lost
		}
		return nil, nil
	}}
	f := newFragile("pay")
	r, stop := start(t, lg, impatient, f.handler())
	poisonOne(t, broker, r, 1)
	f.mended.Store(true)
	id := letters(t, r)[0].ID
	await(t, "requeuing", func() bool {
		_, err := r.Requeue(t.Context(), id)
		return err == nil || errors.As(err, new(*process.LetterNotFoundError))
	})
	next(t, f.handled)
	await(t, "the letter's end", func() bool { return len(letters(t, r)) == 0 })
	stop()
	r, _ = start(t, broker, impatient, f.handler())
	if left := letters(t, r); len(left) > 0 {
		t.Errorf("left after a restart: %+v", left)
	}
}
