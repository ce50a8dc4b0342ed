package reservations_test

import (
	"slices"
	"testing"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/projectiontest"
	"lodge/projections/reservations"
)

// model is what the read model should say, made the obvious way: event by event, in memory.
type model struct {
	t       *testing.T
	all     map[string]*reservations.Reservation
	history map[string][]reservations.Entry
	waiters map[string]*reservations.Waiter
	paid    map[string][]log.Position // events of payments, by reservation
}

func modelOf(t *testing.T, l *projectiontest.Log, events []*event.Envelope) *model {
	m := &model{t, map[string]*reservations.Reservation{}, map[string][]reservations.Entry{}, map[string]*reservations.Waiter{}, map[string][]log.Position{}}
	for _, e := range events {
		pos := l.Append(e)
		switch x := e.Message.(type) {
		case interface{ GetEntryId() string }:
			m.wait(e, pos)
		case interface{ GetReservationId() string }:
			if pos.Topic == event.PaymentsTopic {
				m.paid[x.GetReservationId()] = append(m.paid[x.GetReservationId()], pos)
				continue
			}
			m.live(x.GetReservationId(), e, pos)
		}
	}
	return m
}

// live applies an event of a reservation.
func (m *model) live(id string, e *event.Envelope, pos log.Position) {
	r := m.all[id]
	if r == nil {
		r = m.begin(e)
		r.ReservationID, r.HotelID, r.CreateTime, r.Created = id, e.HotelID, e.Time, pos.Offset
		m.all[id] = r
	}
	r.UpdateTime, r.Updated = e.Time, pos.Offset
	r.Version++
	m.status(r, e)
	m.money(r, e)
	m.visit(r, e)
	m.history[id] = append(m.history[id], reservations.Entry{Position: pos, Type: e.Type, Time: e.Time, Status: r.Status, Reason: r.Reason, Version: r.Version})
}

func (m *model) begin(e *event.Envelope) *reservations.Reservation {
	switch x := e.Message.(type) {
	case *eventpb.ReservationPlaced:
		r := &reservations.Reservation{Guest: guestOf(x.GetGuest()), GroupID: x.GetGroupId(), WaitingListEntryID: x.GetWaitingListEntryId(),
			Nightly: x.GetNightlyMinorUnits(), Total: domain.Money{Currency: x.GetCurrencyCode(), MinorUnits: x.GetTotalMinorUnits()},
			Terms: x.GetTerms(), Channel: x.GetChannel(), ExternalReference: x.GetExternalReference()}
		if x.GetHoldExpireTime() != nil {
			r.HoldExpireTime = x.GetHoldExpireTime().AsTime()
		}
		m.book(r, x.GetStay())
		return r
	case *eventpb.ReservationRejected:
		r := &reservations.Reservation{Guest: guestOf(x.GetGuest()), GroupID: x.GetGroupId(), Channel: x.GetChannel(), ExternalReference: x.GetExternalReference()}
		for _, night := range x.GetFullNights() {
			r.FullNights = append(r.FullNights, m.day(night))
		}
		for _, b := range x.GetBrokenRestrictions() {
			broken := hotel.Broken{Restriction: b.GetRestriction(), Limit: b.GetLimit()}
			for _, night := range b.GetNights() {
				broken.Nights = append(broken.Nights, m.day(night))
			}
			r.Broken = append(r.Broken, broken)
		}
		m.book(r, x.GetStay())
		return r
	}
	m.t.Fatalf("%s begins a reservation", e.Type)
	return nil
}

func (m *model) book(r *reservations.Reservation, s *eventpb.Stay) {
	r.RoomTypeID, r.Quantity = s.GetRoomTypeId(), int(s.GetQuantity())
	r.Stay = domain.Stay{CheckIn: m.day(s.GetCheckInDate()), CheckOut: m.day(s.GetCheckOutDate())}
}

// status applies what an event says of status, reason and note.
func (m *model) status(r *reservations.Reservation, e *event.Envelope) {
	switch x := e.Message.(type) {
	case *eventpb.ReservationPlaced:
		r.Status = eventpb.ReservationStatus_RESERVATION_STATUS_PENDING
	case *eventpb.ReservationRejected:
		r.Status, r.Reason = eventpb.ReservationStatus_RESERVATION_STATUS_REJECTED, x.GetReason()
	case *eventpb.ReservationPaid:
		r.Status = eventpb.ReservationStatus_RESERVATION_STATUS_PAID
	case *eventpb.ReservationDeclined:
		r.Status, r.Reason = eventpb.ReservationStatus_RESERVATION_STATUS_REJECTED, eventpb.ReservationReason_RESERVATION_REASON_PAYMENT_DECLINED
		r.DeclineCode = x.GetDeclineCode()
	case *eventpb.ReservationCanceled:
		r.Status, r.Reason, r.Note = eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED, x.GetReason(), x.GetNote()
		r.Words = wordsOf(x.GetWords())
	case *eventpb.ReservationNoShow:
		r.Status, r.Reason = eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED, eventpb.ReservationReason_RESERVATION_REASON_NO_SHOW
	case *eventpb.GuestWalked:
		r.Status, r.Reason = eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED, eventpb.ReservationReason_RESERVATION_REASON_WALKED
		r.Note, r.RelocatedTo, r.Words = x.GetNote(), x.GetRelocatedTo(), wordsOf(x.GetWords())
	case *eventpb.ReservationRefunded:
		r.Status = eventpb.ReservationStatus_RESERVATION_STATUS_REFUNDED
	}
}

// money applies what an event says of prices and money.
func (m *model) money(r *reservations.Reservation, e *event.Envelope) {
	if x, ok := e.Message.(interface{ GetSettlement() *eventpb.Settlement }); ok {
		r.Money.Settlement = x.GetSettlement()
	}
	switch x := e.Message.(type) {
	case *eventpb.ReservationPaid:
		if r.Money.Balance = r.Total.MinorUnits; x.GetPaymentId() != "" {
			m.pay(r, x.GetAmount().GetMinorUnits(), x.GetPaymentId())
		} else {
			m.pay(r, r.Total.MinorUnits, "")
		}
	case *eventpb.ReservationBalancePaid:
		m.pay(r, x.GetAmount().GetMinorUnits(), x.GetPaymentId())
	case *eventpb.GuestCheckedIn:
		m.pay(r, x.GetSettledAtHotel().GetMinorUnits(), "")
	case *eventpb.GuestCheckedOut:
		m.pay(r, x.GetSettledAtHotel().GetMinorUnits(), "")
	case *eventpb.ReservationModified:
		m.modify(r, x)
	case *eventpb.RefundGranted:
		if r.Status == eventpb.ReservationStatus_RESERVATION_STATUS_PAID {
			r.Money.GivenBack += x.GetAmount().GetMinorUnits()
		} else {
			r.Money.GrantedAfter += x.GetAmount().GetMinorUnits()
		}
	case *eventpb.ReservationRefunded:
		r.Money.Refunded, r.Money.Kept = x.GetRefunded().GetMinorUnits(), x.GetKept().GetMinorUnits()
	}
}

// pay counts an amount as far as it is due.
func (m *model) pay(r *reservations.Reservation, amount int64, payment string) {
	counts := min(amount, r.Money.Balance)
	r.Money.Paid += counts
	r.Money.Balance -= counts
	if payment == "" {
		r.Money.Outside += counts
		return
	}
	r.Money.PaymentIDs = append(r.Money.PaymentIDs, payment)
}

func (m *model) modify(r *reservations.Reservation, x *eventpb.ReservationModified) {
	m.book(r, x.GetStay())
	if x.GetGuest() != nil {
		r.Guest = guestOf(x.GetGuest())
	}
	if len(x.GetNightlyMinorUnits()) > 0 {
		r.Nightly, r.Total.MinorUnits, r.Terms = x.GetNightlyMinorUnits(), x.GetTotalMinorUnits(), x.GetTerms()
	}
	r.Money.Balance = x.GetBalanceMinorUnits()
	r.Money.GivenBack += x.GetRefundMinorUnits()
}

// visit applies what an event says of the guest's being there.
func (m *model) visit(r *reservations.Reservation, e *event.Envelope) {
	switch x := e.Message.(type) {
	case *eventpb.GuestCheckedIn:
		r.Visit = &reservations.Visit{RoomIDs: x.GetRoomIds(), Arrived: m.day(x.GetDate()), ArriveTime: e.Time,
			SettledAtHotel: x.GetSettledAtHotel().GetMinorUnits()}
	case *eventpb.GuestCheckedOut:
		r.Visit.Left, r.Visit.LeaveTime = m.day(x.GetDate()), e.Time
		r.Visit.SettledAtHotel += x.GetSettledAtHotel().GetMinorUnits()
	case *eventpb.GuestMoved:
		r.Visit.RoomIDs = slices.Clone(r.Visit.RoomIDs) // an event has them
		r.Visit.RoomIDs[slices.Index(r.Visit.RoomIDs, x.GetFromRoomId())] = x.GetToRoomId()
	case *eventpb.GuestForgotten:
		r.Guest.GuestID = ""
	}
}

// wait applies an event of the waiting list.
func (m *model) wait(e *event.Envelope, pos log.Position) {
	switch x := e.Message.(type) {
	case *eventpb.WaitingListJoined:
		m.waiters[x.GetEntryId()] = &reservations.Waiter{HotelID: x.GetHotelId(), EntryID: x.GetEntryId(), RoomTypeID: x.GetStay().GetRoomTypeId(),
			Quantity: int(x.GetStay().GetQuantity()), Guest: guestOf(x.GetGuest()), RatePlanID: x.GetRatePlanId(), JoinDate: m.day(x.GetJoinDate()),
			Stay:  domain.Stay{CheckIn: m.day(x.GetStay().GetCheckInDate()), CheckOut: m.day(x.GetStay().GetCheckOutDate())},
			State: reservations.Waiting, CreateTime: e.Time, Created: pos.Offset, UpdateTime: e.Time, Updated: pos.Offset}
	case *eventpb.WaitingListOffered:
		w := m.waiters[x.GetEntryId()]
		w.State, w.ReservationID, w.OfferTime, w.UpdateTime, w.Updated = reservations.Offered, x.GetReservationId(), e.Time, e.Time, pos.Offset
	case *eventpb.WaiterForgotten:
		w := m.waiters[x.GetEntryId()]
		w.Guest.GuestID, w.UpdateTime, w.Updated = "", e.Time, pos.Offset
	case *eventpb.WaitingListLeft:
		w := m.waiters[x.GetEntryId()]
		w.State, w.Reason, w.UpdateTime, w.Updated = reservations.Ended, x.GetReason(), e.Time, pos.Offset
	}
}

func guestOf(g *eventpb.Guest) reservations.Guest {
	return reservations.Guest{GuestID: g.GetGuestId(), DisplayName: g.GetDisplayName(), Email: g.GetEmail(), Key: g.GetKey(), Sealed: string(g.GetSealed()),
		Adults: int(g.GetAdults()), Children: int(g.GetChildren()), Infants: int(g.GetInfants())}
}

func (m *model) day(date string) domain.Date {
	m.t.Helper()
	d, err := domain.ParseDate(date)
	if err != nil {
		m.t.Fatal(err)
	}
	return d
}

func wordsOf(w *eventpb.SealedWords) projections.Words {
	return projections.Words{Key: w.GetKey(), Sealed: string(w.GetSealed())}
}
