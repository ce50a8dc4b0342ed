package reservations

import (
	"time"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections"
)

// Reservation is a reservation as it is now. Its amounts are minor units of Total's currency.
type Reservation struct {
	HotelID, ReservationID string
	GroupID                string // of those that were placed with it, or empty
	WaitingListEntryID     string // of the entry that it was offered to, or empty
	RoomTypeID             string
	Quantity               int
	Stay                   domain.Stay
	Guest                  Guest
	Status                 eventpb.ReservationStatus
	Reason                 eventpb.ReservationReason // why it is canceled, rejected or refunded
	Note                   string                    // to the reason
	Words                  projections.Words         // Note and RelocatedTo, sealed; they are empty then
	Nightly                []int64                   // for all rooms, in order of the nights; nil when rejected
	Total                  domain.Money              // zero when rejected
	HoldExpireTime         time.Time                 // zero: the hold does not expire
	Channel                string
	ExternalReference      string
	FullNights             []domain.Date // why it was rejected
	Broken                 []hotel.Broken
	Terms                  *eventpb.Terms // nil: none; of one that is rejected the rate plan only
	Money                  Money
	Visit                  *Visit     // nil: nobody has checked in
	RelocatedTo            string     // where the guest was sent instead
	DeclineCode            string     // why the payment was declined that ended it
	CreateTime             time.Time  // of the first event
	UpdateTime             time.Time  // of the last
	Created, Updated       log.Offset // of those events, in topic bookings
	Version                int64      // counts its events, from 1, as hotel.State does: the etag
}

// Money is what the reservation's own events say of money. What providers did is in the read model of payments.
type Money struct {
	PaymentIDs   []string            // of the payments that have counted, in order; those settled outside the platform have none
	Paid         int64               // all that was paid for it, balances and what was settled at the hotel included; what is too much does not count
	Outside      int64               // of that, settled outside the platform
	Balance      int64               // what is still to be paid while it is PAID
	GivenBack    int64               // promised back while it stood: by modifications and grants
	GrantedAfter int64               // promised back after its end, of what its settlement kept
	Settlement   *eventpb.Settlement // what its end kept and gave back; nil: nothing was captured, or it has not ended
	Refunded     int64               // what had been given back when it became REFUNDED
	Kept         int64               // and what was kept
}

// Keeps returns what the house keeps of the payments that have counted, while the reservation is PAID.
func (m *Money) Keeps() int64 { return m.Paid - m.Outside - m.GivenBack }

// Visit is a guest's being there.
type Visit struct {
	RoomIDs        []string // one for each room that was reserved
	Arrived        domain.Date
	Left           domain.Date // meaningful with LeaveTime
	ArriveTime     time.Time
	LeaveTime      time.Time // zero: in house
	SettledAtHotel int64     // of the balance
}

// InHouse reports whether the guest has come and not left yet.
func (r *Reservation) InHouse() bool { return r.Visit != nil && r.Visit.LeaveTime.IsZero() }

// stands reports whether the reservation has not come to nothing: its guest is expected, there, or has been there.
func (r *Reservation) stands() bool {
	return r.Status == eventpb.ReservationStatus_RESERVATION_STATUS_PENDING || r.Status == eventpb.ReservationStatus_RESERVATION_STATUS_PAID
}

// Guest is who books and who stays.
type Guest struct {
	GuestID                   string // the booker's account, or empty
	DisplayName               string
	Email                     string
	Key                       uint64 // of the key that seals the two, which are empty then; 0: they are as they were given
	Sealed                    string
	Forgotten                 bool // the key is erased. Set by who opens what is sealed
	Adults, Children, Infants int
}

func guestOf(g *eventpb.Guest) Guest {
	return Guest{GuestID: g.GetGuestId(), DisplayName: g.GetDisplayName(), Email: g.GetEmail(), Key: g.GetKey(), Sealed: string(g.GetSealed()),
		Adults: int(g.GetAdults()), Children: int(g.GetChildren()), Infants: int(g.GetInfants())}
}

// setStay reads the stay that an event names.
func (r *Reservation) setStay(s *eventpb.Stay) (err error) {
	r.RoomTypeID, r.Quantity = s.GetRoomTypeId(), int(s.GetQuantity())
	r.Stay, err = stayOf(s)
	return err
}

func stayOf(s *eventpb.Stay) (stay domain.Stay, err error) {
	if stay.CheckIn, err = domain.ParseDate(s.GetCheckInDate()); err != nil {
		return stay, err
	}
	stay.CheckOut, err = domain.ParseDate(s.GetCheckOutDate())
	return stay, err
}

// placed makes r the reservation that an event begins.
func placed(m *eventpb.ReservationPlaced, r *Reservation) error {
	*r = Reservation{
		HotelID: m.GetHotelId(), ReservationID: m.GetReservationId(), GroupID: m.GetGroupId(), WaitingListEntryID: m.GetWaitingListEntryId(),
		Guest: guestOf(m.GetGuest()), Nightly: m.GetNightlyMinorUnits(),
		Total:   domain.Money{Currency: m.GetCurrencyCode(), MinorUnits: m.GetTotalMinorUnits()},
		Channel: m.GetChannel(), ExternalReference: m.GetExternalReference(), Terms: m.GetTerms(),
	}
	if t := m.GetHoldExpireTime(); t != nil {
		r.HoldExpireTime = t.AsTime()
	}
	return r.setStay(m.GetStay())
}

// rejected is placed for one that is refused.
func rejected(m *eventpb.ReservationRejected, r *Reservation) error {
	*r = Reservation{
		HotelID: m.GetHotelId(), ReservationID: m.GetReservationId(), GroupID: m.GetGroupId(), Guest: guestOf(m.GetGuest()),
		Channel: m.GetChannel(), ExternalReference: m.GetExternalReference(),
	}
	if m.GetRatePlanId() != "" {
		r.Terms = &eventpb.Terms{RatePlanId: m.GetRatePlanId()}
	}
	for _, night := range m.GetFullNights() {
		d, err := domain.ParseDate(night)
		if err != nil {
			return err
		}
		r.FullNights = append(r.FullNights, d)
	}
	for _, b := range m.GetBrokenRestrictions() {
		broken := hotel.Broken{Restriction: b.GetRestriction(), Limit: b.GetLimit()}
		for _, night := range b.GetNights() {
			d, err := domain.ParseDate(night)
			if err != nil {
				return err
			}
			broken.Nights = append(broken.Nights, d)
		}
		r.Broken = append(r.Broken, broken)
	}
	return r.setStay(m.GetStay())
}

// modified returns what a modification says. Without a guest that stays who it was; without nights' prices, price and terms stay.
func modified(m *eventpb.ReservationModified) (*Reservation, error) {
	r := &Reservation{
		Guest: guestOf(m.GetGuest()), Nightly: m.GetNightlyMinorUnits(), Terms: m.GetTerms(),
		Total: domain.Money{Currency: m.GetCurrencyCode(), MinorUnits: m.GetTotalMinorUnits()},
	}
	return r, r.setStay(m.GetStay())
}
