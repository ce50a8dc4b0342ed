package availability

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// Touched are the nights [From, To) of a room type.
type Touched struct {
	RoomTypeID string
	From, To   domain.Date
}

// TouchedBy returns the nights of a Calendar that an event may have changed; all says that it may be any of the hotel's.
func TouchedBy(m proto.Message) (touched []Touched, all bool) {
	if _, ok := m.(interface{ GetRoomType() *eventpb.RoomType }); ok {
		return nil, true
	}
	if !Changes(m) || event.TopicOf(m) == event.HotelsTopic {
		return nil, false
	}
	first, last, err := nightsOf(m)
	if err != nil {
		return nil, true
	}
	if first < last {
		touched = append(touched, Touched{roomTypeOf(m).roomType, first, last})
	}
	earlier := earlierOf(m)
	if earlier == nil {
		return touched, false
	}
	first, last, err = nights(earlier.GetCheckInDate(), earlier.GetCheckOutDate())
	return append(touched, Touched{earlier.GetRoomTypeId(), first, last}), err != nil
}
