package record

import (
	"hash/crc32"

	"lodge/log"
)

// Matcher is a log.Filter made ready to be held against many encoded records, by one goroutine.
type Matcher struct {
	Header   string   // the header whose value is the tag
	TagMarks []uint32 // of the filter's tags; none: any tag or none will do
	KeyMarks []uint32 // of the filter's keys; none: any key or none will do

	tags, keys map[string]struct{} // nil: all
	room       []byte              // what is left of the memory that chosen records are copied to
	roomSize   int                 // of that memory
	likely     int                 // records chosen of the last batch: what to make room for
}

// NewMatcher returns the matcher of a filter that does not choose all, over records whose tag is in that header. It keeps nothing of f.
func NewMatcher(f *log.Filter, header string) *Matcher {
	m := &Matcher{Header: header}
	for _, tag := range f.Tags {
		m.TagMarks = append(m.TagMarks, TagMark([]byte(tag)))
		m.tags = with(m.tags, tag)
	}
	for _, key := range f.Keys {
		m.KeyMarks = append(m.KeyMarks, KeyMark(key))
		m.keys = with(m.keys, string(key))
	}
	return m
}

func with(set map[string]struct{}, member string) map[string]struct{} {
	if set == nil {
		set = map[string]struct{}{}
	}
	set[member] = struct{}{}
	return set
}

// DecodeMatching is Decode of the records that m chooses only. Values are stepped over, not looked at; what is chosen is copied, so
// that b may be used again and a rare record holds no large buffer. A record that is not chosen is checked only as far as it was looked at.
func DecodeMatching(dst []log.Record, b []byte, tp log.TopicPartition, from log.Offset, m *Matcher) ([]log.Record, error) {
	return decode(dst, b, tp, from, m)
}

// chooses reports whether m chooses the record whose key begins body. ok is false when it cannot be read.
func (m *Matcher) chooses(body reader) (chosen, ok bool) {
	key := body.bytes()
	if m.keys != nil {
		if _, found := m.keys[string(key)]; !found || key == nil {
			return false, !body.bad
		}
	}
	if m.tags == nil {
		return true, !body.bad
	}
	tag, tagged := body.tag(m.Header)
	_, found := m.tags[string(tag)]
	return tagged && found, !body.bad
}

// tag steps over a value and returns the value of the first header of that name, and whether there is one.
func (r *reader) tag(header string) (tag []byte, ok bool) {
	r.bytes() // the value
	n := r.varint()
	if r.bad || n < 0 || n > HeadersMax || n*2 > int64(len(r.rest)) {
		r.bad = true
		return nil, false
	}
	for range n {
		name, value := r.bytes(), r.bytes()
		if name == nil {
			r.bad = true
		}
		if r.bad {
			return nil, false
		}
		if string(name) == header {
			return value, true
		}
	}
	return nil, false
}

const (
	roomMin = 512
	roomMax = 256 << 10
)

// keep copies the bytes of a chosen record. Its room doubles as more are chosen.
func (m *Matcher) keep(b []byte) []byte {
	if len(m.room) < len(b) {
		m.roomSize = min(max(2*m.roomSize, roomMin), roomMax)
		m.room = make([]byte, max(len(b), m.roomSize))
	}
	kept := m.room[:len(b):len(b)]
	m.room = m.room[len(b):]
	copy(kept, b)
	return kept
}

// Marks are 32-bit hashes by which indexes know keys and tags. They are stored, so they must not change: CRC-32C, from other
// beginnings for keys and tags.
const (
	keySeed = 0
	tagSeed = 0x9e3779b9
)

// KeyMark returns the mark of a key.
func KeyMark(key []byte) uint32 { return crc32.Update(keySeed, castagnoli, key) }

// TagMark returns the mark of a tag.
func TagMark(tag []byte) uint32 { return crc32.Update(tagSeed, castagnoli, tag) }

// MarksOf appends the marks of the records' keys and tags to dst.
func MarksOf(dst []uint32, records []log.Record, header string) []uint32 {
	for i := range records {
		if key := records[i].Key; key != nil {
			dst = append(dst, KeyMark(key))
		}
		if tag, ok := records[i].Header(header); ok {
			dst = append(dst, TagMark(tag))
		}
	}
	return dst
}

// AppendMarks appends the marks of the keys and tags of the records of the first batch of b to dst, decompressing it if need
// be. The CRC is not checked. An error (Corrupt) says that the records cannot be read; dst is then returned as it was.
func AppendMarks(dst []uint32, b []byte, header string) ([]uint32, error) {
	const op = "read marks"
	h, err := ParseHeader(b)
	if err != nil {
		return dst, err
	}
	if len(b) < h.Size() {
		return dst, corrupt(op, "batch at offset %d has %d of %d bytes", h.BaseOffset, len(b), h.Size())
	}
	if h.Attributes.Has(Control) {
		return dst, nil
	}
	r := reader{rest: b[HeaderSize:h.Size()]}
	if c := h.Attributes.Compression(); c != log.Uncompressed {
		if r.rest, err = decompress(r.rest, c, BodyBytesMax); err != nil {
			return dst, corrupt(op, "batch at offset %d: %w", h.BaseOffset, err)
		}
	}
	out := dst
	for range h.Count {
		length := r.varint()
		if r.bad || length < recordBytesMin-1 || length > int64(len(r.rest)) {
			return dst, corrupt(op, "batch at offset %d: a record's length is beyond it", h.BaseOffset)
		}
		body := reader{rest: r.rest[:length]}
		r.rest = r.rest[length:]
		if out = body.marks(out, header); body.bad {
			return dst, corrupt(op, "batch at offset %d: a record's fields are beyond it", h.BaseOffset)
		}
	}
	return out, nil
}

// marks appends the marks of the record behind its length.
func (r *reader) marks(dst []uint32, header string) []uint32 {
	r.skip(1) // attributes
	r.varint()
	r.varint()
	if key := r.bytes(); key != nil {
		dst = append(dst, KeyMark(key))
	}
	if tag, ok := r.tag(header); ok {
		dst = append(dst, TagMark(tag))
	}
	return dst
}
