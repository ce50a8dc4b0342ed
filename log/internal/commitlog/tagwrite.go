package commitlog

import (
	"sync"

	"lodge/log"
)

// tagsLeftMin is the size in bytes from which on Close leaves the index of the active segment in its file: below that it is made
// anew in no time.
const tagsLeftMin = 128 << 10

// expectedMarks are the marks of a compressed batch that is on its way to Append.
type expectedMarks struct {
	base   log.Offset
	header string // of the tags
	marks  []uint32
}

// expecting is a queue of them, ascending.
type expecting struct {
	mu    sync.Mutex
	queue []expectedMarks
}

const expectedMax = 1 << 16 // batches: more are forgotten, and their stretches read

// ExpectMarks tells, before the Append of a compressed batch, the marks of its records with their tags in that header, so that the
// writer need not decompress it. They are the Log's from now on. Calls come in order of base. Without it, or with another header than
// the index has, the batch and what follows in its segment is indexed when the first filtered read comes.
func (l *Log) ExpectMarks(base log.Offset, header string, marks []uint32) {
	l.expected.mu.Lock()
	defer l.expected.mu.Unlock()
	if len(l.expected.queue) < expectedMax {
		l.expected.queue = append(l.expected.queue, expectedMarks{base: base, header: header, marks: marks})
	}
}

// take returns the expected marks of the batch at base and forgets those before it.
func (e *expecting) take(base log.Offset, header string) (marks []uint32, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for n < len(e.queue) && e.queue[n].base < base {
		n++
	}
	if n < len(e.queue) && e.queue[n].base == base {
		marks, ok = e.queue[n].marks, e.queue[n].header == header
		n++
	}
	e.queue = e.queue[n:]
	return marks, ok
}

// forget drops the marks of batches that are written, whether an index took them or not.
func (e *expecting) forget(next log.Offset) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for n < len(e.queue) && e.queue[n].base < next {
		n++
	}
	if e.queue = e.queue[n:]; len(e.queue) == 0 {
		e.queue = nil // the array holds on to the marks
	}
}

// tagWritten takes what was written at pos, up to offset next, into the index of the active segment, if that is kept and ends there. mu
// must be held.
func (l *Log) tagWritten(s *segment, batches []byte, pos int64, next log.Offset) {
	if x := s.tags.Load(); x != nil {
		l.marks = x.addBatches(batches, pos, l.marks, l.expected.take)
	}
	l.expected.forget(next)
}

// beginTags gives a new segment an index. mu must be held.
func (l *Log) beginTags(s *segment) {
	l.keepTags(s, newTagIndex(s.base, l.Config().TagHeader))
}
