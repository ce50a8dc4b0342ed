package payment

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Receiver takes a notification: the signature and the body, as a webhook gets them. An error has it sent again later.
type Receiver func(ctx context.Context, signature string, body []byte) error

// Notify has notifications given to r from now on. It is called before Run; without it they wait.
func (s *Simulator) Notify(r Receiver) { s.take = r }

// Post returns a Receiver that posts notifications to a webhook, over HTTP.
func Post(client *http.Client, url string) Receiver {
	return func(ctx context.Context, signature string, body []byte) error {
		return post(ctx, client, url, signature, body)
	}
}

// notificationAttemptsMax is after how many refusals a notification is dropped: with notificationWaitMax between them these are three days.
const (
	notificationAttemptsMax = 84
	notificationWaitMax     = time.Hour
	notificationsPage       = 100
)

// notification is one message of the simulator's to whoever asked for a charge or refund.
type notification struct {
	seq      int64
	attempts int
	entry    *Entry
}

// notificationBody is what is sent, in JSON.
type notificationBody struct {
	ID            string `json:"id"`
	Type          string `json:"type"` // charge or refund
	Status        string `json:"status"`
	Code          string `json:"code,omitempty"`
	Reference     string `json:"reference"`
	CurrencyCode  string `json:"currency_code"`
	MinorUnits    int64  `json:"minor_units"`
	HotelID       string `json:"hotel_id"`
	ReservationID string `json:"reservation_id"`
	PaymentID     string `json:"payment_id"`
	RefundID      string `json:"refund_id,omitempty"`
	CorrelationID string `json:"correlation_id,omitempty"`
}

func (e *Entry) addNotification(tx *sql.Tx) error {
	_, err := tx.Exec(`INSERT INTO notifications (attempts, next_ms, kind, key) VALUES (0, ?, ?, ?)`, e.Time.UnixMilli(), e.Kind, e.Key)
	return err
}

func (n *notification) body() ([]byte, error) {
	e := n.entry
	b := notificationBody{
		ID: fmt.Sprintf("sim_evt_%d", n.seq), Type: "charge", Status: e.Status.String(), Code: e.Code, Reference: e.reference(),
		CurrencyCode: e.Amount.Currency, MinorUnits: e.Amount.MinorUnits,
		HotelID: e.HotelID, ReservationID: e.ReservationID, PaymentID: e.PaymentID, CorrelationID: e.correlationID,
	}
	if e.Kind == RefundEntry {
		b.Type, b.RefundID = "refund", e.Key
	}
	return json.Marshal(b)
}

// Run decides what is late and gives notifications until ctx ends; then it returns nil.
func (s *Simulator) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		wait, err := s.Step(ctx)
		if err != nil && ctx.Err() == nil {
			s.opts.Logger.Warn("the payment simulator could not go on", "error", err)
			wait = time.Second
		}
		timer := time.NewTimer(min(wait, runWaitMax))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.wake:
		}
		timer.Stop()
	}
	return nil
}

// Step decides everything that is due and gives every notification that is due once. It returns how long nothing will be due: at most a day. Run
// does this again and again; tests that bring their own clock call it themselves.
func (s *Simulator) Step(ctx context.Context) (wait time.Duration, err error) {
	if s.down.Load() {
		return stepMax, nil
	}
	if err := s.settleDue(ctx); err != nil {
		return 0, err
	}
	if err := s.deliverDue(ctx); err != nil {
		return 0, err
	}
	return s.untilDue(ctx)
}

const (
	stepMax    = 24 * time.Hour
	runWaitMax = time.Minute // a clock may be set
)

// settleDue decides what is due, a page with each transaction.
func (s *Simulator) settleDue(ctx context.Context) error {
	for {
		due, err := s.query(ctx, `SELECT `+columns+` FROM entries WHERE status = ? AND due_ms <= ? ORDER BY due_ms, seq LIMIT ?`,
			Pending, s.now().UnixMilli(), entriesPage)
		if err != nil || len(due) == 0 {
			return err
		}
		err = s.transact(ctx, func(tx *sql.Tx) error {
			for _, e := range due {
				if err := errors.Join(e.settle(tx, s.now()), put(tx, e)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// deliverDue gives the notifications that are due, each once.
func (s *Simulator) deliverDue(ctx context.Context) error {
	now := s.now()
	for after := int64(0); s.take != nil; {
		page, err := s.notificationsDue(ctx, now, after)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, n := range page {
			if err := s.deliver(ctx, n); err != nil {
				return err
			}
			after = n.seq
		}
	}
	return nil
}

func (s *Simulator) notificationsDue(ctx context.Context, now time.Time, after int64) (page []*notification, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT seq, attempts, kind, key FROM notifications WHERE next_ms <= ? AND seq > ? ORDER BY seq LIMIT ?`,
		now.UnixMilli(), after, notificationsPage)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		n := &notification{entry: new(Entry)}
		if err := rows.Scan(&n.seq, &n.attempts, &n.entry.Kind, &n.entry.Key); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		page = append(page, n)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for _, n := range page {
		if n.entry, err = s.Entry(ctx, n.entry.Kind, n.entry.Key); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// deliver gives one notification, and forgets it when it is taken or was refused too often.
func (s *Simulator) deliver(ctx context.Context, n *notification) error {
	body, err := n.body()
	if err != nil {
		return err
	}
	refused := s.take(ctx, sign(s.opts.Secret, s.opts.Clock(), body), body)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	n.attempts++
	if refused == nil || n.attempts >= notificationAttemptsMax {
		if refused != nil {
			s.opts.Logger.Warn("a notification of the payment simulator was refused too often", "notification", n.seq, "error", refused)
		}
		_, err = s.db.ExecContext(ctx, `DELETE FROM notifications WHERE seq = ?`, n.seq)
		return err
	}
	wait := min(time.Second<<min(n.attempts-1, 12), notificationWaitMax)
	_, err = s.db.ExecContext(ctx, `UPDATE notifications SET attempts = ?, next_ms = ? WHERE seq = ?`, n.attempts, s.now().Add(wait).UnixMilli(), n.seq)
	return err
}

// untilDue returns how long to wait for the next thing that is due.
func (s *Simulator) untilDue(ctx context.Context) (time.Duration, error) {
	var next sql.NullInt64
	query := `SELECT min(due) FROM (SELECT min(due_ms) AS due FROM entries WHERE status = ? UNION ALL SELECT min(next_ms) FROM notifications)`
	if s.take == nil {
		query = `SELECT min(due_ms) FROM entries WHERE status = ?`
	}
	if err := s.db.QueryRowContext(ctx, query, Pending).Scan(&next); err != nil {
		return 0, err
	}
	if !next.Valid {
		return stepMax, nil
	}
	return min(max(time.UnixMilli(next.Int64).Sub(s.opts.Clock()), time.Millisecond), stepMax), nil
}
