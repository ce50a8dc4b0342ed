package client_test

import (
	"context"
	"fmt"
	"os"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
)

// A program of its own with a log in a folder: open a broker, create a topic, produce, consume.
func Example() {
	if err := run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// bookings/0@0 grand-hotel: placed
	// bookings/0@1 grand-hotel: paid
	// read bookings/0@0 placed
	// read bookings/0@1 paid
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "log")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	lg, err := broker.Open(dir, broker.Options{})
	if err != nil {
		return err
	}
	defer lg.Close()
	if err := lg.CreateTopic(ctx, "bookings", log.TopicConfig{Partitions: 1}); err != nil {
		return err
	}
	if err := produce(ctx, lg); err != nil {
		return err
	}
	return consume(ctx, lg)
}

func produce(ctx context.Context, lg client.ProducerLog) error {
	producer, err := client.NewProducer(lg, client.ProducerOptions{})
	if err != nil {
		return err
	}
	defer producer.Close(ctx)
	for _, value := range []string{"placed", "paid"} {
		future, err := producer.Produce(ctx, log.Record{Topic: "bookings", Key: []byte("grand-hotel"), Value: []byte(value)})
		if err != nil {
			return err
		}
		position, err := future.Wait(ctx) // acknowledged: on disk
		if err != nil {
			return err
		}
		fmt.Printf("%v grand-hotel: %s\n", position, value)
	}
	return producer.Flush(ctx)
}

func consume(ctx context.Context, lg log.Reader) error {
	consumer, err := client.NewConsumer(lg, client.ConsumerOptions{})
	if err != nil {
		return err
	}
	defer consumer.Close()
	if err := consumer.Assign(ctx, client.AtBeginning(), log.TopicPartition{Topic: "bookings", Partition: 0}); err != nil {
		return err
	}
	for read := 0; read < 2; {
		records, err := consumer.Poll(ctx) // waits for the next ones
		if err != nil {
			return err
		}
		for _, r := range records {
			fmt.Printf("read %v %s\n", r.Position(), r.Value)
		}
		read += len(records)
	}
	return nil
}
