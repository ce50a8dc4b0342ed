package commitlog

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"lodge/log"
	"lodge/log/internal/record"
)

// pass is one pass of Clean over the log.
type pass struct {
	*Log
	o    *CleanOptions
	done *Cleaned

	list    []*segment // full ones, ascending, all that the pass rewrites
	end     log.Offset // behind them
	start   log.Offset // the log's: what lies below is deleted
	to      log.Offset // records from here on are not looked at yet: they stay
	keys    *keyMap    // of [clean, to)
	horizon int64      // for tombstones that have none
	latest  int64      // horizon of all tombstones that stay
	batches int        // seen so far
}

// run compacts up to end or to where the map is full.
func (p *pass) run(end log.Offset) error {
	if err := p.begin(end); err != nil {
		return err
	}
	if err := p.readKeys(); err != nil {
		return err
	}
	for i := 0; i < len(p.list); {
		n, err := p.group(i)
		if err != nil {
			return err
		}
		i += n
	}
	return p.finish()
}

func (p *pass) begin(end log.Offset) error {
	p.start, p.to, p.end = p.StartOffset(), end, end
	p.keys = newKeyMap(p.o.MapBytes)
	p.horizon = p.o.Now.Add(p.Config().TombstoneAge).UnixMilli()
	list := *p.segments.Load()
	n := slices.IndexFunc(list, func(s *segment) bool { return s.base == end })
	if n < 1 {
		return errChanged
	}
	p.list = list[:n]
	return nil
}

// endOf returns the offset behind the i-th segment of the pass.
func (p *pass) endOf(i int) log.Offset {
	if i+1 < len(p.list) {
		return p.list[i+1].base
	}
	return p.end
}

// finish notes how far the log is compacted.
func (p *pass) finish() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		return p.failed
	}
	old := p.saved
	p.saved.clean, p.saved.horizon = p.to, p.latest
	if err := p.save(); err != nil {
		p.saved = old
		return err
	}
	return nil
}

// readKeys fills the map, and cuts the pass where it is full.
func (p *pass) readKeys() error {
	from := max(p.clean(), p.start)
	for i, s := range p.list {
		if p.endOf(i) <= from {
			continue
		}
		full, err := p.keysOf(s, i, from)
		if err != nil {
			return err
		}
		if full {
			p.list, p.end = p.list[:i+1], p.endOf(i)
			return nil
		}
	}
	return nil
}

// keysOf takes in the records of one segment from offset from on. full says that no more fit than those below p.to.
func (p *pass) keysOf(s *segment, i int, from log.Offset) (full bool, err error) {
	err = p.walk(s, p.endOf(i), func(h *record.Header, b []byte) error {
		if h.LastOffset() < from || full {
			return nil
		}
		if p.keys.used > 0 && !p.keys.fits(int(h.Count)) {
			full, p.to = true, h.BaseOffset
			return io.EOF
		}
		return record.Scan(b, func(e record.Entry) {
			if e.Key != nil && e.Offset >= from {
				p.keys.put(e.Key, e.Offset)
			}
		})
	})
	return full, err
}

// walk calls visit for each batch of a full segment, which must be sound and go on to end. io.EOF of visit ends it.
func (p *pass) walk(s *segment, end log.Offset, visit func(*record.Header, []byte) error) error {
	file, err := p.files.acquire(s)
	if err != nil {
		if !p.lists(s) {
			return errChanged
		}
		return err
	}
	defer p.files.release(s)
	scan := scanner{file: file, size: s.size.Load(), next: s.base}
	for {
		if err := p.stop(); err != nil {
			return err
		}
		pos := scan.pos
		h, b, err := scan.step()
		if errors.Is(err, io.EOF) && pos == scan.size && scan.next == end {
			return nil
		}
		if errors.Is(err, io.EOF) {
			err = log.NewError(log.Corrupt, "scan", "the batches end at offset %d instead of %d", scan.next, end)
		}
		if err != nil {
			return p.damaged(s, pos, scan.next, err)
		}
		err = visit(&h, b)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if log.CodeOf(err) == log.Corrupt {
			return p.damaged(s, pos, h.BaseOffset, err)
		}
		if err != nil {
			return err
		}
	}
}

func (p *pass) stop() error {
	p.batches++
	if p.o.Stop == nil || p.batches%cleanStopEvery != 1 {
		return nil
	}
	return p.o.Stop()
}

// group rewrites the i-th segment and as many that follow as fit with it into one, swaps that in, and returns how many they were.
func (p *pass) group(i int) (n int, err error) {
	w, err := p.newRewriter(p.list[i].base)
	if err != nil {
		return 0, err
	}
	defer w.abandon()
	before := int64(0)
	for n = 0; i+n < len(p.list); n++ {
		s := p.list[i+n]
		if n > 0 && !p.joins(w, s) {
			break
		}
		mark := w.mark()
		err := p.walk(s, p.endOf(i+n), func(h *record.Header, b []byte) error { return p.batch(w, h, b, n > 0) })
		if errors.Is(err, errFull) {
			if err := w.rewind(mark); err != nil {
				return 0, err
			}
			break
		}
		if err != nil {
			return 0, err
		}
		before += s.size.Load()
	}
	p.latest = max(p.latest, w.latest)
	p.done.Records += w.records
	p.done.RecordsRemoved += w.removed
	if !w.changed && n == 1 {
		return 1, nil
	}
	if err := p.swapIn(p.list[i:i+n], w, p.endOf(i+n-1)); err != nil {
		return 0, err
	}
	p.done.Segments += n
	p.done.BytesBefore += before
	p.done.BytesAfter += w.size
	return n, nil
}

// errFull says that a group is as large as a segment may be.
var errFull = errors.New("the segment is full")

// joins reports whether s may join those that were written. Of what was compacted before, most stays; of the rest nobody knows before it was
// tried, and a try that fails is work twice.
func (p *pass) joins(w *rewriter, s *segment) bool {
	limit, size := p.Config().SegmentBytes, s.size.Load()
	if s.base < p.clean() {
		return w.size+size <= limit
	}
	return w.size+min(size, limit/2) <= limit
}

// batch takes one batch to the new segment, or what is left of it.
func (p *pass) batch(w *rewriter, h *record.Header, b []byte, bounded bool) error {
	if bounded && (w.size > p.Config().SegmentBytes || h.NextOffset()-w.base > maxOffsetsOfSegment) {
		return errFull
	}
	w.records += int64(h.Count)
	switch lost := h.Count == 0 && h.MaxTimestamp < 0; {
	case h.BaseOffset >= p.to || h.Attributes.Has(record.Control) || lost:
		return w.put(h, b)
	case h.Count == 0:
		return p.drop(w, h, b)
	}
	expired := h.Attributes.Has(record.DeleteHorizon) && h.BaseTimestamp <= p.o.Now.UnixMilli()
	out, did, err := record.Rewrite(w.room[:0], b, func(e record.Entry) bool { return p.keeps(e, expired) }, p.horizon)
	if err != nil {
		return fmt.Errorf("batch at offset %d: %w", h.BaseOffset, err)
	}
	w.removed += int64(did.Removed)
	w.latest = max(w.latest, did.Horizon)
	switch {
	case did.Kept == 0:
		return p.drop(w, h, b)
	case !did.Changed:
		return w.put(h, b)
	}
	w.room, w.changed = out, true
	is, err := record.ParseHeader(out)
	if err != nil {
		return err
	}
	return w.put(&is, out)
}

// keeps decides about one record.
func (p *pass) keeps(e record.Entry, expired bool) bool {
	switch {
	case e.Offset < p.start:
		return false
	case e.Key == nil:
		return true
	case p.keys.last(e.Key) > e.Offset:
		return false
	}
	return !e.Tombstone || !expired
}

// drop leaves a batch out that has no records, any more, unless its producer is to be known by it.
func (p *pass) drop(w *rewriter, h *record.Header, b []byte) error {
	if s, ok := h.Producer(); ok && p.o.Newest != nil && p.o.Newest(s.ID) == h.BaseOffset {
		if h.Count == 0 {
			return w.put(h, b)
		}
		w.changed = true
		w.room = record.AppendEmpty(w.room[:0], *h)
		return w.put(h, w.room)
	}
	return w.leaveOut(h)
}
