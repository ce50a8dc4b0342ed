package hotel

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// decideStay decides the commands of command_stay.go.
func (s *State) decideStay(c Command, at At) ([]proto.Message, error) {
	switch c := c.(type) {
	case *CreateRoom:
		return s.createRoom(c)
	case *UpdateRoom:
		return s.updateRoom(c)
	case *ArchiveRoom:
		return s.archiveRoom(c)
	case *CheckIn:
		return s.checkIn(c, at)
	case *CheckOut:
		return s.checkOut(c, at)
	case *MoveGuest:
		return s.moveGuest(c, at)
	case *Walk:
		return s.walk(c, at)
	case *PlaceGroup:
		return s.placeGroup(c, at)
	case *CancelGroup:
		return s.cancelGroup(c, at)
	case *PayGroup:
		return s.payGroup(c, at)
	case *ForgetGuest:
		return s.forgetGuest(c, at)
	case *ForgetWaiter:
		return s.forgetWaiter(c, at)
	case *JoinWaitingList:
		return s.joinWaitingList(c, at)
	case *LeaveWaitingList:
		return s.leaveWaitingList(c)
	case *OfferRooms:
		return s.offerRooms(c, at)
	case *ExtendInventory:
		return s.extendInventory(c, at)
	}
	return nil, domain.Errorf(domain.InvalidArgument, "", "%T is not a command of a hotel", c)
}

// evolveStay applies the events of those commands.
func (s *State) evolveStay(m proto.Message) error {
	switch m := m.(type) {
	case *eventpb.RoomCreated:
		return s.addRoom(m.GetRoom())
	case *eventpb.RoomUpdated:
		return s.setRoom(m.GetRoom())
	case *eventpb.RoomArchived:
		return s.setRoom(m.GetRoom())
	case *eventpb.GuestCheckedIn:
		return s.checkedIn(m)
	case *eventpb.GuestCheckedOut:
		return s.checkedOut(m)
	case *eventpb.GuestMoved:
		return s.moved(m)
	case *eventpb.GuestWalked:
		return s.ended(m)
	case *eventpb.GuestForgotten:
		return s.owns(m.GetHotelId()) // nothing here knows who guests are
	case *eventpb.WaiterForgotten:
		return s.waiterForgotten(m)
	case *eventpb.WaitingListJoined:
		return s.joined(m)
	case *eventpb.WaitingListOffered:
		return s.offered(m)
	case *eventpb.WaitingListLeft:
		return s.left(m)
	}
	return fmt.Errorf("%T is not an event of a hotel", m)
}
