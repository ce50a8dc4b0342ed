package projections

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// stream is a query's rows, pulled one at a time.
type stream struct {
	next func() ([]any, error, bool)
	stop func()
	row  []any // the next one; nil: not pulled yet, or none
}

// pull makes a stream of a function that calls yield for each row. Call stop when done.
func pull(rows func(yield func([]any) error) error) *stream {
	next, stop := iter.Pull2(func(yield func([]any, error) bool) {
		err := rows(func(row []any) error {
			if !yield(row, nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	})
	return &stream{next: next, stop: stop}
}

// fill pulls the next row unless there is one.
func (s *stream) fill() error {
	if s.row != nil {
		return nil
	}
	row, err, ok := s.next()
	if err != nil {
		return err
	}
	if ok {
		s.row = row
	}
	return nil
}

// rowsOf pulls the rows of a table as text, those in the archive too, one at a time. Call stop when done.
func rowsOf(ctx context.Context, conn *Conn, t table) (next func() (row string, ok bool, err error), stop func()) {
	s := pull(func(yield func([]any) error) error { return conn.rowsWithArchive(ctx, t, yield) })
	return func() (string, bool, error) {
		if err := s.fill(); err != nil || s.row == nil {
			return "", false, err
		}
		row := fmt.Sprintf("%#v", s.row)
		s.row = nil
		return row, true, nil
	}, s.stop
}

const errStopped = stopped("stopped")

type stopped string

func (s stopped) Error() string { return string(s) }
