package projections

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"lodge/log"
)

// Query is a question to all shards whose answers are merged into one order.
type Query[T, K any] struct {
	Limit   int // items of a page; positive
	Key     func(*T) K
	Compare func(a, b K) int

	// Shard returns the shard's items behind the page before, in order of their keys, Limit+1 at most. The
	// work should be bounded: a shard that has looked at enough may stop and say how far it has come.
	Shard func(ctx context.Context, c *Conn, partition log.Partition) (Part[T, K], error)
}

// Part is one shard's answer.
type Part[T, K any] struct {
	Items []T
	Upto  *K // all items up to and including this key are in Items; nil: there are no more at all
}

// Page is a piece of the merged answer.
type Page[T, K any] struct {
	Items []T
	Next  *K // go on behind this key; nil: no more. A page may be short, even empty, and yet have a Next
}

// Gather asks all shards, side by side, and returns the first Limit items.
func Gather[T, K any](ctx context.Context, s *Store, name string, q Query[T, K]) (Page[T, K], error) {
	parts := make([]Part[T, K], s.Partitions())
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.opts.Workers)
	for i := range parts {
		partition := log.Partition(i)
		group.Go(func() error {
			return s.View(ctx, name, partition, func(c *Conn) (err error) {
				parts[partition], err = q.Shard(ctx, c, partition)
				return err
			})
		})
	}
	if err := group.Wait(); err != nil {
		return Page[T, K]{}, err
	}
	return merge(parts, q), nil
}

// merge orders what the shards said, up to where all of them have looked.
func merge[T, K any](parts []Part[T, K], q Query[T, K]) Page[T, K] {
	var page Page[T, K]
	for _, part := range parts {
		page.Items = append(page.Items, part.Items...)
		if part.Upto != nil && (page.Next == nil || q.Compare(*part.Upto, *page.Next) < 0) {
			page.Next = part.Upto
		}
	}
	slices.SortStableFunc(page.Items, func(a, b T) int { return q.Compare(q.Key(&a), q.Key(&b)) })
	if page.Next != nil {
		page.Items = slices.DeleteFunc(page.Items, func(t T) bool { return q.Compare(q.Key(&t), *page.Next) > 0 })
	}
	if len(page.Items) > q.Limit {
		page.Items = page.Items[:q.Limit]
		key := q.Key(&page.Items[q.Limit-1])
		page.Next = &key
	}
	return page
}

// Upto makes a shard's answer of up to limit+1 items: when there are more than limit, the shard has
// looked only as far as the last of them.
func Upto[T, K any](items []T, limit int, key func(*T) K) Part[T, K] {
	part := Part[T, K]{Items: items}
	if len(items) > limit {
		last := key(&items[len(items)-1])
		part.Upto = &last
	}
	return part
}

// GatherOne is Gather for a question that one shard can answer.
func GatherOne[T, K any](ctx context.Context, s *Store, name string, partition log.Partition, q Query[T, K]) (Page[T, K], error) {
	var parts [1]Part[T, K]
	err := s.View(ctx, name, partition, func(c *Conn) (err error) {
		parts[0], err = q.Shard(ctx, c, partition)
		return err
	})
	if err != nil {
		return Page[T, K]{}, err
	}
	return merge(parts[:], q), nil
}
