package group

import (
	"encoding/binary"
	"math"

	"lodge/log"
)

// Kafka's primitive types: big-endian integers, strings behind an int16 length, bytes and arrays behind an int32 length; a length of -1 is
// null.

func appendInt16(b []byte, v int16) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) }
func appendInt32(b []byte, v int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }
func appendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

func appendString[S ~string](b []byte, s S) []byte {
	return append(appendInt16(b, int16(len(s))), s...)
}

// appendNullableString writes "" as null.
func appendNullableString[S ~string](b []byte, s S) []byte {
	if s == "" {
		return appendInt16(b, -1)
	}
	return appendString(b, s)
}

// appendBytes writes nil as null.
func appendBytes(b, v []byte) []byte {
	if v == nil {
		return appendInt32(b, -1)
	}
	return append(appendInt32(b, int32(len(v))), v...)
}

// reader reads primitive types. After the first that is not there it returns zeros, and bad says so.
type reader struct {
	b   []byte
	bad bool
}

// take returns the next n bytes, or nil.
func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) int16() int16 {
	if v := r.take(2); v != nil {
		return int16(binary.BigEndian.Uint16(v))
	}
	return 0
}

func (r *reader) int32() int32 {
	if v := r.take(4); v != nil {
		return int32(binary.BigEndian.Uint32(v))
	}
	return 0
}

func (r *reader) int64() int64 {
	if v := r.take(8); v != nil {
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

func (r *reader) string() string { return string(r.take(int(r.int16()))) }

// nullableString reads null as "".
func (r *reader) nullableString() string {
	if n := r.int16(); n != -1 {
		return string(r.take(int(n)))
	}
	return ""
}

// bytes returns a slice of what is read; null is nil, empty is not.
func (r *reader) bytes() []byte {
	if n := r.int32(); n != -1 {
		return r.take(int(n))
	}
	return nil
}

// length reads an array's length, which is at most what the bytes left can hold of elements of elementMin bytes.
func (r *reader) length(elementMin int) int {
	n := int(r.int32())
	if n == -1 {
		return 0
	}
	if n < 0 || n > len(r.b)/elementMin {
		r.bad = true
		return 0
	}
	return n
}

// partitions reads topics with partitions.
func (r *reader) partitions() (tps []log.TopicPartition) {
	for range r.length(6) {
		topic := log.Topic(r.string())
		for range r.length(4) {
			tps = append(tps, log.TopicPartition{Topic: topic, Partition: log.Partition(r.int32())})
		}
	}
	return tps
}

// appendPartitions writes partitions by topic: neighbors of one topic together, in the order given.
func appendPartitions(b []byte, tps []log.TopicPartition) []byte {
	topics := 0
	for i := range tps {
		if i == 0 || tps[i].Topic != tps[i-1].Topic {
			topics++
		}
	}
	b = appendInt32(b, int32(topics))
	for len(tps) > 0 {
		n := 1
		for n < len(tps) && tps[n].Topic == tps[0].Topic {
			n++
		}
		b = appendInt32(appendString(b, tps[0].Topic), int32(n))
		for _, tp := range tps[:n] {
			b = appendInt32(b, int32(tp.Partition))
		}
		tps = tps[n:]
	}
	return b
}

// corrupt returns the error for bytes that are not what op says.
func corrupt(op, format string, args ...any) error {
	return log.NewError(log.Corrupt, op, format, args...)
}

// tooLong reports whether a string does not fit Kafka's format.
func tooLong(s string) bool { return len(s) > math.MaxInt16 }
