package access

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"lodge/domain"
	"lodge/log"
)

// Grant is what a sign-in gives: a session and its two secrets, which are kept nowhere.
type Grant struct {
	Account *Account
	Session *Session
	Secret  string    // what calls show
	Until   time.Time // how long it is good for
	Refresh string    // what gets the next two
}

// From is where a sign-in comes from.
type From struct {
	Addr  string // as in net.Addr.String, counted; empty: it is not, since the system knows who it is
	Label string // for people: with what they sign in
}

// SignUp makes a guest's account and signs them in. When there is one with the address it is a sign-in to that, so that a retry is safe, and an error with ReasonEmailUnavailable when the
// password is not its own.
func (a *Accounts) SignUp(ctx context.Context, email, password, label string, from From) (*Grant, error) {
	email, err := ReadEmail(email, "email")
	if err != nil {
		return nil, err
	}
	if _, err := readPassword(password, email, "password"); err != nil {
		return nil, err
	}
	made := &Account{ID: newID(), Email: email, Role: Guest, Label: label, Created: a.now()}
	made.GuestID = made.ID
	if err := made.validate(); err != nil {
		return nil, err
	}
	if a.byEmail(email) != nil {
		return a.signUpAgain(ctx, email, password, from)
	}
	if err := a.guesses.signUp(from.Addr, a.clock()); err != nil {
		return nil, err
	}
	if made.password, err = a.newPassword(ctx, password, email, "password"); err != nil {
		return nil, err
	}
	g, taken, err := a.signUp(ctx, made, from)
	if taken {
		return a.signUpAgain(ctx, email, password, from)
	}
	return g, err
}

// signUp adds an account with its first session, as one. taken: somebody else has the address meanwhile.
func (a *Accounts) signUp(ctx context.Context, made *Account, from From) (g *Grant, taken bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byEmail(made.Email) != nil {
		return nil, true, nil
	}
	session, refresh, records, err := a.newSession(made.ID, from)
	if err == nil {
		err = a.add(ctx, made, records...)
	}
	if err != nil {
		return nil, false, err
	}
	g, err = a.grant(session.ID, refresh)
	return g, false, err
}

func (a *Accounts) signUpAgain(ctx context.Context, email, password string, from From) (*Grant, error) {
	g, err := a.SignIn(ctx, email, password, from)
	if domain.ReasonOf(err) == ReasonCredentialsInvalid {
		return nil, domain.Errorf(ReasonEmailUnavailable, "email", "no account can be made with this e-mail address; whoever has one signs in")
	}
	return g, err
}

// SignIn makes a session of an address and a password. What is wrong about them it does not say, and finding out takes as long whatever it is; only who knows the password learns that the
// account is disabled.
func (a *Accounts) SignIn(ctx context.Context, email, password string, from From) (*Grant, error) {
	account, stale, err := a.know(ctx, email, password, from)
	if err != nil {
		return nil, err
	}
	fresh := ""
	if stale { // it was made when hashes cost less
		if fresh, err = a.hasher.make(ctx, norm.NFKC.String(password)); err != nil {
			return nil, err
		}
	}
	return a.openSeen(ctx, account, from, func(k *Account) {
		if fresh != "" {
			k.password = fresh
		}
	})
}

// know returns the account that has an address and a password.
func (a *Accounts) know(ctx context.Context, email, password string, from From) (account *Account, stale bool, err error) {
	wrong := domain.Errorf(ReasonCredentialsInvalid, "", "no account has this e-mail address and password")
	email = strings.ToLower(strings.TrimSpace(email))
	if len(email) > EmailMax || len(password) > PasswordMax {
		return nil, false, wrong
	}
	right, err := a.guesses.guess(email, from.Addr, a.clock)
	if err != nil {
		return nil, false, err
	}
	kept := ""
	if account = a.byEmail(email); account != nil {
		kept = account.password
	}
	ok, stale, err := a.hasher.matches(ctx, kept, norm.NFKC.String(password))
	if err != nil {
		return nil, false, err
	}
	if !ok {
		return nil, false, wrong
	}
	right()
	if !account.Disabled.IsZero() {
		return nil, false, disabled()
	}
	return account, stale, nil
}

func disabled() error { return domain.Errorf(ReasonAccountDisabled, "", "the account is disabled") }

// openSeen makes a session of an account as it was looked at, which may have changed meanwhile: then nothing is known of its password. change: what else becomes of it, if not nil; it
// is appended with the session.
func (a *Accounts) openSeen(ctx context.Context, seen *Account, from From, change func(*Account)) (*Grant, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	account, err := a.Get(seen.ID)
	if err != nil || account.password != seen.password || !account.Disabled.IsZero() {
		return nil, domain.Errorf(ReasonCredentialsInvalid, "", "no account has this e-mail address and password")
	}
	return a.openChanged(ctx, account, from, change)
}

// openChanged makes a session of an account and appends both as one. The caller holds mu.
func (a *Accounts) openChanged(ctx context.Context, account *Account, from From, change func(*Account)) (*Grant, error) {
	session, refresh, records, err := a.newSession(account.ID, from)
	if err != nil {
		return nil, err
	}
	changed := *account
	if change != nil {
		change(&changed)
	}
	if changed.password != account.password || changed.invitation != account.invitation {
		err = a.put(ctx, &changed, records...)
	} else {
		err = a.append(ctx, records)
	}
	if err != nil {
		return nil, err
	}
	return a.grant(session.ID, refresh)
}

// newSession makes a session and the records that begin it, and end those that are too many. The caller holds mu.
func (a *Accounts) newSession(account string, from From) (*Session, refreshSecret, []log.Record, error) {
	now := a.now()
	records := a.sweep(now)
	if int(a.sessionCount.Load())-len(records) >= SessionsMax {
		return nil, refreshSecret{}, nil, full("there are %d sessions", SessionsMax)
	}
	if old := a.sessionsOf(account); len(old) >= SessionsOfMax {
		slices.SortFunc(old, func(x, y *Session) int { return x.Refreshed.Compare(y.Refreshed) })
		for _, s := range old[:len(old)-SessionsOfMax+1] {
			records = append(records, log.Record{Key: []byte(sessionPrefix + s.ID)})
		}
	}
	s := &Session{ID: newID(), AccountID: account, Label: shortLabel(from.Label), Created: now, Refreshed: now}
	refresh := s.begin(a.keys)
	record, err := s.record()
	return s, refresh, append(records, record), err
}

const (
	sweepEvery = time.Hour
	sweepMax   = 1000
)

// sweep returns the records that end sessions whose time is over, now and then. The caller holds mu.
func (a *Accounts) sweep(now time.Time) (records []log.Record) {
	if now.Before(a.swept.Add(sweepEvery)) {
		return nil
	}
	a.swept = now
	for id, v := range a.sessions.Range {
		if s := v.(*Session); !now.Before(s.Expires()) && len(records) < sweepMax {
			records = append(records, log.Record{Key: []byte(sessionPrefix + id.(string))})
		}
	}
	return records
}

// sessionsOf returns the sessions of an account that have not ended. The caller holds mu.
func (a *Accounts) sessionsOf(account string) (found []*Session) {
	now := a.clock()
	for id := range a.of[account] {
		if v, ok := a.sessions.Load(id); ok && now.Before(v.(*Session).Expires()) {
			found = append(found, v.(*Session))
		}
	}
	return found
}

// grant makes the secrets of a session as it is now.
func (a *Accounts) grant(session string, refresh refreshSecret) (*Grant, error) {
	v, ok := a.sessions.Load(session)
	if !ok {
		return nil, errors.New("a session that was made is not there")
	}
	s := v.(*Session)
	account, err := a.Get(s.AccountID)
	if err != nil {
		return nil, err
	}
	until := a.now().Add(SessionFor)
	if end := s.Expires(); end.Before(until) {
		until = end
	}
	return &Grant{
		Account: account, Session: s, Until: until, Refresh: refresh.String(),
		Secret: sessionSecretPrefix + s.ID + "_" + a.keys.seal(sessionPurpose, s.ID, until),
	}, nil
}

// Shown is a session whose secret a call shows.
type Shown struct {
	Token   *Token // stands for its holder
	Session string
	Until   time.Time // when the secret ends
}

// IsSessionSecret reports whether what a call shows has the form of a session's secret.
func IsSessionSecret(text string) bool { return strings.HasPrefix(text, sessionSecretPrefix) }

// Authenticate returns the session of a secret. The error is a *domain.Error that says why there is none.
func (a *Accounts) Authenticate(secret string) (Shown, error) {
	rest, ok := strings.CutPrefix(secret, sessionSecretPrefix)
	if !ok || len(rest) != idLen+1+sealLen || rest[idLen] != '_' {
		return Shown{}, domain.Errorf(ReasonTokenMalformed, "", "what is shown of a session does not have the form of it")
	}
	id := rest[:idLen]
	until, err := a.keys.check(sessionPurpose, id, rest[idLen+1:], a.clock())
	switch {
	case errors.Is(err, errSealEnded):
		return Shown{}, domain.Errorf(ReasonTokenExpired, "", "what is shown of the session has expired; refresh it")
	case err != nil:
		return Shown{}, domain.Errorf(ReasonTokenUnknown, "", "nobody has this session")
	}
	v, ok := a.sessions.Load(id)
	if !ok || v.(*Session).token == nil {
		return Shown{}, domain.Errorf(ReasonSessionEnded, "", "the session has ended; sign in")
	}
	return Shown{Token: v.(*Session).token, Session: id, Until: until}, nil
}

// Refresh gives a session's next secrets for its refresh token. Who shows an earlier token ends the session, since two have it; but the one before, within 10 seconds, gets the same
// again, for an answer gets lost, and a browser's tabs ask at once.
func (a *Accounts) Refresh(ctx context.Context, token string) (*Grant, error) {
	shown, ok := readRefreshSecret(token)
	if !ok {
		return nil, domain.Errorf(ReasonTokenMalformed, "refresh_token", "the refresh token does not have the form of one")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	v, ok := a.sessions.Load(shown.id)
	if !ok || !sameDigest(digestOf(shown.family[:]), v.(*Session).family) || !a.clock().Before(v.(*Session).Expires()) {
		return nil, domain.Errorf(ReasonRefreshUnknown, "", "the session has ended, or there was none; sign in")
	}
	s, now := v.(*Session), a.now()
	switch digest := digestOf(shown.current[:]); {
	case sameDigest(digest, s.current):
		changed := *s
		changed.Refreshed = now
		changed.rotate(a.keys, &shown)
		record, err := changed.record()
		if err == nil {
			err = a.append(ctx, []log.Record{record})
		}
		if err != nil {
			return nil, err
		}
		return a.grant(s.ID, shown)
	case sameDigest(digest, s.previous) && now.Before(s.Refreshed.Add(refreshGrace)):
		if signer := a.keys.of(s.keyID); signer != nil {
			shown.current = s.secret(signer)
			return a.grant(s.ID, shown)
		}
	}
	a.logger.WarnContext(ctx, "a session ended: an earlier refresh token of it was shown", "account", s.AccountID, "session", s.ID)
	if err := a.append(ctx, []log.Record{{Key: []byte(sessionPrefix + s.ID)}}); err != nil {
		return nil, err
	}
	return nil, domain.Errorf(ReasonRefreshReused, "", "this refresh token was used before, so the session has ended: somebody may have copied it; sign in")
}

// Sessions returns the sessions of an account that have not ended, by id.
func (a *Accounts) Sessions(account string) ([]*Session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.Get(account); err != nil {
		return nil, err
	}
	found := a.sessionsOf(account)
	slices.SortFunc(found, func(x, y *Session) int { return strings.Compare(x.ID, y.ID) })
	return found, nil
}

// EndSession ends one session of an account at once.
func (a *Accounts) EndSession(ctx context.Context, account, session string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if v, ok := a.sessions.Load(session); !ok || v.(*Session).AccountID != account {
		return domain.Errorf(ReasonSessionNotFound, "", "the account has no session %.40q", session)
	}
	return a.append(ctx, []log.Record{{Key: []byte(sessionPrefix + session)}})
}

// ChangePassword replaces a password by whoever knows it, ends all sessions of the account and begins one.
func (a *Accounts) ChangePassword(ctx context.Context, id, old, password string, from From) (*Grant, error) {
	account, err := a.Get(id)
	if err != nil {
		return nil, err
	}
	if _, err := readPassword(password, account.Email, "new_password"); err != nil {
		return nil, err
	}
	if !account.HasPassword() {
		return nil, domain.Errorf(ReasonCredentialsInvalid, "", "the account has no password")
	}
	if account, _, err = a.know(ctx, account.Email, old, from); err != nil {
		return nil, err
	}
	hash, err := a.newPassword(ctx, password, account.Email, "new_password")
	if err != nil {
		return nil, err
	}
	return a.replacePassword(ctx, account, hash, from)
}

// replacePassword ends all sessions of an account as it was looked at and begins one, with the new password, as one.
func (a *Accounts) replacePassword(ctx context.Context, seen *Account, hash string, from From) (*Grant, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	account, err := a.Get(seen.ID)
	if err != nil || account.password != seen.password || account.invitation != seen.invitation || !account.Disabled.IsZero() {
		return nil, domain.Errorf(ReasonCredentialsInvalid, "", "the account has changed meanwhile")
	}
	session, refresh, records, err := a.newSession(account.ID, from)
	if err != nil {
		return nil, err
	}
	changed := *account
	changed.password, changed.invitation = hash, invitation{}
	if err := a.put(ctx, &changed, append(a.endings(account.ID), records...)...); err != nil {
		return nil, err
	}
	return a.grant(session.ID, refresh)
}

// invite gives an account an invitation and returns its secret.
func (a *Account) invite(now time.Time) string {
	b := make([]byte, randomBytes)
	_, _ = rand.Read(b) // never fails
	a.invitation = invitation{digestOf(b), now.Add(invitationFor)}
	return invitationPrefix + a.ID + "_" + letters.EncodeToString(b)
}

// Invite gives the holder of an account an invitation to choose a password, instead of an earlier one. The password that there is, and sessions, go on until it is used.
func (a *Accounts) Invite(ctx context.Context, id string) (*Account, string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	account, err := a.Get(id)
	if err != nil {
		return nil, "", err
	}
	if account.Issuer != "" {
		return nil, "", domain.Errorf(domain.InvalidArgument, "name", "whoever has this account signs in at %s, without a password", account.Issuer)
	}
	changed := *account
	secret := changed.invite(a.now())
	if err := a.put(ctx, &changed); err != nil {
		return nil, "", err
	}
	account, err = a.Get(id)
	return account, secret, err
}

// AcceptInvitation sets the password of the account that an invitation is for, ends its sessions and begins one.
func (a *Accounts) AcceptInvitation(ctx context.Context, secret, password string, from From) (*Grant, error) {
	unknown := domain.Errorf(ReasonInvitationUnknown, "", "there is no such invitation: it was used, has expired, was replaced, or never was")
	id, random, ok := readSecret(secret, invitationPrefix, randomBytes)
	if !ok {
		return nil, unknown
	}
	account, err := a.Get(id)
	if err != nil || account.invitation.expires.IsZero() || !sameDigest(digestOf(random), account.invitation.digest) || !a.clock().Before(account.invitation.expires) {
		return nil, unknown
	}
	if !account.Disabled.IsZero() {
		return nil, disabled()
	}
	hash, err := a.newPassword(ctx, password, account.Email, "password")
	if err != nil {
		return nil, err
	}
	g, err := a.replacePassword(ctx, account, hash, from)
	if domain.ReasonOf(err) == ReasonCredentialsInvalid { // somebody else has used it
		return nil, unknown
	}
	return g, err
}
