package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// sessionService serves those who sign in, and out.
type sessionService struct{ *API }

// signedIn answers a sign-in, with the session's secrets where the caller wants them.
func (a *API) signedIn(g *access.Grant, err error, delivery lodgev1.SecretDelivery) (*connect.Response[lodgev1.SignInResponse], error) {
	if err != nil {
		return nil, err
	}
	m := &lodgev1.SignInResponse{Account: toAccount(g.Account), Session: toSession(g.Session), AccessTokenExpireTime: timestamppb.New(g.Until)}
	m.Session.Current = true
	res := connect.NewResponse(m)
	res.Header().Set("Cache-Control", "no-store")
	if delivery == lodgev1.SecretDelivery_SECRET_DELIVERY_COOKIE {
		for _, c := range a.sessionCookies(g) {
			res.Header().Add("Set-Cookie", c.String())
		}
	} else {
		m.AccessToken, m.RefreshToken = g.Secret, g.Refresh
	}
	return res, nil
}

// CreateSession signs in.
func (s *sessionService) CreateSession(ctx context.Context, req *connect.Request[lodgev1.CreateSessionRequest]) (*connect.Response[lodgev1.SignInResponse], error) {
	if err := s.signing(ctx); err != nil {
		return nil, err
	}
	g, err := s.deps.Accounts.SignIn(ctx, req.Msg.GetEmail(), req.Msg.GetPassword(), from(ctx, req))
	return s.signedIn(g, err, req.Msg.GetSecretDelivery())
}

// RefreshSession gets a session's next secrets.
func (s *sessionService) RefreshSession(ctx context.Context, req *connect.Request[lodgev1.RefreshSessionRequest]) (*connect.Response[lodgev1.SignInResponse], error) {
	if err := s.signing(ctx); err != nil {
		return nil, err
	}
	token, delivery := req.Msg.GetRefreshToken(), lodgev1.SecretDelivery_SECRET_DELIVERY_UNSPECIFIED
	if token == "" {
		token, delivery = s.cookie(req.Header(), refreshCookie), lodgev1.SecretDelivery_SECRET_DELIVERY_COOKIE
	}
	g, err := s.deps.Accounts.Refresh(ctx, token)
	return s.signedIn(g, err, delivery)
}

// ListSessions lists an account's sessions.
func (s *sessionService) ListSessions(ctx context.Context, req *connect.Request[lodgev1.ListSessionsRequest]) (*connect.Response[lodgev1.ListSessionsResponse], error) {
	if err := s.signing(ctx); err != nil {
		return nil, err
	}
	id, err := accountID(ctx, req.Msg.GetParent(), "parent")
	if err != nil {
		return nil, err
	}
	found, err := s.deps.Accounts.Sessions(id)
	if err != nil {
		return nil, err
	}
	res := &lodgev1.ListSessionsResponse{}
	for _, session := range found {
		m := toSession(session)
		c := callerOf(ctx)
		m.Current = c != nil && c.session == session.ID
		res.Sessions = append(res.Sessions, m)
	}
	return connect.NewResponse(res), nil
}

// DeleteSession signs out.
func (s *sessionService) DeleteSession(ctx context.Context, req *connect.Request[lodgev1.DeleteSessionRequest]) (*connect.Response[lodgev1.DeleteSessionResponse], error) {
	if err := s.signing(ctx); err != nil {
		return nil, err
	}
	parent, session, ok := strings.Cut(req.Msg.GetName(), sessionsInfix)
	if !ok || session == "" || strings.Contains(session, "/") {
		return nil, badName(req.Msg.GetName(), "name", "accounts/{account}/sessions/{session}")
	}
	id, err := accountID(ctx, parent, "name")
	if err != nil {
		return nil, err
	}
	c := callerOf(ctx)
	own := c != nil && c.session != "" && (session == ownSession || session == c.session)
	if own {
		session = c.session
	}
	if err := s.deps.Accounts.EndSession(ctx, id, session); err != nil {
		return nil, err
	}
	res := connect.NewResponse(&lodgev1.DeleteSessionResponse{})
	if own && s.cookie(req.Header(), sessionCookie) != "" {
		for _, c := range s.sessionCookies(nil) {
			res.Header().Add("Set-Cookie", c.String())
		}
	}
	return res, nil
}

func toSession(s *access.Session) *lodgev1.Session {
	return &lodgev1.Session{
		Name: accountsPrefix + s.AccountID + sessionsInfix + s.ID, Label: s.Label,
		CreateTime: timestamppb.New(s.Created), RefreshTime: timestamppb.New(s.Refreshed), ExpireTime: timestamppb.New(s.Expires()),
	}
}

// The cookies of a session in a browser. Over TLS their names begin with what makes the browser hold us to it.
const (
	sessionCookie = "lodge_session"
	refreshCookie = "lodge_refresh"
)

func (a *API) cookieName(name string) string {
	switch {
	case !a.opts.secure():
		return name
	case name == refreshCookie: // it has a path
		return "__Secure-" + name
	default:
		return "__Host-" + name
	}
}

// cookie returns what a request's cookie says, or "". Two of one name are none: somebody else has set one of them.
func (a *API) cookie(header http.Header, name string) string {
	if header["Cookie"] == nil {
		return ""
	}
	found := (&http.Request{Header: header}).CookiesNamed(a.cookieName(name))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// sessionCookies hand a session's secrets to a browser, or take them away when there is none. Scripts do not see them; those of other sites' pages are not sent with what such a page does,
// but for following a link. The refresh token goes to its two paths only.
func (a *API) sessionCookies(g *access.Grant) []*http.Cookie {
	cookies := []*http.Cookie{
		{Name: sessionCookie, Path: "/", SameSite: http.SameSiteLaxMode},
		{Name: refreshCookie, Path: "/v1/sessions:refresh", SameSite: http.SameSiteStrictMode},
		{Name: refreshCookie, Path: lodgev1connect.SessionServiceRefreshSessionProcedure, SameSite: http.SameSiteStrictMode},
	}
	for _, c := range cookies {
		c.HttpOnly, c.Secure, c.MaxAge = true, a.opts.secure(), -1
		if g == nil {
			c.Name = a.cookieName(c.Name)
			continue
		}
		value, until := g.Secret, g.Until
		if c.Name == refreshCookie {
			value, until = g.Refresh, g.Session.Expires()
		}
		c.Name, c.Value, c.MaxAge = a.cookieName(c.Name), value, int(until.Sub(a.opts.Clock())/time.Second)
	}
	return cookies
}
