// Package varint reads stored values one after the other: numbers in the variable-length encoding of encoding/binary, and bytes.
//
//	r := varint.Reader{Rest: value}
//	id, name := r.Uvarint(), r.Bytes(r.Uvarint())
//	if !r.Ended() { … }                          // something was missing, or is left
//
// What it does not do: allocate, judge what it reads, or write (binary.AppendUvarint does).
package varint

import "encoding/binary"

// Reader takes values off the front of Rest. After the first that is not there Bad is set, and all later ones are zero. A caller that
// finds a value impossible may set Bad, too. Not for concurrent use.
type Reader struct {
	Rest []byte
	Bad  bool
}

// Uvarint takes an unsigned number.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.Rest)
	if r.lacks(n <= 0) {
		return 0
	}
	r.Rest = r.Rest[n:]
	return v
}

// Varint takes a signed number.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.Rest)
	if r.lacks(n <= 0) {
		return 0
	}
	r.Rest = r.Rest[n:]
	return v
}

// Bytes takes n bytes, which stay the caller's memory; nil when there are fewer.
func (r *Reader) Bytes(n uint64) []byte {
	if r.lacks(n > uint64(len(r.Rest))) {
		return nil
	}
	b := r.Rest[:n:n]
	r.Rest = r.Rest[n:]
	return b
}

// Byte takes one byte.
func (r *Reader) Byte() byte {
	if b := r.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Ended reports whether everything was there, and nothing is left.
func (r *Reader) Ended() bool { return !r.Bad && len(r.Rest) == 0 }

// lacks notes that a value is missing, or that one was before.
func (r *Reader) lacks(missing bool) bool {
	if missing || r.Bad {
		r.Bad, r.Rest = true, nil
	}
	return r.Bad
}
