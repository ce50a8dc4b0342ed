package projectiontest

import (
	"context"
	"errors"
	"testing"

	"lodge/projections"
)

// rebalance: at any step of following the log a member goes and another one comes.
func (s *suite) rebalance(t *testing.T) {
	s.steps(t, func(n int) bool { return s.rebalancing(t, NewKiller(n), func(*Bench, *History) error { return nil }) })
}

// rebalanceInRebuild: at least once at each kind of step of a rebuild while events come.
func (s *suite) rebalanceInRebuild(t *testing.T) {
	for _, step := range projections.RebuildSteps() {
		if step == projections.StepRetire {
			continue // it is over
		}
		met := s.rebalancing(t, NewKillerAt(step, 0), func(b *Bench, h *History) error {
			_, err := b.Store.RebuildWith(context.Background(), s.new().Name(), projections.RebuildOptions{
				Compare: true, Progress: func(projections.Progress) { b.Log.Append(h.Next(3)...) },
			})
			return err
		})
		if !met {
			t.Errorf("a rebuild does not pass step %q", step)
		}
	}
}

// rebalancing has events applied, and members changed when the trigger goes off. It reports whether that happened.
func (s *suite) rebalancing(t *testing.T, trigger *Killer, meanwhile func(*Bench, *History) error) bool {
	l, h := s.story()
	b := s.bench(t, l)
	b.Opts.Fault = func(step projections.Step) error {
		_ = trigger.Fault(step) // nothing is killed
		return nil
	}
	b.Start()
	trigger.Arm()
	ctx, cancel := context.WithCancel(context.Background())
	changed := make(chan error, 1)
	go func() { changed <- b.exchange(ctx, trigger) }()
	for range 10 {
		l.Append(h.Next(suiteEvents / 40)...)
	}
	err := meanwhile(b, h)
	b.CatchUp()
	cancel()
	if err := errors.Join(err, <-changed); err != nil {
		t.Fatal(err)
	}
	b.CatchUp()
	s.equal(t, b)
	b.Close()
	return trigger.Killed() != ""
}

// exchange has a member go and another one come when the trigger goes off.
func (b *Bench) exchange(ctx context.Context, trigger *Killer) error {
	select {
	case <-trigger.Dead():
	case <-ctx.Done():
		return nil
	}
	err := b.Store.RemoveMember(context.Background(), b.Store.Members()[0].Name)
	_, aerr := b.Store.AddMember()
	return errors.Join(err, aerr)
}
