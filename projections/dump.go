package projections

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lodge/log"
)

// Dump calls each for every row of every table of a shard, checkpoints and the archive's rows included, the file's own description and where rows lie not, tables by name and rows by primary key,
// as they are at one moment. The row is the caller's to keep. Two shards with equal dumps answer every query alike.
func (s *Store) Dump(ctx context.Context, name string, partition log.Partition, each func(table string, row []any) error) error {
	return s.View(ctx, name, partition, func(c *Conn) error {
		tables, err := tablesOf(ctx, c)
		if err != nil {
			return err
		}
		for _, table := range tables {
			err := c.rowsWithArchive(ctx, table, func(row []any) error { return each(table.name, row) })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *Row) clone() []any {
	out := make([]any, len(r.values))
	for i, v := range r.values {
		out[i] = v
	}
	return out
}

// table is a table and the query for its rows in order of the primary key.
type table struct{ name, sql string }

func tablesOf(ctx context.Context, c *Conn) ([]table, error) {
	var tables []table
	err := c.Query(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'projection_meta' ORDER BY name", nil, func(r *Row) error {
		if !slices.Contains(placement, r.Text(0)) {
			tables = append(tables, table{name: r.Text(0)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range tables {
		var key []string
		err := c.Query(ctx, "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", []any{tables[i].name},
			func(r *Row) error { key = append(key, r.Text(0)); return nil })
		if err != nil {
			return nil, err
		}
		if len(key) == 0 {
			return nil, fmt.Errorf("table %s of %s has no primary key", tables[i].name, c.path)
		}
		tables[i].sql = fmt.Sprintf("SELECT * FROM %s ORDER BY %s", tables[i].name, strings.Join(key, ", "))
	}
	return tables, nil
}
