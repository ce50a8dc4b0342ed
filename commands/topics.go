package commands

import (
	"cmp"
	"context"
	"runtime"

	"lodge/domain/event"
	"lodge/log"
)

// The topics, in the order in which a state is rebuilt from them. Each index is a topic's place in the
// arrays of this package.
const (
	hotelsTopic = iota
	inventoryTopic
	bookingsTopic
	paymentsTopic
	topicCount
)

var topicNames = [topicCount]log.Topic{event.HotelsTopic, event.InventoryTopic, event.BookingsTopic, event.PaymentsTopic}

// Topics returns the names of the topics that the engine writes.
func Topics() []log.Topic { return append([]log.Topic(nil), topicNames[:]...) }

// PartitionsDefault returns how many partitions each topic of a new log has: one for every two of the processors that this process may use, from 2 to 8. Each has a processor, a group
// commit and a file of each read model of its own, so fewer of them do more at a time, and the other processors have callers and read models to serve (see DESIGN.md for figures).
func PartitionsDefault() int { return min(max(min(runtime.NumCPU(), runtime.GOMAXPROCS(0))/2, 2), 8) } // GOMAXPROCS may be set to more than there are

// CreateTopics creates those of Topics that are missing, with n partitions each (0: as many as there are, or
// PartitionsDefault() in a new log), kept for ever, and returns the number of partitions. Topics that exist must have that number
// of partitions, since a hotel's place is computed from it. A log that was made before there were payments gets their topic so.
//
// Bookings are as durable as d says, the others always as log.Sync does: bookings rest on hotels and inventory, and one that survives a power loss without its
// hotel could not be replayed; and what a provider was asked for must never be forgotten.
func CreateTopics(ctx context.Context, admin log.Admin, n int, d log.Durability) (int, error) {
	have, err := existing(ctx, admin)
	if err != nil {
		return 0, err
	}
	for _, info := range have {
		if n == 0 {
			n = len(info.Partitions)
		}
		if len(info.Partitions) != n {
			return 0, log.NewError(log.InvalidTopic, "create topics",
				"topic %s has %d partitions, not %d", info.Name, len(info.Partitions), n)
		}
	}
	n = cmp.Or(n, PartitionsDefault())
	for _, name := range topicNames {
		if _, ok := have[name]; ok {
			continue
		}
		config := log.TopicConfig{Partitions: n, Durability: log.Sync}
		if name == event.BookingsTopic {
			config.Durability = d
		}
		if err := admin.CreateTopic(ctx, name, config); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func existing(ctx context.Context, admin log.Admin) (map[log.Topic]log.TopicInfo, error) {
	all, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	have := make(map[log.Topic]log.TopicInfo, topicCount)
	for _, info := range all {
		if topicIndex(info.Name) >= 0 {
			have[info.Name] = info
		}
	}
	return have, nil
}

// topicIndex returns the place of a topic, or -1.
func topicIndex(name log.Topic) int {
	for i, known := range topicNames {
		if name == known {
			return i
		}
	}
	return -1
}
