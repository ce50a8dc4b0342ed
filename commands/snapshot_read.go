package commands

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/vfs"
)

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
			if !r.st.requests.index() {
				return nil, snapshotMarks{}, errors.New("a request is there twice")
			}
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
		if topic := e.ref.topic(); topic < 0 || topic >= topicCount {
			return fmt.Errorf("frame %d: a request that cannot be", r.frames-1)
		}
		r.st.requests.push(e)
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
