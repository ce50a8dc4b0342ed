package event

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"lodge/domain/eventpb"
)

// Kind describes one type of event in one version.
type Kind struct {
	Type  string // lodge.reservation.placed.v1: stored as ce_type, never changed
	Topic string // where its events lie

	// New returns an empty message of the kind.
	New func() proto.Message

	// Upcast, on a version that is written no more, makes the next version's message of this one's. It may keep
	// parts of the old message. nil: this is the version that is written today.
	Upcast func(old proto.Message) (proto.Message, error)

	typeValue []byte // Type as a header value
}

// Current reports whether events of this kind are still written.
func (k *Kind) Current() bool { return k.Upcast == nil }

// Registry knows a set of kinds. It does not change once made, and is safe for concurrent use.
type Registry struct {
	kinds     []*Kind // by Type
	byType    map[string]*Kind
	byMessage map[reflect.Type]*Kind
}

// NewRegistry makes a registry. It panics when two kinds share a type or a message, or an upcaster has no successor
// among them: that is a mistake in the program.
func NewRegistry(kinds ...Kind) *Registry {
	r := &Registry{byType: make(map[string]*Kind), byMessage: make(map[reflect.Type]*Kind)}
	for _, kind := range kinds {
		message := reflect.TypeOf(kind.New())
		if r.byType[kind.Type] != nil || r.byMessage[message] != nil {
			panic(fmt.Sprintf("event: %s (%s) is registered twice", kind.Type, message))
		}
		kind.typeValue = []byte(kind.Type)
		r.byType[kind.Type] = &kind
		r.byMessage[message] = &kind
		r.kinds = append(r.kinds, &kind)
	}
	slices.SortFunc(r.kinds, func(a, b *Kind) int { return strings.Compare(a.Type, b.Type) })
	return r
}

// Kinds returns all kinds in order of their types.
func (r *Registry) Kinds() []*Kind { return slices.Clone(r.kinds) }

// Kind returns the kind with this type, or nil.
func (r *Registry) Kind(eventType string) *Kind { return r.byType[eventType] }

// KindOf returns the kind of a message, or nil.
func (r *Registry) KindOf(m proto.Message) *Kind { return r.byMessage[reflect.TypeOf(m)] }

// kindOf makes New from a value of the message's type.
func kindOf[M any, P interface {
	*M
	proto.Message
}](topic, eventType string) Kind {
	return Kind{Type: eventType, Topic: topic, New: func() proto.Message { return P(new(M)) }}
}

// registry holds every event that Lodge stores.
var registry = NewRegistry(
	kindOf[eventpb.HotelCreated](HotelsTopic, "lodge.hotel.created.v1"),
	kindOf[eventpb.HotelUpdated](HotelsTopic, "lodge.hotel.updated.v1"),
	kindOf[eventpb.HotelArchived](HotelsTopic, "lodge.hotel.archived.v1"),
	kindOf[eventpb.RoomTypeCreated](HotelsTopic, "lodge.room_type.created.v1"),
	kindOf[eventpb.RoomTypeUpdated](HotelsTopic, "lodge.room_type.updated.v1"),
	kindOf[eventpb.RoomTypeArchived](HotelsTopic, "lodge.room_type.archived.v1"),
	kindOf[eventpb.RatePlanCreated](HotelsTopic, "lodge.rate_plan.created.v1"),
	kindOf[eventpb.RatePlanUpdated](HotelsTopic, "lodge.rate_plan.updated.v1"),
	kindOf[eventpb.RatePlanArchived](HotelsTopic, "lodge.rate_plan.archived.v1"),
	kindOf[eventpb.RatesSet](InventoryTopic, "lodge.rates.set.v1"),
	kindOf[eventpb.InventorySet](InventoryTopic, "lodge.inventory.set.v1"),
	kindOf[eventpb.RestrictionsSet](InventoryTopic, "lodge.restrictions.set.v1"),
	kindOf[eventpb.ReservationPlaced](BookingsTopic, "lodge.reservation.placed.v1"),
	kindOf[eventpb.ReservationRejected](BookingsTopic, "lodge.reservation.rejected.v1"),
	kindOf[eventpb.ReservationPaid](BookingsTopic, "lodge.reservation.paid.v1"),
	kindOf[eventpb.ReservationCanceled](BookingsTopic, "lodge.reservation.canceled.v1"),
	kindOf[eventpb.ReservationNoShow](BookingsTopic, "lodge.reservation.no_show.v1"),
	kindOf[eventpb.ReservationBalancePaid](BookingsTopic, "lodge.reservation.balance_paid.v1"),
	kindOf[eventpb.ReservationDeclined](BookingsTopic, "lodge.reservation.declined.v1"),
	kindOf[eventpb.ReservationModified](BookingsTopic, "lodge.reservation.modified.v1"),
	kindOf[eventpb.RefundGranted](BookingsTopic, "lodge.reservation.refund_granted.v1"),
	kindOf[eventpb.ReservationRefunded](BookingsTopic, "lodge.reservation.refunded.v1"),
	kindOf[eventpb.GuestCheckedIn](BookingsTopic, "lodge.reservation.checked_in.v1"),
	kindOf[eventpb.GuestCheckedOut](BookingsTopic, "lodge.reservation.checked_out.v1"),
	kindOf[eventpb.GuestMoved](BookingsTopic, "lodge.reservation.moved.v1"),
	kindOf[eventpb.GuestWalked](BookingsTopic, "lodge.reservation.walked.v1"),
	kindOf[eventpb.GuestForgotten](BookingsTopic, "lodge.reservation.guest_forgotten.v1"),
	kindOf[eventpb.WaiterForgotten](BookingsTopic, "lodge.waiting_list.guest_forgotten.v1"),
	kindOf[eventpb.WaitingListJoined](BookingsTopic, "lodge.waiting_list.joined.v1"),
	kindOf[eventpb.WaitingListOffered](BookingsTopic, "lodge.waiting_list.offered.v1"),
	kindOf[eventpb.WaitingListLeft](BookingsTopic, "lodge.waiting_list.left.v1"),
	kindOf[eventpb.PaymentRequested](PaymentsTopic, "lodge.payment.requested.v1"),
	kindOf[eventpb.PaymentCaptured](PaymentsTopic, "lodge.payment.captured.v1"),
	kindOf[eventpb.PaymentDeclined](PaymentsTopic, "lodge.payment.declined.v1"),
	kindOf[eventpb.PaymentFailed](PaymentsTopic, "lodge.payment.failed.v1"),
	kindOf[eventpb.RefundRequested](PaymentsTopic, "lodge.refund.requested.v1"),
	kindOf[eventpb.RefundSucceeded](PaymentsTopic, "lodge.refund.succeeded.v1"),
	kindOf[eventpb.RefundFailed](PaymentsTopic, "lodge.refund.failed.v1"),
	kindOf[eventpb.RoomCreated](HotelsTopic, "lodge.room.created.v1"),
	kindOf[eventpb.RoomUpdated](HotelsTopic, "lodge.room.updated.v1"),
	kindOf[eventpb.RoomArchived](HotelsTopic, "lodge.room.archived.v1"),
)

// Default returns the registry of every event that Lodge stores.
func Default() *Registry { return registry }

// Kinds returns all kinds of events that Lodge stores, in order of their types.
func Kinds() []*Kind { return registry.Kinds() }

// TypeOf returns the type of an event, as in lodge.reservation.placed.v1, or "" when m is none.
func TypeOf(m proto.Message) string {
	if kind := registry.KindOf(m); kind != nil {
		return kind.Type
	}
	return ""
}

// TopicOf returns the topic that an event lies in, or "" when m is none.
func TopicOf(m proto.Message) string {
	if kind := registry.KindOf(m); kind != nil {
		return kind.Topic
	}
	return ""
}

// HotelOf returns the id of the hotel that an event belongs to, or "" when m is none or has none.
func HotelOf(m proto.Message) string {
	switch m := m.(type) {
	case interface{ GetHotelId() string }:
		return m.GetHotelId()
	case interface{ GetHotel() *eventpb.Hotel }:
		return m.GetHotel().GetHotelId()
	case interface{ GetRoomType() *eventpb.RoomType }:
		return m.GetRoomType().GetHotelId()
	case interface{ GetRatePlan() *eventpb.RatePlan }:
		return m.GetRatePlan().GetHotelId()
	case interface{ GetRoom() *eventpb.Room }:
		return m.GetRoom().GetHotelId()
	}
	return ""
}
