// Package client is how a program talks to a log: a Producer that routes records to partitions and
// gathers them into batches, a Consumer that reads many partitions with long polling, alone or as a member of a group, a Transformer that
// makes records of other topics from what it reads, each exactly once, a QueueConsumer that works on the records of a queue group, and an Admin
// for topics. They see the log through the small interfaces of package log, so the log may
// be a broker in the same process (lodge/log/broker) or, later, one at the other end of a connection.
//
//	producer, err := client.NewProducer(lg, client.ProducerOptions{})
//	future, err := producer.Produce(ctx, log.Record{Topic: "bookings", Key: key, Value: value})
//	position, err := future.Wait(ctx)
//
//	consumer, err := client.NewConsumer(lg, client.ConsumerOptions{Group: "mailer"})
//	err = consumer.Subscribe("bookings")
//	records, err := consumer.Poll(ctx)
//
// Constructors start no goroutine. Producer and Consumer start them when there is something to send or
// to fetch, or a group to be in, and Close leaves none behind.
//
// # Groups
//
// The members of a group share the partitions of the topics that they subscribe to: each partition is read by one member at a time. A
// goroutine of the consumer's keeps it in the group; what that means for the application it learns in Poll, in its own goroutine: OnAssigned, OnRevoked
// and OnLost are called there, and a partition goes to another member only when the application has called Poll again. So a handler between two Polls
// is never overtaken by another member, except by one that has been told, or had to assume, that this one is dead.
//
//	                what is committed, and when                       a record whose member dies meanwhile
//	AtLeastOnce     what earlier Polls returned, from time to time    is returned again
//	AtMostOnce      what Poll is about to return, before              is not returned again
//	ExactlyOnce     by the caller, in one transaction with results    is returned again, and its first try rolled back
//	Transformer     what is in the output, with what comes next       is transformed again, and the log knows the output
//
// A member that was away for too long (SessionTimeout without a heartbeat, or RebalanceTimeout without a Poll while partitions had to
// change hands) is deposed: its commits are refused, with a typed error, its partitions are another's, and OnLost says so. Outside the
// log nothing holds it back: whoever writes elsewhere checks there, as ExactlyOnce describes.
//
// A rebalance is noticed with heartbeats, so it takes up to two HeartbeatIntervals, and the members' next Polls.
//
// # Topics that change
//
// Partitions are added and retired while producers and groups run. A Producer routes by the topic's layout; when the log refuses it as stale, the
// producer refreshes it and routes anew what is not in the log yet, never letting records of a key overtake each other. The leader of a group looks at the
// topics with each heartbeat and has the group form anew. Consumers with KeyOrder finish one layout before they begin the next.
// DESIGN.md, "Key order when a topic changes", says what that promises.
//
// # What it does not do
//
// Conditional appends, which concern one partition and one writer, go straight to log.Writer. There are no transactions over several
// partitions: exactly once rests on what is said at Delivery and Transformer.
package client
