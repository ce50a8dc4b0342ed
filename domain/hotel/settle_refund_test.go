package hotel

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func TestSettleRefund(t *testing.T) {
	failed := &RecordRefund{Hotel: "grand", ReservationID: uuid(1), PaymentID: paymentID(1), RefundID: refundID(1), Cause: "account_closed"}
	byCash := &SettleRefund{
		Hotel: "grand", ReservationID: uuid(1), PaymentID: paymentID(1), RefundID: refundID(1), Method: eventpb.RefundMethod_REFUND_METHOD_CASH,
		Reference: "receipt 7", Note: "The card was canceled.",
	}
	spoiled := func(change func(*SettleRefund)) *SettleRefund { return with(byCash, change) }
	owed := bought(cancel(1), settle(1, 1))
	refused := append(slices.Clip(owed), failed)
	settled := append(slices.Clip(refused), byCash)
	runAll(t, []scenario{
		{name: "in cash", given: refused, when: byCash, then: []proto.Message{&eventpb.RefundSucceeded{
			HotelId: "grand", ReservationId: uuid(1), PaymentId: paymentID(1), RefundId: refundID(1), Amount: euros(30_000),
			Method: eventpb.RefundMethod_REFUND_METHOD_CASH, Reference: "receipt 7", Note: "The card was canceled.",
		}}},
		{name: "which completes it", given: settled, when: &CompleteRefund{Hotel: "grand", ReservationID: uuid(1)}, then: []proto.Message{
			&eventpb.ReservationRefunded{HotelId: "grand", ReservationId: uuid(1), Refunded: euros(30_000), Kept: euros(0)},
		}},
		{name: "and nothing is asked for again", given: settled, when: settle(1, 2)},
		{name: "once", given: settled, when: byCash, reason: domain.StatusConflict, field: "refund_id"},
		{name: "and does not fail", given: settled, when: failed},
		{name: "and a provider who gives it back as well is for people", given: settled, when: returned(1, 1, 1), reason: domain.RefundTooLarge, field: "refund_id"},
		{name: "not while the provider may give it back", given: owed, when: byCash, reason: domain.StatusConflict, field: "refund_id"},
		{name: "not when the provider did", given: append(slices.Clip(owed), returned(1, 1, 1)), when: byCash, reason: domain.StatusConflict, field: "refund_id"},
		{name: "not while it is asked for again", given: append(slices.Clip(refused), settle(1, 2)), when: byCash, reason: domain.RefundTooLarge, field: "refund_id"},
		{name: "by no method", given: refused, when: spoiled(func(c *SettleRefund) { c.Method = 0 }), reason: domain.InvalidArgument, field: "method"},
		{name: "by an unknown method", given: refused, when: spoiled(func(c *SettleRefund) { c.Method = 9 }), reason: domain.InvalidArgument, field: "method"},
		{
			name: "with a long reference", given: refused, when: spoiled(func(c *SettleRefund) { c.Reference = strings.Repeat("x", ReferenceMax+1) }),
			reason: domain.InvalidArgument, field: "reference",
		},
		{name: "with a long note", given: refused, when: spoiled(func(c *SettleRefund) { c.Note = strings.Repeat("x", NoteMax+1) }), reason: domain.InvalidArgument, field: "note"},
		{name: "of no refund", given: refused, when: spoiled(func(c *SettleRefund) { c.RefundID = refundID(9) }), reason: domain.PaymentNotFound, field: "refund_id"},
	})
}
