package commands

import "hash/maphash"

// hashed is an entry on its way into the hash table.
type hashed struct {
	hash   uint64
	number uint32
}

// index makes the hash table of entries that were pushed into an empty line, and forgets what is too old. It returns false when an id is there
// twice. Part by part, in memory that stays in the processor's cache: a million entries one by one cost ten times as much, nearly all of it waiting for memory.
func (r *requests) index() bool {
	var counts [256]int
	all := make([]uint64, 0, r.len())
	for n := r.head; n < r.tail; n++ {
		e := r.entry(n)
		r.newest = max(r.newest, e.time)
		h := maphash.Bytes(r.seed, e.id[:])
		counts[byte(h)]++
		all = append(all, h)
	}
	sorted, next := make([]hashed, len(all)), [256]int{}
	for part, at := 0, 0; part < len(counts); part++ {
		next[part] = at
		at += counts[part]
	}
	for i, h := range all {
		sorted[next[byte(h)]] = hashed{h, uint32(r.head) + uint32(i)}
		next[byte(h)]++
	}
	for part := range r.parts {
		if !r.fill(&r.parts[part], sorted[:counts[part]]) {
			return false
		}
		sorted = sorted[counts[part]:]
	}
	for r.forgettable() {
		r.forget()
	}
	return true
}

// fill makes one part of the table, as large as growing would have made it. While it does, slots hold places in entries, plus one.
func (r *requests) fill(part *requestPart, entries []hashed) bool {
	if len(entries) == 0 {
		return true
	}
	size := 8
	for 4*len(entries) > 3*size {
		size *= 2
	}
	part.slots, part.used = make([]uint32, size), len(entries)
	mask := uint32(size - 1)
	for i, e := range entries {
		slot := uint32(e.hash>>8) & mask
		for part.slots[slot] != 0 {
			other := entries[part.slots[slot]-1]
			if other.hash == e.hash && r.entry(r.number(other.number)).id == r.entry(r.number(e.number)).id {
				return false
			}
			slot = (slot + 1) & mask
		}
		part.slots[slot] = uint32(i) + 1
	}
	for slot, place := range part.slots {
		if place != 0 {
			part.slots[slot] = entries[place-1].number
		}
	}
	return true
}
