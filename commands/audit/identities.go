package audit

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
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
	hotels        map[string]uint32 // numbers of the hotels met
	reservations  map[reservationKey]reservation
	requests      map[[16]byte]request
	applied       int64
}

// reservationKey names a reservation: its id is of its hotel.
type reservationKey struct {
	id    domain.ReservationID
	hotel uint32
}

type reservation struct {
	took   uint64 // hash of hotel, room type, quantity and dates
	status eventpb.ReservationStatus
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
		hotels:       make(map[string]uint32),
		reservations: make(map[reservationKey]reservation),
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
	before, ok := ids.requests[e.RequestID]
	ids.requests[e.RequestID] = now
	switch {
	case !ok:
		ids.applied++
	case before.topic == now.topic && before.crc == now.crc && before.offset+1 == now.offset:
	case max(now.time-before.time, before.time-now.time) <= int64(ids.ttl.Seconds()):
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

// booking demands that an event of a reservation can follow those before it.
func (ids *identities) booking(p *pass, at log.Position, e *event.Envelope) {
	m, ok := e.Message.(interface {
		GetReservationId() string
		GetStay() *eventpb.Stay
	})
	if _, rejected := e.Message.(*eventpb.ReservationRejected); !ok || rejected {
		return
	}
	id, err := domain.ParseReservationID(m.GetReservationId())
	if err != nil {
		if p.nights != nil {
			p.found(UnknownBooking, at, e.HotelID, "%v", err)
		}
		return
	}
	if !ids.mine(id) {
		return
	}
	if kind, text := ids.follow(ids.key(id, e.HotelID), e, took(e.HotelID, m.GetStay())); kind != "" {
		p.found(kind, at, e.HotelID, "reservation %s: %s", id, text)
	}
}

func (ids *identities) key(id domain.ReservationID, hotelID string) reservationKey {
	n, ok := ids.hotels[hotelID]
	if !ok {
		n = uint32(len(ids.hotels))
		ids.hotels[hotelID] = n
	}
	return reservationKey{id, n}
}

// follow applies an event to its reservation, or says why it cannot be.
func (ids *identities) follow(id reservationKey, e *event.Envelope, took uint64) (Kind, string) {
	r, known := ids.reservations[id]
	if _, placed := e.Message.(*eventpb.ReservationPlaced); placed {
		if known {
			return PlacedTwice, "it was placed before"
		}
		ids.reservations[id] = reservation{took: took, status: eventpb.ReservationStatus_RESERVATION_STATUS_PENDING}
		return "", ""
	}
	if !known {
		return UnknownBooking, "it was never placed"
	}
	next, previous := transition(e)
	ids.reservations[id] = reservation{took: r.took, status: next}
	switch {
	case r.took != took:
		return BadRelease, "the stay is not the one that was placed"
	case r.status != previous || !allowed(r.status, next):
		return BadTransition, fmt.Sprintf("%s at %s, which the event takes for %s", e.Type, r.status, previous)
	}
	return "", ""
}

// transition returns the status that an event leads to and the one that it claims to start from.
func transition(e *event.Envelope) (next, previous eventpb.ReservationStatus) {
	switch m := e.Message.(type) {
	case *eventpb.ReservationPaid:
		return eventpb.ReservationStatus_RESERVATION_STATUS_PAID, eventpb.ReservationStatus_RESERVATION_STATUS_PENDING
	case *eventpb.ReservationCanceled:
		return eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED, m.GetPreviousStatus()
	case *eventpb.ReservationNoShow:
		return eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED, m.GetPreviousStatus()
	}
	return eventpb.ReservationStatus_RESERVATION_STATUS_UNSPECIFIED, eventpb.ReservationStatus_RESERVATION_STATUS_UNSPECIFIED
}

func allowed(from, to eventpb.ReservationStatus) bool {
	const (
		pending  = eventpb.ReservationStatus_RESERVATION_STATUS_PENDING
		paid     = eventpb.ReservationStatus_RESERVATION_STATUS_PAID
		canceled = eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED
	)
	return from == pending && (to == paid || to == canceled) || from == paid && to == canceled
}

// took condenses what a reservation takes.
func took(hotelID string, m *eventpb.Stay) uint64 {
	h := fnv.New64a()
	for _, s := range []string{hotelID, m.GetRoomTypeId(), m.GetCheckInDate(), m.GetCheckOutDate()} {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	h.Write(binary.AppendVarint(nil, int64(m.GetQuantity())))
	return h.Sum64()
}
