package projections

import (
	"database/sql/driver"
	"strings"
)

// Insert describes a statement that can take several rows at once. Use constant texts: statements are prepared once for each value.
type Insert struct {
	Into    string // what comes before the rows, as in "INSERT INTO t VALUES"
	Columns int    // parameters of one row
	Then    string // what comes behind them, such as ON CONFLICT, where excluded names the row's values
}

// insertRowsMax is how many rows one statement takes. Measured: 16 take half of what they do one by one, 64 hardly less than 16.
const insertRowsMax = 16

// Inserter collects rows and writes them in order, up to insertRowsMax with one call into SQLite. It belongs to its
// transaction: Flush must be called before that ends and before statements that should see the rows.
type Inserter struct {
	conn   *Conn
	insert Insert
	args   []driver.NamedValue
	stmts  map[int]*Stmt // by number of rows
}

// Inserter returns an empty Inserter. There is one for each value of Insert; a second call empties it.
func (tx *Tx) Inserter(insert Insert) *Inserter {
	in := tx.conn.inserters[insert]
	if in == nil {
		in = &Inserter{conn: tx.conn, insert: insert, stmts: map[int]*Stmt{}}
		tx.conn.inserters[insert] = in
	}
	in.args = in.args[:0]
	return in
}

// Add adds a row. Arguments as in Stmt.Exec; slices must stay as they are until Flush.
func (in *Inserter) Add(args ...any) error {
	for i, a := range args {
		value, err := valueOf(a, in.insert.Into, i)
		if err != nil {
			return err
		}
		in.args = append(in.args, driver.NamedValue{Ordinal: len(in.args) + 1, Value: value})
	}
	if len(in.args) < insertRowsMax*in.insert.Columns {
		return nil
	}
	return in.Flush()
}

// Flush writes the rows that are left, in statements of 16, 8, 4, 2 and 1 rows.
func (in *Inserter) Flush() error {
	left := in.args
	in.args = in.args[:0]
	for rows := insertRowsMax; len(left) > 0; rows /= 2 {
		n := rows * in.insert.Columns
		if len(left) < n {
			continue
		}
		if err := in.exec(rows, left[:n]); err != nil {
			return err
		}
		left = left[n:]
		for i := range left {
			left[i].Ordinal = i + 1
		}
	}
	return nil
}

func (in *Inserter) exec(rows int, args []driver.NamedValue) error {
	st := in.stmts[rows]
	if st == nil {
		row := "(?" + strings.Repeat(", ?", in.insert.Columns-1) + ")"
		var err error
		if st, err = in.conn.Stmt(in.insert.Into + " " + row + strings.Repeat(", "+row, rows-1) + " " + in.insert.Then); err != nil {
			return err
		}
		in.stmts[rows] = st
	}
	return st.exec(args)
}
