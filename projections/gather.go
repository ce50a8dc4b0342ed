package projections

import (
	"context"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"lodge/log"
)

// Query is a question whose answers from all shards are merged into one order.
type Query[T, K any] struct {
	After   K   // begin behind this key
	Limit   int // items of a page; positive
	Key     func(*T) K
	Compare func(a, b K) int

	// Shard returns the shard's first items behind a key, in order of their keys. It may stop after limit items, or when
	// it has looked at enough, and then says how far it has come.
	Shard func(ctx context.Context, c *Conn, partition log.Partition, after K, limit int) (Part[T, K], error)
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

// roundsMax bounds how often the shards are asked for one page.
const roundsMax = 4

// Gather asks all shards, side by side, and returns the first Limit items. Keys are expected to be spread evenly: each
// shard is asked for its share of the page and a little more, and once again when that was not enough.
func Gather[T, K any](ctx context.Context, s *Store, name string, q Query[T, K]) (Page[T, K], error) {
	all := make([]log.Partition, s.Partitions())
	for i := range all {
		all[i] = log.Partition(i)
	}
	return gather(ctx, s, name, q, all)
}

// GatherOne is Gather for a question that one shard can answer.
func GatherOne[T, K any](ctx context.Context, s *Store, name string, partition log.Partition, q Query[T, K]) (Page[T, K], error) {
	return gather(ctx, s, name, q, []log.Partition{partition})
}

func gather[T, K any](ctx context.Context, s *Store, name string, q Query[T, K], from []log.Partition) (Page[T, K], error) {
	var page Page[T, K]
	after := q.After
	for range roundsMax {
		missing := q.Limit - len(page.Items)
		parts, err := ask(ctx, s, name, q, from, after, share(missing, len(from)))
		if err != nil {
			return Page[T, K]{}, err
		}
		more := merge(parts, missing, q)
		page.Items, page.Next = append(page.Items, more.Items...), more.Next
		if page.Next == nil || len(page.Items) >= q.Limit {
			break
		}
		after = *page.Next
	}
	return page, nil
}

// share returns how many items to ask each of n shards for, so that limit are most likely among them.
func share(limit, n int) int {
	if n == 1 {
		return limit
	}
	even := float64(limit) / float64(n)
	return min(limit, int(math.Ceil(even+2*math.Sqrt(even)))+1)
}

func ask[T, K any](ctx context.Context, s *Store, name string, q Query[T, K], from []log.Partition, after K, limit int) ([]Part[T, K], error) {
	parts := make([]Part[T, K], len(from))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.opts.Workers)
	for i, partition := range from {
		group.Go(func() error {
			return s.View(ctx, name, partition, func(c *Conn) (err error) {
				parts[i], err = q.Shard(ctx, c, partition, after, limit)
				return err
			})
		})
	}
	return parts, group.Wait()
}

// Merge returns the first limit items of parts of an answer. What it returns says how far all parts have looked.
func Merge[T, K any](parts []Part[T, K], limit int, key func(*T) K, compare func(a, b K) int) Part[T, K] {
	page := merge(parts, limit, Query[T, K]{Key: key, Compare: compare})
	return Part[T, K]{Items: page.Items, Upto: page.Next}
}

// merge orders what the shards said, up to where all of them have looked.
func merge[T, K any](parts []Part[T, K], limit int, q Query[T, K]) Page[T, K] {
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
	if len(page.Items) > limit {
		page.Items = page.Items[:limit]
		key := q.Key(&page.Items[limit-1])
		page.Next = &key
	}
	return page
}

// Upto makes a shard's answer of what a query for limit+1 items has found: with more than limit, there are others behind the last.
func Upto[T, K any](items []T, limit int, key func(*T) K) Part[T, K] {
	part := Part[T, K]{Items: items}
	if len(items) > limit {
		last := key(&items[len(items)-1])
		part.Upto = &last
	}
	return part
}
