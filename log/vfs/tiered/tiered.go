// Package tiered is a file system of two tiers, hot and cold: files that never change again can be moved from the log's folder to a folder elsewhere
// (a larger, slower disk, a network mount) and are read from there as if they had not moved.
//
//	fsys, err := tiered.Open(vfs.Default, "data/log")            // as it is: tiered if a cold folder was attached
//	fsys, err := tiered.Attach(vfs.Default, "data/log", "/mnt/archive/lodge")
//	err = fsys.Offload("data/log/topics/bookings/0/00000000000000000000.log")
//
// # How it works
//
// A file below root is found hot first, then cold. Everything is made hot; Offload alone moves. It copies to a temporary name, syncs, compares what
// it reads back, renames, syncs the folder, and only then removes the hot file: whatever the moment of a crash, there is a whole file, and where there are
// two the hot one counts. Removing a name removes both, the cold one first.
//
// A folder is there when it is hot. Cold files of a folder that is made anew are of a past one and are removed.
//
// Which cold folder belongs to root is written in the file root/cold, with an id that the cold folder repeats: Open refuses a cold folder that is missing or
// another log's.
//
// What it does not do: decide what to move and when (commitlog does), fetch back, or speak to object stores. A store that can read a range of an object and
// replace an object as a whole fits behind the same methods; see log/DESIGN.md.
package tiered

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"lodge/log"
	"lodge/log/vfs"
)

// FS is a file system of two tiers. Safe for concurrent use, except that one file is offloaded, renamed or removed by one caller at a time.
type FS struct {
	vfs.FS        // hot, and everything that is not below root
	root   string // slash-separated, clean
	cold   string // the folder that stands for root

	mu    sync.Mutex
	dirty map[string]bool // cold folders whose names are not synced
}

// Files that say what belongs together.
const (
	linkName = "cold"       // in root
	markName = "LODGE-COLD" // in the cold folder
)

// link is what both files say.
type link struct {
	ID     string `json:"id"`
	Folder string `json:"folder,omitempty"` // in root's file: the cold folder
}

// Open returns fsys itself unless a cold folder is attached to root. Errors: InvalidArgument when that is missing or belongs to another log; Corrupt.
func Open(fsys vfs.FS, root string) (vfs.FS, error) {
	root = path.Clean(root)
	l, err := readLink(fsys, path.Join(root, linkName))
	if errors.Is(err, fs.ErrNotExist) {
		return fsys, nil
	}
	if err != nil {
		return nil, err
	}
	t, err := open(fsys, root, l)
	if err != nil {
		return nil, err // not t: a nil *FS is no nil vfs.FS
	}
	return t, nil
}

func open(fsys vfs.FS, root string, l link) (*FS, error) {
	mark, err := readLink(fsys, path.Join(l.Folder, markName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, log.NewError(log.InvalidArgument, "open cold folder", "%s is not there, or is not the folder that records were moved to: "+
			"mount it, or attach the folder that it is now", l.Folder)
	}
	if err != nil {
		return nil, err
	}
	if mark.ID != l.ID {
		return nil, log.NewError(log.InvalidArgument, "open cold folder", "%s belongs to another log", l.Folder)
	}
	return &FS{FS: fsys, root: root, cold: path.Clean(l.Folder), dirty: map[string]bool{}}, nil
}

// Attach makes folder the cold folder of root, and itself if need be. When root has one already it must be the same, or have been moved to folder.
// Errors: InvalidArgument when folder belongs to another log or holds something else.
func Attach(fsys vfs.FS, root, folder string) (*FS, error) {
	root, folder = path.Clean(root), path.Clean(folder)
	if root == folder || strings.HasPrefix(folder, root+"/") || strings.HasPrefix(root, folder+"/") {
		return nil, log.NewError(log.InvalidArgument, "attach cold folder", "%s and %s lie in each other", folder, root)
	}
	name := path.Join(root, linkName)
	l, err := readLink(fsys, name)
	switch {
	case err == nil && l.Folder == folder:
		return open(fsys, root, l)
	case errors.Is(err, fs.ErrNotExist):
		l.ID = uuid.NewString()
		if err := mark(fsys, folder, l); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	}
	l.Folder = folder
	t, err := open(fsys, root, l)
	if err != nil {
		return nil, err
	}
	return t, writeLink(fsys, name, l)
}

// mark makes folder, which must be empty, a cold one.
func mark(fsys vfs.FS, folder string, l link) error {
	if err := vfs.MkdirAllSynced(fsys, folder); err != nil {
		return fmt.Errorf("make cold folder: %w", err)
	}
	names, err := fsys.List(folder)
	if err != nil {
		return fmt.Errorf("look into cold folder: %w", err)
	}
	if len(names) > 0 {
		return log.NewError(log.InvalidArgument, "attach cold folder", "%s is not empty", folder)
	}
	return writeLink(fsys, path.Join(folder, markName), link{ID: l.ID})
}

func writeLink(fsys vfs.FS, name string, l link) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return vfs.AtomicWriteFile(fsys, name, append(b, '\n'))
}

func readLink(fsys vfs.FS, name string) (l link, err error) {
	b, err := vfs.ReadFile(fsys, name)
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(b, &l); err != nil || l.ID == "" {
		return l, log.NewError(log.Corrupt, "read "+name, "it does not say which cold folder belongs to which log")
	}
	return l, nil
}

// coldName returns where root or a name below it is when it is cold.
func (t *FS) coldName(name string) (string, bool) {
	rest, ok := strings.CutPrefix(path.Clean(name), t.root)
	return t.cold + rest, ok && (rest == "" || rest[0] == '/')
}

// Open opens the named file for reading, wherever it is.
func (t *FS) Open(name string) (vfs.File, error) { return t.open(name, t.FS.Open) }

// OpenReadWrite opens the named file for reading and writing, wherever it is.
func (t *FS) OpenReadWrite(name string) (vfs.File, error) { return t.open(name, t.FS.OpenReadWrite) }

func (t *FS) open(name string, open func(string) (vfs.File, error)) (vfs.File, error) {
	file, err := open(name)
	if cold, ok := t.coldName(name); ok && errors.Is(err, fs.ErrNotExist) {
		if file, err := open(cold); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
	}
	return file, err
}

// Stat describes a file, wherever it is, or a folder.
func (t *FS) Stat(name string) (vfs.FileInfo, error) {
	info, err := t.FS.Stat(name)
	if cold, ok := t.coldName(name); ok && errors.Is(err, fs.ErrNotExist) {
		there, coldErr := t.FS.Stat(cold)
		if coldErr == nil && !there.Dir {
			return there, nil
		}
		if coldErr != nil && !errors.Is(coldErr, fs.ErrNotExist) {
			return there, coldErr
		}
	}
	return info, err
}

// List returns the base names in a folder, of both tiers, sorted.
func (t *FS) List(dir string) ([]string, error) {
	names, err := t.FS.List(dir)
	cold, ok := t.coldName(dir)
	if err != nil || !ok {
		return names, err
	}
	more, err := t.FS.List(cold)
	if errors.Is(err, fs.ErrNotExist) {
		return names, nil
	}
	if err != nil {
		return nil, err
	}
	for _, name := range more {
		if strings.HasSuffix(name, vfs.TempSuffix) || slices.Contains(names, name) || cold == t.cold && name == markName {
			continue
		}
		info, err := t.FS.Stat(path.Join(cold, name))
		if err != nil {
			return nil, err
		}
		if !info.Dir {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Remove removes the named file, wherever it is, or the empty folder.
func (t *FS) Remove(name string) error {
	cold, ok := t.coldName(name)
	if !ok {
		return t.FS.Remove(name)
	}
	info, err := t.FS.Stat(cold)
	if errors.Is(err, fs.ErrNotExist) {
		return t.FS.Remove(name)
	}
	if err != nil {
		return err
	}
	if info.Dir { // what is in it has no hot folder any more
		if err := t.FS.Remove(name); err != nil {
			return err
		}
		return t.removeCold(cold)
	}
	if err := t.FS.Remove(cold); err != nil {
		return err
	}
	t.changed(path.Dir(cold))
	if err := t.FS.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// RemoveAll removes a folder and all that is in it, of both tiers.
func (t *FS) RemoveAll(name string) error {
	if err := t.FS.RemoveAll(name); err != nil {
		return err
	}
	if cold, ok := t.coldName(name); ok && cold != t.cold {
		return t.removeCold(cold)
	}
	return nil
}

func (t *FS) removeCold(cold string) error {
	if there, err := vfs.Exists(t.FS, cold); !there || err != nil {
		return err
	}
	t.changed(path.Dir(cold))
	return t.FS.RemoveAll(cold)
}

// Rename gives a hot file or a folder another name. What is cold of a folder goes with it; what was cold under the new name is removed.
func (t *FS) Rename(oldname, newname string) error {
	info, err := t.FS.Stat(oldname)
	if err != nil {
		return err
	}
	if err := t.FS.Rename(oldname, newname); err != nil || !info.Dir {
		return err
	}
	from, ok := t.coldName(oldname)
	to, below := t.coldName(newname)
	if !ok || !below {
		return nil
	}
	if err := t.removeCold(to); err != nil {
		return err
	}
	if there, err := vfs.Exists(t.FS, from); !there || err != nil {
		return err
	}
	t.changed(path.Dir(from))
	return t.FS.Rename(from, to)
}

// MkdirAll makes a folder and its parents. A cold one under the name of a folder that was not there is a past one's, and is removed.
func (t *FS) MkdirAll(dir string) error {
	there, err := vfs.Exists(t.FS, dir)
	if there || err != nil {
		return err
	}
	if cold, ok := t.coldName(dir); ok && cold != t.cold {
		if err := t.removeCold(cold); err != nil {
			return err
		}
	}
	return t.FS.MkdirAll(dir)
}

// SyncDir makes the names in dir durable, of both tiers.
func (t *FS) SyncDir(dir string) error {
	if cold, ok := t.coldName(dir); ok && t.settle(cold) {
		if err := t.FS.SyncDir(cold); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.changed(cold)
			return err
		}
	}
	return t.FS.SyncDir(dir)
}

func (t *FS) changed(cold string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dirty[cold] = true
}

// settle reports whether the names of a cold folder are to be synced, and forgets it.
func (t *FS) settle(cold string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.dirty[cold]
	delete(t.dirty, cold)
	return was
}

// Offloaded reports whether a file is cold.
func (t *FS) Offloaded(name string) (bool, error) {
	cold, ok := t.coldName(name)
	if !ok {
		return false, nil
	}
	if hot, err := vfs.Exists(t.FS, name); hot || err != nil {
		return false, err
	}
	return vfs.Exists(t.FS, cold)
}

// Offload moves a file that is durable and never changes again to the cold tier, durably. Who has it open goes on reading what was hot. After an
// error it is readable as before, wherever it is.
func (t *FS) Offload(name string) error {
	cold, ok := t.coldName(name)
	if !ok {
		return log.NewError(log.InvalidArgument, "offload", "%s is not in %s", name, t.root)
	}
	if err := vfs.MkdirAllSynced(t.FS, path.Dir(cold)); err != nil {
		return fmt.Errorf("offload %s: %w", name, err)
	}
	temp := cold + vfs.TempSuffix
	if err := t.copyTo(temp, name); err != nil {
		return errors.Join(fmt.Errorf("offload %s: %w", name, err), ignoreMissing(t.FS.Remove(temp)))
	}
	if err := t.FS.Rename(temp, cold); err != nil {
		return fmt.Errorf("offload %s: %w", name, err)
	}
	if err := t.FS.SyncDir(path.Dir(cold)); err != nil {
		return fmt.Errorf("offload %s: %w", name, err)
	}
	if err := t.FS.Remove(name); err != nil {
		return fmt.Errorf("offload %s: %w", name, err)
	}
	return t.FS.SyncDir(path.Dir(name))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// copyTo copies a file durably and reads the copy again.
func (t *FS) copyTo(target, name string) error {
	from, err := t.FS.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := t.FS.Create(target)
	if err != nil {
		return err
	}
	written, size, err := copySum(to, from)
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	back, err := t.FS.Open(target)
	if err != nil {
		return err
	}
	defer back.Close()
	read, length, err := copySum(nil, back)
	if err == nil && (read != written || length != size) {
		err = fmt.Errorf("%s is not what was written", target)
	}
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// copyBytes is how much is copied at once.
const copyBytes = 1 << 20

// copySum copies a file, to nowhere when to is nil, and returns the CRC-32C and length of what it read.
func copySum(to io.WriterAt, from vfs.File) (sum uint32, n int64, err error) {
	room := make([]byte, copyBytes)
	for {
		k, err := from.ReadAt(room, n)
		if k > 0 {
			sum = crc32.Update(sum, castagnoli, room[:k])
			if to != nil {
				if _, err := to.WriteAt(room[:k], n); err != nil {
					return sum, n, err
				}
			}
			n += int64(k)
		}
		if errors.Is(err, io.EOF) {
			return sum, n, nil
		}
		if err != nil {
			return sum, n, err
		}
	}
}
