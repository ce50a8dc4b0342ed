package logtool

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"time"
	"unicode/utf8"

	"lodge/log"
	"lodge/log/internal/commitlog"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// DumpOptions say what Dump shows. The zero value shows the headers of all batches.
type DumpOptions struct {
	From    log.Offset // the batch that holds it, and later ones
	To      log.Offset // batches that begin below it; 0: to the end
	Records bool       // each record too
	Values  int        // of each record's value, at most this many bytes; 0: only the size
}

var errEnough = errors.New("enough")

// Dump writes the batches of a partition as text, one line each, with its records below if asked, and then what is damaged.
func Dump(w io.Writer, fsys vfs.FS, p Partition, opts DumpOptions) error {
	d := dumper{w: w, opts: opts, tp: p.TP}
	in, err := commitlog.Inspect(fsys, p.Dir, d.batch)
	if errors.Is(err, errEnough) {
		return d.err
	}
	if err != nil {
		return errors.Join(err, d.err)
	}
	for _, damage := range in.Damages {
		d.printf("damage: %s\n", damage)
	}
	return d.err
}

type dumper struct {
	w       io.Writer
	opts    DumpOptions
	tp      log.TopicPartition
	file    string
	records []log.Record
	err     error // of w
}

func (d *dumper) printf(format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.w, format, args...)
	}
}

func (d *dumper) batch(f commitlog.Found) error {
	h := f.Header
	if h.LastOffset() < d.opts.From {
		return nil
	}
	if d.opts.To > 0 && h.BaseOffset >= d.opts.To || d.err != nil {
		return errEnough
	}
	if f.File != d.file {
		d.file = f.File
		d.printf("%s\n", path.Base(f.File))
	}
	d.printf("%12d  offsets %d to %d  %d records  %d bytes  %s  epoch %d  crc %08x%s%s\n", f.Pos, h.BaseOffset, h.LastOffset(),
		h.Count, h.Size(), timeOf(h.MaxTimestamp), h.Epoch, h.CRC, producerOf(h), flagsOf(h))
	if d.opts.Records {
		d.printRecords(f.Batch)
	}
	return nil
}

func timeOf(ms int64) string {
	if ms < 0 {
		return "-"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

func producerOf(h record.Header) string {
	s, ok := h.Producer()
	if !ok {
		return ""
	}
	return fmt.Sprintf("  producer %d/%d seq %d", s.ID, s.Epoch, s.Sequence)
}

func flagsOf(h record.Header) (s string) {
	if c := h.Attributes.Compression(); c != log.Uncompressed {
		s += "  " + compressionName(c)
	}
	if h.Attributes.Has(record.Barrier) {
		s += "  barrier"
	}
	if h.Attributes.Has(record.DeleteHorizon) {
		s += "  tombstones until " + timeOf(h.BaseTimestamp)
	}
	if h.Count == 0 {
		s += "  " + emptyOf(h)
	}
	return s
}

// emptyOf says why a batch has no records: a repair leaves one without time where damage was, compaction one with the time of what it removed.
func emptyOf(h record.Header) string {
	if h.MaxTimestamp < 0 {
		return "lost"
	}
	return "compacted away"
}

func compressionName(c log.Compression) string {
	switch c {
	case log.Gzip:
		return "gzip"
	case log.Snappy:
		return "snappy"
	case log.LZ4:
		return "lz4"
	case log.Zstd:
		return "zstd"
	}
	return "codec " + strconv.Itoa(int(c))
}

func (d *dumper) printRecords(batch []byte) {
	var err error
	if d.records, err = record.Decode(d.records[:0], batch, d.tp, d.opts.From); err != nil {
		d.printf("%14s%v\n", "", err)
		return
	}
	for i := range d.records {
		r := &d.records[i]
		d.printf("%14soffset %d  %s  key %s  value %d bytes %s\n", "", r.Offset, timeOf(r.Timestamp.UnixMilli()),
			text(r.Key, 64), len(r.Value), d.value(r.Value))
		for _, h := range r.Headers {
			d.printf("%16s%s: %s\n", "", h.Key, text(h.Value, 128))
		}
	}
}

func (d *dumper) value(v []byte) string {
	if d.opts.Values == 0 || len(v) == 0 {
		return ""
	}
	return text(v, d.opts.Values)
}

// text shows bytes as a quoted string if they are text, else in hex.
func text(b []byte, bytesMax int) string {
	if b == nil {
		return "-"
	}
	more := ""
	if len(b) > bytesMax {
		b, more = b[:bytesMax], "…"
	}
	if utf8.Valid(b) {
		return strconv.Quote(string(b)) + more
	}
	return fmt.Sprintf("%x%s", b, more)
}
