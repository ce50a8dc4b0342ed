package projectiontest

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain/eventpb"
)

// waiter is an entry of a waiting list as the history has made it up so far.
type waiter struct {
	hotel, id string
	stay      *eventpb.Stay
	guest     *eventpb.Guest
	offer     *booking // nil: nothing yet
}

// wait returns the next event of a waiting list: somebody joins, is offered rooms, by this event and the next, or leaves.
func (h *History) wait() proto.Message {
	if len(h.list) < h.hotels || h.rng.IntN(3) == 0 {
		w := &waiter{hotel: HotelID(h.rng.IntN(h.hotels)), id: h.uuid(), stay: h.stay(RoomTypes[h.rng.IntN(len(RoomTypes))]), guest: h.guest()}
		h.list = append(h.list, w)
		return &eventpb.WaitingListJoined{HotelId: w.hotel, EntryId: w.id, Stay: w.stay, Guest: w.guest, RatePlanId: "flexible",
			JoinDate: Day.AddDays(-h.rng.IntN(30)).String()}
	}
	i := h.rng.IntN(len(h.list))
	w := h.list[i]
	if w.offer == nil && h.rng.IntN(4) > 0 {
		placed := h.place(w.hotel, w.stay)
		placed.Guest, placed.WaitingListEntryId, placed.Channel = w.guest, w.id, "waiting_list"
		w.offer = h.open[len(h.open)-1]
		h.next = append(h.next, placed)
		return &eventpb.WaitingListOffered{HotelId: w.hotel, EntryId: w.id, ReservationId: w.offer.id}
	}
	if h.rng.IntN(3) == 0 {
		h.next = append(h.next, &eventpb.WaiterForgotten{HotelId: w.hotel, EntryId: w.id, Keys: []uint64{1 + h.rng.Uint64N(1000)}})
	}
	h.list[i] = h.list[len(h.list)-1]
	h.list = h.list[:len(h.list)-1]
	return &eventpb.WaitingListLeft{HotelId: w.hotel, EntryId: w.id, Reason: h.reason(w)}
}

// reason says why an entry leaves the list.
func (h *History) reason(w *waiter) eventpb.WaitingListEnd {
	switch {
	case w.offer == nil && h.rng.IntN(2) == 0:
		return eventpb.WaitingListEnd_WAITING_LIST_END_PAST
	case w.offer == nil || w.offer.status == pending:
		return eventpb.WaitingListEnd_WAITING_LIST_END_GUEST_REQUEST
	case w.offer.status == paid:
		return eventpb.WaitingListEnd_WAITING_LIST_END_ACCEPTED
	}
	return eventpb.WaitingListEnd_WAITING_LIST_END_OFFER_LAPSED
}
