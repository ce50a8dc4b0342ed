package log

import (
	"bytes"
	"time"
)

// Header is one named value beside a record's key and value. Names may repeat; order is kept.
type Header struct {
	Key   string
	Value []byte
}

// Record is one message. The producer fills Key, Value, Headers and, if it likes, Timestamp;
// what is read back also carries where it was found. Slices of a fetched record point into the
// fetch's own memory: they stay valid as long as they are referenced and must not be changed.
type Record struct {
	Key     []byte // nil: no key
	Value   []byte // nil: a tombstone
	Headers []Header

	// Timestamp is kept in whole milliseconds. Zero on append means the broker's clock.
	Timestamp time.Time

	// Set on records that were read.
	Topic     Topic
	Partition Partition
	Offset    Offset
	Epoch     LeaderEpoch
	Size      int    // bytes of the encoded record, uncompressed
	CRC       uint32 // CRC-32C of the batch that the record came in
}

// Position returns where a record that was read lies.
func (r *Record) Position() Position {
	return Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
}

// Header returns the value of the first header named key, and whether there is one.
func (r *Record) Header(key string) ([]byte, bool) {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value, true
		}
	}
	return nil, false
}

// HeaderValue returns the value of the first header named key, or nil.
func (r *Record) HeaderValue(key string) []byte {
	value, _ := r.Header(key)
	return value
}

// Same reports whether two records say the same: key, value, headers and timestamp in milliseconds.
func (r *Record) Same(other *Record) bool {
	if !bytes.Equal(r.Key, other.Key) || !bytes.Equal(r.Value, other.Value) ||
		(r.Key == nil) != (other.Key == nil) || (r.Value == nil) != (other.Value == nil) ||
		r.Timestamp.UnixMilli() != other.Timestamp.UnixMilli() || len(r.Headers) != len(other.Headers) {
		return false
	}
	for i := range r.Headers {
		if r.Headers[i].Key != other.Headers[i].Key || !bytes.Equal(r.Headers[i].Value, other.Headers[i].Value) {
			return false
		}
	}
	return true
}

// Compression is a batch's codec. The numbers are Kafka's, as stored in the batch's attributes.
type Compression int8

// The codecs that Lodge writes. Kafka's gzip (1) and snappy (2) are read as well.
const (
	Uncompressed Compression = 0
	Gzip         Compression = 1
	Snappy       Compression = 2
	LZ4          Compression = 3
	Zstd         Compression = 4
)

// Acks says what an append waits for.
type Acks int8

// As in Kafka: AcksNone does not wait, AcksLeader waits until the leader has the records as the
// topic's durability demands, AcksAll until every in-sync replica has. With one replica the last
// two are the same.
const (
	AcksNone   Acks = 0
	AcksLeader Acks = 1
	AcksAll    Acks = -1
)

// Batch is what is appended as one: all of its records become visible or none does.
type Batch struct {
	Records     []Record
	Compression Compression

	// Expect, when not nil, makes the append conditional: it fails with code OffsetMismatch
	// unless the partition's next offset is *Expect.
	Expect *Offset

	// Fence, when not nil, fails the append with code FencedEpoch unless it is the partition's leader epoch.
	Fence *LeaderEpoch

	// Producer, when not nil, makes the append idempotent.
	Producer *ProducerSequence

	// Layout, when not nil, is the number of the topic's layout by which the batch was routed; if it is not the current one
	// the append fails with code StaleLayout, unless it is a retry of one that succeeded.
	Layout *int32
}

// ProducerSequence identifies a batch of an idempotent producer. Sequences count records, from 0, for each
// partition and epoch; the next batch's Sequence is the last one's plus its record count, wrapping after 2^31-1 as in Kafka.
type ProducerSequence struct {
	ID       int64 // >= 0
	Epoch    int16 // >= 0
	Sequence int32 // >= 0
}
