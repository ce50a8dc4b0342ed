package commands

import (
	"time"

	"lodge/domain/hotel"
)

// ticker returns a channel that fires every HoldTick, or never.
func (p *processor) ticker() (ticks <-chan time.Time, stop func()) {
	if p.opts.HoldTick < 0 {
		return nil, func() {}
	}
	t := time.NewTicker(p.opts.HoldTick)
	return t.C, t.Stop
}

// expireHolds ends the holds whose time has come: a command of the platform itself for each hotel that has some. It is decided like any
// other, so that its events take their place between those of the guests.
func (p *processor) expireHolds() error {
	if p.state == nil { // down
		return nil
	}
	now := p.opts.Clock().UTC().Truncate(time.Millisecond)
	var due []string
	for id, h := range p.state.hotels {
		if at, ok := h.NextHoldExpiry(); ok && !at.After(now) {
			due = append(due, id)
		}
	}
	for _, id := range due {
		if err := p.expireHoldsOf(id, now); err != nil {
			return err
		}
	}
	p.push()
	return nil
}

// expireHoldsOf ends the expired holds of one hotel, hotel.ExpireMax with each command.
func (p *processor) expireHoldsOf(hotelID string, now time.Time) error {
	for {
		c, err := internal(&hotel.ExpireHolds{Hotel: hotelID, Now: now}, cause{time: now})
		if err != nil {
			return err
		}
		if err := p.decide(c); err != nil {
			return err
		}
		ended := len(c.result.Events)
		p.decided = append(p.decided, c)
		if ended < hotel.ExpireMax {
			return nil
		}
		p.push()
	}
}
