package commitlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// scanWindow is how much of a segment is read at once, in bytes. A longer batch makes it longer.
const scanWindow = 1 << 20

// scanner walks over the batches of one segment file, checking everything.
type scanner struct {
	file vfs.File
	size int64  // of the file
	buf  []byte // file bytes [at, at+len(buf))
	at   int64
	room []byte // memory of buf

	// Where it stands: the next batch begins at pos and must have this base offset.
	pos  int64
	next log.Offset
}

// step returns the batch at pos and moves behind it. At the file's end, and where only zeros follow, it returns io.EOF. An
// error with code log.Corrupt says why there is no valid batch at pos; any other comes from the file system.
func (s *scanner) step() (h record.Header, batch []byte, err error) {
	if s.pos == s.size {
		return h, nil, io.EOF
	}
	if err := s.need(record.HeaderSize); err != nil {
		return h, nil, err
	}
	h, err = record.ParseHeader(s.here())
	if err != nil {
		return h, nil, s.orZeros(err)
	}
	if h.BaseOffset != s.next {
		return h, nil, log.NewError(log.Corrupt, "scan", "base offset is %d instead of %d", h.BaseOffset, s.next)
	}
	if int64(h.Size()) > s.size-s.pos {
		return h, nil, log.NewError(log.Corrupt, "scan", "batch of %d bytes, of which the file has %d", h.Size(), s.size-s.pos)
	}
	if err := s.need(h.Size()); err != nil {
		return h, nil, err
	}
	batch = s.here()[:h.Size():h.Size()]
	if err := record.Verify(batch); err != nil {
		return h, nil, err
	}
	s.pos += int64(h.Size())
	s.next = h.NextOffset()
	return h, batch, nil
}

func (s *scanner) here() []byte { return s.buf[s.pos-s.at:] }

// need makes the n bytes at pos available, or as many as there are.
func (s *scanner) need(n int) error {
	n = int(min(int64(n), s.size-s.pos))
	if s.pos >= s.at && s.pos+int64(n) <= s.at+int64(len(s.buf)) {
		return nil
	}
	want := int(min(int64(max(n, scanWindow)), s.size-s.pos))
	if cap(s.room) < want {
		s.room = make([]byte, want)
	}
	s.buf, s.at = s.room[:want], s.pos
	if err := readFull(s.file, s.buf, s.at); err != nil {
		s.buf = nil
		return err
	}
	return nil
}

// readFull reads len(p) bytes at pos. When there are fewer the error wraps io.ErrUnexpectedEOF.
func readFull(file vfs.File, p []byte, pos int64) error {
	n, err := file.ReadAt(p, pos)
	if n == len(p) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(p), pos, err)
}

// orZeros returns io.EOF when only zeros follow pos, else err.
func (s *scanner) orZeros(err error) error {
	for at := s.pos; at < s.size; at = s.at + int64(len(s.buf)) {
		if readErr := s.needAt(at); readErr != nil {
			return readErr
		}
		if len(bytes.TrimLeft(s.buf[at-s.at:], "\x00")) > 0 {
			return err
		}
	}
	return io.EOF
}

func (s *scanner) needAt(at int64) error {
	old := s.pos
	s.pos = at
	err := s.need(scanWindow)
	s.pos = old
	return err
}

// seek moves, from pos on and byte by byte, to the first valid batch whose base offset is at least least. ok is false, and pos the
// file's end, when there is none. It keeps one window in memory, or one batch where that is longer.
func (s *scanner) seek(least log.Offset) (h record.Header, ok bool, err error) {
	for s.size-s.pos >= record.HeaderSize {
		if err := s.need(record.HeaderSize); err != nil {
			return h, false, err
		}
		if !s.skipToMagic() {
			continue
		}
		if h, ok, err = s.candidate(least); ok || err != nil {
			return h, ok, err
		}
		s.pos++
	}
	s.pos = s.size
	return h, false, nil
}

// skipToMagic moves to the next place in the window where a batch's magic is at its place, or behind all those without.
func (s *scanner) skipToMagic() bool {
	const magicAt = 16
	window := s.here()[magicAt:]
	skip := bytes.IndexByte(window, 2)
	if skip < 0 {
		s.pos += int64(len(window))
		return false
	}
	s.pos += int64(skip)
	return true
}

// candidate returns the header of the batch at pos, ok if it is valid and not below least.
func (s *scanner) candidate(least log.Offset) (h record.Header, ok bool, err error) {
	if err := s.need(record.HeaderSize); err != nil {
		return h, false, err
	}
	h, parseErr := record.ParseHeader(s.here())
	if ok = parseErr == nil && h.BaseOffset >= least && int64(h.Size()) <= s.size-s.pos; !ok {
		return h, false, nil
	}
	if err := s.need(h.Size()); err != nil {
		return h, false, err
	}
	return h, record.Verify(s.here()[:h.Size()]) == nil, nil
}
