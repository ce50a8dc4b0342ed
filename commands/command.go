package commands

import (
	"context"
	"time"

	"github.com/google/uuid"

	"lodge/domain/event"
	"lodge/domain/hotel"
	"lodge/log"
)

// Command is one request to change one hotel.
type Command struct {
	// RequestID makes the command safe to retry. It is looked up at the partition of the command's hotel. Zero is refused with INVALID_ARGUMENT
	// unless Internal.
	RequestID uuid.UUID

	// Internal marks a command of the platform itself, which may go without a request id because deciding
	// it again changes nothing.
	Internal bool

	// Time is when the command is given, which is what its rules count from; zero: the engine's clock. It is cut to whole milliseconds.
	Time time.Time

	CorrelationID string // goes into the events as it is
	CausationID   string // goes into the events as it is
	Actor         string // who gives the command, as role:id; goes into the events as it is
	Reason        string // why, in their words; goes into the events as it is, sealed where they are of a guest's booking

	Body hotel.Command
}

// Result is the answer to a command. Its events are shared: they must not be changed.
type Result struct {
	Events   []*event.Envelope // in order; none when the command changed nothing
	Position log.Position      // of the last event; zero without events
	Replayed bool              // the command had been applied before: this is the first answer, read from the log
}

// Pending is a command that was accepted and has not been answered yet.
type Pending struct {
	engine  *Engine
	command Command
	finger  [16]byte     // blinded when the command says who somebody is, or has people's words
	plain   [16]byte     // finger as it was before there were seals; the same unless blinded
	eventID uuid.UUID    // of the first event
	look    func(*state) // in place of a command
	journey *journey     // what its trace tells; nil: nothing
	parent  string       // goes into the events as the trace that they are part of; empty: none
	done    chan struct{}

	seals  []hotel.Seal  // of the command's guests; nil: none of them is named
	first  [1]hotel.Seal // what seals mostly needs
	words  hotel.Seal    // of what people wrote in it
	reason hotel.Seal    // of command.Reason; without a key it goes into the events as it is

	// Set by the processor before done is signaled.
	exposed bool // the seals of guests may be in the log
	told    bool // those of words and reason may be
	result  Result
	err     error
	replay  requestRef // not zero: the answer is in the log
}

// Wait blocks until the command's events are committed and returns them, or the error that it was refused with. It is called once. When ctx ends
// first the command may still be applied: send it again with the same request id to learn its answer.
//
// Errors: *domain.Error (a rule; nothing was changed), ErrRequestReused, and *log.Error with codes LimitReached and Unavailable (send the same
// request again) and Closed.
func (p *Pending) Wait(ctx context.Context) (Result, error) {
	select {
	case <-p.done:
	default:
		select {
		case <-p.done:
		case <-ctx.Done():
			return Result{}, context.Cause(ctx)
		}
	}
	result, err := p.result, p.err
	if err == nil && p.replay != 0 {
		if result, err = p.engine.readAnswer(ctx, p); err == nil {
			err = p.engine.forget(result.Events) // the first time may have ended before it
		}
	}
	p.engine.recycle(p)
	return result, err
}

// answer hands the outcome to whoever waits. The Pending belongs to the waiter from here on.
func (p *Pending) answer() {
	if p.journey != nil {
		p.journey.end(p)
	}
	p.done <- struct{}{}
}

// refuse replaces whatever was decided by an error.
func (p *Pending) refuse(err error) {
	p.result, p.replay, p.err = Result{}, 0, err
}
