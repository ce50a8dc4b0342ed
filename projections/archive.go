package projections

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"lodge/domain"
	"lodge/log"
)

// Archiver is a Projector whose rows move, once they are long past, from a shard's database (hot) to files beside it, one for each year (cold).
//
// The hot file alone says what of the cold files counts. A cold row is kept under its key and the number of the move that brought it; it counts when the hot file knows that move, and has not taken the row
// back since. Cold rows are never changed, so a hot file of any age finds the rows that it knows of, and none that it does not.
type Archiver interface {
	Projector

	// Archive lists the tables whose rows move.
	Archive() []ArchiveTable
}

// ArchiveTable says which rows of a table move. The columns of its primary key come first, the hotel's id before all. Whoever writes to the table must bring rows back with Tx.Thaw before.
type ArchiveTable struct {
	Name string

	// Day is an SQL expression over a row, a number of days since 1970-01-01: the row is past when its hotel has come Options.ArchiveDays
	// beyond it, and goes to the file of its year.
	Day string

	// Begin is one for the first day that a row is found by; no later than Day, which it is when empty.
	Begin string

	// Due is the condition that finds the rows of hotel ?1 with a Day of at most ?2, through an index.
	Due string

	// ID is the column by which rows are looked for without knowing their year, or "".
	ID string
}

// The steps of a move, beside those of Step.
const (
	StepMove       Step = "move"        // hot transaction begun, nothing written
	StepMoveCopied Step = "move copied" // rows written to a cold file, not committed
	StepMoveSynced Step = "move synced" // cold files durable, the hot file still has the rows
	StepMoveDelete Step = "move delete" // rows deleted from the hot file, not committed
	StepMoved      Step = "moved"       // committed
)

// MoveSteps returns the steps that every move passes.
func MoveSteps() []Step {
	return []Step{StepMove, StepMoveCopied, StepMoveSynced, StepMoveDelete, StepMoved}
}

// archiveSchema is what a shard with an archive keeps about it. Only archive_day follows from the events; the others say where rows lie.
const archiveSchema = `
CREATE TABLE archive_day (           -- the newest day that the events of a hotel name as theirs
	hotel_id TEXT PRIMARY KEY,
	day INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE archive_moved (
	hotel_id TEXT PRIMARY KEY,
	day INTEGER NOT NULL,            -- rows up to it may have moved
	done INTEGER NOT NULL            -- and all have, but for those that came back
) WITHOUT ROWID;
CREATE TABLE archive_file (
	year INTEGER PRIMARY KEY,
	move INTEGER NOT NULL,           -- the last one that counts
	token BLOB NOT NULL              -- of that move, to tell the file from another one
);
CREATE TABLE archive_part (          -- a table's rows in a file
	name TEXT NOT NULL,
	year INTEGER NOT NULL,
	total INTEGER NOT NULL,
	low INTEGER NOT NULL,            -- the lowest Begin ever
	high INTEGER NOT NULL,           -- the highest Day ever
	PRIMARY KEY (name, year)
) WITHOUT ROWID;
CREATE TABLE archive_id (            -- in which years' files to look for a row
	id INTEGER NOT NULL,             -- idOf
	year INTEGER NOT NULL,
	PRIMARY KEY (id, year)
) WITHOUT ROWID;
CREATE TABLE archive_void (          -- rows that came back: copies up to a move do not count
	name TEXT NOT NULL,
	row BLOB NOT NULL,               -- keyOf
	move INTEGER NOT NULL,
	PRIMARY KEY (name, row)
) WITHOUT ROWID`

// placement are the tables that say where rows lie and not what they are.
var placement = []string{"archive_moved", "archive_file", "archive_part", "archive_id", "archive_void"}

// never is before any day.
const never = math.MinInt32

// archive is what a shard knows of its archive. Its tables are fixed; what changes belongs to shard.mu, except for what is atomic.
type archive struct {
	dir    string
	shard  log.Partition
	cold   *coldPool
	tables []*archived // nil until the shard is open

	days   map[string]string // what archive_day holds, as far as it is known
	idMost int64             // no larger id in archive_id
	moved  int64             // the last move that this writer knows of
	due    chan<- struct{}   // one token: a hotel may have rows to move
}

// archived is a table of an archive.
type archived struct {
	ArchiveTable
	columns []string
	types   []string
	key     []string // the first columns: the primary key
	id      int      // column of the id, or -1
	indexes []string
	most    atomic.Int64 // no row of a later Day has moved
}

func newArchive(p *projection, dir string, shard log.Partition, cold *coldPool) *archive {
	if _, ok := p.projector.(Archiver); !ok {
		return nil
	}
	return &archive{dir: dir, shard: shard, cold: cold, days: map[string]string{}, due: p.due[shard]}
}

// load reads what the archive keeps in memory from the hot file.
func (a *archive) load(ctx context.Context, c *Conn, p Projector, s *schema) error {
	if a == nil {
		return nil
	}
	if a.tables == nil {
		for _, t := range p.(Archiver).Archive() {
			laid, err := layOut(ctx, c, t, s)
			if err != nil {
				return err
			}
			a.tables = append(a.tables, laid)
		}
	}
	clear(a.days)
	poke(a.due)
	return a.refresh(ctx, c)
}

// refresh reads what has moved. Another writer may have moved rows since: no checkpoint says so, and who does not know would write a row beside one that has moved.
func (a *archive) refresh(ctx context.Context, c *Conn) error {
	if err := c.Query(ctx, lastMove, nil, func(r *Row) error { a.moved = r.Int(0); return nil }); err != nil {
		return err
	}
	for _, t := range a.tables {
		most := int64(never)
		err := c.Query(ctx, "SELECT coalesce(max(high), ?) FROM archive_part WHERE name = ?", []any{never, t.Name}, func(r *Row) error { most = r.Int(0); return nil })
		if err != nil {
			return err
		}
		t.most.Store(most)
	}
	return c.Query(ctx, "SELECT coalesce(max(id), ?) FROM archive_id", []any{math.MinInt64}, func(r *Row) error { a.idMost = r.Int(0); return nil })
}

const lastMove = "SELECT coalesce(max(move), 0) FROM archive_file"

// follow makes sure, inside a transaction, that its writer knows of all moves.
func (a *archive) follow(c *Conn) error {
	if a == nil {
		return nil
	}
	get, err := c.Stmt(lastMove)
	if err != nil {
		return err
	}
	moved := a.moved
	if err := get.query(context.Background(), nil, func(r *Row) error { moved = r.Int(0); return nil }); err != nil || moved == a.moved {
		return err
	}
	return a.refresh(context.Background(), c)
}

// layOut reads a table's columns from the hot file.
func layOut(ctx context.Context, c *Conn, t ArchiveTable, s *schema) (*archived, error) {
	laid := &archived{ArchiveTable: t, id: -1}
	if laid.Begin == "" {
		laid.Begin = laid.Day
	}
	err := c.Query(ctx, "SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid", []any{t.Name}, func(r *Row) error {
		if pk := int(r.Int(2)); pk == len(laid.columns)+1 {
			laid.key = append(laid.key, r.Text(0))
		} else if pk > 0 {
			return fmt.Errorf("the primary key of table %s is not its first columns", t.Name)
		}
		if r.Text(0) == t.ID {
			laid.id = len(laid.columns)
		}
		laid.columns, laid.types = append(laid.columns, r.Text(0)), append(laid.types, r.Text(1))
		return nil
	})
	if err == nil && len(laid.key) == 0 {
		err = fmt.Errorf("table %s of %s has no primary key", t.Name, c.path)
	}
	for _, sql := range s.indexes {
		if strings.Contains(sql, " ON "+t.Name+" ") {
			laid.indexes = append(laid.indexes, sql)
		}
	}
	return laid, err
}

func (a *archive) table(name string) *archived {
	if a == nil {
		return nil
	}
	for _, t := range a.tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// whereKey is the condition that finds a row by its primary key.
func (t *archived) whereKey() string { return strings.Join(t.key, " = ? AND ") + " = ?" }

// keyOf returns a row's primary key as one value. Rows of a table with equal keys are the same.
func keyOf(key []any) []byte {
	var b []byte
	for _, v := range key {
		switch v := v.(type) {
		case int64:
			b = binary.AppendVarint(append(b, 'i'), v)
		case string:
			b = append(binary.AppendUvarint(append(b, 't'), uint64(len(v))), v...)
		case []byte:
			b = append(binary.AppendUvarint(append(b, 'b'), uint64(len(v))), v...)
		}
	}
	return b
}

// idOf returns the number under which archive_id has an id: of a UUID its first 8 bytes in their order, so that ids that begin with the time
// lie together; else a hash. Different ids may have the same number.
func idOf(id any) int64 {
	switch v := id.(type) {
	case []byte:
		if len(v) >= 8 {
			return int64(binary.BigEndian.Uint64(v) ^ 1<<63)
		}
	case string:
		h := fnv.New64a()
		h.Write([]byte(v))
		return int64(h.Sum64())
	}
	return 0
}

// yearOf returns the year of a day since 1970-01-01.
func yearOf(day int64) int { return domain.Date(day).Time(time.UTC).Year() }

// saveDays writes the newest days that a transaction's events name as their hotel's.
func (a *archive) saveDays(conn *Conn, days map[string]string) error {
	if len(days) == 0 {
		return nil
	}
	put, err := conn.Stmt("INSERT INTO archive_day VALUES (?1, ?2) ON CONFLICT DO UPDATE SET day = max(day, excluded.day)")
	if err != nil {
		return err
	}
	hotels := make([]string, 0, len(days))
	for hotel := range days {
		hotels = append(hotels, hotel)
	}
	slices.Sort(hotels)
	for _, hotel := range hotels {
		day, err := domain.ParseDate(days[hotel])
		if err != nil {
			return err
		}
		if err := put.Exec(hotel, int64(day)); err != nil {
			return err
		}
	}
	return nil
}

// daysMax bounds the days that are remembered, of one shard's hotels.
const daysMax = 1 << 17

// know remembers the days that have been committed.
func (a *archive) know(days map[string]string) {
	if len(days) == 0 {
		return
	}
	if len(a.days)+len(days) > daysMax {
		clear(a.days)
	}
	for hotel, day := range days {
		a.days[hotel] = day
	}
	poke(a.due)
}
