package access

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lodge/domain"
	"lodge/log"
	"lodge/log/broker"
	"lodge/log/vfs"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// lossy is a log whose answers can get lost on the way.
type lossy struct {
	*broker.Broker
	lose   bool // what is appended is there, and the answer is an error
	refuse bool // nothing is appended
}

var errLost = log.NewError(log.Unavailable, "append", "the answer is lost")

func (l *lossy) Append(ctx context.Context, tp log.TopicPartition, b *log.Batch) (log.Offset, error) {
	if l.refuse {
		return 0, errLost
	}
	at, err := l.Broker.Append(ctx, tp, b)
	if err == nil && l.lose {
		err = errLost
	}
	return at, err
}

type fixture struct {
	testing.TB
	fs    vfs.FS
	log   *lossy
	store *Store
	nanos atomic.Int64
}

func open(t testing.TB) *fixture {
	f := &fixture{TB: t, fs: vfs.NewMem()}
	f.nanos.Store(noon.UnixNano())
	f.reopen()
	t.Cleanup(func() {
		if err := f.log.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) now() time.Time { return time.Unix(0, f.nanos.Load()).UTC() }

func (f *fixture) reopen() {
	f.Helper()
	if f.log != nil {
		if err := f.log.Close(); err != nil {
			f.Fatal(err)
		}
	}
	b, err := broker.Open("data", broker.Options{FS: f.fs, Clock: f.now})
	if err != nil {
		f.Fatal(err)
	}
	f.log = &lossy{Broker: b}
	if f.store, err = Open(context.Background(), f.log, f.now); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) create(wish Token) (*Token, string) {
	f.Helper()
	t, secret, err := f.store.Create(context.Background(), wish)
	if err != nil {
		f.Fatal(err)
	}
	return t, secret
}

// shows checks what showing a secret leads to: nil reason is that it lets its token in.
func (f *fixture) shows(header string, want domain.Reason) *Token {
	f.Helper()
	t, err := f.store.Authenticate(header)
	if domain.ReasonOf(err) != want || (err == nil) != (want == "") {
		f.Errorf("%.20q…: %v, want %q", header, err, want)
	}
	return t
}

func TestTokensOutliveTheProcess(t *testing.T) {
	f := open(t)
	made, secret := f.create(Token{Role: Staff, Hotels: []string{"savoy", "ritz", "ritz"}, Label: "front desk", Expires: noon.Add(time.Hour)})
	_, other := f.create(Token{Role: Admin})
	if _, err := f.store.Revoke(t.Context(), f.shows("Bearer "+other, "").ID); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got := f.shows("bearer "+secret, "")
		if got.ID != made.ID || got.Role != Staff || got.Label != "front desk" || !got.WorksIn("ritz") || !got.WorksIn("savoy") || got.WorksIn("ritz-annex") ||
			!got.Created.Equal(noon) || !got.Expires.Equal(noon.Add(time.Hour)) || !strings.HasSuffix(secret, got.LastFour) || len(got.Hotels) != 2 {
			t.Errorf("got %+v", got)
		}
		f.shows("Bearer "+other, ReasonTokenRevoked)
		f.reopen()
	}
	f.nanos.Add(int64(time.Hour))
	f.shows("Bearer "+secret, ReasonTokenExpired)
	if found, _ := f.store.List("", false, 10); len(found) != 0 {
		t.Errorf("%d tokens are listed as good", len(found))
	}
	if found, more := f.store.List("", true, 1); len(found) != 1 || !more {
		t.Errorf("%d tokens, more %t", len(found), more)
	}
}

func TestWhoIsNotLetIn(t *testing.T) {
	f := open(t)
	_, secret := f.create(Token{Role: Guest, GuestID: "ada"})
	last := byte('a')
	if secret[len(secret)-1] == last {
		last = 'b'
	}
	id := secret[len(secretPrefix):][:idLen]
	for header, want := range map[string]domain.Reason{
		secret:                                   ReasonTokenMalformed,
		"Basic " + secret:                        ReasonTokenMalformed,
		"Bearer":                                 ReasonTokenMalformed,
		"Bearer " + id:                           ReasonTokenMalformed,
		"Bearer x" + secret:                      ReasonTokenMalformed,
		"Bearer " + strings.ToUpper(secret):      ReasonTokenMalformed,
		"Bearer " + secret[:len(secret)-1] + "!": ReasonTokenMalformed,
		"Bearer " + secret[:len(secret)-1] + string(last):                      ReasonTokenUnknown,
		"Bearer " + strings.Replace(secret, id, strings.Repeat("a", idLen), 1): ReasonTokenUnknown,
	} {
		f.shows(header, want)
	}
	if _, err := f.store.Get("nobody"); domain.ReasonOf(err) != ReasonTokenNotFound {
		t.Error(err)
	}
	if _, err := f.store.Revoke(t.Context(), "nobody"); domain.ReasonOf(err) != ReasonTokenNotFound {
		t.Error(err)
	}
}

func TestWhatIsNoToken(t *testing.T) {
	f := open(t)
	many := make([]string, HotelsMax+1)
	for i := range many {
		many[i] = "h"
	}
	for name, wish := range map[string]Token{
		"no role":              {},
		"another role":         {Role: "king"},
		"staff of nowhere":     {Role: Staff},
		"an admin of hotels":   {Role: Admin, Hotels: []string{"ritz"}},
		"a guest without name": {Role: Guest},
		"a service as a guest": {Role: Service, GuestID: "ada"},
		"a hotel that is none": {Role: Staff, Hotels: []string{"Ritz!"}},
		"many hotels":          {Role: Staff, Hotels: many},
		"a long label":         {Role: Admin, Label: strings.Repeat("x", LabelMax+1)},
		"one that has ended":   {Role: Admin, Expires: noon},
	} {
		if _, _, err := f.store.Create(t.Context(), wish); domain.ReasonOf(err) != domain.InvalidArgument && domain.ReasonOf(err) != domain.InvalidID {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, end, err := f.log.Offsets(t.Context(), partition); err != nil || end != 0 {
		t.Errorf("%d records, %v", end, err)
	}
}

// TestALostAnswer: a process that dies, or an answer that gets lost, between append and answer leaves what the log has, and memory says the same.
func TestALostAnswer(t *testing.T) {
	f := open(t)
	_, secret := f.create(Token{Role: Admin})
	f.log.lose = true
	if _, _, err := f.store.Create(t.Context(), Token{Role: Service, Label: "lost"}); !errors.Is(err, errLost) {
		t.Fatal(err)
	}
	if _, err := f.store.Revoke(t.Context(), f.shows("Bearer "+secret, "").ID); !errors.Is(err, errLost) {
		t.Fatal(err)
	}
	f.shows("Bearer "+secret, ReasonTokenRevoked)
	f.log.lose = false
	lost, _ := f.store.List("", false, 10)
	if len(lost) != 1 || lost[0].Label != "lost" {
		t.Fatalf("%+v", lost)
	}
	if _, err := f.store.Revoke(t.Context(), lost[0].ID); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	f.shows("Bearer "+secret, ReasonTokenRevoked)
	if found, _ := f.store.List("", false, 10); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	f.log.refuse = true
	if _, _, err := f.store.Create(t.Context(), Token{Role: Service}); !errors.Is(err, errLost) {
		t.Error(err)
	}
	if found, _ := f.store.List("", true, 10); len(found) != 2 {
		t.Errorf("%d tokens", len(found))
	}
}

// TestAnotherWriter: what somebody else has written is taken in before anything is decided.
func TestAnotherWriter(t *testing.T) {
	f := open(t)
	other, err := Open(t.Context(), f.log, f.now)
	if err != nil {
		t.Fatal(err)
	}
	_, secret := f.create(Token{Role: Admin})
	if _, _, err := other.Create(t.Context(), Token{Role: Service}); err != nil {
		t.Fatal(err)
	}
	made, err := other.Authenticate("Bearer " + secret)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Revoke(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	f.create(Token{Role: Admin})
	f.shows("Bearer "+secret, ReasonTokenRevoked)
}

func TestEndedTokensAreForgottenInTime(t *testing.T) {
	f := open(t)
	_, secret := f.create(Token{Role: Admin, Expires: noon.Add(time.Minute)})
	f.nanos.Add(int64(time.Minute + keepEnded))
	f.create(Token{Role: Admin})
	f.shows("Bearer "+secret, ReasonTokenExpired)
	f.nanos.Add(int64(time.Millisecond))
	f.create(Token{Role: Admin})
	f.shows("Bearer "+secret, ReasonTokenUnknown)
	f.reopen()
	f.shows("Bearer "+secret, ReasonTokenUnknown)
	if found, _ := f.store.List("", true, 10); len(found) != 2 || f.store.count.Load() != 2 {
		t.Errorf("%d tokens", len(found))
	}
}

func TestALastingCallEndsWithItsToken(t *testing.T) {
	f := open(t)
	made, _ := f.create(Token{Role: Admin})
	ctx, stop := f.store.While(t.Context(), made)
	defer stop()
	if ctx.Err() != nil {
		t.Error("it ends at once")
	}
	if _, err := f.store.Revoke(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if domain.ReasonOf(context.Cause(ctx)) != ReasonTokenRevoked {
		t.Error(context.Cause(ctx))
	}
	brief, _ := f.create(Token{Role: Admin, Expires: noon.Add(time.Millisecond)})
	ctx, stop = f.store.While(t.Context(), brief)
	defer stop()
	<-ctx.Done()
	if domain.ReasonOf(context.Cause(ctx)) != ReasonTokenExpired {
		t.Error(context.Cause(ctx))
	}
}

// TestNoSecretIsKept looks for a secret's random part in all that was written.
func TestNoSecretIsKept(t *testing.T) {
	f := open(t)
	_, secret := f.create(Token{Role: Admin, Label: "a label"})
	got, err := f.log.Fetch(t.Context(), log.FetchRequest{TopicPartition: partition})
	if err != nil || len(got.Records) != 1 {
		t.Fatal(got, err)
	}
	if random := secret[len(secretPrefix)+idLen+1:]; bytes.Contains(got.Records[0].Value, []byte(random)) || len(random) != 52 {
		t.Errorf("the log has it: %s", got.Records[0].Value)
	}
	if !bytes.Contains(got.Records[0].Value, []byte("a label")) {
		t.Error("this is not the token's record")
	}
}
