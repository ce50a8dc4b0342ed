package natsbridge

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/google/uuid"

	"lodge/log"
	"lodge/log/internal/varint"
)

// What the records of __schedules hold. All numbers are varints; bytes have their length plus one in front, 0 is nil.
//
//	key <id>                        a schedule: version | due | create time | cron | zone | topic | key | headers | { name | value } | value
//	key <id>, no value              it has fired, or was canceled
//	key /bridge                     identity: version | producer id | 16 bytes of instance id
//	key /mark/<topic>/<partition>   see mark: version | from | generations | { generation, as the distance from the one before }
//
// No schedule's id has a slash. Due and create time are nanoseconds since 1970. A schedule's generation is its record's offset.
const (
	formatVersion = 1
	bridgeKey     = "/bridge"
	markPrefix    = "/mark/"
)

// identity is what a log's bridge is called for ever.
type identity struct {
	producer int64     // of everything that the bridge appends to targets
	instance uuid.UUID // names the streams in NATS, which may hold those of several logs
}

// mark says, durably and before the append, what the newest batch for a target partition consists of. The batch was appended if and only if the
// producer's newest batch there lies at or behind from.
type mark struct {
	tp          log.TopicPartition
	from        log.Offset // the target's log end when the batch was put together
	generations []log.Offset
}

func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 0)
	}
	return append(binary.AppendUvarint(dst, uint64(len(b))+1), b...)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))+1), s...)
}

// encodeSchedule returns the record of __schedules that keeps s.
func encodeSchedule(s *log.Schedule) log.Record {
	r := &s.Record
	dst := make([]byte, 0, 64+len(s.Cron)+len(s.TimeZone)+len(r.Topic)+len(r.Key)+len(r.Value)+64*len(r.Headers))
	dst = append(dst, formatVersion)
	dst = binary.AppendVarint(dst, s.Due.UnixNano())
	dst = binary.AppendVarint(dst, s.CreateTime.UnixNano())
	dst = appendString(dst, s.Cron)
	dst = appendString(dst, s.TimeZone)
	dst = appendString(dst, string(r.Topic))
	dst = appendBytes(dst, r.Key)
	dst = binary.AppendUvarint(dst, uint64(len(r.Headers)))
	for _, h := range r.Headers {
		dst = appendString(dst, h.Key)
		dst = appendBytes(dst, h.Value)
	}
	return log.Record{Key: []byte(s.ID), Value: appendBytes(dst, r.Value)}
}

// decodeSchedule reads what encodeSchedule wrote; slices of the result point into r. With head set it stops
// before the target record's key. Codes: Corrupt, UnsupportedFormat.
func decodeSchedule(r *log.Record, head bool) (log.Schedule, error) {
	s := log.Schedule{ID: string(r.Key), Generation: int64(r.Offset)}
	d, err := open(r)
	if err != nil {
		return s, err
	}
	s.Due = time.Unix(0, d.Varint()).UTC()
	s.CreateTime = time.Unix(0, d.Varint()).UTC()
	s.Cron, s.TimeZone, s.Record.Topic = string(d.field()), string(d.field()), log.Topic(d.field())
	if s.Cron == "" {
		s.At = s.Due
	}
	if head {
		return s, d.err(r, false)
	}
	s.Record.Key = d.field()
	n := d.Uvarint()
	if n > uint64(len(d.Rest)) { // each takes two bytes at least
		d.Bad, n = true, 0
	}
	if n > 0 {
		s.Record.Headers = make([]log.Header, 0, n)
	}
	for range n {
		s.Record.Headers = append(s.Record.Headers, log.Header{Key: string(d.field()), Value: d.field()})
	}
	s.Record.Value = d.field()
	return s, d.err(r, true)
}

func encodeIdentity(i identity) log.Record {
	dst := binary.AppendUvarint([]byte{formatVersion}, uint64(i.producer))
	return log.Record{Key: []byte(bridgeKey), Value: append(dst, i.instance[:]...)}
}

func decodeIdentity(r *log.Record) (identity, error) {
	var i identity
	d, err := open(r)
	if err != nil {
		return i, err
	}
	i.producer = int64(d.Uvarint())
	d.Bad = d.Bad || len(d.Rest) != len(i.instance) || i.producer < 0
	copy(i.instance[:], d.Rest)
	d.Rest = nil
	return i, d.err(r, true)
}

// encodeMark returns the record that keeps m, and sorts its generations.
func encodeMark(m *mark) log.Record {
	slices.Sort(m.generations)
	dst := binary.AppendUvarint([]byte{formatVersion}, uint64(m.from))
	dst = binary.AppendUvarint(dst, uint64(len(m.generations)))
	last := log.Offset(0)
	for _, g := range m.generations {
		dst = binary.AppendUvarint(dst, uint64(g-last))
		last = g
	}
	return log.Record{Key: []byte(markPrefix + m.tp.String()), Value: dst}
}

func decodeMark(r *log.Record) (mark, error) {
	var m mark
	d, err := open(r)
	if err != nil {
		return m, err
	}
	position, err := log.ParsePosition(string(r.Key[len(markPrefix):]) + "@0")
	d.Bad = err != nil
	m.tp = position.TopicPartition()
	m.from = log.Offset(d.Uvarint())
	last := uint64(0)
	for n := d.Uvarint(); n > 0 && !d.Bad; n-- {
		last += d.Uvarint()
		m.generations = append(m.generations, log.Offset(last))
	}
	d.Bad = d.Bad || m.from < 0
	return m, d.err(r, true)
}

// decoder takes values off a record's value. Bad says that one was missing or made no sense.
type decoder struct{ varint.Reader }

// open begins to decode r's value.
func open(r *log.Record) (*decoder, error) {
	if len(r.Value) == 0 {
		return nil, corrupt(r)
	}
	if r.Value[0] != formatVersion {
		return nil, log.NewError(log.UnsupportedFormat, "read "+r.Position().String(), "schedule format %d, known is %d", r.Value[0], formatVersion)
	}
	return &decoder{varint.Reader{Rest: r.Value[1:]}}, nil
}

func corrupt(r *log.Record) error {
	return log.NewError(log.Corrupt, "read "+r.Position().String(), "record %.40q is not one of a schedule", r.Key)
}

// err returns what is wrong with r. With all set nothing may be left.
func (d *decoder) err(r *log.Record, all bool) error {
	if d.Bad || all && len(d.Rest) > 0 {
		return corrupt(r)
	}
	return nil
}

// field takes what appendBytes wrote.
func (d *decoder) field() []byte {
	n := d.Uvarint()
	if n == 0 {
		return nil
	}
	return d.Bytes(n - 1)
}
