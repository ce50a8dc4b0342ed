package commands

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"lodge/log"
	"lodge/log/vfs"
)

// A snapshot file is a sequence of frames, integers in little endian:
//
//	frame    length of payload uint32 | CRC-32C of kind and payload uint32 | kind uint8 | payload
//
//	kind 1   header: "LODGESNP" | version uint32 | partition uint32 | partitions uint32
//	         | 4 × (next offset int64 | CRC of the batch before it uint32) | hotels uint32 | requests uint32
//	kind 2   one hotel: length of id uint8 | id | hotel.State.AppendSnapshot
//	kind 3   up to 4096 requests, oldest first: 16 bytes of id | ref uint64 | time uint32 | fp uint32
//	kind 4   end: number of frames before it uint32
//
// Nothing in it is needed: whatever does not read back exactly is ignored and the log is replayed instead.
const (
	snapshotMagic    = "LODGESNP"
	snapshotVersion  = 2
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
