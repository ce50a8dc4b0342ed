package commands

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/vfs"
)

// A snapshot file is a sequence of frames, integers in little endian:
//
//	frame    length of payload uint32 | CRC-32C of kind and payload uint32 | kind uint8 | payload
//
//	kind 1   header: "LODGESNP" | version uint32 | partition uint32 | partitions uint32
//	         | 3 × (next offset int64 | CRC of the batch before it uint32) | hotels uint32 | requests uint32
//	kind 2   one hotel: length of id uint8 | id | hotel.State.AppendSnapshot
//	kind 3   up to 4096 requests, oldest first: 16 bytes of id | ref uint64 | time uint32 | fp uint32
//	kind 4   end: number of frames before it uint32
//
// Nothing in it is needed: whatever does not read back exactly is ignored and the log is replayed instead.
const (
	snapshotMagic    = "LODGESNP"
	snapshotVersion  = 1
	snapshotFrameMax = 1 << 30
	headerLen        = 8 + 4 + 4 + 4 + topicCount*12 + 4 + 4
	frameHeaderLen   = 9
)

const (
	headerFrame = iota + 1
	hotelFrame
	requestsFrame
	endFrame
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// snapshotWriter writes frames to a file. The first error sticks.
type snapshotWriter struct {
	ctx    context.Context
	file   vfs.File
	at     int64
	buffer []byte
	frames uint32
	err    error
}

func (w *snapshotWriter) state(n log.Partition, st *state, marks snapshotMarks, opts Options) {
	var requests uint32
	st.requests.all(func(*requestEntry) { requests++ })
	w.frame(headerFrame, func(b []byte) []byte {
		b = append(b, snapshotMagic...)
		b = binary.LittleEndian.AppendUint32(b, snapshotVersion)
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
		b = binary.LittleEndian.AppendUint32(b, uint32(opts.Partitions))
		for topic, next := range st.next {
			b = binary.LittleEndian.AppendUint64(b, uint64(next))
			b = binary.LittleEndian.AppendUint32(b, marks[topic])
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(len(st.hotels)))
		return binary.LittleEndian.AppendUint32(b, requests)
	})
	for id, h := range st.hotels {
		w.frame(hotelFrame, func(b []byte) []byte {
			b = append(b, byte(len(id)))
			b = append(b, id...)
			return h.AppendSnapshot(b)
		})
	}
	w.requests(st.requests)
}

func (w *snapshotWriter) requests(r *requests) {
	chunk := make([]byte, 0, chunkLen*requestBytes)
	flush := func() {
		if len(chunk) > 0 {
			w.frame(requestsFrame, func(b []byte) []byte { return append(b, chunk...) })
			chunk = chunk[:0]
		}
	}
	r.all(func(e *requestEntry) {
		chunk = append(chunk, e.id[:]...)
		chunk = binary.LittleEndian.AppendUint64(chunk, uint64(e.ref))
		chunk = binary.LittleEndian.AppendUint32(chunk, e.time)
		chunk = binary.LittleEndian.AppendUint32(chunk, e.fp)
		if len(chunk) == cap(chunk) {
			flush()
		}
	})
	flush()
}

// frame appends one frame whose payload fill appends.
func (w *snapshotWriter) frame(kind byte, fill func([]byte) []byte) {
	if w.err != nil {
		return
	}
	start := len(w.buffer)
	w.buffer = append(w.buffer, 0, 0, 0, 0, 0, 0, 0, 0, kind)
	w.buffer = fill(w.buffer)
	body := w.buffer[start+frameHeaderLen-1:]
	if len(body)-1 > snapshotFrameMax {
		w.err = fmt.Errorf("a frame of %d bytes is larger than %d", len(body)-1, snapshotFrameMax)
		return
	}
	binary.LittleEndian.PutUint32(w.buffer[start:], uint32(len(body)-1))
	binary.LittleEndian.PutUint32(w.buffer[start+4:], crc32.Checksum(body, castagnoli))
	w.frames++
	if len(w.buffer) >= 1<<20 {
		w.flush()
	}
}

func (w *snapshotWriter) flush() {
	if w.err == nil {
		w.err = context.Cause(w.ctx)
	}
	if w.err == nil && len(w.buffer) > 0 {
		_, w.err = w.file.WriteAt(w.buffer, w.at)
	}
	w.at += int64(len(w.buffer))
	w.buffer = w.buffer[:0]
}

func (w *snapshotWriter) finish() error {
	frames := w.frames
	w.frame(endFrame, func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, frames) })
	w.flush()
	return w.err
}

// snapshotReader reads what snapshotWriter writes.
type snapshotReader struct {
	in               *bufio.Reader
	left             int64 // bytes of the file
	frames           uint32
	hotels, requests uint32 // still to come
	marks            snapshotMarks
	st               *state
}

func readSnapshot(f vfs.File, n log.Partition, opts Options) (*state, snapshotMarks, error) {
	size, err := f.Size()
	if err != nil {
		return nil, snapshotMarks{}, err
	}
	r := &snapshotReader{
		in:   bufio.NewReaderSize(io.NewSectionReader(f, 0, size), 1<<20),
		left: size,
		st:   newState(opts),
	}
	if err := r.header(n, opts); err != nil {
		return nil, snapshotMarks{}, err
	}
	for {
		kind, payload, err := r.frame()
		if err != nil {
			return nil, snapshotMarks{}, err
		}
		if kind == endFrame {
			return r.st, r.marks, r.end(payload)
		}
		if err := r.body(kind, payload); err != nil {
			return nil, snapshotMarks{}, err
		}
	}
}

// frame returns the next frame in new memory.
func (r *snapshotReader) frame() (kind byte, payload []byte, err error) {
	var head [frameHeaderLen - 1]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return 0, nil, fmt.Errorf("frame %d: %w", r.frames, err)
	}
	length := int64(binary.LittleEndian.Uint32(head[:])) + 1
	r.left -= int64(len(head))
	if length > r.left || length > snapshotFrameMax {
		return 0, nil, fmt.Errorf("frame %d of %d bytes is longer than the file", r.frames, length)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r.in, body); err != nil {
		return 0, nil, fmt.Errorf("frame %d: %w", r.frames, err)
	}
	r.left -= length
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return 0, nil, fmt.Errorf("frame %d: wrong checksum", r.frames)
	}
	r.frames++
	return body[0], body[1:], nil
}

func (r *snapshotReader) header(n log.Partition, opts Options) error {
	kind, b, err := r.frame()
	if err != nil {
		return err
	}
	if kind != headerFrame || len(b) != headerLen || string(b[:8]) != snapshotMagic {
		return errors.New("not a snapshot")
	}
	uint32At := func(i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
	if v := uint32At(8); v != snapshotVersion {
		return fmt.Errorf("version %d, not %d", v, snapshotVersion)
	}
	if uint32At(12) != uint32(n) || uint32At(16) != uint32(opts.Partitions) {
		return fmt.Errorf("of partition %d of %d", uint32At(12), uint32At(16))
	}
	for topic := range r.st.next {
		r.st.next[topic] = log.Offset(binary.LittleEndian.Uint64(b[20+12*topic:]))
		r.marks[topic] = uint32At(28 + 12*topic)
	}
	r.hotels, r.requests = uint32At(headerLen-8), uint32At(headerLen-4)
	return nil
}

func (r *snapshotReader) body(kind byte, b []byte) error {
	switch kind {
	case hotelFrame:
		return r.hotel(b)
	case requestsFrame:
		return r.requestEntries(b)
	}
	return fmt.Errorf("frame %d: unknown kind %d", r.frames-1, kind)
}

func (r *snapshotReader) hotel(b []byte) error {
	if len(b) == 0 || len(b) < 1+int(b[0]) || r.hotels == 0 {
		return fmt.Errorf("frame %d: not a hotel", r.frames-1)
	}
	id := string(b[1 : 1+b[0]])
	h, err := hotel.LoadSnapshot(b[1+len(id):])
	if err != nil {
		return fmt.Errorf("hotel %s: %w", id, err)
	}
	r.st.hotels[id] = h
	r.hotels--
	return nil
}

func (r *snapshotReader) requestEntries(b []byte) error {
	if len(b) == 0 || len(b)%requestBytes != 0 || uint64(len(b)/requestBytes) > uint64(r.requests) {
		return fmt.Errorf("frame %d: not requests", r.frames-1)
	}
	for ; len(b) > 0; b = b[requestBytes:] {
		e := requestEntry{
			id:   [16]byte(b[:16]),
			ref:  requestRef(binary.LittleEndian.Uint64(b[16:])),
			time: binary.LittleEndian.Uint32(b[24:]),
			fp:   binary.LittleEndian.Uint32(b[28:]),
		}
		if topic := e.ref.topic(); topic < 0 || topic >= topicCount || r.st.requests.find(e.id) != nil {
			return fmt.Errorf("frame %d: a request that cannot be", r.frames-1)
		}
		r.st.requests.add(e)
		r.requests--
	}
	return nil
}

func (r *snapshotReader) end(b []byte) error {
	if len(b) != 4 || binary.LittleEndian.Uint32(b) != r.frames-1 || r.hotels != 0 || r.requests != 0 || r.left != 0 {
		return errors.New("it is not whole")
	}
	return nil
}
