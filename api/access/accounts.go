package access

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lodge/domain"
	"lodge/log"
)

// AccountsTopic holds accounts and their sessions: compacted, one partition, so that a change of an account and the end of its sessions are one append. Its only writer is Accounts. Segments
// are short-lived and compaction is early, since what is deleted is to be gone.
const AccountsTopic log.Topic = "__accounts"

var accountsConfig = log.TopicConfig{
	Partitions: 1, Durability: log.Sync, Cleanup: log.CleanupCompact, SegmentBytes: 16 << 20, SegmentAge: 24 * time.Hour, TombstoneAge: time.Hour, DirtyRatio: 0.01,
}

// AccountsOptions sets up Accounts. The zero value of a field means its default.
type AccountsOptions struct {
	Keys   *Keys    // default: one that is made, so that sessions end with the process
	Cost   HashCost // of passwords: default OWASP's
	Clock  func() time.Time
	Logger *slog.Logger // of sessions that end because somebody copied them; default: discard
}

// Accounts holds all accounts and sessions in memory and in the log. Safe for concurrent use; who shows a session waits for nobody.
type Accounts struct {
	ledger
	keys    *Keys
	clock   func() time.Time
	logger  *slog.Logger
	hasher  *hasher
	guesses *guesses

	accounts sync.Map // id → *Account
	emails   sync.Map // of accounts with a password or an invitation → id
	sessions sync.Map // id → *Session

	accountCount, sessionCount atomic.Int64

	of     map[string]map[string]struct{} // account → its sessions. Guarded by mu
	guests map[string]map[string]struct{} // guest id → accounts. Guarded by mu
	swept  time.Time                      // when sessions that have ended were last looked for. Guarded by mu
}

// OpenAccounts makes the topic when it is missing and reads it. It starts no goroutine. Nobody else may write to the topic.
func OpenAccounts(ctx context.Context, lg Log, opts AccountsOptions) (*Accounts, error) {
	a := &Accounts{
		ledger: ledger{lg: lg, at: log.TopicPartition{Topic: AccountsTopic}, cfg: accountsConfig},
		keys:   opts.Keys, clock: opts.Clock, logger: opts.Logger, hasher: newHasher(opts.Cost), guesses: newGuesses(),
		of: map[string]map[string]struct{}{}, guests: map[string]map[string]struct{}{},
	}
	if a.clock == nil {
		a.clock = time.Now
	}
	if a.logger == nil {
		a.logger = slog.New(slog.DiscardHandler)
	}
	if a.keys == nil {
		made, _ := NextKeys(nil, a.clock())
		a.keys, _ = NewKeys(made) // it is one of ours
	}
	a.ledger.apply = a.apply
	return a, a.open(ctx)
}

// Keys returns what sessions are signed with.
func (a *Accounts) Keys() *Keys { return a.keys }

func (a *Accounts) now() time.Time { return a.clock().UTC().Truncate(time.Millisecond) }

// Get returns an account. The error has reason ReasonAccountNotFound when there is none.
func (a *Accounts) Get(id string) (*Account, error) {
	if v, ok := a.accounts.Load(id); ok {
		return v.(*Account), nil
	}
	return nil, domain.Errorf(ReasonAccountNotFound, "", "there is no account %.40q", id)
}

// byEmail returns the account that signs in by an address, or nil.
func (a *Accounts) byEmail(email string) *Account {
	id, ok := a.emails.Load(email)
	if !ok {
		return nil
	}
	found, _ := a.Get(id.(string))
	return found
}

// List returns the accounts after an id, by id, at most limit, and whether there are more. role and email: only those; empty: any.
func (a *Accounts) List(after string, role Role, email string, limit int) (found []*Account, more bool) {
	for _, v := range a.accounts.Range {
		if k := v.(*Account); k.ID > after && (role == "" || k.Role == role) && (email == "" || k.Email == email) {
			found = append(found, k)
		}
	}
	slices.SortFunc(found, func(x, y *Account) int { return strings.Compare(x.ID, y.ID) })
	if len(found) > limit {
		return found[:limit], true
	}
	return found, false
}

// Create makes an account of what the argument says of address, role, scope and label. Without a password the answer is an invitation, by which its holder chooses one.
func (a *Accounts) Create(ctx context.Context, wish Account, password string) (_ *Account, invitation string, err error) {
	made := &Account{ID: newID(), Role: wish.Role, Hotels: wish.Hotels, GuestID: wish.GuestID, Label: wish.Label, Created: a.now()}
	if made.Email, err = ReadEmail(wish.Email, "account.email"); err != nil {
		return nil, "", err
	}
	if made.Role == Guest {
		made.GuestID = cmp.Or(made.GuestID, made.ID)
	}
	if err := made.validate(); err != nil {
		return nil, "", err
	}
	if password == "" {
		invitation = made.invite(a.now())
	} else if made.password, err = a.newPassword(ctx, password, made.Email, "password"); err != nil {
		return nil, "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byEmail(made.Email) != nil {
		return nil, "", domain.Errorf(ReasonAccountExists, "", "there is an account with this e-mail address")
	}
	if err := a.add(ctx, made); err != nil {
		return nil, "", err
	}
	made, err = a.Get(made.ID)
	return made, invitation, err
}

// add appends a new account and other records. The caller holds mu.
func (a *Accounts) add(ctx context.Context, made *Account, more ...log.Record) error {
	if a.accountCount.Load() >= AccountsMax {
		return full("there are %d accounts", AccountsMax)
	}
	return a.put(ctx, made, more...)
}

// put appends an account and other records as one. The caller holds mu.
func (a *Accounts) put(ctx context.Context, k *Account, more ...log.Record) error {
	record, err := k.record()
	if err != nil {
		return err
	}
	return a.append(ctx, append([]log.Record{record}, more...))
}

// newPassword checks a password that somebody chooses and returns its hash.
func (a *Accounts) newPassword(ctx context.Context, password, email, field string) (string, error) {
	password, err := readPassword(password, email, field)
	if err != nil {
		return "", err
	}
	return a.hasher.make(ctx, password)
}

// Change is what Update does to an account; nil fields stay as they are.
type Change struct {
	Hotels   []string
	Label    *string
	Disabled *bool
}

// Update changes an account. One that is disabled has no sessions any more, at once.
func (a *Accounts) Update(ctx context.Context, id string, c Change) (*Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old, err := a.Get(id)
	if err != nil {
		return nil, err
	}
	changed := *old
	if c.Hotels != nil {
		changed.Hotels = c.Hotels
	}
	if c.Label != nil {
		changed.Label = *c.Label
	}
	var end []log.Record
	if c.Disabled != nil && *c.Disabled != !old.Disabled.IsZero() {
		if changed.Disabled = (time.Time{}); *c.Disabled {
			changed.Disabled, end = a.now(), a.endings(id)
		}
	}
	if err := changed.validate(); err != nil {
		return nil, err
	}
	if err := a.put(ctx, &changed, end...); err != nil {
		return nil, err
	}
	return a.Get(id)
}

// Delete ends an account and its sessions for good. Nothing of it stays in the log once that is compacted.
func (a *Accounts) Delete(ctx context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.Get(id); err != nil {
		return err
	}
	return a.delete(ctx, id)
}

func (a *Accounts) delete(ctx context.Context, id string) error {
	return a.append(ctx, append(a.endings(id), log.Record{Key: []byte(accountPrefix + id)}))
}

// DeleteGuest deletes every account of a guest, and returns how many there were: for whoever forgets the guest. Again it does nothing.
func (a *Accounts) DeleteGuest(ctx context.Context, guestID string) (n int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range maps.Clone(a.guests[guestID]) {
		if err := a.delete(ctx, id); err != nil {
			return n, fmt.Errorf("delete account %s: %w", id, err)
		}
		n++
	}
	return n, nil
}

// endings returns the records that end an account's sessions. The caller holds mu.
func (a *Accounts) endings(id string) (records []log.Record) {
	for session := range a.of[id] {
		records = append(records, log.Record{Key: []byte(sessionPrefix + session)})
	}
	return records
}

// apply takes in one record. The caller holds mu, or has the accounts alone.
func (a *Accounts) apply(r *log.Record) error {
	if id, ok := strings.CutPrefix(string(r.Key), accountPrefix); ok {
		return a.applyAccount(id, r.Value)
	}
	id, ok := strings.CutPrefix(string(r.Key), sessionPrefix)
	if !ok {
		return fmt.Errorf("%.40q is neither an account nor a session", r.Key)
	}
	return a.applySession(id, r.Value)
}

func (a *Accounts) applyAccount(id string, value []byte) error {
	var now *Account
	if value != nil {
		var err error
		if now, err = readAccount(id, value); err != nil {
			return err
		}
	}
	old, err := a.Get(id)
	switch known := err == nil; {
	case now != nil:
		a.accounts.Store(id, now)
		if !known {
			a.accountCount.Add(1)
		}
	case known:
		a.accounts.Delete(id)
		a.accountCount.Add(-1)
	}
	if old != nil && (now == nil || old.Email != now.Email) && a.byEmailID(old.Email) == id {
		a.emails.Delete(old.Email)
	}
	if old != nil && old.GuestID != "" {
		remove(a.guests, old.GuestID, id)
	}
	if now != nil && now.Issuer == "" {
		a.emails.Store(now.Email, id)
	}
	if now != nil && now.GuestID != "" {
		insert(a.guests, now.GuestID, id)
	}
	for session := range a.of[id] {
		a.link(session, now)
	}
	return nil
}

func (a *Accounts) byEmailID(email string) string {
	id, _ := a.emails.Load(email)
	text, _ := id.(string)
	return text
}

// link makes a session stand for what its account is now.
func (a *Accounts) link(session string, account *Account) {
	v, ok := a.sessions.Load(session)
	if !ok {
		return
	}
	changed := *v.(*Session)
	if changed.token = nil; account != nil {
		changed.token = account.as(changed.ended, time.Time{})
	}
	a.sessions.Store(session, &changed)
}

func (a *Accounts) applySession(id string, value []byte) error {
	v, known := a.sessions.Load(id)
	if value == nil {
		if known {
			old := v.(*Session)
			a.sessions.Delete(id)
			a.sessionCount.Add(-1)
			remove(a.of, old.AccountID, id)
			close(old.ended)
		}
		return nil
	}
	s, err := readSession(id, value)
	if err != nil {
		return err
	}
	if known {
		s.ended = v.(*Session).ended
	} else {
		s.ended = make(chan struct{})
		a.sessionCount.Add(1)
	}
	insert(a.of, s.AccountID, id)
	if account, err := a.Get(s.AccountID); err == nil {
		s.token = account.as(s.ended, time.Time{})
	}
	a.sessions.Store(id, s)
	return nil
}

func insert(index map[string]map[string]struct{}, key, member string) {
	if index[key] == nil {
		index[key] = map[string]struct{}{}
	}
	index[key][member] = struct{}{}
}

func remove(index map[string]map[string]struct{}, key, member string) {
	delete(index[key], member)
	if len(index[key]) == 0 {
		delete(index, key)
	}
}
