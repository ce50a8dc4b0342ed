package reservations

import (
	"encoding/binary"
	"fmt"
	"time"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// The waiting list is here since it comes from the same topic: a projection of its own would cost a transaction for every batch of bookings.
const waitingTables = `
CREATE TABLE waiting_list (
	hotel_id TEXT NOT NULL,
	entry_id BLOB NOT NULL,         -- packed.Key
	joined INTEGER NOT NULL,        -- offset of the event that begins it: the order of the list
	guest_id TEXT,                  -- NULL: none
	ended INTEGER NOT NULL,
	details BLOB NOT NULL,          -- appendWish, the guest sealed
	history BLOB NOT NULL,          -- appendStep
	PRIMARY KEY (hotel_id, entry_id)
) WITHOUT ROWID;
CREATE INDEX waiting_list_in_order ON waiting_list (hotel_id, joined);
CREATE INDEX waiting_list_open ON waiting_list (hotel_id, joined) WHERE ended = 0;
CREATE INDEX waiting_list_by_guest ON waiting_list (guest_id, entry_id, hotel_id) WHERE guest_id IS NOT NULL`

const (
	joinList = `INSERT INTO waiting_list VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6)
		ON CONFLICT DO UPDATE SET joined = ?3, guest_id = ?4, ended = 0, details = ?5, history = ?6`
	forgetWaiter = `UPDATE waiting_list SET guest_id = NULL WHERE hotel_id = ?1 AND entry_id = ?2`
	moveOn       = `UPDATE waiting_list SET ended = max(ended, ?3), history = CAST(history || ?4 AS BLOB) WHERE hotel_id = ?1 AND entry_id = ?2`
)

// Waiter is an entry of a hotel's waiting list as it is now.
type Waiter struct {
	HotelID, EntryID string
	RoomTypeID       string
	Quantity         int
	Stay             domain.Stay
	Guest            Guest
	RatePlanID       string // empty: the hotel's own rates
	JoinDate         domain.Date
	State            WaiterState
	ReservationID    string                 // that was offered, a hold; empty: none
	Reason           eventpb.WaitingListEnd // why it ended
	CreateTime       time.Time
	OfferTime        time.Time // zero: nothing was offered
	UpdateTime       time.Time
	Created, Updated log.Offset // of the first and the last event, in topic bookings; Created is the place in the list
}

// WaiterState is how far an entry of the waiting list is.
type WaiterState int

// The states, in the order in which an entry passes them.
const (
	Waiting WaiterState = 1 + iota
	Offered             // Waiter.ReservationID says what
	Ended               // Waiter.Reason says why
)

// step is one event of an entry.
type step int64

const (
	stepJoined  step = 1
	stepOffered step = 2
	stepLeft    step = 3

	stepForgotten step = 4
)

// applyWaiting writes the events of the waiting list; refs are sorted by key.
func applyWaiting(tx *projections.Tx, events []projections.Event, refs []ref) error {
	for _, r := range refs {
		if err := applyStep(tx, &events[r.event], r.hotel, key(r.id)); err != nil {
			return fmt.Errorf("project %s: %w", events[r.event].Position, err)
		}
	}
	return nil
}

func applyStep(tx *projections.Tx, e *projections.Event, hotel string, id any) error {
	switch m := e.Envelope.Message.(type) {
	case *eventpb.WaitingListJoined:
		wish, err := appendWish(nil, m)
		if err != nil {
			return err
		}
		return execute(tx, joinList, hotel, id, int64(e.Position.Offset), orNull(m.GetGuest().GetGuestId()), wish, appendStep(e, stepJoined))
	case *eventpb.WaitingListOffered:
		return execute(tx, moveOn, hotel, id, 0, packed.AppendID(appendStep(e, stepOffered), m.GetReservationId()))
	case *eventpb.WaiterForgotten:
		if err := execute(tx, forgetWaiter, hotel, id); err != nil {
			return err
		}
		return execute(tx, moveOn, hotel, id, 0, appendStep(e, stepForgotten))
	case *eventpb.WaitingListLeft:
		return execute(tx, moveOn, hotel, id, 1, packed.AppendInt(appendStep(e, stepLeft), int64(m.GetReason())))
	}
	return fmt.Errorf("%s is not known here", e.Envelope.Type)
}

// appendWish encodes what an entry waits for.
func appendWish(b []byte, m *eventpb.WaitingListJoined) ([]byte, error) {
	stay, err := stayOf(m.GetStay())
	if err != nil {
		return nil, err
	}
	joined, err := domain.ParseDate(m.GetJoinDate())
	if err != nil {
		return nil, err
	}
	g := guestOf(m.GetGuest())
	b = packed.AppendText(b, m.GetStay().GetRoomTypeId())
	b = packed.AppendInt(b, int64(m.GetStay().GetQuantity()))
	b = packed.AppendInt(packed.AppendInt(b, int64(stay.CheckIn)), int64(stay.CheckOut))
	b = appendGuest(b, &g)
	b = packed.AppendText(b, m.GetRatePlanId())
	return packed.AppendInt(b, int64(joined)), nil
}

// readWish is the reverse of appendWish.
func (w *Waiter) readWish(b []byte) error {
	p := packed.NewReader(b)
	w.RoomTypeID, w.Quantity = p.Text(), int(p.Int())
	w.Stay.CheckIn, w.Stay.CheckOut = domain.Date(p.Int()), domain.Date(p.Int())
	w.Guest.read(p)
	w.RatePlanID, w.JoinDate = p.Text(), domain.Date(p.Int())
	return p.Err()
}

// appendStep begins one event of an entry's history; what only that kind of event says follows.
func appendStep(e *projections.Event, s step) []byte {
	b := packed.AppendInt(packed.AppendInt(nil, int64(s)), int64(e.Position.Offset))
	return binary.BigEndian.AppendUint64(b, uint64(e.Envelope.Time.UnixNano()))
}

// readSteps makes the entry what its history says.
func (w *Waiter) readSteps(b []byte) error {
	p := packed.NewReader(b)
	for p.More() {
		s, offset, at := step(p.Int()), log.Offset(p.Int()), p.Bytes(timeBytes)
		if at == nil {
			break
		}
		w.Updated, w.UpdateTime = offset, timeOf(int64(binary.BigEndian.Uint64(at)))
		switch s {
		case stepJoined:
			w.State, w.Created, w.CreateTime = Waiting, w.Updated, w.UpdateTime
		case stepOffered:
			w.State, w.OfferTime, w.ReservationID = Offered, w.UpdateTime, p.ID()
		case stepLeft:
			w.State, w.Reason = Ended, eventpb.WaitingListEnd(p.Int())
		}
	}
	return p.Err()
}

func execute(tx *projections.Tx, sql string, args ...any) error {
	st, err := tx.Stmt(sql)
	if err != nil {
		return err
	}
	return st.Exec(args...)
}
