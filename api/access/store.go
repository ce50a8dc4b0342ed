package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lodge/domain"
	"lodge/log"
)

// Topic holds the tokens: compacted, one partition, the key is the token's id. Its only writer is the Store.
const Topic log.Topic = "__access"

// Store holds all tokens in memory and in the log. Safe for concurrent use; who reads waits for nobody.
type Store struct {
	ledger
	clock func() time.Time

	tokens sync.Map     // id → *Token
	count  atomic.Int64 // of tokens
}

var partition = log.TopicPartition{Topic: Topic}

// Open makes the topic when it is missing and reads the tokens. It starts no goroutine. No other store may write to lg.
func Open(ctx context.Context, lg Log, clock func() time.Time) (*Store, error) {
	s := &Store{clock: clock, ledger: ledger{lg: lg, at: partition, cfg: log.TopicConfig{Partitions: 1, Durability: log.Sync, Cleanup: log.CleanupCompact}}}
	s.ledger.apply = s.apply
	return s, s.open(ctx)
}

// Authenticate returns the token that an Authorization header shows. The error is a *domain.Error that says why there is none; only who shows the
// right secret is told that it has ended.
func (s *Store) Authenticate(header string) (*Token, error) {
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, domain.Errorf(ReasonTokenMalformed, "", "the header Authorization is not Bearer and a token")
	}
	id, ok := secretID(secret)
	if !ok {
		return nil, domain.Errorf(ReasonTokenMalformed, "", "the token in the header Authorization does not have the form of one")
	}
	digest := sha256.Sum256([]byte(secret))
	t, ok := s.get(id)
	if !ok || subtle.ConstantTimeCompare(digest[:], t.digest[:]) != 1 {
		return nil, domain.Errorf(ReasonTokenUnknown, "", "nobody has this token")
	}
	if why := t.endedBy(s.clock()); why != "" {
		return nil, ending(why)
	}
	return t, nil
}

func ending(why domain.Reason) error {
	if why == ReasonTokenRevoked {
		return domain.Errorf(why, "", "the token is revoked")
	}
	return domain.Errorf(why, "", "the token has expired")
}

// While returns a context that also ends when the token does; its cause is then why. The caller calls stop.
func (s *Store) While(ctx context.Context, t *Token) (_ context.Context, stop func()) {
	return t.while(ctx, s.clock())
}

func (t *Token) while(ctx context.Context, now time.Time) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(<-chan time.Time)
	timer := func() bool { return true }
	if !t.Expires.IsZero() {
		at := time.NewTimer(t.Expires.Sub(now))
		ended, timer = at.C, at.Stop
	}
	go func() {
		defer timer()
		select {
		case <-t.ended:
			if t.ofSession {
				cancel(domain.Errorf(ReasonSessionEnded, "", "the session has ended"))
				return
			}
			cancel(ending(ReasonTokenRevoked))
		case <-ended:
			cancel(ending(ReasonTokenExpired))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// Create makes a token of what the argument says of role, scope, label and end, and returns it with its secret, which is kept nowhere. An error other than a
// *domain.Error leaves open whether there is such a token, whose secret nobody knows.
func (s *Store) Create(ctx context.Context, wish Token) (*Token, string, error) {
	now := s.clock().UTC().Truncate(time.Millisecond)
	t := &Token{Role: wish.Role, Hotels: wish.Hotels, GuestID: wish.GuestID, Label: wish.Label, Created: now, Expires: wish.Expires}
	if err := t.validate(now); err != nil {
		return nil, "", err
	}
	secret := t.newSecret()
	s.mu.Lock()
	defer s.mu.Unlock()
	forget := s.forgettable(now)
	if int(s.count.Load())-len(forget) >= TokensMax {
		return nil, "", domain.Errorf(domain.LimitReached, "", "there are %d tokens; those that have ended are forgotten after %s", TokensMax, keepEnded)
	}
	record, err := t.record()
	if err == nil {
		err = s.append(ctx, append(forget, record))
	}
	if err != nil {
		return nil, "", err
	}
	made, _ := s.get(t.ID)
	return made, secret, nil
}

// Revoke ends a token at once. One that is revoked stays as it is.
func (s *Store) Revoke(ctx context.Context, id string) (*Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.Get(id)
	if err != nil || !t.Revoked.IsZero() {
		return t, err
	}
	changed := *t
	changed.Revoked = s.clock().UTC().Truncate(time.Millisecond)
	record, err := changed.record()
	if err == nil {
		err = s.append(ctx, []log.Record{record})
	}
	if err != nil {
		return nil, err
	}
	return s.Get(id)
}

// Get returns a token. The error has reason ReasonTokenNotFound when there is none.
func (s *Store) Get(id string) (*Token, error) {
	if t, ok := s.get(id); ok {
		return t, nil
	}
	return nil, domain.Errorf(ReasonTokenNotFound, "", "there is no token %.40q", id)
}

func (s *Store) get(id string) (*Token, bool) {
	v, ok := s.tokens.Load(id)
	if !ok {
		return nil, false
	}
	return v.(*Token), true
}

// List returns the tokens after an id, by id, at most limit, and whether there are more. ended: also those that have ended.
func (s *Store) List(after string, ended bool, limit int) (found []*Token, more bool) {
	now := s.clock()
	for _, v := range s.tokens.Range {
		if t := v.(*Token); t.ID > after && (ended || !t.EndedAt(now)) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b *Token) int { return strings.Compare(a.ID, b.ID) })
	if len(found) > limit {
		return found[:limit], true
	}
	return found, false
}

// Ended tokens are told from unknown ones for a while, and then forgotten.
const (
	keepEnded = 30 * 24 * time.Hour
	forgetMax = 64 // with each new token
)

// forgettable returns the tombstones of tokens that ended long ago. The caller holds mu.
func (s *Store) forgettable(now time.Time) (records []log.Record) {
	before := now.Add(-keepEnded)
	for _, v := range s.tokens.Range {
		t := v.(*Token)
		if len(records) < forgetMax && (!t.Revoked.IsZero() && t.Revoked.Before(before) || !t.Expires.IsZero() && t.Expires.Before(before)) {
			records = append(records, log.Record{Key: []byte(t.ID)})
		}
	}
	return records
}

func (s *Store) apply(r *log.Record) error {
	id := string(r.Key)
	old, known := s.get(id)
	if r.Value == nil {
		if known {
			s.tokens.Delete(id)
			s.count.Add(-1)
		}
		return nil
	}
	t, err := readToken(id, r.Value)
	if err != nil {
		return fmt.Errorf("a token: %w", err)
	}
	t.ended = make(chan struct{})
	if known {
		t.ended = old.ended
	} else {
		s.count.Add(1)
	}
	s.tokens.Store(id, t)
	if !t.Revoked.IsZero() && (!known || old.Revoked.IsZero()) {
		close(t.ended)
	}
	return nil
}

// stored is a token in the log.
type stored struct {
	Version  int        `json:"version"`
	Role     Role       `json:"role"`
	Hotels   []string   `json:"hotels,omitempty"`
	GuestID  string     `json:"guest_id,omitempty"`
	Label    string     `json:"label,omitempty"`
	Created  time.Time  `json:"created"`
	Expires  *time.Time `json:"expires,omitempty"`
	Revoked  *time.Time `json:"revoked,omitempty"`
	LastFour string     `json:"last_four"`
	SHA256   []byte     `json:"sha256"`
}

const storedVersion = 1

func (t *Token) record() (log.Record, error) {
	optional := func(at time.Time) *time.Time {
		if at.IsZero() {
			return nil
		}
		return &at
	}
	value, err := json.Marshal(stored{
		Version: storedVersion, Role: t.Role, Hotels: t.Hotels, GuestID: t.GuestID, Label: t.Label, Created: t.Created,
		Expires: optional(t.Expires), Revoked: optional(t.Revoked), LastFour: t.LastFour, SHA256: t.digest[:],
	})
	return log.Record{Key: []byte(t.ID), Value: value}, err
}

func readToken(id string, value []byte) (*Token, error) {
	var s stored
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, err
	}
	if s.Version != storedVersion || len(s.SHA256) != sha256.Size {
		return nil, fmt.Errorf("version %d with a digest of %d bytes is not one that this program knows", s.Version, len(s.SHA256))
	}
	t := &Token{ID: id, Role: s.Role, Hotels: s.Hotels, GuestID: s.GuestID, Label: s.Label, Created: s.Created, LastFour: s.LastFour}
	copy(t.digest[:], s.SHA256)
	if s.Expires != nil {
		t.Expires = *s.Expires
	}
	if s.Revoked != nil {
		t.Revoked = *s.Revoked
	}
	return t, nil
}
