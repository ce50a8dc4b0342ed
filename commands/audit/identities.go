package audit

import (
	"bytes"
	"cmp"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
)

// identities looks at the reservation and request ids of one share of all ids.
type identities struct {
	share, shares uint32
	ttl           time.Duration
	names         map[string]uint32 // numbers of the hotels and room types met
	reservations  map[reservationKey]*life
	requests      map[[16]byte]request
	newest        int64 // latest time of a command, in seconds
	applied       int64
}

// reservationKey names a reservation: its id is of its hotel.
type reservationKey struct {
	id    domain.ReservationID
	hotel uint32
}

// sorted returns the keys of all reservations in one order.
func (ids *identities) sorted() []reservationKey {
	return slices.SortedFunc(maps.Keys(ids.reservations), func(a, b reservationKey) int {
		return cmp.Or(cmp.Compare(a.hotel, b.hotel), bytes.Compare(a.id[:], b.id[:]))
	})
}

// request is the latest command that was applied under an id: the batch of its events and the last of them.
type request struct {
	topic  int8
	crc    uint32
	offset log.Offset
	time   int64 // of the command, in seconds
}

func newIdentities(opts Options, share, shares int) *identities {
	return &identities{
		share: uint32(share), shares: uint32(shares), ttl: opts.RequestTTL,
		names:        make(map[string]uint32),
		reservations: make(map[reservationKey]*life),
		requests:     make(map[[16]byte]request),
	}
}

// mine reports whether an id belongs to this share.
func (ids *identities) mine(id [16]byte) bool {
	if ids.shares == 1 {
		return true
	}
	h := fnv.New32a()
	h.Write(id[:])
	return h.Sum32()%ids.shares == ids.share
}

// request demands that the command of an event is the first under its request id. The events of one command lie side by side in one batch.
func (ids *identities) request(p *pass, r *log.Record, e *event.Envelope) {
	if e.RequestID == ([16]byte{}) || !ids.mine(e.RequestID) {
		return
	}
	now := request{topic: topicOf(r.Topic), crc: r.CRC, offset: r.Offset, time: e.Time.Unix()}
	ids.newest = max(ids.newest, now.time)
	before, ok := ids.requests[e.RequestID]
	ids.requests[e.RequestID] = now
	if ok && before.topic == now.topic && before.crc == now.crc && before.offset+1 == now.offset {
		return
	}
	ids.applied++
	if ok && max(now.time-before.time, before.time-now.time) <= int64(ids.ttl.Seconds()) {
		p.found(RequestTwice, r.Position(), e.HotelID, "request %x was applied before, at %s@%d",
			e.RequestID, topicNames[before.topic], before.offset)
	}
}

func topicOf(name log.Topic) int8 {
	for i, known := range topicNames {
		if known == name {
			return int8(i)
		}
	}
	return 0
}

// number returns the number of a name, a new one for a new name.
func (ids *identities) number(name string) uint32 {
	n, ok := ids.names[name]
	if !ok {
		n = uint32(len(ids.names))
		ids.names[name] = n
	}
	return n
}

// about returns the reservation that an event is about, if it is about one of this share. It makes what it does not know.
func (ids *identities) about(p *pass, at log.Position, e *event.Envelope) (*life, string) {
	m, ok := e.Message.(interface{ GetReservationId() string })
	if !ok {
		return nil, ""
	}
	id, err := domain.ParseReservationID(m.GetReservationId())
	if err != nil {
		if p.nights != nil {
			p.found(UnknownBooking, at, e.HotelID, "%v", err)
		}
		return nil, ""
	}
	if !ids.mine(id) {
		return nil, ""
	}
	key := reservationKey{id, ids.number(e.HotelID)}
	r := ids.reservations[key]
	if r == nil {
		r = new(life)
		ids.reservations[key] = r
	}
	return r, m.GetReservationId()
}

// booking demands that an event of a reservation can follow those before it.
func (ids *identities) booking(p *pass, at log.Position, e *event.Envelope) {
	switch e.Message.(type) {
	case *eventpb.ReservationRejected, *eventpb.WaitingListOffered:
		return // of no reservation that takes rooms; the offered one is placed by its own event
	}
	r, id := ids.about(p, at, e)
	if r == nil {
		return
	}
	if kind, text := r.follow(ids, e); kind != "" {
		p.found(kind, at, e.HotelID, "reservation %s: %s", id, text)
	}
}

// payment demands that an event of the topic payments can follow those before it.
func (ids *identities) payment(p *pass, at log.Position, e *event.Envelope) {
	r, id := ids.about(p, at, e)
	if r == nil {
		return
	}
	if r.money == nil {
		r.money = new(account)
	}
	if kind, text := r.money.follow(e.Message); kind != "" {
		p.found(kind, at, e.HotelID, "reservation %s: %s", id, text)
	}
}

// takes condenses what a stay takes.
func (ids *identities) takes(m *eventpb.Stay) takes {
	in, err1 := domain.ParseDate(m.GetCheckInDate())
	out, err2 := domain.ParseDate(m.GetCheckOutDate())
	if err1 != nil || err2 != nil {
		return takes{} // reported where the nights are counted
	}
	return takes{in: in, out: out, quantity: m.GetQuantity(), roomType: ids.number(m.GetRoomTypeId()) + 1}
}
