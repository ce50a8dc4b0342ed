package projections

import (
	"context"

	"lodge/log"
)

// Tx is the transaction that a projector writes a batch in.
type Tx struct {
	conn      *Conn
	partition log.Partition
	archive   *archive          // nil: none
	days      map[string]string // by hotel: what Today has noted
}

// Partition returns the number of the shard that is written to.
func (tx *Tx) Partition() log.Partition { return tx.partition }

// Stmt returns the prepared statement for sql, which should be a constant; it is kept between transactions.
func (tx *Tx) Stmt(sql string) (*Stmt, error) { return tx.conn.Stmt(sql) }

// Query reads rows as the transaction sees them, as Conn.Query.
func (tx *Tx) Query(sql string, args []any, each func(*Row) error) error {
	return tx.conn.Query(context.Background(), sql, args, each)
}
