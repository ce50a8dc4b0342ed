package api

import (
	"context"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
)

// accountService serves those who have an account, and those who look after them.
type accountService struct{ *API }

const (
	accountsPrefix = "accounts/"
	sessionsInfix  = "/sessions/"
	ownAccount     = "me"
	ownSession     = "current"
)

// signing refuses where nobody signs in. Where nobody is asked who they are, only those whom the system lets use the socket look after accounts, as they do after tokens.
func (a *API) signing(ctx context.Context) error {
	switch {
	case a.deps.Accounts == nil:
		return log.NewError(log.Unavailable, "accounts", "this server has no accounts")
	case !a.opts.AuthRequired && !local(ctx):
		return denied(ReasonRoleDenied, "accounts are looked after over the local socket only, since this server asks nobody who they are")
	}
	return nil
}

// from says where a sign-in comes from.
func from(ctx context.Context, req connect.AnyRequest) access.From {
	f := access.From{Addr: req.Peer().Addr, Label: req.Header().Get("User-Agent")}
	if local(ctx) {
		f.Addr = ""
	}
	return f
}

// accountID returns the id in accounts/{account}; accounts/me is the caller's.
func accountID(ctx context.Context, name, field string) (string, error) {
	id, ok := strings.CutPrefix(name, accountsPrefix)
	if !ok || id == "" || strings.Contains(id, "/") {
		return "", badName(name, field, "accounts/{account}")
	}
	if id != ownAccount {
		return id, nil
	}
	if c := callerOf(ctx); c != nil && c.account != "" {
		return c.account, nil
	}
	return "", domain.Errorf(access.ReasonAccountNotFound, "", "the caller has no account: they show a token, or nothing")
}

// SignUp makes a guest's account and signs them in.
func (s *accountService) SignUp(ctx context.Context, req *connect.Request[lodgev1.SignUpRequest]) (*connect.Response[lodgev1.SignInResponse], error) {
	if err := s.signing(ctx); err != nil {
		return nil, err
	}
	g, err := s.deps.Accounts.SignUp(ctx, req.Msg.GetEmail(), req.Msg.GetPassword(), req.Msg.GetLabel(), from(ctx, req))
	return s.signedIn(g, err, req.Msg.GetSecretDelivery())
}

// CreateAccount makes an account.
func (s *accountService) CreateAccount(ctx context.Context, req *connect.Request[lodgev1.CreateAccountRequest]) (*connect.Response[lodgev1.CreateAccountResponse], error) {
	if err := s.signing(ctx); err != nil {
		return nil, err
	}
	m := req.Msg.GetAccount()
	wish := access.Account{Email: m.GetEmail(), Role: tokenRoles[m.GetRole()], GuestID: m.GetGuestId(), Label: m.GetLabel()}
	var err error
	if wish.Hotels, err = hotelIDs(m.GetHotels(), "account.hotels"); err != nil {
		return nil, err
	}
	made, invitation, err := s.deps.Accounts.Create(ctx, wish, req.Msg.GetPassword())
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&lodgev1.CreateAccountResponse{Account: toAccount(made), Invitation: invitation})
	res.Header().Set("Cache-Control", "no-store")
	return res, nil
}

func hotelIDs(names []string, field string) (ids []string, err error) {
	for _, name := range names {
		id, err := parseHotel(name, field)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// GetAccount returns an account.
func (s *accountService) GetAccount(ctx context.Context, req *connect.Request[lodgev1.GetAccountRequest]) (*connect.Response[lodgev1.Account], error) {
	return s.account(ctx, req.Msg.GetName(), s.deps.Accounts.Get)
}

// account does something with an account by its name.
func (s *accountService) account(ctx context.Context, name string, do func(id string) (*access.Account, error)) (*connect.Response[lodgev1.Account], error) {
	if err := s.signing(ctx); err != nil {
		return nil, err
	}
	id, err := accountID(ctx, name, "name")
	if err != nil {
		return nil, err
	}
	found, err := do(id)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(toAccount(found)), nil
}

// ListAccounts lists accounts by id.
func (s *accountService) ListAccounts(ctx context.Context, req *connect.Request[lodgev1.ListAccountsRequest]) (*connect.Response[lodgev1.ListAccountsResponse], error) {
	if err := s.signing(ctx); err != nil {
		return nil, err
	}
	after, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 1)
	if err != nil {
		return nil, err
	}
	if after == nil {
		after = []string{""}
	}
	email := strings.ToLower(strings.TrimSpace(req.Msg.GetEmail()))
	found, more := s.deps.Accounts.List(after[0], tokenRoles[req.Msg.GetRole()], email, pageSize(req.Msg.GetPageSize()))
	res := &lodgev1.ListAccountsResponse{}
	for _, k := range found {
		res.Accounts = append(res.Accounts, toAccount(k))
	}
	if more {
		res.NextPageToken = newPageToken(req.Msg, found[len(found)-1].ID)
	}
	return connect.NewResponse(res), nil
}

// UpdateAccount changes an account.
func (s *accountService) UpdateAccount(ctx context.Context, req *connect.Request[lodgev1.UpdateAccountRequest]) (*connect.Response[lodgev1.Account], error) {
	m := req.Msg.GetAccount()
	current := func() (proto.Message, error) {
		found, err := s.account(ctx, m.GetName(), s.deps.Accounts.Get)
		if err != nil {
			return nil, err
		}
		return found.Msg, nil
	}
	set, err := maskedFields(req.Msg.GetUpdateMask(), m, current, "hotels", "label")
	if err != nil {
		return nil, err
	}
	c := access.Change{Label: when(set["label"], m.GetLabel())}
	if set["hotels"] {
		if c.Hotels, err = hotelIDs(m.GetHotels(), "account.hotels"); err != nil {
			return nil, err
		}
		if c.Hotels == nil {
			c.Hotels = []string{}
		}
	}
	return s.account(ctx, m.GetName(), func(id string) (*access.Account, error) { return s.deps.Accounts.Update(ctx, id, c) })
}

// DisableAccount keeps an account out.
func (s *accountService) DisableAccount(ctx context.Context, req *connect.Request[lodgev1.DisableAccountRequest]) (*connect.Response[lodgev1.Account], error) {
	return s.account(ctx, req.Msg.GetName(), func(id string) (*access.Account, error) {
		return s.deps.Accounts.Update(ctx, id, access.Change{Disabled: new(true)})
	})
}

// EnableAccount lets an account in again.
func (s *accountService) EnableAccount(ctx context.Context, req *connect.Request[lodgev1.EnableAccountRequest]) (*connect.Response[lodgev1.Account], error) {
	return s.account(ctx, req.Msg.GetName(), func(id string) (*access.Account, error) {
		return s.deps.Accounts.Update(ctx, id, access.Change{Disabled: new(false)})
	})
}

// DeleteAccount deletes an account.
func (s *accountService) DeleteAccount(ctx context.Context, req *connect.Request[lodgev1.DeleteAccountRequest]) (*connect.Response[lodgev1.DeleteAccountResponse], error) {
	if err := s.signing(ctx); err != nil {
		return nil, err
	}
	id, err := accountID(ctx, req.Msg.GetName(), "name")
	if err == nil {
		err = s.deps.Accounts.Delete(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&lodgev1.DeleteAccountResponse{}), nil
}

// ChangePassword replaces the caller's password.
func (s *accountService) ChangePassword(ctx context.Context, req *connect.Request[lodgev1.ChangePasswordRequest]) (*connect.Response[lodgev1.SignInResponse], error) {
	if err := s.signing(ctx); err != nil {
		return nil, err
	}
	id, err := accountID(ctx, req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	g, err := s.deps.Accounts.ChangePassword(ctx, id, req.Msg.GetOldPassword(), req.Msg.GetNewPassword(), from(ctx, req))
	return s.signedIn(g, err, req.Msg.GetSecretDelivery())
}

// InviteAccount makes an invitation to choose a password.
func (s *accountService) InviteAccount(ctx context.Context, req *connect.Request[lodgev1.InviteAccountRequest]) (*connect.Response[lodgev1.InviteAccountResponse], error) {
	secret := ""
	got, err := s.account(ctx, req.Msg.GetName(), func(id string) (k *access.Account, err error) {
		k, secret, err = s.deps.Accounts.Invite(ctx, id)
		return k, err
	})
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&lodgev1.InviteAccountResponse{Account: got.Msg, Invitation: secret})
	res.Header().Set("Cache-Control", "no-store")
	return res, nil
}

// AcceptInvitation chooses a password by an invitation.
func (s *accountService) AcceptInvitation(ctx context.Context, req *connect.Request[lodgev1.AcceptInvitationRequest]) (*connect.Response[lodgev1.SignInResponse], error) {
	if err := s.signing(ctx); err != nil {
		return nil, err
	}
	g, err := s.deps.Accounts.AcceptInvitation(ctx, req.Msg.GetInvitation(), req.Msg.GetPassword(), from(ctx, req))
	return s.signedIn(g, err, req.Msg.GetSecretDelivery())
}

func toAccount(k *access.Account) *lodgev1.Account {
	m := &lodgev1.Account{
		Name: accountsPrefix + k.ID, Email: k.Email, Role: toRole(k.Role), GuestId: k.GuestID, Label: k.Label, CreateTime: timestamppb.New(k.Created),
		DisableTime: optionalTime(k.Disabled), Issuer: k.Issuer, HasPassword: k.HasPassword(), InvitationExpireTime: optionalTime(k.Invited()),
	}
	for _, id := range k.Hotels {
		m.Hotels = append(m.Hotels, hotelName(id))
	}
	return m
}

func toRole(role access.Role) lodgev1.Role {
	for number, r := range tokenRoles {
		if r == role {
			return number
		}
	}
	return lodgev1.Role_ROLE_UNSPECIFIED
}
