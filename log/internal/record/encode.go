package record

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
	"time"

	"lodge/log"
)

// recordBytesMin is the smallest record: seven varints or bytes, of which one is the length.
const recordBytesMin = 7

var blankHeader [HeaderSize]byte

// scratch holds buffers for records on their way into a compressor.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

const scratchBytesMax = 4 << 20 // a larger buffer goes back to the garbage collector

// AppendBatch appends the encoded batch to dst, with base offset 0, leader epoch 0 and a correct CRC, and
// returns the extended slice. Records without a timestamp get now. It does not allocate when
// the batch is uncompressed and dst has room, and keeps no reference to b.
//
// Errors: InvalidArgument for an empty batch, a negative timestamp or producer field or a codec
// that is not written; RecordTooLarge beyond BodyBytesMax, RecordsMax or HeadersMax. dst is then returned as it was.
func AppendBatch(dst []byte, b *log.Batch, now time.Time) ([]byte, error) {
	start := len(dst)
	times, err := check(b, now)
	if err != nil {
		return dst, err
	}
	out := append(dst, blankHeader[:]...)
	if b.Compression == log.Uncompressed {
		out, err = appendRecords(out, b.Records, times)
	} else {
		out, err = appendCompressed(out, b, times)
	}
	if err != nil {
		return dst, err
	}
	putHeader(out[start:], b, times)
	return out, nil
}

// times holds a batch's timestamps in milliseconds.
type times struct{ now, base, max int64 }

func (t *times) of(r *log.Record) int64 {
	if r.Timestamp.IsZero() {
		return t.now
	}
	return r.Timestamp.UnixMilli()
}

// check says whether b can be encoded and finds its base and greatest timestamp.
func check(b *log.Batch, now time.Time) (times, error) {
	const op = "encode batch"
	t := times{now: now.UnixMilli()}
	switch {
	case len(b.Records) == 0:
		return t, log.NewError(log.InvalidArgument, op, "it has no records")
	case len(b.Records) > RecordsMax:
		return t, log.NewError(log.RecordTooLarge, op, "%d records are more than %d", len(b.Records), RecordsMax)
	case b.Compression != log.Uncompressed && b.Compression != log.LZ4 && b.Compression != log.Zstd:
		return t, log.NewError(log.InvalidArgument, op, "compression %d is not one that is written", b.Compression)
	}
	if p := b.Producer; p != nil && (p.ID < 0 || p.Epoch < 0 || p.Sequence < 0) {
		return t, log.NewError(log.InvalidArgument, op, "producer %d epoch %d sequence %d: negative", p.ID, p.Epoch, p.Sequence)
	}
	t.base = t.of(&b.Records[0])
	for i := range b.Records {
		ms := t.of(&b.Records[i])
		if ms < 0 {
			return t, log.NewError(log.InvalidArgument, op, "record %d has a timestamp before 1970", i)
		}
		t.max = max(t.max, ms)
	}
	return t, nil
}

func putHeader(batch []byte, b *log.Batch, t times) {
	binary.BigEndian.PutUint32(batch[atLength:], uint32(len(batch)-lengthExtra))
	batch[atMagic] = magic
	binary.BigEndian.PutUint16(batch[atAttributes:], uint16(b.Compression))
	binary.BigEndian.PutUint32(batch[atLastOffsetDelta:], uint32(len(b.Records)-1))
	binary.BigEndian.PutUint64(batch[atBaseTimestamp:], uint64(t.base))
	binary.BigEndian.PutUint64(batch[atMaxTimestamp:], uint64(t.max))
	p := log.ProducerSequence{ID: -1, Epoch: -1, Sequence: -1}
	if b.Producer != nil {
		p = *b.Producer
	}
	binary.BigEndian.PutUint64(batch[atProducerID:], uint64(p.ID))
	binary.BigEndian.PutUint16(batch[atProducerEpoch:], uint16(p.Epoch))
	binary.BigEndian.PutUint32(batch[atBaseSequence:], uint32(p.Sequence))
	binary.BigEndian.PutUint32(batch[atCount:], uint32(len(b.Records)))
	binary.BigEndian.PutUint32(batch[atCRC:], checksum(batch))
}

func appendCompressed(dst []byte, b *log.Batch, t times) ([]byte, error) {
	buf := scratch.Get().(*[]byte)
	plain, err := appendRecords((*buf)[:0], b.Records, t)
	if err == nil {
		dst, err = compress(dst, plain, b.Compression)
	}
	if cap(plain) <= scratchBytesMax {
		*buf = plain[:0]
		scratch.Put(buf)
	}
	return dst, err
}

func appendRecords(dst []byte, records []log.Record, t times) ([]byte, error) {
	start := len(dst)
	for i := range records {
		r := &records[i]
		delta := t.of(r) - t.base
		size := bodySize(r, delta, i)
		if len(r.Headers) > HeadersMax || len(dst)-start+varintSize(int64(size))+size > BodyBytesMax {
			return dst, tooLarge(i, len(r.Headers), size)
		}
		if room := size + recordExtraMax; cap(dst)-len(dst) < room {
			dst = slices.Grow(dst, max(room, min(room*(len(records)-i), growBytesMax)))
		}
		dst = appendRecord(dst, r, size, delta, i)
	}
	return dst, nil
}

const (
	recordExtraMax = 13       // what a record takes beside its size
	growBytesMax   = 16 << 20 // of room made for records that are guessed to be as large as the one at hand
)

func tooLarge(i, headers, size int) error {
	return log.NewError(log.RecordTooLarge, "encode batch", "record %d with %d headers and %d bytes is beyond %d headers or %d bytes a batch",
		i, headers, size, HeadersMax, BodyBytesMax)
}

func appendRecord(dst []byte, r *log.Record, size int, timeDelta int64, offsetDelta int) []byte {
	dst = appendVarint(dst, int64(size))
	dst = append(dst, 0)
	dst = appendVarint(dst, timeDelta)
	dst = appendVarint(dst, int64(offsetDelta))
	dst = appendBytes(dst, r.Key)
	dst = appendBytes(dst, r.Value)
	dst = appendVarint(dst, int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		dst = appendVarint(dst, int64(len(h.Key)))
		dst = append(dst, h.Key...)
		dst = appendBytes(dst, h.Value)
	}
	return dst
}

// RecordSize returns the bytes of r encoded and uncompressed as the only record of a batch. In
// another place of a batch it takes a few bytes more, at most 13.
//
//nolint:revive // Size alone would be taken for a batch's
func RecordSize(r *log.Record) int {
	n := bodySize(r, 0, 0)
	return varintSize(int64(n)) + n
}

// bodySize returns the bytes of r behind its length.
func bodySize(r *log.Record, timeDelta int64, offsetDelta int) int {
	n := 1 + varintSize(timeDelta) + varintSize(int64(offsetDelta)) +
		bytesSize(r.Key) + bytesSize(r.Value) + varintSize(int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		n += varintSize(int64(len(h.Key))) + len(h.Key) + bytesSize(h.Value)
	}
	return n
}

func bytesSize(b []byte) int {
	if b == nil {
		return 1
	}
	return varintSize(int64(len(b))) + len(b)
}

func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1) // -1 in zigzag
	}
	return append(appendVarint(dst, int64(len(b))), b...)
}

func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

func varintSize(v int64) int { return (bits.Len64(zigzag(v)|1) + 6) / 7 }

func appendVarint(dst []byte, v int64) []byte {
	u := zigzag(v)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}
