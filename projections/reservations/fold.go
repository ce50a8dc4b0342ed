package reservations

import (
	"slices"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/projections"
	"lodge/projections/internal/packed"
)

// take makes the reservation what it is after an entry. Columns hold what is searched by as it is now, so the check-in date and the guest's
// account are not an entry's to change.
func (r *Reservation) take(e *entry) error {
	if e.kind.bare() {
		r.CreateTime, r.Created = e.time, e.offset
	}
	r.UpdateTime, r.Updated = e.time, e.offset
	r.Version++ // from 0: what begins a reservation begins it anew
	r.Status, r.Reason = e.after(r.Status, r.Reason)
	if !e.kind.keepsReason() {
		r.Note, r.Words = projections.ReadText(e.note)
	}
	p := packed.NewReader(e.more)
	var err error
	switch e.kind {
	case kindModified:
		err = r.takeModified(p)
	case kindCanceled, kindNoShow:
		err = r.takeSettlement(p)
	case kindWalked:
		r.RelocatedTo = p.Text()
		err = r.takeSettlement(p)
	case kindDeclined:
		p.ID() // the read model of payments has it
		r.DeclineCode = p.Text()
	case kindCheckedIn:
		r.takeArrival(e, p)
	case kindCheckedOut:
		r.takeDeparture(e, p)
	case kindMoved:
		r.takeMove(p.Text(), p.Text())
	default:
		r.takeMoney(e.kind, p)
	}
	if err != nil {
		return err
	}
	return p.Err()
}

// takeMoney reads the entries that say nothing but amounts.
func (r *Reservation) takeMoney(k kind, p *packed.Reader) {
	switch k {
	case kindPaid:
		r.Money.Balance = r.Total.MinorUnits
		if p.More() {
			r.pay(p.ID(), p.Int())
		} else {
			r.pay("", r.Total.MinorUnits) // settled outside the platform, in full
		}
	case kindBalancePaid:
		r.pay(p.ID(), p.Int())
	case kindRefundGranted:
		if amount := p.Int(); r.stands() {
			r.Money.GivenBack += amount
		} else {
			r.Money.GrantedAfter += amount
		}
	case kindRefunded:
		r.Money.Refunded, r.Money.Kept = p.Int(), p.Int()
	}
}

// pay counts what was paid by a payment, or outside the platform when that has no id: no more than what was to be paid.
func (r *Reservation) pay(payment string, amount int64) {
	amount = min(amount, r.Money.Balance)
	r.Money.Paid += amount
	r.Money.Balance -= amount
	if payment == "" {
		r.Money.Outside += amount
	} else {
		r.Money.PaymentIDs = append(r.Money.PaymentIDs, payment)
	}
}

func (r *Reservation) takeModified(p *packed.Reader) (err error) {
	r.readStay(p)
	if p.Int() == 1 {
		r.Guest.read(p)
	}
	if p.Int() == 1 {
		r.readPrice(p)
		if r.Terms, err = readMessage[eventpb.Terms](p); err != nil {
			return err
		}
	}
	r.Money.Balance = p.Int()
	r.Money.GivenBack += p.Int()
	return nil
}

func (r *Reservation) takeSettlement(p *packed.Reader) (err error) {
	if p.More() {
		r.Money.Settlement, err = readMessage[eventpb.Settlement](p)
	}
	return err
}

func (r *Reservation) takeArrival(e *entry, p *packed.Reader) {
	v := &Visit{ArriveTime: e.time, SettledAtHotel: p.Int()}
	for range p.Int() {
		if p.Err() != nil {
			return
		}
		v.RoomIDs = append(v.RoomIDs, p.Text())
	}
	v.Arrived = domain.Date(p.Int())
	r.Visit = v
	r.pay("", v.SettledAtHotel)
}

func (r *Reservation) takeDeparture(e *entry, p *packed.Reader) {
	left, settled := domain.Date(p.Int()), int64(0)
	if p.More() {
		settled = p.Int()
	}
	r.pay("", settled)
	if r.Visit != nil {
		r.Visit.Left, r.Visit.LeaveTime = left, e.time
		r.Visit.SettledAtHotel += settled
	}
}

// takeMove gives the guest another room.
func (r *Reservation) takeMove(from, to string) {
	if r.Visit == nil {
		return
	}
	if i := slices.Index(r.Visit.RoomIDs, from); i >= 0 {
		r.Visit.RoomIDs[i] = to
	}
}
