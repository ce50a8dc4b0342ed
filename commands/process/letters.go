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

	mu   sync.Mutex // held over appends, so that the index is in the topic's order
	byID map[string]place
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

// put adds a letter or replaces it. Errors: LimitReached, and the log's.
func (q *letters) put(ctx context.Context, l *Letter) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, there := q.byID[l.ID]; !there && len(q.byID) >= q.most {
		return log.NewError(log.LimitReached, "poison "+l.ID, "%d letters wait, which is the most", q.most)
	}
	return q.append(ctx, l.ID, l.record())
}

// append writes a record of the topic and takes it into the index. mu must be held. After an error the record may be in the topic all the same; whoever wrote it does so again.
func (q *letters) append(ctx context.Context, id string, r log.Record) error {
	offset, err := q.lg.Append(context.WithoutCancel(ctx), poisonPartition, &log.Batch{Records: []log.Record{r}})
	if err != nil {
		return err
	}
	r.Key, r.Offset = []byte(id), offset
	q.read(&r)
	return nil
}

// get reads one letter. mu must be held.
func (q *letters) get(ctx context.Context, id string) (*Letter, error) {
	p, ok := q.byID[id]
	if !ok {
		return nil, &LetterNotFoundError{ID: id}
	}
	return q.at(ctx, p.offset)
}

// hotel returns the hotel of a letter, or "".
func (q *letters) hotel(id string) (string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p, ok := q.byID[id]
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
	prefix := ""
	if f.Handler != "" {
		prefix = f.Handler + "."
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	ids := make([]string, 0, len(q.byID))
	for id, p := range q.byID {
		if id > after && strings.HasPrefix(id, prefix) && (f.Hotel == "" || p.hotel == f.Hotel) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	var found []Letter
	size := 0
	for _, id := range ids {
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

// requeue gives a letter to its handler again, in one append. One that is there already stays as it is.
func (q *letters) requeue(ctx context.Context, id string, known func(handler string) bool) (*Letter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
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
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.byID[id]; !ok {
		return &LetterNotFoundError{ID: id}
	}
	return q.end(ctx, id)
}

// handled ends a letter that its handler has dealt with, if that has not happened yet.
func (q *letters) handled(ctx context.Context, id string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.byID[id]; !ok {
		return nil
	}
	return q.end(ctx, id)
}

// end writes a letter's tombstone. mu must be held.
func (q *letters) end(ctx context.Context, id string) error {
	return q.append(ctx, id, log.Record{Key: []byte(id)})
}

// has reports whether a record is in the queue for a handler.
func (q *letters) has(handler string, at log.Position) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.byID) == 0 {
		return false
	}
	_, ok := q.byID[letterID(handler, at)]
	return ok
}

// stands reports whether a requeued letter that lies at an offset is still to be handled: nothing was written about it since.
func (q *letters) stands(id string, at log.Offset) bool {
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
