package client_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/mattn/go-sqlite3" // a store with transactions

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/logtest"
	"lodge/log/vfs"
)

// An application reads the topic "t" and does something with each record. It is killed at every step, with the fatal step done and not done; then either
// another member takes over when the session is out, or the power fails and another one begins with what the disk has. It counts what was done.
const (
	deliveryPartitions = 2
	deliveryRecords    = 5 // in each
)

// application works as a member of the group until it is killed, or ctx ends.
type application interface {
	run(ctx context.Context, m *mortal) error
	counts() map[string]int // how often each record was done
}

// killEverywhere runs applications made by start, killed at step 0, 1, 2, … until one is through before its death.
func killEverywhere(t *testing.T, start func(t *testing.T, lg *logtest.Log) application, check func(t *testing.T, when string, counts map[string]int)) {
	for _, after := range []bool{false, true} {
		for _, crash := range []bool{false, true} {
			killed := 0
			for through := false; !through; {
				when := fmt.Sprintf("killed at step %d, done %v, power fails %v", killed, after, crash)
				synctest.Test(t, func(t *testing.T) {
					lg := logtest.Open(t, broker.Options{})
					lg.Topic("t", deliveryPartitions)
					for n := range deliveryPartitions {
						for i := range deliveryRecords {
							put(t, lg, n, fmt.Sprintf("%d.%d", n, i))
						}
					}
					app := start(t, lg)
					through = liveTwice(t, lg, app, newMortal(lg, killed, after), crash)
					check(t, when, app.counts())
				})
				killed++
				if t.Failed() || killed > 2000 {
					t.Fatalf("%s: gave up", when)
				}
			}
			t.Logf("done %v, power fails %v: killed at %d steps", after, crash, killed-1)
		}
	}
}

// liveTwice runs the application until its death and then again to the end. It reports whether it was through before its death.
func liveTwice(t *testing.T, lg *logtest.Log, app application, first *mortal, crash bool) (through bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := app.run(ctx, first)
	if through = !first.isDead(); err != nil && log.CodeOf(err) != log.Closed {
		t.Errorf("a killed application ends with %v", err)
	}
	if crash {
		lg.Crash(vfs.LoseAll)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := app.run(ctx, newMortal(lg, -2, false)); err != nil {
		t.Errorf("second life: %v", err)
	}
	return through
}

// counter does records by counting them.
type counter struct {
	opts client.ConsumerOptions
	t    *testing.T
	done map[string]int
}

func (a *counter) counts() map[string]int { return a.done }

func (a *counter) run(ctx context.Context, m *mortal) error {
	opts := a.opts
	opts.Group, opts.PollRecordsMax, opts.SessionTimeout = "g", 3, 6*time.Second
	c := newConsumer(a.t, m, opts)
	defer c.Kill()
	if err := c.Subscribe("t"); err != nil {
		return err
	}
	for {
		records, err := c.Poll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, r := range records {
			err := m.act(func() error { a.done[string(r.Value)]++; return nil })
			if err != nil {
				return err
			}
		}
		if a.opts.CommitInterval < 0 {
			if err := c.Commit(ctx, nil); err != nil {
				return err
			}
		}
	}
}

// eachRecord calls check for all records.
func eachRecord(counts map[string]int, check func(value string, n int)) {
	for n := range deliveryPartitions {
		for i := range deliveryRecords {
			value := fmt.Sprintf("%d.%d", n, i)
			check(value, counts[value])
		}
	}
}

func TestAtLeastOnce(t *testing.T) {
	for name, interval := range map[string]time.Duration{"in the background": 100 * time.Millisecond, "by the caller": -1} {
		t.Run(name, func(t *testing.T) {
			twice := 0
			killEverywhere(t, func(t *testing.T, _ *logtest.Log) application {
				return &counter{t: t, done: map[string]int{}, opts: client.ConsumerOptions{CommitInterval: interval}}
			}, func(t *testing.T, when string, counts map[string]int) {
				eachRecord(counts, func(value string, n int) {
					if n < 1 {
						t.Errorf("%s: %s is missing", when, value)
					}
					if n > 1 {
						twice++
					}
				})
			})
			if twice == 0 {
				t.Error("nothing came twice: was it killed at all?")
			}
		})
	}
}

func TestAtMostOnce(t *testing.T) {
	missing := 0
	killEverywhere(t, func(t *testing.T, _ *logtest.Log) application {
		return &counter{t: t, done: map[string]int{}, opts: client.ConsumerOptions{Delivery: client.AtMostOnce}}
	}, func(t *testing.T, when string, counts map[string]int) {
		eachRecord(counts, func(value string, n int) {
			if n > 1 {
				t.Errorf("%s: %s was done %d times", when, value, n)
			}
			if n == 0 {
				missing++
			}
		})
	})
	if missing == 0 {
		t.Error("nothing is missing: was it killed at all?")
	}
}

// keeper does records by inserting rows, with the offset in the same transaction.
type keeper struct {
	t  *testing.T
	db *sql.DB
}

func newKeeper(t *testing.T) *keeper {
	t.Helper()
	db, err := sql.Open("sqlite3", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // of a database in memory there is one for each connection
	t.Cleanup(func() { db.Close() })
	_, err = db.Exec(`CREATE TABLE done (value TEXT); CREATE TABLE progress (partition INT PRIMARY KEY, next INT)`)
	if err != nil {
		t.Fatal(err)
	}
	return &keeper{t: t, db: db}
}

func (a *keeper) counts() map[string]int {
	rows, err := a.db.Query(`SELECT value, count(*) FROM done GROUP BY value`)
	if err != nil {
		a.t.Fatal(err)
	}
	defer rows.Close()
	counts := map[string]int{}
	for rows.Next() {
		var value string
		var n int
		if err := rows.Scan(&value, &n); err != nil {
			a.t.Fatal(err)
		}
		counts[value] = n
	}
	if err := rows.Err(); err != nil {
		a.t.Fatal(err)
	}
	return counts
}

// begin is OnAssigned: where to go on is in the database.
func (a *keeper) begin(ctx context.Context, tps []log.TopicPartition) (map[log.TopicPartition]log.Offset, error) {
	offsets := map[log.TopicPartition]log.Offset{}
	for _, tp := range tps {
		var next log.Offset
		err := a.db.QueryRowContext(ctx, `SELECT next FROM progress WHERE partition = ?`, tp.Partition).Scan(&next)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		offsets[tp] = next
	}
	return offsets, nil
}

func (a *keeper) run(ctx context.Context, m *mortal) error {
	c := newConsumer(a.t, m, client.ConsumerOptions{
		Group: "g", PollRecordsMax: 3, SessionTimeout: 6 * time.Second, Delivery: client.ExactlyOnce, OnAssigned: a.begin, CommitInterval: 100 * time.Millisecond,
	})
	defer c.Kill()
	if err := c.Subscribe("t"); err != nil {
		return err
	}
	for {
		records, err := c.Poll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := a.store(m, records); err != nil {
			return err
		}
	}
}

// store inserts the records and moves the offsets on, all or nothing.
func (a *keeper) store(m *mortal, records []log.Record) error {
	tx, err := a.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // as a killed process does
	for _, r := range records {
		if err := m.act(func() error { return insert(tx, &r) }); err != nil {
			return err
		}
	}
	return m.act(tx.Commit)
}

// insert stores one record, if it is the next one: a member that was deposed without noticing would be behind.
func insert(tx *sql.Tx, r *log.Record) error {
	var next log.Offset
	err := tx.QueryRow(`SELECT next FROM progress WHERE partition = ?`, r.Partition).Scan(&next)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if next != r.Offset {
		return fmt.Errorf("%v comes where offset %d is next", r.Position(), next)
	}
	if _, err := tx.Exec(`INSERT INTO done VALUES (?)`, string(r.Value)); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO progress VALUES (?, ?)`, r.Partition, r.Offset+1)
	return err
}

func exactlyOnce(t *testing.T, when string, counts map[string]int) {
	eachRecord(counts, func(value string, n int) {
		if n != 1 {
			t.Errorf("%s: %s was done %d times", when, value, n)
		}
	})
	if len(counts) != deliveryPartitions*deliveryRecords {
		t.Errorf("%s: %v", when, counts)
	}
}

func TestExactlyOnceInOneTransaction(t *testing.T) {
	killEverywhere(t, func(t *testing.T, _ *logtest.Log) application { return newKeeper(t) }, exactlyOnce)
}

// transformed does records by appending them to the topic "out".
type transformed struct {
	t  *testing.T
	lg *logtest.Log
}

func (a *transformed) counts() map[string]int {
	counts := map[string]int{}
	for n := range 2 {
		for _, r := range a.lg.Records(log.TopicPartition{Topic: "out", Partition: log.Partition(n)}) {
			counts[string(r.Value)]++
		}
	}
	return counts
}

func (a *transformed) run(ctx context.Context, m *mortal) error {
	x, err := client.NewTransformer(m, client.TransformerOptions{
		Group: "g", Topics: []log.Topic{"t"}, Targets: []log.Topic{"out"}, RangeRecordsMax: 3, BatchBytesMax: 1, SessionTimeout: 6 * time.Second,
	}, func(_ context.Context, records []log.Record) (out []log.Record, err error) {
		for _, r := range records {
			out = append(out, log.Record{Topic: "out", Key: r.Value, Value: r.Value})
		}
		return out, nil
	})
	if err != nil {
		return err
	}
	return x.Run(ctx)
}

func TestExactlyOnceByTransformer(t *testing.T) {
	killEverywhere(t, func(_ *testing.T, lg *logtest.Log) application {
		lg.Topic("out", 2)
		return &transformed{t: t, lg: lg}
	}, exactlyOnce)
}
