package broker

import (
	"testing"

	"lodge/log"
	"lodge/log/vfs"
)

// TestIdentityIsLeftAloneAfterClose: the folder may belong to the next process already.
func TestIdentityIsLeftAloneAfterClose(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{})
	b.Close()
	next := open(t, mem, Options{})
	before, err := vfs.ReadFile(mem, "dir/"+identityFile)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.identity.producerID() // as a call does that was checked just before Close
	wantCode(t, err, log.Closed)
	if after, err := vfs.ReadFile(mem, "dir/"+identityFile); err != nil || string(after) != string(before) {
		t.Errorf("%s became %s, %v", before, after, err)
	}
	next.Close()
}
