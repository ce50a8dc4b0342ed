package api

import (
	"strings"

	"lodge/domain"
	"lodge/log"
)

// Resource names, after AIP-122.
const (
	hotelsPrefix      = "hotels/"
	roomTypesInfix    = "/roomTypes/"
	ratePlansInfix    = "/ratePlans/"
	reservationsInfix = "/reservations/"
	paymentsInfix     = "/payments/"
	roomsInfix        = "/rooms/"
	waitingListInfix  = "/waitingListEntries/"
	topicsPrefix      = "topics/"
	projectionsPrefix = "projections/"
	groupsPrefix      = "groups/"
	queuesPrefix      = "queues/"
	schedulesPrefix   = "schedules/"
	consumersPrefix   = "consumers/"
)

func hotelName(hotel string) string { return hotelsPrefix + hotel }
func roomTypeName(hotel, roomType string) string {
	return hotelsPrefix + hotel + roomTypesInfix + roomType
}
func reservationName(hotel, id string) string {
	return hotelsPrefix + hotel + reservationsInfix + id
}

func paymentName(hotel, reservation, id string) string {
	return reservationName(hotel, reservation) + paymentsInfix + id
}
func roomName(hotel, room string) string { return hotelsPrefix + hotel + roomsInfix + room }
func waitingListEntryName(hotel, entry string) string {
	return hotelsPrefix + hotel + waitingListInfix + entry
}

// parseHotel returns the id in hotels/{hotel}.
func parseHotel(name, field string) (string, error) {
	id, ok := strings.CutPrefix(name, hotelsPrefix)
	if !ok {
		return "", badName(name, field, "hotels/{hotel}")
	}
	return id, domain.ValidateID(id, field)
}

// parseRoomType returns the ids in hotels/{hotel}/roomTypes/{room_type}.
func parseRoomType(name, field string) (hotel, roomType string, err error) {
	hotel, roomType, ok := cutChild(name, roomTypesInfix)
	if !ok {
		return "", "", badName(name, field, "hotels/{hotel}/roomTypes/{room_type}")
	}
	if err := domain.ValidateID(hotel, field); err != nil {
		return "", "", err
	}
	return hotel, roomType, domain.ValidateID(roomType, field)
}

// parseReservation returns the ids in hotels/{hotel}/reservations/{reservation}.
func parseReservation(name, field string) (hotel string, id domain.ReservationID, err error) {
	hotel, text, ok := cutChild(name, reservationsInfix)
	if !ok {
		return "", id, badName(name, field, "hotels/{hotel}/reservations/{reservation}")
	}
	if err := domain.ValidateID(hotel, field); err != nil {
		return "", id, err
	}
	id, err = domain.ParseReservationID(text)
	if err != nil {
		return "", id, domain.Errorf(domain.InvalidID, field, "%.80q is not a lower-case UUID", text)
	}
	return hotel, id, nil
}

// parseRoom returns the ids in hotels/{hotel}/rooms/{room}.
func parseRoom(name, field string) (hotel, room string, err error) {
	hotel, room, ok := cutChild(name, roomsInfix)
	if !ok {
		return "", "", badName(name, field, "hotels/{hotel}/rooms/{room}")
	}
	if err := domain.ValidateID(hotel, field); err != nil {
		return "", "", err
	}
	return hotel, room, domain.ValidateID(room, field)
}

// parseWaitingListEntry returns the ids in hotels/{hotel}/waitingListEntries/{entry}.
func parseWaitingListEntry(name, field string) (hotel, entry string, err error) {
	hotel, entry, ok := cutChild(name, waitingListInfix)
	if !ok {
		return "", "", badName(name, field, "hotels/{hotel}/waitingListEntries/{entry}")
	}
	if err := domain.ValidateID(hotel, field); err != nil {
		return "", "", err
	}
	return hotel, entry, validUUID(entry, field)
}

// parsePayment returns the ids in hotels/{hotel}/reservations/{reservation}/payments/{payment}.
func parsePayment(name, field string) (hotel, reservation, payment string, err error) {
	of, payment, ok := strings.Cut(name, paymentsInfix)
	if !ok {
		return "", "", "", badName(name, field, "hotels/{hotel}/reservations/{reservation}/payments/{payment}")
	}
	hotel, id, err := parseReservation(of, field)
	if err != nil {
		return "", "", "", err
	}
	return hotel, id.String(), payment, validUUID(payment, field)
}

// validUUID checks an id that is a UUID in lower case.
func validUUID(id, field string) error {
	if _, err := domain.ParseReservationID(id); err != nil {
		return domain.Errorf(domain.InvalidID, field, "%.80q is not a lower-case UUID", id)
	}
	return nil
}

func cutChild(name, infix string) (hotel, child string, ok bool) {
	rest, ok := strings.CutPrefix(name, hotelsPrefix)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, infix)
}

func badName(name, field, pattern string) error {
	return domain.Errorf(domain.InvalidID, field, "%.80q is not a name of the form %s", name, pattern)
}

// parseTopic returns the topic in topics/{topic}.
func parseTopic(name, field string) (log.Topic, error) {
	id, ok := strings.CutPrefix(name, topicsPrefix)
	if !ok || log.Topic(id).Validate() != nil {
		return "", badName(name, field, "topics/{topic}")
	}
	return log.Topic(id), nil
}

// parseGroup returns the group behind a prefix: groups/{group} or queues/{queue}.
func parseGroup(name, prefix, field string) (log.Group, error) {
	id, ok := strings.CutPrefix(name, prefix)
	if !ok || log.Group(id).Validate() != nil {
		return "", badName(name, field, prefix+"{"+prefix[:len(prefix)-2]+"}")
	}
	return log.Group(id), nil
}

// parseSchedule returns the id in schedules/{schedule}.
func parseSchedule(name, field string) (string, error) {
	id, ok := strings.CutPrefix(name, schedulesPrefix)
	if !ok || id == "" || len(id) > log.ScheduleIDMax {
		return "", badName(name, field, "schedules/{schedule}")
	}
	return id, nil
}

// parseTopicPartition reads topic/partition.
func parseTopicPartition(s, field string) (log.TopicPartition, error) {
	pos, err := log.ParsePosition(s + "@0")
	if err != nil {
		return log.TopicPartition{}, domain.Errorf(ReasonInvalidPosition, field, "%.300q is not topic/partition", s)
	}
	return pos.TopicPartition(), nil
}

// parsePosition reads topic/partition@offset; ok is false when s is empty.
func parsePosition(s, field string) (pos log.Position, ok bool, err error) {
	if s == "" {
		return pos, false, nil
	}
	pos, err = log.ParsePosition(s)
	if err != nil {
		return pos, false, domain.Errorf(ReasonInvalidPosition, field, "%.300q is not topic/partition@offset", s)
	}
	return pos, true, nil
}
