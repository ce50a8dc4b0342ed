package payment

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"lodge/domain"
)

// SimulatorName is the simulator's name.
const SimulatorName = "simulator"

// SimulatorOptions sets up a Simulator. The zero value of a field means its default.
type SimulatorOptions struct {
	LateAfter  time.Duration    // when a late answer is decided: default 3 s
	PendingMax int              // what may wait, to be decided or notified of: default 100,000. Beyond it such requests get the transient error rate_limit
	Clock      func() time.Time // default time.Now
	Logger     *slog.Logger     // default: discard

	// Secret signs notifications: default a random one, which Webhook knows.
	Secret string
}

func (o SimulatorOptions) withDefaults() SimulatorOptions {
	o.LateAfter = cmp.Or(o.LateAfter, 3*time.Second)
	o.PendingMax = cmp.Or(o.PendingMax, 100_000)
	o.Secret = cmp.Or(o.Secret, rand.Text())
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Validate returns an error for a setting that is out of its range.
func (o SimulatorOptions) Validate() error {
	o = o.withDefaults()
	if o.LateAfter < 0 || o.LateAfter > lateMax {
		return fmt.Errorf("payment: option LateAfter: %s is not from 0 to %s", o.LateAfter, lateMax)
	}
	if o.PendingMax < 1 || o.PendingMax > 1<<24 {
		return fmt.Errorf("payment: option PendingMax: %d is not from 1 to %d", o.PendingMax, 1<<24)
	}
	return nil
}

// Simulator is the built-in provider: see the package's comment for how payment methods command it. Its ledger is an SQLite file, since a key must be found
// however old it is without holding keys in memory, and a charge, its place in the ledger and its notifications must be there together or
// not at all; an append-only file would need an index of its own for the first and a format for the second.
type Simulator struct {
	db   *sql.DB
	opts SimulatorOptions
	down atomic.Bool
	wake chan struct{} // capacity 1: something may be due earlier than Run thinks
	take Receiver      // nil: notifications wait
}

// OpenSimulator opens the ledger at path, making it when it is missing. Nothing is decided late and no notification is given before Run.
func OpenSimulator(path string, opts SimulatorOptions) (*Simulator, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	db, err := openLedger(path)
	if err != nil {
		return nil, fmt.Errorf("open the simulator's ledger %s: %w", path, err)
	}
	return &Simulator{db: db, opts: opts.withDefaults(), wake: make(chan struct{}, 1)}, nil
}

// Close closes the ledger. Run must have returned.
func (s *Simulator) Close() error { return s.db.Close() }

// Name implements Provider.
func (s *Simulator) Name() string { return SimulatorName }

// SetDown makes the simulator unreachable, or reachable again: meanwhile every call fails, nothing is decided and no notification is given.
func (s *Simulator) SetDown(down bool) {
	s.down.Store(down)
	s.rouse()
}

func (s *Simulator) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Charge implements Provider.
func (s *Simulator) Charge(ctx context.Context, c Charge) (Outcome, error) {
	if err := c.validate(SimulatorName); err != nil {
		return Outcome{}, err
	}
	plan, _, ok := parseMethod(c.Method)
	if !ok {
		plan = script{code: invalidMethod}
	}
	return s.request(ctx, opCharge, plan, entryOf(&c), nil)
}

// Refund implements Provider.
func (s *Simulator) Refund(ctx context.Context, r Refund) (Outcome, error) {
	if err := r.validate(SimulatorName); err != nil {
		return Outcome{}, err
	}
	charge, err := s.Entry(ctx, ChargeEntry, r.PaymentID)
	if err != nil {
		return Outcome{}, s.lost(opRefund, err)
	}
	_, plan, _ := parseMethod(charge.Method)
	return s.request(ctx, opRefund, plan, r.entry(), func(tx *sql.Tx) error { return refundable(tx, &r) })
}

// LookupCharge implements Provider.
func (s *Simulator) LookupCharge(ctx context.Context, c Charge) (Outcome, error) {
	return s.lookup(ctx, opLookupCharge, ChargeEntry, c.Key)
}

// LookupRefund implements Provider.
func (s *Simulator) LookupRefund(ctx context.Context, r Refund) (Outcome, error) {
	return s.lookup(ctx, opLookupRefund, RefundEntry, r.Key)
}

func (s *Simulator) lookup(ctx context.Context, op string, kind EntryKind, key string) (Outcome, error) {
	if s.down.Load() {
		return Outcome{}, s.lost(op, errUnreachable)
	}
	e, err := s.Entry(ctx, kind, key)
	if err != nil {
		return Outcome{}, s.lost(op, err)
	}
	return e.outcome(), nil
}

var (
	errUnreachable = errors.New("the provider does not answer")
	errLostAnswer  = errors.New("the answer was lost")
)

// lost makes the error of a request of which nobody knows what became.
func (s *Simulator) lost(op string, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	return &Error{Provider: SimulatorName, Op: op, Err: err}
}

// request enters a charge or refund once and tells what became of it. check is asked before a new one is decided.
func (s *Simulator) request(ctx context.Context, op string, plan script, e *Entry, check func(*sql.Tx) error) (Outcome, error) {
	if s.down.Load() {
		return Outcome{}, s.lost(op, errUnreachable)
	}
	first := false
	err := s.transact(ctx, func(tx *sql.Tx) (err error) {
		first, err = s.enter(tx, op, plan, e, check)
		return err
	})
	switch {
	case err != nil:
		return Outcome{}, s.lost(op, err)
	case e.Status == NotFound:
		return Outcome{}, s.lost(op, errUnreachable)
	}
	if e.notify > 0 {
		s.rouse()
	}
	if first && plan.loseAnswer {
		return Outcome{}, s.lost(op, errLostAnswer)
	}
	return e.outcome(), nil
}

// enter makes e what the ledger has under its key. first reports whether this request decided it, or put it off.
func (s *Simulator) enter(tx *sql.Tx, op string, plan script, e *Entry, check func(*sql.Tx) error) (first bool, err error) {
	known, err := find(tx, e.Kind, e.Key)
	switch {
	case err != nil:
		return false, err
	case known.attempts > 0 && !known.sameAs(e):
		return false, refuse(SimulatorName, op, "idempotency_key_reused")
	case known.Status != NotFound:
		*e = *known
		return false, nil
	}
	e.Seq, e.attempts, e.Time = known.Seq, known.attempts+1, s.now()
	if e.attempts > plan.loseRequests {
		if check != nil {
			if err := check(tx); err != nil {
				return false, err
			}
		}
		if err := s.decide(tx, plan, e); err != nil {
			return false, err
		}
	}
	return true, put(tx, e)
}

// decide gives a new entry its outcome, or the time when it will have one.
func (s *Simulator) decide(tx *sql.Tx, plan script, e *Entry) error {
	e.verdict, e.notify = plan.code, plan.notify
	if plan.once {
		taken, err := count(tx, `SELECT count(*) FROM entries WHERE kind = ? AND hotel_id = ? AND reservation_id = ? AND status IN (?, ?)`,
			ChargeEntry, e.HotelID, e.ReservationID, Pending, Succeeded)
		if err != nil {
			return err
		}
		if taken > 0 {
			e.verdict = "insufficient_funds"
		}
	}
	if plan.late || plan.notify > 0 {
		waiting, err := count(tx, `SELECT (SELECT count(*) FROM entries WHERE status = ?) + (SELECT count(*) FROM notifications)`, Pending)
		if err != nil {
			return err
		}
		if waiting >= s.opts.PendingMax {
			return &Error{Provider: SimulatorName, Op: "decide", Code: "rate_limit"}
		}
	}
	if !plan.late {
		return e.settle(tx, s.now())
	}
	e.Status, e.due = Pending, s.now().Add(cmp.Or(plan.after, s.opts.LateAfter))
	return nil
}

// now is the clock in whole milliseconds, as the ledger keeps times.
func (s *Simulator) now() time.Time { return s.opts.Clock().UTC().Truncate(time.Millisecond) }

// transact runs f in a transaction that is durable when it returns nil.
func (s *Simulator) transact(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, rollback(tx))
	}
	return tx.Commit()
}

func rollback(tx *sql.Tx) error {
	if err := tx.Rollback(); !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return nil
}

// refundable refuses a refund of what was not taken, or is not left of it.
func refundable(tx *sql.Tx, r *Refund) error {
	charge, err := find(tx, ChargeEntry, r.PaymentID)
	if err != nil {
		return err
	}
	if charge.Status != Succeeded || r.PaymentReference != "" && r.PaymentReference != charge.reference() {
		return refuse(SimulatorName, opRefund, "no_such_charge")
	}
	back, err := count(tx, `SELECT coalesce(sum(minor_units), 0) FROM entries WHERE kind = ? AND payment_id = ? AND status IN (?, ?)`,
		RefundEntry, r.PaymentID, Pending, Succeeded)
	switch {
	case err != nil:
		return err
	case r.Amount.Currency != charge.Amount.Currency:
		return refuse(SimulatorName, opRefund, "currency_mismatch")
	case int64(back)+r.Amount.MinorUnits > charge.Amount.MinorUnits:
		return refuse(SimulatorName, opRefund, "charge_already_refunded")
	}
	return nil
}

func count(tx *sql.Tx, query string, args ...any) (n int, err error) {
	err = tx.QueryRow(query, args...).Scan(&n)
	return n, err
}

func money(currency string, units int64) domain.Money {
	return domain.Money{Currency: currency, MinorUnits: units}
}
