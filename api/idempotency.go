package api

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"connectrpc.com/connect"
	"github.com/dunglas/httpsfv"
	"github.com/google/uuid"

	"lodge/domain"
)

// keyMax is the longest Idempotency-Key, in characters.
const keyMax = 128

// keySpace is the name space of the UUIDs, version 5, that stand for keys which are none. It never changes: retries would become new requests.
var keySpace = uuid.MustParse("6a1c8a52-5b0f-5b6e-9d53-3a1d6c1f7e20")

// parseKey returns the request id that the header Idempotency-Key stands for: the key itself if it is a UUID, else the UUID, version 5, of its
// characters. The key is a string of the header's draft standard (draft-ietf-httpapi-idempotency-key-header), as in "k-1", or the same without quotes,
// of 1 to 128 printable ASCII characters.
func parseKey(header http.Header) (id uuid.UUID, found bool, err error) {
	lines := header[HeaderIdempotencyKey]
	if len(lines) == 0 {
		return id, false, nil
	}
	malformed := func(why string) error {
		return domain.Errorf(domain.InvalidArgument, HeaderIdempotencyKey, "the header %s %s", HeaderIdempotencyKey, why)
	}
	if len(lines) > 1 {
		return id, false, malformed("is there more than once")
	}
	key := strings.Trim(lines[0], " \t")
	if strings.HasPrefix(key, `"`) {
		item, err := httpsfv.UnmarshalItem(lines)
		text, ok := item.Value.(string)
		if err != nil || !ok {
			return id, false, malformed("is not a string of a structured header")
		}
		key = text
	}
	if len(key) == 0 || len(key) > keyMax {
		return id, false, malformed("has no key of 1 to 128 characters")
	}
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' {
			return id, false, malformed("has a character that is not printable ASCII")
		}
	}
	if len(key) == 36 {
		if id, err = uuid.Parse(key); err == nil && id != uuid.Nil {
			return id, true, nil
		}
	}
	return uuid.NewSHA1(keySpace, []byte(key)), true, nil
}

// keysRunning are the request ids of the changes that are being made over REST now and have no answer yet: no more than there are open requests.
type keysRunning struct {
	mu  sync.Mutex
	ids map[uuid.UUID]struct{}
}

func (k *keysRunning) claim(id uuid.UUID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, taken := k.ids[id]; taken {
		return false
	}
	if k.ids == nil {
		k.ids = make(map[uuid.UUID]struct{})
	}
	k.ids[id] = struct{}{}
	return true
}

func (k *keysRunning) release(id uuid.UUID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.ids, id)
}

// claim takes a request id for a call over REST until the call has its answer, which is before the answer is written, and refuses one that another call has. Other calls need none of it:
// the engine gives a request's answer to whoever asks meanwhile.
func claim(ctx context.Context, id uuid.UUID) error {
	c := restOf(ctx)
	if c == nil || c.key == id {
		return nil
	}
	c.release()
	if !c.running.claim(id) {
		return retriable(newError(connect.CodeAborted, ReasonRequestInProgress, "the first request with this key is still in progress", nil))
	}
	c.key = id
	return nil
}

func (c *restCall) release() {
	if c.key != uuid.Nil {
		c.running.release(c.key)
		c.key = uuid.Nil
	}
}
