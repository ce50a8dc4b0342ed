package tiered

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"testing"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

const (
	root   = "data/log"
	folder = "archive/log"
	part   = root + "/topics/t/0"
)

func write(t *testing.T, fsys vfs.FS, name, content string) {
	t.Helper()
	if err := errors.Join(vfs.MkdirAllSynced(fsys, path.Dir(name)), vfs.AtomicWriteFile(fsys, name, []byte(content))); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, fsys vfs.FS, name, want string) {
	t.Helper()
	b, err := vfs.ReadFile(fsys, name)
	if err != nil || string(b) != want {
		t.Fatalf("%s holds %q, want %q: %v", name, b, want, err)
	}
	info, err := fsys.Stat(name)
	if err != nil || info.Size != int64(len(want)) {
		t.Fatalf("%s has %d bytes: %v", name, info.Size, err)
	}
}

func attach(t *testing.T, fsys vfs.FS) *FS {
	t.Helper()
	if err := vfs.MkdirAllSynced(fsys, root); err != nil {
		t.Fatal(err)
	}
	tiers, err := Attach(fsys, root, folder)
	if err != nil {
		t.Fatal(err)
	}
	return tiers
}

func list(t *testing.T, fsys vfs.FS, dir string, want ...string) {
	t.Helper()
	got, err := fsys.List(dir)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%s holds %q, want %q: %v", dir, got, want, err)
	}
}

func TestOffloadedFilesAreReadAsBefore(t *testing.T) {
	mem := vfs.NewMem()
	tiers := attach(t, mem)
	write(t, tiers, part+"/a.log", "first")
	write(t, tiers, part+"/b.log", "second")
	before, err := tiers.Open(part + "/a.log")
	if err != nil {
		t.Fatal(err)
	}
	if err := tiers.Offload(part + "/a.log"); err != nil {
		t.Fatal(err)
	}
	room := make([]byte, 5)
	if n, _ := before.ReadAt(room, 0); string(room[:n]) != "first" {
		t.Errorf("who had it open reads %q", room[:n])
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	if hot, _ := vfs.Exists(mem, part+"/a.log"); hot {
		t.Error("it is still hot")
	}
	for name, want := range map[string]bool{"a.log": true, "b.log": false, "none.log": false} {
		if was, err := tiers.Offloaded(part + "/" + name); was != want || err != nil {
			t.Errorf("%s is offloaded: %t, %v", name, was, err)
		}
	}
	again, err := Open(mem, root)
	if err != nil {
		t.Fatal(err)
	}
	read(t, again, part+"/a.log", "first")
	read(t, again, part+"/b.log", "second")
	list(t, again, part, "a.log", "b.log")
	if err := errors.Join(again.Remove(part+"/a.log"), again.SyncDir(part)); err != nil {
		t.Fatal(err)
	}
	list(t, again, part, "b.log")
	if _, err := again.Open(part + "/a.log"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed, and opened with %v", err)
	}
}

func TestFoldersTakeWhatIsColdWithThem(t *testing.T) {
	mem := vfs.NewMem()
	tiers := attach(t, mem)
	for _, n := range []string{"0", "1", "2"} {
		write(t, tiers, root+"/topics/t/"+n+"/a.log", "of "+n)
		if err := tiers.Offload(root + "/topics/t/" + n + "/a.log"); err != nil {
			t.Fatal(err)
		}
	}
	list(t, tiers, root+"/topics/t", "0", "1", "2")
	if err := tiers.Rename(root+"/topics/t/1", root+"/topics/t/1.retired"); err != nil {
		t.Fatal(err)
	}
	read(t, tiers, root+"/topics/t/1.retired/a.log", "of 1")
	if err := tiers.RemoveAll(root + "/topics/t/1.retired"); err != nil {
		t.Fatal(err)
	}
	if err := mem.RemoveAll(root + "/topics/t/2"); err != nil { // as a crash within RemoveAll leaves it
		t.Fatal(err)
	}
	list(t, tiers, root+"/topics/t", "0")
	if err := tiers.MkdirAll(root + "/topics/t/2"); err != nil {
		t.Fatal(err)
	}
	list(t, tiers, root+"/topics/t/2")
	if err := errors.Join(tiers.Remove(root+"/topics/t/0/a.log"), tiers.Remove(root+"/topics/t/0")); err != nil {
		t.Fatal(err)
	}
	list(t, mem, folder+"/topics/t")
}

func TestColdFolderBelongsToOneLog(t *testing.T) {
	mem := vfs.NewMem()
	tiers := attach(t, mem)
	write(t, tiers, part+"/a.log", "first")
	if err := tiers.Offload(part + "/a.log"); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, err error) {
		t.Helper()
		if log.CodeOf(err) != log.InvalidArgument {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := vfs.MkdirAllSynced(mem, "other/log"); err != nil {
		t.Fatal(err)
	}
	_, err := Attach(mem, "other/log", folder)
	refused("another log's folder", err)
	_, err = Attach(mem, root, "elsewhere")
	refused("a folder that is not the one", err)
	_, err = Attach(mem, root, root+"/cold")
	refused("a folder within", err)
	write(t, mem, "full/file", "of somebody")
	_, err = Attach(mem, "other/log", "full")
	refused("a folder that holds something", err)
	if err := mem.Rename(folder, "archive/moved"); err != nil {
		t.Fatal(err)
	}
	_, err = Open(mem, root)
	refused("a folder that is gone", err)
	moved, err := Attach(mem, root, "archive/moved")
	if err != nil {
		t.Fatal(err)
	}
	read(t, moved, part+"/a.log", "first")
	if again, err := Open(mem, root); err != nil {
		t.Error(err)
	} else {
		read(t, again, part+"/a.log", "first")
	}
	if plain, err := Open(mem, "other/log"); err != nil || plain != vfs.FS(mem) {
		t.Errorf("a folder without a cold one: %v", err)
	}
	write(t, mem, root+"/"+linkName, "rubbish")
	if _, err := Open(mem, root); log.CodeOf(err) != log.Corrupt {
		t.Errorf("a link that says nothing: %v", err)
	}
}

// TestOffloadSurvivesPowerLoss loses power before each operation of attaching and offloading, in several ways, and fails each one.
func TestOffloadSurvivesPowerLoss(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	content := string(make([]byte, 3*512)) + "end"
	steps := 0
	for fail := -1; ; fail++ {
		mem := vfs.NewMem()
		attach(t, mem)
		write(t, mem, part+"/a.log", content)
		n, injected := 0, false
		broken := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if !op.Mutates() {
				return nil
			}
			for _, choose := range []vfs.Choose{vfs.LoseAll, vfs.KeepAll, vfs.Randomly(rng)} {
				after, err := Open(mem.CrashClone(choose), root)
				if err != nil {
					t.Fatalf("before %s: %v", op, err)
				}
				read(t, after, part+"/a.log", content)
				list(t, after, part, "a.log")
			}
			if n++; n-1 == fail {
				injected = true
				return fmt.Errorf("no %s", op)
			}
			return nil
		}))
		tiers, err := Open(broken, root)
		if err != nil {
			t.Fatal(err)
		}
		err = tiers.(*FS).Offload(part + "/a.log")
		if injected == (err == nil) {
			t.Fatalf("operation %d failed: %t, and Offload said %v", fail, injected, err)
		}
		read(t, tiers, part+"/a.log", content)
		steps = max(steps, n)
		if fail >= 0 && !injected {
			break
		}
		after, err := Open(mem.CrashClone(vfs.LoseAll), root)
		if err != nil {
			t.Fatal(err)
		}
		read(t, after, part+"/a.log", content)
	}
	if steps < 8 {
		t.Errorf("only %d operations were tried", steps)
	}
}
