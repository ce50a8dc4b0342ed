package producerstate

import (
	"encoding/binary"
	"strconv"

	"lodge/log"
	"lodge/log/internal/varint"
)

// The encoded table: a version byte, the number of producers, and for each, oldest first, its id,
// epoch and batches; all numbers but the version are unsigned varints.
//
//	version | producers | { id | epoch | batches | { sequence | count | base } }
//
// It carries no checksum of its own: the checkpoint that it travels in has one.
const version = 1

// Append appends the encoded table to dst.
func (t *Table) Append(dst []byte) []byte {
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, uint64(len(t.producers)))
	for p := t.oldest; p != nil; p = p.newer {
		dst = p.append(dst)
	}
	return dst
}

func (p *producer) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.id))
	dst = binary.AppendUvarint(dst, uint64(p.epoch))
	dst = binary.AppendUvarint(dst, uint64(p.n))
	for _, b := range p.batches[:p.n] {
		dst = binary.AppendUvarint(dst, uint64(b.sequence))
		dst = binary.AppendUvarint(dst, uint64(b.count))
		dst = binary.AppendUvarint(dst, uint64(b.base))
	}
	return dst
}

// Load replaces the table by what Append wrote; no bytes are an empty table. When it fails, with code
// Corrupt or UnsupportedFormat, the table is empty. A table written under a higher limit loses its oldest producers.
func (t *Table) Load(b []byte) error {
	*t = *New(t.max)
	if len(b) == 0 {
		return nil
	}
	if b[0] != version {
		return log.NewError(log.UnsupportedFormat, "load producer state", "version %d, known is %d", b[0], version)
	}
	r := reader{varint.Reader{Rest: b[1:]}}
	for n := r.number(1 << 31); n > 0 && !r.Bad; n-- {
		r.producer(t)
	}
	if !r.Ended() {
		*t = *New(t.max)
		return log.NewError(log.Corrupt, "load producer state", "%d bytes are not a producer table", len(b))
	}
	return nil
}

// Replay takes in a batch that was found in the log, whatever its sequence: the log is the truth.
func (t *Table) Replay(s log.ProducerSequence, count int, base log.Offset) {
	if s.ID < 0 || s.Epoch < 0 || s.Sequence < 0 {
		return
	}
	t.Record(s, count, base)
}

// reader takes numbers off a table's bytes. Bad says that one was missing or out of bounds.
type reader struct{ varint.Reader }

// number takes a number below limit.
func (r *reader) number(limit uint64) uint64 {
	v := r.Uvarint()
	if v >= limit {
		r.Bad = true
		return 0
	}
	return v
}

// producer takes one producer into t.
func (r *reader) producer(t *Table) {
	s := log.ProducerSequence{ID: int64(r.number(1 << 63)), Epoch: int16(r.number(1 << 15))}
	n := r.number(BatchesMax + 1)
	r.Bad = r.Bad || n == 0 || t.producers[s.ID] != nil
	for ; n > 0 && !r.Bad; n-- {
		s.Sequence = int32(r.number(1 << 31))
		count, base := r.number(1<<31), r.number(1<<63)
		if !r.Bad {
			t.Record(s, int(count), log.Offset(base))
		}
	}
}

// producerName is how errors name a producer.
func producerName(s log.ProducerSequence) string {
	return strconv.FormatInt(s.ID, 10) + " epoch " + strconv.Itoa(int(s.Epoch))
}
