package persons_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"lodge/commands/persons"
	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// threeFiles is a folder of three files, since two appends failed, and some of whom its keys have sealed.
func threeFiles(t *testing.T) (mem *vfs.MemFS, all []*one) {
	t.Helper()
	mem = vfs.NewMem()
	failing := false
	k := open(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if failing && op.Kind == errorfs.WriteAt {
			failing = false
			return errorfs.ErrInjected
		}
		return nil
	})))
	for i := range 3 * 4096 {
		if i%4096 == 0 && i > 0 {
			failing = true
			if _, _, err := k.Seal(ada(i)); err == nil {
				t.Fatal("a block was made although the disk failed")
			}
		}
		if o := seal(t, k, ada(i)); i%500 == 0 || i == 3*4096-1 {
			all = append(all, o)
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if names := keyNames(t, mem); len(names) != 3 {
		t.Fatalf("there are %q", names)
	}
	return mem, all
}

func keyNames(t *testing.T, fs vfs.FS) (names []string) {
	t.Helper()
	all, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if strings.HasSuffix(name, ".keys") {
			names = append(names, path.Join(dir, name))
		}
	}
	return names
}

func look(t *testing.T, fs vfs.FS) *persons.Survey {
	t.Helper()
	s, err := persons.Look(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// endOf returns what is behind the last key of those who were sealed.
func endOf(all []*one) (end persons.KeyID) {
	for _, o := range all {
		end = max(end, o.id+1)
	}
	return end
}

// loss is a way of losing something of threeFiles.
type loss struct {
	lose    func(fs *vfs.MemFS, keys []string) error
	refused string // by Open; else only the log knows
	lost    func(id persons.KeyID) bool
}

var losses = map[string]loss{
	"the first file":  {func(fs *vfs.MemFS, keys []string) error { return fs.Remove(keys[0]) }, "keys 1 to 4096 are missing", between(1, 4097)},
	"the middle file": {func(fs *vfs.MemFS, keys []string) error { return fs.Remove(keys[1]) }, "keys 4097 to 8192 are missing", between(4097, 8193)},
	"the last file":   {func(fs *vfs.MemFS, keys []string) error { return fs.Remove(keys[2]) }, "", between(8193, 1<<40)},
	"all but the middle": {func(fs *vfs.MemFS, keys []string) error { return errors.Join(fs.Remove(keys[0]), fs.Remove(keys[2])) }, "keys 1 to 4096 are missing",
		func(id persons.KeyID) bool { return id < 4097 || id > 8192 }},
	"all files":    {func(fs *vfs.MemFS, _ []string) error { return removeKeys(fs) }, "", between(1, 1<<40)},
	"the identity": {func(fs *vfs.MemFS, _ []string) error { return fs.Remove(path.Join(dir, "identity")) }, "identity is missing", between(0, 0)},
	"identity and last": {func(fs *vfs.MemFS, keys []string) error {
		return errors.Join(fs.Remove(path.Join(dir, "identity")), fs.Remove(keys[2]))
	}, "identity is missing", between(8193, 1<<40)},
	"the folder":                            {func(fs *vfs.MemFS, _ []string) error { return fs.RemoveAll(dir) }, "", between(1, 1<<40)},
	"a part of a key":                       {func(fs *vfs.MemFS, keys []string) error { return cut(fs, keys[2], 32+32*308+7) }, "", between(8501, 1<<40)},
	"the last's header":                     {func(fs *vfs.MemFS, keys []string) error { return cut(fs, keys[2], 20) }, "", between(8193, 1<<40)},
	"the middle file and the last's header": {func(fs *vfs.MemFS, keys []string) error { return errors.Join(fs.Remove(keys[1]), cut(fs, keys[2], 20)) }, "", between(4097, 1<<40)},
	"nothing whatsoever":                    {func(*vfs.MemFS, []string) error { return nil }, "", between(0, 0)},
}

func between(from, to persons.KeyID) func(persons.KeyID) bool {
	return func(id persons.KeyID) bool { return from <= id && id < to }
}

func removeKeys(fs *vfs.MemFS) error {
	names, err := fs.List(dir)
	for _, name := range names {
		if strings.HasSuffix(name, ".keys") {
			err = errors.Join(err, fs.Remove(path.Join(dir, name)))
		}
	}
	return err
}

func cut(fs *vfs.MemFS, name string, size int64) error {
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// TestGivingUp: what is lost is told, looking changes nothing, and afterwards those are forgotten whose key is lost, and nobody else, whatever power loss or failure came in between.
func TestGivingUp(t *testing.T) {
	whole, sealed := threeFiles(t)
	for name, loss := range losses {
		t.Run(name, func(t *testing.T) { testGivingUp(t, whole.CrashClone(vfs.KeepAll), sealed, loss) })
	}
	openAndClose(t, whole)
	for name, loss := range losses {
		if !strings.HasPrefix(loss.refused, "keys") && name != "the folder" && loss.lost(endOf(sealed)-1) {
			loss.refused = fmt.Sprintf(" to %d are missing", endOf(sealed)-1)
		}
		t.Run("after a start "+name, func(t *testing.T) { testGivingUp(t, whole.CrashClone(vfs.KeepAll), sealed, loss) })
	}
}

// TestWhatWasThereStaysThere: a process is killed at any operation, another one opens what it has left, and the power fails at any operation of that or later: what the folder recorded of its keys is there.
func TestWhatWasThereStaysThere(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	losses := 0
	for n := 0; ; n++ {
		mem, left := vfs.NewMem(), n
		openAndClose(t, mem)
		all := sealUntilKilled(errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Mutates() {
				left--
			}
			if left < 0 {
				return errorfs.ErrInjected
			}
			return nil
		})))
		check := func() {
			r := vfs.Randomly
			for _, choose := range []vfs.Choose{vfs.LoseAll, vfs.KeepAll, r(rng), r(rng), r(rng), r(rng), r(rng), r(rng), r(rng), r(rng)} {
				losses++
				checkGivenUp(t, open(t, mem.CrashClone(choose)), all)
			}
		}
		openAndClose(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Mutates() {
				check()
			}
			return nil
		})))
		check()
		if left >= 0 {
			break
		}
	}
	t.Logf("%d power losses", losses)
}

// sealUntilKilled returns some of those whom it has sealed before the disk was gone.
func sealUntilKilled(fs vfs.FS) (all []*one) {
	k, err := persons.Open(fs, dir)
	for i := 0; err == nil && i <= 2*4096; i++ {
		o := &one{person: ada(i)}
		if o.id, o.sealed, err = k.Seal(o.person); err == nil && i%500 == 0 {
			all = append(all, o)
		}
	}
	return all
}

func openAndClose(t *testing.T, fs vfs.FS) {
	t.Helper()
	if err := open(t, fs).Close(); err != nil {
		t.Fatal(err)
	}
}

func testGivingUp(t *testing.T, fs *vfs.MemFS, sealed []*one, loss loss) {
	if err := loss.lose(fs, keyNames(t, fs)); err != nil {
		t.Fatal(err)
	}
	var all []*one
	for _, o := range sealed {
		all = append(all, &one{id: o.id, sealed: o.sealed, person: o.person, erased: loss.lost(o.id)})
	}
	s := look(t, errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Mutates() {
			t.Errorf("looking does %v", op)
		}
		return nil
	})))
	if err := s.Refused(); (err != nil) != (loss.refused != "") || err != nil && !strings.Contains(err.Error(), loss.refused) {
		t.Errorf("refused: %v", err)
	}
	_, err := persons.Open(fs.CrashClone(vfs.KeepAll), dir)
	if (err != nil) != (s.Refused() != nil) || err != nil && (err.Error() != s.Refused().Error() || !strings.Contains(err.Error(), "lodge guests give-up-keys")) {
		t.Errorf("opening says %v, the survey %v", err, s.Refused())
	}
	for _, o := range all {
		if s.Has(o.id) == loss.lost(o.id) {
			t.Errorf("key %d is there: %v", o.id, s.Has(o.id))
		}
	}
	powerLosses(t, fs, all)
	everyFailure(t, fs, all)
}

// powerLosses gives up what is lost of a folder, and loses power at every operation.
func powerLosses(t *testing.T, before *vfs.MemFS, all []*one) {
	t.Helper()
	mem := before.CrashClone(vfs.KeepAll)
	rng := rand.New(rand.NewPCG(4, 2))
	had := keyNamesOf(mem)
	crash := func() {
		for _, choose := range []vfs.Choose{vfs.LoseAll, vfs.KeepAll, vfs.Randomly(rng), vfs.Randomly(rng)} {
			after := mem.CrashClone(choose)
			if k, err := persons.Open(after.CrashClone(vfs.KeepAll), dir); err == nil && !slices.Equal(keyNamesOf(after), had) {
				checkGivenUp(t, k, all) // opens, and is not as it was: then all of it is done
			}
			giveUp(t, after, all)
		}
	}
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Mutates() {
			crash()
		}
		return nil
	}))
	if err := look(t, fs).GiveUp(endOf(all)); err != nil {
		t.Fatal(err)
	}
	checkGivenUp(t, open(t, mem.CrashClone(vfs.LoseAll)), all)
}

// keyNamesOf returns the files with keys in a folder, if there is one: those that have a header.
func keyNamesOf(fs *vfs.MemFS) (names []string) {
	all, _ := fs.List(dir)
	for _, name := range all {
		if info, err := fs.Stat(path.Join(dir, name)); err == nil && info.Size > 32 && strings.HasSuffix(name, ".keys") {
			names = append(names, name)
		}
	}
	return names
}

// everyFailure fails the n-th operation, for every n, and gives up again.
func everyFailure(t *testing.T, before *vfs.MemFS, all []*one) {
	t.Helper()
	for n := 0; ; n++ {
		mem, fault := before.CrashClone(vfs.KeepAll), &errorfs.Nth{N: n}
		s, err := persons.Look(errorfs.Wrap(mem, fault), dir)
		if err == nil {
			err = s.GiveUp(endOf(all))
			if err != nil && log.CodeOf(err) != log.Unavailable {
				t.Fatalf("%v: %v", fault.Hit(), err)
			}
			err = errors.Join(err, s.Close())
		}
		if fault.Hit() == nil {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		giveUp(t, mem, all)
	}
}

func giveUp(t *testing.T, fs *vfs.MemFS, all []*one) {
	t.Helper()
	if err := look(t, fs).GiveUp(endOf(all)); err != nil {
		t.Fatal(err)
	}
	if got, want := len(keyNames(t, fs)), len(keyNamesOf(fs)); got != want {
		t.Fatalf("%d of %d files have no header", got-want, got)
	}
	checkGivenUp(t, open(t, fs), all)
}

func checkGivenUp(t *testing.T, k *persons.Keys, all []*one) {
	t.Helper()
	for _, o := range all {
		if err := o.check(k); err != nil {
			t.Fatal(err)
		}
	}
	if o := seal(t, k, ada(0)); o.id < endOf(all) {
		t.Fatalf("key %d is given again", o.id)
	} else if err := o.check(k); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestACopyOfKeysInUse: what a copy has of keys that were never given when it was made is not somebody else's later, although the folder was closed and opened in between.
func TestACopyOfKeysInUse(t *testing.T) {
	fs := vfs.NewMem()
	k := open(t, fs)
	all := []*one{seal(t, k, ada(0))}
	older := fs.CrashClone(vfs.KeepAll)
	for i := range 3 {
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		k = open(t, fs)
		all = append(all, seal(t, k, ada(i)))
	}
	s := look(t, older)
	for i, o := range all {
		if s.Has(o.id) != (i == 0) {
			t.Errorf("key %d is there: %v", o.id, s.Has(o.id))
		}
		o.erased = i > 0
	}
	giveUp(t, older, all)
}

func TestWhatCannotBeLookedAt(t *testing.T) {
	whole, _ := threeFiles(t)
	for name, spoil := range map[string]func(fs *vfs.MemFS, keys []string) error{
		"damaged identity": func(fs *vfs.MemFS, _ []string) error { return flip(fs, path.Join(dir, "identity"), 20) },
		"damaged end": func(fs *vfs.MemFS, _ []string) error {
			openAndClose(t, fs)
			return flip(fs, path.Join(dir, "end"), 12)
		},
		"damaged header":     func(fs *vfs.MemFS, keys []string) error { return flip(fs, keys[1], 22) },
		"no header between":  func(fs *vfs.MemFS, keys []string) error { return cut(fs, keys[1], 10) },
		"under another name": func(fs *vfs.MemFS, keys []string) error { return fs.Rename(keys[1], keys[0]) },
		"a short name":       func(fs *vfs.MemFS, keys []string) error { return fs.Rename(keys[1], path.Join(dir, "4097.keys")) },
	} {
		t.Run(name, func(t *testing.T) {
			fs := whole.CrashClone(vfs.KeepAll)
			if err := spoil(fs, keyNames(t, fs)); err != nil {
				t.Fatal(err)
			}
			_, err := persons.Look(fs, dir)
			if log.CodeOf(err) != log.Corrupt {
				t.Errorf("error %v", err)
			}
			if _, opened := persons.Open(fs, dir); log.CodeOf(opened) != log.Corrupt || !strings.Contains(err.Error(), strings.TrimPrefix(opened.Error(), "open the keys of persons: ")) {
				t.Errorf("opening says %v, the survey %v", opened, err)
			}
		})
	}
	fs := whole.CrashClone(vfs.KeepAll)
	before := keyNames(t, fs)
	if err := look(t, fs).GiveUp(1 << 40); log.CodeOf(err) != log.LimitReached || !slices.Equal(keyNames(t, fs), before) {
		t.Errorf("too many: error %v, files %q", err, keyNames(t, fs))
	}
}
