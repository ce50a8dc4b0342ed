package importer

import (
	"context"
	"fmt"
	"time"

	"lodge/domain"
	"lodge/log"
)

// inFlightMax bounds the commands that are submitted and not answered.
const inFlightMax = 4096

// Run carries out a plan and counts the answers. progress, when not nil, is called with the number of answered commands.
// The error is for a platform that does not go on; running the same plan again takes up where this left off.
func Run(ctx context.Context, plan *Plan, to Commander, progress func(answered int)) (*Summary, error) {
	r := &runner{plan: plan, to: to, progress: progress, summary: plan.summary(), placed: make([]placement, len(plan.Rows))}
	start := time.Now()
	err := r.run(ctx)
	r.summary.took(time.Since(start))
	return r.summary, err
}

// placement is what became of a row's reservation.
type placement struct {
	answered bool
	stands   bool // it was placed, now or before
	before   bool // it was there before this run
}

type inFlight struct {
	step   *Step
	answer Answer
}

// runner keeps a window of commands under way, in order.
type runner struct {
	plan     *Plan
	to       Commander
	progress func(int)
	summary  *Summary
	placed   []placement // by row
	window   []inFlight  // oldest first, at most inFlightMax
	answered int
}

func (r *runner) run(ctx context.Context) error {
	for i := range r.plan.Steps {
		if err := r.submit(ctx, &r.plan.Steps[i]); err != nil {
			return err
		}
	}
	for len(r.window) > 0 {
		if err := r.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// submit sends one step when its turn has come. What becomes of a reservation that does not stand is not sent.
func (r *runner) submit(ctx context.Context, step *Step) error {
	if step.Kind.changes() {
		for !r.placed[step.Row].answered {
			if err := r.settle(ctx); err != nil {
				return err
			}
		}
		if !r.placed[step.Row].stands {
			return nil
		}
	}
	for {
		answer, err := r.to.Submit(ctx, step.Command)
		switch {
		case err == nil:
			r.window = append(r.window, inFlight{step, answer})
		case log.CodeOf(err) != log.LimitReached || len(r.window) == 0:
			return fmt.Errorf("line %d: %s: %w", step.Line, step.Kind, err)
		}
		if err == nil && len(r.window) < inFlightMax {
			return nil
		}
		if settleErr := r.settle(ctx); settleErr != nil || err == nil {
			return settleErr
		}
	}
}

// settle waits for the oldest answer and counts it.
func (r *runner) settle(ctx context.Context) error {
	oldest := r.window[0]
	r.window = r.window[1:]
	outcome, err := oldest.answer.Wait(ctx)
	if err := r.count(ctx, oldest.step, outcome, err); err != nil {
		return fmt.Errorf("line %d: %s: %w", oldest.step.Line, oldest.step.Kind, err)
	}
	r.answered++
	if r.progress != nil {
		r.progress(r.answered)
	}
	return nil
}

// count books one answer. Errors that are not the domain's end the import.
func (r *runner) count(ctx context.Context, step *Step, outcome Outcome, refused error) error {
	if refused != nil {
		if domain.ReasonOf(refused) == "" {
			return refused
		}
		var known bool
		var err error
		if outcome, known, err = r.known(ctx, step, domain.ReasonOf(refused)); err != nil {
			return err
		}
		if !known {
			r.refuse(step, refused)
			return nil
		}
	}
	r.summary.Commands++
	if outcome.Replayed {
		r.summary.Replayed++
	} else {
		r.summary.EventsAppended += int64(outcome.Events)
	}
	r.done(step, outcome)
	return nil
}

// known reports whether a refusal means that the step was carried out so long ago that its request id is forgotten, and how it
// came out. What else the platform may have forgotten by then its read models tell.
func (r *runner) known(ctx context.Context, step *Step, refused domain.Reason) (Outcome, bool, error) {
	switch refused {
	case domain.HotelExists, domain.RoomTypeExists, domain.RoomExists, domain.RatePlanExists:
		return Outcome{Replayed: true}, step.Kind == SetUp, nil
	case domain.StatusConflict:
		return Outcome{Replayed: true}, step.Kind.changes() && r.placed[step.Row].before, nil
	case domain.ReservationExists:
		outcome, recorded, err := r.to.Recorded(ctx, step.Command.Body)
		if !recorded {
			outcome = Outcome{Replayed: true} // its row is on the way
		}
		return outcome, true, err
	case domain.ReservationNotFound:
		if !r.placed[step.Row].before {
			return Outcome{}, false, nil
		}
		return r.to.Recorded(ctx, step.Command.Body)
	case domain.BooksClosed:
		return r.to.Recorded(ctx, step.Command.Body)
	}
	return Outcome{}, false, nil
}

func (r *runner) refuse(step *Step, err error) {
	s := r.summary
	s.Commands++
	s.Refused++
	if step.Kind == Place {
		r.placed[step.Row].answered = true
	}
	if len(s.Problems) < ProblemsShown {
		s.Problems = append(s.Problems, Problem{Line: step.Line, Reason: Refused, Text: fmt.Sprintf("%s: %v", step.Kind, err)})
	}
}

func (r *runner) done(step *Step, outcome Outcome) {
	s := r.summary
	switch step.Kind {
	case Place:
		r.placed[step.Row] = placement{answered: true, stands: !outcome.Rejected, before: outcome.Replayed}
		if outcome.Rejected {
			s.Rejected++
			return
		}
		s.Placed++
		s.RoomNights += r.plan.Rows[step.Row].Nights()
	case Change:
		s.Changes++
	case Leave:
		s.Kept++
	case Cancel:
		s.Canceled++
	case Miss:
		s.NoShows++
	}
}
