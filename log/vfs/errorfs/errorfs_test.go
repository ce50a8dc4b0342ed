package errorfs_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// TestNth fails each operation of a short program in turn: the error comes through and nothing is done.
func TestNth(t *testing.T) {
	program := func(fsys vfs.FS) error {
		return errors.Join(fsys.MkdirAll("d"), vfs.AtomicWriteFile(fsys, "d/f", []byte("content")))
	}
	for n := 0; ; n++ {
		mem := vfs.NewMem()
		nth := &errorfs.Nth{N: n}
		err := program(errorfs.Wrap(mem, nth))
		if nth.Hit() == nil {
			if err != nil || n < 7 {
				t.Fatalf("%d operations, %v", n, err)
			}
			return
		}
		if !errors.Is(err, errorfs.ErrInjected) {
			t.Errorf("%s: %v", nth.Hit(), err)
		}
		_, readErr := vfs.ReadFile(mem, "d/f")
		if renamed := nth.Hit().Kind == errorfs.SyncDir; (readErr == nil) != renamed {
			t.Errorf("%s: then read %v", nth.Hit(), readErr)
		}
	}
}

func TestShortWrite(t *testing.T) {
	mem := vfs.NewMem()
	fsys := errorfs.Wrap(mem, &errorfs.Nth{
		Match: func(op errorfs.Op) bool { return op.Kind == errorfs.WriteAt && op.Bytes == 7 && op.Offset == 1 },
		Err:   &errorfs.ShortError{N: 3, Err: errorfs.ErrInjected},
	})
	f, err := fsys.Create("f")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.WriteAt([]byte("content"), 1); n != 3 || !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if b, _ := vfs.ReadFile(mem, "f"); string(b) != "\x00con" {
		t.Errorf("%q", b)
	}
}

func TestAfterFailsAllThatFollow(t *testing.T) {
	fsys := errorfs.Wrap(vfs.NewMem(), &errorfs.Nth{N: 1, After: true})
	for i, failed := range []bool{false, true, true, true} {
		if err := fsys.MkdirAll("d"); (err != nil) != failed {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := errorfs.Wrap(vfs.NewMem(), errorfs.Delay(time.Second, func(op errorfs.Op) bool { return op.Kind == errorfs.MkdirAll }))
		start := time.Now()
		if err := fsys.MkdirAll("d"); err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		if _, err := fsys.List("d"); err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}
