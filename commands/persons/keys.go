package persons

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"slices"
	"sync"
	"sync/atomic"

	"lodge/log"
	"lodge/log/vfs"
)

// KeyID is the number of a key, from 1.
type KeyID uint64

// The sizes.
const (
	KeyBytes = 32

	blockKeys   = 4096      // made and synced at once
	lowKeys     = blockKeys // with fewer left the next block is made
	fileKeysMax = 1 << 20   // of one file: 32 MiB
	filesMax    = 4096      // 4 billion keys
	spareMax    = 4096      // released keys that are remembered; others are lost, which costs 32 bytes each
	secretBytes = 32
)

// Keys is an open store of keys. Safe for concurrent use.
type Keys struct {
	fs     vfs.FS
	dir    string
	secret [secretBytes]byte

	next  atomic.Uint64           // the next key that was never given
	stock atomic.Pointer[stock]   // what may be given
	files atomic.Pointer[[]*file] // by first key; where two have a key, the later file has it
	spare spare                   // given and taken back
	low   chan struct{}           // the stock runs low; capacity 1
	made  sync.Mutex              // held while keys are made
	erase sync.Mutex              // held while keys are erased
}

// stock are the keys [from, to): durable, and those from Keys.next on were never given.
type stock struct {
	from, to KeyID
	blocks   []*block // of blockKeys each
}

type block [blockKeys * KeyBytes]byte

func (s *stock) key(id KeyID) *[KeyBytes]byte {
	i := id - s.from
	return (*[KeyBytes]byte)(s.blocks[i/blockKeys][i%blockKeys*KeyBytes:])
}

// Open opens the store in a folder, which is made when there is none, with an identity of its own. It makes no key before one is needed. Errors: log.Corrupt when files are damaged or
// missing, with what to do.
func Open(fs vfs.FS, dir string) (*Keys, error) {
	k := &Keys{fs: fs, dir: dir, low: make(chan struct{}, 1)}
	if err := k.makeFolder(); err != nil {
		return nil, fmt.Errorf("open the keys of persons: %w", err)
	}
	files, err := k.openFiles()
	had := KeyID(1)
	if err == nil {
		had, err = k.readEnd()
	}
	if err == nil {
		err = k.checkGaps(files, had)
	}
	if err == nil {
		err = k.openIdentity(len(files) > 0)
	}
	end := endOf(files)
	if err == nil && had != end {
		err = k.recordEnd(files)
	}
	if err != nil {
		return nil, errors.Join(err, closeAll(files))
	}
	k.files.Store(&files)
	k.stock.Store(&stock{from: end, to: end})
	k.next.Store(uint64(end))
	return k, nil
}

func (k *Keys) makeFolder() error {
	if err := vfs.MkdirAllSynced(k.fs, k.dir); err != nil {
		return err
	}
	return k.fs.SyncDir(path.Dir(k.dir)) // it may be there from an attempt that failed here
}

// Run makes keys ahead of those who need them until ctx ends. It is optional and called once at a time.
func (k *Keys) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.low:
			_ = k.makeKeys(k.stock.Load().to) // whoever needs one tries again, and gets the error
		}
	}
}

// Close closes the files. Nothing is in progress, and nothing is called afterwards.
func (k *Keys) Close() error { return closeAll(*k.files.Load()) }

func closeAll(files []*file) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// End returns the number behind the last key that is there.
func (k *Keys) End() KeyID { return k.stock.Load().to }

// take gives a key that was never used.
func (k *Keys) take() (KeyID, *[KeyBytes]byte, error) {
	if id, ok := k.spare.pop(); ok {
		key, err := k.read(id)
		if err == nil && key != zeros {
			return id, &key, nil
		}
	}
	for {
		s, id := k.stock.Load(), KeyID(k.next.Load())
		if id >= s.to {
			if err := k.makeKeys(s.to); err != nil {
				return 0, nil, err
			}
			continue
		}
		if id < s.from || !k.next.CompareAndSwap(uint64(id), uint64(id+1)) {
			continue // somebody was faster
		}
		if s.to-id <= lowKeys {
			select {
			case k.low <- struct{}{}:
			default:
			}
		}
		return id, s.key(id), nil
	}
}

// Release takes back a key that was given by Seal, when nobody has seen what it sealed and nobody will.
func (k *Keys) Release(id KeyID) { k.spare.push(id) }

// makeKeys makes one more block, unless the stock ends behind end already.
func (k *Keys) makeKeys(end KeyID) error {
	k.made.Lock()
	defer k.made.Unlock()
	s := k.stock.Load()
	if s.to > end {
		return nil
	}
	b := new(block)
	_, _ = rand.Read(b[:]) // it never fails
	if err := k.write(s.to, b); err != nil {
		return log.NewError(log.Unavailable, "make keys of persons", "%w", err)
	}
	from, kept := s.from, s.blocks
	for len(kept) > 0 && from+blockKeys <= KeyID(k.next.Load()) {
		from, kept = from+blockKeys, kept[1:]
	}
	k.stock.Store(&stock{from: from, to: s.to + blockKeys, blocks: append(slices.Clone(kept), b)})
	return nil
}

// write makes a block durable, behind the last file or in a new one.
func (k *Keys) write(first KeyID, b *block) error {
	files := *k.files.Load()
	if n := len(files); n > 0 {
		if f := files[n-1]; !f.broken && f.end() == first && f.keys()+blockKeys <= fileKeysMax {
			return f.append(b)
		}
	}
	if len(files) >= filesMax {
		return log.NewError(log.LimitReached, "make keys of persons", "there are %d files, the most", filesMax)
	}
	f, err := createFile(k.fs, k.dir, first, b)
	if err != nil {
		return err
	}
	files = append(slices.Clone(files), f)
	k.files.Store(&files)
	return nil
}

// read returns a key: zero when it is erased.
func (k *Keys) read(id KeyID) (key [KeyBytes]byte, err error) {
	f, err := k.file(id)
	if err != nil {
		return key, err
	}
	if _, err := f.ReadAt(key[:], f.at(id)); errors.Is(err, io.EOF) {
		return key, log.NewError(log.Corrupt, "find a key of a person", "%s ends within key %d: %s", f.name, id, remedy)
	} else if err != nil {
		return key, fmt.Errorf("read key %d: %w", id, err)
	}
	return key, nil
}

// file returns the file that has a key: the last one that begins at it or before, since of what an earlier one has from there on no key was given.
func (k *Keys) file(id KeyID) (*file, error) {
	files := *k.files.Load()
	for i := len(files) - 1; i >= 0; i-- {
		if f := files[i]; f.first <= id {
			if id < f.end() {
				return f, nil
			}
			break
		}
	}
	return nil, log.NewError(log.Corrupt, "find a key of a person",
		"there is no key %d in %s, whose keys end at %d: the folder is not the one that the log was written with, or older; %s", id, k.dir, k.End(), remedy)
}

// Erase makes keys unreadable for ever: they are overwritten, and durably so when it returns nil. Erasing what is erased does no harm. After an error (log.Unavailable) the keys
// may or may not be erased: call it again.
func (k *Keys) Erase(ids ...KeyID) error {
	k.erase.Lock()
	defer k.erase.Unlock()
	var touched []*file
	for _, id := range ids {
		f, err := k.file(id)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(zeros[:], f.at(id)); err != nil { // also what reads as zero: after a failed sync the disk may have it still
			return log.NewError(log.Unavailable, "erase a key of a person", "key %d: %w", id, err)
		}
		if !slices.Contains(touched, f) {
			touched = append(touched, f)
		}
		if s := k.stock.Load(); s.from <= id && id < s.to {
			*s.key(id) = zeros
		}
	}
	for _, f := range touched {
		if err := f.SyncData(); err != nil {
			return log.NewError(log.Unavailable, "erase a key of a person", "%s: %w", f.name, err)
		}
	}
	return nil
}

// Has reports whether there is a key of that number, erased or not.
func (k *Keys) Has(id KeyID) bool {
	_, err := k.file(id)
	return err == nil
}

// Erased reports whether a key is erased.
func (k *Keys) Erased(id KeyID) (bool, error) {
	key, err := k.read(id)
	return err == nil && key == zeros, err
}

const (
	identityFile  = "identity"
	identityMagic = "LODGEKID"
)

// What to do.
const (
	remedy  = "put back the latest copy; `lodge guests give-up-keys` says what is lost without one"
	another = "put back another copy; if there is none, take the file away, and `lodge guests give-up-keys` says what is lost"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openIdentity reads the store's identity, or makes one for a store without keys.
func (k *Keys) openIdentity(keys bool) error {
	there, err := k.readIdentity()
	if err == nil && !there {
		if keys {
			return k.noIdentity()
		}
		err = k.makeIdentity()
	}
	if err != nil {
		return fmt.Errorf("open the keys of persons: %w", err)
	}
	return nil
}

func (k *Keys) noIdentity() error {
	return log.NewError(log.Corrupt, "open the keys of persons", "%s is missing and there are keys beside it: %s", path.Join(k.dir, identityFile), remedy)
}

// readIdentity reads the identity, if there is one.
func (k *Keys) readIdentity() (there bool, err error) {
	b, err := k.ReadSmall(identityFile, identityMagic, secretBytes)
	if errors.Is(err, ErrDamaged) {
		err = log.NewError(log.Corrupt, "open "+path.Join(k.dir, identityFile), "it is damaged: "+another)
	}
	copy(k.secret[:], b)
	return b != nil, err
}

// makeIdentity makes a new one.
func (k *Keys) makeIdentity() error {
	_, _ = rand.Read(k.secret[:]) // it never fails
	return k.WriteSmall(identityFile, identityMagic, k.secret[:])
}

// spare are keys that were given and taken back.
type spare struct {
	count atomic.Int32
	mu    sync.Mutex
	ids   []KeyID
}

func (s *spare) push(id KeyID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ids) < spareMax {
		s.ids = append(s.ids, id)
		s.count.Store(int32(len(s.ids)))
	}
}

func (s *spare) pop() (id KeyID, ok bool) {
	if s.count.Load() == 0 {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.ids)
	if n == 0 {
		return 0, false
	}
	id = s.ids[n-1]
	s.ids = s.ids[:n-1]
	s.count.Store(int32(n - 1))
	return id, true
}

// Dir returns the folder, for files beside the keys.
func (k *Keys) Dir() string { return k.dir }
