// Package watermill lets programs that are written against Watermill (github.com/ThreeDotsLabs/watermill) publish to and subscribe from a log:
// a message.Publisher, and a message.Subscriber that is also a message.SubscribeInitializer.
//
//	publisher, err := watermill.NewPublisher(lg, watermill.PublisherConfig{})
//	subscriber, err := watermill.NewSubscriber(lg, watermill.SubscriberConfig{Group: "billing"})
//	router.AddConsumerHandler("billing", "bookings", subscriber, handle)
//
// # Messages and records
//
// A message's payload is a record's value, its metadata are headers, its UUID is the header UUIDHeader. The metadata entry named by
// PublisherConfig.KeyMetadata (KeyMetadata by default) is the record's key, which decides the partition. A record without UUIDHeader, written
// by something else, gets its position (topic/partition@offset) as UUID, the same each time. PositionOf tells where a message lies.
//
// # What is promised
//
// Publish returns when the log has acknowledged all of the messages. With a group, each message of a topic goes to one of the
// group's subscriptions, at least once: what is acknowledged is committed every CommitInterval, when a partition goes to another subscription, and at
// the end. Without a group each subscription gets everything from Start on.
//
// With SubscriberConfig.Filter only records of some types (tags) or keys are sent, and the log leaves the others out: a subscriber that waits
// for a rare type costs next to nothing on a busy topic.
//
// Order is that of the partition: the next message of a partition is sent when the one before is acknowledged. Partitions run side by side. A
// negative acknowledgement sends the same message again after NackDelay, and holds its partition up meanwhile: whoever wants to go on
// puts Watermill's Retry and PoisonQueue middlewares around the handler. With SubscriberConfig.Parallel several messages of a partition are under way at the
// same time, and order is that of SubscriberConfig.OrderKey: for handlers that wait for somebody else, such as a payment provider.
//
// What it does not do: transactions, delays (package natsbridge does), queue groups (client.QueueConsumer).
package watermill
