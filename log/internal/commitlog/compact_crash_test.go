package commitlog

import (
	"encoding/binary"
	"fmt"
	"strings"

	"lodge/log"
	"lodge/log/internal/record"
)

// keyed gives the record with the newest number a key, of few, and sometimes none or no value; a tombstone's number lies in a header.
func (w *world) keyed(r log.Record) log.Record {
	id := w.model.lastID
	if w.rng.IntN(20) == 0 {
		w.model.keys[id] = ""
		return r
	}
	key := fmt.Sprintf("key-%d", w.rng.IntN(1+w.rng.IntN(40)))
	w.model.keys[id] = key
	r.Key = []byte(key)
	if w.rng.IntN(6) == 0 {
		w.model.keys[id] += tombstone
		r.Headers = []log.Header{{Key: "id", Value: binary.BigEndian.AppendUint64(nil, id)}}
		r.Value = nil
	}
	return r
}

// idOfRecord returns a record's number.
func idOfRecord(r *log.Record) uint64 {
	if r.Value == nil {
		id, _ := r.Header("id")
		return idOf(id)
	}
	return idOf(r.Value)
}

// clean compacts, with a map that is sometimes far too small.
func (w *world) clean() error {
	o := CleanOptions{Now: w.now, HighWatermark: w.log.NextOffset(), MapBytes: keySlotBytes * (1 + w.rng.IntN(60))}
	done, err := w.log.Clean(o)
	w.replaced += done.Segments
	w.removed += int(done.RecordsRemoved)
	return err
}

// deleteRecords moves the log's start.
func (w *world) deleteRecords() error {
	m := &w.model
	start := w.log.StartOffset()
	before := start + log.Offset(w.rng.IntN(int(min(w.log.NextOffset()-start, 12))+1))
	m.start = max(m.start, before) // for crashes in between
	if err := w.log.DeleteRecords(before); err != nil {
		return err
	}
	m.start, m.deleted = w.log.StartOffset(), before
	m.synced = max(m.synced, before)
	return nil
}

// compare checks batches, all that a log from start on holds, against what was appended: each record is as it was, where it was; the
// last of each key is there; what is missing was superseded, or is a tombstone whose key has no record left.
func (m *model) compare(batches []byte, all []uint64, start log.Offset) error {
	there := map[log.Offset]bool{}
	next := start
	for len(batches) > 0 {
		h, rest, err := record.Next(batches)
		if err != nil {
			return err
		}
		records, err := record.Decode(nil, batches, testTP, start)
		if err != nil {
			return err
		}
		for i := range records {
			r := &records[i]
			if id := idOfRecord(r); r.Offset < next || int(r.Offset) >= len(all) || id != all[r.Offset] {
				return fmt.Errorf("offset %d, behind %d of %d, holds record %d", r.Offset, next-1, len(all), id)
			}
			there[r.Offset], next = true, r.Offset+1
		}
		next = max(next, h.NextOffset())
		batches = rest
	}
	return m.missing(all, start, there)
}

func (m *model) missing(all []uint64, start log.Offset, there map[log.Offset]bool) error {
	gone := map[string]bool{} // keys whose last record is a tombstone that is not there
	seen := map[string]bool{}
	for o := log.Offset(len(all)) - 1; o >= start; o-- {
		key, dead := strings.CutSuffix(m.keys[all[o]], tombstone)
		last := !seen[key] || key == ""
		seen[key] = true
		switch {
		case there[o] && gone[key]:
			return fmt.Errorf("offset %d is back: its key was deleted by a tombstone that is gone", o)
		case there[o]:
		case !m.compacts || last && !dead:
			return fmt.Errorf("offset %d with key %q is missing, last %t", o, key, last)
		case last:
			gone[key] = true
		}
	}
	return nil
}
