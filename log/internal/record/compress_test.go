package record

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/klauspost/compress/snappy"

	"lodge/log"
)

// Each codec gives back as many bytes as the limit allows and not one more.
func TestDecompressIsBounded(t *testing.T) {
	plain := bytes.Repeat([]byte("lodge"), 200_000)
	for name, c := range map[string]struct {
		codec log.Compression
		body  []byte
	}{
		"gzip":   {log.Gzip, gzipped(t, plain)},
		"snappy": {log.Snappy, snappy.Encode(nil, plain)},
		"xerial": {log.Snappy, xerial(plain)},
		"lz4":    {log.LZ4, compressed(t, plain, log.LZ4)},
	} {
		got, err := decompress(c.body, c.codec, len(plain))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %d bytes, error %v", name, len(got), err)
		}
		for _, limit := range []int{len(plain) - 1, 1000, 0} {
			if _, err := decompress(c.body, c.codec, limit); !errors.Is(err, errBeyondLimit) {
				t.Errorf("%s with limit %d: error %v", name, limit, err)
			}
		}
	}
	if got, err := decompress(compressed(t, plain, log.Zstd), log.Zstd, BodyBytesMax); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("zstd: %d bytes, error %v", len(got), err)
	}
}

func compressed(t *testing.T, plain []byte, c log.Compression) []byte {
	t.Helper()
	out, err := compress([]byte("before"), plain, c)
	if err != nil || string(out[:6]) != "before" {
		t.Fatalf("compress: %v", err)
	}
	return out[6:]
}

func gzipped(t *testing.T, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func xerial(plain []byte) []byte {
	out := append(bytes.Clone(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1)
	for ; len(plain) > 0; plain = plain[min(32<<10, len(plain)):] {
		block := snappy.Encode(nil, plain[:min(32<<10, len(plain))])
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(block))), block...)
	}
	return out
}
