package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"lodge/log"
)

const (
	zstdWindowBytes = 1 << 20 // what an encoder looks back; batches are rarely larger
	zstdEncodersMax = 4       // at work at one time: each holds tables of 1.3 MB
)

var errBeyondLimit = errors.New("its records are larger uncompressed than a batch may be")

// The zstd codecs serve concurrent calls and start no goroutine when used as here. They hold
// channels, so they are made with the package: one made at first use within a testing/synctest
// bubble could not be used outside.
var (
	zstdEncoder = newZstdEncoder()
	zstdDecoder = newZstdDecoder()
)

func newZstdEncoder() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(zstdWindowBytes),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true), zstd.WithEncoderConcurrency(min(zstdEncodersMax, runtime.GOMAXPROCS(0))))
	if err != nil {
		panic(err) // the options are constants
	}
	e.EncodeAll(nil, nil) // makes the channels
	return e
}

func newZstdDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(BodyBytesMax))
	if err != nil {
		panic(err) // the options are constants
	}
	return d
}

// lz4Writers frame as Kafka's clients do: independent blocks of 64 KiB, no checksum of the content
// (the batch has its CRC).
var lz4Writers = sync.Pool{New: func() any {
	w := lz4.NewWriter(nil)
	if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)); err != nil {
		panic(err) // the options are constants
	}
	return w
}}

var (
	lz4Readers  = sync.Pool{New: func() any { return lz4.NewReader(nil) }}
	gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}
)

// compress appends plain to dst, compressed. Gzip and snappy are only written where compaction leaves less of what others wrote so.
func compress(dst, plain []byte, c log.Compression) ([]byte, error) {
	switch c {
	case log.Zstd:
		return zstdEncoder.EncodeAll(plain, dst), nil
	case log.Snappy:
		return append(dst, snappy.Encode(nil, plain)...), nil
	case log.Gzip:
		return appendGzip(dst, plain)
	}
	w := lz4Writers.Get().(*lz4.Writer)
	defer lz4Writers.Put(w)
	sink := appender{buf: dst}
	w.Reset(&sink)
	_, err := w.Write(plain)
	err = errors.Join(err, w.Close())
	w.Reset(nil) // the pool must not hold the caller's memory
	if err != nil {
		return dst, fmt.Errorf("compress with lz4: %w", err)
	}
	return sink.buf, nil
}

func appendGzip(dst, plain []byte) ([]byte, error) {
	sink := appender{buf: dst}
	w := gzip.NewWriter(&sink)
	_, err := w.Write(plain)
	if err = errors.Join(err, w.Close()); err != nil {
		return dst, fmt.Errorf("compress with gzip: %w", err)
	}
	return sink.buf, nil
}

type appender struct{ buf []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.buf = append(a.buf, p...)
	return len(p), nil
}

// decompress returns the records of a batch in a buffer of their own, at most limit bytes: BodyBytesMax,
// to which the zstd decoder is set. Tests use less with the other codecs.
func decompress(body []byte, c log.Compression, limit int) ([]byte, error) {
	switch c {
	case log.Zstd:
		plain, err := zstdDecoder.DecodeAll(body, nil)
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
			return nil, errBeyondLimit
		}
		return plain, wrap("zstd", err)
	case log.LZ4:
		r := lz4Readers.Get().(*lz4.Reader)
		defer lz4Readers.Put(r)
		r.Reset(bytes.NewReader(body))
		plain, err := readBounded(r, len(body), limit)
		r.Reset(nil)
		return plain, wrap("lz4", err)
	case log.Gzip:
		return gunzip(body, limit)
	case log.Snappy:
		plain, err := unsnappy(body, limit)
		return plain, wrap("snappy", err)
	}
	return nil, fmt.Errorf("unknown compression %d", c)
}

func wrap(codec string, err error) error {
	if err == nil || errors.Is(err, errBeyondLimit) {
		return err
	}
	return fmt.Errorf("decompress with %s: %w", codec, err)
}

func gunzip(body []byte, limit int) ([]byte, error) {
	r := gzipReaders.Get().(*gzip.Reader)
	defer gzipReaders.Put(r)
	if err := r.Reset(bytes.NewReader(body)); err != nil {
		return nil, wrap("gzip", err)
	}
	plain, err := readBounded(r, len(body), limit)
	return plain, wrap("gzip", err)
}

// readBounded reads all of r, whose compressed size is hint, up to limit.
func readBounded(r io.Reader, hint, limit int) ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 0, min(limit, 4*hint)+bytes.MinRead))
	n, err := buf.ReadFrom(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if n > int64(limit) {
		return nil, errBeyondLimit
	}
	return buf.Bytes(), nil
}

// xerialMagic begins the framing of xerial's snappy-java, which Kafka's Java clients write: the
// magic, two versions of four bytes, then blocks, each behind its length in four bytes.
var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeaderSize = 16

func unsnappy(body []byte, limit int) ([]byte, error) {
	if !bytes.HasPrefix(body, xerialMagic) {
		return appendUnsnapped(nil, body, limit)
	}
	if len(body) < xerialHeaderSize {
		return nil, io.ErrUnexpectedEOF
	}
	var plain []byte
	for body = body[xerialHeaderSize:]; len(body) > 0; {
		if len(body) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		n := binary.BigEndian.Uint32(body)
		body = body[4:]
		if uint64(n) > uint64(len(body)) {
			return nil, io.ErrUnexpectedEOF
		}
		var err error
		if plain, err = appendUnsnapped(plain, body[:n], limit); err != nil {
			return nil, err
		}
		body = body[n:]
	}
	return plain, nil
}

// appendUnsnapped appends one decoded snappy block to plain.
func appendUnsnapped(plain, block []byte, limit int) ([]byte, error) {
	n, err := snappy.DecodedLen(block)
	if err != nil {
		return nil, err
	}
	if n > limit-len(plain) {
		return nil, errBeyondLimit
	}
	decoded, err := snappy.Decode(nil, block)
	if err != nil {
		return nil, err
	}
	if len(plain) == 0 {
		return decoded, nil
	}
	return append(plain, decoded...), nil
}
