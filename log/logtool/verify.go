package logtool

import (
	"fmt"
	"io"

	"lodge/log"
	"lodge/log/internal/commitlog"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// Damage is a stretch of a partition that is not what was written. See its fields and String.
type Damage = commitlog.Damage

// Report is what Verify found in one partition.
type Report struct {
	TP         log.TopicPartition
	Start, End log.Offset // first offset, and the one behind the last valid batch
	Segments   int
	Batches    int
	Records    int64
	Bytes      int64    // of valid batches
	Undecoded  []string // valid batches whose records cannot be decoded: written so, and not for Repair
	Damages    []Damage
	Notes      []string // odd, but harmless and mended by itself
}

// OK reports whether the partition can be opened and read whole. A torn tail is no fault.
func (r *Report) OK() bool {
	for _, d := range r.Damages {
		if !d.Torn {
			return false
		}
	}
	return len(r.Undecoded) == 0
}

// Verify reads every byte of a partition: all CRCs, all offsets, every record, what the checkpoint promises, the indexes.
// An error comes from the file system; damage is in the report.
func Verify(fsys vfs.FS, p Partition) (*Report, error) {
	r := &Report{TP: p.TP}
	var records []log.Record
	in, err := commitlog.Inspect(fsys, p.Dir, func(f commitlog.Found) error {
		r.Batches++
		r.Bytes += int64(len(f.Batch))
		var err error
		if records, err = record.Decode(records[:0], f.Batch, p.TP, 0); err != nil {
			r.Undecoded = append(r.Undecoded, fmt.Sprintf("%s, byte %d: %v", f.File, f.Pos, err))
		}
		r.Records += int64(len(records))
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.Start, r.End, r.Segments, r.Damages, r.Notes = in.Start, in.End, len(in.Segments), in.Damages, in.Notes
	if in.TP != (log.TopicPartition{}) && in.TP != p.TP {
		r.Damages = append(r.Damages, Damage{File: p.Dir, Reason: "the folder belongs to " + in.TP.String()})
	}
	return r, nil
}

// Print writes the report for a person: one line, and one more for each thing that was found.
func (r *Report) Print(w io.Writer) error {
	verdict := "ok"
	if !r.OK() {
		verdict = "DAMAGED"
	}
	_, err := fmt.Fprintf(w, "%s: %s, offsets %d to %d, %d segments, %d batches, %d records, %d bytes\n",
		r.TP, verdict, r.Start, r.End, r.Segments, r.Batches, r.Records, r.Bytes)
	for _, d := range r.Damages {
		_, err = fmt.Fprintf(w, "  damage: %s\n", d)
	}
	for _, u := range r.Undecoded {
		_, err = fmt.Fprintf(w, "  undecodable: %s\n", u)
	}
	for _, n := range r.Notes {
		_, err = fmt.Fprintf(w, "  note: %s\n", n)
	}
	return err
}
