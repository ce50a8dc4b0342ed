package hotel

import (
	"bytes"
	"cmp"
	"slices"
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

// expired returns the reservations whose deadline is not after now, in order, at most limit of them.
func (h *holds) expired(book []reservation, now int64, limit int) []slot {
	var found []slot
	var visit func(i int)
	visit = func(i int) {
		if i < len(h.slots) && book[h.slots[i]].deadline <= now {
			found = append(found, h.slots[i])
			visit(2*i + 1)
			visit(2*i + 2)
		}
	}
	visit(0)
	slices.SortFunc(found, func(a, b slot) int { return earlier(&book[a], &book[b]) })
	return found[:min(len(found), limit)]
}

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
