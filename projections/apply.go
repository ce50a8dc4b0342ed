package projections

import (
	"context"
	"errors"
	"fmt"

	"lodge/log"
)

// errClosed says that a shard was closed while somebody was about to write to it.
var errClosed = errors.New("the shard is closed")

// apply brings the shard's rows and checkpoint to the end of b. What the shard has already is left out; a
// batch that begins behind the checkpoint is refused. After an error nothing of the transaction in which it arose remains.
func (sh *shard) apply(b *batch, fault func(Step) error) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	next, reads, _ := sh.marks.get(b.topic)
	if !reads || b.next <= next {
		return nil
	}
	if sh.conn == nil {
		return errClosed
	}
	if b.from > next {
		return fmt.Errorf("apply to %s: %s goes on at %d, the batch begins at %d", sh.path, b.topic, next, b.from)
	}
	for events := b.after(next); ; {
		n := sh.cut(events)
		to := b.next
		if n < len(events) {
			to = events[n].Position.Offset
		}
		if err := sh.transact(b.topic, next, to, events[:n], fault); err != nil {
			return fmt.Errorf("apply %s/%d [%d, %d) to %s: %w", b.topic, sh.partition, next, to, sh.path, err)
		}
		if !sh.bulk {
			sh.owner.listeners.tell(Applied{Partition: sh.partition, Topic: b.topic, Events: events[:n]})
		}
		sh.marks.set(b.topic, to)
		if sh.since += n; sh.bulk && sh.since >= moveBatches*sh.opts.BulkEvents {
			sh.since = 0
			if err := sh.moveAll(fault); err != nil {
				return err
			}
		}
		if n == len(events) {
			return nil
		}
		events, next = events[n:], to
	}
}

// cut returns how many of the events fit into one transaction; at least one, if there is one.
func (sh *shard) cut(events []Event) int {
	weigher, ok := sh.projector.(Weigher)
	if !ok || sh.bulk {
		return len(events)
	}
	rows := 0
	for i := range events {
		if rows += weigher.Weight(&events[i]); rows > sh.opts.TransactionRows && i > 0 {
			return i
		}
	}
	return len(events)
}

// fencedError says that a shard's checkpoint is not where this writer left it.
type fencedError struct {
	topic     log.Topic
	from, now log.Offset
}

func (e *fencedError) Error() string {
	return fmt.Sprintf("the checkpoint of %s is at %d and no longer at %d: somebody else writes this file", e.topic, e.now, e.from)
}

// transact writes events and the checkpoint behind them in one transaction. It is the only writer while the transaction lasts, and
// looks first whether it has been the only one since its last: then it is harmless that another writes the same file, in this process or in another one.
func (sh *shard) transact(topic log.Topic, from, to log.Offset, events []Event, fault func(Step) error) error {
	if err := sh.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	tx := &Tx{conn: sh.conn, partition: sh.partition, archive: sh.archive}
	if err := sh.write(tx, topic, from, to, events, fault); err != nil {
		return errors.Join(err, sh.rollback())
	}
	if err := sh.exec("COMMIT"); err != nil {
		return errors.Join(err, sh.rollback())
	}
	sh.archive.know(tx.days)
	return fault(StepCommitted)
}

func (sh *shard) write(tx *Tx, topic log.Topic, from, to log.Offset, events []Event, fault func(Step) error) error {
	if err := sh.own(topic, from); err != nil {
		return err
	}
	if err := sh.archive.follow(sh.conn); err != nil {
		return err
	}
	if err := fault(StepApply); err != nil {
		return err
	}
	if len(events) > 0 {
		if err := sh.projector.Apply(tx, events); err != nil {
			return err
		}
		if err := sh.archive.saveDays(sh.conn, tx.days); err != nil {
			return err
		}
	}
	if err := fault(StepApplied); err != nil {
		return err
	}
	if err := sh.saveCheckpoint(topic, from, to, events); err != nil {
		return err
	}
	return fault(StepCommit)
}

// own fails with a fencedError when the checkpoint is not where this writer left it.
func (sh *shard) own(topic log.Topic, from log.Offset) error {
	now := log.NoOffset
	get, err := sh.conn.Stmt("SELECT next_offset FROM projection_checkpoint WHERE topic = ?")
	if err != nil {
		return err
	}
	err = get.query(context.Background(), []any{string(topic)}, func(r *Row) error { now = log.Offset(r.Int(0)); return nil })
	if err == nil && now != from {
		err = &fencedError{topic, from, now}
	}
	return err
}

// saveCheckpoint moves the checkpoint.
func (sh *shard) saveCheckpoint(topic log.Topic, from, to log.Offset, events []Event) error {
	set, err := sh.conn.Stmt(`UPDATE projection_checkpoint SET next_offset = ?1, last_event_id = coalesce(?2, last_event_id)
		WHERE topic = ?3 AND next_offset = ?4`)
	if err != nil {
		return err
	}
	var last any
	if n := len(events); n > 0 {
		last = events[n-1].Envelope.ID
	}
	changed, err := set.Changed(int64(to), last, string(topic), int64(from))
	if err == nil && changed != 1 {
		err = &fencedError{topic, from, log.NoOffset}
	}
	return err
}

func (sh *shard) exec(sql string) error {
	st, err := sh.conn.Stmt(sql)
	if err != nil {
		return err
	}
	return st.Exec()
}

func (sh *shard) rollback() error {
	if sh.conn.db.AutoCommit() {
		return nil // sqlite has rolled back already
	}
	return sh.exec("ROLLBACK")
}
