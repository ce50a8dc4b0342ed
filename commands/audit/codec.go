package audit

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// encoder writes what an audit remembers between two runs.
type encoder struct{ b []byte }

func (e *encoder) number(values ...int64) {
	for _, v := range values {
		e.b = binary.AppendVarint(e.b, v)
	}
}

func (e *encoder) text(s string) {
	e.b = binary.AppendUvarint(e.b, uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) raw(b []byte) { e.b = append(e.b, b...) }

func (e *encoder) flag(b bool) {
	if b {
		e.number(1)
	} else {
		e.number(0)
	}
}

// inOrder calls f for the entries of m by key, so that the same memory is always written the same.
func inOrder[V any](e *encoder, m map[string]V, f func(key string, value V)) {
	e.number(int64(len(m)))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		e.text(key)
		f(key, m[key])
	}
}

var errState = errors.New("what was remembered cannot be read")

// decoder reads what an encoder wrote. It keeps the first error, and gives zero values from there on.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = errState
	}
	d.b = nil
}

func (d *decoder) number() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads how many things follow, each of at least one byte.
func (d *decoder) count() int {
	n := d.number()
	if n < 0 || n > int64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) text() string {
	n, used := binary.Uvarint(d.b)
	if used <= 0 || n > uint64(len(d.b)-used) {
		d.fail()
		return ""
	}
	s := string(d.b[used : used+int(n)])
	d.b = d.b[used+int(n):]
	return s
}

func (d *decoder) raw(dst []byte) {
	if len(d.b) < len(dst) {
		d.fail()
		return
	}
	copy(dst, d.b)
	d.b = d.b[len(dst):]
}

func (d *decoder) flag() bool { return d.number() != 0 }

// end returns the first error; bytes that are left over are one.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail()
	}
	return d.err
}
