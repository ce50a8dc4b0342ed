package projections

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"lodge/log"
)

// A cold file is written by one move at a time, in one transaction with a rollback journal: between moves a year is one file, which can be copied as it is.
// EXTRA syncs the folder too, so that a commit stays one when the power goes. A reader that holds up a commit for longer than the timeout has the move wait for its next turn.
const (
	coldParams     = "mode=rwc&_journal_mode=DELETE&_synchronous=EXTRA&_busy_timeout=200&_cache_size=-4096"
	coldBulkParams = "mode=rwc&_journal_mode=OFF&_synchronous=OFF&_busy_timeout=200&_cache_size=-16384"
	coldReadParams = "mode=ro&_query_only=1&_cache_size=-1024"
)

func coldPrefix(shard log.Partition) string { return fmt.Sprintf("archive-%d-", shard) }

// file returns the name of a year's file.
func (a *archive) file(year int) string {
	return filepath.Join(a.dir, fmt.Sprintf("%s%d.db", coldPrefix(a.shard), year))
}

// years returns the years that there are files of, whether they count or not.
func (a *archive) years() ([]int, error) {
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		return nil, err
	}
	var years []int
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), coldPrefix(a.shard))
		if !ok || !strings.HasSuffix(rest, ".db") {
			continue
		}
		if year, err := strconv.Atoi(strings.TrimSuffix(rest, ".db")); err == nil {
			years = append(years, year)
		}
	}
	slices.Sort(years)
	return years, nil
}

// coldMark is the last move that a file counts, and how to tell it from another one of its number.
type coldMark struct {
	move  int64
	token []byte
}

// marks returns what the hot file counts of each year's file.
func coldMarks(ctx context.Context, hot *Conn) (map[int]coldMark, error) {
	marks := map[int]coldMark{}
	err := hot.Query(ctx, "SELECT year, move, token FROM archive_file", nil, func(r *Row) error {
		marks[int(r.Int(0))] = coldMark{r.Int(1), r.Blob(2)}
		return nil
	})
	return marks, err
}

// verify makes sure that the cold files hold what the hot file counts, and removes what it does not: what a crash has left of a move, or what was moved after a hot file that was put
// back. An unusableError says that rows are missing.
func (a *archive) verify(ctx context.Context, hot *Conn, id map[string]string) error {
	if a == nil {
		return nil
	}
	marks, err := coldMarks(ctx, hot)
	if err != nil {
		return err
	}
	years, err := a.years()
	if err != nil {
		return err
	}
	for _, year := range years {
		if _, counts := marks[year]; counts {
			continue
		}
		for _, name := range []string{a.file(year), a.file(year) + "-journal"} {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	for year, mark := range marks {
		if err := a.verifyFile(ctx, year, mark, id); err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) verifyFile(ctx context.Context, year int, mark coldMark, id map[string]string) (err error) {
	if _, err := os.Stat(a.file(year)); err != nil {
		return &unusableError{fmt.Errorf("the archive of %d: %w", year, err)}
	}
	c, err := openConn(a.file(year), coldParams)
	if err != nil {
		return &unusableError{err}
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := checkIdentity(ctx, c, coldIdentity(id, year)); err != nil {
		return &unusableError{err}
	}
	return a.rewind(ctx, c, year, mark)
}

// rewind removes from a file what was moved after a mark, and fails with an unusableError when it has not come that far.
func (a *archive) rewind(ctx context.Context, c *Conn, year int, mark coldMark) error {
	last, found := int64(0), false
	err := c.Query(ctx, "SELECT (SELECT max(move) FROM archive_move), EXISTS (SELECT 1 FROM archive_move WHERE move = ? AND token = ?)",
		[]any{mark.move, mark.token}, func(r *Row) error { last, found = r.Int(0), r.Bool(1); return nil })
	if err != nil {
		return err
	}
	if !found {
		return &unusableError{fmt.Errorf("%s does not hold move %d: an older file has been put back, or another one", c.path, mark.move)}
	}
	if last == mark.move {
		return nil
	}
	statements := []string{"BEGIN IMMEDIATE", fmt.Sprintf("DELETE FROM archive_move WHERE move > %d", mark.move)}
	for _, t := range a.tables {
		statements = append(statements, fmt.Sprintf("DELETE FROM %s WHERE move > %d", t.Name, mark.move))
	}
	return c.run(append(statements, "COMMIT")...)
}

func coldIdentity(id map[string]string, year int) map[string]string {
	cold := map[string]string{"year": strconv.Itoa(year)}
	for name, value := range id {
		cold[name] = value
	}
	return cold
}

// createCold makes the tables of a new file, in the transaction that fills it.
func (a *archive) createCold(c *Conn, id map[string]string, bulk bool) error {
	statements := []string{
		"CREATE TABLE projection_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
		"CREATE TABLE archive_move (move INTEGER PRIMARY KEY, token BLOB NOT NULL)",
	}
	for _, t := range a.tables {
		var b strings.Builder
		fmt.Fprintf(&b, "CREATE TABLE %s (", t.Name)
		for i, column := range t.columns {
			fmt.Fprintf(&b, "%s %s, ", column, t.types[i])
		}
		fmt.Fprintf(&b, "move INTEGER NOT NULL, PRIMARY KEY (%s, move)) WITHOUT ROWID", strings.Join(t.key, ", "))
		statements = append(statements, b.String())
		if !bulk {
			statements = append(statements, t.indexes...)
		}
	}
	if err := c.run(statements...); err != nil {
		return err
	}
	return writeIdentity(c, id)
}

// seal makes the indexes of files that a bulk load has made, and makes them durable.
func (a *archive) seal(ctx context.Context, hot *Conn) error {
	if a == nil {
		return nil
	}
	marks, err := coldMarks(ctx, hot)
	if err != nil {
		return err
	}
	for year := range marks {
		c, err := openConn(a.file(year), coldBulkParams)
		if err != nil {
			return err
		}
		for _, t := range a.tables {
			err = errors.Join(err, c.run(t.indexes...))
		}
		if err = errors.Join(err, c.close()); err == nil {
			err = syncPath(a.file(year))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// coldPool keeps read-only connections to cold files: those in use, of which a query has one at a time, and a few idle ones, of which the least lately used goes first.
type coldPool struct {
	idleMax int

	mu     sync.Mutex
	idle   []*Conn // the least lately used first
	opened int64   // connections ever opened
}

// get lends a connection.
func (p *coldPool) get(path string) (*Conn, error) {
	p.mu.Lock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if c := p.idle[i]; c.path == path {
			p.idle = slices.Delete(p.idle, i, i+1)
			p.mu.Unlock()
			return c, nil
		}
	}
	p.opened++
	p.mu.Unlock()
	return openConn(path, coldReadParams)
}

// put takes a connection back.
func (p *coldPool) put(c *Conn, bad bool) {
	p.mu.Lock()
	drop := c
	if !bad && p.idleMax > 0 {
		drop = nil
		if p.idle = append(p.idle, c); len(p.idle) > p.idleMax {
			drop = p.idle[0]
			p.idle = slices.Delete(p.idle, 0, 1)
		}
	}
	p.mu.Unlock()
	if drop != nil {
		drop.close() //nolint:errcheck // read only: nothing is lost
	}
}

// forget closes the idle connections to files of a shard.
func (a *archive) forget() {
	if a == nil {
		return
	}
	a.cold.mu.Lock()
	prefix := filepath.Join(a.dir, coldPrefix(a.shard))
	var mine []*Conn
	a.cold.idle = slices.DeleteFunc(a.cold.idle, func(c *Conn) bool {
		if !strings.HasPrefix(c.path, prefix) {
			return false
		}
		mine = append(mine, c)
		return true
	})
	a.cold.mu.Unlock()
	for _, c := range mine {
		c.close() //nolint:errcheck // read only: nothing is lost
	}
}
