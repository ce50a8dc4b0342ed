package reservations

import (
	"time"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

// Reservation is a reservation as it is now.
type Reservation struct {
	HotelID, ReservationID string
	RoomTypeID             string
	Quantity               int
	Stay                   domain.Stay
	Guest                  Guest
	Status                 eventpb.ReservationStatus
	Reason                 eventpb.ReservationReason // why it is canceled or rejected
	Note                   string                    // to the reason
	Nightly                []int64                   // minor units for all rooms, in order of the nights; nil when rejected
	Total                  domain.Money              // zero when rejected
	HoldExpireTime         time.Time                 // zero: the hold does not expire
	Channel                string
	ExternalReference      string
	FullNights             []domain.Date // why it was rejected
	Broken                 []hotel.Broken
	Terms                  *eventpb.Terms // nil: none; of one that is rejected the rate plan only
	CreateTime             time.Time      // of the first event
	UpdateTime             time.Time      // of the last
	Created, Updated       log.Offset     // of those events, in topic bookings
}

// Guest is who books and who stays.
type Guest struct {
	GuestID                   string // the booker's account, or empty
	DisplayName               string
	Email                     string
	Adults, Children, Infants int
}

func guestOf(g *eventpb.Guest) Guest {
	return Guest{GuestID: g.GetGuestId(), DisplayName: g.GetDisplayName(), Email: g.GetEmail(),
		Adults: int(g.GetAdults()), Children: int(g.GetChildren()), Infants: int(g.GetInfants())}
}

// setStay reads the stay that a reservation begins with.
func (r *Reservation) setStay(s *eventpb.Stay) (err error) {
	r.RoomTypeID, r.Quantity = s.GetRoomTypeId(), int(s.GetQuantity())
	if r.Stay.CheckIn, err = domain.ParseDate(s.GetCheckInDate()); err != nil {
		return err
	}
	r.Stay.CheckOut, err = domain.ParseDate(s.GetCheckOutDate())
	return err
}

// begin returns the reservation that an event begins, or nil when it begins none.
func begin(m any) (*Reservation, error) {
	switch m := m.(type) {
	case *eventpb.ReservationPlaced:
		return placed(m)
	case *eventpb.ReservationRejected:
		return rejected(m)
	}
	return nil, nil
}

func placed(m *eventpb.ReservationPlaced) (*Reservation, error) {
	r := &Reservation{
		HotelID: m.GetHotelId(), ReservationID: m.GetReservationId(), Guest: guestOf(m.GetGuest()),
		Nightly: m.GetNightlyMinorUnits(), Total: domain.Money{Currency: m.GetCurrencyCode(), MinorUnits: m.GetTotalMinorUnits()},
		Channel: m.GetChannel(), ExternalReference: m.GetExternalReference(),
	}
	r.Terms = m.GetTerms()
	if t := m.GetHoldExpireTime(); t != nil {
		r.HoldExpireTime = t.AsTime()
	}
	return r, r.setStay(m.GetStay())
}

func rejected(m *eventpb.ReservationRejected) (*Reservation, error) {
	r := &Reservation{
		HotelID: m.GetHotelId(), ReservationID: m.GetReservationId(), Guest: guestOf(m.GetGuest()),
		Channel: m.GetChannel(), ExternalReference: m.GetExternalReference(),
	}
	if m.GetRatePlanId() != "" {
		r.Terms = &eventpb.Terms{RatePlanId: m.GetRatePlanId()}
	}
	for _, night := range m.GetFullNights() {
		d, err := domain.ParseDate(night)
		if err != nil {
			return nil, err
		}
		r.FullNights = append(r.FullNights, d)
	}
	for _, b := range m.GetBrokenRestrictions() {
		broken := hotel.Broken{Restriction: b.GetRestriction(), Limit: b.GetLimit()}
		for _, night := range b.GetNights() {
			d, err := domain.ParseDate(night)
			if err != nil {
				return nil, err
			}
			broken.Nights = append(broken.Nights, d)
		}
		r.Broken = append(r.Broken, broken)
	}
	return r, r.setStay(m.GetStay())
}

// state is what every event says of the reservation from it on; the status follows from the kind.
type state struct {
	kind   kind
	reason eventpb.ReservationReason
	note   string
}

// stateAfter returns the state after an event, and false when it is no reservation's.
func stateAfter(m any) (state, bool) {
	switch m := m.(type) {
	case *eventpb.ReservationPlaced:
		return state{kind: kindPlaced}, true
	case *eventpb.ReservationRejected:
		return state{kind: kindRejected, reason: m.GetReason()}, true
	case *eventpb.ReservationPaid:
		return state{kind: kindPaid}, true
	case *eventpb.ReservationCanceled:
		return state{kindCanceled, m.GetReason(), m.GetNote()}, true
	case *eventpb.ReservationNoShow:
		return state{kind: kindNoShow, reason: eventpb.ReservationReason_RESERVATION_REASON_NO_SHOW}, true
	}
	return state{}, false
}

// kind is an event's type as the history stores it. The numbers never change.
type kind int64

const (
	kindPlaced   kind = 1
	kindRejected kind = 2
	kindPaid     kind = 3
	kindCanceled kind = 4
	kindNoShow   kind = 5
)
