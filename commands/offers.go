package commands

import (
	"time"

	"github.com/google/uuid"

	"lodge/domain/hotel"
)

// cause is what a command of the platform itself follows from: nothing but the time, or a command of somebody.
type cause struct {
	time          time.Time
	correlationID string
	causationID   string
	parent        string // the trace that it is part of
}

// causeOf returns what follows from a command that has been decided. Not after c is answered.
func causeOf(c *Pending) cause {
	return cause{time: c.command.Time, correlationID: c.command.CorrelationID, causationID: c.result.Events[0].ID, parent: c.parent}
}

// offerAfter offers what a command has freed to those who wait for it, before anything else of the hotel is decided: so nobody who came later is
// served first. It costs next to nothing where nobody waits. An error is fatal.
func (p *processor) offerAfter(c *Pending) error {
	if len(c.result.Events) == 0 || p.state == nil {
		p.noteOffers(c)
		return nil
	}
	id := c.command.Body.HotelID()
	if h := p.state.hotels[id]; h == nil || !h.OffersDue(c.command.Time) {
		return nil
	}
	return p.offerRooms(id, causeOf(c))
}

// noteOffers remembers that there is nothing to offer when c was asked for it.
func (p *processor) noteOffers(c *Pending) {
	if body, ok := c.command.Body.(*hotel.OfferRooms); ok && c.err == nil && p.state != nil {
		p.state.hotel(body.Hotel).OffersMade()
	}
}

// offerAll offers what may be had in any hotel: what was freed before a restart, and what the passing of days ends.
func (p *processor) offerAll() error {
	if p.state == nil { // down
		return nil
	}
	now := p.opts.Clock().UTC().Truncate(time.Millisecond)
	var due []string
	for id, h := range p.state.hotels {
		if h.OffersDue(now) {
			due = append(due, id)
		}
	}
	for _, id := range due {
		if err := p.offerRooms(id, cause{time: now}); err != nil {
			return err
		}
	}
	p.push()
	return nil
}

// offerRooms decides hotel.OfferRooms until there is nothing more to offer.
func (p *processor) offerRooms(hotelID string, why cause) error {
	for {
		c, err := internal(&hotel.OfferRooms{Hotel: hotelID}, why)
		if err != nil {
			return err
		}
		if err := p.decide(c); err != nil {
			return err
		}
		p.decided = append(p.decided, c)
		if len(c.result.Events) == 0 || p.state == nil { // after an error: the next tick asks again
			p.noteOffers(c)
			return nil
		}
	}
}

// internal is a command that nobody waits for: its answer stays in the channel.
func internal(body hotel.Command, why cause) (*Pending, error) {
	id, err := uuid.NewV7()
	return &Pending{
		command: Command{
			Internal: true, Time: why.time, CorrelationID: why.correlationID, CausationID: why.causationID, Body: body,
		},
		eventID: id,
		parent:  why.parent,
		done:    make(chan struct{}, 1),
	}, err
}
