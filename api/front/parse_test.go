package front

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func anything(*http.Request) bool { return true }

var base = new(http.Request).WithContext(context.Background())

// post writes a request line, lines of a head and a body.
func post(body string, lines ...string) string {
	return "POST /hot HTTP/1.1\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

func TestParse(t *testing.T) {
	const host, length = "Host: lodge", "Content-Length: 2"
	for _, test := range []struct {
		name, wire string
		want       verdict
	}{
		{"plain", post("{}", host, length), plain},
		{"small letters", post("{}", "host:lodge", "content-length:\t2 "), plain},
		{"kept alive", post("{}", host, length, "Connection: Keep-Alive"), plain},
		{"two in a row", post("{}", host, length) + post("{}", host, length), plain},
		{"as large as may be", post(strings.Repeat("x", 4039), host, "Content-Length: 4039"), plain},
		{"too large by a byte", post("", host, "Content-Length: 4040"), other},
		{"nothing", "", unfinished},
		{"without all of the body", post("{", host, length), unfinished},
		{"another method", "GET /hot HTTP/1.1\r\n", other},
		{"another method's first letter", "P", unfinished},
		{"PUT", "PU", other},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", other},
		{"TLS", "\x16\x03\x01", other},
		{"HTTP/1.0", strings.Replace(post("{}", host, length), "1.1", "1.0", 1), other},
		{"a query", strings.Replace(post("{}", host, length), "/hot", "/hot?x=1", 1), other},
		{"an escaped path", strings.Replace(post("{}", host, length), "/hot", "/h%6ft", 1), other},
		{"a whole URL", strings.Replace(post("{}", host, length), "/hot", "http://lodge/hot", 1), other},
		{"a space more", strings.Replace(post("{}", host, length), " /hot", "  /hot", 1), other},
		{"no host", post("{}", length), other},
		{"two hosts", post("{}", host, host, length), other},
		{"an empty host", post("{}", "Host:", length), other},
		{"an odd host", post("{}", "Host: a\"b", length), other},
		{"no length", post("{}", host), other},
		{"two lengths", post("{}", host, length, length), other},
		{"a length of 0", post("", host, "Content-Length: 0"), other},
		{"a signed length", post("{}", host, "Content-Length: +2"), other},
		{"a list of lengths", post("{}", host, "Content-Length: 2, 2"), other},
		{"an enormous length", post("{}", host, "Content-Length: 18446744073709551618"), other},
		{"chunks", post("2\r\n{}\r\n0\r\n\r\n", host, "Transfer-Encoding: chunked"), other},
		{"a length and chunks", post("{}", host, length, "Transfer-Encoding: chunked"), other},
		{"the last one", post("{}", host, length, "Connection: close"), other},
		{"to be continued", post("", host, length, "Expect: 100-continue"), other},
		{"an upgrade", post("{}", host, length, "Upgrade: h2c"), other},
		{"what is rewritten", post("{}", host, length, "Pragma: no-cache"), other},
		{"trailers", post("{}", host, length, "Trailer: X"), other},
		{"a header twice", post("{}", host, length, "X: 1", "x: 2"), other},
		{"a space before the colon", post("{}", host, "Content-Length : 2"), other},
		{"a folded line", post("{}", host, "X: 1", " 2", length), other},
		{"a line without a colon", post("{}", host, "X", length), other},
		{"a line's end of LF alone", post("{}", host, "X: 1\nY: 2", length), other},
		{"a CR alone", post("{}", host, "X: 1\rY: 2", length), other},
		{"a CR before the end", post("{}", host, length+"\r"), other},
		{"a zero", post("{}", host, "X: \x00", length), other},
		{"a name of none", post("{}", host, ": 1", length), other},
		{"no headers", "POST /hot HTTP/1.1\r\n\r\n", other},
		{"too many headers", post("{}", append(many(headersMax), host, length)...), other},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, body, size, got := parse([]byte(test.wire), base, anything)
			if got != test.want {
				t.Fatalf("verdict %d, not %d", got, test.want)
			}
			if got == plain {
				sameAsServer(t, []byte(test.wire), r, body, size)
			}
		})
	}
}

func many(count int) (lines []string) {
	for i := range count {
		lines = append(lines, "X-"+strings.Repeat("a", i+1)+": 1")
	}
	return lines
}

// TestBeginnings: whatever piece of a plain request has come, the rest is waited for.
func TestBeginnings(t *testing.T) {
	wire := post(`{"x":1}`, "Host: lodge", "User-Agent: test", "Content-Length: 7", "Content-Type: application/json")
	for n := range len(wire) {
		if _, _, _, got := parse([]byte(wire[:n]), base, anything); got != unfinished {
			t.Errorf("after %d bytes: verdict %d", n, got)
		}
	}
	if _, _, size, got := parse([]byte(wire), base, anything); got != plain || size != len(wire) {
		t.Errorf("all of it: verdict %d, %d bytes", got, size)
	}
}

// TestWhatIsNotTaken: who takes requests sees the whole head.
func TestWhatIsNotTaken(t *testing.T) {
	wire := []byte(post("{}", "Host: lodge", "Content-Length: 2", "Content-Type: text/plain"))
	_, _, _, got := parse(wire, base, func(r *http.Request) bool {
		return r.URL.Path != "/hot" || r.Header.Get("Content-Type") != "text/plain" || r.ContentLength != 2 || r.Host != "lodge"
	})
	if got != other {
		t.Errorf("verdict %d", got)
	}
}

// FuzzParse: what is plain is to net/http the same request, and as long. Anything else is left to it.
func FuzzParse(f *testing.F) {
	f.Add([]byte(post("{}", "Host: lodge", "Content-Length: 2")))
	f.Add([]byte(post("{}x", "Host: lodge", "Content-Length: 02", "Accept: */*", "Connection: keep-alive")))
	f.Add([]byte(post("{}", "Host: [::1]:80", "Content-Length: 2", "Cookie: a=b; c=d", "X: \t y \t")))
	f.Add([]byte(post("{}", "Host: lodge", "Content-Length: 2", "Pragma: no-cache")))
	f.Fuzz(func(t *testing.T, wire []byte) {
		if len(wire) > bufferSize {
			return
		}
		if r, body, size, v := parse(wire, base, anything); v == plain {
			sameAsServer(t, wire, r, body, size)
		}
	})
}

func sameAsServer(t *testing.T, wire []byte, r *http.Request, body []byte, size int) {
	t.Helper()
	from := bufio.NewReader(bytes.NewReader(wire))
	want, err := http.ReadRequest(from)
	if err != nil {
		t.Fatalf("%q: net/http says %v", wire, err)
	}
	theirs, err := io.ReadAll(want.Body)
	if err != nil || !bytes.Equal(theirs, body) {
		t.Errorf("%q: body %q, not %q, %v", wire, body, theirs, err)
	}
	rest, err := io.ReadAll(from)
	if err != nil || len(wire)-len(rest) != size {
		t.Errorf("%q: %d bytes, not %d, %v", wire, size, len(wire)-len(rest), err)
	}
	delete(want.Header, "Connection") // which says what is so anyway
	if r.Method != want.Method || r.URL.String() != want.URL.String() || r.RequestURI != want.RequestURI || r.Host != want.Host ||
		r.ContentLength != want.ContentLength || !reflect.DeepEqual(r.Header, want.Header) || !r.ProtoAtLeast(1, 1) || want.Close {
		t.Errorf("%q:\n%+v is not\n%+v", wire, r, want)
	}
}
