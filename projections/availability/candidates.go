package availability

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"lodge/domain"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/fold"
)

// candidate is a hotel at the place that is searched, whatever it has to sell.
type candidate struct {
	id       string
	name     string  // folded
	distance float64 // kilometers, when there is a circle
}

// searchWorkers is how many shards, or hotels, one search reads at a time.
const searchWorkers = 4

// candidates returns the hotels at the place of req in no order. The error has reason LimitReached when they are too many.
func (q *Queries) candidates(ctx context.Context, req *Request) ([]candidate, error) {
	sql, args := candidatesQuery(req)
	parts := make([][]candidate, q.store.Partitions())
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(searchWorkers)
	for i := range parts {
		group.Go(func() error {
			return q.store.View(ctx, Name, log.Partition(i), func(c *projections.Conn) error {
				return c.Query(ctx, sql, args, func(r *projections.Row) error {
					found := candidate{id: r.Text(0), name: r.Text(1)}
					if req.Near != nil {
						if found.distance = req.Near.distance(r.Float(2), r.Float(3)); found.distance > req.Near.RadiusKM {
							return nil
						}
					}
					parts[i] = append(parts[i], found)
					return nil
				})
			})
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := slices.Concat(parts...)
	if len(all) > CandidatesMax {
		return nil, domain.Errorf(domain.LimitReached, "", "more than %d hotels are there: name the place or the radius more narrowly", CandidatesMax)
	}
	return all, nil
}

// candidatesQuery makes the query of one shard. Its text depends only on what is asked by, so that there are few.
func candidatesQuery(req *Request) (sql string, args []any) {
	where := []string{"archived = 0"}
	and := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if req.City != "" {
		and("city_key = ?", fold.Name(req.City))
	}
	if req.Near != nil {
		b := req.Near.box()
		and("latitude BETWEEN ? AND ?", b.south, b.north)
		and("(longitude BETWEEN ? AND ? OR longitude BETWEEN ? AND ?)", b.west[0], b.east[0], b.west[1], b.east[1])
	}
	for i, word := range req.words() {
		condition := "EXISTS (SELECT 1 FROM searched_word w WHERE w.hotel_id = h.hotel_id AND w.word >= ? AND w.word < ?)"
		if i == 0 {
			condition = "hotel_id IN (SELECT hotel_id FROM searched_word WHERE word >= ? AND word < ?)" // the longest, by the index of words
		}
		and(condition, word, word+"\U0010FFFF")
	}
	return "SELECT hotel_id, name_key, latitude, longitude FROM searched_hotel h WHERE " + strings.Join(where, " AND ") + " LIMIT ?",
		append(args, CandidatesMax+1)
}

// words returns the words of the place, the longest first.
func (r *Request) words() []string {
	words := wordsOf(queryWordsMax, r.Place)
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
	return words
}
