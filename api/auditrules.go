package api

import (
	lodgev1 "lodge/api/gen/lodge/v1"
	rpc "lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/domain/event"
)

// effect is what a call changes, and by that where it is on record.
type effect int

const (
	reads   effect = iota // nothing
	command               // a hotel or what belongs to one: its events are the record
	action                // something else, and seldom: an entry of the audit trail, before the answer
	flow                  // how far records and queues are, all the time: counted for the audit trail
)

// effects has every call that changes something; a test holds it complete.
var effects = map[string]effect{
	rpc.HotelServiceCreateHotelProcedure: command, rpc.HotelServiceUpdateHotelProcedure: command, rpc.HotelServiceArchiveHotelProcedure: command,
	rpc.HotelServiceCreateRoomTypeProcedure: command, rpc.HotelServiceUpdateRoomTypeProcedure: command, rpc.HotelServiceArchiveRoomTypeProcedure: command,

	rpc.InventoryServiceSetInventoryProcedure: command, rpc.InventoryServiceSetRestrictionsProcedure: command,

	rpc.RateServiceCreateRatePlanProcedure: command, rpc.RateServiceUpdateRatePlanProcedure: command,
	rpc.RateServiceArchiveRatePlanProcedure: command, rpc.RateServiceSetRatesProcedure: command,

	rpc.ReservationServiceCreateReservationProcedure: command, rpc.ReservationServiceBatchCreateReservationsProcedure: command,
	rpc.ReservationServiceUpdateReservationProcedure: command, rpc.ReservationServiceConfirmReservationProcedure: command,
	rpc.ReservationServiceCancelReservationProcedure: command, rpc.ReservationServiceMarkNoShowProcedure: command,

	rpc.PaymentServicePayReservationProcedure: command, rpc.PaymentServiceRefundReservationProcedure: command, rpc.PaymentServiceSettleRefundProcedure: command,
	rpc.PaymentServicePayGroupProcedure: command, rpc.ReservationServiceCancelGroupProcedure: command,

	rpc.StayServiceCheckInReservationProcedure: command, rpc.StayServiceCheckOutReservationProcedure: command, rpc.StayServiceWalkReservationProcedure: command,
	rpc.StayServiceMoveGuestProcedure: command,

	rpc.RoomServiceCreateRoomProcedure: command, rpc.RoomServiceUpdateRoomProcedure: command, rpc.RoomServiceArchiveRoomProcedure: command,

	rpc.WaitingListServiceJoinWaitingListProcedure: command, rpc.WaitingListServiceLeaveWaitingListProcedure: command,

	rpc.GuestServiceForgetGuestProcedure: command,

	rpc.AccessServiceCreateTokenProcedure: action, rpc.AccessServiceRevokeTokenProcedure: action,

	rpc.AccountServiceSignUpProcedure: action, rpc.AccountServiceCreateAccountProcedure: action, rpc.AccountServiceUpdateAccountProcedure: action,
	rpc.AccountServiceDisableAccountProcedure: action, rpc.AccountServiceEnableAccountProcedure: action, rpc.AccountServiceDeleteAccountProcedure: action,
	rpc.AccountServiceChangePasswordProcedure: action, rpc.AccountServiceInviteAccountProcedure: action, rpc.AccountServiceAcceptInvitationProcedure: action,
	rpc.SessionServiceCreateSessionProcedure: action, rpc.SessionServiceDeleteSessionProcedure: action, rpc.SessionServiceRefreshSessionProcedure: flow,

	rpc.AdminServiceCreateTopicProcedure: action, rpc.AdminServiceUpdateTopicProcedure: action, rpc.AdminServiceDeleteTopicProcedure: action,
	rpc.AdminServiceAddPartitionsProcedure: action, rpc.AdminServiceRetirePartitionsProcedure: action,
	rpc.AdminServiceDeleteRecordsProcedure: action, rpc.AdminServiceRebuildProjectionProcedure: action,

	rpc.ProcessServiceRequeueLetterProcedure: action, rpc.ProcessServiceDeleteLetterProcedure: action,

	rpc.GroupServiceResetGroupOffsetsProcedure: action, rpc.GroupServiceDeleteGroupProcedure: action,
	rpc.QueueServiceCreateQueueProcedure: action, rpc.QueueServiceUpdateQueueProcedure: action, rpc.QueueServiceDeleteQueueProcedure: action,
	rpc.ScheduleServiceCreateScheduleProcedure: action, rpc.ScheduleServiceDeleteScheduleProcedure: action,

	rpc.MessageServiceProduceProcedure: flow, rpc.MessageServiceConsumeProcedure: flow, rpc.MessageServiceCommitProcedure: flow,
	rpc.QueueServiceReceiveProcedure: flow, rpc.QueueServiceAckProcedure: flow, rpc.QueueServiceNackProcedure: flow,
	rpc.QueueServiceExtendVisibilityProcedure: flow,
}

// givers says which call gives a command, by the command's name: of the commands that clients give each has one. A test holds it complete.
var givers = map[string]string{
	"create_hotel": rpc.HotelServiceCreateHotelProcedure, "update_hotel": rpc.HotelServiceUpdateHotelProcedure, "archive_hotel": rpc.HotelServiceArchiveHotelProcedure,
	"create_room_type": rpc.HotelServiceCreateRoomTypeProcedure, "update_room_type": rpc.HotelServiceUpdateRoomTypeProcedure, "archive_room_type": rpc.HotelServiceArchiveRoomTypeProcedure,

	"set_inventory": rpc.InventoryServiceSetInventoryProcedure, "set_restrictions": rpc.InventoryServiceSetRestrictionsProcedure,

	"create_rate_plan": rpc.RateServiceCreateRatePlanProcedure, "update_rate_plan": rpc.RateServiceUpdateRatePlanProcedure,
	"archive_rate_plan": rpc.RateServiceArchiveRatePlanProcedure, "set_rates": rpc.RateServiceSetRatesProcedure,

	"place_reservation": rpc.ReservationServiceCreateReservationProcedure, "place_group": rpc.ReservationServiceBatchCreateReservationsProcedure,
	"modify_reservation": rpc.ReservationServiceUpdateReservationProcedure, "confirm_reservation": rpc.ReservationServiceConfirmReservationProcedure,
	"cancel_reservation": rpc.ReservationServiceCancelReservationProcedure, "mark_no_show": rpc.ReservationServiceMarkNoShowProcedure,

	"request_payment": rpc.PaymentServicePayReservationProcedure, "grant_refund": rpc.PaymentServiceRefundReservationProcedure, "settle_refund": rpc.PaymentServiceSettleRefundProcedure,
	"pay_group": rpc.PaymentServicePayGroupProcedure, "cancel_group": rpc.ReservationServiceCancelGroupProcedure,

	"check_in": rpc.StayServiceCheckInReservationProcedure, "check_out": rpc.StayServiceCheckOutReservationProcedure, "walk": rpc.StayServiceWalkReservationProcedure,
	"move_guest": rpc.StayServiceMoveGuestProcedure,

	"create_room": rpc.RoomServiceCreateRoomProcedure, "update_room": rpc.RoomServiceUpdateRoomProcedure, "archive_room": rpc.RoomServiceArchiveRoomProcedure,

	"join_waiting_list": rpc.WaitingListServiceJoinWaitingListProcedure, "leave_waiting_list": rpc.WaitingListServiceLeaveWaitingListProcedure,

	"forget_guest": rpc.GuestServiceForgetGuestProcedure, "forget_waiter": rpc.GuestServiceForgetGuestProcedure,
}

// platformCommands are those that no call gives.
var platformCommands = map[string]bool{
	"expire_holds": true, "offer_rooms": true, "extend_inventory": true, "decline_reservation": true,
	"record_payment": true, "settle_refunds": true, "record_refund": true, "complete_refund": true,
}

// methodOf returns the call that led to an event, or "" when none did, or the event does not tell. The platform gives some commands of clients too.
func methodOf(e *event.Envelope) string {
	if giver := givers[e.Command]; giver != "" && originOf(e) == lodgev1.EventOrigin_EVENT_ORIGIN_CLIENT {
		return giver[1:]
	}
	return ""
}

// harmless are the calls that change nothing though their protos do not say so: streams, and what a GET could not carry.
var harmless = []string{
	rpc.AvailabilityServiceWatchAvailabilityProcedure, rpc.EventServiceSubscribeProcedure,
	rpc.ProofServiceVerifyNoOversellProcedure, rpc.ProofServiceCheckCertificateProcedure,
}
