package record

import (
	"time"

	"lodge/log"
)

// Decode appends the records at and after from of the first batch of b to dst and returns the
// extended slice. Keys, values and header values point into b, or into one new buffer when the batch
// is compressed, and stay valid as long as they are referenced; the caller must not change b afterwards.
// A control batch (Kafka's transaction markers) holds no records for a reader and yields none.
//
// The CRC is not checked here: call Verify first on bytes that were not verified before. The
// error has code Corrupt; dst is then returned as it was.
func Decode(dst []log.Record, b []byte, tp log.TopicPartition, from log.Offset) ([]log.Record, error) {
	return decode(dst, b, tp, from, nil)
}

// decode is Decode of the records that only chooses; nil: all.
func decode(dst []log.Record, b []byte, tp log.TopicPartition, from log.Offset, only *Matcher) ([]log.Record, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return dst, at(err, tp)
	}
	if len(b) < h.Size() {
		return dst, corrupt(opDecode(tp), "batch at offset %d has %d of %d bytes", h.BaseOffset, len(b), h.Size())
	}
	if h.LastOffset() < from || h.Attributes.Has(Control) {
		return dst, nil
	}
	body := b[HeaderSize:h.Size()]
	if c := h.Attributes.Compression(); c != log.Uncompressed {
		if body, err = decompress(body, c, BodyBytesMax); err != nil {
			return dst, corrupt(opDecode(tp), "batch at offset %d: %w", h.BaseOffset, err)
		}
	}
	d := decoder{header: h, tp: tp, only: only, reader: reader{rest: body}}
	out, ok := d.records(dst, from)
	if !ok {
		return dst, corrupt(opDecode(tp), "batch at offset %d: record %d of %d: %s", h.BaseOffset, d.index, h.Count, d.problem)
	}
	return out, nil
}

func opDecode(tp log.TopicPartition) string { return "decode " + tp.String() }

func at(err error, tp log.TopicPartition) error {
	return corrupt(opDecode(tp), "%w", err)
}

// decoder walks over the records of one batch.
type decoder struct {
	reader
	header  Header
	tp      log.TopicPartition
	only    *Matcher     // nil: all records are wanted
	index   int          // of the record at hand
	problem string       // what is wrong with it
	last    int64        // the last record's offset delta
	slab    []log.Header // for the headers of the records to come
	names   []log.Header // the last record's headers, for its names
}

func (d *decoder) records(dst []log.Record, from log.Offset) ([]log.Record, bool) {
	count := int(d.header.Count)
	if count*recordBytesMin > len(d.rest) {
		d.problem = "fewer bytes than records need"
		return nil, false
	}
	d.last = -1
	if d.only == nil {
		dst = grow(dst, count)
	} else {
		dst = grow(dst, min(count, d.only.likely))
		d.only.likely = 0
	}
	for ; d.index < count; d.index++ {
		size := len(d.rest)
		length := d.varint()
		if d.bad || length < recordBytesMin-1 || length > int64(len(d.rest)) {
			d.problem = "its length is beyond the batch"
			return nil, false
		}
		body := reader{rest: d.rest[:length:length]}
		d.rest = d.rest[length:]
		var ok bool
		if dst, ok = d.record(dst, body, size-len(d.rest), from); !ok {
			return nil, false
		}
	}
	if len(d.rest) != 0 {
		d.problem = "bytes behind the last record"
	}
	return dst, len(d.rest) == 0
}

// record appends the record in body unless it lies before from.
func (d *decoder) record(dst []log.Record, body reader, size int, from log.Offset) ([]log.Record, bool) {
	body.skip(1) // attributes: none are defined
	timeDelta, offsetDelta := body.varint(), body.varint()
	if body.bad || offsetDelta <= d.last || offsetDelta > int64(d.header.LastOffsetDelta) {
		d.problem = "its offset is out of order or outside the batch"
		return dst, false
	}
	d.last = offsetDelta
	offset := d.header.BaseOffset + log.Offset(offsetDelta)
	if offset < from {
		return dst, true
	}
	if d.only != nil {
		chosen, ok := d.only.chooses(body)
		if !ok {
			d.problem = "its key or headers are beyond it"
		}
		if !chosen {
			return dst, ok
		}
		d.only.likely++
		body.rest = d.only.keep(body.rest)
	}
	dst = append(dst, log.Record{})
	r := &dst[len(dst)-1]
	r.Key, r.Value = body.bytes(), body.bytes()
	r.Headers = d.headers(&body)
	if body.bad || len(body.rest) != 0 {
		d.problem = "its fields do not fill its length"
		return dst, false
	}
	r.Timestamp = d.timestamp(timeDelta)
	r.Topic, r.Partition, r.Offset = d.tp.Topic, d.tp.Partition, offset
	r.Epoch, r.Size, r.CRC = d.header.Epoch, size, d.header.CRC
	return dst, true
}

func (d *decoder) timestamp(delta int64) time.Time {
	if d.header.Attributes.Has(LogAppendTime) {
		return time.UnixMilli(d.header.MaxTimestamp)
	}
	return time.UnixMilli(d.header.BaseTimestamp + delta)
}

// headers reads the headers of a record. They lie in a slab shared by the batch's records, each
// record's slice with its own capacity.
func (d *decoder) headers(body *reader) []log.Header {
	n := body.varint()
	if n == 0 || body.bad {
		return nil
	}
	if n < 0 || n > HeadersMax || n*2 > int64(len(body.rest)) {
		body.bad = true
		return nil
	}
	headers := d.take(int(n), len(body.rest))
	for i := range headers {
		name := body.bytes()
		if name == nil {
			body.bad = true
		}
		if body.bad {
			return nil
		}
		headers[i] = log.Header{Key: d.name(i, name), Value: body.bytes()}
	}
	d.names = headers
	return headers
}

// take returns n headers of the slab, and when it is used up makes one that would do for the rest of
// the batch if its records were like this one.
func (d *decoder) take(n, left int) []log.Header {
	if len(d.slab) < n {
		like := min(n*(int(d.header.Count)-d.index), n+(left+len(d.rest))/headerBytesLikely)
		if d.only != nil {
			like = min(like, (d.only.likely+chosenLikely)*n)
		}
		d.slab = make([]log.Header, max(n, like))
	}
	headers := d.slab[:n:n]
	d.slab = d.slab[n:]
	return headers
}

const (
	headerBytesLikely = 8 // a bound on how much a slab may take for the bytes that remain
	chosenLikely      = 4 // records that a slab is made for when only some are wanted
)

// name returns name as a string, without allocating when the last record has the same name in the same place.
func (d *decoder) name(i int, name []byte) string {
	if i < len(d.names) && d.names[i].Key == string(name) {
		return d.names[i].Key
	}
	return intern(name)
}

func grow(dst []log.Record, n int) []log.Record {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	out := make([]log.Record, len(dst), max(len(dst)+n, 2*len(dst)))
	copy(out, dst)
	return out
}

// reader takes varints and bytes from the front of rest. After something that cannot be read, bad
// is set and what is returned means nothing.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) skip(n int) {
	if len(r.rest) < n {
		r.bad = true
		return
	}
	r.rest = r.rest[n:]
}

func (r *reader) varint() int64 {
	if len(r.rest) > 0 && r.rest[0] < 0x80 {
		u := r.rest[0]
		r.rest = r.rest[1:]
		return int64(u>>1) ^ -int64(u&1)
	}
	return r.longVarint()
}

func (r *reader) longVarint() int64 {
	var u uint64
	for i, b := range r.rest {
		if i == 9 && b > 1 {
			break
		}
		u |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			r.rest = r.rest[i+1:]
			return int64(u>>1) ^ -int64(u&1)
		}
	}
	r.bad, r.rest = true, nil
	return 0
}

// bytes reads a length and as many bytes; nil when the length is -1.
func (r *reader) bytes() []byte {
	n := r.varint()
	if n == -1 {
		return nil
	}
	if n < 0 || n > int64(len(r.rest)) {
		r.bad = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}
