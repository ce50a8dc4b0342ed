package process

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/log"
	"lodge/log/watermill"
)

// Handler is one process manager, or one step of one.
type Handler struct {
	Name  string    // 1 to 63 characters of [a-z0-9-]; part of the group's name and of letters' ids, so it stays as it is
	Topic log.Topic // must be there when Run begins
	Types []string  // of events (ce_type); empty: all

	// Parallel is how many records of a partition are handled at the same time: default 1, all in their order. With more, those with the same OrderKey are handled in
	// their order, one after the other, and none waits for another's: for handlers that wait for somebody outside.
	Parallel int
	OrderKey func(r *log.Record) string // default: the record's key, which is the hotel

	// Handle answers one event. It may be called again for the same event, also after it succeeded. ctx ends after Options.AttemptTimeout, and when Run is to end;
	// DeliveryOf tells what there is to know about the delivery. The event is the handler's.
	Handle func(ctx context.Context, e *event.Envelope) error

	// HandleRecord, in place of Handle, answers a record that is no event, such as a timer. The record must not be changed.
	HandleRecord func(ctx context.Context, r *log.Record) error
}

// Limits of a router.
const (
	HandlersMax = 128
)

func (h *Handler) validate() error {
	switch {
	case domain.ValidateID(h.Name, "name") != nil:
		return invalid("handler %q: the name is not 1 to %d characters of a-z, 0-9 and inner hyphens", h.Name, domain.IDMax)
	case (h.Handle == nil) == (h.HandleRecord == nil):
		return invalid("handler %s: exactly one of Handle and HandleRecord is needed", h.Name)
	case h.Parallel < 0 || h.Parallel > watermill.ParallelMax:
		return invalid("handler %s: Parallel is %d, not in [0, %d]", h.Name, h.Parallel, watermill.ParallelMax)
	}
	if err := h.Topic.Validate(); err != nil {
		return err
	}
	return h.filter().Validate()
}

// filter returns what the log is to leave out, or nil.
func (h *Handler) filter() *log.Filter {
	if len(h.Types) == 0 {
		return nil
	}
	return &log.Filter{Tags: h.Types}
}

func invalid(format string, args ...any) error {
	return log.NewError(log.InvalidArgument, "process managers", format, args...)
}

// The names of groups.
const (
	groupPrefix    = "process."
	requeuedSuffix = ".requeued"
)

// GroupOf returns the consumer group of a handler.
func GroupOf(handler string) log.Group { return log.Group(groupPrefix + handler) }

// requeuedGroupOf returns the consumer group by which a handler gets its requeued letters.
func requeuedGroupOf(handler string) log.Group { return GroupOf(handler) + requeuedSuffix }

// IsGroup reports whether a group's offsets must never be forgotten: they say which side effects have happened.
func IsGroup(group log.Group) bool { return strings.HasPrefix(string(group), groupPrefix) }

// Delivery says what a handler is working on.
type Delivery struct {
	Handler  string
	Position log.Position // of the record, also when it is handled again out of the poison queue
	Attempt  int          // from 1; those before it was requeued are counted
	Requeued bool
}

type deliveryKey struct{}

// DeliveryOf returns what the handler that was called with ctx is working on.
func DeliveryOf(ctx context.Context) (Delivery, bool) {
	d, ok := ctx.Value(deliveryKey{}).(*delivery)
	if !ok {
		return Delivery{}, false
	}
	return d.Delivery, true
}

// RequestID returns the request id for the command by which a handler answers an event: the same for the same event, handler and step, so that
// giving the command again changes nothing for as long as the engine remembers request ids. It is a UUID of version 5.
func RequestID(e *event.Envelope, handler, step string) uuid.UUID {
	return uuid.NewSHA1(requestSpace, []byte(e.ID+"\x00"+handler+"\x00"+step))
}

var requestSpace = uuid.MustParse("0198f3c1-6f0a-7c52-9d0e-5d8a3b7c1e42")
