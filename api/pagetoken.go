package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"lodge/domain"
)

// Page sizes.
const (
	pageSizeDefault = 50
	pageSizeMax     = 1000
)

// A page token is base64url of
//
//	version (1 byte) | checksum (8 bytes) | parts, each a uvarint length and its bytes
//
// The checksum is the beginning of SHA-256 over the method's request with page_size, page_token and min_position cleared, and
// the parts: a token that was changed, or that comes with another filter, is refused. It holds no secret and grants
// nothing, so it needs no key.
const (
	tokenVersion  = 1
	tokenHead     = 1 + 8
	tokenBytesMax = 64 << 10
)

// pageSize returns how many to return for a requested page size, which the shape rules keep from being negative.
func pageSize(requested int32) int {
	if requested == 0 {
		return pageSizeDefault
	}
	return int(min(requested, pageSizeMax))
}

// newPageToken makes the token of the page that follows one of req's.
func newPageToken(req proto.Message, parts ...string) string {
	b := make([]byte, tokenHead, 64)
	b[0] = tokenVersion
	for _, part := range parts {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	copy(b[1:], tokenSum(req, b[tokenHead:]))
	return base64.RawURLEncoding.EncodeToString(b)
}

// parsePageToken returns the n parts of a token, or nil when it is empty.
func parsePageToken(req proto.Message, token string, n int) ([]string, error) {
	if token == "" {
		return nil, nil
	}
	if len(token) > tokenBytesMax {
		return nil, badToken("is too long")
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	switch {
	case err != nil || len(b) < tokenHead:
		return nil, badToken("is not one of ours")
	case b[0] != tokenVersion:
		return nil, badToken("is of another version")
	case string(tokenSum(req, b[tokenHead:])) != string(b[1:tokenHead]):
		return nil, badToken("was changed, or belongs to another request")
	}
	parts, ok := tokenParts(b[tokenHead:])
	if !ok || n >= 0 && len(parts) != n {
		return nil, badToken("is not one of ours")
	}
	return parts, nil
}

func tokenParts(b []byte) ([]string, bool) {
	var parts []string
	for len(b) > 0 {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, false
		}
		parts = append(parts, string(b[n:n+int(size)]))
		b = b[n+int(size):]
	}
	return parts, true
}

func tokenSum(req proto.Message, parts []byte) []byte {
	h := sha256.New()
	h.Write([]byte(req.ProtoReflect().Descriptor().FullName()))
	h.Write(tokenFilter(req))
	h.Write(parts)
	return h.Sum(nil)[:tokenHead-1]
}

// tokenFilter returns the bytes of what must stay the same from page to page.
func tokenFilter(req proto.Message) []byte {
	filter := proto.Clone(req)
	m := filter.ProtoReflect()
	for _, name := range []protoreflect.Name{"page_size", "page_token", "min_position"} {
		if f := m.Descriptor().Fields().ByName(name); f != nil {
			m.Clear(f)
		}
	}
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(filter) // cannot fail: it came in as valid UTF-8 and has no required field
	return append(b, 0)
}

func badToken(what string) error {
	return domain.Errorf(ReasonInvalidPageToken, "page_token", "the page token %s", strings.TrimSpace(what))
}
