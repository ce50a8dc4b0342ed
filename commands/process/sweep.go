package process

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lodge/commands"
	"lodge/domain/hotel"
	"lodge/log"
)

// sweepRegularly looks at horizons at once, and sweeps now and then, until ctx ends.
func (u *Upkeep) sweepRegularly(ctx context.Context) {
	u.report(ctx, "extend inventories", u.extendAll(ctx))
	u.report(ctx, "look after hotels", u.sweep(ctx))
	extended := u.opts.Clock()
	for {
		pause(ctx, u.opts.SweepInterval)
		if ctx.Err() != nil {
			return
		}
		u.report(ctx, "look after hotels", u.sweep(ctx))
		if now := u.opts.Clock(); u.scheduler == nil && now.Sub(extended) >= horizonInterval {
			u.report(ctx, "extend inventories", u.extendAll(ctx))
			extended = now
		}
	}
}

// report logs what the next time may mend.
func (u *Upkeep) report(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		u.opts.Logger.Warn("cannot "+what+" and tries again later", "error", err)
	}
}

// sweep sees to what should have been seen to: holds that are overdue because their timer is lost, offers to those who wait, and the cron of horizons.
func (u *Upkeep) sweep(ctx context.Context) error {
	if err := u.setHorizonTimer(ctx); err != nil {
		return err
	}
	all, err := u.engine.Upkeep(ctx)
	if err != nil {
		return err
	}
	now := u.opts.Clock()
	wants := map[string]*commands.Upkeep{}
	for i := range all {
		h := &all[i]
		if h.OffersDue || u.overdue(h, now) {
			wants[h.HotelID] = h
		}
	}
	for _, err := range u.each(ctx, keys(wants), func(ctx context.Context, hotelID string) error { return u.lookAfter(ctx, wants[hotelID], now) }) {
		return err
	}
	return nil
}

// overdue reports whether a hotel has a hold that a timer should have ended.
func (u *Upkeep) overdue(h *commands.Upkeep, now time.Time) bool {
	return u.deadlines != nil && !h.NextHold.IsZero() && now.Sub(h.NextHold) > u.opts.OverdueAfter
}

func (u *Upkeep) lookAfter(ctx context.Context, h *commands.Upkeep, now time.Time) error {
	why := cause{id: "sweep"}
	if u.overdue(h, now) {
		if err := u.expireHolds(ctx, h.HotelID, why); err != nil {
			return err
		}
	}
	if !h.OffersDue {
		return nil
	}
	_, err := u.give(ctx, why, time.Time{}, &hotel.OfferRooms{Hotel: h.HotelID})
	return err
}

// setHorizonTimer makes the cron of horizons when it is missing or another.
func (u *Upkeep) setHorizonTimer(ctx context.Context) error {
	if u.scheduler == nil {
		return nil
	}
	s, err := u.scheduler.GetSchedule(ctx, horizonSchedule)
	if err == nil && s.Cron == horizonCron && isTimer(&s.Record, horizonTimer, "") {
		return nil
	}
	if err != nil && log.CodeOf(err) != log.UnknownSchedule {
		return err
	}
	t := Timer{ID: horizonSchedule, Type: horizonTimer, Cron: horizonCron}
	return t.Schedule(ctx, u.scheduler)
}

// each calls f for hotels, some at a time, and returns the errors by hotel.
func (u *Upkeep) each(ctx context.Context, hotels []string, f func(ctx context.Context, hotelID string) error) map[string]error {
	var group errgroup.Group
	group.SetLimit(hotelsAtATime)
	var mu sync.Mutex
	failed := map[string]error{}
	for _, hotelID := range hotels {
		group.Go(func() error {
			err := context.Cause(ctx)
			if err == nil {
				err = f(ctx, hotelID)
			}
			if err != nil {
				mu.Lock()
				failed[hotelID] = err
				mu.Unlock()
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in failed
	return failed
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
