package broker_test

import (
	"context"
	"fmt"
	"os"

	"lodge/log"
	"lodge/log/broker"
)

// A log in a folder: make a topic, append conditionally, read it back.
func Example() {
	dir, err := os.MkdirTemp("", "lodge-log-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	b, err := broker.Open(dir, broker.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	ctx := context.Background()
	if err := b.CreateTopic(ctx, "bookings", log.TopicConfig{Partitions: 4}); err != nil {
		fmt.Println(err)
		return
	}
	key := []byte("hotel-1")
	tp := log.TopicPartition{Topic: "bookings", Partition: log.PartitionForKey(key, 4)}
	end := log.Offset(0)
	for _, value := range []string{"placed", "paid"} {
		batch := &log.Batch{Records: []log.Record{{Key: key, Value: []byte(value)}}, Expect: &end}
		offset, err := b.Append(ctx, tp, batch) // on disk when it returns
		if err != nil {
			fmt.Println(err)
			return
		}
		end = offset + 1
	}
	wrong := log.Offset(0)
	_, err = b.Append(ctx, tp, &log.Batch{Records: []log.Record{{Value: []byte("late")}}, Expect: &wrong})
	fmt.Println(log.CodeOf(err))

	found, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: 0})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range found.Records {
		fmt.Printf("%d %s %s\n", r.Offset, r.Key, r.Value)
	}
	// Output:
	// OFFSET_MISMATCH
	// 0 hotel-1 placed
	// 1 hotel-1 paid
}
