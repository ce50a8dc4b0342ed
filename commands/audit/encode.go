package audit

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/log"
)

// save writes what a pass must remember: the ids of its share, and in the first share the nights.
func (p *pass) save(e *encoder) {
	e.flag(p.nights != nil)
	if p.nights != nil {
		p.nights.save(e)
	}
	p.ids.save(e)
}

// restore reads what save wrote, for a pass of as many shares or more. sums says that what was counted is this pass's.
func (p *pass) restore(d *decoder, sums bool) {
	if d.flag() {
		nights := newOccupancy()
		nights.restore(d)
		if p.nights != nil {
			p.nights = nights
		}
	}
	p.ids.restore(d, sums)
}

func (o *occupancy) save(e *encoder) {
	e.number(int64(o.mark))
	inOrder(e, o.hotels, func(_ string, h *hotelNights) {
		e.text(h.report.DisplayName)
		h.report.Totals.each(func(n *int64) { e.number(*n) })
		for _, peak := range [...]*Peak{&h.report.Fullest, &h.report.Busiest} {
			e.text(peak.RoomTypeID)
			e.number(int64(peak.Night), peak.Sold, peak.Sellable, peak.Physical)
			e.text(string(peak.Position.Topic))
			e.number(int64(peak.Position.Partition), int64(peak.Position.Offset))
		}
		inOrder(e, h.roomTypes, func(_ string, c *calendar) { c.save(e) })
		inOrder(e, h.plans, func(_ string, plan *ratePlan) {
			e.number(int64(plan.at), int64(len(plan.versions)))
			for _, v := range plan.versions {
				e.number(int64(v.minStay), int64(v.maxStay))
				e.flag(v.archived)
			}
		})
		inOrder(e, h.house.exists, func(string, bool) {})
		inOrder(e, h.house.rooms, func(_ string, rooms []string) {
			e.number(int64(len(rooms)))
			for _, room := range rooms {
				e.text(room)
				e.number(int64(h.house.guest[room].since))
			}
		})
	})
}

func (o *occupancy) restore(d *decoder) {
	o.mark = log.Offset(d.number())
	for range d.count() {
		h := o.hotel(d.text())
		h.report.DisplayName = d.text()
		h.report.Totals.each(func(n *int64) { *n = d.number() })
		for _, peak := range [...]*Peak{&h.report.Fullest, &h.report.Busiest} {
			peak.RoomTypeID = d.text()
			peak.Night, peak.Sold, peak.Sellable, peak.Physical = domain.Date(d.number()), d.number(), d.number(), d.number()
			peak.Position.Topic = log.Topic(d.text())
			peak.Position.Partition, peak.Position.Offset = log.Partition(d.number()), log.Offset(d.number())
		}
		for range d.count() {
			h.calendar(d.text()).restore(d)
		}
		for range d.count() {
			plan := new(ratePlan)
			h.plans[d.text()] = plan
			plan.at = int(d.number())
			for range d.count() {
				plan.versions = append(plan.versions, planVersion{int32(d.number()), int32(d.number()), d.flag()})
			}
		}
		for range d.count() {
			h.house.exists[d.text()] = true
		}
		for range d.count() {
			reservation := d.text()
			for range d.count() {
				room := d.text()
				h.house.guest[room] = guest{reservation, domain.Date(d.number())}
				h.house.rooms[reservation] = append(h.house.rooms[reservation], room)
			}
		}
	}
}

func (c *calendar) save(e *encoder) {
	e.number(int64(c.base), int64(len(c.nights)))
	for i := range c.nights {
		n := &c.nights[i]
		e.number(int64(n.physical), int64(n.outOfOrder), int64(n.overbooking), int64(n.taken), int64(n.peak), int64(n.peakSellable), int64(n.peakAt))
	}
	e.number(int64(len(c.restricted)))
	for night, said := range c.restricted {
		b, err := proto.Marshal(said)
		if err != nil {
			panic(err) // numbers only
		}
		e.number(int64(night))
		e.text(string(b))
	}
}

func (c *calendar) restore(d *decoder) {
	c.base = domain.Date(d.number())
	c.nights = make([]night, d.count())
	for i := range c.nights {
		n := &c.nights[i]
		n.physical, n.outOfOrder, n.overbooking, n.taken = int32(d.number()), int32(d.number()), int32(d.number()), int32(d.number())
		n.peak, n.peakSellable, n.peakAt = int32(d.number()), int32(d.number()), log.Offset(d.number())
	}
	for range d.count() {
		night, said := domain.Date(d.number()), new(eventpb.RestrictionsSet)
		if proto.Unmarshal([]byte(d.text()), said) != nil {
			d.fail()
		}
		if c.restricted == nil {
			c.restricted = make(map[domain.Date]*eventpb.RestrictionsSet)
		}
		c.restricted[night] = said
	}
}

// save leaves out the requests that are forgotten: those longer before the newest than ids are remembered.
func (ids *identities) save(e *encoder) {
	e.number(ids.newest, ids.applied)
	names := make([]string, len(ids.names))
	for name, n := range ids.names {
		names[n] = name
	}
	e.number(int64(len(names)))
	for _, name := range names {
		e.text(name)
	}
	kept := 0
	for _, r := range ids.requests {
		kept += boolToInt(ids.remembered(r))
	}
	e.number(int64(kept))
	for id, r := range ids.requests {
		if ids.remembered(r) {
			e.raw(id[:])
			e.number(int64(r.topic), int64(r.crc), int64(r.offset), r.time)
		}
	}
	e.number(int64(len(ids.reservations)))
	for key, r := range ids.reservations {
		e.raw(key.id[:])
		e.number(int64(key.hotel))
		r.save(e)
	}
}

func (ids *identities) remembered(r request) bool {
	return ids.newest-r.time <= int64(ids.ttl.Seconds())
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (ids *identities) restore(d *decoder, sums bool) {
	ids.newest = d.number()
	if applied := d.number(); sums {
		ids.applied = applied
	}
	for range d.count() {
		ids.number(d.text())
	}
	for range d.count() {
		var id [16]byte
		d.raw(id[:])
		r := request{topic: int8(d.number()), crc: uint32(d.number()), offset: log.Offset(d.number()), time: d.number()}
		if ids.mine(id) {
			ids.requests[id] = r
		}
	}
	for range d.count() {
		var key reservationKey
		d.raw(key.id[:])
		key.hotel = uint32(d.number())
		r := new(life)
		r.restore(d)
		if ids.mine(key.id) {
			ids.reservations[key] = r
		}
	}
}

func (r *life) save(e *encoder) {
	e.number(int64(r.takes.in), int64(r.takes.out), int64(r.takes.quantity), int64(r.takes.roomType), int64(r.status), r.total)
	e.flag(r.in)
	e.flag(r.out)
	e.flag(r.money != nil)
	if a := r.money; a != nil {
		e.text(a.currency)
		e.number(a.applied, a.promised, a.fee, a.floor, a.refunded, a.settled, int64(len(a.payments)))
		for i := range a.payments {
			a.payments[i].save(e)
		}
	}
}

func (r *life) restore(d *decoder) {
	r.takes = takes{in: domain.Date(d.number()), out: domain.Date(d.number()), quantity: int32(d.number()), roomType: uint32(d.number())}
	r.status, r.total = eventpb.ReservationStatus(d.number()), d.number()
	r.in, r.out = d.flag(), d.flag()
	if !d.flag() {
		return
	}
	a := &account{currency: d.text()}
	a.applied, a.promised, a.fee, a.floor, a.refunded, a.settled = d.number(), d.number(), d.number(), d.number(), d.number(), d.number()
	a.payments = make([]payment, d.count())
	for i := range a.payments {
		a.payments[i].restore(d)
	}
	r.money = a
}

func (p *payment) save(e *encoder) {
	e.raw(p.id[:])
	e.number(p.amount, p.counted, p.requested, int64(len(p.refunds)))
	e.flag(p.asked)
	e.flag(p.captured)
	e.flag(p.declined)
	for _, r := range p.refunds {
		e.raw(r.id[:])
		e.number(r.amount)
		e.flag(r.ended)
		e.flag(r.failed)
	}
}

func (p *payment) restore(d *decoder) {
	d.raw(p.id[:])
	p.amount, p.counted, p.requested = d.number(), d.number(), d.number()
	n := d.count()
	p.asked, p.captured, p.declined = d.flag(), d.flag(), d.flag()
	for range n {
		var r refund
		d.raw(r.id[:])
		r.amount, r.ended, r.failed = d.number(), d.flag(), d.flag()
		p.refunds = append(p.refunds, r)
	}
}
