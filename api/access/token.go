package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"
	"time"

	"lodge/domain"
	"lodge/domain/hotel"
)

// Role is what a token's holder is.
type Role string

// The roles. Their names are stored, and are in the events that their holders led to.
const (
	Admin   Role = "admin"
	Service Role = "service"
	Staff   Role = "staff"
	Guest   Role = "guest"
)

// Why nobody is let in: the caller is unknown, or known and may not.
const (
	ReasonTokenRequired  = "TOKEN_REQUIRED"
	ReasonTokenMalformed = "TOKEN_MALFORMED"
	ReasonTokenUnknown   = "TOKEN_UNKNOWN"
	ReasonTokenExpired   = "TOKEN_EXPIRED"
	ReasonTokenRevoked   = "TOKEN_REVOKED"
	ReasonTokenNotFound  = "TOKEN_NOT_FOUND" // of those who look after tokens
)

// Limits of tokens.
const (
	TokensMax = 100_000 // in all, ended ones that are not forgotten yet too
	HotelsMax = 100     // of one token
	LabelMax  = 200     // bytes
)

// Token is what is kept of a token: everything but its secret. It does not change; a change makes a new one.
type Token struct {
	ID       string
	Role     Role
	Hotels   []string // ascending: where staff work
	GuestID  string   // of a guest
	Label    string
	Created  time.Time
	Expires  time.Time // zero: never
	Revoked  time.Time // zero: it is not
	LastFour string    // of the secret

	// digest is the SHA-256 of the whole secret. A slow hash is for what people choose: nobody guesses 256 random bits, and this one is computed for
	// every call.
	digest    [sha256.Size]byte
	ended     chan struct{} // closed when it is revoked, or its session has ended
	ofSession bool
}

// Actor returns who acts with the token, as events say it.
func (t *Token) Actor() string { return string(t.Role) + ":" + t.ID }

// Until returns the token as one that ends at a time; zero: when it does.
func (t *Token) Until(at time.Time) *Token {
	if at.IsZero() {
		return t
	}
	until := *t
	until.Expires = at
	return &until
}

// EndedAt reports whether the token lets nobody in at a time.
func (t *Token) EndedAt(now time.Time) bool { return t.endedBy(now) != "" }

// endedBy returns why it lets nobody in, or "".
func (t *Token) endedBy(now time.Time) domain.Reason {
	switch {
	case !t.Revoked.IsZero():
		return ReasonTokenRevoked
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return ReasonTokenExpired
	}
	return ""
}

// WorksIn reports whether a token of staff is for a hotel.
func (t *Token) WorksIn(hotelID string) bool {
	_, ok := slices.BinarySearch(t.Hotels, hotelID)
	return ok
}

// validate checks what whoever makes a token chooses, and puts its hotels in order.
func (t *Token) validate(now time.Time) error {
	invalid := func(field, format string, args ...any) error {
		return domain.Errorf(domain.InvalidArgument, "token."+field, format, args...)
	}
	switch t.Role {
	case Admin, Service, Staff, Guest:
	default:
		return invalid("role", "%.40q is not a role", t.Role)
	}
	if (t.Role == Staff) != (len(t.Hotels) > 0) {
		return invalid("hotels", "hotels are for staff, who need at least one")
	}
	if (t.Role == Guest) != (t.GuestID != "") {
		return invalid("guest_id", "a guest id is for guests, who need one")
	}
	if len(t.Hotels) > HotelsMax || len(t.Label) > LabelMax || len(t.GuestID) > hotel.GuestIDMax {
		return invalid("label", "more than %d hotels, or a label or guest id of more than %d or %d bytes", HotelsMax, LabelMax, hotel.GuestIDMax)
	}
	for _, id := range t.Hotels {
		if err := domain.ValidateID(id, "token.hotels"); err != nil {
			return err
		}
	}
	if !t.Expires.IsZero() && !t.Expires.After(now) {
		return invalid("expire_time", "the token would have ended before it was made")
	}
	t.Hotels = slices.Compact(slices.Sorted(slices.Values(t.Hotels)))
	return nil
}

// A secret is lodge_ID_RANDOM: a prefix that scanners of source code can look for, the id by which it is found, and 256 random bits.
const (
	secretPrefix = "lodge_"
	idBytes      = 10
	randomBytes  = 32
)

var (
	letters   = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	idLen     = letters.EncodedLen(idBytes)
	secretLen = len(secretPrefix) + idLen + 1 + letters.EncodedLen(randomBytes)
)

// newSecret makes a secret and fills in what is kept of it.
func (t *Token) newSecret() string {
	b := make([]byte, idBytes+randomBytes)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	t.ID = letters.EncodeToString(b[:idBytes])
	secret := secretPrefix + t.ID + "_" + letters.EncodeToString(b[idBytes:])
	t.LastFour = secret[len(secret)-4:]
	t.digest = sha256.Sum256([]byte(secret))
	return secret
}

// secretID returns the id in a secret. ok: it has the form of one.
func secretID(secret string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok || len(secret) != secretLen || rest[idLen] != '_' {
		return "", false
	}
	for i := range len(rest) {
		if c := rest[i]; i != idLen && (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return "", false
		}
	}
	return rest[:idLen], true
}
