package record

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"lodge/log"
)

// HeaderSize is the size of a batch's header in bytes.
const HeaderSize = 61

// Limits. Encoding beyond them is refused with RecordTooLarge, decoding with Corrupt.
const (
	// BodyBytesMax bounds the records of one batch, uncompressed and compressed, in bytes.
	BodyBytesMax = 128 << 20

	// RecordsMax bounds the records of one batch.
	RecordsMax = 1 << 20

	// HeadersMax bounds the headers of one record.
	HeadersMax = 1 << 16
)

// The places of the header's fields.
const (
	atBaseOffset      = 0
	atLength          = 8
	atEpoch           = 12
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21 // the CRC covers everything from here on
	atLastOffsetDelta = 23
	atBaseTimestamp   = 27
	atMaxTimestamp    = 35
	atProducerID      = 43
	atProducerEpoch   = 51
	atBaseSequence    = 53
	atCount           = 57

	lengthExtra = 12 // bytes before those that the length field counts
	magic       = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Attributes are a batch's flags.
type Attributes int16

// The flags beside the compression in bits 0 to 2. All but Barrier are Kafka's.
const (
	LogAppendTime Attributes = 1 << 3
	Transactional Attributes = 1 << 4
	Control       Attributes = 1 << 5
	DeleteHorizon Attributes = 1 << 6
	Barrier       Attributes = math.MinInt16 // bit 15: everything before this batch was durable when it was written

	compressionMask Attributes = 7
)

// Compression returns the codec of the batch's records.
func (a Attributes) Compression() log.Compression { return log.Compression(a & compressionMask) }

// Has reports whether all flags are set.
func (a Attributes) Has(flags Attributes) bool { return a&flags == flags }

// Header is a batch's header.
type Header struct {
	BaseOffset      log.Offset
	Length          int32 // bytes behind the length field
	Epoch           log.LeaderEpoch
	Magic           int8
	CRC             uint32
	Attributes      Attributes
	LastOffsetDelta int32
	BaseTimestamp   int64 // milliseconds since 1970
	MaxTimestamp    int64 // milliseconds since 1970
	ProducerID      int64 // -1: not idempotent
	ProducerEpoch   int16
	BaseSequence    int32
	Count           int32
}

// Size returns the bytes of the whole encoded batch.
func (h Header) Size() int { return lengthExtra + int(h.Length) }

// LastOffset returns the offset of the batch's last record.
func (h Header) LastOffset() log.Offset { return h.BaseOffset + log.Offset(h.LastOffsetDelta) }

// NextOffset returns the offset behind the batch.
func (h Header) NextOffset() log.Offset { return h.LastOffset() + 1 }

// Producer returns the sequence of an idempotent producer's batch, and whether it is one.
func (h Header) Producer() (log.ProducerSequence, bool) {
	return log.ProducerSequence{ID: h.ProducerID, Epoch: h.ProducerEpoch, Sequence: h.BaseSequence}, h.ProducerID >= 0
}

// ParseHeader reads the header at the start of b, which may be longer or, behind the header, shorter
// than the batch. It checks that the fields make sense together but not the CRC.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, corrupt("parse batch header", "%d bytes are less than a header of %d", len(b), HeaderSize)
	}
	b = b[:HeaderSize]
	h := Header{
		BaseOffset:      log.Offset(binary.BigEndian.Uint64(b[atBaseOffset:])),
		Length:          int32(binary.BigEndian.Uint32(b[atLength:])),
		Epoch:           log.LeaderEpoch(binary.BigEndian.Uint32(b[atEpoch:])),
		Magic:           int8(b[atMagic]),
		CRC:             binary.BigEndian.Uint32(b[atCRC:]),
		Attributes:      Attributes(binary.BigEndian.Uint16(b[atAttributes:])),
		LastOffsetDelta: int32(binary.BigEndian.Uint32(b[atLastOffsetDelta:])),
		BaseTimestamp:   int64(binary.BigEndian.Uint64(b[atBaseTimestamp:])),
		MaxTimestamp:    int64(binary.BigEndian.Uint64(b[atMaxTimestamp:])),
		ProducerID:      int64(binary.BigEndian.Uint64(b[atProducerID:])),
		ProducerEpoch:   int16(binary.BigEndian.Uint16(b[atProducerEpoch:])),
		BaseSequence:    int32(binary.BigEndian.Uint32(b[atBaseSequence:])),
		Count:           int32(binary.BigEndian.Uint32(b[atCount:])),
	}
	return h, h.check()
}

func (h *Header) check() error {
	const op = "parse batch header"
	switch {
	case h.Magic != magic:
		return corrupt(op, "magic %d is not %d", h.Magic, magic)
	case h.Length < HeaderSize-lengthExtra || h.Length > HeaderSize-lengthExtra+BodyBytesMax:
		return corrupt(op, "length %d is outside %d to %d", h.Length, HeaderSize-lengthExtra, HeaderSize-lengthExtra+BodyBytesMax)
	case h.BaseOffset < 0 || h.LastOffsetDelta < 0 || h.BaseOffset > math.MaxInt64-1-log.Offset(h.LastOffsetDelta):
		return corrupt(op, "offsets %d + %d are no offsets", h.BaseOffset, h.LastOffsetDelta)
	case h.Count < 0 || h.Count > RecordsMax || int64(h.Count) > int64(h.LastOffsetDelta)+1:
		return corrupt(op, "count %d with last offset delta %d", h.Count, h.LastOffsetDelta)
	}
	return nil
}

// SetPlace gives an encoded batch its base offset and leader epoch, which the CRC does not cover.
func SetPlace(batch []byte, base log.Offset, epoch log.LeaderEpoch) {
	_ = batch[HeaderSize-1]
	binary.BigEndian.PutUint64(batch[atBaseOffset:], uint64(base))
	binary.BigEndian.PutUint32(batch[atEpoch:], uint32(epoch))
}

// MarkBarrier sets the barrier flag of an encoded batch and corrects its CRC. Bytes of b behind its
// first batch are left alone. b must begin with a whole, valid batch.
func MarkBarrier(b []byte) {
	b = b[:lengthExtra+int(binary.BigEndian.Uint32(b[atLength:]))]
	b[atAttributes] |= 0x80
	binary.BigEndian.PutUint32(b[atCRC:], checksum(b))
}

// Verify checks the first batch of b: that it is whole, that its header makes sense and that its
// CRC is right. Bytes behind it are not looked at.
func Verify(b []byte) error {
	_, _, err := Next(b)
	return err
}

// Next verifies the first batch of b as Verify does and returns its header and the bytes behind it.
func Next(b []byte) (h Header, rest []byte, err error) {
	h, err = ParseHeader(b)
	if err != nil {
		return h, nil, err
	}
	if len(b) < h.Size() {
		return h, nil, corrupt("verify batch", "batch at offset %d has %d of %d bytes", h.BaseOffset, len(b), h.Size())
	}
	if crc := checksum(b[:h.Size()]); crc != h.CRC {
		return h, nil, corrupt("verify batch", "batch at offset %d has CRC %08x, its header says %08x", h.BaseOffset, crc, h.CRC)
	}
	return h, b[h.Size():], nil
}

func checksum(batch []byte) uint32 { return crc32.Update(0, castagnoli, batch[atAttributes:]) }

func corrupt(op, format string, args ...any) error {
	return log.NewError(log.Corrupt, op, format, args...)
}
