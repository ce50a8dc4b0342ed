package projections

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// rowsOf pulls the rows of a table as text, one at a time. Call stop when done.
func rowsOf(ctx context.Context, conn *Conn, t table) (next func() (row string, ok bool, err error), stop func()) {
	pull, stop := iter.Pull2(func(yield func(string, error) bool) {
		err := conn.Query(ctx, t.sql, nil, func(r *Row) error {
			if !yield(fmt.Sprintf("%#v", r.values), nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield("", err)
		}
	})
	return func() (string, bool, error) {
		row, err, ok := pull()
		return row, ok && err == nil, err
	}, stop
}

const errStopped = stopped("stopped")

type stopped string

func (s stopped) Error() string { return string(s) }
