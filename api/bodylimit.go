package api

import (
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"connectrpc.com/connect"
)

// tooLarge refuses a message that is longer than what is read of one.
func tooLarge(limit int) *connect.Error {
	return newError(connect.CodeResourceExhausted, ReasonRequestTooLarge, fmt.Sprintf("the message is longer than %d bytes, the most that one may have", limit),
		map[string]string{"limit_bytes": strconv.Itoa(limit)})
}

// drainMax bounds what is read and thrown away of a message that is too long, as a multiple of what one may have: whoever is still sending would not see the answer.
const drainMax = 16

// boundedBody is a body of Connect or gRPC whose message may have so many bytes. Connect's own limit, which is the same, answers without a reason. It passes on an error that is a *connect.Error as it is.
type boundedBody struct {
	io.ReadCloser
	limit   int
	framed  bool   // a message has a head with its length before it; else it is the body. Only the first is looked at: no call has more
	seen    bool   // the head
	left    []byte // of the head: still to be given out
	read    int    // bytes of a message without a head
	refused bool
}

// bounded answers what is too long with a reason. Over REST the wrapper does so.
func (a *API) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody && restOf(r.Context()) == nil {
			form := r.Header.Get("Content-Type")
			framed := strings.HasPrefix(form, "application/connect+") || strings.HasPrefix(form, "application/grpc")
			bounded := *r // as http.Request.WithContext does
			bounded.Body = &boundedBody{ReadCloser: r.Body, limit: a.opts.MessageBytesMax, framed: framed}
			r = &bounded
		}
		next.ServeHTTP(w, r)
	})
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.framed && !b.seen {
		if err := b.head(); err != nil {
			return 0, err
		}
	}
	if len(b.left) > 0 {
		n := copy(p, b.left)
		b.left = b.left[n:]
		return n, nil
	}
	n, err := b.ReadCloser.Read(p)
	if b.read += n; b.read > b.limit && !b.framed {
		return n, b.refuse()
	}
	return n, err
}

// head reads the head of the first message: flags and a length of four bytes.
func (b *boundedBody) head() error {
	b.seen = true
	var head [5]byte
	n, err := io.ReadFull(b.ReadCloser, head[:])
	b.left = head[:n]
	if err == nil && int64(binary.BigEndian.Uint32(head[1:])) > int64(b.limit) {
		return b.refuse()
	}
	return nil // what is shorter is read again, to the same end
}

func (b *boundedBody) refuse() error {
	b.refused = true
	_, _ = io.CopyN(io.Discard, b.ReadCloser, drainMax*int64(b.limit)) // whoever sends may have gone
	return tooLarge(b.limit)
}

// boundedGzip unpacks a message up to a limit.
type boundedGzip struct {
	gzip.Reader
	limit, read int
}

// Reset implements connect.Decompressor.
func (g *boundedGzip) Reset(r io.Reader) error {
	g.read = 0
	return g.Reader.Reset(r)
}

// Read implements io.Reader.
func (g *boundedGzip) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if g.read += n; g.read > g.limit {
		return n, tooLarge(g.limit)
	}
	return n, err
}

// unpacked is gzip as Connect has it, but for the answer to what is too long.
func unpacked(limit int) connect.HandlerOption {
	return connect.WithCompression("gzip", func() connect.Decompressor { return &boundedGzip{limit: limit} }, func() connect.Compressor { return gzip.NewWriter(io.Discard) })
}
