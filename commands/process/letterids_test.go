package process

import (
	"testing"

	"lodge/log"
	"lodge/log/broker"
)

func openPoison(t *testing.T) *letters {
	t.Helper()
	lg, err := broker.Open(t.TempDir(), broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lg.Close(); err != nil {
			t.Error(err)
		}
	})
	q, err := openLetters(t.Context(), lg, 100)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func letterOf(r *log.Record) *Letter {
	return &Letter{State: LetterWaiting, Handler: "pay", Position: r.Position(), Key: r.Key, Value: r.Value, Headers: r.Headers}
}

// TestOneLetterForEachRecord: however often a record fails, whatever it has, also headers that look like a letter's own, and beside another one of its place.
func TestOneLetterForEachRecord(t *testing.T) {
	header := func(key, value string) log.Header { return log.Header{Key: key, Value: []byte(value)} }
	key, value := []byte("k"), []byte("v")
	for name, r := range map[string]log.Record{
		"nothing":              {},
		"empty key":            {Key: []byte{}, Value: value},
		"no key":               {Value: value},
		"empty headers":        {Key: key, Value: value, Headers: []log.Header{{Key: "a"}, header("", "x")}},
		"a header twice":       {Key: key, Headers: []log.Header{header("a", "1"), header("a", "2")}},
		"a letter's prefix":    {Key: key, Value: value, Headers: []log.Header{header(headerPrefix+"x", "1"), header("b", "")}},
		"a letter's key":       {Value: value, Headers: []log.Header{header(HeaderKey, "other")}},
		"a letter's requeuing": {Key: key, Value: value, Headers: []log.Header{header(HeaderRequeued, "other")}},
	} {
		t.Run(name, func(t *testing.T) {
			q := openPoison(t)
			r.Topic, r.Offset = "t", 5
			other := r
			other.Value = []byte("other")
			for i, r := range []*log.Record{&r, &r, &other, &other} {
				if err := q.put(t.Context(), letterOf(r)); err != nil {
					t.Fatal(err)
				}
				if there, err := q.has(t.Context(), "pay", r); !there || err != nil || q.count() != 1+i/2 {
					t.Fatalf("%d letters after record %d, which has one: %v, %v", q.count(), i, there, err)
				}
			}
			found, err := q.list(t.Context(), LetterFilter{}, "", 10)
			if err != nil || len(found) != 2 {
				t.Fatalf("%d letters, %v", len(found), err)
			}
			for _, l := range found {
				if again, err := q.requeue(t.Context(), l.ID, func(string) bool { return true }); err != nil || l.State != LetterWaiting {
					t.Fatalf("%+v, %+v, %v", l, again, err)
				}
				l.ID = ""
				if err := q.put(t.Context(), &l); err != nil || q.count() != 2 {
					t.Errorf("failed again: %d letters, %v", q.count(), err)
				}
			}
		})
	}
}

// TestALetterThatCannotBeRead holds up no other of its place.
func TestALetterThatCannotBeRead(t *testing.T) {
	q := openPoison(t)
	r := &log.Record{Topic: "t", Offset: 5, Key: []byte("k"), Value: []byte("v")}
	if err := q.append(t.Context(), letterID("pay", r.Position()), log.Record{Key: []byte("pay.t.0.5"), Value: []byte("junk")}); err != nil {
		t.Fatal(err)
	}
	if there, err := q.has(t.Context(), "pay", r); there || err != nil {
		t.Errorf("%v, %v", there, err)
	}
	if err := q.put(t.Context(), letterOf(r)); err != nil {
		t.Fatal(err)
	}
	if there, err := q.has(t.Context(), "pay", r); !there || err != nil {
		t.Errorf("%v, %v", there, err)
	}
}
