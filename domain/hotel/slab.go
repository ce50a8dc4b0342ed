package hotel

// slab holds things in one slice, whose places are used again.
type slab[T any] struct {
	items []T
	free  []ref
}

// ref is a place in a slab plus one; 0 is none.
type ref uint32

// at returns what is at r, until the next add.
func (l *slab[T]) at(r ref) *T { return &l.items[r-1] }

func (l *slab[T]) add(item T) ref {
	if n := len(l.free); n > 0 {
		r := l.free[n-1]
		l.free = l.free[:n-1]
		*l.at(r) = item
		return r
	}
	l.items = append(l.items, item)
	return ref(len(l.items))
}

func (l *slab[T]) remove(r ref) {
	var zero T
	*l.at(r) = zero
	l.free = append(l.free, r)
}
