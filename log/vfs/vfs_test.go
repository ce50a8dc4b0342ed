package vfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"lodge/log"
	"lodge/log/vfs"
)

// TestFileSystems holds both implementations to the same contract.
func TestFileSystems(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) (vfs.FS, string){
		"os":      func(t *testing.T) (vfs.FS, string) { return vfs.Default, t.TempDir() },
		"private": func(t *testing.T) (vfs.FS, string) { return vfs.Private, t.TempDir() },
		"mem":     func(*testing.T) (vfs.FS, string) { return vfs.NewMem(), "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("files", func(t *testing.T) { fsys, dir := open(t); testFiles(t, fsys, dir) })
			t.Run("names", func(t *testing.T) { fsys, dir := open(t); testNames(t, fsys, dir) })
			t.Run("locks", func(t *testing.T) { fsys, dir := open(t); testLocks(t, fsys, dir) })
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testFiles(t *testing.T, fsys vfs.FS, dir string) {
	name := path.Join(dir, "file")
	f, err := fsys.Create(name)
	must(t, err)
	_, err = f.WriteAt([]byte("world"), 6)
	must(t, err)
	_, err = f.WriteAt([]byte("hello"), 0)
	must(t, err)
	b := make([]byte, 20)
	n, err := f.ReadAt(b, 0)
	if n != 11 || !errors.Is(err, io.EOF) || string(b[:n]) != "hello\x00world" {
		t.Errorf("read %q, %v", b[:n], err)
	}
	if n, err = f.ReadAt(b[:5], 6); n != 5 || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
	must(t, f.Truncate(3))
	must(t, f.Truncate(6))
	must(t, f.Sync())
	must(t, f.SyncData())
	if size, err := f.Size(); size != 6 || err != nil {
		t.Errorf("size %d, %v", size, err)
	}
	if b, err := vfs.ReadFile(fsys, name); string(b) != "hel\x00\x00\x00" || err != nil {
		t.Errorf("content %q, %v", b, err)
	}
	must(t, f.Close())
	if _, err := f.WriteAt(b, 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("write to a closed file: %v", err)
	}
	r, err := fsys.Open(name)
	must(t, err)
	if _, err := r.WriteAt(b, 0); err == nil {
		t.Error("write to a file that is open for reading")
	}
	must(t, fsys.Remove(name))
	if n, err := r.ReadAt(b[:3], 0); n != 3 || err != nil {
		t.Errorf("a removed file that is open: %d, %v", n, err)
	}
	must(t, r.Close())
}

func testNames(t *testing.T, fsys vfs.FS, dir string) {
	sub := path.Join(dir, "a/b/c")
	must(t, vfs.MkdirAllSynced(fsys, sub))
	must(t, fsys.MkdirAll(sub))
	must(t, vfs.AtomicWriteFile(fsys, path.Join(sub, "z"), []byte("1")))
	must(t, vfs.AtomicWriteFile(fsys, path.Join(sub, "y"), []byte("2")))
	must(t, vfs.AtomicWriteFile(fsys, path.Join(sub, "y"), []byte("3")))
	if names, err := fsys.List(sub); fmt.Sprint(names) != "[y z]" || err != nil {
		t.Errorf("names %v, %v", names, err)
	}
	must(t, fsys.Rename(path.Join(sub, "y"), path.Join(sub, "z")))
	if b, err := vfs.ReadFile(fsys, path.Join(sub, "z")); string(b) != "3" || err != nil {
		t.Errorf("content %q, %v", b, err)
	}
	must(t, fsys.Rename(path.Join(dir, "a/b"), path.Join(dir, "a/d")))
	if info, err := fsys.Stat(path.Join(dir, "a/d/c")); !info.Dir || err != nil {
		t.Errorf("%+v, %v", info, err)
	}
	if info, err := fsys.Stat(path.Join(dir, "a/d/c/z")); info.Dir || info.Size != 1 || err != nil {
		t.Errorf("%+v, %v", info, err)
	}
	if err := fsys.Remove(path.Join(dir, "a/d")); err == nil {
		t.Error("a folder that is not empty was removed")
	}
	missing := path.Join(dir, "no/such")
	_, openErr := fsys.Open(missing)
	_, writeErr := fsys.OpenReadWrite(missing)
	_, createErr := fsys.Create(missing)
	_, listErr := fsys.List(missing)
	_, statErr := fsys.Stat(missing)
	for i, err := range []error{openErr, writeErr, createErr, listErr, statErr, fsys.Remove(missing), fsys.Rename(missing, missing+"x"), fsys.SyncDir(missing)} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d: %v", i, err)
		}
	}
	must(t, fsys.RemoveAll(missing))
	must(t, fsys.RemoveAll(path.Join(dir, "a")))
	if there, err := vfs.Exists(fsys, path.Join(dir, "a")); there || err != nil {
		t.Errorf("%v, %v", there, err)
	}
}

func testLocks(t *testing.T, fsys vfs.FS, dir string) {
	name := path.Join(dir, "LOCK")
	lock, err := fsys.Lock(name)
	must(t, err)
	if _, err := fsys.Lock(name); log.CodeOf(err) != log.Locked || !strings.Contains(err.Error(), name) {
		t.Errorf("second lock: %v", err)
	}
	must(t, lock.Close())
	again, err := fsys.Lock(name)
	must(t, err)
	must(t, again.Close())
}

func write(t *testing.T, fsys vfs.FS, name, content string, at int64) {
	t.Helper()
	f, err := fsys.OpenReadWrite(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = fsys.Create(name)
	}
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte(content), at)
	must(t, err)
}

func syncFile(t *testing.T, fsys vfs.FS, name string) {
	t.Helper()
	f, err := fsys.OpenReadWrite(name)
	must(t, err)
	must(t, errors.Join(f.SyncData(), f.Close()))
}

// outcomes collects what many power losses leave of a file; "-" is its absence.
func outcomes(t *testing.T, mem *vfs.MemFS, name string) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		b, err := vfs.ReadFile(mem.CrashClone(vfs.Randomly(rng)), name)
		if errors.Is(err, fs.ErrNotExist) {
			seen["-"] = true
			continue
		}
		must(t, err)
		seen[string(b)] = true
	}
	return seen
}

func wantOutcomes(t *testing.T, mem *vfs.MemFS, name string, want ...string) {
	t.Helper()
	seen := outcomes(t, mem, name)
	for _, w := range want {
		if !seen[w] {
			t.Errorf("a power loss never leaves %.20q… (%d bytes)", w, len(w))
		}
		delete(seen, w)
	}
	for s := range seen {
		t.Errorf("a power loss leaves %.20q… (%d bytes)", s, len(s))
	}
}

// TestPowerLoss shows what may become of unsynced sectors, sizes and names, and that nothing else does.
func TestPowerLoss(t *testing.T) {
	a, b, c := strings.Repeat("a", 512), strings.Repeat("b", 512), strings.Repeat("c", 512)
	t.Run("sectors in any subset and version", func(t *testing.T) {
		mem := vfs.NewMem()
		write(t, mem, "f", a+a, 0)
		syncFile(t, mem, "f")
		must(t, mem.SyncDir("/"))
		wantOutcomes(t, mem, "f", a+a)
		write(t, mem, "f", b+b, 0)
		write(t, mem, "f", c, 0)
		wantOutcomes(t, mem, "f", a+a, a+b, b+a, b+b, c+a, c+b)
		syncFile(t, mem, "f")
		wantOutcomes(t, mem, "f", c+b)
	})
	t.Run("names", func(t *testing.T) {
		mem := vfs.NewMem()
		write(t, mem, "f", "x", 0)
		syncFile(t, mem, "f")
		wantOutcomes(t, mem, "f", "-", "x")
		must(t, mem.SyncDir("/"))
		write(t, mem, "g", "y", 0)
		syncFile(t, mem, "g")
		must(t, mem.Rename("g", "f"))
		wantOutcomes(t, mem, "f", "x", "y")
		must(t, mem.SyncDir("/"))
		wantOutcomes(t, mem, "f", "y")
		must(t, mem.Remove("f"))
		wantOutcomes(t, mem, "f", "y", "-")
	})
	t.Run("sizes", func(t *testing.T) {
		mem := vfs.NewMem()
		write(t, mem, "f", "abc", 0)
		syncFile(t, mem, "f")
		must(t, mem.SyncDir("/"))
		write(t, mem, "f", "de", 3)
		wantOutcomes(t, mem, "f", "abc", "abc\x00", "abc\x00\x00", "abcd", "abcde")
	})
	t.Run("a failed sync forgets", func(t *testing.T) {
		mem := vfs.NewMem()
		write(t, mem, "f", a, 0)
		syncFile(t, mem, "f")
		must(t, mem.SyncDir("/"))
		f, err := mem.OpenReadWrite("f")
		must(t, err)
		_, err = f.WriteAt([]byte(b), 0)
		must(t, err)
		f.(interface{ SyncFailed() }).SyncFailed()
		must(t, f.Sync())
		wantOutcomes(t, mem, "f", a, b)
		_, err = f.WriteAt([]byte(b), 0)
		must(t, err)
		must(t, f.Sync())
		wantOutcomes(t, mem, "f", b)
	})
	t.Run("atomic file", func(t *testing.T) {
		mem := vfs.NewMem()
		must(t, vfs.AtomicWriteFile(mem, "f", []byte(a)))
		must(t, vfs.AtomicWriteFile(mem, "f", []byte(b)))
		wantOutcomes(t, mem, "f", b)
	})
	t.Run("the original goes on", func(t *testing.T) {
		mem := vfs.NewMem()
		write(t, mem, "f", a, 0)
		clone := mem.CrashClone(vfs.KeepAll)
		write(t, clone, "f", b, 0)
		if got, _ := vfs.ReadFile(mem, "f"); string(got) != a {
			t.Error("the clone writes to the original")
		}
	})
}
