package packed

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

const someID = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"

func TestWhatIsAppendedIsRead(t *testing.T) {
	numbers := []int64{0, -1, 1, math.MaxInt64, math.MinInt64}
	texts := []string{"", "x", someID, strings.ToUpper(someID), strings.Replace(someID, "-", "0", 1), strings.Repeat("é", 300)}
	var b []byte
	for _, n := range numbers {
		b = AppendInt(b, n)
	}
	b = AppendInts(AppendInts(b, numbers), []int64(nil))
	for _, s := range texts {
		b = AppendID(AppendText(b, s), s)
	}
	r := NewReader(b)
	for _, want := range numbers {
		if got := r.Int(); got != want {
			t.Errorf("number %d, want %d", got, want)
		}
	}
	if got := Ints[int64](r); !slices.Equal(got, numbers) {
		t.Errorf("numbers %v", got)
	}
	if got := Ints[int64](r); got != nil {
		t.Errorf("no numbers: %v", got)
	}
	for _, want := range texts {
		if s, id := r.Text(), r.ID(); s != want || id != want {
			t.Errorf("text %q, id %q, want %q", s, id, want)
		}
	}
	if r.More() || r.Err() != nil {
		t.Errorf("more %v, error %v", r.More(), r.Err())
	}
}

func TestKeysSortAsTheirTexts(t *testing.T) {
	for _, s := range []string{someID, "", "not one", strings.ToUpper(someID), someID[:35] + "g", someID + "0"} {
		_, key := Key(nil, s)
		if got := KeyText(key); got != s {
			t.Errorf("key of %q is of %q", s, got)
		}
		if _, short := key.([]byte); short != (s == someID) {
			t.Errorf("key of %q is %T", s, key)
		}
	}
	other := "0190a1b2-c3d4-7e5f-9a9b-0c1d2e3f4a5b"
	arena, a := Key(nil, someID)
	_, b := Key(arena, other)
	if (slices.Compare(a.([]byte), b.([]byte)) < 0) != (someID < other) {
		t.Error("the keys are not in the order of the texts")
	}
}

func TestDamageIsNoticed(t *testing.T) {
	whole := AppendText(AppendID(AppendInts(AppendInt(nil, 300), []int64{1, 2, 300}), someID), "text")
	for n := range whole {
		r := NewReader(whole[:n])
		r.Int()
		Ints[int64](r)
		r.ID()
		r.Text()
		if !errors.Is(r.Err(), ErrMalformed) {
			t.Errorf("%d of %d bytes: error %v", n, len(whole), r.Err())
		}
	}
}
