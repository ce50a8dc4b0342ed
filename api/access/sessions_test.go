package access

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/domain"
)

func TestTamperedSessions(t *testing.T) {
	h := openHouse(t)
	g, other := h.signUp("ada@example.com"), h.signUp("eve@example.com")
	id, seal, _ := strings.Cut(strings.TrimPrefix(g.Secret, sessionSecretPrefix), "_")
	for i := range len(g.Secret) {
		for _, c := range []byte{'a', 'B', '7', '_', '-', '='} {
			changed := g.Secret[:i] + string(c) + g.Secret[i+1:]
			if changed == g.Secret {
				continue
			}
			if _, err := h.accounts.Authenticate(changed); domain.ReasonOf(err) != ReasonTokenUnknown && domain.ReasonOf(err) != ReasonTokenMalformed {
				t.Errorf("%d is %c: %v", i, c, err)
			}
		}
	}
	h.shown(sessionSecretPrefix+other.Session.ID+"_"+seal, ReasonTokenUnknown)
	h.shown(g.Secret[:len(g.Secret)-1], ReasonTokenMalformed)
	h.shown(g.Secret+"a", ReasonTokenMalformed)
	h.shown(sessionSecretPrefix+id+"_"+h.keys.seal("another purpose", id, noon.Add(time.Hour)), ReasonTokenUnknown)
	h.shown(sessionSecretPrefix+strings.Repeat("a", idLen)+"_"+h.keys.seal(sessionPurpose, strings.Repeat("a", idLen), noon.Add(time.Hour)), ReasonSessionEnded)
	foreign, _ := NextKeys(nil, noon)
	foreign[0].ID = h.keys.newest().ID
	keys, err := NewKeys(foreign)
	if err != nil {
		t.Fatal(err)
	}
	h.shown(sessionSecretPrefix+id+"_"+keys.seal(sessionPurpose, id, noon.Add(time.Hour)), ReasonTokenUnknown)
	h.shown(g.Secret, "")
}

func TestRefresh(t *testing.T) {
	h := openHouse(t)
	g := h.signUp("ada@example.com")
	second := h.refresh(g.Refresh, "")
	if second.Session.ID != g.Session.ID || second.Refresh == g.Refresh {
		t.Errorf("%+v", second)
	}
	h.restart()
	if again := h.refresh(g.Refresh, ""); again.Refresh != second.Refresh {
		t.Error("a lost answer is not given again")
	}
	third := h.refresh(second.Refresh, "")
	h.shown(third.Secret, "")
	h.refresh(g.Refresh[:len(g.Refresh)-1]+"b", "TOKEN_MALFORMED") // bits to spare
	made, _ := readRefreshSecret(third.Refresh)
	made.family[0]++
	h.refresh(made.String(), ReasonRefreshUnknown) // made up: it ends nothing
	made.id = strings.Repeat("a", idLen)
	h.refresh(made.String(), ReasonRefreshUnknown)
	h.refresh("", ReasonTokenMalformed)
	h.refresh(second.Refresh, "")
	h.advance(refreshGrace)
	ctx, stop := h.shown(third.Secret, "").Token.while(t.Context(), h.now())
	defer stop()
	h.refresh(second.Refresh, ReasonRefreshReused)
	<-ctx.Done()
	h.is(context.Cause(ctx), ReasonSessionEnded)
	h.shown(third.Secret, ReasonSessionEnded)
	h.refresh(third.Refresh, ReasonRefreshUnknown)
	h.restart()
	h.shown(third.Secret, ReasonSessionEnded)
}

// TestReuseWithinTheGraceIsOfTheLastOnly: two rotations back is too far, however short ago.
func TestReuseWithinTheGraceIsOfTheLastOnly(t *testing.T) {
	h := openHouse(t)
	g := h.signUp("ada@example.com")
	h.refresh(h.refresh(g.Refresh, "").Refresh, "")
	h.refresh(g.Refresh, ReasonRefreshReused)
}

func TestConcurrentRefresh(t *testing.T) {
	h := openHouse(t)
	g := h.signUp("ada@example.com")
	var group sync.WaitGroup
	got := make([]string, 16)
	for i := range got {
		group.Go(func() {
			if next, err := h.accounts.Refresh(t.Context(), g.Refresh); err == nil {
				got[i] = next.Refresh
			} else {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, r := range got {
		if r != got[0] {
			t.Fatal("tabs that refresh at once get different tokens")
		}
	}
	h.refresh(got[0], "")
}

func TestASessionHasAnEnd(t *testing.T) {
	h := openHouse(t)
	g, idle := h.signUp("ada@example.com"), h.signUp("eve@example.com")
	for at := noon; at.Before(noon.Add(sessionAge - sessionIdle)); at = at.Add(sessionIdle - time.Hour) {
		h.advance(sessionIdle - time.Hour)
		g = h.refresh(g.Refresh, "")
	}
	h.refresh(idle.Refresh, ReasonRefreshUnknown)
	h.nanos.Store(noon.Add(sessionAge - time.Minute).UnixNano())
	g = h.refresh(g.Refresh, "")
	if !g.Until.Equal(noon.Add(sessionAge)) {
		t.Errorf("a secret outlives its session: %v", g.Until)
	}
	h.advance(time.Minute)
	h.refresh(g.Refresh, ReasonRefreshUnknown)
	if found, err := h.accounts.Sessions(g.Account.ID); err != nil || len(found) != 0 {
		t.Errorf("%d sessions, %v", len(found), err)
	}
	h.signUp("zoe@example.com")
	if n := h.accounts.sessionCount.Load(); n != 1 {
		t.Errorf("%d sessions are kept", n)
	}
}

func TestAnAccountHasSoManySessions(t *testing.T) {
	h := openHouse(t)
	first := h.signUp("ada@example.com")
	for range SessionsOfMax {
		h.advance(time.Second)
		if _, err := h.accounts.SignIn(t.Context(), "ada@example.com", sesame, desk); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := h.accounts.Sessions(first.Account.ID); err != nil || len(found) != SessionsOfMax {
		t.Errorf("%d sessions, %v", len(found), err)
	}
	h.shown(first.Secret, ReasonSessionEnded)
}

func BenchmarkAuthenticate(b *testing.B) {
	h := openHouse(b)
	_, secret := h.create(Token{Role: Admin})
	g := h.signUp("ada@example.com")
	b.Run("token", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.store.Authenticate("Bearer " + secret); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("session", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.accounts.Authenticate(g.Secret); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkHash is what one password costs as it is kept by default.
