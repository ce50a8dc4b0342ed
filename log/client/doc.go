// Package client is how a program talks to a log: a Producer that routes records to partitions and
// gathers them into batches, a Consumer that reads many partitions with long polling, and an Admin
// for topics. They see the log through the small interfaces of package log, so the log may
// be a broker in the same process (lodge/log/broker) or, later, one at the other end of a connection.
//
//	producer, err := client.NewProducer(lg, client.ProducerOptions{})
//	future, err := producer.Produce(ctx, log.Record{Topic: "bookings", Key: key, Value: value})
//	position, err := future.Wait(ctx)
//
//	consumer, err := client.NewConsumer(lg, client.ConsumerOptions{})
//	err = consumer.Assign(ctx, client.AtBeginning(), log.TopicPartition{Topic: "bookings"})
//	records, err := consumer.Poll(ctx)
//
// Constructors start no goroutine. Producer and Consumer start them when there is something to send or
// to fetch, and Close leaves none behind.
//
// What it does not do: conditional appends, which concern one partition and one writer, go straight to
// log.Writer; consumer groups, which share the partitions of a topic among members, come later.
package client
