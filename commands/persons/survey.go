package persons

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"lodge/log"
	"lodge/log/vfs"
)

// Survey looks at a folder of keys of which something may be lost, so that it cannot be opened or is not what the log was written with. It is not safe for concurrent
// use; nobody has the folder open as Keys meanwhile.
type Survey struct {
	k        *Keys
	had      KeyID // behind the last key that there was when the folder was last opened
	identity bool  // it is there
	refused  error // see Refused
}

// Look opens what there is of a folder, which may be nothing. It changes nothing. Errors: log.Corrupt when a file is damaged: put back another copy, or take the file away,
// and what it had is missing.
func Look(fsys vfs.FS, dir string) (_ *Survey, err error) {
	s := &Survey{k: &Keys{fs: fsys, dir: dir}}
	files, err := s.k.openFiles()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		s.had, err = s.k.readEnd()
	}
	if err == nil {
		s.refused = s.k.checkGaps(files, s.had)
		s.identity, err = s.k.readIdentity()
	}
	if s.refused == nil && !s.identity && len(files) > 0 {
		s.refused = s.k.noIdentity()
	}
	for _, f := range files {
		if err == nil {
			err = f.leaveOutPart()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look at the keys of persons: %w", errors.Join(err, closeAll(files)))
	}
	s.k.files.Store(&files)
	s.k.stock.Store(&stock{from: 1, to: 1})
	return s, nil
}

// Close closes the files.
func (s *Survey) Close() error { return closeAll(*s.k.files.Load()) }

// Refused returns the error that Open would, if something is missing: keys between others or behind them, or the identity of those that are there. What is missing of the keys that were made since
// the folder was last opened only the log knows.
func (s *Survey) Refused() error { return s.refused }

// Has reports whether a key is there as a whole, erased or not.
func (s *Survey) Has(id KeyID) bool { return s.k.Has(id) }

// OpenWords is Keys.OpenWords, which opens persons, too.
func (s *Survey) OpenWords(id KeyID, sealed []byte) (Words, error) { return s.k.OpenWords(id, sealed) }

// GiveUp puts erased keys where keys are missing before end, or before that of what there was, and makes an identity if there is none: whoever was sealed with them is forgotten, and Open opens the folder. New keys come
// from behind them, so that none is given twice. After an interruption all is done, or the folder has the keys that it had, or Open refuses it: then do it again, with a new Survey.
// Afterwards the survey is of no use but to be closed. Errors: log.Unavailable; log.LimitReached when there would be more files than a folder may have.
func (s *Survey) GiveUp(end KeyID) error {
	missing, err := s.missing(max(end, s.had))
	if err == nil {
		err = s.k.makeFolder()
	}
	if err == nil {
		err = s.removeUnmade()
	}
	for _, m := range slices.Backward(missing) { // while one of them is missing there is a gap below what was made
		if err == nil {
			err = s.k.createErased(m)
		}
	}
	if err == nil && !s.identity {
		err = s.k.makeIdentity()
	}
	if err != nil && log.CodeOf(err) != log.LimitReached {
		err = log.NewError(log.Unavailable, "give up keys of persons", "%w", err)
	}
	return err
}

// stretch are the keys [from, to).
type stretch struct{ from, to KeyID }

// missing returns the keys before end that are not there, in stretches of which each makes a file.
func (s *Survey) missing(end KeyID) (found []stretch, err error) {
	files := *s.k.files.Load()
	next := KeyID(1)
	to := func(to KeyID) {
		for ; next < to && len(files)+len(found) <= filesMax; next = found[len(found)-1].to {
			found = append(found, stretch{next, min(to, next+fileKeysMax)})
		}
	}
	for _, f := range files {
		to(f.first)
		next = f.end()
	}
	to(end)
	if n := len(files) + len(found); n > filesMax && len(found) > 0 {
		return nil, log.NewError(log.LimitReached, "give up keys of persons", "before key %d more than %d files would be needed, the most", end, filesMax)
	}
	return found, nil
}

// removeUnmade removes the file that was being made when the power failed, if there is one: others may come to lie behind it.
func (s *Survey) removeUnmade() error {
	names, err := s.k.fs.List(s.k.dir)
	if err != nil {
		return err
	}
	for _, name := range keyFiles(names) {
		name = path.Join(s.k.dir, name)
		if slices.ContainsFunc(*s.k.files.Load(), func(f *file) bool { return f.name == name }) {
			continue
		}
		if err := errors.Join(s.k.fs.Remove(name), s.k.fs.SyncDir(s.k.dir)); err != nil {
			return err
		}
	}
	return nil
}

// createErased makes a file of erased keys, durable and whole, or leaves none. It is one hole, on most file systems.
func (k *Keys) createErased(keys stretch) error {
	name := fileName(k.dir, keys.from)
	temp := name + vfs.TempSuffix
	f, err := k.fs.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(header(keys.from), 0)
	if err == nil {
		err = f.Truncate(headerBytes + KeyBytes*int64(keys.to-keys.from))
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = k.fs.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, k.fs.Remove(temp))
	}
	return k.fs.SyncDir(k.dir)
}
