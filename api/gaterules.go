package api

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"connectrpc.com/grpchealth"
	"google.golang.org/protobuf/proto"

	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	rpc "lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/domain"
)

// check lets a caller of one role in to a call, or says why not.
type check func(context.Context, *gate, *caller, proto.Message) error

// rule says who may make a call, beside platform admins, who may make all. A nil check: nobody of the role.
type rule struct {
	anonymous, guest, staff, service check
}

// of returns what is checked of a role.
func (r rule) of(role access.Role) check {
	switch role {
	case access.Service:
		return r.service
	case access.Staff:
		return r.staff
	case access.Guest:
		return r.guest
	default:
		return nil
	}
}

var (
	public    = rule{everything, everything, everything, everything}
	known     = rule{nil, everything, everything, everything}
	booking   = rule{newBooking, theirAccount, inTheirHotels, everything}
	reserved  = rule{theirReservation, theirReservation, inTheirHotels, everything}
	grouped   = rule{theirGroup, theirGroup, inTheirHotels, everything}
	listed    = rule{theirList, theirList, inTheirHotels, everything}
	ownList   = rule{nil, theirAccount, inTheirHotels, everything}
	ownEntry  = rule{nil, theirEntry, inTheirHotels, everything}
	house     = rule{nil, nil, inTheirHotels, everything}
	chain     = rule{nil, nil, hotelsTheyName, everything}
	forgotten = rule{theirsToForget, theirsToForget, inTheirHotelsToForget, unforced(everything)}
	history   = rule{nil, nil, eventsOfTheirHotels, notTheirs}
	programs  = rule{nil, nil, nil, notTheirs}
	own       = rule{nil, theirOwn, theirOwn, theirOwn}
	forPeople = rule{nil, nil, inTheirHotels, nil} // programs have the events; letters and who tried what are not theirs
	lettered  = rule{nil, nil, letterOfTheirHotels, nil}
	adminOnly = rule{}
)

// rules is who may make which call. A call that is not in it is for platform admins; a test holds it complete.
var rules = map[string]rule{
	rpc.HotelServiceGetHotelProcedure: public, rpc.HotelServiceListHotelsProcedure: public,
	rpc.HotelServiceGetRoomTypeProcedure: public, rpc.HotelServiceListRoomTypesProcedure: public,
	rpc.HotelServiceCreateHotelProcedure: programs, rpc.HotelServiceArchiveHotelProcedure: programs,
	rpc.HotelServiceUpdateHotelProcedure: house, rpc.HotelServiceCreateRoomTypeProcedure: house,
	rpc.HotelServiceUpdateRoomTypeProcedure: house, rpc.HotelServiceArchiveRoomTypeProcedure: house,

	rpc.InventoryServiceSetInventoryProcedure: house, rpc.InventoryServiceSetRestrictionsProcedure: house, rpc.InventoryServiceListInventoryProcedure: house,

	rpc.AvailabilityServiceSearchHotelsProcedure: public, rpc.AvailabilityServiceFindAlternativesProcedure: public,
	rpc.AvailabilityServiceGetAvailabilityProcedure: public, rpc.AvailabilityServiceWatchAvailabilityProcedure: known,

	rpc.RateServiceGetRatePlanProcedure: public, rpc.RateServiceListRatePlansProcedure: public,
	rpc.RateServiceListRatesProcedure: public, rpc.RateServiceQuoteStayProcedure: public,
	rpc.RateServiceCreateRatePlanProcedure: house, rpc.RateServiceUpdateRatePlanProcedure: house,
	rpc.RateServiceArchiveRatePlanProcedure: house, rpc.RateServiceSetRatesProcedure: house,

	rpc.ReservationServiceCreateReservationProcedure: booking, rpc.ReservationServiceBatchCreateReservationsProcedure: booking,
	rpc.ReservationServiceGetReservationProcedure: reserved, rpc.ReservationServiceListReservationsProcedure: listed,
	rpc.ReservationServiceUpdateReservationProcedure: reserved, rpc.ReservationServiceCancelReservationProcedure: reserved,
	rpc.ReservationServiceQuoteModificationProcedure:  reserved,
	rpc.ReservationServiceConfirmReservationProcedure: house, rpc.ReservationServiceMarkNoShowProcedure: house,
	rpc.ReservationServiceListReservationEventsProcedure: house, rpc.ReservationServiceGetReservationHistoryProcedure: house,
	rpc.ReservationServiceExplainRejectionProcedure: house,

	rpc.PaymentServicePayReservationProcedure: reserved, rpc.PaymentServiceGetPaymentProcedure: reserved,
	rpc.PaymentServiceListPaymentsProcedure: reserved, rpc.PaymentServiceQuoteCancellationProcedure: reserved,
	rpc.PaymentServiceRefundReservationProcedure: house, rpc.PaymentServiceSettleRefundProcedure: house,
	rpc.PaymentServicePayGroupProcedure: grouped, rpc.ReservationServiceCancelGroupProcedure: grouped,

	rpc.StayServiceCheckInReservationProcedure: house, rpc.StayServiceCheckOutReservationProcedure: house, rpc.StayServiceWalkReservationProcedure: house,
	rpc.StayServiceMoveGuestProcedure: house,

	rpc.RoomServiceCreateRoomProcedure: house, rpc.RoomServiceGetRoomProcedure: house, rpc.RoomServiceListRoomsProcedure: house,
	rpc.RoomServiceUpdateRoomProcedure: house, rpc.RoomServiceArchiveRoomProcedure: house,

	rpc.WaitingListServiceJoinWaitingListProcedure: ownList, rpc.WaitingListServiceListWaitingListEntriesProcedure: ownList,
	rpc.WaitingListServiceGetWaitingListEntryProcedure: ownEntry, rpc.WaitingListServiceLeaveWaitingListProcedure: ownEntry,

	rpc.GuestServiceForgetGuestProcedure: forgotten,

	rpc.EventServiceReadEventsProcedure: history, rpc.EventServiceSubscribeProcedure: history, rpc.EventServiceGetEventProcedure: programs,

	rpc.ProofServiceVerifyNoOversellProcedure: programs, rpc.ProofServiceCheckCertificateProcedure: programs, rpc.ProofServiceSimulateOverbookingProcedure: house,
	rpc.ProofServiceSimulateHotelsProcedure: chain,

	rpc.MessageServiceProduceProcedure: programs, rpc.MessageServiceFetchProcedure: programs,
	rpc.MessageServiceConsumeProcedure: programs, rpc.MessageServiceCommitProcedure: programs,
	rpc.GroupServiceListGroupsProcedure: programs, rpc.GroupServiceGetGroupProcedure: programs,
	rpc.GroupServiceResetGroupOffsetsProcedure: programs, rpc.GroupServiceDeleteGroupProcedure: programs,
	rpc.QueueServiceCreateQueueProcedure: programs, rpc.QueueServiceGetQueueProcedure: programs, rpc.QueueServiceListQueuesProcedure: programs,
	rpc.QueueServiceUpdateQueueProcedure: programs, rpc.QueueServiceDeleteQueueProcedure: programs, rpc.QueueServiceReceiveProcedure: programs,
	rpc.QueueServiceAckProcedure: programs, rpc.QueueServiceNackProcedure: programs, rpc.QueueServiceExtendVisibilityProcedure: programs,
	rpc.ScheduleServiceCreateScheduleProcedure: programs, rpc.ScheduleServiceGetScheduleProcedure: programs,
	rpc.ScheduleServiceListSchedulesProcedure: programs, rpc.ScheduleServiceDeleteScheduleProcedure: programs,

	rpc.AdminServiceGetHealthProcedure: public, rpc.AdminServiceListTopicsProcedure: programs, rpc.AdminServiceGetTopicProcedure: programs,
	rpc.AdminServiceListPartitionsProcedure: programs, rpc.AdminServiceListProjectionsProcedure: programs,
	rpc.AdminServiceCreateTopicProcedure: adminOnly, rpc.AdminServiceUpdateTopicProcedure: adminOnly, rpc.AdminServiceDeleteTopicProcedure: adminOnly,
	rpc.AdminServiceAddPartitionsProcedure: adminOnly, rpc.AdminServiceRetirePartitionsProcedure: adminOnly,
	rpc.AdminServiceDeleteRecordsProcedure: adminOnly, rpc.AdminServiceRebuildProjectionProcedure: adminOnly,

	rpc.ProcessServiceListProcessesProcedure: programs, rpc.ProcessServiceGetLetterProcedure: lettered, rpc.ProcessServiceListLettersProcedure: forPeople,
	rpc.ProcessServiceRequeueLetterProcedure: lettered, rpc.ProcessServiceDeleteLetterProcedure: lettered,

	rpc.AccessServiceCreateTokenProcedure: adminOnly, rpc.AccessServiceGetTokenProcedure: adminOnly,
	rpc.AccessServiceListTokensProcedure: adminOnly, rpc.AccessServiceRevokeTokenProcedure: adminOnly,

	rpc.AccountServiceSignUpProcedure: public, rpc.AccountServiceAcceptInvitationProcedure: public,
	rpc.AccountServiceGetAccountProcedure: own, rpc.AccountServiceDeleteAccountProcedure: own, rpc.AccountServiceChangePasswordProcedure: own,
	rpc.AccountServiceCreateAccountProcedure: adminOnly, rpc.AccountServiceListAccountsProcedure: adminOnly, rpc.AccountServiceUpdateAccountProcedure: adminOnly,
	rpc.AccountServiceDisableAccountProcedure: adminOnly, rpc.AccountServiceEnableAccountProcedure: adminOnly, rpc.AccountServiceInviteAccountProcedure: adminOnly,

	rpc.SessionServiceCreateSessionProcedure: public, rpc.SessionServiceRefreshSessionProcedure: public,
	rpc.SessionServiceListSessionsProcedure: own, rpc.SessionServiceDeleteSessionProcedure: own,

	rpc.AuditServiceListAuditEntriesProcedure: forPeople,

	"/" + grpchealth.HealthV1ServiceName + "/Check": public, "/" + grpchealth.HealthV1ServiceName + "/Watch": public,
	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": public, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": public,
}

// resourceOf returns the name of what a message is about: of it, or of what it is in.
func resourceOf(msg proto.Message) string {
	switch m := msg.(type) {
	case *lodgev1.UpdateHotelRequest:
		return m.GetHotel().GetName()
	case *lodgev1.UpdateRoomTypeRequest:
		return m.GetRoomType().GetName()
	case *lodgev1.UpdateRatePlanRequest:
		return m.GetRatePlan().GetName()
	case *lodgev1.UpdateReservationRequest:
		return m.GetReservation().GetName()
	case *lodgev1.QuoteModificationRequest:
		return m.GetReservation().GetName()
	case *lodgev1.UpdateRoomRequest:
		return m.GetRoom().GetName()
	case *lodgev1.SetRatesRequest:
		return m.GetRatePlan()
	case *lodgev1.ListAuditEntriesRequest:
		return cmp.Or(m.GetHotel(), m.GetReservation())
	case interface{ GetParent() string }:
		return m.GetParent()
	case interface{ GetName() string }:
		return m.GetName()
	case interface{ GetHotel() string }:
		return m.GetHotel()
	case interface{ GetRoomType() string }:
		return m.GetRoomType()
	}
	return ""
}

// hotelOf returns the id of the hotel that a message is about, or what is no id of any.
func hotelOf(msg proto.Message) string {
	rest, ok := strings.CutPrefix(resourceOf(msg), hotelsPrefix)
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "/")
	return id
}

// childOf returns the id of the reservation or entry in the hotel that a message is about.
func childOf(msg proto.Message, infix string) (id string, ok bool) {
	_, rest, ok := strings.Cut(resourceOf(msg), infix)
	id, _, _ = strings.Cut(rest, "/")
	return id, ok && id != ""
}

// hotelsField returns the field by which a message asks for what only the hotel may do, or "".
func hotelsField(msg proto.Message) string {
	switch m := msg.(type) {
	case interface { // a reservation's, or a group's
		GetWaive() bool
		GetReason() lodgev1.ReservationReason
	}:
		switch {
		case m.GetWaive():
			return "waive"
		case m.GetReason() != lodgev1.ReservationReason_RESERVATION_REASON_UNSPECIFIED && m.GetReason() != lodgev1.ReservationReason_RESERVATION_REASON_GUEST_REQUEST:
			return "reason"
		}
	case *lodgev1.LeaveWaitingListRequest:
		if m.GetByHotel() {
			return "by_hotel"
		}
	case *lodgev1.ListReservationsRequest:
		if m.GetGuestQuery() != "" {
			return "guest_query"
		}
	}
	return ""
}

// theirAccount lets a guest in to what names their account and no other. A booking that names none is theirs.
func theirAccount(_ context.Context, _ *gate, c *caller, msg proto.Message) error {
	if field := hotelsField(msg); field != "" {
		return forTheHotel(field)
	}
	return bind(msg, c.token.GuestID)
}

// theirsToForget lets a guest in to forget their own account, or a booking of theirs.
func theirsToForget(ctx context.Context, g *gate, c *caller, msg proto.Message) error {
	name := resourceOf(msg)
	check := theirReservation
	switch {
	case c.token != nil && name == guestsPrefix+c.token.GuestID:
		check = everything
	case strings.HasPrefix(name, guestsPrefix):
		return denied(ReasonNotYours, notYours)
	case c.token != nil && strings.Contains(name, waitingListInfix):
		check = theirEntry
	}
	return unforced(check)(ctx, g, c, msg)
}

// inTheirHotelsToForget lets staff in to the bookings of their hotels. An account may have others.
func inTheirHotelsToForget(ctx context.Context, g *gate, c *caller, msg proto.Message) error {
	return unforced(inTheirHotels)(ctx, g, c, msg)
}

// unforced refuses to forget somebody who is still needed, which only platform admins answer for.
func unforced(next check) check {
	return func(ctx context.Context, g *gate, c *caller, msg proto.Message) error {
		if m, ok := msg.(*lodgev1.ForgetGuestRequest); ok && m.GetForce() {
			return domain.Errorf(ReasonForbiddenField, "force", "the field force is for platform admins")
		}
		return next(ctx, g, c, msg)
	}
}

// bind makes what a message books or asks for that of one account, or of none when it is empty, and refuses it when it names another.
func bind(msg proto.Message, own string) error {
	field := "reservation.guest.guest_id"
	var guests []*lodgev1.Guest
	switch m := msg.(type) {
	case *lodgev1.CreateReservationRequest:
		guests = append(guests, guestOf(m))
	case *lodgev1.BatchCreateReservationsRequest:
		for _, r := range m.GetRequests() {
			guests = append(guests, guestOf(r))
		}
	case *lodgev1.UpdateReservationRequest:
		if g := guestChanged(m); g != nil {
			if own == "" && strings.TrimSpace(g.GetEmail()) == "" {
				return domain.Errorf(ReasonForbiddenField, "reservation.guest.email", "the e-mail address is how the guest comes back to a reservation that is in no account: give one")
			}
			guests = append(guests, g)
		}
	case *lodgev1.JoinWaitingListRequest:
		field = "entry.guest.guest_id"
		if m.GetEntry() != nil && m.GetEntry().Guest == nil {
			m.Entry.Guest = &lodgev1.Guest{}
		}
		guests = append(guests, m.GetEntry().GetGuest())
	case interface{ GetGuestId() string }:
		field = "guest_id"
		guests = append(guests, &lodgev1.Guest{GuestId: m.GetGuestId()})
		if m.GetGuestId() == "" {
			return domain.Errorf(ReasonForbiddenField, field, "list by your own guest_id")
		}
	}
	for _, g := range guests {
		if g.GetGuestId() != "" && g.GetGuestId() != own {
			return domain.Errorf(ReasonForbiddenField, field, "the guest_id is not yours")
		}
		if g != nil {
			g.GuestId = own
		}
	}
	return nil
}

// guestChanged returns the guest that a reservation gets by a change, made when it gets none. nil: it keeps the one that it has.
func guestChanged(m *lodgev1.UpdateReservationRequest) *lodgev1.Guest {
	r, paths := m.GetReservation(), m.GetUpdateMask().GetPaths()
	masked := slices.Contains(paths, "guest") || slices.Contains(paths, "*")
	switch {
	case len(paths) > 0 && !masked:
		return nil
	case masked && r != nil && r.Guest == nil:
		r.Guest = &lodgev1.Guest{}
	}
	return r.GetGuest()
}

// guestOf returns the guest of a booking, made when there is none. nil: it books nothing.
func guestOf(m *lodgev1.CreateReservationRequest) *lodgev1.Guest {
	if m.GetReservation() == nil {
		return nil
	}
	if m.Reservation.Guest == nil {
		m.Reservation.Guest = &lodgev1.Guest{}
	}
	return m.Reservation.Guest
}

// newBooking lets in who has no account: with the e-mail address by which they come back to the booking, and in nobody's account.
func newBooking(_ context.Context, _ *gate, c *caller, msg proto.Message) error {
	if c.stale != nil { // it would have been in their account
		return c.stale
	}
	if err := bind(msg, ""); err != nil {
		return err
	}
	var requests []*lodgev1.CreateReservationRequest
	switch m := msg.(type) {
	case *lodgev1.CreateReservationRequest:
		requests = append(requests, m)
	case *lodgev1.BatchCreateReservationsRequest:
		requests = m.GetRequests()
	}
	for _, r := range requests {
		if strings.TrimSpace(r.GetReservation().GetGuest().GetEmail()) == "" {
			return domain.Errorf(access.ReasonTokenRequired, "", "without a token a booking needs its guest's e-mail address, by which the guest comes back to it")
		}
	}
	return nil
}

// theirOwn lets in who signed in, to their account and its sessions.
func theirOwn(_ context.Context, _ *gate, c *caller, msg proto.Message) error {
	id, ok := strings.CutPrefix(resourceOf(msg), accountsPrefix)
	id, _, _ = strings.Cut(id, "/")
	if !ok || c.account == "" || id != ownAccount && id != c.account {
		return denied(ReasonNotYours, notYours)
	}
	return nil
}
