package front

import (
	"bytes"
	"cmp"
	"net"
	"net/http"
	"strconv"
	"time"
)

// answer holds what a handler says until it returns. It implements http.ResponseWriter.
type answer struct {
	header http.Header
	status int // 0: not said yet
	body   []byte
	wire   bytes.Buffer // all of it, as it is sent
}

// answerKept bounds the memory that a connection keeps for its next answer.
const answerKept = 16 << 10

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if !bodied(a.status) {
		return 0, http.ErrBodyNotAllowed
	}
	a.body = append(a.body, p...)
	return len(p), nil
}

func bodied(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// reset forgets the answer before.
func (a *answer) reset() {
	if cap(a.body) > answerKept || a.wire.Cap() > answerKept {
		*a = answer{}
	}
	if a.header == nil {
		a.header = http.Header{}
	}
	clear(a.header)
	a.status, a.body = 0, a.body[:0]
	a.wire.Reset()
}

// send writes the answer to a connection in one go, and reports whether another may follow. The last one says that it is.
func (a *answer) send(conn net.Conn, last bool) (more bool, err error) {
	a.WriteHeader(http.StatusOK)
	a.complete(last)
	w := &a.wire
	w.WriteString("HTTP/1.1 ")
	code := strconv.Itoa(a.status)
	w.WriteString(code)
	w.WriteByte(' ')
	w.WriteString(cmp.Or(http.StatusText(a.status), "status code "+code))
	w.WriteString("\r\n")
	_ = a.header.Write(w) // a buffer takes everything
	w.WriteString("\r\n")
	w.Write(a.body)
	more = a.header["Connection"] == nil
	_, err = conn.Write(w.Bytes())
	return more, err
}

// complete adds the headers that a server adds.
func (a *answer) complete(last bool) {
	h := a.header
	if h["Date"] == nil {
		h["Date"] = []string{time.Now().UTC().Format(http.TimeFormat)}
	}
	if last || h.Get("Connection") == "close" {
		h["Connection"] = closing
	} else {
		delete(h, "Connection")
	}
	delete(h, "Transfer-Encoding")
	if !bodied(a.status) {
		delete(h, "Content-Length")
		return
	}
	h["Content-Length"] = []string{strconv.Itoa(len(a.body))}
	if h["Content-Type"] == nil && h["Content-Encoding"] == nil && len(a.body) > 0 {
		h["Content-Type"] = []string{http.DetectContentType(a.body)}
	}
}

var closing = []string{"close"}
