package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"lodge/log"
)

// Hash is one link of a chain: SHA-256 over the link before it and a record in one canonical form.
type Hash [sha256.Size]byte

// String returns it in hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// chain follows the records of one partition. Its head says all that was read: whoever reads the same records gets the same head, however they were
// batched, compressed or stored, and one byte that differs in any of them leads to another.
type chain struct {
	head, before Hash // the newest link, and the one that it was made of

	sha     hash.Hash
	scratch []byte
}

// add appends a record: offset, time in milliseconds, key, value and headers in their order, each with its length in front. A key or value that is absent is
// not one that is empty.
func (c *chain) add(r *log.Record) {
	if c.sha == nil {
		c.sha = sha256.New()
	}
	b := append(c.scratch[:0], c.head[:]...)
	b = binary.AppendVarint(b, int64(r.Offset))
	b = binary.AppendVarint(b, r.Timestamp.UnixMilli())
	b = appendBytes(b, r.Key)
	b = appendBytes(b, r.Value)
	b = binary.AppendUvarint(b, uint64(len(r.Headers)))
	for i := range r.Headers {
		b = appendBytes(b, []byte(r.Headers[i].Key))
		b = appendBytes(b, r.Headers[i].Value)
	}
	c.scratch = b
	c.before = c.head
	c.sha.Reset()
	c.sha.Write(b)
	c.sha.Sum(c.head[:0])
}

func appendBytes(b, value []byte) []byte {
	if value == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(value))+1)
	return append(b, value...)
}
