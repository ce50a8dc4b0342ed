package projections

import (
	"bytes"
	"cmp"
	"context"
	"strings"
)

// compare orders rows by primary key, as SQLite does.
func (t *archived) compare(a, b []any) int {
	for i := range t.key {
		if c := compareValues(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// compareValues orders values of columns: numbers before texts before blobs.
func compareValues(a, b any) int {
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	case string:
		if y, ok := b.(string); ok {
			return cmp.Compare(x, y)
		}
	case []byte:
		if y, ok := b.([]byte); ok {
			return bytes.Compare(x, y)
		}
	}
	return cmp.Compare(kindOf(a), kindOf(b))
}

func kindOf(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case int64, float64, bool:
		return 1
	case string:
		return 2
	}
	return 3
}

// Today notes that an event calls a date ("2006-01-02", or empty) its hotel's day: rows that lie Options.ArchiveDays before the newest one are archived.
func (tx *Tx) Today(hotel, date string) {
	if tx.archive == nil || date <= tx.archive.days[hotel] || date <= tx.days[hotel] {
		return
	}
	if tx.days == nil {
		tx.days = map[string]string{}
	}
	tx.days[hotel] = date
}

// Archived reports whether rows of a hotel with a Day of day or before may have been archived. It costs little.
func (tx *Tx) Archived(table, hotel string, day int64) (bool, error) {
	t := tx.archive.table(table)
	if t == nil || day > t.most.Load() {
		return false, nil
	}
	get, err := tx.conn.Stmt("SELECT day FROM archive_moved WHERE hotel_id = ?")
	if err != nil {
		return false, err
	}
	moved := int64(never)
	err = get.query(context.Background(), []any{hotel}, func(r *Row) error { moved = r.Int(0); return nil })
	return day <= moved, err
}

// Thaw brings a row back from the archive, of the year of a day, and reports whether it was there. The key is that of the table, in its order.
func (tx *Tx) Thaw(table string, day int64, key ...any) (bool, error) {
	return tx.thaw(tx.archive.table(table), yearOf(day), key)
}

// ThawID is Thaw for a table with an ArchiveTable.ID.
func (tx *Tx) ThawID(table string, id any, key ...any) (bool, error) {
	t := tx.archive.table(table)
	if t == nil || idOf(id) > tx.archive.idMost {
		return false, nil
	}
	years, err := tx.conn.yearsOfID(context.Background(), id)
	if err != nil {
		return false, err
	}
	for _, year := range years {
		if found, err := tx.thaw(t, year, key); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

func (tx *Tx) thaw(t *archived, year int, key []any) (bool, error) {
	var row []any
	err := tx.conn.queryCold(context.Background(), t, year, strings.Join(t.columns, ", "), t.whereKey(), key,
		func(r *Row) error { row = r.clone()[:len(t.columns)]; return nil })
	if row == nil || err != nil {
		return false, err
	}
	put, err := tx.conn.Stmt("INSERT INTO " + t.Name + " VALUES (?" + strings.Repeat(", ?", len(row)-1) + ")")
	if err != nil {
		return false, err
	}
	if err := put.Exec(row...); err != nil {
		return false, err
	}
	if err := tx.exec("INSERT INTO archive_void SELECT ?1, ?2, move FROM archive_file WHERE year = ?3 ON CONFLICT DO UPDATE SET move = excluded.move",
		t.Name, keyOf(row[:len(t.key)]), year); err != nil {
		return false, err
	}
	return true, tx.exec("UPDATE archive_part SET total = total - 1 WHERE name = ? AND year = ?", t.Name, year)
}

func (tx *Tx) exec(sql string, args ...any) error {
	st, err := tx.conn.Stmt(sql)
	if err != nil {
		return err
	}
	return st.Exec(args...)
}

func (c *Conn) yearsOfID(ctx context.Context, id any) (years []int, err error) {
	err = c.Query(ctx, "SELECT year FROM archive_id WHERE id = ?", []any{idOf(id)}, func(r *Row) error { years = append(years, int(r.Int(0))); return nil })
	return years, err
}

// Year is a table's part of the archive in one year.
type Year struct {
	Year      int
	Rows      int64
	Low, High int64 // its rows' lowest Begin and highest Day, or beyond
}

// Years returns the years of a table's archive in which rows may lie with a Begin of at most to and a Day of at least from, in order. Rows
// that have moved are in no table of this view, but in one of these.
func (c *Conn) Years(ctx context.Context, table string, from, to int64) (years []Year, err error) {
	if t := c.archive.table(table); t == nil || from > t.most.Load() {
		return nil, nil
	}
	err = c.Query(ctx, "SELECT year, total, low, high FROM archive_part WHERE name = ? AND high >= ? AND low <= ? ORDER BY year", []any{table, from, to},
		func(r *Row) error {
			years = append(years, Year{int(r.Int(0)), r.Int(1), r.Int(2), r.Int(3)})
			return nil
		})
	return years, err
}

// YearsOf returns the years in which a row with an id may lie, of a table with an ArchiveTable.ID.
func (c *Conn) YearsOf(ctx context.Context, id any) ([]int, error) {
	if c.archive == nil {
		return nil, nil
	}
	return c.yearsOfID(ctx, id)
}

// QueryArchive calls each for the rows of a table in the archive of one year; behind the columns a row has others. The condition may be
// followed by an order, but must not contain a limit: end the query with an error instead. The table is called r too.
func (c *Conn) QueryArchive(ctx context.Context, table string, year int, columns, where string, args []any, each func(*Row) error) error {
	return c.queryCold(ctx, c.archive.table(table), year, columns, where, args, each)
}

// queryCold is QueryArchive, or for the writer's own connection.
func (c *Conn) queryCold(ctx context.Context, t *archived, year int, columns, where string, args []any, each func(*Row) error) error {
	move, voided := int64(0), false
	err := c.Query(ctx, "SELECT move, EXISTS (SELECT 1 FROM archive_void) FROM archive_file WHERE year = ?", []any{year},
		func(r *Row) error { move, voided = r.Int(0), r.Bool(1); return nil })
	if move == 0 || err != nil {
		return err
	}
	cold, err := c.archive.cold.get(c.archive.file(year))
	if err != nil {
		return err
	}
	sql := "SELECT " + columns + ", " + strings.Join(t.key, ", ") + ", move FROM " + t.Name + " r WHERE move <= ? AND " + where
	err = cold.Query(ctx, sql, append([]any{move}, args...), func(r *Row) error {
		if voided {
			if void, err := c.void(ctx, t, r); void || err != nil {
				return err
			}
		}
		return each(r)
	})
	c.archive.cold.put(cold, corrupt(err))
	return err
}

// void reports whether a cold row does not count any more.
func (c *Conn) void(ctx context.Context, t *archived, r *Row) (void bool, err error) {
	err = c.Query(ctx, "SELECT move FROM archive_void WHERE name = ? AND row = ?", []any{t.Name, keyOf(r.clone()[r.Len()-1-len(t.key) : r.Len()-1])}, func(v *Row) error {
		void = r.Int(r.Len()-1) <= v.Int(0)
		return nil
	})
	return void, err
}

// rowsWithArchive calls each for all rows of a table, wherever they are, in the order of the primary key.
func (c *Conn) rowsWithArchive(ctx context.Context, t table, each func([]any) error) error {
	laid := c.archive.table(t.name)
	years, err := c.Years(ctx, t.name, never, 1<<40)
	if err != nil {
		return err
	}
	if laid == nil || len(years) == 0 {
		return c.Query(ctx, t.sql, nil, func(r *Row) error { return each(r.clone()) })
	}
	streams := []*stream{pull(func(yield func([]any) error) error {
		return c.Query(ctx, t.sql, nil, func(r *Row) error { return yield(r.clone()) })
	})}
	for _, y := range years {
		streams = append(streams, pull(func(yield func([]any) error) error {
			return c.coldRows(ctx, laid, y.Year, yield)
		}))
	}
	defer func() {
		for _, s := range streams {
			s.stop()
		}
	}()
	return mergeStreams(streams, laid.compare, each)
}

// coldRows calls each for a table's rows of a year that count, by primary key.
func (c *Conn) coldRows(ctx context.Context, t *archived, year int, each func([]any) error) error {
	order := "TRUE ORDER BY " + strings.Join(t.key, ", ") + ", move"
	return c.queryCold(ctx, t, year, strings.Join(t.columns, ", "), order, nil, func(r *Row) error { return each(r.clone()[:len(t.columns)]) })
}

// mergeStreams calls each for the rows of all streams in order.
func mergeStreams(streams []*stream, compare func(a, b []any) int, each func([]any) error) error {
	for {
		var least *stream
		for _, s := range streams {
			if err := s.fill(); err != nil {
				return err
			}
			if s.row != nil && (least == nil || compare(s.row, least.row) < 0) {
				least = s
			}
		}
		if least == nil {
			return nil
		}
		if err := each(least.row); err != nil {
			return err
		}
		least.row = nil
	}
}
