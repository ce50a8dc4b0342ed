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

// Words are what people wrote of a guest's booking: a text, or two that were written together.
type Words [2]string

// WordsMax is how many bytes the texts of one Words may have together.
const WordsMax = 1_500

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
	return k.seal([2]string{p.DisplayName, p.Email}, PersonMax)
}

// SealWords is Seal for what people wrote.
func (k *Keys) SealWords(w Words) (KeyID, []byte, error) { return k.seal(w, WordsMax) }

func (k *Keys) seal(texts [2]string, most int) (KeyID, []byte, error) {
	n := len(texts[0]) + len(texts[1])
	if n > most {
		return 0, nil, log.NewError(log.InvalidArgument, "seal a person", "%d bytes are more than %d", n, most)
	}
	id, key, err := k.take()
	if err != nil {
		return 0, nil, err
	}
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		return 0, nil, fmt.Errorf("seal a person: %w", err)
	}
	size := 1 + n + 2*binary.MaxVarintLen16 + padding + chacha20poly1305.Overhead
	sealed := append(make([]byte, 0, size), sealVersion)
	sealed = appendText(appendText(sealed, texts[0]), texts[1])
	sealed = append(sealed, zeros[:(padding-len(sealed[1:])%padding)%padding]...)
	return id, aead.Seal(sealed[:1], zeroNonce[:], sealed[1:], nil), nil // in place
}

var zeros [KeyBytes]byte

// Open returns who was sealed. Errors: ErrForgotten; log.Corrupt when the key is not there or is not the one (the keys' folder is of another log, older than the log, or damaged).
func (k *Keys) Open(id KeyID, sealed []byte) (Person, error) {
	texts, err := k.open(id, sealed)
	return Person{DisplayName: texts[0], Email: texts[1]}, err
}

// OpenWords is Open for what people wrote.
func (k *Keys) OpenWords(id KeyID, sealed []byte) (Words, error) {
	texts, err := k.open(id, sealed)
	return texts, err
}

func (k *Keys) open(id KeyID, sealed []byte) (texts [2]string, err error) {
	key, err := k.read(id)
	if err != nil {
		return texts, err
	}
	if key == zeros {
		return texts, ErrForgotten
	}
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return texts, log.NewError(log.UnsupportedFormat, "open a person", "what key %d sealed is of a form that this version does not know", id)
	}
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		return texts, fmt.Errorf("open a person: %w", err)
	}
	var scratch [256]byte
	plain, err := aead.Open(scratch[:0], zeroNonce[:], sealed[1:], nil)
	if err != nil {
		f, _ := k.file(id) // it was just read from
		return texts, log.NewError(log.Corrupt, "open a person", "key %d in %s is not the one that sealed it: the file is of another log, or damaged; %s", id, f.name, another)
	}
	var first, second string
	if first, plain, err = readText(plain); err == nil {
		second, plain, err = readText(plain)
	}
	if err != nil || len(bytes.Trim(plain, "\x00")) > 0 {
		return texts, log.NewError(log.Corrupt, "open a person", "what key %d sealed is no person", id)
	}
	return [2]string{first, second}, nil
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
