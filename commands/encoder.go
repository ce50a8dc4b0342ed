package commands

import (
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"lodge/domain/event"
	"lodge/log"
)

// encoder turns the events of one command into the records of one batch. Its memory is used again for the next command.
type encoder struct {
	source  string
	records []log.Record
	headers []log.Header
	expect  log.Offset
	out     log.Batch
}

// encode makes c's envelopes and their records.
func (n *encoder) encode(c *Pending, messages []proto.Message) error {
	if len(messages) > refCountMax {
		return log.NewError(log.RecordTooLarge, "encode", "%d events of one command are more than %d", len(messages), refCountMax)
	}
	n.records, n.headers = n.records[:0], n.headers[:0]
	envelopes := make([]event.Envelope, len(messages))
	c.result.Events = make([]*event.Envelope, len(messages))
	for i, m := range messages {
		n.fill(&envelopes[i], c, i, m)
		if err := n.record(&envelopes[i]); err != nil {
			return fmt.Errorf("encode event %d of %s: %w", i, c.command.Body.HotelID(), err)
		}
		c.result.Events[i] = &envelopes[i]
	}
	return nil
}

func (n *encoder) fill(e *event.Envelope, c *Pending, i int, m proto.Message) {
	e.ID = nthID(c.eventID, i).String()
	e.Type = event.TypeOf(m)
	e.Source = n.source
	e.Time = c.command.Time
	e.CorrelationID, e.CausationID = c.command.CorrelationID, c.command.CausationID
	e.TraceParent, e.Command, e.Actor, e.SealedReason = c.parent, c.command.Body.Name(), c.command.Actor, c.reason
	if c.reason.Key == 0 {
		e.Reason = c.command.Reason
	}
	if e.RequestID = c.command.RequestID; e.RequestID != zeroID {
		e.RequestFingerprint = c.finger
	}
	e.HotelID = c.command.Body.HotelID()
	e.Message = m
}

func (n *encoder) record(e *event.Envelope) error {
	first := len(n.headers)
	value, err := event.Encode(e, func(key string, value []byte) {
		n.headers = append(n.headers, log.Header{Key: key, Value: value})
	})
	if err != nil {
		return err
	}
	n.records = append(n.records, log.Record{
		Key: []byte(e.HotelID), Value: value, Headers: n.headers[first:len(n.headers):len(n.headers)],
	})
	return nil
}

// batch returns what was encoded, to be appended at base and nowhere else.
func (n *encoder) batch(base log.Offset) *log.Batch {
	n.expect = base
	n.out = log.Batch{Records: n.records, Expect: &n.expect}
	return &n.out
}

// nthID gives each event of a command an id of its own, in the order of the events.
func nthID(first uuid.UUID, i int) uuid.UUID {
	if i > 0 {
		low := binary.BigEndian.Uint32(first[12:])
		binary.BigEndian.PutUint32(first[12:], low+uint32(i))
	}
	return first
}
