package hotel

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// room makes a double room on the second floor.
func room(id string) *CreateRoom {
	return &CreateRoom{Hotel: "grand", Room: id, RoomType: "double", DisplayName: "No. " + id, Floor: "2"}
}

func createSuite() *CreateRoomType {
	return with(createDouble(), func(c *CreateRoomType) { c.RoomType = "suite" })
}

func roomMessage(change func(*eventpb.Room)) *eventpb.Room {
	room := &eventpb.Room{HotelId: "grand", RoomId: "204", RoomTypeId: "double", DisplayName: "No. 204", Floor: "2", Version: 1}
	change(room)
	return room
}

func TestCreateRoom(t *testing.T) {
	runAll(t, []scenario{
		{
			name: "makes one", given: open(), when: room("204"),
			then: []proto.Message{&eventpb.RoomCreated{Room: roomMessage(func(*eventpb.Room) {})}},
		},
		{name: "in no hotel", when: room("204"), reason: domain.HotelNotFound, field: "hotel_id"},
		{
			name: "in an archived hotel", given: open(&ArchiveHotel{Hotel: "grand"}), when: room("204"),
			reason: domain.HotelArchived, field: "hotel_id",
		},
		{name: "twice", given: open(room("204")), when: room("204"), reason: domain.RoomExists, field: "room_id"},
		{
			name: "with the id of an archived one", given: open(room("204"), &ArchiveRoom{Hotel: "grand", Room: "204"}), when: room("204"),
			reason: domain.RoomExists, field: "room_id",
		},
		{name: "without a good id", given: open(), when: room("Room 204"), reason: domain.InvalidID, field: "room_id"},
		{
			name: "of an unknown type", given: open(), when: with(room("204"), func(c *CreateRoom) { c.RoomType = "suite" }),
			reason: domain.RoomTypeNotFound, field: "room_type_id",
		},
		{
			name: "of an archived type", given: open(&ArchiveRoomType{Hotel: "grand", RoomType: "double"}), when: room("204"),
			reason: domain.RoomTypeArchived, field: "room_type_id",
		},
		{
			name: "without a name", given: open(), when: with(room("204"), func(c *CreateRoom) { c.DisplayName = "" }),
			reason: domain.InvalidArgument, field: "display_name",
		},
		{
			name: "on too long a floor", given: open(), when: with(room("204"), func(c *CreateRoom) { c.Floor = strings.Repeat("2", FloorMax+1) }),
			reason: domain.InvalidArgument, field: "floor",
		},
	})
}

func TestUpdateRoom(t *testing.T) {
	update := func(change func(*UpdateRoom)) Command {
		return with(&UpdateRoom{Hotel: "grand", Room: "204"}, change)
	}
	runAll(t, []scenario{
		{
			name: "changes what is given", given: open(createSuite(), room("204")), when: update(func(c *UpdateRoom) {
				c.ExpectedVersion, c.RoomType, c.OutOfService = 1, ptr("suite"), ptr(true)
			}),
			then: []proto.Message{&eventpb.RoomUpdated{Room: roomMessage(func(r *eventpb.Room) {
				r.Version, r.RoomTypeId, r.OutOfService = 2, "suite", true
			})}},
		},
		{
			name: "changes names", given: open(room("204")), when: update(func(c *UpdateRoom) { c.DisplayName, c.Floor = ptr("Sea"), ptr("") }),
			then: []proto.Message{&eventpb.RoomUpdated{Room: roomMessage(func(r *eventpb.Room) { r.Version, r.DisplayName, r.Floor = 2, "Sea", "" })}},
		},
		{
			name: "of another version", given: open(room("204")), when: update(func(c *UpdateRoom) { c.ExpectedVersion = 2 }),
			reason: domain.EtagMismatch, field: "etag",
		},
		{name: "of no room", given: open(), when: update(func(*UpdateRoom) {}), reason: domain.RoomNotFound, field: "room_id"},
		{
			name: "of an archived room", given: open(room("204"), &ArchiveRoom{Hotel: "grand", Room: "204"}), when: update(func(*UpdateRoom) {}),
			reason: domain.RoomArchived, field: "room_id",
		},
		{
			name: "to no type", given: open(room("204")), when: update(func(c *UpdateRoom) { c.RoomType = ptr("suite") }),
			reason: domain.RoomTypeNotFound, field: "room_type_id",
		},
		{
			name: "to no name", given: open(room("204")), when: update(func(c *UpdateRoom) { c.DisplayName = ptr("") }),
			reason: domain.InvalidArgument, field: "display_name",
		},
	})
}

func TestArchiveRoom(t *testing.T) {
	archive := &ArchiveRoom{Hotel: "grand", Room: "204"}
	occupied := slices.Clip(open(room("204"), place(1, 1, july(1, 3)), confirm(1), arrive(1)))
	runAll(t, []scenario{
		{
			name: "takes it away", given: open(room("204")), when: archive,
			then: []proto.Message{&eventpb.RoomArchived{Room: roomMessage(func(r *eventpb.Room) { r.Version, r.Archived = 2, true })}},
		},
		{name: "not under a guest", given: occupied, when: archive, reason: domain.RoomUnavailable, field: "room_id"},
		{
			name: "when the guest has left", given: append(occupied, &CheckOut{Hotel: "grand", ReservationID: uuid(1)}), when: archive,
			then: []proto.Message{&eventpb.RoomArchived{Room: roomMessage(func(r *eventpb.Room) { r.Version, r.Archived = 2, true })}},
		},
		{
			name: "of another version", given: open(room("204")), when: with(archive, func(c *ArchiveRoom) { c.ExpectedVersion = 7 }),
			reason: domain.EtagMismatch, field: "etag",
		},
	})
}

func TestRoomsHaveALimit(t *testing.T) {
	s := New()
	run(t, s, noon, open()...)
	for n := range RoomsMax {
		run(t, s, noon, room(strconv.Itoa(n)))
	}
	if _, err := Decide(s, room("one-more"), At{Now: noon}); domain.ReasonOf(err) != domain.LimitReached {
		t.Errorf("one more than %d rooms: %v", RoomsMax, err)
	}
}
