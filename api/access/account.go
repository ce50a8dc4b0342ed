package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/log"
)

// Why somebody with an account, or without one, is not let in.
const (
	ReasonAccountNotFound    = "ACCOUNT_NOT_FOUND"
	ReasonAccountExists      = "ACCOUNT_EXISTS" // there is one with this e-mail address
	ReasonAccountDisabled    = "ACCOUNT_DISABLED"
	ReasonEmailUnavailable   = "EMAIL_UNAVAILABLE" // for signing up
	ReasonCredentialsInvalid = "INVALID_CREDENTIALS"
	ReasonPasswordWeak       = "WEAK_PASSWORD"
	ReasonInvitationUnknown  = "INVITATION_UNKNOWN" // or it has ended, or was used
	ReasonSessionNotFound    = "SESSION_NOT_FOUND"  // of those who look after sessions
	ReasonSessionEnded       = "SESSION_ENDED"
	ReasonRefreshUnknown     = "REFRESH_TOKEN_UNKNOWN"
	ReasonRefreshReused      = "REFRESH_TOKEN_REUSED"
)

// Limits of accounts.
const (
	AccountsMax   = 500_000
	EmailMax      = 254 // bytes
	invitationFor = 7 * 24 * time.Hour
)

// Account is somebody who signs in. It does not change; a change makes a new one.
type Account struct {
	ID       string
	Email    string // in small letters; nobody has checked that it is the holder's, so it opens nothing by itself. Of an account of an issuer: as the issuer says it
	Role     Role
	Hotels   []string // ascending: where staff work
	GuestID  string   // of a guest: as in their reservations
	Label    string   // for people: a name
	Created  time.Time
	Disabled time.Time // zero: it is not
	Issuer   string    // whose word is taken for who signs in, and for role and hotels; empty: a password's
	Subject  string    // who that is to the issuer

	password   string // its hash in the PHC format, or "": nobody can sign in by one
	invitation invitation
}

// invitation is the hash of what lets its holder choose the account's password, once.
type invitation struct {
	digest  [sha256.Size]byte
	expires time.Time // zero: there is none
}

// HasPassword reports whether its holder can sign in by a password.
func (a *Account) HasPassword() bool { return a.password != "" }

// Invited returns until when an invitation is good; zero: there is none.
func (a *Account) Invited() time.Time { return a.invitation.expires }

// as returns the token that stands for the account's holder.
func (a *Account) as(ended chan struct{}, expires time.Time) *Token {
	return &Token{ID: a.ID, Role: a.Role, Hotels: a.Hotels, GuestID: a.GuestID, Label: a.Label, Created: a.Created, Expires: expires, ended: ended, ofSession: true}
}

func newID() string {
	b := make([]byte, idBytes)
	_, _ = rand.Read(b) // never fails
	return letters.EncodeToString(b)
}

// ReadEmail checks an e-mail address and returns it as it is kept.
func ReadEmail(text, field string) (string, error) {
	valid := utf8.ValidString(text)
	text = strings.ToLower(strings.TrimSpace(text))
	parsed, err := mail.ParseAddress(text)
	if err != nil || !valid || parsed.Address != text || len(text) > EmailMax || strings.ContainsAny(text, "\"\\ \t\r\n") {
		return "", domain.Errorf(domain.InvalidArgument, field, "%.80q is not an e-mail address", text)
	}
	return text, nil
}

// CheckEmail returns the error of ReadEmail. An address of the usual form costs no allocation.
func CheckEmail(text, field string) error {
	if plainEmail(text) {
		return nil
	}
	_, err := ReadEmail(text, field)
	return err
}

// plainEmail reports whether text is two dot-atoms of RFC 5322 in ASCII, of which ReadEmail takes all.
func plainEmail(text string) bool {
	local, host, ok := strings.Cut(text, "@")
	return ok && len(text) <= EmailMax && isDotAtom(local) && isDotAtom(host)
}

func isDotAtom(text string) bool {
	dot := true // no other may follow: there is none at the beginning
	for i := range len(text) {
		switch c := text[i]; {
		case c == '.' && dot:
			return false
		case c == '.':
			dot = true
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0:
			dot = false
		default:
			return false
		}
	}
	return !dot
}

// validate checks what whoever makes or changes an account chooses, and puts its hotels in order.
func (a *Account) validate() error {
	invalid := func(field, format string, args ...any) error {
		return domain.Errorf(domain.InvalidArgument, "account."+field, format, args...)
	}
	switch a.Role {
	case Admin, Service, Staff, Guest:
	default:
		return invalid("role", "%.40q is not a role", a.Role)
	}
	if (a.Role == Staff) != (len(a.Hotels) > 0) {
		return invalid("hotels", "hotels are for staff, who need at least one")
	}
	if (a.Role == Guest) != (a.GuestID != "") {
		return invalid("guest_id", "a guest id is for guests")
	}
	switch {
	case len(a.Hotels) > HotelsMax:
		return invalid("hotels", "more than %d hotels", HotelsMax)
	case len(a.Label) > LabelMax || !utf8.ValidString(a.Label):
		return invalid("label", "a label has at most %d bytes of UTF-8", LabelMax)
	case len(a.GuestID) > hotel.GuestIDMax || !utf8.ValidString(a.GuestID):
		return invalid("guest_id", "a guest id has at most %d bytes of UTF-8", hotel.GuestIDMax)
	}
	for _, id := range a.Hotels {
		if err := domain.ValidateID(id, "account.hotels"); err != nil {
			return err
		}
	}
	a.Hotels = slices.Compact(slices.Sorted(slices.Values(a.Hotels)))
	return nil
}

// storedAccount is an account in the log.
type storedAccount struct {
	Version    int        `json:"version"`
	Email      string     `json:"email,omitempty"`
	Role       Role       `json:"role"`
	Hotels     []string   `json:"hotels,omitempty"`
	GuestID    string     `json:"guest_id,omitempty"`
	Label      string     `json:"label,omitempty"`
	Created    time.Time  `json:"created"`
	Disabled   *time.Time `json:"disabled,omitempty"`
	Issuer     string     `json:"issuer,omitempty"`
	Subject    string     `json:"subject,omitempty"`
	Password   string     `json:"password,omitempty"`
	Invitation []byte     `json:"invitation,omitempty"`
	Invited    *time.Time `json:"invited_until,omitempty"`
}

const (
	accountPrefix = "account/"
	sessionPrefix = "session/"
)

func optional(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

func orZero(at *time.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return *at
}

func (a *Account) record() (log.Record, error) {
	s := storedAccount{
		Version: storedVersion, Email: a.Email, Role: a.Role, Hotels: a.Hotels, GuestID: a.GuestID, Label: a.Label, Created: a.Created, Disabled: optional(a.Disabled),
		Issuer: a.Issuer, Subject: a.Subject, Password: a.password, Invited: optional(a.invitation.expires),
	}
	if s.Invited != nil {
		s.Invitation = a.invitation.digest[:]
	}
	value, err := json.Marshal(s)
	return log.Record{Key: []byte(accountPrefix + a.ID), Value: value}, err
}

func readAccount(id string, value []byte) (*Account, error) {
	var s storedAccount
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, err
	}
	if s.Version != storedVersion || s.Invited != nil && len(s.Invitation) != sha256.Size {
		return nil, fmt.Errorf("an account of version %d is not one that this program knows", s.Version)
	}
	if s.Password != "" {
		if _, err := readPHC(s.Password); err != nil {
			return nil, err
		}
	}
	a := &Account{
		ID: id, Email: s.Email, Role: s.Role, Hotels: s.Hotels, GuestID: s.GuestID, Label: s.Label, Created: s.Created, Disabled: orZero(s.Disabled),
		Issuer: s.Issuer, Subject: s.Subject, password: s.Password,
	}
	a.invitation.expires = orZero(s.Invited)
	copy(a.invitation.digest[:], s.Invitation)
	return a, nil
}
