package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lodge/domain"
	"lodge/log"
	"lodge/log/broker"
	"lodge/log/vfs"
)

const sesame = "open sesame, please"

var desk = From{Addr: "192.0.2.1:5", Label: "curl/8"}

// house is accounts over a log in memory.
type house struct {
	*fixture
	accounts *Accounts
	keys     *Keys
}

func openHouse(t testing.TB) *house {
	t.Helper()
	made, _ := NextKeys(nil, noon)
	keys, err := NewKeys(made)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{fixture: open(t), keys: keys}
	h.openAccounts()
	return h
}

func (h *house) openAccounts() {
	h.Helper()
	var err error
	if h.accounts, err = OpenAccounts(h.Context(), h.log, AccountsOptions{Keys: h.keys, Cost: HashCost{64, 1, 1}, Clock: h.now}); err != nil {
		h.Fatal(err)
	}
}

func (h *house) restart() {
	h.Helper()
	h.reopen()
	h.openAccounts()
}

func (h *house) advance(d time.Duration) { h.nanos.Add(int64(d)) }

func (h *house) signUp(email string) *Grant {
	h.Helper()
	g, err := h.accounts.SignUp(h.Context(), email, sesame, "", desk)
	if err != nil {
		h.Fatal(err)
	}
	return g
}

// shown checks what showing a session leads to; no reason: its holder is let in.
func (h *house) shown(secret string, want domain.Reason) Shown {
	h.Helper()
	s, err := h.accounts.Authenticate(secret)
	h.is(err, want)
	return s
}

func (h *house) is(err error, want domain.Reason) {
	h.Helper()
	if domain.ReasonOf(err) != want || (err == nil) != (want == "") {
		h.Errorf("%v, want %q", err, want)
	}
}

func (h *house) refresh(token string, want domain.Reason) *Grant {
	h.Helper()
	g, err := h.accounts.Refresh(h.Context(), token)
	h.is(err, want)
	return g
}

func TestAGuestSignsUpAndIn(t *testing.T) {
	h := openHouse(t)
	g := h.signUp(" Ada@Example.com ")
	if g.Account.Email != "ada@example.com" || g.Account.Role != Guest || g.Account.GuestID != g.Account.ID || g.Until != noon.Add(SessionFor) || g.Session.Label != "curl/8" {
		t.Errorf("%+v %+v", g.Account, g)
	}
	for range 2 {
		if s := h.shown(g.Secret, ""); s.Token.Actor() != "guest:"+g.Account.ID || s.Token.GuestID != g.Account.ID || s.Session != g.Session.ID || !s.Until.Equal(g.Until) {
			t.Errorf("%+v", s)
		}
		h.restart()
	}
	again, err := h.accounts.SignIn(t.Context(), "ADA@example.com", sesame, desk)
	if err != nil || again.Account.ID != g.Account.ID || again.Session.ID == g.Session.ID {
		t.Errorf("%+v, %v", again, err)
	}
	retry, err := h.accounts.SignUp(t.Context(), "ada@example.com", sesame, "", desk)
	if err != nil || retry.Account.ID != g.Account.ID {
		t.Errorf("a sign-up is not safe to retry: %v", err)
	}
	_, err = h.accounts.SignUp(t.Context(), "ada@example.com", sesame+"?", "", desk)
	h.is(err, ReasonEmailUnavailable)
	for _, c := range []struct{ email, password string }{{"ada@example.com", sesame + "?"}, {"eve@example.com", sesame}, {"ada@example.com", ""}, {"", sesame}, {"ada@example.com", strings.Repeat("x", 1000)}} {
		_, err := h.accounts.SignIn(t.Context(), c.email, c.password, desk)
		h.is(err, ReasonCredentialsInvalid)
	}
	h.advance(SessionFor - time.Millisecond)
	h.shown(g.Secret, "")
	h.advance(time.Millisecond)
	h.shown(g.Secret, ReasonTokenExpired)
}

func TestWhatNobodySignsUpWith(t *testing.T) {
	h := openHouse(t)
	for _, email := range []string{"", "ada", "@example.com", "ada@", "Ada <ada@example.com>", "a b@example.com", "ada@example.com\n", "a\"b\"@example.com", strings.Repeat("a", 250) + "@example.com", "\xff@example.com"} {
		if email == "ada@example.com\n" {
			email = "ada@exa\nmple.com"
		}
		_, err := h.accounts.SignUp(t.Context(), email, sesame, "", desk)
		h.is(err, domain.InvalidArgument)
	}
	for _, password := range []string{"", "short", "123456789", strings.Repeat("z", 20), "eve@example.com", "evelyn.smith", "evelyn.smithEvelyn.Smith", strings.Repeat("ab", 257), "abcdefghi\xff"} {
		email := "evelyn.smith@example.com"
		if strings.Contains(password, "@") {
			email = password
			password = "  "
		}
		_, err := h.accounts.SignUp(t.Context(), email, password, "", desk)
		h.is(err, ReasonPasswordWeak)
	}
	if _, end, err := h.log.Offsets(t.Context(), h.accounts.at); err != nil || end != 0 {
		t.Errorf("%d records, %v", end, err)
	}
	// However a keyboard composes it, it is the same password.
	if _, err := h.accounts.SignUp(t.Context(), "cafe@example.com", "un cafe\u0301 noir", "", desk); err != nil {
		t.Fatal(err)
	}
	if _, err := h.accounts.SignIn(t.Context(), "cafe@example.com", "un caf\u00e9 noir", desk); err != nil {
		t.Error(err)
	}
}

func TestDisabledAtOnce(t *testing.T) {
	h := openHouse(t)
	g := h.signUp("ada@example.com")
	ctx, stop := h.shown(g.Secret, "").Token.while(t.Context(), h.now())
	defer stop()
	if k, err := h.accounts.Update(t.Context(), g.Account.ID, Change{Disabled: new(true)}); err != nil || k.Disabled.IsZero() {
		t.Fatal(k, err)
	}
	<-ctx.Done()
	for range 2 {
		h.shown(g.Secret, ReasonSessionEnded)
		h.refresh(g.Refresh, ReasonRefreshUnknown)
		_, err := h.accounts.SignIn(t.Context(), "ada@example.com", sesame, desk)
		h.is(err, ReasonAccountDisabled)
		_, err = h.accounts.SignIn(t.Context(), "ada@example.com", sesame+"?", desk)
		h.is(err, ReasonCredentialsInvalid)
		h.restart()
	}
	if _, err := h.accounts.Update(t.Context(), g.Account.ID, Change{Disabled: new(false)}); err != nil {
		t.Fatal(err)
	}
	_, err := h.accounts.SignIn(t.Context(), "ada@example.com", sesame, desk)
	h.is(err, "")
	h.shown(g.Secret, ReasonSessionEnded)
}

func TestScopeChangesAtOnce(t *testing.T) {
	h := openHouse(t)
	made, _, err := h.accounts.Create(t.Context(), Account{Email: "desk@ritz.example", Role: Staff, Hotels: []string{"ritz"}}, sesame)
	if err != nil {
		t.Fatal(err)
	}
	g, err := h.accounts.SignIn(t.Context(), "desk@ritz.example", sesame, desk)
	if err != nil || !h.shown(g.Secret, "").Token.WorksIn("ritz") {
		t.Fatal(err)
	}
	if _, err := h.accounts.Update(t.Context(), made.ID, Change{Hotels: []string{"savoy"}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if s := h.shown(g.Secret, ""); s.Token.WorksIn("ritz") || !s.Token.WorksIn("savoy") {
			t.Error("the session has the old hotels")
		}
		h.restart()
	}
	_, err = h.accounts.Update(t.Context(), made.ID, Change{Hotels: []string{}})
	h.is(err, domain.InvalidArgument)
}

func TestPasswordsChange(t *testing.T) {
	h := openHouse(t)
	g := h.signUp("ada@example.com")
	_, err := h.accounts.ChangePassword(t.Context(), g.Account.ID, sesame+"?", "another password", desk)
	h.is(err, ReasonCredentialsInvalid)
	_, err = h.accounts.ChangePassword(t.Context(), g.Account.ID, sesame, "short", desk)
	h.is(err, ReasonPasswordWeak)
	h.shown(g.Secret, "")
	next, err := h.accounts.ChangePassword(t.Context(), g.Account.ID, sesame, "another password", desk)
	h.is(err, "")
	h.restart()
	h.shown(g.Secret, ReasonSessionEnded)
	h.shown(next.Secret, "")
	_, err = h.accounts.SignIn(t.Context(), "ada@example.com", sesame, desk)
	h.is(err, ReasonCredentialsInvalid)
}

func TestInvitations(t *testing.T) {
	h := openHouse(t)
	made, first, err := h.accounts.Create(t.Context(), Account{Email: "boss@example.com", Role: Admin}, "")
	if err != nil || made.HasPassword() {
		t.Fatal(err)
	}
	_, err = h.accounts.SignIn(t.Context(), "boss@example.com", "", desk)
	h.is(err, ReasonCredentialsInvalid)
	_, second, err := h.accounts.Invite(t.Context(), made.ID)
	h.is(err, "")
	h.restart()
	accept := func(secret, password string, want domain.Reason) *Grant {
		t.Helper()
		g, err := h.accounts.AcceptInvitation(t.Context(), secret, password, desk)
		h.is(err, want)
		return g
	}
	accept(first, sesame, ReasonInvitationUnknown)
	guess := []byte(second)
	if at := len(guess) - 2; guess[at] != 'a' {
		guess[at] = 'a'
	} else {
		guess[at] = 'b'
	}
	accept(string(guess), sesame, ReasonInvitationUnknown)
	accept("lodgeinvitation_", sesame, ReasonInvitationUnknown)
	accept(second, "short", ReasonPasswordWeak)
	g := accept(second, sesame, "")
	accept(second, sesame+"!", ReasonInvitationUnknown)
	if s := h.shown(g.Secret, ""); s.Token.Role != Admin {
		t.Errorf("%+v", s)
	}
	_, third, err := h.accounts.Invite(t.Context(), made.ID)
	h.is(err, "")
	h.shown(g.Secret, "")
	h.advance(invitationFor)
	accept(third, sesame, ReasonInvitationUnknown)
	_, fourth, err := h.accounts.Invite(t.Context(), made.ID)
	h.is(err, "")
	var group sync.WaitGroup
	won := make(chan string, 8)
	for i := range cap(won) {
		group.Go(func() {
			if _, err := h.accounts.AcceptInvitation(t.Context(), fourth, fmt.Sprintf("password number %d", i), desk); err == nil {
				won <- fmt.Sprintf("password number %d", i)
			} else if domain.ReasonOf(err) != ReasonInvitationUnknown {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(won) != 1 {
		t.Fatalf("%d have used one invitation", len(won))
	}
	_, err = h.accounts.SignIn(t.Context(), "boss@example.com", <-won, desk)
	h.is(err, "")
	_, _, err = h.accounts.Create(t.Context(), Account{Email: "Boss@example.com", Role: Admin}, "")
	h.is(err, ReasonAccountExists)
	_, _, err = h.accounts.Create(t.Context(), Account{Email: "x@example.com", Role: Staff}, "")
	h.is(err, domain.InvalidArgument)
}

// TestOneAccountOfAnAddress: of those who sign up with it at once.
func TestOneAccountOfAnAddress(t *testing.T) {
	h := openHouse(t)
	var group sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]bool{}
	for range 8 {
		group.Go(func() {
			g, err := h.accounts.SignUp(t.Context(), "ada@example.com", sesame, "", desk)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[g.Account.ID] = true
		})
	}
	group.Wait()
	if len(ids) != 1 || h.accounts.accountCount.Load() != 1 {
		t.Errorf("%d accounts", len(ids))
	}
}

// TestLostAnswers: whatever dies between append and answer, memory says what the log says.
func TestLostAnswers(t *testing.T) {
	h := openHouse(t)
	g := h.signUp("ada@example.com")
	h.log.lose = true
	if _, err := h.accounts.SignUp(t.Context(), "eve@example.com", sesame, "", desk); !errors.Is(err, errLost) {
		t.Fatal(err)
	}
	if _, err := h.accounts.Refresh(t.Context(), g.Refresh); !errors.Is(err, errLost) {
		t.Fatal(err)
	}
	h.log.lose = false
	next := h.refresh(g.Refresh, "") // by who asks again
	h.shown(next.Secret, "")
	h.refresh(next.Refresh, "")
	eve, err := h.accounts.SignUp(t.Context(), "eve@example.com", sesame, "", desk)
	h.is(err, "")
	h.log.refuse = true
	if err := h.accounts.Delete(t.Context(), eve.Account.ID); !errors.Is(err, errLost) {
		t.Error(err)
	}
	h.shown(eve.Secret, "")
	h.log.refuse, h.log.lose = false, true
	if err := h.accounts.Delete(t.Context(), eve.Account.ID); !errors.Is(err, errLost) {
		t.Error(err)
	}
	h.shown(eve.Secret, ReasonSessionEnded)
	h.log.lose = false
	h.restart()
	h.shown(eve.Secret, ReasonSessionEnded)
	if n := h.accounts.accountCount.Load(); n != 1 {
		t.Errorf("%d accounts", n)
	}
}

// TestGuessing: nobody guesses for long, whoever holds the account gets in from elsewhere, and what is right costs nothing.
func TestGuessing(t *testing.T) {
	h := openHouse(t)
	h.signUp("ada@example.com")
	for range 50 {
		if _, err := h.accounts.SignIn(t.Context(), "ada@example.com", sesame, desk); err != nil {
			t.Fatalf("right, and refused: %v", err)
		}
	}
	guess := func(email, addr string) bool {
		t.Helper()
		_, err := h.accounts.SignIn(t.Context(), email, "a wrong password", From{Addr: addr})
		var often *TooManyError
		if errors.As(err, &often) {
			if often.Wait <= 0 {
				t.Error("it says to try again at once")
			}
			return false
		}
		h.is(err, ReasonCredentialsInvalid)
		return true
	}
	count := func(email func(i int) string, addr func(i int) string) (n int) {
		for n < 1000 && guess(email(n), addr(n)) {
			n++
		}
		return n
	}
	same := func(s string) func(int) string { return func(int) string { return s } }
	for _, email := range []string{"ada@example.com", "nobody@example.com"} { // that there is an account does not show
		if n := count(same(email), same("198.51.100.7:1")); n != 10 {
			t.Errorf("%d guesses of %s from one address", n, email)
		}
	}
	if _, err := h.accounts.SignIn(t.Context(), "ada@example.com", sesame, From{Addr: "203.0.113.1:1"}); err != nil {
		t.Errorf("its holder is kept out: %v", err)
	}
	if n := count(func(i int) string { return fmt.Sprint(i, "@example.com") }, same("198.51.100.7:2")); n != 60-20 {
		t.Errorf("%d guesses of any account from one address", n)
	}
	if n := count(same("ada@example.com"), func(i int) string { return fmt.Sprintf("10.0.%d.1:1", i) }); n != 100-10 {
		t.Errorf("%d guesses of one account from any address", n)
	}
	h.advance(time.Minute)
	if !guess("nobody@example.com", "198.51.100.7:3") {
		t.Error("time does not help")
	}
	signUps := 0
	for ; signUps < 100; signUps++ {
		_, err := h.accounts.SignUp(t.Context(), fmt.Sprintf("new%d@example.com", signUps), sesame, "", From{Addr: "192.0.2.99:1"})
		if errors.As(err, new(*TooManyError)) {
			break
		}
		h.is(err, "")
	}
	if signUps != 20 {
		t.Errorf("%d accounts from one address", signUps)
	}
}

// TestAForgottenGuest: what is deleted is not in the log once that is compacted, which it is within two days.
func TestAForgottenGuest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := broker.Open("data", broker.Options{FS: vfs.NewMem(), HousekeepingInterval: time.Hour, CheckpointInterval: time.Hour, FlushInterval: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.Run(ctx) }()
		h := &house{fixture: &fixture{TB: t, log: &lossy{Broker: b}}}
		if h.accounts, err = OpenAccounts(ctx, b, AccountsOptions{Cost: HashCost{64, 1, 1}}); err != nil {
			t.Fatal(err)
		}
		made, _, err := h.accounts.Create(ctx, Account{Email: "ada@example.com", Role: Guest, GuestID: "ada", Label: "Ada Lovelace"}, sesame)
		h.is(err, "")
		_, _, err = h.accounts.Create(ctx, Account{Email: "countess@example.com", Role: Guest, GuestID: "ada"}, sesame)
		h.is(err, "")
		h.signUp("eve@example.com")
		g, err := h.accounts.SignIn(ctx, "ada@example.com", sesame, desk)
		h.is(err, "")
		for i, want := range []int{2, 0} {
			if n, err := h.accounts.DeleteGuest(ctx, "ada"); n != want || err != nil {
				t.Errorf("time %d: %d accounts, %v", i, n, err)
			}
		}
		h.shown(g.Secret, ReasonSessionEnded)
		_, err = h.accounts.Get(made.ID)
		h.is(err, ReasonAccountNotFound)
		_, err = h.accounts.SignIn(ctx, "ada@example.com", sesame, desk)
		h.is(err, ReasonCredentialsInvalid)
		if !strings.Contains(h.everything(), "Lovelace") {
			t.Error("nothing is to be seen before compaction either")
		}
		time.Sleep(2 * accountsConfig.SegmentAge)
		if text := h.everything(); strings.Contains(text, "ada@example.com") || strings.Contains(text, "countess") || strings.Contains(text, "Lovelace") || !strings.Contains(text, "eve@example.com") {
			t.Errorf("after compaction:\n%s", text)
		}
		if h.accounts, err = OpenAccounts(ctx, b, AccountsOptions{Cost: HashCost{64, 1, 1}}); err != nil {
			t.Fatal(err)
		}
		_, err = h.accounts.SignIn(ctx, "eve@example.com", sesame, desk)
		h.is(err, "")
		stop()
		if err := errors.Join(<-ended, b.Close()); err != nil {
			t.Error(err)
		}
	})
}

// everything returns all that the topic's log has.
func (h *house) everything() string {
	h.Helper()
	var all bytes.Buffer
	for at := log.Offset(0); ; {
		got, err := h.log.Fetch(h.Context(), log.FetchRequest{TopicPartition: h.accounts.at, Offset: at})
		if err != nil {
			h.Fatal(err)
		}
		for i := range got.Records {
			fmt.Fprintf(&all, "%s %s\n", got.Records[i].Key, got.Records[i].Value)
		}
		if at = got.Next; at >= got.HighWatermark {
			return all.String()
		}
	}
}

// TestNoSecretIsKeptOfAccounts looks for the random parts of secrets in all that was written.
func TestNoSecretIsKeptOfAccounts(t *testing.T) {
	h := openHouse(t)
	g := h.signUp("ada@example.com")
	_, invitation, err := h.accounts.Create(t.Context(), Account{Email: "boss@example.com", Role: Admin}, "")
	h.is(err, "")
	text := h.everything()
	for _, secret := range []string{sesame, g.Refresh[len(refreshPrefix)+idLen+1:], g.Secret[len(sessionSecretPrefix)+idLen+1:], invitation[len(invitationPrefix)+idLen+1:]} {
		if strings.Contains(text, secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	if !strings.Contains(text, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("no hash:\n%s", text)
	}
}
