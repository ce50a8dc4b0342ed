package payment

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	_ "github.com/mattn/go-sqlite3" // the driver

	"lodge/domain"
)

// EntryKind says what an entry of the simulator's ledger is.
type EntryKind uint8

// The kinds.
const (
	ChargeEntry EntryKind = 1
	RefundEntry EntryKind = 2
)

// Entry is a charge or a refund in the simulator's ledger. Money was moved by those that Succeeded.
type Entry struct {
	Seq           int64 // in the order in which they were first asked for, from 1
	Kind          EntryKind
	Key           string // id of the payment, or of the refund
	PaymentID     string // of both
	HotelID       string
	ReservationID string
	Amount        domain.Money // asked for
	Method        string       // of a charge
	Status        Status       // NotFound: every request has been lost so far
	Code          string       // why it was declined
	Time          time.Time    // when the status was reached

	correlationID string
	attempts      int       // requests so far
	due           time.Time // when Pending: it is decided then
	verdict       string    // the code that it is declined with; empty: it is approved
	notify        int       // notifications when it is decided
}

func entryOf(c *Charge) *Entry {
	return &Entry{
		Kind: ChargeEntry, Key: c.Key, PaymentID: c.Key, HotelID: c.HotelID, ReservationID: c.ReservationID,
		Amount: c.Amount, Method: c.Method, correlationID: c.CorrelationID,
	}
}

func (r *Refund) entry() *Entry {
	return &Entry{
		Kind: RefundEntry, Key: r.Key, PaymentID: r.PaymentID, HotelID: r.HotelID, ReservationID: r.ReservationID,
		Amount: r.Amount, correlationID: r.CorrelationID,
	}
}

// sameAs reports whether two requests with one key ask for the same.
func (e *Entry) sameAs(other *Entry) bool {
	return e.PaymentID == other.PaymentID && e.HotelID == other.HotelID && e.ReservationID == other.ReservationID &&
		e.Amount == other.Amount && e.Method == other.Method
}

// reference is the provider's id of the entry.
func (e *Entry) reference() string {
	if e.Kind == RefundEntry {
		return "sim_re_" + e.Key
	}
	return "sim_ch_" + e.Key
}

func (e *Entry) outcome() Outcome {
	switch e.Status {
	case Succeeded:
		return Outcome{Status: Succeeded, Reference: e.reference(), Amount: e.Amount}
	case Declined:
		return Outcome{Status: Declined, Reference: e.reference(), Code: e.Code}
	case Pending:
		return Outcome{Status: Pending, Reference: e.reference(), Code: "processing"}
	default:
		return Outcome{}
	}
}

// settle decides an entry and puts its notifications into the ledger.
func (e *Entry) settle(tx *sql.Tx, now time.Time) error {
	e.Status, e.Code, e.Time, e.due = Succeeded, e.verdict, now, time.Time{}
	if e.verdict != "" {
		e.Status = Declined
	}
	for range e.notify {
		if err := e.addNotification(tx); err != nil {
			return err
		}
	}
	return nil
}

const schema = `
CREATE TABLE IF NOT EXISTS entries (
	seq INTEGER PRIMARY KEY,
	kind INTEGER NOT NULL, key TEXT NOT NULL, payment_id TEXT NOT NULL, hotel_id TEXT NOT NULL, reservation_id TEXT NOT NULL,
	currency TEXT NOT NULL, minor_units INTEGER NOT NULL, method TEXT NOT NULL,
	status INTEGER NOT NULL, code TEXT NOT NULL, time_ms INTEGER NOT NULL,
	correlation_id TEXT NOT NULL, attempts INTEGER NOT NULL, due_ms INTEGER NOT NULL, verdict TEXT NOT NULL, notify INTEGER NOT NULL,
	UNIQUE (kind, key)
) STRICT;
CREATE INDEX IF NOT EXISTS entries_due ON entries (status, due_ms);
CREATE INDEX IF NOT EXISTS entries_refunds ON entries (payment_id) WHERE kind = 2;
CREATE INDEX IF NOT EXISTS entries_reservation ON entries (hotel_id, reservation_id);
CREATE TABLE IF NOT EXISTS notifications (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	attempts INTEGER NOT NULL, next_ms INTEGER NOT NULL, kind INTEGER NOT NULL, key TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS notifications_next ON notifications (next_ms);`

// openLedger opens a ledger with one connection: its transactions take turns anyway.
func openLedger(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(schema); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

const columns = `seq, kind, key, payment_id, hotel_id, reservation_id, currency, minor_units, method, status, code, time_ms,
	correlation_id, attempts, due_ms, verdict, notify`

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

func (e *Entry) scan(row scanner) error {
	var at, due int64
	err := row.Scan(&e.Seq, &e.Kind, &e.Key, &e.PaymentID, &e.HotelID, &e.ReservationID, &e.Amount.Currency, &e.Amount.MinorUnits, &e.Method,
		&e.Status, &e.Code, &at, &e.correlationID, &e.attempts, &due, &e.verdict, &e.notify)
	e.Time, e.due = time.UnixMilli(at).UTC(), time.UnixMilli(due).UTC()
	return err
}

// querier is a transaction, or the ledger outside of one.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func findIn(ctx context.Context, q querier, kind EntryKind, key string) (*Entry, error) {
	e := &Entry{Kind: kind, Key: key}
	err := e.scan(q.QueryRowContext(ctx, `SELECT `+columns+` FROM entries WHERE kind = ? AND key = ?`, kind, key))
	if errors.Is(err, sql.ErrNoRows) {
		return &Entry{Kind: kind, Key: key}, nil
	}
	return e, err
}

// find returns the entry with a key, or an empty one with status NotFound.
func find(tx *sql.Tx, kind EntryKind, key string) (*Entry, error) {
	return findIn(context.Background(), tx, kind, key)
}

// put writes an entry, in its old place when it has one.
func put(tx *sql.Tx, e *Entry) error {
	var seq any // NULL: the next
	if e.Seq > 0 {
		seq = e.Seq
	}
	_, err := tx.Exec(`INSERT OR REPLACE INTO entries (`+columns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, e.Kind, e.Key, e.PaymentID, e.HotelID, e.ReservationID, e.Amount.Currency, e.Amount.MinorUnits, e.Method,
		e.Status, e.Code, e.Time.UnixMilli(), e.correlationID, e.attempts, e.due.UnixMilli(), e.verdict, e.notify)
	return err
}

// Entry returns the entry with a key, with status NotFound when there is none.
func (s *Simulator) Entry(ctx context.Context, kind EntryKind, key string) (*Entry, error) {
	e, err := findIn(ctx, s.db, kind, key)
	if err != nil {
		return nil, fmt.Errorf("read the simulator's ledger: %w", err)
	}
	return e, nil
}

// entriesPage is how many entries are read at a time.
const entriesPage = 1000

// Entries calls f for every entry in order, until it returns an error, which is then returned. What is entered meanwhile may be missing.
func (s *Simulator) Entries(ctx context.Context, f func(*Entry) error) error {
	for after := int64(0); ; {
		page, err := s.entriesAfter(ctx, after)
		if err != nil {
			return fmt.Errorf("read the simulator's ledger: %w", err)
		}
		for _, e := range page {
			if err := f(e); err != nil {
				return err
			}
			after = e.Seq
		}
		if len(page) < entriesPage {
			return nil
		}
	}
}

func (s *Simulator) entriesAfter(ctx context.Context, after int64) (page []*Entry, err error) {
	return s.query(ctx, `SELECT `+columns+` FROM entries WHERE seq > ? ORDER BY seq LIMIT ?`, after, entriesPage)
}

func (s *Simulator) query(ctx context.Context, text string, args ...any) (found []*Entry, err error) {
	rows, err := s.db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		e := new(Entry)
		if err := e.scan(rows); err != nil {
			return nil, err
		}
		found = append(found, e)
	}
	return found, rows.Err()
}
