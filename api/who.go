package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"lodge/api/access"
	"lodge/api/openid"
	"lodge/domain"
)

// caller is who makes a call.
type caller struct {
	token  *access.Token // what says who they are, or stands for their account; nil: nobody has said
	local  bool          // and came over the socket
	header http.Header
	addr   string // as in net.Addr.String

	account, session string    // of who signed in; empty: they have not
	until            time.Time // when what they show ends; zero: with the token
	stale            error     // why a cookie does not say who they are; nil: there is none, or it does
}

type callerKey struct{}

// callerOf returns who makes a call, or nil where nobody is asked.
func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}

// meet finds out who somebody is by what they show: a token, a session or an OpenID provider's token in the header Authorization, or, from a browser, a cookie. A cookie that is stale is no reason to keep somebody out of
// what everybody may, such as signing in again: the browser sends it until it is replaced.
func (g *gate) meet(ctx context.Context, c *caller) error {
	shown := c.header.Get("Authorization")
	if shown == "" {
		if secret := g.api.cookie(c.header, sessionCookie); secret != "" && g.accounts != nil {
			c.stale = g.meetSession(c, secret)
		}
		return nil
	}
	scheme, secret, _ := strings.Cut(shown, " ")
	if g.accounts != nil && access.IsSessionSecret(secret) && strings.EqualFold(scheme, "Bearer") {
		return g.meetSession(c, secret)
	}
	if g.openid != nil && openid.IsJWT(secret) && strings.EqualFold(scheme, "Bearer") {
		return g.meetIssued(ctx, c, secret)
	}
	if g.tokens == nil {
		return nil
	}
	var err error
	c.token, err = g.tokens.Authenticate(shown)
	return err
}

func (g *gate) meetSession(c *caller, secret string) error {
	shown, err := g.accounts.Authenticate(secret)
	if err != nil {
		return err
	}
	c.token, c.account, c.session, c.until = shown.Token, shown.Token.ID, shown.Session, shown.Until
	return nil
}

// meetIssued finds out who somebody is by the word of the OpenID provider.
func (g *gate) meetIssued(ctx context.Context, c *caller, secret string) error {
	who, err := g.openid.Bearer(ctx, secret)
	if err != nil {
		return err
	}
	if c.token, err = g.accounts.Stand(&who.Issued, who.Expires); err != nil {
		return err
	}
	c.account = c.token.ID
	return nil
}

// unknown refuses who has not said who they are, and says why if they have tried.
func (c *caller) unknown(format string, args ...any) error {
	if c.stale != nil {
		return c.stale
	}
	return domain.Errorf(access.ReasonTokenRequired, "", format, args...)
}
