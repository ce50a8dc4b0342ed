package payment

import (
	"context"
	"fmt"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
)

// Reconciliation compares topic payments with the simulator's ledger.
type Reconciliation struct {
	Captured    int64 // charges that both have
	Returned    int64 // refunds that both have
	Differences []string
	Different   int64 // all; Differences has the first differencesMax
}

// differencesMax is how many differences are told.
const differencesMax = 100

// OK reports whether both sides say the same.
func (r *Reconciliation) OK() bool { return r.Different == 0 }

func (r *Reconciliation) differ(format string, args ...any) {
	if r.Different++; r.Different <= differencesMax {
		r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
	}
}

// Reconcile demands that every payment captured and every refund given back of topic payments is in the ledger, once, with its amount and reference, and that the
// ledger has moved no other money. What is under way makes differences: it is done when nothing is. It takes no memory for each payment.
func (s *Simulator) Reconcile(ctx context.Context, lg log.Reader, partitions int) (*Reconciliation, error) {
	r := &Reconciliation{}
	for n := range partitions {
		if err := s.reconcile(ctx, lg, log.TopicPartition{Topic: event.PaymentsTopic, Partition: log.Partition(n)}, r); err != nil {
			return nil, err
		}
	}
	var charges, refunds int64
	err := s.Entries(ctx, func(e *Entry) error {
		switch {
		case e.Status != Succeeded:
		case e.Kind == ChargeEntry:
			charges++
		default:
			refunds++
		}
		return nil
	})
	if charges != r.Captured {
		r.differ("the ledger has %d charges, %d of them are in the topic", charges, r.Captured)
	}
	if refunds != r.Returned {
		r.differ("the ledger has %d refunds, %d of them are in the topic", refunds, r.Returned)
	}
	return r, err
}

func (s *Simulator) reconcile(ctx context.Context, lg log.Reader, tp log.TopicPartition, r *Reconciliation) error {
	at, end, err := lg.Offsets(ctx, tp)
	if err != nil {
		return err
	}
	for at < end {
		got, err := lg.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: at})
		if err != nil {
			return err
		}
		for i := range got.Records {
			if err := s.reconcileRecord(ctx, &got.Records[i], r); err != nil {
				return err
			}
		}
		at = got.Next
	}
	return nil
}

func (s *Simulator) reconcileRecord(ctx context.Context, record *log.Record, r *Reconciliation) error {
	e, err := event.Decode(record.Value, record.HeaderValue)
	if err != nil {
		return fmt.Errorf("%s: %w", record.Position(), err)
	}
	switch m := e.Message.(type) {
	case *eventpb.PaymentCaptured:
		return s.find(ctx, r, &r.Captured, ChargeEntry, m.GetPaymentId(), m.GetPaymentId(), m.GetAmount(), m.GetProviderReference())
	case *eventpb.RefundSucceeded:
		if m.GetMethod() != eventpb.RefundMethod_REFUND_METHOD_UNSPECIFIED { // the hotel gave it back, and the provider must not have
			return s.findNone(ctx, r, RefundEntry, m.GetRefundId())
		}
		return s.find(ctx, r, &r.Returned, RefundEntry, m.GetRefundId(), m.GetPaymentId(), m.GetAmount(), m.GetProviderReference())
	}
	return nil
}

// findNone demands that the ledger knows of no money that moved under a key.
func (s *Simulator) findNone(ctx context.Context, r *Reconciliation, kind EntryKind, key string) error {
	e, err := s.Entry(ctx, kind, key)
	if err == nil && e.Status == Succeeded {
		r.differ("%s was given back by the hotel; the ledger says that it was by the provider as well: %s", key, e.Amount)
	}
	return err
}

// find demands that the ledger has what an event says.
func (s *Simulator) find(ctx context.Context, r *Reconciliation, same *int64, kind EntryKind, key, payment string, amount *eventpb.Money, reference string) error {
	e, err := s.Entry(ctx, kind, key)
	if err != nil {
		return err
	}
	want := domain.Money{Currency: amount.GetCurrencyCode(), MinorUnits: amount.GetMinorUnits()}
	if e.Status == Succeeded && e.Amount == want && e.PaymentID == payment && e.reference() == reference {
		*same++
		return nil
	}
	r.differ("%s of payment %s moved %s as %s; the ledger says %s: %s as %s", key, payment, want, reference, e.Status, e.Amount, e.reference())
	return nil
}
