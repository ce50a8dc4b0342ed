package api

import (
	"context"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
)

// accessService serves those who look after tokens.
type accessService struct{ *API }

const tokensPrefix = "tokens/"

var tokenRoles = map[lodgev1.Role]access.Role{
	lodgev1.Role_ROLE_ADMIN: access.Admin, lodgev1.Role_ROLE_SERVICE: access.Service, lodgev1.Role_ROLE_STAFF: access.Staff, lodgev1.Role_ROLE_GUEST: access.Guest,
}

// keepers refuses whoever may not look after tokens. Where nobody is asked who they are, that is everybody but those whom the system lets use the socket: a token
// made through an open port would still be good when the port is not open any more.
func (s *accessService) keepers(ctx context.Context) error {
	switch {
	case s.deps.Access == nil:
		return log.NewError(log.Unavailable, "tokens", "this server has no tokens")
	case !s.opts.AuthRequired && !local(ctx):
		return denied(ReasonRoleDenied, "tokens are looked after over the local socket only, since this server asks nobody who they are")
	}
	return nil
}

// CreateToken makes a token.
func (s *accessService) CreateToken(ctx context.Context, req *connect.Request[lodgev1.CreateTokenRequest]) (*connect.Response[lodgev1.CreateTokenResponse], error) {
	if err := s.keepers(ctx); err != nil {
		return nil, err
	}
	wish, m := access.Token{}, req.Msg.GetToken()
	wish.Role, wish.GuestID, wish.Label = tokenRoles[m.GetRole()], m.GetGuestId(), m.GetLabel()
	if m.GetExpireTime() != nil {
		if err := m.GetExpireTime().CheckValid(); err != nil {
			return nil, domain.Errorf(domain.InvalidArgument, "token.expire_time", "%v", err)
		}
		wish.Expires = m.GetExpireTime().AsTime()
	}
	for _, name := range m.GetHotels() {
		id, err := parseHotel(name, "token.hotels")
		if err != nil {
			return nil, err
		}
		wish.Hotels = append(wish.Hotels, id)
	}
	made, secret, err := s.deps.Access.Create(ctx, wish)
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&lodgev1.CreateTokenResponse{Token: toToken(made), Secret: secret})
	res.Header().Set("Cache-Control", "no-store")
	return res, nil
}

// GetToken returns a token.
func (s *accessService) GetToken(ctx context.Context, req *connect.Request[lodgev1.GetTokenRequest]) (*connect.Response[lodgev1.Token], error) {
	return s.token(ctx, req.Msg.GetName(), func(_ context.Context, id string) (*access.Token, error) { return s.deps.Access.Get(id) })
}

// RevokeToken ends a token.
func (s *accessService) RevokeToken(ctx context.Context, req *connect.Request[lodgev1.RevokeTokenRequest]) (*connect.Response[lodgev1.Token], error) {
	return s.token(ctx, req.Msg.GetName(), func(ctx context.Context, id string) (*access.Token, error) { return s.deps.Access.Revoke(ctx, id) })
}

// token does something with a token by its name.
func (s *accessService) token(ctx context.Context, name string, do func(ctx context.Context, id string) (*access.Token, error)) (*connect.Response[lodgev1.Token], error) {
	if err := s.keepers(ctx); err != nil {
		return nil, err
	}
	id, ok := strings.CutPrefix(name, tokensPrefix)
	if !ok {
		return nil, badName(name, "name", "tokens/{token}")
	}
	t, err := do(ctx, id)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(toToken(t)), nil
}

// ListTokens lists tokens by id.
func (s *accessService) ListTokens(ctx context.Context, req *connect.Request[lodgev1.ListTokensRequest]) (*connect.Response[lodgev1.ListTokensResponse], error) {
	if err := s.keepers(ctx); err != nil {
		return nil, err
	}
	after, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 1)
	if err != nil {
		return nil, err
	}
	if after == nil {
		after = []string{""}
	}
	found, more := s.deps.Access.List(after[0], req.Msg.GetShowEnded(), pageSize(req.Msg.GetPageSize()))
	res := &lodgev1.ListTokensResponse{}
	for _, t := range found {
		res.Tokens = append(res.Tokens, toToken(t))
	}
	if more {
		res.NextPageToken = newPageToken(req.Msg, found[len(found)-1].ID)
	}
	return connect.NewResponse(res), nil
}

func toToken(t *access.Token) *lodgev1.Token {
	m := &lodgev1.Token{
		Name: tokensPrefix + t.ID, GuestId: t.GuestID, Label: t.Label, CreateTime: timestamppb.New(t.Created),
		ExpireTime: optionalTime(t.Expires), RevokeTime: optionalTime(t.Revoked), LastFour: t.LastFour,
	}
	for number, role := range tokenRoles {
		if role == t.Role {
			m.Role = number
		}
	}
	for _, id := range t.Hotels {
		m.Hotels = append(m.Hotels, hotelName(id))
	}
	return m
}

func optionalTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
