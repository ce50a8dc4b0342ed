package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Key is a secret that what this platform says to itself is signed with. HMAC, since nobody else has to check it.
type Key struct {
	ID     uint32    `json:"id"`
	Made   time.Time `json:"made"`
	Secret []byte    `json:"secret"`
}

const (
	keyBytes   = 32
	keysMax    = 16
	keyAge     = 30 * 24 * time.Hour // then there is a new one
	keyRetired = 2 * 24 * time.Hour  // how long one is good for what was signed with it before: longer than anything that is signed
)

// NextKeys returns the keys to use at a time, the newest first, and whether they are others than before: a new one when the newest is old, and none that nothing can be signed with any more.
func NextKeys(keys []Key, now time.Time) (_ []Key, changed bool) {
	keys = slices.Clone(keys)
	if len(keys) == 0 || !now.Before(keys[0].Made.Add(keyAge)) {
		k := Key{Made: now.UTC().Truncate(time.Second), Secret: make([]byte, keyBytes)}
		_, _ = rand.Read(k.Secret) // never fails
		for k.ID == 0 || slices.ContainsFunc(keys, func(o Key) bool { return o.ID == k.ID }) {
			var id [4]byte
			_, _ = rand.Read(id[:]) // likewise
			k.ID = binary.BigEndian.Uint32(id[:])
		}
		keys, changed = slices.Insert(keys, 0, k), true
	}
	for len(keys) > 1 && (len(keys) > keysMax || !now.Before(keys[len(keys)-2].Made.Add(keyRetired))) {
		keys, changed = keys[:len(keys)-1], true
	}
	return keys, changed
}

// Keys sign and check. Safe for concurrent use.
type Keys struct{ set atomic.Pointer[[]*signer] }

type signer struct {
	Key
	macs sync.Pool // of hash.Hash
}

// NewKeys makes of keys, the newest first, what signs.
func NewKeys(keys []Key) (*Keys, error) {
	k := new(Keys)
	return k, k.Use(keys)
}

// Use replaces the keys.
func (k *Keys) Use(keys []Key) error {
	if len(keys) == 0 || len(keys) > keysMax {
		return fmt.Errorf("%d keys are not 1 to %d", len(keys), keysMax)
	}
	set := make([]*signer, len(keys))
	for i, key := range keys {
		if len(key.Secret) != keyBytes || key.ID == 0 {
			return fmt.Errorf("key %d has %d bytes, not %d", key.ID, len(key.Secret), keyBytes)
		}
		set[i] = &signer{Key: key}
		set[i].macs.New = func() any { return hmac.New(sha256.New, key.Secret) }
	}
	k.set.Store(&set)
	return nil
}

func (k *Keys) newest() *signer { return (*k.set.Load())[0] }

func (k *Keys) of(id uint32) *signer {
	for _, s := range *k.set.Load() {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// sum appends to dst the code of data for one purpose: what is signed for one is nothing for another.
func (s *signer) sum(dst []byte, purpose, data string, more []byte) []byte {
	mac := s.macs.Get().(hash.Hash)
	defer s.macs.Put(mac)
	mac.Reset()
	memory := append(make([]byte, 0, 128), purpose...)
	memory = append(append(append(memory, 0), data...), 0)
	mac.Write(append(memory, more...))
	return mac.Sum(dst)
}

// What is signed: version, key and end, then the code of it and of what it is about.
const (
	sealVersion = 1
	sealHead    = 1 + 4 + 8
	sealBytes   = sealHead + sha256.Size
)

var (
	sealText = base64.RawURLEncoding.Strict()
	sealLen  = sealText.EncodedLen(sealBytes)
)

var (
	errSealBroken = errors.New("this was not signed here")
	errSealEnded  = errors.New("this has ended")
)

// seal signs that data is good for a purpose until a time.
func (k *Keys) seal(purpose, data string, until time.Time) string {
	s := k.newest()
	b := make([]byte, sealHead, sealBytes)
	b[0] = sealVersion
	binary.BigEndian.PutUint32(b[1:], s.ID)
	binary.BigEndian.PutUint64(b[5:], uint64(until.UnixMilli()))
	return sealText.EncodeToString(s.sum(b, purpose, data, b[:sealHead]))
}

// check returns until when data is good for a purpose. errSealEnded: it was.
func (k *Keys) check(purpose, data, seal string, now time.Time) (until time.Time, err error) {
	var b, want [sealBytes]byte
	if len(seal) != sealLen {
		return until, errSealBroken
	}
	if _, err := sealText.Decode(b[:], []byte(seal)); err != nil || b[0] != sealVersion {
		return until, errSealBroken
	}
	s := k.of(binary.BigEndian.Uint32(b[1:]))
	if s == nil || subtle.ConstantTimeCompare(s.sum(want[:0], purpose, data, b[:sealHead]), b[sealHead:]) != 1 {
		return until, errSealBroken
	}
	until = time.UnixMilli(int64(binary.BigEndian.Uint64(b[5:])))
	if !now.Before(until) {
		return until, errSealEnded
	}
	return until, nil
}

// Seal signs text for a purpose until a time, so that it can be given away and taken back: it is readable, and short of changing.
func (k *Keys) Seal(purpose, text string, until time.Time) string {
	return sealText.EncodeToString([]byte(text)) + "." + k.seal("text "+purpose, text, until)
}

// Open returns the text that Seal signed. ok: it was, for this purpose, and has not ended.
func (k *Keys) Open(purpose, sealed string, now time.Time) (text string, ok bool) {
	for i := len(sealed) - 1; i >= 0; i-- {
		if sealed[i] != '.' {
			continue
		}
		b, err := sealText.DecodeString(sealed[:i])
		if err != nil {
			return "", false
		}
		_, err = k.check("text "+purpose, string(b), sealed[i+1:], now)
		return string(b), err == nil
	}
	return "", false
}
