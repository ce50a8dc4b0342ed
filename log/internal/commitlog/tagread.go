package commitlog

import (
	"errors"
	"io/fs"
	"math"

	"lodge/log"
	"lodge/log/internal/record"
)

// Matching is what ReadMatching found.
type Matching struct {
	Batches []byte     // whole, back to back, CRCs checked; the first may begin before the offset asked for. May be empty
	Next    log.Offset // where to go on: what lies before and is not in Batches holds nothing that was asked for
	Read    int        // bytes read from files for this, indexes included

	room []byte // memory for batches
}

// ReadMatching is Read without what the segments' tag indexes say to hold no record that m chooses. What it returns still holds others. It
// returns at the first batches that it finds, in one segment, or when bytesMax bytes were read, also into indexes, or at below; it
// gets ahead by one batch at least, if there is one below below. Batches lie in dst's memory if its capacity does.
//
// An index that is missing is made from the batches on the way, which counts as reading. Same errors as Read.
func (l *Log) ReadMatching(dst []byte, from, below log.Offset, bytesMax int, m *record.Matcher) (Matching, error) {
	below = min(below, l.NextOffset())
	f := Matching{Next: from, room: dst}
	for len(f.Batches) == 0 && (f.Next < below || from >= below) && (f.Next == from || f.Read < bytesMax) {
		s, err := l.segmentOf(f.Next)
		if err != nil || from >= below {
			return f, err
		}
		err = l.readStretches(&f, s, below, bytesMax-f.Read, m)
		if err != nil && !l.lists(s) {
			continue // retention or compaction took the segment away under our hands
		}
		if err != nil {
			return f, err
		}
	}
	if f.Batches == nil {
		f.Batches = f.room[:0]
	}
	return f, nil
}

// readStretches reads the next stretches of s that may hold something, or gets ahead over those that do not.
func (l *Log) readStretches(f *Matching, s *segment, below log.Offset, bytesMax int, m *record.Matcher) error {
	x, read := l.tagsOf(s, m.Header)
	f.Read += read
	r, known, ok := x.find(f.Next, m, bytesMax)
	if known <= f.Next {
		if err := l.catchUp(f, x, s, bytesMax-read); err != nil {
			return err
		}
		r, known, ok = x.find(f.Next, m, bytesMax)
	}
	switch {
	case ok && r.base < below:
		return l.readRow(f, x, s, r, below, bytesMax)
	case ok || known > f.Next:
		if f.Next = min(known, below); ok {
			f.Next = below
		}
		return nil
	}
	return l.readPlain(f, s, below, bytesMax)
}

// complete reports whether the index describes all of a segment.
func (x *tagIndex) complete(s *segment) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.done == s.size.Load()
}

// isLast reports whether s is the active segment.
func (l *Log) isLast(s *segment) bool {
	list := *l.segments.Load()
	return list[len(list)-1] == s
}

// readRow reads stretches. When they are not where the index says, the index goes and they are read without.
func (l *Log) readRow(f *Matching, x *tagIndex, s *segment, row row, below log.Offset, bytesMax int) error {
	r := reading{from: f.Next, below: below, bytesMax: int(min(int64(bytesMax), row.end-row.pos)), pos: row.pos, next: row.base}
	if f.Next > row.base {
		pos, base, err := l.placeIn(s, f.Next)
		if err != nil {
			return err
		}
		if pos > row.pos && pos < row.end {
			r.pos, r.next = pos, base
		}
	}
	batches, err := l.readPlace(s, f.room, &r, row.end)
	f.Read += r.read
	if log.CodeOf(err) == log.Corrupt && l.lists(s) {
		l.forgetTags(s, x, err)
		return l.readPlain(f, s, below, bytesMax)
	}
	f.found(batches)
	if err == nil && len(batches) == 0 {
		return log.NewError(log.Corrupt, l.op("read"), "%s holds no offset %d; %s", s.path, f.Next, remedy)
	}
	return err
}

// forgetTags drops an index that is wrong.
func (l *Log) forgetTags(s *segment, x *tagIndex, reason error) {
	l.logger.Warn("tag index dropped", "partition", l.tp.String(), "segment", s.name(), "reason", reason)
	if s.tags.Load() == x {
		l.opts.Tags.drop(s)
		_ = l.fs.Remove(s.sibling(tagSuffix)) // a missing one is as good, a wrong one will be found out again
	}
}

// readPlain reads without index.
func (l *Log) readPlain(f *Matching, s *segment, below log.Offset, bytesMax int) error {
	batches, err := l.readSegment(s, f.room, f.Next, below, bytesMax)
	f.Read += len(batches)
	f.found(batches)
	return err
}

// found takes batches in.
func (f *Matching) found(batches []byte) {
	f.Batches, f.room = batches, batches
	for len(batches) > 0 {
		h, err := record.ParseHeader(batches)
		if err != nil {
			return // they were verified
		}
		f.Next, batches = h.NextOffset(), batches[h.Size():]
	}
}

// tagsOf returns the tag index of s as it is in memory or in its file, or an empty one, and how many bytes it read.
func (l *Log) tagsOf(s *segment, header string) (x *tagIndex, read int) {
	if x = s.tags.Load(); x != nil && x.header == header {
		l.opts.Tags.touch(x)
		return x, 0
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	if x = s.tags.Load(); x != nil && x.header == header {
		return x, 0
	}
	x, read, err := l.readTags(s, header)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			l.logger.Info("tag index made anew", "partition", l.tp.String(), "segment", s.name(), "reason", err)
		}
		x = newTagIndex(s.base, header)
	}
	l.keepTags(s, x)
	return x, read
}

// keepTags makes x the index of s.
func (l *Log) keepTags(s *segment, x *tagIndex) {
	x.owner, x.cache = s, l.opts.Tags
	x.cache.put(x)
}

const catchUpBytes = 256 << 10 // read at once

// catchUp goes on with an index that ends before its segment does, for at most bytesMax bytes and one batch.
func (l *Log) catchUp(f *Matching, x *tagIndex, s *segment, bytesMax int) error {
	x.catching.Lock()
	defer x.catching.Unlock()
	var marks []uint32
	for bytesMax > 0 {
		x.mu.Lock()
		r := reading{from: x.next, below: math.MaxInt64, bytesMax: min(bytesMax, catchUpBytes), pos: x.done, next: x.next}
		broken := x.broken
		x.mu.Unlock()
		size := s.size.Load()
		if broken || r.pos >= size {
			return nil
		}
		at := r.pos
		batches, err := l.readPlace(s, f.room, &r, size)
		f.Read += r.read
		bytesMax -= max(r.read, 1)
		if log.CodeOf(err) == log.Corrupt {
			x.mu.Lock()
			x.broken = true // who reads what is there will be told
			x.mu.Unlock()
			return nil
		}
		if err != nil {
			return err
		}
		f.room = batches
		marks = x.addBatches(batches, at, marks, nil)
		if x.complete(s) && !l.isLast(s) {
			l.leaveTags(s)
		}
	}
	return nil
}

// leaveTags writes the file of a full segment's index, unless the segment is gone from the log meanwhile.
func (l *Log) leaveTags(s *segment) {
	l.writeTags(s)
	if !l.lists(s) {
		_ = l.fs.Remove(s.sibling(tagSuffix))
	}
}

// addBatches takes in verified batches that begin at byte pos, if the index ends there, as far as their marks are known: those of
// compressed batches from known, or by decompressing them when known is nil. It returns marks, memory to use again.
func (x *tagIndex) addBatches(batches []byte, pos int64, marks []uint32, known func(base log.Offset, header string) ([]uint32, bool)) []uint32 {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(batches) > 0 && x.done == pos {
		h, err := record.ParseHeader(batches)
		if err != nil {
			return marks
		}
		if known != nil && h.Attributes.Compression() != log.Uncompressed {
			given, ok := known(h.BaseOffset, x.header)
			if !ok {
				return marks
			}
			x.add(&h, given, false)
		} else {
			marks, err = record.AppendMarks(marks[:0], batches, x.header)
			x.add(&h, marks, err != nil)
		}
		pos += int64(h.Size())
		batches = batches[h.Size():]
	}
	return marks
}
