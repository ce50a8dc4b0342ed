package process

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lodge/log"
)

// HandlerStatus is how a handler stands. Counts are since the program began.
type HandlerStatus struct {
	Name  string
	Topic log.Topic
	Types []string
	Group log.Group

	Handled  int64 // records, those out of the poison queue included
	Retried  int64 // attempts after the first
	Poisoned int64 // records that went to the poison queue
	Panics   int64 // attempts

	FailingSince time.Time // when the oldest record that is being tried again failed first; zero: none is
	LastError    string    // of the last failed attempt; empty: there was none

	Lag int64 // records behind its committed position, matching or not; -1: not known. Only Handlers fills it in
}

// Stats returns how the handlers stand, in the order in which they were registered. It waits for nothing.
func (r *Router) Stats() []HandlerStatus {
	all := make([]HandlerStatus, len(r.handlers))
	for i, h := range r.handlers {
		all[i] = HandlerStatus{
			Name: h.Name, Topic: h.Topic, Types: slices.Clone(h.Types), Group: GroupOf(h.Name), Lag: -1,
			Handled: h.counts.handled.Load(), Retried: h.counts.retried.Load(), Poisoned: h.counts.poisoned.Load(), Panics: h.counts.panics.Load(),
		}
		all[i].FailingSince, all[i].LastError = h.counts.trouble()
	}
	return all
}

// trouble returns since when the oldest record is being tried again, and the last error.
func (c *counts) trouble() (since time.Time, last string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.failing {
		if since.IsZero() || t.Before(since) {
			since = t
		}
	}
	return since, c.failure
}

// Handlers is Stats with lags.
func (r *Router) Handlers(ctx context.Context) ([]HandlerStatus, error) {
	all := r.Stats()
	for i := range all {
		lag, err := r.lag(ctx, &all[i])
		if err != nil {
			return nil, err
		}
		all[i].Lag = lag
	}
	return all, nil
}

// lag returns how far a handler's group is behind in its topic.
func (r *Router) lag(ctx context.Context, h *HandlerStatus) (int64, error) {
	committed, err := r.lg.FetchOffsets(ctx, h.Group, nil)
	if err != nil && log.CodeOf(err) != log.UnknownGroup {
		return -1, err
	}
	info, err := r.lg.DescribeTopic(ctx, h.Topic)
	if err != nil {
		return -1, err
	}
	lag := int64(0)
	for _, p := range info.Partitions {
		tp := log.TopicPartition{Topic: h.Topic, Partition: p.Partition}
		start, end, err := r.lg.Offsets(ctx, tp)
		if err != nil {
			return -1, err
		}
		if at, ok := committed[tp]; ok {
			start = max(start, at.Offset)
		}
		lag += max(0, int64(end-start))
	}
	return lag, nil
}

// Letters returns up to limit letters with ids above after, by id. Letters that are large may be fewer than asked for; only an empty answer is the end.
func (r *Router) Letters(ctx context.Context, after string, limit int) ([]Letter, error) {
	return r.LettersOf(ctx, LetterFilter{}, after, limit)
}

// LetterFilter chooses letters. The zero value: all.
type LetterFilter struct {
	Handler string // "": of any
	Hotel   string // the original's key; "": of any, and of none
}

// LettersOf is Letters for those that are chosen.
func (r *Router) LettersOf(ctx context.Context, f LetterFilter, after string, limit int) ([]Letter, error) {
	if limit < 1 {
		return nil, invalid("a limit of %d letters is below 1", limit)
	}
	return r.letters.list(ctx, f, after, min(limit, lettersListMax))
}

// lettersListMax bounds one answer of Letters.
const lettersListMax = 1000

// LetterHotel returns the hotel that a letter is of, which is the original's key, or "" when it is of none. Error: *LetterNotFoundError.
func (r *Router) LetterHotel(id string) (string, error) { return r.letters.hotel(id) }

// Letter returns one letter. Error: *LetterNotFoundError.
func (r *Router) Letter(ctx context.Context, id string) (*Letter, error) {
	return r.letters.one(ctx, id)
}

// Requeue gives a letter to its handler again, which handles it as soon as it can, and returns it. One that was requeued already stays
// so. Errors: *LetterNotFoundError, *UnknownHandlerError, the log's.
func (r *Router) Requeue(ctx context.Context, id string) (*Letter, error) {
	return r.letters.requeue(ctx, id, func(name string) bool { return r.byName[name] != nil })
}

// Discard drops a letter. One that was requeued may be handled all the same. Errors: *LetterNotFoundError, the log's.
func (r *Router) Discard(ctx context.Context, id string) error { return r.letters.discard(ctx, id) }

// stuckAfter is for how long a record may be tried again before that is an illness.
const stuckAfter = time.Minute

// Health says how the process managers are. Letters that wait for staff are no illness; a full poison queue is one, and so is a handler that has been failing for more
// than a minute.
func (r *Router) Health() (healthy bool, message string) {
	waiting, requeued, full := r.letters.counts()
	message = fmt.Sprintf("%d handlers, %d letters wait for staff", len(r.handlers), waiting)
	if requeued > 0 {
		message += fmt.Sprintf(", %d are handled again", requeued)
	}
	if full {
		return false, message + "; the poison queue is full"
	}
	for _, h := range r.handlers {
		if since, failure := h.counts.trouble(); !since.IsZero() && time.Since(since) > stuckAfter {
			return false, message + fmt.Sprintf("; %s has been failing for %s: %.200s", h.Name, time.Since(since).Round(time.Second), failure)
		}
	}
	return true, message
}
