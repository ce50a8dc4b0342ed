package varint

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func FuzzReader(f *testing.F) {
	f.Add(uint64(300), int64(-5), byte(7), []byte("name"), 2)
	f.Fuzz(func(t *testing.T, u uint64, i int64, c byte, name []byte, cut int) {
		b := binary.AppendVarint(binary.AppendUvarint(nil, u), i)
		b = append(binary.AppendUvarint(append(b, c), uint64(len(name))), name...)
		r := Reader{Rest: b}
		if r.Uvarint() != u || r.Varint() != i || r.Byte() != c || !bytes.Equal(r.Bytes(r.Uvarint()), name) || !r.Ended() {
			t.Fatalf("%x is not read as it was written: %+v", b, r)
		}
		r = Reader{Rest: b[:max(0, min(cut, len(b)-1))]}
		r.Uvarint()
		r.Varint()
		r.Byte()
		r.Bytes(r.Uvarint())
		if !r.Bad || r.Ended() || r.Uvarint() != 0 || r.Varint() != 0 || r.Byte() != 0 || r.Bytes(0) != nil {
			t.Fatalf("%x, cut at %d, is read as whole: %+v", b, cut, r)
		}
	})
}
