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

// guestsCommand looks after what is known of guests.
type guestsCommand struct {
	Find       guestsFind       `cmd:"" help:"Find a hotel's reservations by name, e-mail address or status."`
	Forget     guestsForget     `cmd:"" help:"Forget who guests are, for good."`
	GiveUpKeys guestsGiveUpKeys `cmd:"" name:"give-up-keys" help:"Open a folder again whose keys of names are lost: forget whoever they were of."`
}

type guestsForget struct {
	dataFlag
	Name  string `arg:"" help:"guests/ID (all that is in the account of a guest), hotels/HOTEL/reservations/ID or hotels/HOTEL/waitingListEntries/ID."`
	Force bool   `help:"Also who is still expected, there, waiting, or has money to come."`
	JSON  bool   `help:"One JSON object a line: an answer for each page."`
}

// Help shows examples.
func (guestsForget) Help() string {
	return `The keys of names and e-mail addresses are erased: reservations, histories and events show the stays without the person from then on, and nothing brings the person
back. Stays, prices and payments remain. Who is still needed is kept, and named; then the exit code is 1. A guest's account is deleted with the last of its bookings.

Examples:
  lodge guests forget guests/k3v9q2m7c5x4r2ta --reason "asked by letter of 2 July"
  lodge guests forget hotels/ritz/reservations/0190a1b2-…
  lodge guests forget hotels/ritz/waitingListEntries/0190a1b2-… --force`
}

// Run implements the command.
func (c *guestsForget) Run(ctx context.Context, m *Main) error {
	if !strings.Contains(c.Name, "/") {
		return fmt.Errorf("%q is no name: write guests/%[1]s for a guest's account, or the whole name of a reservation or of an entry of a waiting list", c.Name)
	}
	var forgotten, kept int32
	err := withServer(ctx, c.Data, func(s *server) error {
		client := lodgev1connect.NewGuestServiceClient(s.client, s.url)
		return eachPage(func(token string) (string, error) {
			res, err := client.ForgetGuest(ctx, connect.NewRequest(&lodgev1.ForgetGuestRequest{Name: c.Name, Force: c.Force, PageToken: token}))
			if err != nil {
				return "", err
			}
			forgotten, kept = forgotten+res.Msg.GetForgottenCount(), kept+int32(len(res.Msg.GetKept()))
			return res.Msg.GetNextPageToken(), c.show(m, res.Msg)
		})
	})
	switch {
	case err != nil && forgotten > 0:
		return fmt.Errorf("%d bookings were forgotten, then it ended; call it again: %w", forgotten, err)
	case err != nil:
		return err
	}
	if !c.JSON {
		fmt.Fprintf(m.Stdout, "forgotten: %s\n", count(forgotten, "booking"))
	}
	if kept > 0 {
		return errors.New(count(kept, "booking") + " kept: forget the guest again later, or with --force")
	}
	return nil
}

// show writes one page: what was kept, and why.
func (c *guestsForget) show(m *Main, page *lodgev1.ForgetGuestResponse) error {
	if c.JSON {
		t := newTable(m.Stdout, true)
		t.row(page)
		return t.flush()
	}
	for _, k := range page.GetKept() {
		if _, err := fmt.Fprintf(m.Stdout, "kept %s  %s  %s\n", k.GetName(), k.GetReason(), harmless(k.GetText())); err != nil {
			return err
		}
	}
	return nil
}

// count says how many there are of something.
func count[N int32 | int64](n N, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
