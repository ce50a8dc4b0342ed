// Package packed encodes values that queries return but never search by, so that a row carries them in one column: what a row costs
// to write grows with its columns and its bytes.
package packed

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
)

// ErrMalformed says that bytes are not what the functions of this package write.
var ErrMalformed = errors.New("malformed packed column")

// The first number of an id: a UUID's 16 bytes follow, or a text of that number less textBase bytes.
const (
	uuidMark = 0
	textBase = 1
)

const hyphens = "00000000-0000-0000-0000-000000000000"

// AppendInt appends a number; small ones of either sign are short.
func AppendInt(b []byte, n int64) []byte { return binary.AppendVarint(b, n) }

// AppendInts appends a list of numbers.
func AppendInts[T ~int32 | ~int64](b []byte, list []T) []byte {
	b = AppendInt(b, int64(len(list)))
	for _, n := range list {
		b = AppendInt(b, int64(n))
	}
	return b
}

// AppendText appends a text.
func AppendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendID appends a text that is often a UUID; as one it takes 17 bytes.
func AppendID(b []byte, s string) []byte {
	if id, ok := uuid(s); ok {
		return append(append(b, uuidMark), id[:]...)
	}
	return append(binary.AppendUvarint(b, textBase+uint64(len(s))), s...)
}

// Key returns the bytes of a canonical UUID, appended to arena, or the text itself: for a column that is searched by.
// UUIDs sort as their texts do.
func Key(arena []byte, s string) (_ []byte, key any) {
	id, ok := uuid(s)
	if !ok {
		return arena, s
	}
	arena = append(arena, id[:]...)
	return arena, arena[len(arena)-len(id) : len(arena) : len(arena)]
}

// KeyText is the reverse of Key, of a column's value.
func KeyText(column any) string {
	switch v := column.(type) {
	case string:
		return v
	case []byte:
		if len(v) == 16 {
			return text([16]byte(v))
		}
	}
	return ""
}

// uuid takes a UUID in its canonical form, lower-case with hyphens, and nothing else: the way back must lead to the same text.
func uuid(s string) (id [16]byte, ok bool) {
	if len(s) != len(hyphens) || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	at := 0
	for i := 0; i < len(s); i += 2 {
		if hyphens[i] == '-' {
			i++
		}
		high, low := digits[s[i]], digits[s[i+1]]
		if high|low > 15 {
			return id, false
		}
		id[at] = high<<4 | low
		at++
	}
	return id, true
}

// digits holds what a lower-case hexadecimal digit stands for, and 255 for all other bytes.
var digits = func() (d [256]byte) {
	for i := range d {
		d[i] = 255
	}
	for i, c := range []byte("0123456789abcdef") {
		d[c] = byte(i)
	}
	return d
}()

func text(id [16]byte) string {
	b := []byte(hyphens)
	for i, part := range [...][2]int{{0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		hex.Encode(b[2*part[0]+i:], id[part[0]:part[1]])
	}
	return string(b)
}

// Reader reads values in the order in which they were appended. After an error all values are zero.
type Reader struct {
	rest []byte
	err  error
}

// NewReader returns a reader of b.
func NewReader(b []byte) *Reader { return &Reader{rest: b} }

// More reports whether anything is left to read.
func (r *Reader) More() bool { return r.err == nil && len(r.rest) > 0 }

// Err returns ErrMalformed when a value could not be read.
func (r *Reader) Err() error { return r.err }

func (r *Reader) fail() {
	r.rest, r.err = nil, ErrMalformed
}

// Int reads a number.
func (r *Reader) Int() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// Ints reads a list of numbers; nil when it is empty.
func Ints[T ~int32 | ~int64](r *Reader) []T {
	n := r.Int()
	if n < 0 || n > int64(len(r.rest)) {
		r.fail()
		return nil
	}
	list := slices.Grow([]T(nil), int(n))
	for range n {
		list = append(list, T(r.Int()))
	}
	return list
}

// Text reads a text.
func (r *Reader) Text() string { return string(r.take(r.size())) }

// ID reads an id.
func (r *Reader) ID() string {
	n := r.size()
	if n != uuidMark || r.err != nil {
		return string(r.take(n - textBase))
	}
	id := r.take(16)
	if r.err != nil {
		return ""
	}
	return text([16]byte(id))
}

// Bytes reads n bytes that were appended as they are; nil when there are fewer. They point into what is read.
func (r *Reader) Bytes(n int) []byte { return r.take(uint64(n)) }

func (r *Reader) size() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *Reader) take(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}
