package hotel

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"unique"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// appendTerms appends what reservations are under, each once, in order of these bytes:
//
//	terms        count, then each: plan, then limited, never free (1 byte each), free days, free until hour (varint), two fees
//	  fee        kind, amount (varint)
//
// and returns the place of each in that order, from 1 on.
func (s *State) appendTerms(b []byte) ([]byte, map[ref]uint64) {
	type written struct {
		at    ref
		bytes []byte
	}
	var all []written
	for _, at := range s.book.terms.places {
		all = append(all, written{at, s.book.terms.at(at).appendTo(nil)})
	}
	slices.SortFunc(all, func(a, b written) int { return bytes.Compare(a.bytes, b.bytes) })
	b = binary.AppendUvarint(b, uint64(len(all)))
	places := make(map[ref]uint64, len(all))
	for i, w := range all {
		b = append(b, w.bytes...)
		places[w.at] = uint64(i + 1)
	}
	return b, places
}

func (t terms) appendTo(b []byte) []byte {
	b = appendText(b, t.plan)
	b = append(b, flagByte(t.limited), flagByte(t.neverFree))
	for _, n := range [...]int64{
		int64(t.freeDays), int64(t.freeUntilHour), int64(t.fee.kind), t.fee.amount, int64(t.noShow.kind), t.noShow.amount,
	} {
		b = binary.AppendVarint(b, n)
	}
	return b
}

const termsBytesMin = 9

func (s *State) loadTerms(r *reader) (all []terms) {
	for range r.count(termsBytesMin) {
		t := terms{plan: string(r.bytes()), limited: r.flag(), neverFree: r.flag(), freeDays: r.int32(), freeUntilHour: r.int32()}
		for _, f := range [...]*fee{&t.fee, &t.noShow} {
			f.kind, f.amount = eventpb.CancellationFeeKind(r.int32()), r.varint()
		}
		if t == (terms{}) || slices.Contains(all, t) {
			r.fail("terms twice, or none")
		}
		all = append(all, t)
	}
	return all
}

// appendMoney appends what is kept of a reservation's price and money:
//
//	guests       adults, children (uvarint)
//	price        total, fee, no-show fee (uvarint), place of the terms or 0
//	books        varint, days from closed
//	declined     1 byte
//	account      kept, outside, due, granted, floor (uvarint)
//	counted      count, then each payment's id, the newest first
//	payments     count, then each in order: id, amount (uvarint), provider, method, reference, outcome (1 byte), then its
//	  refunds    count, then each in order: id, amount (uvarint), outcome (1 byte)
func (s *State) appendMoney(b []byte, at slot, places map[ref]uint64) []byte {
	r, a := &s.book.slots[at], s.book.account(at)
	for _, n := range [...]uint64{uint64(r.adults), uint64(r.children), uint64(r.total), uint64(r.fee), uint64(r.noShowFee), places[r.terms]} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendVarint(b, int64(r.books-s.closed))
	b = append(b, flagByte(r.marks&declined != 0))
	for _, n := range [...]int64{a.kept, a.outside, a.due, a.granted, a.floor} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	count := len(b)
	b = append(b, 0) // there are at most PaymentsMax, so that a byte is enough
	for next := r.applied; next != 0; next = s.book.applied.at(next).next {
		b = append(b, s.book.applied.at(next).id[:]...)
		b[count]++
	}
	return s.appendPayments(b, r)
}

func (s *State) appendPayments(b []byte, r *reservation) []byte {
	var all []*payment
	s.book.eachPayment(r, func(p *payment) bool {
		all = append(all, p)
		return true
	})
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, p := range all {
		b = append(b, p.id[:]...)
		b = binary.AppendUvarint(b, uint64(p.amount))
		b = appendText(appendText(appendText(b, p.provider.Value()), p.method), p.reference)
		b = append(b, byte(p.outcome))
		var refunds []*refund
		for at := p.refunds; at != 0; at = s.book.refunds.at(at).next {
			refunds = append(refunds, s.book.refunds.at(at))
		}
		b = binary.AppendUvarint(b, uint64(len(refunds)))
		for _, m := range refunds {
			b = append(b, m.id[:]...)
			b = binary.AppendUvarint(b, uint64(m.amount))
			b = append(b, byte(m.outcome))
		}
	}
	return b
}

const (
	paymentBytesMin = 16 + 6
	refundBytesMin  = 16 + 2
)

// money is what a snapshot says of a reservation's money, until the reservation has a place.
type money struct {
	terms    terms
	account  account
	applied  [][16]byte // the newest first
	payments []payment
	refunds  [][]refund // of each payment
}

func (s *State) loadMoney(r *reader, loaded *reservation, all []terms) (m money) {
	loaded.adults, loaded.children = uint16(r.uvarint(math.MaxUint16)), uint16(r.uvarint(math.MaxUint16))
	loaded.total = r.units()
	loaded.fee, loaded.noShowFee = int64(r.uvarint(uint64(loaded.total))), int64(r.uvarint(uint64(loaded.total)))
	if place := r.uvarint(uint64(len(all))); place > 0 {
		m.terms = all[place-1]
	}
	books := r.varint() + int64(s.closed)
	if !inCalendar(books) || books > int64(s.closed) {
		r.fail("books of day %d cannot be", books)
	}
	loaded.books = domain.Date(books)
	if r.flag() {
		loaded.marks = declined
	}
	for _, n := range [...]*int64{&m.account.kept, &m.account.outside, &m.account.due, &m.account.granted, &m.account.floor} {
		*n = r.units()
	}
	for range int(r.byte()) {
		m.applied = append(m.applied, r.id())
	}
	for range r.count(paymentBytesMin) {
		m.loadPayment(r)
	}
	return m
}

func (m *money) loadPayment(r *reader) {
	m.payments = append(m.payments, payment{
		id: r.id(), amount: r.units(), provider: unique.Make(string(r.bytes())), method: string(r.bytes()), reference: string(r.bytes()),
		outcome: PaymentOutcome(r.byteTo(byte(PaymentUnknown))),
	})
	var refunds []refund
	for range r.count(refundBytesMin) {
		refunds = append(refunds, refund{id: r.id(), amount: r.units(), outcome: refundOutcome(r.byteTo(byte(refundElsewhere)))})
	}
	m.refunds = append(m.refunds, refunds)
}

// putMoney gives it to the reservation, which has its place now.
func (b *book) putMoney(id domain.ReservationID, m *money) {
	at := b.byID[id]
	r := &b.slots[at]
	r.terms = b.terms.use(m.terms)
	b.setAccount(at, m.account)
	for i := len(m.applied) - 1; i >= 0; i-- {
		b.apply(at, m.applied[i])
	}
	for i, p := range m.payments {
		b.addPayment(r, p)
		for _, part := range m.refunds[i] {
			b.addRefund(b.payment(r, p.id), part)
		}
	}
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func flagByte(is bool) byte {
	if is {
		return 1
	}
	return 0
}

// flag returns a byte that is 0 or 1.
func (r *reader) flag() bool { return r.byteTo(1) == 1 }

// byteTo returns a byte that is at most limit.
func (r *reader) byteTo(limit byte) byte {
	b := r.byte()
	if b > limit {
		r.fail("a byte of %d is beyond %d", b, limit)
		return 0
	}
	return b
}

func (r *reader) units() int64 { return int64(r.uvarint(math.MaxInt64)) }

func (r *reader) int32() int32 {
	n := r.varint()
	if n < math.MinInt32 || n > math.MaxInt32 {
		r.fail("%d is beyond 32 bits", n)
		return 0
	}
	return int32(n)
}

func (r *reader) id() (id [16]byte) {
	copy(id[:], r.take(len(id)))
	return id
}
