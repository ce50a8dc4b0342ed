package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// rewriter writes the segment that replaces a group of others, under a name that makes it none.
type rewriter struct {
	*Log
	rewritten
	base  log.Offset
	name  string
	file  vfs.File // nil: nothing was written yet, or all is
	index *index
	buf   []byte // the last bytes of size, not written yet
	room  []byte // for a batch being made
	kept  bool   // the file belongs to a swap
}

// rewritten is how far a rewriter got.
type rewritten struct {
	size    int64         // of all batches put
	gap     record.Header // the offsets left out since the last one put; Count 1: there are some
	changed bool          // it is not what it was
	latest  int64         // horizon of the tombstones, milliseconds
	records int64         // read
	removed int64         // records left out
}

// cleanedSuffix ends the names of segments that are not swapped in yet.
const cleanedSuffix = ".cleaned"

func (l *Log) newRewriter(base log.Offset) (*rewriter, error) {
	w := &rewriter{Log: l, base: base, name: path.Join(l.dir, segmentName(base, cleanedSuffix)), index: newIndex(base)}
	file, err := l.fs.Create(w.name)
	if err != nil {
		return nil, err
	}
	w.file = file
	return w, nil
}

// put appends a batch, behind an empty one for what was left out before it.
func (w *rewriter) put(h *record.Header, batch []byte) error {
	w.fillGap()
	w.append(h, batch)
	if len(w.buf) >= cleanWriteBytes {
		return w.flush()
	}
	return nil
}

func (w *rewriter) append(h *record.Header, batch []byte) {
	w.index.add(h.BaseOffset, h.MaxTimestamp, w.size)
	w.buf = append(w.buf, batch...)
	w.size += int64(len(batch))
}

// leaveOut notes that the batch with this header is not put.
func (w *rewriter) leaveOut(h *record.Header) error {
	w.changed = w.changed || h.Count > 0
	if w.gap.Count > 0 && h.LastOffset()-w.gap.BaseOffset > math.MaxInt32 {
		w.fillGap()
	}
	if w.gap.Count == 0 {
		w.gap = *h
		w.gap.Count = 1
		w.gap.Attributes, w.gap.ProducerID, w.gap.ProducerEpoch, w.gap.BaseSequence = 0, -1, -1, -1
		w.gap.BaseTimestamp = h.MaxTimestamp
		w.changed = w.changed || h.ProducerID >= 0
		return nil
	}
	w.changed = true
	w.gap.LastOffsetDelta = int32(h.LastOffset() - w.gap.BaseOffset)
	w.gap.Epoch = h.Epoch
	w.gap.MaxTimestamp = max(w.gap.MaxTimestamp, h.MaxTimestamp)
	w.gap.BaseTimestamp = w.gap.MaxTimestamp
	return nil
}

// fillGap puts an empty batch for what was left out.
func (w *rewriter) fillGap() {
	if w.gap.Count == 0 {
		return
	}
	gap := w.gap
	w.gap = record.Header{}
	w.append(&gap, record.AppendEmpty(nil, gap))
}

func (w *rewriter) flush() error {
	if _, err := w.file.WriteAt(w.buf, w.size-int64(len(w.buf))); err != nil {
		return fmt.Errorf("write %s: %w", w.name, err)
	}
	w.buf = w.buf[:0]
	return nil
}

// mark returns where the rewriter stands.
type mark struct {
	rewritten
	index    index
	buffered int
}

func (w *rewriter) mark() mark {
	return mark{rewritten: w.rewritten, index: *w.index, buffered: len(w.buf)}
}

// rewind goes back to a mark.
func (w *rewriter) rewind(m mark) error {
	flushed := w.size - int64(len(w.buf))
	w.rewritten = m.rewritten
	*w.index = m.index
	if from := m.size - int64(m.buffered); from == flushed { // nothing was written since
		w.buf = w.buf[:m.buffered]
		return nil
	}
	w.buf = w.buf[:0] // what was buffered at the mark was written with the rest
	if err := w.file.Truncate(m.size); err != nil {
		return fmt.Errorf("cut %s: %w", w.name, err)
	}
	return nil
}

// finish makes the file complete and durable, its name too.
func (w *rewriter) finish() error {
	w.fillGap()
	w.index.places, w.index.moments = slices.Clip(w.index.places), slices.Clip(w.index.moments)
	err := w.flush()
	if err == nil {
		err = w.file.SyncData()
	}
	err = errors.Join(err, w.file.Close())
	w.file = nil
	if err != nil {
		return fmt.Errorf("write %s: %w", w.name, err)
	}
	return w.fs.SyncDir(w.dir)
}

// abandon removes the file unless it was swapped in, or may have to be.
func (w *rewriter) abandon() {
	if w.file != nil {
		_ = w.file.Close() // it is not wanted
	}
	if w.kept {
		return
	}
	if err := w.fs.Remove(w.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.logger.Warn("compacted segment not removed; the next opening will", "partition", w.tp.String(), "file", w.name, "error", err)
	}
}
