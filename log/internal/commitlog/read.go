package commitlog

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// readMin is the least that is read from a file at once, in bytes: two distances of the index.
const readMin = 2 * indexInterval

// Read returns whole batches, back to back, their CRCs checked: the one that holds offset from and those that follow, as long as
// they lie below the offset below and fit in maxBytes and one segment. The first is returned whatever its size. There are
// none when there are no records up to below or the log's end: batches that compaction emptied do not count, unless they follow one
// with records. The batches lie in dst's memory if its capacity does, else in new
// memory; dst's length and content do not matter. To use memory again pass the same dst, not what Read returned.
//
// Read takes no lock that is held across the writer's I/O. Errors: OffsetOutOfRange when from is below StartOffset or
// above NextOffset; Corrupt, naming the file, when the bytes are not what was written.
func (l *Log) Read(dst []byte, from, below log.Offset, maxBytes int) ([]byte, error) {
	below = min(below, l.NextOffset())
	for {
		s, end, err := l.locate(from)
		if err != nil || from >= below {
			return dst[:0], err
		}
		r := reading{from: from, below: below, bytesMax: maxBytes, skips: true}
		var batches []byte
		if r.pos, r.next, err = l.placeIn(s, from); err == nil {
			batches, err = l.readPlace(s, dst, &r, s.size.Load())
		}
		switch {
		case err != nil && !l.lists(s): // retention or compaction took the segment away under our hands
		case err != nil || len(batches) > 0:
			return batches, err
		case end >= below:
			return dst[:0], nil
		default:
			from = end
		}
	}
}

// segmentOf returns the segment that holds offset, or will hold it when it is the next one.
func (l *Log) segmentOf(offset log.Offset) (*segment, error) {
	s, _, err := l.locate(offset)
	return s, err
}

// locate is segmentOf that also returns the offset behind the segment; of the last one, math.MaxInt64.
func (l *Log) locate(offset log.Offset) (s *segment, end log.Offset, err error) {
	next := l.NextOffset() // before the list: the list then holds all below next
	list := *l.segments.Load()
	if start := max(list[0].base, log.Offset(l.start.Load())); offset < start || offset > next {
		return nil, 0, log.NewError(log.OffsetOutOfRange, l.op("read"), "offset %d is outside %d to %d", offset, start, next)
	}
	i, found := slices.BinarySearchFunc(list, offset, func(s *segment, o log.Offset) int { return cmp.Compare(s.base, o) })
	if !found {
		i--
	}
	end = math.MaxInt64
	if i+1 < len(list) {
		end = list[i+1].base
	}
	return list[i], end, nil
}

func (l *Log) readSegment(s *segment, dst []byte, from, below log.Offset, maxBytes int) ([]byte, error) {
	r := reading{from: from, below: below, bytesMax: maxBytes}
	var err error
	if r.pos, r.next, err = l.placeIn(s, from); err != nil {
		return dst[:0], err
	}
	return l.readPlace(s, dst, &r, s.size.Load())
}

// readPlace reads from a place where a batch begins, up to byte end of s, where one ends.
func (l *Log) readPlace(s *segment, dst []byte, r *reading, end int64) ([]byte, error) {
	file, err := l.files.acquire(s)
	if err != nil {
		return dst[:0], fmt.Errorf("read %s: %w", l.tp, err)
	}
	defer l.files.release(s)
	for need := 0; ; {
		window := int(min(int64(max(r.bytesMax, need, readMin)), end-r.pos))
		if cap(dst) < window {
			dst = make([]byte, window)
		}
		r.read += window
		if err = readFull(file, dst[:window], r.pos); err != nil {
			return dst[:0], l.damaged(s, r.pos, r.next, err)
		}
		var found []byte
		if found, need, err = r.take(dst[:window]); err != nil {
			return dst[:0], l.damaged(s, r.pos, r.next, err)
		}
		if need == 0 {
			return found, nil
		}
		if r.skips && r.pos == end {
			return dst[:0], nil
		}
		if int64(need) > end-r.pos {
			return dst[:0], l.damaged(s, r.pos, r.next, io.ErrUnexpectedEOF)
		}
	}
}

// damaged turns an error found at pos into what a reader gets. Errors of the file system that say nothing of the
// bytes are not corruption.
func (l *Log) damaged(s *segment, pos int64, offset log.Offset, err error) error {
	if log.CodeOf(err) != log.Corrupt && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read %s: %s: %w", l.tp, s.path, err)
	}
	return log.NewError(log.Corrupt, l.op("read"), "%s, byte %d, offset %d: %s; %s", s.path, pos, offset, textOf(err), remedy)
}

// reading walks over batches in windows of a segment.
type reading struct {
	from, below log.Offset
	bytesMax    int
	pos         int64      // of the window
	next        log.Offset // base offset of the batch at pos
	read        int        // bytes read so far
	skips       bool       // leave out batches without records, up to the first with some
}

// take returns the wanted batches of a window that begins at r.pos. When the window is too short for the first of them,
// it moves r to where a longer one must begin and returns how long it must at least be.
func (r *reading) take(window []byte) (found []byte, need int, err error) {
	rest := window
	for len(rest) >= record.HeaderSize {
		h, err := record.ParseHeader(rest)
		if err == nil && h.BaseOffset != r.next {
			err = log.NewError(log.Corrupt, "read", "base offset is %d instead of %d", h.BaseOffset, r.next)
		}
		if err != nil {
			return nil, 0, err
		}
		size := h.Size()
		if h.BaseOffset >= r.below || len(found) > 0 && len(found)+size > r.bytesMax {
			return found, 0, nil
		}
		if size > len(rest) {
			if len(found) > 0 {
				return found, 0, nil
			}
			return nil, size, nil
		}
		if h.LastOffset() >= r.from && (h.Count > 0 || !r.skips || len(found) > 0) {
			if err := record.Verify(rest); err != nil {
				return nil, 0, err
			}
			start := len(window) - len(rest) - len(found)
			found = window[start : start+len(found)+size]
		}
		rest = rest[size:]
		r.next = h.NextOffset()
		if len(found) == 0 {
			r.pos += int64(size)
		}
	}
	if len(found) > 0 {
		return found, 0, nil
	}
	return nil, record.HeaderSize, nil
}

// placeIn returns a place in s at or before offset.
func (l *Log) placeIn(s *segment, offset log.Offset) (pos int64, base log.Offset, err error) {
	s.mu.RLock()
	if s.index != nil {
		pos, base = s.index.find(offset)
		s.mu.RUnlock()
		return pos, base, nil
	}
	s.mu.RUnlock()
	x, err := l.loadIndex(s)
	if err != nil {
		return 0, 0, err
	}
	pos, base = x.find(offset)
	return pos, base, nil
}

// loadIndex reads the index of a full segment from its files, or makes it anew when they are missing or wrong.
func (l *Log) loadIndex(s *segment) (*index, error) {
	s.loading.Lock()
	defer s.loading.Unlock()
	s.mu.RLock()
	x := s.index
	s.mu.RUnlock()
	if x != nil {
		return x, nil
	}
	x, err := l.readIndex(s)
	if err != nil {
		l.logger.Info("index rebuilt", "partition", l.tp.String(), "segment", s.name(), "reason", err)
		if x, err = l.rebuildIndex(s); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.index = x
	s.mu.Unlock()
	return x, nil
}

func (l *Log) readIndex(s *segment) (*index, error) {
	places, err := vfs.ReadFile(l.fs, s.sibling(indexSuffix))
	if err != nil {
		return nil, err
	}
	moments, err := vfs.ReadFile(l.fs, s.sibling(timeSuffix))
	if err != nil {
		return nil, err
	}
	return decodeIndex(places, moments, s.base, s.size.Load())
}

// rebuildIndex reads the file that the segment has open, as the name may be another segment's already: see pinAll.
func (l *Log) rebuildIndex(s *segment) (*index, error) {
	file, err := l.files.acquireBeside(s)
	if err != nil {
		return nil, fmt.Errorf("rebuild index of %s: %w", s.path, err)
	}
	defer l.files.release(s)
	x := newIndex(s.base)
	scan := scanner{file: file, size: s.size.Load(), next: s.base}
	for {
		pos := scan.pos
		h, _, err := scan.step()
		if errors.Is(err, io.EOF) && pos == scan.size {
			break
		}
		if err != nil {
			return nil, l.damaged(s, pos, scan.next, err)
		}
		x.add(h.BaseOffset, h.MaxTimestamp, pos)
	}
	if err := l.writeIndexFiles(s, x); err != nil {
		l.logger.Warn("index not written", "partition", l.tp.String(), "segment", s.name(), "error", err)
	}
	if l.files.dropped(s) { // before or while they were written, so nobody else removes them
		return x, removeIndexes(l.fs, s)
	}
	return x, nil
}

// OffsetForTime returns the offset of the first record below the offset below whose timestamp is at or after t, or below when
// there is none. Beside it the log's start may move: what it returns was not below the start just before, so where retention has
// passed the offset below it is that start.
func (l *Log) OffsetForTime(t time.Time, below log.Offset) (log.Offset, error) {
	below = min(below, l.NextOffset())
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++ // timestamps are whole milliseconds
	}
	for {
		list := l.segments.Load()
		offset, err := l.searchSegments(*list, ms, below)
		if err != nil && l.segments.Load() != list {
			continue // a segment was taken away or replaced under our hands
		}
		if err != nil {
			return 0, err
		}
		return max(offset, l.StartOffset()), nil
	}
}

func (l *Log) searchSegments(list []*segment, ms int64, below log.Offset) (log.Offset, error) {
	for _, s := range list {
		if s.base >= below {
			break
		}
		if s.maxTime() < ms {
			continue
		}
		if offset, err := l.searchSegment(s, ms, below); err != nil || offset < below {
			return offset, err
		}
	}
	return below, nil
}

func (l *Log) searchSegment(s *segment, ms int64, below log.Offset) (log.Offset, error) {
	offset, err := l.beforeTime(s, ms)
	if err != nil {
		return 0, err
	}
	room := make([]byte, scanWindow)
	for offset < below {
		start := l.StartOffset()
		offset = max(offset, start)
		batches, err := l.Read(room, offset, below, scanWindow)
		if log.CodeOf(err) == log.OffsetOutOfRange && l.StartOffset() > start {
			continue // the start moved in between
		}
		if err != nil {
			return 0, err
		}
		if len(batches) == 0 {
			break
		}
		for len(batches) > 0 {
			h, _ := record.ParseHeader(batches) // Read has checked it
			if h.MaxTimestamp >= ms {
				if at, err := l.searchBatch(batches, ms); err != nil || at != log.NoOffset {
					return min(at, below), err
				}
			}
			offset = h.NextOffset()
			batches = batches[h.Size():]
		}
	}
	return below, nil
}

func (l *Log) beforeTime(s *segment, ms int64) (log.Offset, error) {
	if _, _, err := l.placeIn(s, s.base); err != nil { // loads the index
		return 0, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.index == nil { // let go again in between
		return s.base, nil
	}
	return s.index.findTime(ms), nil
}

func (l *Log) searchBatch(batch []byte, ms int64) (log.Offset, error) {
	records, err := record.Decode(nil, batch, l.tp, l.StartOffset())
	if err != nil {
		return 0, err
	}
	for i := range records {
		if records[i].Timestamp.UnixMilli() >= ms {
			return records[i].Offset, nil
		}
	}
	return log.NoOffset, nil
}
