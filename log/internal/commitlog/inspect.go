package commitlog

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// Found is a valid batch that Inspect came upon. Batch is only good during the visit.
type Found struct {
	File   string // path of the segment
	Pos    int64  // where the batch begins
	Header record.Header
	Batch  []byte
}

// Damage is a stretch of a partition without the batches that should be there.
type Damage struct {
	File     string     // path of the segment, or of the checkpoint
	Pos, End int64      // bytes [Pos, End) are no batch. Equal: something is missing at Pos
	From, To log.Offset // offsets [From, To) are lost; equal: none, or none that was acknowledged
	Reason   string
	Missing  bool // there is no such file
	Torn     bool // never acknowledged: Open cuts it, and all behind it, by itself
}

// String describes the damage in one line.
func (d Damage) String() string {
	what := fmt.Sprintf("%s, bytes %d to %d", d.File, d.Pos, d.End)
	if d.Missing {
		what = d.File
	}
	if d.To > d.From {
		what += fmt.Sprintf(", offsets %d to %d", d.From, d.To-1)
	}
	if d.Torn {
		what += ", a torn tail that was never acknowledged"
	}
	return what + ": " + d.Reason
}

// Inspection is what a look at every byte of a partition found.
type Inspection struct {
	TP         log.TopicPartition // as the checkpoint says; zero without one
	Start, End log.Offset         // first offset, and the one behind the last valid batch
	Durable    log.Offset         // as the checkpoint says
	Segments   []SegmentInfo
	Damages    []Damage // in order
	Notes      []string // what is odd but harms nothing: indexes that will be rebuilt, files that will be cleaned up

	saved   *checkpoint
	expired []*segment // below the checkpoint's start
}

// SegmentInfo describes one segment file.
type SegmentInfo struct {
	File     string
	Base     log.Offset
	Next     log.Offset // behind its last valid batch
	Bytes    int64      // of the file
	Batches  int
	Records  int64
	MaxTime  int64 // youngest timestamp, milliseconds; math.MinInt64 without records
	batchEnd int64 // behind the last valid batch
}

// Corrupt reports whether something is damaged that Open will not mend by itself.
func (n *Inspection) Corrupt() bool {
	return slices.ContainsFunc(n.Damages, func(d Damage) bool { return !d.Torn })
}

// Inspect reads the whole partition in dir and changes nothing. visit, which may be nil, gets every valid batch in order, also
// those behind damage; its error ends the inspection. No process may be writing to the partition meanwhile, or the last
// batches may look torn. The error is visit's or the file system's: damage is not an error here.
func Inspect(fsys vfs.FS, dir string, visit func(Found) error) (*Inspection, error) {
	in := &inspector{fs: fsys, dir: dir, visit: visit}
	if err := in.readCheckpoint(); err != nil {
		return nil, fmt.Errorf("inspect %s: %w", dir, err)
	}
	if err := in.readStart(); err != nil {
		return nil, fmt.Errorf("inspect %s: %w", dir, err)
	}
	list, err := in.list()
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", dir, err)
	}
	if len(list) > 0 {
		in.Start, in.next = list[0].base, list[0].base
	}
	if in.saved != nil && (len(list) == 0 || in.Start > in.saved.first) {
		in.Start, in.next = in.saved.first, in.saved.first
	}
	for i, s := range list {
		limit := log.Offset(math.MaxInt64)
		if i+1 < len(list) {
			limit = list[i+1].base
		}
		if err := in.segment(s, limit); err != nil {
			return nil, fmt.Errorf("inspect %s: %w", s.path, err)
		}
	}
	in.finish()
	return &in.Inspection, nil
}

type inspector struct {
	Inspection
	fs    vfs.FS
	dir   string
	visit func(Found) error
	next  log.Offset // expected
	start log.Offset // what lies below is deleted
	sure  int        // damages before this one were durable: a barrier follows them
}

func (in *inspector) readCheckpoint() error {
	saved, err := readCheckpoint(in.fs, in.dir)
	if log.CodeOf(err) == log.Corrupt {
		in.Damages = append(in.Damages, Damage{File: path.Join(in.dir, checkpointName), Reason: textOf(err)})
		in.sure = 1
		return nil
	}
	if saved != nil {
		in.saved, in.TP, in.Durable = saved, saved.tp, saved.durable
	}
	return err
}

func (in *inspector) list() ([]*segment, error) {
	names, err := in.fs.List(in.dir)
	if err != nil {
		return nil, err
	}
	var list []*segment
	for _, name := range names {
		base, ok := parseSegmentName(name)
		if !ok {
			continue
		}
		s := newSegment(in.dir, base)
		if in.saved != nil && base < in.saved.first {
			in.expired = append(in.expired, s)
			in.note("%s is below the first segment %d and will be removed", s.path, in.saved.first)
			continue
		}
		if !in.swapped(s, names) {
			continue
		}
		info, err := in.fs.Stat(s.path)
		if err != nil {
			return nil, err
		}
		s.size.Store(info.Size)
		list = append(list, s)
	}
	return list, nil
}

func (in *inspector) note(format string, args ...any) {
	in.Notes = append(in.Notes, fmt.Sprintf(format, args...))
}

func (in *inspector) damage(d Damage) { in.Damages = append(in.Damages, d) }

// segment scans one segment whose offsets end below limit, the base of the next one.
func (in *inspector) segment(s *segment, limit log.Offset) error {
	if s.base > in.next {
		in.damage(Damage{File: path.Join(in.dir, segmentName(in.next, logSuffix)), From: in.next, To: s.base, Missing: true, Reason: "the segment is missing"})
	}
	if s.base < in.next {
		in.damage(Damage{File: s.path, End: s.size.Load(), From: in.next, To: in.next, Reason: fmt.Sprintf("offset %d came before", in.next-1)})
		return nil
	}
	file, err := in.fs.Open(s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	info := SegmentInfo{File: s.path, Base: s.base, Bytes: s.size.Load(), MaxTime: noTime}
	scan := scanner{file: file, size: info.Bytes, next: s.base}
	if err := in.scan(s, &scan, &info, limit); err != nil {
		return err
	}
	info.Next = scan.next
	in.next = scan.next
	in.Segments = append(in.Segments, info)
	if limit != math.MaxInt64 {
		in.next = limit
		in.checkIndex(s)
	}
	return nil
}

func (in *inspector) scan(s *segment, scan *scanner, info *SegmentInfo, limit log.Offset) error {
	for {
		pos := scan.pos
		h, b, err := scan.step()
		switch {
		case err == nil:
			if err := in.batch(Found{File: s.path, Pos: pos, Header: h, Batch: b}, info); err != nil {
				return err
			}
			info.batchEnd = scan.pos
		case errors.Is(err, io.EOF):
			if limit != math.MaxInt64 && scan.next != limit {
				in.damage(Damage{File: s.path, Pos: pos, End: scan.size, From: scan.next, To: limit, Reason: "batches are missing"})
			}
			return nil
		case log.CodeOf(err) == log.Corrupt:
			if more, err := in.skip(s, scan, limit, textOf(err)); err != nil || !more {
				return err
			}
		default:
			return err
		}
	}
}

func (in *inspector) batch(f Found, info *SegmentInfo) error {
	info.Batches++
	info.Records += int64(f.Header.Count)
	info.MaxTime = max(info.MaxTime, f.Header.MaxTimestamp)
	if f.Header.Attributes.Has(record.Barrier) {
		in.sure = len(in.Damages)
	}
	if in.visit == nil {
		return nil
	}
	return in.visit(f)
}

// skip moves scan behind a damaged stretch, to the next valid batch if there is one.
func (in *inspector) skip(s *segment, scan *scanner, limit log.Offset, reason string) (more bool, err error) {
	d := Damage{File: s.path, Pos: scan.pos, End: scan.size, From: scan.next, To: scan.next, Reason: reason}
	var h record.Header
	ok := true
	for ok && (scan.pos == d.Pos || h.NextOffset() > limit) {
		scan.pos++
		if h, ok, err = scan.seek(d.From); err != nil {
			return false, err
		}
	}
	if ok {
		d.End, d.To = scan.pos, h.BaseOffset
		scan.next = h.BaseOffset
	} else if limit != math.MaxInt64 {
		d.To = limit
	}
	in.damage(d)
	return ok, nil
}

func (in *inspector) checkIndex(s *segment) {
	l := Log{fs: in.fs}
	if _, err := l.readIndex(s); err != nil {
		in.note("index of %s: %s; it will be rebuilt", s.path, textOf(err))
	}
}

// finish tells durable damage from a torn tail, as recovery does, and compares what was found with what the checkpoint says.
func (in *inspector) finish() {
	in.Start, in.End = max(in.Start, in.start), in.next
	in.checkEnd()
	for i := range in.Damages {
		d := &in.Damages[i]
		d.Torn = i >= in.sure && d.From >= max(in.Durable, in.start)
	}
	if in.saved == nil || in.Corrupt() { // the repair of which renews the checkpoint
		return
	}
	if err := in.disagreement(); err != nil {
		in.damage(Damage{File: path.Join(in.dir, checkpointName), Reason: err.Error()})
	}
}

// checkEnd reports when the log ends before what was durable.
func (in *inspector) checkEnd() {
	durable, reason := in.start, "the log ends before the records that were deleted, which were durable then"
	if in.saved != nil && in.saved.durable >= durable {
		durable, reason = in.saved.durable, "the log ends before what the last checkpoint says was durable"
	}
	if in.next >= durable {
		return
	}
	at := Damage{File: path.Join(in.dir, segmentName(in.next, logSuffix)), From: in.next, To: durable, Missing: true, Reason: reason}
	if n := len(in.Segments); n > 0 {
		last := in.Segments[n-1]
		at.File, at.Pos, at.End, at.Missing = last.File, last.batchEnd, last.Bytes, false
	}
	if n := len(in.Damages); n > 0 && in.Damages[n-1].File == at.File && in.Damages[n-1].Pos == at.Pos {
		at.Reason = in.Damages[n-1].Reason
		in.Damages = in.Damages[:n-1]
	}
	in.damage(at)
	in.sure = len(in.Damages)
}

// disagreement says in what the checkpoint's segments differ from those found.
func (in *inspector) disagreement() error {
	for i, e := range in.saved.full {
		if i >= len(in.Segments) || in.Segments[i].Base != e.base {
			return fmt.Errorf("it names a segment of offset %d", e.base)
		}
		if n := in.Segments[i].Bytes; n != e.bytes {
			return fmt.Errorf("it says that %s has %d bytes instead of %d", in.Segments[i].File, e.bytes, n)
		}
	}
	if n := len(in.saved.full); n >= len(in.Segments) || in.Segments[n].Base != in.saved.open {
		return errors.New("it names another last segment")
	}
	return nil
}
