package broker

import (
	"errors"
	"strings"
	"testing"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
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

// TestUnreadableIdentityIsNotALostOne: the remedy for a lost file would ruin one that only cannot be read now.
func TestUnreadableIdentityIsNotALostOne(t *testing.T) {
	mem := vfs.NewMem()
	b := open(t, mem, Options{})
	create(t, b, "t", log.TopicConfig{})
	b.Close()
	fail := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.Open && strings.HasSuffix(op.Name, identityFile) {
			return errorfs.ErrInjected
		}
		return nil
	})
	_, err := Open("dir", Options{FS: errorfs.Wrap(mem, fail)})
	if !errors.Is(err, errorfs.ErrInjected) || log.CodeOf(err) == log.Corrupt {
		t.Errorf("got %v", err)
	}
}
