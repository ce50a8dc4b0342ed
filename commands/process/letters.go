package process

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"lodge/log"
)

// LetterNotFoundError says that there is no such letter: it was handled or discarded, or never was.
type LetterNotFoundError struct{ ID string }

// Error names the letter.
func (e *LetterNotFoundError) Error() string { return "there is no letter " + e.ID }

// UnknownHandlerError says that a letter cannot be handled again, because this program has no such handler.
type UnknownHandlerError struct{ Handler string }

// Error names the handler.
func (e *UnknownHandlerError) Error() string { return "there is no handler " + e.Handler }

// letters is the poison queue: the topic, and an index of it in memory.
type letters struct {
	lg   Log
	most int

	using sync.Mutex // held over appends, so that the index is in the topic's order, and over reads, so that what it says is there. Before mu
	mu    sync.Mutex // guards byID; not held while the log is used: who handles records waits for nobody's letter
	byID  map[string]place
}

// place is where the last record of a letter lies.
type place struct {
	offset log.Offset
	state  LetterState
	hotel  string // the original's key
}

// openLetters makes the topic when it is missing and reads it. It knows itself by its own names: not by what a record says to be.
func openLetters(ctx context.Context, lg Log, most int) (*letters, error) {
	err := lg.CreateTopic(ctx, PoisonTopic, log.TopicConfig{
		Partitions: 1, Cleanup: log.CleanupCompact, TagHeader: HeaderRequeued, RecordBytesMax: letterBytesMax,
	})
	if err != nil && log.CodeOf(err) != log.TopicExists {
		return nil, err
	}
	q := &letters{lg: lg, most: most, byID: map[string]place{}}
	at, end, err := lg.Offsets(ctx, poisonPartition)
	for err == nil && at < end {
		var found log.FetchResult
		if found, err = lg.Fetch(ctx, log.FetchRequest{TopicPartition: poisonPartition, Offset: at}); err == nil {
			for i := range found.Records {
				q.read(&found.Records[i])
			}
			at = found.Next
		}
	}
	return q, err
}

// lettersBytesMax ends an answer of list early.
const lettersBytesMax = 1 << 20

// letterBytesMax bounds a letter: a record of the default size, its headers, and what is said about it.
const letterBytesMax = 4 << 20

// read takes a record of the topic into the index.
func (q *letters) read(r *log.Record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r.Value == nil {
		delete(q.byID, string(r.Key))
		return
	}
	p := place{offset: r.Offset, state: LetterWaiting, hotel: string(r.HeaderValue(HeaderKey))}
	if _, ok := r.Header(HeaderRequeued); ok {
		p.state = LetterRequeued
	}
	q.byID[string(r.Key)] = p
}

// counts returns how many letters wait for staff, how many are with their handlers, and whether there is no room for another.
func (q *letters) counts() (waiting, requeued int, full bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range q.byID {
		if p.state == LetterRequeued {
			requeued++
		}
	}
	return len(q.byID) - requeued, requeued, len(q.byID) >= q.most
}

// put adds a letter of a record, or replaces it, and gives it its id. Errors: LimitReached, and the log's.
func (q *letters) put(ctx context.Context, l *Letter) error {
	q.using.Lock()
	defer q.using.Unlock()
	id, there, err := q.idOf(ctx, letterID(l.Handler, l.Position), l.digest())
	if err != nil {
		return err
	}
	if l.ID = id; !there && q.count() >= q.most {
		return log.NewError(log.LimitReached, "poison "+l.ID, "%d letters wait, which is the most", q.most)
	}
	return q.append(ctx, l.ID, l.record())
}

// idOf returns the id of the letter of one record, which is base unless another's has that, and whether it is there. using must be held.
func (q *letters) idOf(ctx context.Context, base, digest string) (id string, there bool, err error) {
	long := longID(base, digest)
	if _, there = q.find(long); there {
		return long, true, nil
	}
	p, there := q.find(base)
	if !there {
		return base, false, nil
	}
	l, err := q.at(ctx, p.offset)
	switch {
	case log.CodeOf(err) == log.Corrupt: // whatever it is, it is not this record's
		return long, false, nil
	case err != nil:
		return "", false, err
	case l.digest() == digest:
		return base, true, nil
	}
	return long, false, nil
}

// find returns where a letter lies.
func (q *letters) find(id string) (place, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p, ok := q.byID[id]
	return p, ok
}

func (q *letters) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.byID)
}

// append writes a record of the topic and takes it into the index. using must be held. After an error the record may be in the topic all the same; whoever wrote it does so again.
func (q *letters) append(ctx context.Context, id string, r log.Record) error {
	offset, err := q.lg.Append(context.WithoutCancel(ctx), poisonPartition, &log.Batch{Records: []log.Record{r}})
	if err != nil {
		return err
	}
	r.Key, r.Offset = []byte(id), offset
	q.read(&r)
	return nil
}

// one reads one letter.
func (q *letters) one(ctx context.Context, id string) (*Letter, error) {
	q.using.Lock()
	defer q.using.Unlock()
	return q.get(ctx, id)
}

// get reads one letter. using must be held.
func (q *letters) get(ctx context.Context, id string) (*Letter, error) {
	p, ok := q.find(id)
	if !ok {
		return nil, &LetterNotFoundError{ID: id}
	}
	return q.at(ctx, p.offset)
}

// hotel returns the hotel of a letter, or "".
func (q *letters) hotel(id string) (string, error) {
	p, ok := q.find(id)
	if !ok {
		return "", &LetterNotFoundError{ID: id}
	}
	return p.hotel, nil
}

// at reads the letter whose last record lies at an offset.
func (q *letters) at(ctx context.Context, offset log.Offset) (*Letter, error) {
	found, err := q.lg.Fetch(ctx, log.FetchRequest{TopicPartition: poisonPartition, Offset: offset, MaxBytes: 1})
	if err != nil {
		return nil, err
	}
	if len(found.Records) == 0 || found.Records[0].Offset != offset {
		return nil, log.NewError(log.Corrupt, "read letter", "no record at offset %d of %s", offset, PoisonTopic)
	}
	return parseLetter(&found.Records[0])
}

// list returns up to limit letters that are chosen, with ids above after, by id. It ends early when they are large.
func (q *letters) list(ctx context.Context, f LetterFilter, after string, limit int) ([]Letter, error) {
	q.using.Lock()
	defer q.using.Unlock()
	var found []Letter
	size := 0
	for _, id := range q.chosen(f, after) {
		if len(found) == limit || size > lettersBytesMax {
			break
		}
		l, err := q.get(ctx, id)
		if err != nil {
			return nil, err
		}
		found = append(found, *l)
		size += len(l.Value) + len(l.Error)
	}
	return found, nil
}

// chosen returns the ids of letters above after, in order.
func (q *letters) chosen(f LetterFilter, after string) (ids []string) {
	prefix := ""
	if f.Handler != "" {
		prefix = f.Handler + "."
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for id, p := range q.byID {
		if id > after && strings.HasPrefix(id, prefix) && (f.Hotel == "" || p.hotel == f.Hotel) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// requeue gives a letter to its handler again, in one append. One that is there already stays as it is.
func (q *letters) requeue(ctx context.Context, id string, known func(handler string) bool) (*Letter, error) {
	q.using.Lock()
	defer q.using.Unlock()
	l, err := q.get(ctx, id)
	if err != nil || l.State == LetterRequeued {
		return l, err
	}
	if !known(l.Handler) {
		return nil, &UnknownHandlerError{Handler: l.Handler}
	}
	l.State = LetterRequeued
	return l, q.append(ctx, id, l.record())
}

// discard ends a letter. One that its handler has again may be handled all the same.
func (q *letters) discard(ctx context.Context, id string) error {
	q.using.Lock()
	defer q.using.Unlock()
	if _, ok := q.find(id); !ok {
		return &LetterNotFoundError{ID: id}
	}
	return q.end(ctx, id)
}

// handled ends the letter that its handler has dealt with, which lies at an offset, if that has not happened yet.
func (q *letters) handled(ctx context.Context, id string, at log.Offset) error {
	q.using.Lock()
	defer q.using.Unlock()
	if p, ok := q.find(id); !ok || p.offset != at {
		return nil
	}
	return q.end(ctx, id)
}

// end writes a letter's tombstone. using must be held.
func (q *letters) end(ctx context.Context, id string) error {
	return q.append(ctx, id, log.Record{Key: []byte(id)})
}

// has reports whether the queue has a handler's letter of this very record. Where there is none of its place, nearly always, it waits for nobody.
func (q *letters) has(ctx context.Context, handler string, r *log.Record) (bool, error) {
	if q.count() == 0 {
		return false, nil
	}
	base, own := letterID(handler, r.Position()), digest(r.Key, r.Value, r.Headers)
	_, there := q.find(base)
	if _, long := q.find(longID(base, own)); !there && !long {
		return false, nil
	}
	q.using.Lock()
	defer q.using.Unlock()
	_, there, err := q.idOf(ctx, base, own)
	return there, err
}

// stands reports whether a requeued letter that lies at an offset is still to be handled: nothing was written about it since.
func (q *letters) stands(id string, at log.Offset) bool {
	q.using.Lock()
	defer q.using.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	p, ok := q.byID[id]
	if ok && p.offset < at { // an append whose outcome was not known has happened
		p.offset, p.state = at, LetterRequeued
		q.byID[id] = p
	}
	return ok && p.offset == at
}

// sortedNames returns the names of metadata in order.
func sortedNames(m message.Metadata) []string { return slices.Sorted(maps.Keys(m)) }
