package hotel

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// moneyModel is a hotel's reservations and their money as a beginner would write them down: from the events alone, every sum anew, nothing forgotten.
type moneyModel struct {
	physical map[string]map[domain.Date]int32
	booked   map[string]*folio
	newest   domain.Date
	place    *time.Location
}

// folio is a reservation with its money.
type folio struct {
	id       string
	roomType string
	stay     domain.Stay
	until    domain.Date // rooms are taken for the nights before it
	quantity int32
	status   eventpb.ReservationStatus
	deadline int64
	arrived  bool
	left     bool
	gone     bool // forgotten when books closed

	total, charge, granted, floor int64 // charge: what a PAID one is to pay in all
	nightly                       []int64
	terms                         *eventpb.CancellationTerms
	net, outside                  int64 // paid by the platform less what is given back, and elsewhere
	kept                          int64 // of one that ended
	payments                      []*modelPayment
}

type modelPayment struct {
	id      string
	amount  int64
	outcome PaymentOutcome
	counted bool
	refunds []*modelRefund
}

type modelRefund struct {
	id      string
	amount  int64
	outcome refundOutcome
}

func (p *modelPayment) asked() (units int64) {
	for _, r := range p.refunds {
		if r.outcome != refundFailed {
			units += r.amount
		}
	}
	return units
}

// sums returns what was captured, what of it was asked back, and what is left of payments that were not counted.
func (b *folio) sums() (captured, asked, loose int64) {
	for _, p := range b.payments {
		asked += p.asked()
		if p.outcome == PaymentCaptured {
			captured += p.amount
			if !p.counted {
				loose += p.amount - p.asked()
			}
		}
	}
	return captured, asked, loose
}

func (b *folio) due() int64 { return b.charge - b.net - b.outside }

// keep returns what the house may keep of what was captured.
func (b *folio) keep() int64 {
	captured, asked, loose := b.sums()
	switch b.status {
	case pending:
		return captured - asked
	case paid:
		return min(captured-asked, b.net+min(b.due(), loose))
	}
	return min(captured-asked, b.kept)
}

func (b *folio) payment(t *rapid.T, id string) *modelPayment {
	for _, p := range b.payments {
		if p.id == id {
			return p
		}
	}
	t.Fatalf("reservation %s has no payment %s", b.id, id)
	return nil
}

func (b *folio) takes() bool { return b.status == pending || b.status == paid }

// feeAt returns what the frozen terms name, by the clock on the hotel's wall.
func (m *moneyModel) feeAt(b *folio, now time.Time) int64 {
	if b.terms == nil {
		return b.floor
	}
	free := now.In(m.place).Format("2006-01-02 15") < b.stay.CheckIn.AddDays(-int(b.terms.FreeDays)).String()+" "+twoDigits(b.terms.FreeUntilHour)
	if free && !b.terms.NeverFree {
		return b.floor
	}
	return max(b.floor, b.fee(b.terms.Fee))
}

func twoDigits(n int32) string { return string([]byte{'0' + byte(n/10), '0' + byte(n%10)}) }

func (b *folio) fee(f *eventpb.CancellationFee) (units int64) {
	switch f.GetKind() {
	case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS:
		for _, line := range b.nightly[:min(len(b.nightly), int(f.Amount))] {
			units += line
		}
	case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT:
		units = (b.total*f.Amount + 50_000) / 100_000
	case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_AMOUNT:
		units = f.Amount
	}
	return min(units, b.total)
}

func (m *moneyModel) closed() domain.Date { return max(0, m.newest-BooksOpenDays) }

func (m *moneyModel) close(day domain.Date) {
	if day <= m.newest {
		return
	}
	m.newest = day
	for _, b := range m.booked {
		if b.stay.CheckOut <= m.closed() && (b.status != pending || b.deadline == 0) {
			b.gone = true
		}
	}
}

// taken counts rooms, without those of one reservation.
func (m *moneyModel) taken(roomType string, d domain.Date, but *folio) (sold, held int32) {
	for _, b := range m.booked {
		if b != but && b.roomType == roomType && b.stay.CheckIn <= d && d < b.until {
			switch b.status {
			case paid:
				sold += b.quantity
			case pending:
				held += b.quantity
			}
		}
	}
	return sold, held
}

// takeRooms demands that there is room on every night on which b takes more than it had.
func (m *moneyModel) takeRooms(t *rapid.T, b *folio, s *eventpb.Stay) {
	stay, _ := domain.ParseStay(s.CheckInDate, s.CheckOutDate)
	for d := range stay.All() {
		had := int32(0)
		if b.roomType == s.RoomTypeId && b.stay.Contains(d) {
			had = b.quantity
		}
		if sold, held := m.taken(s.RoomTypeId, d, b); s.Quantity > had && sold+held+s.Quantity > m.physical[s.RoomTypeId][d] {
			t.Fatalf("oversold on %s: %d sold, %d held, %d more of %d", d, sold, held, s.Quantity, m.physical[s.RoomTypeId][d])
		}
	}
	b.roomType, b.stay, b.until, b.quantity = s.RoomTypeId, stay, stay.CheckOut, s.Quantity
}

func (b *folio) setPrice(t *rapid.T, nightly []int64, total int64, terms *eventpb.Terms) {
	sum := int64(0)
	for _, line := range nightly {
		sum += line
	}
	for _, c := range terms.GetCharges() {
		if !c.Included {
			sum += c.MinorUnits
		}
	}
	if sum != total || len(nightly) != b.stay.Nights() {
		t.Fatalf("lines %v and charges %v do not sum to %d", nightly, terms.GetCharges(), total)
	}
	b.nightly, b.total = nightly, total
}

func (m *moneyModel) apply(t *rapid.T, e proto.Message, now time.Time) {
	switch e := e.(type) {
	case *eventpb.InventorySet:
		from, _ := domain.ParseDate(e.StartDate)
		to, _ := domain.ParseDate(e.EndDate)
		for d := from; d < to && e.PhysicalCount != nil; d++ {
			m.physical[e.RoomTypeId][d] = *e.PhysicalCount
		}
	case *eventpb.ReservationPlaced:
		b := &folio{id: e.ReservationId, status: pending}
		m.takeRooms(t, b, e.Stay)
		b.setPrice(t, e.NightlyMinorUnits, e.TotalMinorUnits, e.Terms)
		if b.terms = e.GetTerms().GetCancellation(); e.HoldExpireTime != nil {
			b.deadline = e.HoldExpireTime.AsTime().UnixMilli()
		}
		if known := m.booked[e.ReservationId]; known != nil && !known.gone {
			t.Fatalf("%s is placed again", e.ReservationId)
		}
		m.booked[e.ReservationId] = b
		day, _ := domain.ParseDate(e.PlaceDate)
		m.close(day)
	case *eventpb.ReservationModified:
		m.modified(t, m.booked[e.ReservationId], e, now)
	case *eventpb.GuestCheckedIn:
		b := m.booked[e.ReservationId]
		if due := b.due(); due != e.GetSettledAtHotel().GetMinorUnits() || b.status != paid {
			t.Fatalf("%v, and it is %s with %d due", e, b.status, due)
		}
		b.outside, b.arrived = b.outside+e.GetSettledAtHotel().GetMinorUnits(), true
	case *eventpb.GuestCheckedOut:
		b := m.booked[e.ReservationId]
		day, _ := domain.ParseDate(e.Date)
		if settled := e.GetSettledAtHotel().GetMinorUnits(); settled != 0 && settled != b.due() || b.left {
			t.Fatalf("%v of %+v", e, b)
		}
		b.outside += e.GetSettledAtHotel().GetMinorUnits()
		b.until, b.left = min(b.until, max(day, b.stay.CheckIn)), true
	default:
		if !m.applyEnd(t, e, now) {
			m.applyPayment(t, e)
		}
	}
}

// modified demands the balance and the refund that the prices and the fee of canceling just before leave.
func (m *moneyModel) modified(t *rapid.T, b *folio, e *eventpb.ReservationModified, now time.Time) {
	if b.gone || !b.takes() || b.left || b.arrived && e.Stay.CheckInDate != b.stay.CheckIn.String() || e.Status != b.status || e.PreviousTotalMinorUnits != b.total {
		t.Fatalf("%v of %+v", e, b)
	}
	fee := int64(0)
	if b.status == paid {
		fee = m.feeAt(b, now)
	}
	m.takeRooms(t, b, e.Stay)
	if len(e.NightlyMinorUnits) == 0 {
		if e.TotalMinorUnits != b.total || e.RefundMinorUnits != 0 || b.status == paid && e.BalanceMinorUnits != b.due() {
			t.Fatalf("%v changes the price of %+v", e, b)
		}
		return
	}
	if b.setPrice(t, e.NightlyMinorUnits, e.TotalMinorUnits, e.Terms); !proto.Equal(e.GetTerms().GetCancellation(), b.terms) {
		t.Fatalf("%v: the terms were %v", e, b.terms)
	}
	if b.status != paid {
		return
	}
	before := b.charge
	b.floor = max(b.floor, min(fee, before))
	b.charge = max(b.total-b.granted, min(b.floor, before), 0)
	refund := min(b.net, max(0, -b.due())) // what payments brought goes back; the rest is between the guest and the hotel
	b.net -= refund
	due := max(0, b.due())
	b.charge = b.net + b.outside + due
	if e.FeeMinorUnits != fee || e.BalanceMinorUnits != due || e.RefundMinorUnits != refund {
		t.Fatalf("%v: want fee %d, balance %d, refund %d of %+v", e, fee, due, refund, b)
	}
}

// applyEnd applies what bookings say of money.
func (m *moneyModel) applyEnd(t *rapid.T, e proto.Message, now time.Time) bool {
	switch e := e.(type) {
	case *eventpb.ReservationPaid:
		b := m.status(t, e.ReservationId, pending, paid)
		b.charge = b.total
		if e.PaymentId == "" {
			b.outside = b.total
		} else {
			b.count(t, e.PaymentId, e.Amount)
		}
	case *eventpb.ReservationBalancePaid:
		b := m.status(t, e.ReservationId, paid, paid)
		if b.due() < e.Amount.MinorUnits || e.Amount.MinorUnits <= 0 {
			t.Fatalf("%v, and %d are due", e, b.due())
		}
		if e.PaymentId == "" {
			b.outside += e.Amount.MinorUnits
		} else {
			b.count(t, e.PaymentId, e.Amount)
		}
	case *eventpb.ReservationCanceled:
		b, fee := m.booked[e.ReservationId], int64(0)
		if e.Reason == eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST {
			fee = m.feeAt(b, now)
		}
		m.ended(t, b, e.PreviousStatus, e.Settlement, fee)
	case *eventpb.ReservationNoShow:
		b := m.booked[e.ReservationId]
		missed := b.terms.GetNoShowFee()
		if missed == nil {
			missed = b.terms.GetFee() // who never came canceled too late
		}
		m.ended(t, b, e.PreviousStatus, e.Settlement, max(b.floor, b.fee(missed)))
	case *eventpb.GuestWalked:
		m.ended(t, m.booked[e.ReservationId], paid, e.Settlement, 0)
	case *eventpb.ReservationDeclined:
		b := m.status(t, e.ReservationId, pending, turnedAway)
		if b.payment(t, e.PaymentId).outcome != PaymentDeclined {
			t.Fatalf("%v, and it was not", e)
		}
		b.kept = 0
	case *eventpb.RefundGranted:
		b := m.booked[e.ReservationId]
		if b.status == paid {
			b.net, b.charge = b.net-e.Amount.MinorUnits, b.charge-e.Amount.MinorUnits
		} else {
			b.kept -= e.Amount.MinorUnits
		}
		if b.granted += e.Amount.MinorUnits; b.net < 0 || b.kept < 0 || b.status == pending {
			t.Fatalf("%v is too much: %+v", e, b)
		}
	case *eventpb.ReservationRefunded:
		m.refunded(t, m.booked[e.ReservationId], e)
	default:
		return false
	}
	return true
}

// count counts a payment towards a reservation, once.
func (b *folio) count(t *rapid.T, paymentID string, amount *eventpb.Money) {
	p := b.payment(t, paymentID)
	if p.outcome != PaymentCaptured || p.counted || amount.MinorUnits > p.amount {
		t.Fatalf("%v are counted of %+v", amount, p)
	}
	p.counted = true
	b.net += min(amount.MinorUnits, b.due())
}

// status moves a reservation from one status to another.
func (m *moneyModel) status(t *rapid.T, id string, from, to eventpb.ReservationStatus) *folio {
	b := m.booked[id]
	if b == nil || b.gone || b.status != from || b.arrived && to != paid {
		t.Fatalf("%s becomes %s from %s, and it is %+v", id, to, from, b)
	}
	b.status = to
	return b
}

// ended demands that a settlement divides everything that was captured, and keeps the fee and no more.
func (m *moneyModel) ended(t *rapid.T, b *folio, from eventpb.ReservationStatus, s *eventpb.Settlement, fee int64) {
	captured, _, _ := b.sums()
	keep := b.keep()
	if from == pending || s.GetWaived() {
		fee = 0
	}
	m.status(t, b.id, from, canceled)
	b.kept = min(keep, max(0, fee-b.outside))
	if (s != nil) != (captured > 0) {
		t.Fatalf("a settlement %v of %d", s, captured)
	}
	if s == nil {
		return
	}
	if s.FeeMinorUnits != b.kept || s.RefundMinorUnits != keep-b.kept || s.FeeMinorUnits+s.RefundMinorUnits+s.RefundedMinorUnits != captured {
		t.Fatalf("settlement %v of %d captured: want a fee of %d and %d back", s, captured, b.kept, keep-b.kept)
	}
}

func (m *moneyModel) refunded(t *rapid.T, b *folio, e *eventpb.ReservationRefunded) {
	captured, asked, _ := b.sums()
	back := int64(0)
	for _, p := range b.payments {
		for _, r := range p.refunds {
			if r.outcome == refundOpen {
				t.Fatalf("%v, and %+v is open", e, r)
			}
			if r.outcome == refundSucceeded || r.outcome == refundElsewhere {
				back += r.amount
			}
		}
	}
	if b.status != canceled && b.status != turnedAway || back == 0 || captured-asked != b.keep() ||
		e.Refunded.MinorUnits != back || e.Kept.MinorUnits != captured-back {
		t.Fatalf("%v of %+v", e, b)
	}
	b.status = refunded
}

// applyPayment applies what payments say, and demands that no payment is asked for beside another or for what is not due, and that no more goes back than came.
func (m *moneyModel) applyPayment(t *rapid.T, e proto.Message) {
	of, ok := e.(paymentEvent)
	if !ok {
		return
	}
	b := m.booked[of.GetReservationId()]
	if e, ok := e.(*eventpb.PaymentRequested); ok {
		m.requested(t, b, e)
		return
	}
	p := b.payment(t, of.GetPaymentId())
	switch e := e.(type) {
	case *eventpb.PaymentCaptured:
		if p.outcome == PaymentCaptured || e.Amount.MinorUnits != p.amount {
			t.Fatalf("%v of %+v", e, p)
		}
		p.outcome = PaymentCaptured
	case *eventpb.PaymentDeclined:
		p.outcome = PaymentDeclined
	case *eventpb.PaymentFailed:
		p.outcome = PaymentUnknown
	case *eventpb.RefundRequested:
		p.refunds = append(p.refunds, &modelRefund{id: e.RefundId, amount: e.Amount.MinorUnits})
		if p.outcome != PaymentCaptured || p.asked() > p.amount || e.Amount.MinorUnits <= 0 {
			t.Fatalf("%v of %+v", e, p)
		}
	case *eventpb.RefundSucceeded:
		if e.Method != 0 {
			p.refund(t, e.RefundId, refundElsewhere)
		} else {
			p.refund(t, e.RefundId, refundSucceeded)
		}
	case *eventpb.RefundFailed:
		p.refund(t, e.RefundId, refundFailed)
	}
}

func (p *modelPayment) refund(t *rapid.T, id string, outcome refundOutcome) {
	for _, r := range p.refunds {
		if r.id == id && r.outcome != refundSucceeded && r.outcome != refundElsewhere && (outcome != refundElsewhere || r.outcome == refundFailed) {
			if r.outcome = outcome; p.asked() > p.amount {
				t.Fatalf("%d went back of %d", p.asked(), p.amount)
			}
			return
		}
	}
	t.Fatalf("%s of %+v is not open", id, p)
}

func (m *moneyModel) requested(t *rapid.T, b *folio, e *eventpb.PaymentRequested) {
	_, _, loose := b.sums()
	want := b.total - loose
	if b.status == paid {
		want = b.due() - loose
	}
	if b.gone || !b.takes() || want <= 0 || e.Amount.MinorUnits != want ||
		slices.ContainsFunc(b.payments, func(p *modelPayment) bool {
			return p.id == e.PaymentId || p.outcome == PaymentOpen || p.outcome == PaymentUnknown
		}) {
		t.Fatalf("%v, and %d are due of %+v", e, want, b)
	}
	b.payments = append(b.payments, &modelPayment{id: e.PaymentId, amount: e.Amount.MinorUnits})
}

// check compares everything that can be seen of s.
func (m *moneyModel) check(t *rapid.T, s *State, from, to domain.Date) {
	for id, b := range m.booked {
		if b.gone {
			continue
		}
		if got := s.Status(id); got != b.status {
			t.Fatalf("%s is %s, want %s", id, got, b.status)
		}
		known, _ := domain.ParseReservationID(id)
		r := s.book.find(known)
		f := s.funds(r)
		captured, asked, _ := b.sums()
		keep, owed := s.keeps(r, &f), s.owed(r, &f)
		if f.captured != captured || f.asked != asked || keep != b.keep() || captured != asked+keep+owed || keep < 0 || owed < 0 {
			t.Fatalf("%s: captured %d of %d, asked %d of %d, keeps %d of %d, owes %d: %+v", id, f.captured, captured, f.asked, asked, keep, b.keep(), owed, b)
		}
		if due := s.balance(r); b.status == paid && due != b.due() {
			t.Fatalf("%s: %d are due, want %d: %+v", id, due, b.due(), b)
		}
	}
	for _, roomType := range []string{"double", "suite"} {
		for d := max(from, m.closed()); d < to; d++ {
			sold, held := m.taken(roomType, d, nil)
			if got := s.Night(roomType, d); got.SoldCount != sold || got.HeldCount != held {
				t.Fatalf("%s on %s: %+v, want %d sold and %d held", roomType, d, got, sold, held)
			}
		}
	}
}
