package main

import (
	"bytes"
	"testing"
)

// TestATableShowsWhatAnybodyHasWritten: and does nothing of it.
func TestATableShowsWhatAnybodyHasWritten(t *testing.T) {
	out := new(bytes.Buffer)
	table := newTable(out, false, "ACCOUNT", "LABEL")
	table.row(nil, 7, "a\x1b]0;owned\x07\u009b2Jb\tc\r\nd\u202ee Zoë 東京")
	if err := table.flush(); err != nil {
		t.Fatal(err)
	}
	if want := "ACCOUNT  LABEL\n7        a\ufffd]0;owned\ufffd\ufffd2Jb\ufffdc\ufffd\ufffdd\ufffde Zoë 東京\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
