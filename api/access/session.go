package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"lodge/log"
)

// Limits of sessions.
const (
	SessionsMax        = 500_000
	SessionsOfMax      = 20               // of one account: one more ends the one that was not heard of for longest
	SessionFor         = 15 * time.Minute // how long what a call shows is good for
	sessionIdle        = 30 * 24 * time.Hour
	sessionAge         = 90 * 24 * time.Hour // however often it is refreshed
	refreshGrace       = 10 * time.Second
	familyBytes        = 16
	refreshRandomBytes = familyBytes + sha256.Size
)

// Session is a sign-in that goes on. It does not change; a change makes a new one.
//
// Its holder has two secrets. The one that calls show is short-lived and signed: nothing of it is kept. The other gets the next two, once, and is kept as hashes: of a part that
// stays, by which an earlier one is known for what it is, and of a part that changes. Who shows an earlier one has copied it, or was copied: the session ends.
type Session struct {
	ID        string
	AccountID string
	Label     string // for people: with what they signed in
	Created   time.Time
	Refreshed time.Time

	family            [sha256.Size]byte
	current, previous [sha256.Size]byte
	ends              time.Time // before its age is full; zero: not
	rotations         uint64
	keyID             uint32 // by which the current one was made of their number

	ended chan struct{} // closed when it has
	token *Token        // stands for its holder; nil: of no account
}

// Expires returns when the session ends unless it is refreshed.
func (s *Session) Expires() time.Time {
	idle, old := s.Refreshed.Add(sessionIdle), s.Created.Add(sessionAge)
	if !s.ends.IsZero() && s.ends.Before(old) {
		old = s.ends
	}
	if idle.Before(old) {
		return idle
	}
	return old
}

const (
	sessionSecretPrefix = "lodgesession_"
	refreshPrefix       = "lodgerefresh_"
	invitationPrefix    = "lodgeinvitation_"
	sessionPurpose      = "session"
	refreshPurpose      = "refresh"
)

// refreshSecret is what gets a session's next secrets.
type refreshSecret struct {
	id      string
	family  [familyBytes]byte
	current [sha256.Size]byte
}

func (r *refreshSecret) String() string {
	return refreshPrefix + r.id + "_" + letters.EncodeToString(append(r.family[:], r.current[:]...))
}

// readRefreshSecret reads what String wrote, and nothing else.
func readRefreshSecret(text string) (r refreshSecret, ok bool) {
	id, random, ok := readSecret(text, refreshPrefix, refreshRandomBytes)
	if !ok {
		return r, false
	}
	r.id = id
	copy(r.family[:], random)
	copy(r.current[:], random[familyBytes:])
	return r, true
}

// readSecret reads PREFIX ID _ RANDOM.
func readSecret(text, prefix string, n int) (id string, random []byte, ok bool) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(rest) != idLen+1+letters.EncodedLen(n) || rest[idLen] != '_' || !isID(rest[:idLen]) {
		return "", nil, false
	}
	random, err := letters.DecodeString(rest[idLen+1:])
	if err != nil || letters.EncodeToString(random) != rest[idLen+1:] { // the last letter may have bits to spare
		return "", nil, false
	}
	return rest[:idLen], random, true
}

func isID(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return len(text) == idLen
}

func digestOf(b []byte) [sha256.Size]byte { return sha256.Sum256(b) }

func sameDigest(a, b [sha256.Size]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

// begin gives a new session its family and its first secret.
func (s *Session) begin(keys *Keys) (r refreshSecret) {
	_, _ = rand.Read(r.family[:]) // never fails
	s.family = digestOf(r.family[:])
	s.rotate(keys, &r)
	s.previous = s.current // there is none
	return r
}

// rotate gives it the next secret, whose family r has.
func (s *Session) rotate(keys *Keys, r *refreshSecret) {
	signer := keys.newest()
	s.rotations++
	s.keyID, s.previous = signer.ID, s.current
	r.id, r.current = s.ID, s.secret(signer)
	s.current = digestOf(r.current[:])
}

// secret makes the current secret. It is made of the session's number of them under the key, so that whoever lost it with its answer can be told again.
func (s *Session) secret(signer *signer) (current [sha256.Size]byte) {
	var number [8 + familyBytes*2]byte
	binary.BigEndian.PutUint64(number[:], s.rotations)
	copy(number[8:], s.family[:])
	signer.sum(current[:0], refreshPurpose, s.ID, number[:])
	return current
}

// storedSession is a session in the log.
type storedSession struct {
	Version   int        `json:"version"`
	Account   string     `json:"account"`
	Label     string     `json:"label,omitempty"`
	Created   time.Time  `json:"created"`
	Refreshed time.Time  `json:"refreshed"`
	Ends      *time.Time `json:"ends,omitempty"`
	Family    []byte     `json:"family_sha256"`
	Current   []byte     `json:"current_sha256"`
	Previous  []byte     `json:"previous_sha256"`
	Rotations uint64     `json:"rotations"`
	Key       uint32     `json:"key"`
}

func (s *Session) record() (log.Record, error) {
	value, err := json.Marshal(storedSession{
		Version: storedVersion, Account: s.AccountID, Label: s.Label, Created: s.Created, Refreshed: s.Refreshed, Ends: optional(s.ends),
		Family: s.family[:], Current: s.current[:], Previous: s.previous[:], Rotations: s.rotations, Key: s.keyID,
	})
	return log.Record{Key: []byte(sessionPrefix + s.ID), Value: value}, err
}

func readSession(id string, value []byte) (*Session, error) {
	var s storedSession
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, err
	}
	if s.Version != storedVersion || len(s.Family) != sha256.Size || len(s.Current) != sha256.Size || len(s.Previous) != sha256.Size {
		return nil, fmt.Errorf("a session of version %d is not one that this program knows", s.Version)
	}
	made := &Session{ID: id, AccountID: s.Account, Label: s.Label, Created: s.Created, Refreshed: s.Refreshed, ends: orZero(s.Ends), rotations: s.Rotations, keyID: s.Key}
	copy(made.family[:], s.Family)
	copy(made.current[:], s.Current)
	copy(made.previous[:], s.Previous)
	return made, nil
}

// shortLabel makes a label of what a program says it is.
func shortLabel(text string) string {
	text = strings.ToValidUTF8(text, "")
	for len(text) > LabelMax {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}
