package importer

import (
	"context"

	"lodge/commands"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// Commander gives commands to a platform. Commands for one hotel are carried out in the order in which they are submitted.
type Commander interface {
	// Submit hands over a command; it may wait for room. The answer comes from Answer.Wait.
	Submit(ctx context.Context, c commands.Command) (Answer, error)
	// Recorded reports whether the read models hold what a command would have done, and its outcome then. It is asked about
	// commands that are refused because the platform has forgotten what they are about.
	Recorded(ctx context.Context, body hotel.Command) (Outcome, bool, error)
}

// Answer is a command's outcome to come.
type Answer interface {
	// Wait blocks until the command is answered. A *domain.Error says that it was refused and nothing changed.
	Wait(ctx context.Context) (Outcome, error)
}

// Outcome is what a command did.
type Outcome struct {
	Events   int  // appended by this command, now or the first time
	Replayed bool // it had been carried out before: nothing was appended now
	Rejected bool // the reservation was rejected: a night was full
}

// InProcess gives commands to an engine of this process.
type InProcess struct {
	Engine *commands.Engine
	*Records
}

// Submit queues the command. The error has code LimitReached when the queue is full.
func (p InProcess) Submit(ctx context.Context, c commands.Command) (Answer, error) {
	pending, err := p.Engine.Submit(ctx, c)
	if err != nil {
		return nil, err
	}
	return inProcessAnswer{pending}, nil
}

type inProcessAnswer struct{ pending *commands.Pending }

func (a inProcessAnswer) Wait(ctx context.Context) (Outcome, error) {
	result, err := a.pending.Wait(ctx)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Events: len(result.Events), Replayed: result.Replayed}
	for _, e := range result.Events {
		if _, ok := e.Message.(*eventpb.ReservationRejected); ok {
			out.Rejected = true
		}
	}
	return out, nil
}
