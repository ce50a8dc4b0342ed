package commands

import (
	"context"
	"time"

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
	err := e.preview(ctx, c.Body.HotelID(), now, func(s *hotel.State, at hotel.At) { events, refused = hotel.Decide(s, c.Body, at) })
	if err != nil {
		return nil, err
	}
	return events, refused
}

// QuoteCancellation says what a cancellation would settle that is given at a time. It is a Preview. Errors: those of Execute.
func (e *Engine) QuoteCancellation(ctx context.Context, c *hotel.CancelReservation, now time.Time) (quote hotel.CancellationQuote, err error) {
	var refused error
	err = e.preview(ctx, c.Hotel, now, func(s *hotel.State, at hotel.At) { quote, refused = hotel.QuoteCancellation(s, c, at) })
	if err != nil {
		return quote, err
	}
	return quote, refused
}

// preview has f look at a hotel as if a command were given at a time.
func (e *Engine) preview(ctx context.Context, hotelID string, now time.Time, f func(*hotel.State, hotel.At)) error {
	return e.look(ctx, e.processors[e.partitionOf(hotelID)], func(s *state) {
		f(s.hotel(hotelID), hotel.At{Now: now, InventoryOffset: int64(s.next[inventoryTopic])})
	})
}
