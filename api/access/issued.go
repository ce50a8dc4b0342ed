package access

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"lodge/domain"
)

// issuedAge is how long a session lasts of somebody who an OpenID provider says they are: then it is asked again, and may say otherwise.
const issuedAge = 12 * time.Hour

// Issued is somebody by the word of an OpenID provider.
type Issued struct {
	Issuer, Subject string
	Email, Label    string
	Role            Role
	Hotels          []string // ascending
}

// AccountID returns the id that somebody's account has, or would have: always the same.
func (i *Issued) AccountID() string {
	sum := sha256.Sum256([]byte(i.Issuer + "\x00" + i.Subject))
	return letters.EncodeToString(sum[:idBytes])
}

func (i *Issued) account(now time.Time) *Account {
	a := &Account{ID: i.AccountID(), Email: i.Email, Role: i.Role, Hotels: i.Hotels, Label: i.Label, Created: now, Issuer: i.Issuer, Subject: i.Subject}
	if a.Role == Guest {
		a.GuestID = a.ID
	}
	return a
}

// Stand returns the token that stands for somebody until a time. Whose account is disabled nobody stands for.
func (a *Accounts) Stand(i *Issued, until time.Time) (*Token, error) {
	account := i.account(time.Time{})
	if known, err := a.Get(account.ID); err == nil {
		if !known.Disabled.IsZero() {
			return nil, disabled()
		}
		account.Created = known.Created
	}
	return account.as(nil, until), nil
}

// SignInIssued makes a session of somebody, and an account when they have none. What they are is what the provider says now, also for sessions that they have.
func (a *Accounts) SignInIssued(ctx context.Context, i *Issued, from From) (*Grant, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	account := i.account(now)
	if err := account.validate(); err != nil {
		return nil, err
	}
	known, err := a.Get(account.ID)
	if err == nil {
		if known.Issuer != i.Issuer || known.Subject != i.Subject {
			return nil, domain.Errorf(ReasonAccountExists, "", "another account has this id")
		}
		if !known.Disabled.IsZero() {
			return nil, disabled()
		}
		account.Created = known.Created
	}
	session, refresh, records, err := a.newSession(account.ID, from)
	if err != nil {
		return nil, err
	}
	session.ends = now.Add(issuedAge)
	if records[len(records)-1], err = session.record(); err != nil {
		return nil, err
	}
	switch {
	case known == nil:
		err = a.add(ctx, account, records...)
	case known.Role == account.Role && known.Email == account.Email && known.Label == account.Label && slices.Equal(known.Hotels, account.Hotels):
		err = a.append(ctx, records)
	default:
		err = a.put(ctx, account, records...)
	}
	if err != nil {
		return nil, err
	}
	return a.grant(session.ID, refresh)
}
