package front

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// verdict is what the bytes read so far are.
type verdict int

const (
	unfinished verdict = iota // the beginning of a plain request
	plain                     // a plain request, and perhaps the beginning of the next
	other                     // for the server
)

const (
	method     = "POST "
	version    = " HTTP/1.1"
	headersMax = 32
)

// asksMore are the headers that want something other than an answer to a body of known length. Pragma wants Cache-Control, which net/http adds.
var asksMore = map[string]bool{
	"Connection": true, "Expect": true, "Keep-Alive": true, "Http2-Settings": true, "Pragma": true, "Proxy-Connection": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// parse reads a request from the bytes of a connection, as a copy of base. If they are a plain one, size is how many of them are it, and the body shares their memory.
func parse(b []byte, base *http.Request, takes func(*http.Request) bool) (r *http.Request, body []byte, size int, v verdict) {
	if n := min(len(b), len(method)); string(b[:n]) != method[:n] {
		return nil, nil, 0, other
	}
	end := bytes.Index(b, headEnd)
	if end < 0 {
		return nil, nil, 0, unfinished
	}
	line, head, _ := strings.Cut(string(b[:end]), "\r\n")
	path, ok := strings.CutSuffix(line[len(method):], version)
	if !ok || !plainPath(path) {
		return nil, nil, 0, other
	}
	r = new(http.Request)
	*r = *base // with its context
	r.Method, r.URL, r.RequestURI, r.Header = http.MethodPost, &url.URL{Path: path}, path, make(http.Header, 8)
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	if !readHeader(head, r) || !takes(r) {
		return nil, nil, 0, other
	}
	end += len(headEnd)
	size = end + int(r.ContentLength)
	switch {
	case size > bufferSize:
		return nil, nil, 0, other
	case size > len(b):
		return nil, nil, size, unfinished
	}
	return r, b[end:size], size, plain
}

var headEnd = []byte("\r\n\r\n")

// plainPath reports whether a request's target is a path and nothing else, written as it is meant.
func plainPath(target string) bool {
	for _, c := range []byte(target) {
		if c != '/' && c != '.' && c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return strings.HasPrefix(target, "/")
}

// readHeader reads the lines of a head into a request, and reports whether all of them are plain. A name comes once, which is what senders do; one that comes
// twice may mean that somebody before us reads the request otherwise.
func readHeader(head string, r *http.Request) bool {
	host, length := false, false
	values := make([]string, 0, 8) // of one array, as nearly all names have one value
	for count := 0; head != ""; count++ {
		var line string
		line, head, _ = strings.Cut(head, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		if !ok || count == headersMax || !httpguts.ValidHeaderFieldName(name) {
			return false
		}
		if value = strings.Trim(value, " \t"); !httpguts.ValidHeaderFieldValue(value) {
			return false
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case name == "Host":
			if host || value == "" || !httpguts.ValidHostHeader(value) {
				return false
			}
			r.Host, host = value, true
			continue
		case name == "Connection" && strings.EqualFold(value, "keep-alive"):
			continue // as HTTP/1.1 does anyway
		case asksMore[name] || r.Header[name] != nil:
			return false
		case name == "Content-Length":
			n, err := strconv.ParseUint(value, 10, 31) // digits only
			if err != nil || n == 0 {
				return false
			}
			r.ContentLength, length = int64(n), true
		}
		values = append(values, value)
		r.Header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	return host && length
}
