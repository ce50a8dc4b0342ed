package commitlog

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"lodge/log"
)

// keyHash stands for a key: the first half of its SHA-256. Two keys of one would be taken for the same and one of them lost; with 2^32 keys in a
// partition the chance is 2^-65, and nobody can make such keys on purpose.
type keyHash struct{ high, low uint64 }

func hashKey(key []byte) keyHash {
	sum := sha256.Sum256(key)
	return keyHash{binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])}
}

// keyMap holds the last offset of each key, in open addressing.
type keyMap struct {
	slots    []keySlot
	used     int
	slotsMax int // it grows no further, but for a batch that is larger
}

// keySlot is one place of the table. A free one has behind 0.
type keySlot struct {
	hash   keyHash
	behind int64 // the offset + 1
}

const (
	keySlotBytes = 24
	keySlotsMin  = 1 << 10
)

func newKeyMap(bytesMax int) *keyMap {
	n := max(bytesMax/keySlotBytes, 1)
	return &keyMap{slots: make([]keySlot, min(n, keySlotsMin)), slotsMax: n}
}

// fits reports whether n more keys fit within the limit.
func (m *keyMap) fits(n int) bool { return m.used+n <= keysIn(m.slotsMax) }

// keysIn returns how many keys a table of so many slots takes: three quarters, and at least one slot stays free.
func keysIn(slots int) int { return slots - slots/4 - 1 }

// put notes that key has a record at offset. Offsets come in order.
func (m *keyMap) put(key []byte, offset log.Offset) {
	if m.used >= keysIn(len(m.slots)) {
		m.grow()
	}
	s := m.find(hashKey(key))
	if s.behind == 0 {
		m.used++
	}
	s.behind = int64(offset) + 1
}

// last returns the last offset of key, or log.NoOffset.
func (m *keyMap) last(key []byte) log.Offset {
	if m.used == 0 {
		return log.NoOffset
	}
	return log.Offset(m.find(hashKey(key)).behind - 1)
}

// find returns the slot of a hash, with that set, or the free one where it belongs.
func (m *keyMap) find(h keyHash) *keySlot {
	i, _ := bits.Mul64(h.high, uint64(len(m.slots)))
	for {
		s := &m.slots[i]
		if s.behind == 0 {
			s.hash = h
			return s
		}
		if s.hash == h {
			return s
		}
		if i++; i == uint64(len(m.slots)) {
			i = 0
		}
	}
}

// grow doubles the table, up to the limit unless that is reached already.
func (m *keyMap) grow() {
	old := m.slots
	n := 2*len(old) + 8
	if len(old) < m.slotsMax {
		n = min(n, m.slotsMax)
	}
	m.slots = make([]keySlot, n)
	for i := range old {
		if old[i].behind != 0 {
			m.find(old[i].hash).behind = old[i].behind
		}
	}
	if m.used >= keysIn(n) { // a limit of a few keys
		m.grow()
	}
}
