package access

import (
	"net/mail"
	"strings"
	"testing"
	"time"

	"lodge/domain"
)

// FuzzPHC: what is read is written the same again, and asks for no more than a hash may.
func FuzzPHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA")
	f.Add("$argon2id$v=19$m=019456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA")
	f.Add("$argon2i$v=19$m=8,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := readPHC(text)
		if err != nil {
			return
		}
		if p.String() != text || p.cost.MemoryKiB > costMemoryMax || p.cost.Passes > costPassesMax || p.cost.Lanes == 0 {
			t.Errorf("%q became %q", text, p)
		}
	})
}

// FuzzSecrets: what is read of a refresh token or an invitation is written the same again.
func FuzzSecrets(f *testing.F) {
	f.Add(refreshPrefix + strings.Repeat("a", idLen) + "_" + strings.Repeat("a", letters.EncodedLen(refreshRandomBytes)))
	f.Add(invitationPrefix + strings.Repeat("7", idLen) + "_" + strings.Repeat("a", letters.EncodedLen(randomBytes)))
	f.Fuzz(func(t *testing.T, text string) {
		if r, ok := readRefreshSecret(text); ok && r.String() != text {
			t.Errorf("%q became %q", text, r.String())
		}
		if id, random, ok := readSecret(text, invitationPrefix, randomBytes); ok && invitationPrefix+id+"_"+letters.EncodeToString(random) != text {
			t.Errorf("%q is %q %x", text, id, random)
		}
	})
}

// FuzzSeals: nothing is good but what was signed, to the letter.
func FuzzSeals(f *testing.F) {
	made, _ := NextKeys(nil, noon)
	keys, err := NewKeys(made)
	if err != nil {
		f.Fatal(err)
	}
	seal, sealed := keys.seal("purpose", "data", noon), keys.Seal("purpose", "data", noon)
	f.Add("purpose", "data", seal)
	f.Add("purpose", "", sealed)
	f.Fuzz(func(t *testing.T, purpose, data, text string) {
		if _, err := keys.check(purpose, data, text, noon.Add(-time.Second)); (err == nil) != (purpose == "purpose" && data == "data" && text == seal) {
			t.Errorf("%q %q %q: %v", purpose, data, text, err)
		}
		if got, ok := keys.Open(purpose, text, noon.Add(-time.Second)); ok != (purpose == "purpose" && text == sealed) || ok && got != "data" {
			t.Errorf("%q %q: %q %t", purpose, text, got, ok)
		}
	})
}

// FuzzEmail: an address that is taken is one, and stays as it is when it is read again.
func FuzzEmail(f *testing.F) {
	f.Add(" Ada@Example.com ")
	f.Add("a\"b\"@x")
	for _, text := range []string{"", "@", "a@", "@b", "a@b@c", ".a@b", "a.@b", "a..b@c", "a.b@c.d", "a@.b", "a@b.", "o'hara+x@example.com", "a@[127.0.0.1]", "é@example.com", "a b@c", strings.Repeat("a", 253) + "@b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		email, err := ReadEmail(text, "email")
		if checked := CheckEmail(text, "email"); (checked == nil) != (err == nil) {
			t.Errorf("%q: %v, checked: %v", text, err, checked)
		}
		if err != nil {
			if domain.ReasonOf(err) != domain.InvalidArgument {
				t.Error(err)
			}
			return
		}
		parsed, err := mail.ParseAddress(email)
		if again, err2 := ReadEmail(email, "email"); err != nil || err2 != nil || parsed.Address != email || again != email || len(email) > EmailMax {
			t.Errorf("%q became %q, %v, %v", text, email, err, err2)
		}
	})
}

// TestUsualAddressesAreCheap: checking one allocates nothing.
func TestUsualAddressesAreCheap(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		if err := CheckEmail("Ada.O'Hara+x@mail.example.com", "email"); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzRecords: damage in the log is an error, and what can be read is written so that it is the same again.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"version":1,"email":"a@b","role":"guest","created":"2026-07-01T12:00:00Z"}`))
	f.Add([]byte(`{"version":1,"account":"a","family_sha256":"","created":"2026-07-01T12:00:00Z"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if a, err := readAccount("a", value); err == nil {
			r, err := a.record()
			if err != nil {
				return // a year that JSON does not know
			}
			if b, err := readAccount("a", r.Value); err != nil || b.Email != a.Email || b.password != a.password || b.invitation != a.invitation && b.invitation.digest != a.invitation.digest {
				t.Errorf("%s: %v", r.Value, err)
			}
		}
		if s, err := readSession("s", value); err == nil {
			r, err := s.record()
			if err != nil {
				return
			}
			if again, err := readSession("s", r.Value); err != nil || again.current != s.current || again.rotations != s.rotations {
				t.Errorf("%s: %v", r.Value, err)
			}
		}
	})
}
