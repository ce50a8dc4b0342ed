package payment

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// Any method can be read, and what is taken says something that the simulator can do.
func FuzzParseMethod(f *testing.F) {
	for _, method := range []string{"tok_approve", "tok_decline_lost_card", "tok_timeout_late_20m_decline_x_refund_unreachable_twice", "tok_once", "tok__", "tok_late_1ns", "tok_decline_refund_"} {
		f.Add(method)
	}
	f.Fuzz(func(t *testing.T, method string) {
		charge, refund, ok := parseMethod(method)
		if !ok && (charge != script{} || refund != script{}) {
			t.Errorf("%q is refused as %+v, %+v", method, charge, refund)
		}
		for _, s := range []script{charge, refund} {
			if s.after < 0 || s.after > lateMax || s.late && s.notify == 0 || s.notify > 2 || s.loseRequests > unreachableAttempts || !isCode(s.code) {
				t.Errorf("%q means %+v", method, s)
			}
		}
	})
}

// A body is taken with its signature, and neither with another's nor at another time.
func FuzzSignature(f *testing.F) {
	f.Add("secret", []byte(`{"id":"sim_evt_1"}`), "t=1,v1=00", int64(1_782_900_000))
	f.Add("", []byte{}, "t=,v1=,v1=zz", int64(-1))
	f.Fuzz(func(t *testing.T, secret string, body []byte, header string, seconds int64) {
		seconds %= 1 << 40
		now := time.Unix(seconds, 0)
		good := sign(secret, now, body)
		if err := verify(secret, now, good, body); err != nil {
			t.Errorf("%q: %v", good, err)
		}
		if verify(secret, now.Add(SignatureAgeMax+time.Second), good, body) == nil {
			t.Errorf("%q is never too old", good)
		}
		if verify(secret, now, good, append(bytes.Clone(body), ' ')) == nil || verify(secret+"x", now, good, body) == nil {
			t.Errorf("%q is of another body or secret", good)
		}
		if verify(secret, now, header, body) == nil && !strings.Contains(strings.ToLower(header), good[len(good)-64:]) {
			t.Errorf("%q is taken as the signature", header)
		}
	})
}
