package commands

import (
	"context"

	"google.golang.org/protobuf/proto"

	"lodge/domain/hotel"
)

// Preview decides a command as if it were given at its time, and returns the events that it would lead to; nothing happens. It takes its turn among the commands of the
// partition, and counts what is decided and not committed yet. The request id is not looked at. Run must be running. Errors: those of Execute.
func (e *Engine) Preview(ctx context.Context, c Command) ([]proto.Message, error) {
	c.Internal = true // it needs no request id
	if err := check(c); err != nil {
		return nil, err
	}
	now := c.Time
	if now.IsZero() {
		now = e.opts.Clock()
	}
	var events []proto.Message
	var refused error
	p := e.processors[e.partitionOf(c.Body.HotelID())]
	err := e.look(ctx, p, func(s *state) {
		at := hotel.At{Now: now, InventoryOffset: int64(s.next[inventoryTopic])}
		events, refused = hotel.Decide(s.hotel(c.Body.HotelID()), c.Body, at)
	})
	if err != nil {
		return nil, err
	}
	return events, refused
}
