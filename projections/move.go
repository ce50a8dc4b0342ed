package projections

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"

	"lodge/log"
)

const (
	moveRows     = 2_000  // of one move that others wait for
	moveHotels   = 500    // that one move looks at
	moveBulkRows = 50_000 // of one move in a bulk load
	moveBatches  = 4      // of a bulk load between moves
	moveStride   = 7      // days by which a hotel has come further before its rows move again: a few at a time would touch as many pages as a week's
)

// move is one move of rows from a hot file to cold ones.
type move struct {
	sh     *shard
	number int64
	token  []byte
	limit  int
	fault  func(Step) error

	rows  map[int]map[*archived][][]any // by year
	count int
	more  bool // there are more rows to move
}

// due is a hotel with rows to move.
type due struct {
	hotel string
	day   int64
}

// moveSome moves what is due of the shard's rows, up to a limit, and reports how many those were and whether there are more. The rows are written to the cold files, each in a
// transaction of its own that is durable when the next begins; then they are deleted in one hot transaction, which began before they were read. Whatever is
// interrupted leaves cold rows that do not count.
func (sh *shard) moveSome(limit int, fault func(Step) error) (rows int, more bool, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.moveLocked(limit, fault)
}

func (sh *shard) moveLocked(limit int, fault func(Step) error) (rows int, more bool, err error) {
	if sh.conn == nil {
		return 0, false, errClosed
	}
	hotels, err := sh.dueHotels(sh.conn)
	if err != nil || len(hotels) == 0 {
		return 0, false, err
	}
	token := uuid.New()
	m := &move{sh: sh, token: token[:], limit: limit, fault: fault, rows: map[int]map[*archived][][]any{}, more: len(hotels) > moveHotels}
	if err := sh.exec("BEGIN IMMEDIATE"); err != nil {
		return 0, false, err
	}
	if err = sh.archive.follow(sh.conn); err == nil {
		err = m.all(hotels[:min(len(hotels), moveHotels)])
	}
	if err == nil {
		err = sh.exec("COMMIT")
	}
	if err != nil {
		return 0, false, fmt.Errorf("archive rows of %s: %w", sh.path, errors.Join(err, sh.rollback()))
	}
	if len(m.rows) > 0 {
		sh.archive.moved = m.number
	}
	return m.count, m.more, fault(StepMoved)
}

// dueHotels returns the hotels that have come so far that rows of theirs move, up to one more than a move looks at.
func (sh *shard) dueHotels(c *Conn) (hotels []due, err error) {
	err = c.Query(context.Background(), `SELECT d.hotel_id, d.day - ?1 FROM archive_day d LEFT JOIN archive_moved m ON m.hotel_id = d.hotel_id
		WHERE m.hotel_id IS NULL OR NOT m.done OR d.day - ?1 - m.day >= ?2 ORDER BY d.hotel_id LIMIT ?3`, []any{sh.opts.ArchiveDays, moveStride, moveHotels + 1},
		func(r *Row) error { hotels = append(hotels, due{r.Text(0), r.Int(1)}); return nil })
	return hotels, err
}

// all does the move inside the hot transaction.
func (m *move) all(hotels []due) error {
	if err := m.fault(StepMove); err != nil {
		return err
	}
	ctx, hot := context.Background(), m.sh.conn
	marks, err := coldMarks(ctx, hot)
	if err != nil {
		return err
	}
	for _, mark := range marks {
		m.number = max(m.number, mark.move)
	}
	m.number++
	for i := range hotels {
		if m.count >= m.limit {
			m.more = true
			break
		}
		if err := m.collect(ctx, hotels[i]); err != nil {
			return err
		}
	}
	years := make([]int, 0, len(m.rows))
	for year := range m.rows {
		years = append(years, year)
	}
	slices.Sort(years)
	for _, year := range years {
		if err := m.copy(ctx, year, marks); err != nil {
			return err
		}
	}
	if err := m.fault(StepMoveSynced); err != nil {
		return err
	}
	for _, year := range years {
		if err := m.remove(year); err != nil {
			return err
		}
	}
	return m.fault(StepMoveDelete)
}

// collect reads a hotel's rows that are due, and notes how far it has come.
func (m *move) collect(ctx context.Context, h due) error {
	done := true
	for _, t := range m.sh.archive.tables {
		left := m.limit - m.count
		if left <= 0 {
			done = false
			break
		}
		found := 0
		sql := fmt.Sprintf("SELECT *, %s, %s FROM %s WHERE %s LIMIT ?3", t.Day, t.Begin, t.Name, t.Due)
		err := m.sh.conn.Query(ctx, sql, []any{h.hotel, h.day, left}, func(r *Row) error {
			found++
			year := yearOf(r.Int(len(t.columns)))
			if m.rows[year] == nil {
				m.rows[year] = map[*archived][][]any{}
			}
			m.rows[year][t] = append(m.rows[year][t], r.clone())
			return nil
		})
		if err != nil {
			return err
		}
		m.count += found
		done = done && found < left
	}
	m.more = m.more || !done
	set, err := m.sh.conn.Stmt("INSERT INTO archive_moved VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET day = max(day, excluded.day), done = excluded.done")
	if err != nil {
		return err
	}
	return set.Exec(h.hotel, h.day, done)
}

// copy writes a year's rows to its file, durably.
func (m *move) copy(ctx context.Context, year int, marks map[int]coldMark) error {
	a, bulk := m.sh.archive, m.sh.bulk
	mark, exists := marks[year]
	if !exists { // what is there is of a move that does not count
		if err := errors.Join(removeFile(a.file(year)), removeFile(a.file(year)+"-journal")); err != nil {
			return err
		}
	}
	params := coldParams
	if bulk {
		params = coldBulkParams
	}
	c, err := openConn(a.file(year), params)
	if err != nil {
		return err
	}
	if exists {
		err = a.rewind(ctx, c, year, mark)
	}
	if err == nil {
		err = m.fill(c, year, exists)
	}
	if err = errors.Join(err, c.close()); err != nil || exists || bulk {
		return err
	}
	return syncPath(a.dir)
}

func removeFile(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// fill is copy's transaction.
func (m *move) fill(c *Conn, year int, exists bool) (err error) {
	if err := c.run("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil && !c.db.AutoCommit() {
			err = errors.Join(err, c.run("ROLLBACK"))
		}
	}()
	if !exists {
		id := coldIdentity(identity(m.sh.schema, m.sh.partition, m.sh.opts.Partitions), year)
		if err := m.sh.archive.createCold(c, id, m.sh.bulk); err != nil {
			return err
		}
	}
	for _, t := range m.sh.archive.tables {
		if err := t.insert(c, m.rows[year][t], m.number); err != nil {
			return err
		}
	}
	put, err := c.Stmt("INSERT INTO archive_move VALUES (?, ?)")
	if err != nil {
		return err
	}
	if err := put.Exec(m.number, m.token); err != nil {
		return err
	}
	if err := m.fault(StepMoveCopied); err != nil {
		return err
	}
	return c.run("COMMIT")
}

// insert writes rows to a cold file in the order of their keys.
func (t *archived) insert(c *Conn, rows [][]any, number int64) error {
	slices.SortFunc(rows, t.compare)
	width := len(t.columns)
	in := (&Tx{conn: c}).Inserter(Insert{Into: "INSERT INTO " + t.Name + " VALUES", Columns: width + 1})
	values := make([]any, width+1)
	for _, row := range rows {
		copy(values, row[:width])
		values[width] = number
		if err := in.Add(values...); err != nil {
			return err
		}
	}
	return in.Flush()
}

// remove deletes a year's rows from the hot file and notes where they are.
func (m *move) remove(year int) error {
	hot, a := m.sh.conn, m.sh.archive
	mark, err := hot.Stmt("INSERT INTO archive_file VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET move = ?2, token = ?3")
	if err != nil {
		return err
	}
	if err := mark.Exec(year, m.number, m.token); err != nil {
		return err
	}
	for _, t := range a.tables {
		if rows := m.rows[year][t]; len(rows) > 0 {
			if err := m.removeFrom(t, year, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *move) removeFrom(t *archived, year int, rows [][]any) error {
	hot := m.sh.conn
	drop, err := hot.Stmt("DELETE FROM " + t.Name + " WHERE " + t.whereKey())
	if err != nil {
		return err
	}
	ids := make([]int64, 0, len(rows))
	low, high := rows[0][len(t.columns)+1].(int64), rows[0][len(t.columns)].(int64)
	for _, row := range rows {
		if err := drop.Exec(row[:len(t.key)]...); err != nil {
			return err
		}
		high, low = max(high, row[len(t.columns)].(int64)), min(low, row[len(t.columns)+1].(int64))
		if t.id >= 0 {
			ids = append(ids, idOf(row[t.id]))
		}
	}
	if err := m.sh.archive.saveIDs(hot, ids, year); err != nil {
		return err
	}
	part, err := hot.Stmt(`INSERT INTO archive_part VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT DO UPDATE SET total = total + ?3, low = min(low, ?4), high = max(high, ?5)`)
	if err != nil {
		return err
	}
	t.most.Store(max(t.most.Load(), high)) // before anybody can miss the rows; too late a day does no harm
	return part.Exec(t.Name, year, len(rows), low, high)
}

// saveIDs notes in which year's file ids are.
func (a *archive) saveIDs(hot *Conn, ids []int64, year int) error {
	slices.Sort(ids)
	in := (&Tx{conn: hot}).Inserter(Insert{Into: "INSERT OR IGNORE INTO archive_id VALUES", Columns: 2})
	for _, id := range ids {
		a.idMost = max(a.idMost, id)
		if err := in.Add(id, year); err != nil {
			return err
		}
	}
	return in.Flush()
}

// moveAll moves all that is due in a bulk load.
func (sh *shard) moveAll(fault func(Step) error) error {
	for more := sh.archive != nil && sh.opts.ArchiveDays >= 0; more; {
		var err error
		if _, more, err = sh.moveLocked(moveBulkRows, fault); err != nil {
			return err
		}
	}
	return nil
}

// keepSmall moves rows of the shard in service to the archive as they come to be due, until ctx ends.
func (s *Store) keepSmall(ctx context.Context, p *projection, partition log.Partition) error {
	if _, ok := p.projector.(Archiver); !ok || s.opts.ArchiveDays < 0 {
		return nil
	}
	for pause := backoffMin; ctx.Err() == nil; {
		select {
		case <-p.due[partition]:
		case <-ctx.Done():
			return nil
		}
		err := s.moveDue(ctx, p, partition)
		switch {
		case injected(err):
			return err
		case unusable(err):
			p.condemn(err) // and whoever builds it anew wakes this
		case err != nil && !errors.Is(err, errClosed):
			s.opts.Logger.Warn("rows stay out of the archive for now", "projection", p.name, "partition", partition, "in", pause, "error", err)
			sleep(ctx, pause)
			pause = min(2*pause, backoffMax)
			poke(p.due[partition])
		default:
			pause = backoffMin
		}
		sleep(ctx, s.opts.ArchiveEvery)
	}
	return nil
}

// moveDue moves what is due in the shard in service. Between moves it leaves the shard to others for as long as the last one took.
func (s *Store) moveDue(ctx context.Context, p *projection, partition log.Partition) error {
	v, err := p.acquire()
	if log.CodeOf(err) == log.Unavailable {
		return nil // it is being built, and whoever puts it in service wakes this
	}
	if err != nil {
		return err
	}
	for more := true; more && err == nil && ctx.Err() == nil; {
		start := time.Now()
		if _, more, err = v.shards[partition].moveSome(moveRows, s.step); more {
			sleep(ctx, time.Since(start))
		}
	}
	return errors.Join(err, v.release(false))
}

// Archive moves all rows of a projection that are due now, as the store does by itself while it follows the log. It returns how many they were.
func (s *Store) Archive(ctx context.Context, name string) (rows int64, err error) {
	p, err := s.find(name, 0)
	if err != nil {
		return 0, err
	}
	v, err := p.acquire()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, v.release(false)) }()
	for _, sh := range v.shards {
		for more := sh.archive != nil && s.opts.ArchiveDays >= 0; more; {
			if err := ctx.Err(); err != nil {
				return rows, err
			}
			var n int
			if n, more, err = sh.moveSome(moveRows, s.step); err != nil {
				return rows, err
			}
			rows += int64(n)
		}
	}
	return rows, nil
}
