package record

import (
	"encoding/binary"
	"sync"

	"lodge/log"
)

// Entry is a record as compaction sees it. Key is only good during the call that got it.
type Entry struct {
	Offset    log.Offset
	Key       []byte // nil: it has none
	Tombstone bool   // it has no value
}

// Scan calls visit for each record of the first batch of b, in order, without decoding values and headers. A control batch yields none.
// The CRC is not checked. The error has code Corrupt; some records may have been visited then.
func Scan(b []byte, visit func(Entry)) error {
	h, body, err := bodyOf(b)
	if err != nil {
		return err
	}
	r := reader{rest: body}
	last := int64(-1)
	for range h.Count {
		s, ok := r.span(&h, &last)
		if !ok {
			return corrupt("scan batch", "batch at offset %d: its records do not fill it", h.BaseOffset)
		}
		visit(s.entry)
	}
	if len(r.rest) != 0 {
		return corrupt("scan batch", "batch at offset %d: bytes behind the last record", h.BaseOffset)
	}
	return nil
}

// bodyOf returns the uncompressed records of the first batch of b, none of a control batch.
func bodyOf(b []byte) (h Header, body []byte, err error) {
	if h, err = ParseHeader(b); err != nil {
		return h, nil, err
	}
	if len(b) < h.Size() {
		return h, nil, corrupt("scan batch", "batch at offset %d has %d of %d bytes", h.BaseOffset, len(b), h.Size())
	}
	if h.Attributes.Has(Control) || h.Count == 0 {
		h.Count = 0
		return h, nil, nil
	}
	body = b[HeaderSize:h.Size()]
	if c := h.Attributes.Compression(); c != log.Uncompressed {
		if body, err = decompress(body, c, BodyBytesMax); err != nil {
			return h, nil, corrupt("scan batch", "batch at offset %d: %w", h.BaseOffset, err)
		}
	}
	return h, body, nil
}

// span is one record as it lies in a batch.
type span struct {
	entry      Entry
	raw        []byte // all of it
	attributes byte
	timeDelta  int64
	rest       []byte // from the offset delta on
	kept       bool
}

// span takes the next record. last is the offset delta of the one before.
func (r *reader) span(h *Header, last *int64) (s span, ok bool) {
	whole := r.rest
	length := r.varint()
	if r.bad || length < recordBytesMin-1 || length > int64(len(r.rest)) {
		return s, false
	}
	body := reader{rest: r.rest[:length:length]}
	r.rest = r.rest[length:]
	s.raw = whole[:len(whole)-len(r.rest)]
	s.attributes = body.rest[0]
	body.skip(1)
	s.timeDelta = body.varint()
	s.rest = body.rest
	offsetDelta := body.varint()
	if body.bad || offsetDelta <= *last || offsetDelta > int64(h.LastOffsetDelta) {
		return s, false
	}
	*last = offsetDelta
	s.entry.Offset = h.BaseOffset + log.Offset(offsetDelta)
	s.entry.Key = body.bytes()
	s.entry.Tombstone = body.bytes() == nil
	return s, !body.bad
}

// Rewritten says what Rewrite did.
type Rewritten struct {
	Kept, Removed int
	Tombstones    int   // of those kept
	Horizon       int64 // the batch's delete horizon, milliseconds; 0: none
	Changed       bool  // the batch is another one
}

var spans = sync.Pool{New: func() any { return new([]span) }}

// Rewrite appends to dst the first batch of b without the records that keep refuses, as Kafka's log cleaner leaves it: base offset, last offset delta,
// leader epoch, producer, sequence, codec and the records' timestamps stay. A batch that keeps a tombstone for the first time gets the
// delete horizon: attribute bit 6, and horizon (milliseconds) as base timestamp, to which the records' timestamps are then relative. One that has no
// tombstone any more loses it. What is rewritten carries the barrier flag: it is only used when it and all before it is durable.
//
// When nothing changed, or nothing is left, nothing is appended. Errors: Corrupt when b cannot be read; RecordTooLarge.
func Rewrite(dst, b []byte, keep func(Entry) bool, horizon int64) (out []byte, did Rewritten, err error) {
	h, body, err := bodyOf(b)
	if err != nil || h.Count == 0 {
		return dst, did, err
	}
	list := spans.Get().(*[]span)
	defer func() {
		clear(*list) // the pool must not hold the caller's memory
		*list = (*list)[:0]
		spans.Put(list)
	}()
	if err := split(list, &h, body, keep, &did); err != nil {
		return dst, did, err
	}
	w := rewriting{Header: h, spans: *list}
	w.place(&did, horizon)
	if !did.Changed || did.Kept == 0 {
		return dst, did, nil
	}
	out, err = w.append(dst)
	return out, did, err
}

// split fills list with the records of a batch.
func split(list *[]span, h *Header, body []byte, keep func(Entry) bool, did *Rewritten) error {
	r := reader{rest: body}
	last := int64(-1)
	for range h.Count {
		s, ok := r.span(h, &last)
		if !ok {
			return corrupt("rewrite batch", "batch at offset %d: its records do not fill it", h.BaseOffset)
		}
		if s.kept = keep(s.entry); !s.kept {
			did.Removed++
			continue
		}
		did.Kept++
		if s.entry.Tombstone {
			did.Tombstones++
		}
		*list = append(*list, s)
	}
	if len(r.rest) != 0 {
		return corrupt("rewrite batch", "batch at offset %d: bytes behind the last record", h.BaseOffset)
	}
	return nil
}

// rewriting is a batch on its way to being another one.
type rewriting struct {
	Header         // of the new batch, but length and CRC
	spans   []span // those kept
	rebased int64  // what the base timestamp grew by
}

// place decides about flags and timestamps.
func (w *rewriting) place(did *Rewritten, horizon int64) {
	base := w.BaseTimestamp
	switch had := w.Attributes.Has(DeleteHorizon); {
	case did.Tombstones > 0 && !had:
		w.Attributes |= DeleteHorizon
		w.BaseTimestamp = horizon
		did.Changed = true
	case did.Kept > 0 && did.Tombstones == 0 && had:
		w.Attributes &^= DeleteHorizon
		w.BaseTimestamp += w.spans[0].timeDelta
		did.Changed = true
	}
	did.Changed = did.Changed || did.Removed > 0
	if w.Attributes.Has(DeleteHorizon) {
		did.Horizon = w.BaseTimestamp
	}
	w.rebased = w.BaseTimestamp - base
	w.Count = int32(did.Kept)
	if w.Attributes.Has(LogAppendTime) || did.Kept == 0 {
		return
	}
	w.MaxTimestamp = base + w.spans[0].timeDelta
	for i := range w.spans {
		w.MaxTimestamp = max(w.MaxTimestamp, base+w.spans[i].timeDelta)
	}
}

func (w *rewriting) append(dst []byte) ([]byte, error) {
	start := len(dst)
	out := append(dst, blankHeader[:]...)
	var err error
	if c := w.Attributes.Compression(); c == log.Uncompressed {
		out = w.appendSpans(out)
	} else {
		buf := scratch.Get().(*[]byte)
		plain := w.appendSpans((*buf)[:0])
		out, err = compress(out, plain, c)
		if cap(plain) <= scratchBytesMax {
			*buf = plain[:0]
			scratch.Put(buf)
		}
	}
	if err == nil && len(out)-start-HeaderSize > BodyBytesMax {
		err = log.NewError(log.RecordTooLarge, "rewrite batch", "batch at offset %d would have %d bytes", w.BaseOffset, len(out)-start)
	}
	if err != nil {
		return dst, err
	}
	w.Attributes |= Barrier
	w.Header.put(out[start:])
	return out, nil
}

func (w *rewriting) appendSpans(dst []byte) []byte {
	for i := range w.spans {
		s := &w.spans[i]
		if w.rebased == 0 {
			dst = append(dst, s.raw...)
			continue
		}
		delta := s.timeDelta - w.rebased
		dst = appendVarint(dst, int64(1+varintSize(delta)+len(s.rest)))
		dst = append(dst, s.attributes)
		dst = appendVarint(dst, delta)
		dst = append(dst, s.rest...)
	}
	return dst
}

// put writes h over the header of batch, which is complete, with the batch's length and CRC.
func (h *Header) put(batch []byte) {
	SetPlace(batch, h.BaseOffset, h.Epoch)
	binary.BigEndian.PutUint32(batch[atLength:], uint32(len(batch)-lengthExtra))
	batch[atMagic] = magic
	binary.BigEndian.PutUint16(batch[atAttributes:], uint16(h.Attributes))
	binary.BigEndian.PutUint32(batch[atLastOffsetDelta:], uint32(h.LastOffsetDelta))
	binary.BigEndian.PutUint64(batch[atBaseTimestamp:], uint64(h.BaseTimestamp))
	binary.BigEndian.PutUint64(batch[atMaxTimestamp:], uint64(h.MaxTimestamp))
	binary.BigEndian.PutUint64(batch[atProducerID:], uint64(h.ProducerID))
	binary.BigEndian.PutUint16(batch[atProducerEpoch:], uint16(h.ProducerEpoch))
	binary.BigEndian.PutUint32(batch[atBaseSequence:], uint32(h.BaseSequence))
	binary.BigEndian.PutUint32(batch[atCount:], uint32(h.Count))
	binary.BigEndian.PutUint32(batch[atCRC:], checksum(batch))
}

// AppendEmpty appends a batch without records that takes the place of the one whose header is h: its offsets, epoch, timestamps,
// producer and sequence. Kafka leaves such batches too, and its readers skip them. It carries the barrier flag, as Rewrite says.
func AppendEmpty(dst []byte, h Header) []byte {
	start := len(dst)
	dst = append(dst, blankHeader[:]...)
	h.Attributes = h.Attributes&(LogAppendTime|Transactional) | Barrier
	h.Count = 0
	h.put(dst[start:])
	return dst
}

// Span returns the offsets that the batch takes: as many as it had records before compaction removed some.
func (h Header) Span() int { return int(h.LastOffsetDelta) + 1 }
