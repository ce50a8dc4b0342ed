package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"lodge/cmd/internal/bench"
)

// spreadNights is how many nights each hotel of the spread case sells.
const spreadNights = 300

// capacity is the rooms of each night: none sells out within a measurement, as in Lodge's own benchmark.
const capacity = 100_000

// schema is the textbook's: a row for each hotel, room type and night, and a reservation with an idempotency key.
const schema = `
DROP TABLE IF EXISTS room_type_inventory, reservation;
CREATE TABLE room_type_inventory (
  hotel_id text, room_type_id text, date date,
  total_inventory int NOT NULL, total_reserved int NOT NULL, version bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (hotel_id, room_type_id, date),
  CHECK (total_reserved <= total_inventory)
);
CREATE TABLE reservation (
  reservation_id uuid PRIMARY KEY, hotel_id text NOT NULL, room_type_id text NOT NULL,
  start_date date NOT NULL, end_date date NOT NULL, status text NOT NULL, guest_id text NOT NULL, guest_name text NOT NULL, guest_email text NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now()
);
CREATE OR REPLACE FUNCTION reserve(id uuid, hotel text, room text, first date, last date, guest text, name text, email text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE nights int;
BEGIN
  UPDATE room_type_inventory SET total_reserved = total_reserved + 1
    WHERE hotel_id = hotel AND room_type_id = room AND date >= first AND date < last AND total_reserved < total_inventory;
  GET DIAGNOSTICS nights = ROW_COUNT;
  IF nights <> last - first THEN
    RAISE check_violation;
  END IF;
  INSERT INTO reservation VALUES (id, hotel, room, first, last, 'pending', guest, name, email);
  RETURN true;
END $$;
`

// stay is one reservation that is asked for.
type stay struct {
	hotel       string
	first, last time.Time
}

// errFull says that a night is sold out.
var errFull = errors.New("a night is full")

// errRace says that another client was faster: try again.
var errRace = errors.New("the version has changed")

// strategy reserves one stay in one transaction.
type strategy struct {
	name, what string
	reserve    func(ctx context.Context, c *pgxpool.Conn, s stay) error
}

var strategies = []strategy{
	{"pessimistic", "SELECT … FOR UPDATE", inTransaction(pessimistic)},
	{"optimistic", "a version in each row", retrying(inTransaction(optimistic))},
	{"constraint", "CHECK (total_reserved <= total_inventory)", inTransaction(constraint)},
	{"function", "all in one round trip", storedFunction},
}

func inTransaction(f func(ctx context.Context, tx pgx.Tx, s stay) error) func(context.Context, *pgxpool.Conn, stay) error {
	return func(ctx context.Context, c *pgxpool.Conn, s stay) error {
		return checked(pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			if err := f(ctx, tx, s); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO reservation VALUES ($1, $2, 'room', $3, $4, 'pending', 'guest-1', 'Ada Lovelace', 'ada@example.com')",
				uuid.New(), s.hotel, s.first, s.last)
			return err
		}))
	}
}

// retrying tries again as long as others are faster.
func retrying(f func(context.Context, *pgxpool.Conn, stay) error) func(context.Context, *pgxpool.Conn, stay) error {
	return func(ctx context.Context, c *pgxpool.Conn, s stay) error {
		for {
			if err := f(ctx, c, s); !errors.Is(err, errRace) {
				return err
			}
		}
	}
}

// checked turns a broken constraint into errFull.
func checked(err error) error {
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && pg.Code == "23514" {
		return errFull
	}
	return err
}

const nightsOf = " WHERE hotel_id = $1 AND room_type_id = 'room' AND date >= $2 AND date < $3"

func pessimistic(ctx context.Context, tx pgx.Tx, s stay) error {
	if _, err := free(ctx, tx, "SELECT date, total_inventory - total_reserved, version FROM room_type_inventory"+nightsOf+" ORDER BY date FOR UPDATE", s); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "UPDATE room_type_inventory SET total_reserved = total_reserved + 1"+nightsOf, s.hotel, s.first, s.last)
	return err
}

func optimistic(ctx context.Context, tx pgx.Tx, s stay) error {
	nights, err := free(ctx, tx, "SELECT date, total_inventory - total_reserved, version FROM room_type_inventory"+nightsOf+" ORDER BY date", s)
	if err != nil {
		return err
	}
	for _, n := range nights {
		done, err := tx.Exec(ctx, "UPDATE room_type_inventory SET total_reserved = total_reserved + 1, version = version + 1"+
			" WHERE hotel_id = $1 AND room_type_id = 'room' AND date = $2 AND version = $3", s.hotel, n.date, n.version)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return errRace
		}
	}
	return nil
}

func constraint(ctx context.Context, tx pgx.Tx, s stay) error {
	done, err := tx.Exec(ctx, "UPDATE room_type_inventory SET total_reserved = total_reserved + 1"+nightsOf, s.hotel, s.first, s.last)
	if err == nil && done.RowsAffected() != int64(s.last.Sub(s.first)/(24*time.Hour)) {
		return errFull
	}
	return err
}

func storedFunction(ctx context.Context, c *pgxpool.Conn, s stay) error {
	_, err := c.Exec(ctx, "SELECT reserve($1, $2, 'room', $3, $4, 'guest-1', 'Ada Lovelace', 'ada@example.com')", uuid.New(), s.hotel, s.first, s.last)
	return checked(err)
}

// night is a row as it was read.
type night struct {
	date    time.Time
	free    int
	version int64
}

// free returns the nights of a stay, or errFull when one has no room.
func free(ctx context.Context, tx pgx.Tx, query string, s stay) ([]night, error) {
	rows, err := tx.Query(ctx, query, s.hotel, s.first, s.last)
	if err != nil {
		return nil, err
	}
	nights, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (n night, err error) {
		err = row.Scan(&n.date, &n.free, &n.version)
		return n, err
	})
	if err != nil {
		return nil, err
	}
	for _, n := range nights {
		if n.free < 1 {
			return nil, errFull
		}
	}
	if len(nights) != int(s.last.Sub(s.first)/(24*time.Hour)) {
		return nil, errFull
	}
	return nights, nil
}

// house is the tables of one case and a connection for each client.
type house struct {
	pool    *pgxpool.Pool
	clients []*pgxpool.Conn
	w       workload
	first   time.Time
	turn    atomic.Int64
}

// openHouse makes the tables anew with so many rooms for each night, and connects the clients.
func openHouse(ctx context.Context, pg *postgres, w workload, clients, rooms int) (h *house, err error) {
	config, err := pgxpool.ParseConfig(pg.url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(clients) + 1
	h = &house{w: w, first: time.Now().UTC().Truncate(24 * time.Hour)}
	if h.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if _, err := h.pool.Exec(ctx, schema); err != nil {
		return nil, err
	}
	_, err = h.pool.Exec(ctx, `INSERT INTO room_type_inventory (hotel_id, room_type_id, date, total_inventory, total_reserved)
		SELECT 'hotel-' || h, 'room', $1::date + n, $2, 0 FROM generate_series(0, $3::int - 1) h, generate_series(0, $4::int - 1) n`, h.first, rooms, w.hotels, w.nights)
	if err != nil {
		return nil, err
	}
	if _, err := h.pool.Exec(ctx, "VACUUM ANALYZE room_type_inventory"); err != nil {
		return nil, err
	}
	for range clients {
		c, err := h.pool.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		h.clients = append(h.clients, c)
	}
	return h, nil
}

func (h *house) close() {
	for _, c := range h.clients {
		c.Release()
	}
	h.pool.Close()
}

// next is the next stay of one night: hotels take turns, and so do nights.
func (h *house) next() stay {
	n := int(h.turn.Add(1))
	first := h.first.AddDate(0, 0, n/h.w.hotels%h.w.nights)
	return stay{hotel: fmt.Sprintf("hotel-%d", n%h.w.hotels), first: first, last: first.AddDate(0, 0, 1)}
}

// check returns an error unless the nights' counts are the reservations.
func (h *house) check(ctx context.Context) (reserved int, err error) {
	var rows, over int
	err = h.pool.QueryRow(ctx, `SELECT (SELECT coalesce(sum(total_reserved), 0) FROM room_type_inventory), (SELECT count(*) FROM reservation),
		(SELECT count(*) FROM room_type_inventory WHERE total_reserved > total_inventory)`).Scan(&reserved, &rows, &over)
	if err == nil && (reserved != rows || over > 0) {
		err = fmt.Errorf("%d reservations, %d rooms reserved, %d nights oversold", rows, reserved, over)
	}
	return reserved, err
}

// postgres reserves in one way.
func (o *options) postgres(ctx context.Context, pg *postgres, s *strategy, w workload) (bench.Result, error) {
	h, err := openHouse(ctx, pg, w, o.clients, capacity)
	if err != nil {
		return bench.Result{}, err
	}
	defer h.close()
	r, err := bench.Rate(ctx, o.clients, o.duration, s.name, s.what, "reservations/s", 1, func(ctx context.Context, client, _ int) error {
		return s.reserve(ctx, h.clients[client], h.next())
	})
	if err == nil {
		_, err = h.check(context.WithoutCancel(ctx))
	}
	return r, err
}
