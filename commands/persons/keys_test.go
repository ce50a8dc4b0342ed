package persons_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"lodge/commands/persons"
	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

const dir = "keys"

func open(t testing.TB, fs vfs.FS) *persons.Keys {
	t.Helper()
	k, err := persons.Open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// one is a person that was sealed.
type one struct {
	id     persons.KeyID
	sealed []byte
	person persons.Person
	erased bool
}

func seal(t testing.TB, k *persons.Keys, p persons.Person) *one {
	t.Helper()
	id, sealed, err := k.Seal(p)
	if err != nil {
		t.Fatal(err)
	}
	return &one{id: id, sealed: sealed, person: p}
}

// check says whether k knows o as it should.
func (o *one) check(k *persons.Keys) error {
	got, err := k.Open(o.id, o.sealed)
	switch {
	case o.erased && !errors.Is(err, persons.ErrForgotten):
		return fmt.Errorf("key %d is erased, and opens as %+v, error %w", o.id, got, err)
	case !o.erased && (err != nil || got != o.person):
		return fmt.Errorf("key %d opens as %+v, not %+v, error %w", o.id, got, o.person, err)
	}
	return nil
}

func ada(n int) persons.Person {
	return persons.Person{DisplayName: fmt.Sprintf("Ada Lovelace %d", n), Email: fmt.Sprintf("ada%d@example.com", n)}
}

func TestSealedBytesSayNothing(t *testing.T) {
	k := open(t, vfs.NewMem())
	a, b := seal(t, k, ada(1)), seal(t, k, ada(1))
	if bytes.Contains(a.sealed, []byte("Ada ")) || bytes.Equal(a.sealed, b.sealed) || a.id == b.id {
		t.Errorf("%x and %x with keys %d and %d", a.sealed, b.sealed, a.id, b.id)
	}
	if short := seal(t, k, persons.Person{DisplayName: "Bo"}); len(short.sealed) != len(seal(t, k, persons.Person{DisplayName: "Barbara"}).sealed) {
		t.Error("the length tells a short name from a long one")
	}
	if _, err := k.Open(b.id, a.sealed); log.CodeOf(err) != log.Corrupt {
		t.Errorf("another key opens it: error %v", err)
	}
	for i := range a.sealed {
		changed := bytes.Clone(a.sealed)
		changed[i] ^= 1
		if _, err := k.Open(a.id, changed); err == nil {
			t.Errorf("byte %d may be changed", i)
		}
	}
	if _, _, err := k.Seal(persons.Person{DisplayName: strings.Repeat("x", persons.PersonMax+1)}); log.CodeOf(err) != log.InvalidArgument {
		t.Errorf("a person that is too long: error %v", err)
	}
	if _, err := k.Open(k.End(), a.sealed); log.CodeOf(err) != log.Corrupt {
		t.Errorf("a key that there is not: error %v", err)
	}
}

func TestWords(t *testing.T) {
	k := open(t, vfs.NewMem())
	for _, want := range []persons.Words{{"she rang"}, {"", "the Ritz"}, {"overbooked", "the Ritz"}, {strings.Repeat("x", persons.WordsMax)}, {}} {
		id, sealed, err := k.SealWords(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.OpenWords(id, sealed); got != want || err != nil {
			t.Errorf("%.20q opens as %.20q, error %v", want, got, err)
		}
		if err := k.Erase(id); err != nil {
			t.Fatal(err)
		}
		if got, err := k.OpenWords(id, sealed); got != (persons.Words{}) || !errors.Is(err, persons.ErrForgotten) {
			t.Errorf("%.20q is erased, and opens as %.20q, error %v", want, got, err)
		}
	}
	if _, _, err := k.SealWords(persons.Words{strings.Repeat("x", persons.WordsMax), "y"}); log.CodeOf(err) != log.InvalidArgument {
		t.Errorf("words that are too long: error %v", err)
	}
}

func TestBlindFingerprintsNeedTheSecret(t *testing.T) {
	fs := vfs.NewMem()
	k, other := open(t, fs), open(t, vfs.NewMem())
	fp := [16]byte{1, 2, 3}
	blind := k.Blind(fp)
	if blind == fp || blind == other.Blind(fp) || blind == k.Blind([16]byte{}) {
		t.Errorf("%x is blinded as %x", fp, blind)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if again := open(t, fs); again.Blind(fp) != blind {
		t.Error("it is another one after a restart")
	}
}

// TestModel: any sequence of sealing, releasing, erasing, restarts and power losses opens what was sealed, and nothing that was erased; no key seals two persons that anybody has seen.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewMem()
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		k, err := persons.Open(fs, dir)
		if err != nil {
			t.Fatal(err)
		}
		known := map[persons.KeyID]*one{}
		var all []*one
		reopen := func(next *vfs.MemFS) {
			fs = next
			if k, err = persons.Open(fs, dir); err != nil {
				t.Fatal(err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"seal": func(t *rapid.T) {
				for range rapid.IntRange(1, 300).Draw(t, "persons") {
					o := &one{person: ada(len(all))}
					if o.id, o.sealed, err = k.Seal(o.person); err != nil {
						t.Fatal(err)
					}
					if rng.IntN(4) == 0 {
						k.Release(o.id)
						continue
					}
					if known[o.id] != nil {
						t.Fatalf("key %d is given twice", o.id)
					}
					known[o.id], all = o, append(all, o)
				}
			},
			"erase": func(t *rapid.T) {
				if len(all) == 0 {
					return
				}
				o := all[rng.IntN(len(all))]
				if err := k.Erase(o.id); err != nil {
					t.Fatal(err)
				}
				o.erased = true
			},
			"restart": func(t *rapid.T) {
				if err := k.Close(); err != nil {
					t.Fatal(err)
				}
				reopen(fs)
			},
			"power loss": func(*rapid.T) { reopen(fs.CrashClone(vfs.Randomly(rng))) },
			"": func(t *rapid.T) {
				for range min(20, len(all)) {
					if err := all[rng.IntN(len(all))].check(k); err != nil {
						t.Fatal(err)
					}
				}
			},
		})
	})
}

// TestPowerLossAtEveryOperation: whatever was sealed before an operation opens after a power loss at it, whatever was erased does not, and no key is given again.
func TestPowerLossAtEveryOperation(t *testing.T) {
	mem := vfs.NewMem()
	rng := rand.New(rand.NewPCG(4, 2))
	var all []*one
	losses := 0
	check := func() {
		for _, choose := range []vfs.Choose{vfs.LoseAll, vfs.KeepAll, vfs.Randomly(rng), vfs.Randomly(rng)} {
			losses++
			k, err := persons.Open(mem.CrashClone(choose), dir)
			if err != nil {
				t.Fatal(err)
			}
			newest := persons.KeyID(0)
			for _, o := range all {
				if err := o.check(k); err != nil && (o.erased || !errors.Is(err, persons.ErrForgotten)) { // one that is being erased may be
					t.Fatal(err)
				}
				newest = max(newest, o.id)
			}
			if id, _, err := k.Seal(ada(0)); err != nil || id <= newest {
				t.Fatalf("key %d is given behind %d, error %v", id, newest, err)
			}
		}
	}
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Mutates() {
			check()
		}
		return nil
	}))
	for range 2 {
		k := open(t, fs)
		for i := range 5000 { // more than a block
			o := seal(t, k, ada(i))
			if i%250 == 0 {
				all = append(all, o)
			}
			if i%1500 == 1499 {
				forgotten := all[rng.IntN(len(all))]
				if err := k.Erase(forgotten.id); err != nil {
					t.Fatal(err)
				}
				forgotten.erased = true
				check()
			}
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
	}
	check()
	t.Logf("%d power losses", losses)
}

// TestEveryOperationFails: after a failure of the n-th operation, for every n, callers get an error that says to try again, and trying again works.
func TestEveryOperationFails(t *testing.T) {
	for n := 1; ; n++ {
		mem, fault := vfs.NewMem(), &errorfs.Nth{N: n}
		fs := errorfs.Wrap(mem, fault)
		k, err := persons.Open(fs, dir)
		if err != nil {
			k = open(t, fs)
		}
		var all []*one
		for i := range 2 * 4096 {
			o := &one{person: ada(i)}
			if o.id, o.sealed, err = k.Seal(o.person); err != nil {
				if log.CodeOf(err) != log.Unavailable {
					t.Fatalf("operation %d (%v): %v", n, fault.Hit(), err)
				}
				o = seal(t, k, o.person)
			}
			if i%1000 == 0 {
				all = append(all, o)
			}
		}
		if k.Erase(all[0].id) != nil {
			if err := k.Erase(all[0].id); err != nil {
				t.Fatal(err)
			}
		}
		all[0].erased = true
		for _, choose := range []vfs.Choose{vfs.LoseAll, vfs.KeepAll} {
			again := open(t, mem.CrashClone(choose))
			for _, o := range all {
				if err := o.check(again); err != nil {
					t.Fatalf("operation %d (%v): %v", n, fault.Hit(), err)
				}
			}
		}
		if fault.Hit() == nil {
			break
		}
	}
}

func TestWhatIsWrongWithTheFolder(t *testing.T) {
	made := func(t *testing.T) (*vfs.MemFS, string) {
		fs := vfs.NewMem()
		k := open(t, fs)
		seal(t, k, ada(1))
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		return fs, path.Join(dir, "00000000000000000001.keys")
	}
	for name, tc := range map[string]struct {
		spoil func(fs *vfs.MemFS, keys string) error
		want  string
	}{
		"no identity":      {func(fs *vfs.MemFS, _ string) error { return fs.Remove(path.Join(dir, "identity")) }, "is missing"},
		"damaged identity": {func(fs *vfs.MemFS, _ string) error { return flip(fs, path.Join(dir, "identity"), 20) }, "is damaged"},
		"damaged header":   {func(fs *vfs.MemFS, keys string) error { return flip(fs, keys, 22) }, "header is damaged"},
		"another name": {func(fs *vfs.MemFS, keys string) error {
			return fs.Rename(keys, path.Join(dir, "00000000000000000002.keys"))
		}, "begins with key 1"},
		"a stranger": {func(fs *vfs.MemFS, _ string) error {
			return vfs.AtomicWriteFile(fs, path.Join(dir, "my.keys"), []byte("?"))
		}, "not that of a file of keys"},
	} {
		t.Run(name, func(t *testing.T) {
			fs, keys := made(t)
			if err := tc.spoil(fs, keys); err != nil {
				t.Fatal(err)
			}
			if _, err := persons.Open(fs, dir); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func flip(fs vfs.FS, name string, at int64) error {
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	if _, err = f.ReadAt(b, at); err == nil {
		b[0] ^= 0xee
		_, err = f.WriteAt(b, at)
	}
	return errors.Join(err, f.Close())
}

// TestManyAtOnce gives keys to many, with Run making them ahead and without it.
func TestManyAtOnce(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		k := open(t, vfs.NewMem())
		ctx, stop := context.WithCancel(t.Context())
		var running, sealing sync.WaitGroup
		if ahead {
			running.Go(func() { _ = k.Run(ctx) })
		}
		var given sync.Map
		for w := range 8 {
			sealing.Go(func() {
				for i := range 2000 {
					o := seal(t, k, ada(w*2000+i))
					if _, twice := given.LoadOrStore(o.id, o); twice {
						t.Errorf("key %d is given twice", o.id)
					}
					if i%100 != 0 {
						continue
					}
					if err := k.Erase(o.id); err != nil {
						t.Error(err)
					}
					o.erased = true
				}
			})
		}
		sealing.Wait()
		stop()
		running.Wait()
		given.Range(func(_, o any) bool {
			if err := o.(*one).check(k); err != nil {
				t.Error(err)
			}
			return true
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	k, err := persons.Open(vfs.Default, b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = k.Run(ctx) })
	defer running.Wait()
	defer stop()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := k.Seal(ada(1)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	k, err := persons.Open(vfs.Default, b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	o := seal(b, k, ada(1))
	b.ReportAllocs()
	for b.Loop() {
		if err := o.check(k); err != nil {
			b.Fatal(err)
		}
	}
}
