package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// guestsFind finds a hotel's reservations by who the guest is, and by status.
type guestsFind struct {
	dataFlag
	Hotel  string   `arg:"" help:"The hotel's id."`
	Words  []string `arg:"" optional:"" help:"Parts of the guest's name or, with an @, of the e-mail address."`
	Status []string `help:"Only these: pending, paid, canceled, rejected, refunded." enum:"pending,paid,canceled,rejected,refunded" placeholder:"STATUS"`
	From   string   `help:"Only who arrives on this day or later, as in 2026-07-01. Default: with words, 90 days before today." placeholder:"DATE"`
	Until  string   `help:"Only who arrives before this day." placeholder:"DATE"`
	Limit  int      `short:"n" help:"At most so many (0: all)." default:"100"`
	JSON   bool     `help:"One JSON object a line."`
}

// Help shows examples.
func (guestsFind) Help() string {
	return `Reservations in the order of arrival. Case and accents do not matter, and all words must be there. Names are in no index: the hotel's reservations are looked through, so
that guests who are forgotten are not found.

Examples:
  lodge guests find ritz lovelace
  lodge guests find ritz ada@example.com --from 2020-01-01
  lodge guests find ritz --status pending`
}

// Run implements the command.
func (c *guestsFind) Run(ctx context.Context, m *Main) error {
	req, err := c.request()
	if err != nil {
		return err
	}
	t := newTable(m.Stdout, c.JSON, "ARRIVES", "LEAVES", "STATUS", "GUEST", "E-MAIL", "RESERVATION")
	left := c.Limit
	return t.flushed(withServer(ctx, c.Data, func(s *server) error {
		client := lodgev1connect.NewReservationServiceClient(s.client, s.url)
		return eachPage(func(token string) (string, error) {
			req.PageToken = token
			res, err := client.ListReservations(ctx, connect.NewRequest(req))
			if err != nil {
				return "", err
			}
			for _, r := range res.Msg.GetReservations() {
				t.row(r, dayText(r.GetCheckInDate()), dayText(r.GetCheckOutDate()), strings.ToLower(strings.TrimPrefix(r.GetStatus().String(), statusPrefix)),
					dash(r.GetGuest().GetDisplayName()), dash(r.GetGuest().GetEmail()), r.GetName())
				if left--; left == 0 {
					return "", nil
				}
			}
			return res.Msg.GetNextPageToken(), nil
		})
	}))
}

const statusPrefix = "RESERVATION_STATUS_"

func (c *guestsFind) request() (*lodgev1.ListReservationsRequest, error) {
	req := &lodgev1.ListReservationsRequest{Parent: "hotels/" + strings.TrimPrefix(c.Hotel, "hotels/"), GuestQuery: strings.Join(c.Words, " "), PageSize: 1000}
	switch {
	case c.Limit < 0:
		return nil, errors.New("--limit is negative")
	case len(c.Words) > 0 && strings.TrimSpace(req.GetGuestQuery()) == "":
		return nil, fmt.Errorf("%q is no part of a name", c.Words)
	}
	for _, status := range c.Status {
		req.Statuses = append(req.Statuses, lodgev1.ReservationStatus(lodgev1.ReservationStatus_value[statusPrefix+strings.ToUpper(status)]))
	}
	var err error
	if req.CheckInStartDate, err = dayOf("--from", c.From); err != nil {
		return nil, err
	}
	req.CheckInEndDate, err = dayOf("--until", c.Until)
	return req, err
}
