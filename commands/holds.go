package commands

import (
	"context"
	"time"

	"lodge/domain/hotel"
)

// armAll tells OnHold of every hotel with holds, and forgets what it was told before: after the state was rebuilt, or has caught up with
// another writer.
func (p *processor) armAll() {
	if p.opts.OnHold == nil {
		return
	}
	p.armed = make(map[string]time.Time)
	for id, h := range p.state.hotels {
		if at, ok := h.NextHoldExpiry(); ok {
			p.arm(id, at)
		}
	}
}

// arm tells OnHold that a hotel's next hold ends at a time, unless it was told of an earlier one that has not come yet.
func (p *processor) arm(hotelID string, at time.Time) {
	if armed, ok := p.armed[hotelID]; ok && !at.Before(armed) {
		return
	}
	p.armed[hotelID] = at
	p.opts.OnHold(hotelID, at)
}

// noteHolds arms a hotel whose holds have changed, where next was the earliest deadline before, if held. Invariant: a hotel with holds is armed for the earliest deadline or an
// earlier time. So nothing is to be done for a hold that is not the first to end, which is nearly every one.
func (p *processor) noteHolds(hotelID string, h *hotel.State, next time.Time, held bool) {
	if p.opts.OnHold == nil {
		return
	}
	if at, ok := h.NextHoldExpiry(); ok && (!held || at.Before(next)) {
		p.arm(hotelID, at)
	}
}

// rearm arms a hotel anew after its holds were looked through: what it was armed for has come, or comes for nothing.
func (p *processor) rearm(c *Pending) {
	body, ok := c.command.Body.(*hotel.ExpireHolds)
	if !ok || p.opts.OnHold == nil || c.err != nil || p.state == nil {
		return
	}
	delete(p.armed, body.Hotel)
	if at, ok := p.state.hotel(body.Hotel).NextHoldExpiry(); ok {
		p.arm(body.Hotel, at)
	}
}

// Upkeep is what a hotel's state asks for by itself, as time goes by.
type Upkeep struct {
	HotelID     string
	NextHold    time.Time // when the next hold ends; zero: there is none
	OffersDue   bool      // hotel.OfferRooms may offer something
	HorizonDays int32     // nights that hotel.ExtendInventory keeps open; 0: none, or the hotel is archived
}

// Upkeep returns what the hotels ask for, those that ask for nothing left out. It takes its turn among the commands of each partition, and counts what is
// decided and not committed yet. Run must be running. Errors: *log.Error with LimitReached, Unavailable (ask again) and Closed, or ctx's.
func (e *Engine) Upkeep(ctx context.Context) ([]Upkeep, error) {
	var all []Upkeep
	for _, p := range e.processors {
		var found []Upkeep
		err := e.look(ctx, p, func(s *state) { found = s.upkeep(e.opts.Clock()) })
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (s *state) upkeep(now time.Time) (all []Upkeep) {
	for id, h := range s.hotels {
		u := Upkeep{HotelID: id, OffersDue: h.OffersDue(now), HorizonDays: h.Horizon()}
		u.NextHold, _ = h.NextHoldExpiry()
		if !u.NextHold.IsZero() || u.OffersDue || u.HorizonDays > 0 {
			all = append(all, u)
		}
	}
	return all
}

// look has f look at a partition's state on the processor's goroutine. What f has written is the caller's if there is no error.
func (e *Engine) look(ctx context.Context, p *processor, f func(*state)) error {
	pending := &Pending{engine: e, look: f, done: make(chan struct{}, 1)}
	if err := p.queue.put(pending, p.op); err != nil {
		return err
	}
	select {
	case <-pending.done:
		return pending.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// show lets a Pending look at the state.
func (p *processor) show(c *Pending) {
	if err := p.ready(); err != nil {
		c.refuse(unavailable(p.op, err))
		return
	}
	c.look(p.state)
}
