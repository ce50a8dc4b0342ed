package availability

import (
	"context"

	"lodge/projections"
)

// eachDay calls each for the rows of a table on the days of a range, the last two of the condition's parameters, wherever they lie. Those in the archive come last.
func eachDay(ctx context.Context, c *projections.Conn, table, columns, where string, args []any, each func(*projections.Row) error) error {
	if err := c.Query(ctx, "SELECT "+columns+" FROM "+table+" WHERE "+where, args, each); err != nil {
		return err
	}
	from, to := args[len(args)-2].(int64), args[len(args)-1].(int64)
	years, err := c.Years(ctx, table, from, to-1)
	for i := 0; i < len(years) && err == nil; i++ {
		err = c.QueryArchive(ctx, table, years[i].Year, columns, where, args, each)
	}
	return err
}
