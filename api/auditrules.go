package api

import rpc "lodge/api/gen/lodge/v1/lodgev1connect"

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

// harmless are the calls that change nothing though their protos do not say so: streams, and what a GET could not carry.
var harmless = []string{
	rpc.AvailabilityServiceWatchAvailabilityProcedure, rpc.EventServiceSubscribeProcedure,
	rpc.ProofServiceVerifyNoOversellProcedure, rpc.ProofServiceCheckCertificateProcedure,
}
