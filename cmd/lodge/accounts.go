package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"connectrpc.com/connect"
	"golang.org/x/term"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// accountsCommand looks after accounts.
type accountsCommand struct {
	List     accountsList     `cmd:"" default:"withargs" help:"List accounts."`
	Create   accountsCreate   `cmd:"" help:"Make an account, and show its invitation this once."`
	Invite   accountsInvite   `cmd:"" help:"Make an invitation to choose a new password, and show it this once."`
	Disable  accountsDisable  `cmd:"" help:"Keep accounts out, and end their sessions at once."`
	Enable   accountsEnable   `cmd:"" help:"Let accounts in again."`
	Delete   accountsDelete   `cmd:"" help:"Delete accounts for good."`
	Sessions accountsSessions `cmd:"" help:"List the sessions of an account."`
	SignOut  accountsSignOut  `cmd:"" help:"End sessions of an account at once."`
}

// Help shows examples.
func (accountsCommand) Help() string {
	return `People sign in to "lodge serve --auth required" with an e-mail address and a password. Guests sign themselves up; staff and admins are invited: they choose a
password by the invitation (POST /v1/accounts:acceptInvitation). No password is ever an argument: it is asked for, or read from standard input.

Examples:
  lodge accounts create admin ada@example.com --password
  lodge accounts create staff desk@ritz.example --hotel ritz --label "front desk"
  lodge accounts
  lodge accounts disable k3v9q2m7c5x4r2ta`
}

// accounts calls f with the accounts' services of a data folder's server.
func accounts(ctx context.Context, dir string, f func(lodgev1connect.AccountServiceClient, lodgev1connect.SessionServiceClient) error) error {
	return withServer(ctx, dir, func(s *server) error {
		return f(lodgev1connect.NewAccountServiceClient(s.client, s.url), lodgev1connect.NewSessionServiceClient(s.client, s.url))
	})
}

type accountsList struct {
	dataFlag
	Role  string `help:"Only those of a role." enum:",admin,service,staff,guest" default:""`
	Email string `help:"Only that with an address." placeholder:"ADDRESS"`
	JSON  bool   `help:"One JSON object a line."`
}

// Help shows examples.
func (accountsList) Help() string {
	return `Examples:
  lodge accounts
  lodge accounts list --role staff --json`
}

func roleOf(text string) lodgev1.Role {
	return lodgev1.Role(lodgev1.Role_value["ROLE_"+strings.ToUpper(text)])
}

// Run implements the command.
func (c *accountsList) Run(ctx context.Context, m *Main) error {
	return accounts(ctx, c.Data, func(client lodgev1connect.AccountServiceClient, _ lodgev1connect.SessionServiceClient) error {
		t := newTable(m.Stdout, c.JSON, "ACCOUNT", "EMAIL", "ROLE", "FOR", "STATE", "CREATED", "LABEL")
		return t.flushed(eachPage(func(token string) (string, error) {
			res, err := client.ListAccounts(ctx, connect.NewRequest(&lodgev1.ListAccountsRequest{PageSize: 1000, PageToken: token, Role: roleOf(c.Role), Email: c.Email}))
			if err != nil {
				return "", err
			}
			for _, k := range res.Msg.GetAccounts() {
				scope := append([]string(nil), k.GetHotels()...)
				if k.GetGuestId() != "" {
					scope = append(scope, k.GetGuestId())
				}
				t.row(k, lastPart(k.GetName()), k.GetEmail(), roleText(k.GetRole()), dash(strings.Join(scope, ",")), accountState(k), timeText(k.GetCreateTime()), dash(k.GetLabel()))
			}
			return res.Msg.GetNextPageToken(), nil
		}))
	})
}

func accountState(k *lodgev1.Account) string {
	switch {
	case k.GetDisableTime() != nil:
		return "disabled"
	case k.GetIssuer() != "":
		return "of " + k.GetIssuer()
	case !k.GetHasPassword():
		return "invited"
	}
	return "active"
}

type accountsCreate struct {
	dataFlag
	Role     string   `arg:"" enum:"admin,service,staff,guest" help:"What its holder is, as of lodge tokens create."`
	Email    string   `arg:"" help:"The address that they sign in with."`
	Hotel    []string `help:"A hotel where staff work, again for each." placeholder:"HOTEL"`
	GuestID  string   `help:"Who a guest is, as in their reservations; default: the account's id." name:"guest-id" placeholder:"ID"`
	Label    string   `help:"For people: a name." placeholder:"TEXT"`
	Password bool     `help:"Ask for a password (or read the first line of standard input) instead of making an invitation."`
	JSON     bool     `help:"Print the account as JSON."`
}

// Help shows examples.
func (accountsCreate) Help() string {
	return `Without --password the invitation is all of standard output.

Examples:
  lodge accounts create admin ada@example.com --password
  lodge accounts create staff desk@ritz.example --hotel ritz
  lodge accounts create service robot@example.com --password < password.txt`
}

// Run implements the command.
func (c *accountsCreate) Run(ctx context.Context, m *Main) error {
	req := &lodgev1.CreateAccountRequest{Account: &lodgev1.Account{Email: c.Email, Role: roleOf(c.Role), GuestId: c.GuestID, Label: c.Label}}
	for _, hotel := range c.Hotel {
		req.Account.Hotels = append(req.Account.Hotels, "hotels/"+hotel)
	}
	if c.Password {
		var err error
		if req.Password, err = m.secret("Password: "); err != nil {
			return err
		}
	}
	return accounts(ctx, c.Data, func(client lodgev1connect.AccountServiceClient, _ lodgev1connect.SessionServiceClient) error {
		res, err := client.CreateAccount(ctx, connect.NewRequest(req))
		if err != nil {
			return err
		}
		return m.invited(c.JSON, res.Msg.GetAccount(), res.Msg.GetInvitation())
	})
}

// invited shows an account and its invitation, if it has one.
func (m *Main) invited(json bool, account *lodgev1.Account, invitation string) error {
	switch {
	case json:
		t := newTable(m.Stdout, true)
		t.row(&lodgev1.CreateAccountResponse{Account: account, Invitation: invitation})
		return t.flush()
	case invitation == "":
		_, err := fmt.Fprintln(m.Stdout, "account", lastPart(account.GetName()))
		return err
	}
	fmt.Fprintf(m.Stderr, "account %s; its invitation, good until %s, shown this once:\n", lastPart(account.GetName()), timeText(account.GetInvitationExpireTime()))
	_, err := fmt.Fprintln(m.Stdout, invitation)
	return err
}

// secret asks for a secret, or reads the first line of standard input when that is no terminal.
func (m *Main) secret(prompt string) (string, error) {
	if f, ok := m.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(m.Stderr, prompt)
		line, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(m.Stderr)
		return string(line), err
	}
	if m.Stdin == nil {
		return "", errors.New("there is no standard input to read a secret from")
	}
	line, err := bufio.NewReader(io.LimitReader(m.Stdin, secretMax)).ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", fmt.Errorf("standard input has no secret: %w", err)
	}
	return line, nil
}

const secretMax = 4 << 10

type accountsInvite struct {
	dataFlag
	ID   string `arg:"" name:"account" help:"Id of the account, as lodge accounts lists it."`
	JSON bool   `help:"Print the account as JSON."`
}

// Help shows examples.
func (accountsInvite) Help() string {
	return `For whoever has forgotten their password. The old one is good until the invitation is used.

Examples:
  lodge accounts invite k3v9q2m7c5x4r2ta`
}

// Run implements the command.
func (c *accountsInvite) Run(ctx context.Context, m *Main) error {
	return accounts(ctx, c.Data, func(client lodgev1connect.AccountServiceClient, _ lodgev1connect.SessionServiceClient) error {
		res, err := client.InviteAccount(ctx, connect.NewRequest(&lodgev1.InviteAccountRequest{Name: "accounts/" + c.ID}))
		if err != nil {
			return err
		}
		return m.invited(c.JSON, res.Msg.GetAccount(), res.Msg.GetInvitation())
	})
}

type accountIDs struct {
	dataFlag
	IDs []string `arg:"" name:"account" help:"Ids of accounts, as lodge accounts lists them."`
}

// each does something with every account. One that is not there does not keep it from the others.
func (c *accountIDs) each(ctx context.Context, m *Main, done string, do func(client lodgev1connect.AccountServiceClient, name string) error) error {
	return accounts(ctx, c.Data, func(client lodgev1connect.AccountServiceClient, _ lodgev1connect.SessionServiceClient) error {
		var errs []error
		for _, id := range c.IDs {
			err := do(client, "accounts/"+id)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", id, err))
			}
			if err != nil && connect.CodeOf(err) != connect.CodeNotFound {
				break
			}
			if err == nil {
				fmt.Fprintln(m.Stdout, done, id)
			}
		}
		return errors.Join(errs...)
	})
}

type accountsDisable struct{ accountIDs }

// Run implements the command.
func (c *accountsDisable) Run(ctx context.Context, m *Main) error {
	return c.each(ctx, m, "disabled", func(client lodgev1connect.AccountServiceClient, name string) error {
		_, err := client.DisableAccount(ctx, connect.NewRequest(&lodgev1.DisableAccountRequest{Name: name}))
		return err
	})
}

type accountsEnable struct{ accountIDs }

// Run implements the command.
func (c *accountsEnable) Run(ctx context.Context, m *Main) error {
	return c.each(ctx, m, "enabled", func(client lodgev1connect.AccountServiceClient, name string) error {
		_, err := client.EnableAccount(ctx, connect.NewRequest(&lodgev1.EnableAccountRequest{Name: name}))
		return err
	})
}

type accountsDelete struct{ accountIDs }

// Run implements the command.
func (c *accountsDelete) Run(ctx context.Context, m *Main) error {
	return c.each(ctx, m, "deleted", func(client lodgev1connect.AccountServiceClient, name string) error {
		_, err := client.DeleteAccount(ctx, connect.NewRequest(&lodgev1.DeleteAccountRequest{Name: name}))
		return err
	})
}

type accountsSessions struct {
	dataFlag
	ID   string `arg:"" name:"account" help:"Id of the account."`
	JSON bool   `help:"One JSON object a line."`
}

// Run implements the command.
func (c *accountsSessions) Run(ctx context.Context, m *Main) error {
	return accounts(ctx, c.Data, func(_ lodgev1connect.AccountServiceClient, client lodgev1connect.SessionServiceClient) error {
		res, err := client.ListSessions(ctx, connect.NewRequest(&lodgev1.ListSessionsRequest{Parent: "accounts/" + c.ID}))
		if err != nil {
			return err
		}
		t := newTable(m.Stdout, c.JSON, "SESSION", "CREATED", "REFRESHED", "EXPIRES", "WITH")
		for _, s := range res.Msg.GetSessions() {
			t.row(s, lastPart(s.GetName()), timeText(s.GetCreateTime()), timeText(s.GetRefreshTime()), timeText(s.GetExpireTime()), dash(s.GetLabel()))
		}
		return t.flush()
	})
}

type accountsSignOut struct {
	dataFlag
	ID       string   `arg:"" name:"account" help:"Id of the account."`
	Sessions []string `arg:"" name:"session" help:"Ids of its sessions."`
}

// Run implements the command.
func (c *accountsSignOut) Run(ctx context.Context, m *Main) error {
	return accounts(ctx, c.Data, func(_ lodgev1connect.AccountServiceClient, client lodgev1connect.SessionServiceClient) error {
		for _, id := range c.Sessions {
			if _, err := client.DeleteSession(ctx, connect.NewRequest(&lodgev1.DeleteSessionRequest{Name: "accounts/" + c.ID + "/sessions/" + id})); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
			fmt.Fprintln(m.Stdout, "ended", id)
		}
		return nil
	})
}
