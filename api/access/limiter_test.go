package access

import (
	"strconv"
	"testing"
	"time"
)

func TestLimiterCountsEachClient(t *testing.T) {
	l := NewLimiter(2, 3)
	for range 3 {
		if _, ok := l.Allow("a", noon); !ok {
			t.Fatal("a burst is not allowed")
		}
	}
	wait, ok := l.Allow("a", noon)
	if ok || wait != 500*time.Millisecond {
		t.Errorf("allowed %t, wait %s", ok, wait)
	}
	if _, ok := l.Allow("b", noon); !ok {
		t.Error("another client waits for the first")
	}
	if _, ok := l.Allow("a", noon.Add(wait)); !ok {
		t.Error("refused after the wait that was asked for")
	}
	if _, ok := l.Allow("a", noon.Add(wait)); ok {
		t.Error("the rate is not kept")
	}
}

func TestLimiterForgetsWhoWasNotHeardOfForLongest(t *testing.T) {
	l := NewLimiter(1, 1)
	l.max = 10
	l.Allow("a", noon)
	for i := range 9 {
		l.Allow(strconv.Itoa(i), noon)
	}
	if _, ok := l.Allow("a", noon); ok {
		t.Error("a was forgotten")
	}
	l.Allow("one more", noon)
	if _, ok := l.Allow("a", noon); ok || len(l.clients) != 10 || l.recent.Len() != 10 {
		t.Errorf("%d and %d clients", len(l.clients), l.recent.Len())
	}
	if _, ok := l.Allow("0", noon); !ok {
		t.Error("the oldest was not forgotten")
	}
}

func TestClientOf(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7:4711": "192.0.2.7", "[::ffff:192.0.2.7]:1": "192.0.2.7", "[2001:db8:1:2:3::4%eth0]:80": "2001:db8:1:2::/64", "@": "@",
	} {
		if got := ClientOf(addr); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}
