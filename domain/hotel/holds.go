package hotel

import (
	"bytes"
	"cmp"
)

// holds is a binary min-heap of the pending reservations that have a deadline, by deadline and then by id. Each
// reservation knows its place in it, so that a hold that ends early leaves at once.
// Invariant: slots[i] names a reservation whose heap is i.
type holds struct {
	slots []slot
}

func (h *holds) push(book []reservation, s slot) {
	h.slots = append(h.slots, s)
	book[s].heap = int32(len(h.slots) - 1)
	h.up(book, len(h.slots)-1)
}

func (h *holds) remove(book []reservation, at int32) {
	i, last := int(at), len(h.slots)-1
	book[h.slots[i]].heap = -1
	moved := h.slots[last]
	h.slots = h.slots[:last]
	if i == last {
		return
	}
	h.set(book, i, moved)
	h.up(book, i)
	h.down(book, int(book[moved].heap))
}

// expired returns the reservations whose deadline is not after now, in order, at most limit of them. It looks at twice as
// many at most: a place of the heap is looked at when its parent is taken, and those looked at form a heap of their own.
func (h *holds) expired(book []reservation, now int64, limit int) []slot {
	seen := frontier{h: h, book: book}
	seen.push(0, now)
	var found []slot
	for len(seen.places) > 0 && len(found) < limit {
		i := seen.pop()
		found = append(found, h.slots[i])
		seen.push(2*i+1, now)
		seen.push(2*i+2, now)
	}
	return found
}

// frontier is a min-heap of places in holds: those that come next.
type frontier struct {
	h      *holds
	book   []reservation
	places []int
}

// push adds a place, if there is one and its deadline is not after now.
func (f *frontier) push(place int, now int64) {
	if place >= len(f.h.slots) || f.book[f.h.slots[place]].deadline > now {
		return
	}
	f.places = append(f.places, place)
	for i := len(f.places) - 1; i > 0 && f.less(i, (i-1)/2); i = (i - 1) / 2 {
		f.places[i], f.places[(i-1)/2] = f.places[(i-1)/2], f.places[i]
	}
}

// pop takes the place that comes first.
func (f *frontier) pop() int {
	first, last := f.places[0], len(f.places)-1
	f.places[0] = f.places[last]
	f.places = f.places[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if f.less(child, least) {
				least = child
			}
		}
		if least == i {
			return first
		}
		f.places[i], f.places[least] = f.places[least], f.places[i]
		i = least
	}
}

func (f *frontier) less(i, j int) bool { return f.h.less(f.book, f.places[i], f.places[j]) }

func earlier(a, b *reservation) int {
	return cmp.Or(cmp.Compare(a.deadline, b.deadline), bytes.Compare(a.id[:], b.id[:]))
}

func (h *holds) less(book []reservation, i, j int) bool {
	return earlier(&book[h.slots[i]], &book[h.slots[j]]) < 0
}

func (h *holds) set(book []reservation, i int, s slot) {
	h.slots[i] = s
	book[s].heap = int32(i)
}

func (h *holds) swap(book []reservation, i, j int) {
	a, b := h.slots[i], h.slots[j]
	h.set(book, i, b)
	h.set(book, j, a)
}

func (h *holds) up(book []reservation, i int) {
	for i > 0 && h.less(book, i, (i-1)/2) {
		h.swap(book, i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (h *holds) down(book []reservation, i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.slots); child++ {
			if h.less(book, child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(book, i, least)
		i = least
	}
}
