package persons

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"lodge/log"
)

// Person is what is personal of a guest.
type Person struct {
	DisplayName string
	Email       string
}

// PersonMax is how many bytes the texts of one person may have together.
const PersonMax = 1_000

// ErrForgotten says that the key is erased: nobody will know any more who it was.
var ErrForgotten = errors.New("the person is forgotten")

const (
	sealVersion = 1
	padding     = 16 // of the plaintext: its length says little about the name's
)

// zeroNonce: a key seals one person, once. One that was released seals another, but only when the first ciphertext was thrown away unseen.
var zeroNonce [chacha20poly1305.NonceSize]byte

// Seal seals a person with a new key, and returns the key's number and the sealed bytes. Errors: log.InvalidArgument when the texts are too long, log.Unavailable when no key can be made,
// log.LimitReached when there are no more numbers. Safe for concurrent use; it costs no I/O while Run keeps ahead.
func (k *Keys) Seal(p Person) (KeyID, []byte, error) {
	if n := len(p.DisplayName) + len(p.Email); n > PersonMax {
		return 0, nil, log.NewError(log.InvalidArgument, "seal a person", "%d bytes are more than %d", n, PersonMax)
	}
	id, key, err := k.take()
	if err != nil {
		return 0, nil, err
	}
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		return 0, nil, fmt.Errorf("seal a person: %w", err)
	}
	most := len(p.DisplayName) + len(p.Email) + 2*binary.MaxVarintLen16 + padding
	sealed := append(make([]byte, 0, 1+most+chacha20poly1305.Overhead), sealVersion)
	sealed = appendText(appendText(sealed, p.DisplayName), p.Email)
	sealed = append(sealed, zeros[:(padding-len(sealed[1:])%padding)%padding]...)
	return id, aead.Seal(sealed[:1], zeroNonce[:], sealed[1:], nil), nil // in place
}

var zeros [KeyBytes]byte

// Open returns who was sealed. Errors: ErrForgotten; log.Corrupt when the key is not there or is not the one (the keys' folder is of another log, older than the log, or damaged).
func (k *Keys) Open(id KeyID, sealed []byte) (Person, error) {
	key, err := k.read(id)
	if err != nil {
		return Person{}, err
	}
	if key == zeros {
		return Person{}, ErrForgotten
	}
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return Person{}, log.NewError(log.UnsupportedFormat, "open a person", "what key %d sealed is of a form that this version does not know", id)
	}
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		return Person{}, fmt.Errorf("open a person: %w", err)
	}
	var scratch [256]byte
	plain, err := aead.Open(scratch[:0], zeroNonce[:], sealed[1:], nil)
	if err != nil {
		return Person{}, log.NewError(log.Corrupt, "open a person", "key %d in %s is not the one that sealed it: the folder is of another log, or damaged; put back the right one", id, k.dir)
	}
	var p Person
	if p.DisplayName, plain, err = readText(plain); err == nil {
		p.Email, plain, err = readText(plain)
	}
	if err != nil || len(bytes.Trim(plain, "\x00")) > 0 {
		return Person{}, log.NewError(log.Corrupt, "open a person", "what key %d sealed is no person", id)
	}
	return p, nil
}

// Blind makes a fingerprint of what says who somebody is into one that only the holder of this folder can compare with a guess. It is the same for the
// same fingerprint, for ever.
func (k *Keys) Blind(fingerprint [16]byte) [16]byte {
	var b [secretBytes + 16]byte
	copy(b[:], k.secret[:])
	copy(b[secretBytes:], fingerprint[:])
	sum := sha256.Sum256(b[:])
	return [16]byte(sum[:16])
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func readText(b []byte) (s string, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", nil, errors.New("malformed text")
	}
	b = b[size:]
	return string(b[:n]), b[n:], nil
}
