package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// tokensCommand looks after tokens.
type tokensCommand struct {
	List   tokensList   `cmd:"" default:"withargs" help:"List tokens that let somebody in."`
	Create tokensCreate `cmd:"" help:"Make a token, and show it this once."`
	Revoke tokensRevoke `cmd:"" help:"End tokens at once."`
}

// Help shows examples.
func (tokensCommand) Help() string {
	return `By a token a caller of "lodge serve --auth required" says who they are: Authorization: Bearer TOKEN. A token is shown once and kept nowhere; the
data folder has only its hash. Who may use the folder's socket needs none.

Examples:
  lodge tokens create admin --label "Ada's laptop"
  lodge tokens create staff --hotel ritz --label "front desk" --for 2160h
  lodge tokens create guest --guest-id ada --for 1h
  lodge tokens
  lodge tokens revoke k3v9q2m7c5x4r2ta`
}

// tokens calls f with the tokens' service of a data folder's server.
func tokens(ctx context.Context, dir string, f func(lodgev1connect.AccessServiceClient) error) error {
	return withServer(ctx, dir, func(s *server) error { return f(lodgev1connect.NewAccessServiceClient(s.client, s.url)) })
}

func roleText(r lodgev1.Role) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), "ROLE_"))
}

type tokensList struct {
	dataFlag
	All  bool `help:"Also those that have expired or are revoked."`
	JSON bool `help:"One JSON object a line."`
}

// Help shows examples.
func (tokensList) Help() string {
	return `Examples:
  lodge tokens
  lodge tokens --all --json`
}

// Run implements the command.
func (c *tokensList) Run(ctx context.Context, m *Main) error {
	return tokens(ctx, c.Data, func(client lodgev1connect.AccessServiceClient) error {
		t := newTable(m.Stdout, c.JSON, "TOKEN", "ROLE", "FOR", "ENDS IN", "CREATED", "EXPIRES", "REVOKED", "LABEL")
		return t.flushed(eachPage(func(token string) (string, error) {
			res, err := client.ListTokens(ctx, connect.NewRequest(&lodgev1.ListTokensRequest{PageSize: 1000, PageToken: token, ShowEnded: c.All}))
			if err != nil {
				return "", err
			}
			for _, k := range res.Msg.GetTokens() {
				scope := append([]string(nil), k.GetHotels()...)
				if k.GetGuestId() != "" {
					scope = append(scope, k.GetGuestId())
				}
				t.row(k, lastPart(k.GetName()), roleText(k.GetRole()), dash(strings.Join(scope, ",")), k.GetLastFour(),
					timeText(k.GetCreateTime()), timeText(k.GetExpireTime()), timeText(k.GetRevokeTime()), dash(k.GetLabel()))
			}
			return res.Msg.GetNextPageToken(), nil
		}))
	})
}

func timeText(t *timestamppb.Timestamp) string {
	if t == nil {
		return dash("")
	}
	return t.AsTime().Format(time.RFC3339)
}

type tokensCreate struct {
	dataFlag
	Role    string        `arg:"" enum:"admin,service,staff,guest" help:"What its holder is: admin (everything), service (a program of the platform), staff (of hotels), guest."`
	Hotel   []string      `help:"A hotel where staff work, again for each." placeholder:"HOTEL"`
	GuestID string        `help:"Who a guest is, as in their reservations." name:"guest-id" placeholder:"ID"`
	Label   string        `help:"For people: whose it is and what for." placeholder:"TEXT"`
	For     time.Duration `help:"How long it is good for; default: until it is revoked." placeholder:"2160h"`
	JSON    bool          `help:"Print the token as JSON."`
}

// Help shows examples.
func (tokensCreate) Help() string {
	return `The token is all of standard output, so that it can go into a file or a variable.

Examples:
  lodge tokens create admin --label "Ada's laptop"
  lodge tokens create staff --hotel ritz --hotel savoy --label "front desk"
  token=$(lodge tokens create service --label website)`
}

// Run implements the command.
func (c *tokensCreate) Run(ctx context.Context, m *Main) error {
	if c.For < 0 {
		return errors.New("--for is negative")
	}
	wish := &lodgev1.Token{Role: lodgev1.Role(lodgev1.Role_value["ROLE_"+strings.ToUpper(c.Role)]), GuestId: c.GuestID, Label: c.Label}
	for _, hotel := range c.Hotel {
		wish.Hotels = append(wish.Hotels, "hotels/"+hotel)
	}
	if c.For > 0 {
		wish.ExpireTime = timestamppb.New(time.Now().Add(c.For))
	}
	return tokens(ctx, c.Data, func(client lodgev1connect.AccessServiceClient) error {
		res, err := client.CreateToken(ctx, connect.NewRequest(&lodgev1.CreateTokenRequest{Token: wish}))
		if err != nil {
			return err
		}
		if c.JSON {
			t := newTable(m.Stdout, true)
			t.row(res.Msg)
			return t.flush()
		}
		fmt.Fprintf(m.Stderr, "token %s, shown this once:\n", lastPart(res.Msg.GetToken().GetName()))
		_, err = fmt.Fprintln(m.Stdout, res.Msg.GetSecret())
		return err
	})
}

type tokensRevoke struct {
	dataFlag
	IDs []string `arg:"" name:"token" help:"Ids of tokens, as lodge tokens lists them."`
}

// Help shows examples.
func (tokensRevoke) Help() string {
	return `Examples:
  lodge tokens revoke k3v9q2m7c5x4r2ta`
}

// Run implements the command.
func (c *tokensRevoke) Run(ctx context.Context, m *Main) error {
	return tokens(ctx, c.Data, func(client lodgev1connect.AccessServiceClient) error {
		var errs []error
		for _, id := range c.IDs {
			_, err := client.RevokeToken(ctx, connect.NewRequest(&lodgev1.RevokeTokenRequest{Name: "tokens/" + id}))
			switch {
			case err == nil:
				fmt.Fprintln(m.Stdout, "revoked", id)
			case connect.CodeOf(err) == connect.CodeNotFound: // the others may be there
				errs = append(errs, fmt.Errorf("revoke %s: %w", id, err))
			default:
				return errors.Join(append(errs, fmt.Errorf("revoke %s: %w", id, err))...)
			}
		}
		return errors.Join(errs...)
	})
}
