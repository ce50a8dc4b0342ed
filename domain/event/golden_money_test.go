package event_test

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain/eventpb"
)

const (
	goldenPayment = "01980000-0000-7000-8000-000000000007"
	goldenRefund  = "01980000-0000-7000-8000-000000000008"
)

func goldenSettlement() *eventpb.Settlement {
	return &eventpb.Settlement{CurrencyCode: "EUR", FeeMinorUnits: 20_000, RefundMinorUnits: 30_000, RefundedMinorUnits: 4_100, Waived: true}
}

func goldenTerms() *eventpb.Terms {
	return &eventpb.Terms{
		RatePlanId: "flexible", ExtraGuestMinorUnits: 2_500, QuoteId: "01980000-0000-7000-8000-000000000004",
		Cancellation: &eventpb.CancellationTerms{
			FreeDays: 1, FreeUntilHour: 18, NeverFree: true,
			Fee:       &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS, Amount: 1},
			NoShowFee: &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT, Amount: 100_000},
		},
		Charges: []*eventpb.Charge{{TaxId: "city", DisplayName: "City tax", MinorUnits: 1_200}},
	}
}

// moneyOriginals are the events of payments, refunds and modifications.
func moneyOriginals() []proto.Message {
	return []proto.Message{
		&eventpb.ReservationBalancePaid{HotelId: "grand", ReservationId: goldenReservation, PaymentId: goldenPayment, Amount: euros(12_000)},
		&eventpb.ReservationDeclined{
			HotelId: "grand", ReservationId: goldenReservation, Stay: goldenStay(), PaymentId: goldenPayment, DeclineCode: "insufficient_funds",
		},
		&eventpb.ReservationModified{
			HotelId: "grand", ReservationId: goldenReservation, PreviousStay: goldenStay(),
			Stay:  &eventpb.Stay{RoomTypeId: "suite", Quantity: 1, CheckInDate: "2026-07-02", CheckOutDate: "2026-07-04"},
			Guest: goldenGuest(), CurrencyCode: "EUR", NightlyMinorUnits: []int64{40_000, 42_000}, TotalMinorUnits: 83_200, PreviousTotalMinorUnits: 54_100,
			Terms: goldenTerms(), InventoryOffset: 42, Status: eventpb.ReservationStatus_RESERVATION_STATUS_PAID,
			BalanceMinorUnits: 29_100, RefundMinorUnits: 1, FeeMinorUnits: 30_100,
		},
		&eventpb.RefundGranted{HotelId: "grand", ReservationId: goldenReservation, Amount: euros(4_100), Note: "The lift was broken."},
		&eventpb.ReservationRefunded{HotelId: "grand", ReservationId: goldenReservation, Refunded: euros(34_100), Kept: euros(20_000)},
		&eventpb.PaymentRequested{
			HotelId: "grand", ReservationId: goldenReservation, PaymentId: goldenPayment, Amount: euros(54_100), Provider: "simulator",
			PaymentMethod: "pm_card_visa", BooksDate: "2026-05-21",
		},
		&eventpb.PaymentCaptured{
			HotelId: "grand", ReservationId: goldenReservation, PaymentId: goldenPayment, Amount: euros(54_100), ProviderReference: "ch_1",
		},
		&eventpb.PaymentDeclined{
			HotelId: "grand", ReservationId: goldenReservation, PaymentId: goldenPayment, DeclineCode: "insufficient_funds", ProviderReference: "ch_1",
		},
		&eventpb.PaymentFailed{HotelId: "grand", ReservationId: goldenReservation, PaymentId: goldenPayment, Cause: "no answer in 20s"},
		&eventpb.RefundRequested{
			HotelId: "grand", ReservationId: goldenReservation, PaymentId: goldenPayment, RefundId: goldenRefund, Amount: euros(30_000),
			Provider: "simulator", ProviderReference: "ch_1",
		},
		&eventpb.RefundSucceeded{
			HotelId: "grand", ReservationId: goldenReservation, PaymentId: goldenPayment, RefundId: goldenRefund, Amount: euros(30_000), ProviderReference: "re_1",
		},
		&eventpb.RefundFailed{
			HotelId: "grand", ReservationId: goldenReservation, PaymentId: goldenPayment, RefundId: goldenRefund, Amount: euros(30_000), Cause: "account_closed",
		},
	}
}

// moneyVariants are the fields that came to older events with payments.
func moneyVariants() []variant {
	return []variant{
		{"method", &eventpb.RefundSucceeded{
			HotelId: "grand", ReservationId: goldenReservation, PaymentId: goldenPayment, RefundId: goldenRefund, Amount: euros(30_000),
			Method: eventpb.RefundMethod_REFUND_METHOD_BANK_TRANSFER, Reference: "SEPA 4711", Note: "The card was canceled.",
		}},
		{"sealed", &eventpb.RefundSucceeded{
			HotelId: "grand", ReservationId: goldenReservation, PaymentId: goldenPayment, RefundId: goldenRefund, Amount: euros(30_000),
			Method: eventpb.RefundMethod_REFUND_METHOD_BANK_TRANSFER, Words: sealedWords(),
		}},
		{"sealed", &eventpb.RefundGranted{HotelId: "grand", ReservationId: goldenReservation, Amount: euros(4_100), Words: sealedWords()}},
		{"sealed", &eventpb.ReservationCanceled{
			HotelId: "grand", ReservationId: goldenReservation, Stay: goldenStay(), PreviousStatus: eventpb.ReservationStatus_RESERVATION_STATUS_PAID,
			Reason: eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST, Words: sealedWords(),
		}},
		{"payment", &eventpb.ReservationPaid{
			HotelId: "grand", ReservationId: goldenReservation, Stay: goldenStay(), PaymentId: goldenPayment, Amount: euros(54_100),
		}},
		{"settlement", &eventpb.ReservationCanceled{
			HotelId: "grand", ReservationId: goldenReservation, Stay: goldenStay(), PreviousStatus: eventpb.ReservationStatus_RESERVATION_STATUS_PAID,
			Reason: eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST, Settlement: goldenSettlement(),
		}},
		{"settlement", &eventpb.ReservationNoShow{
			HotelId: "grand", ReservationId: goldenReservation, Stay: goldenStay(), PreviousStatus: eventpb.ReservationStatus_RESERVATION_STATUS_PAID,
			Settlement: goldenSettlement(),
		}},
	}
}
