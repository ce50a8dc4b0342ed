package natsbridge_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/natsbridge"
)

func Example() {
	ctx, stop := context.WithCancel(context.Background())
	dir, err := os.MkdirTemp("", "schedules")
	check(err)
	defer os.RemoveAll(dir)

	lg, err := broker.Open(filepath.Join(dir, "log"), broker.Options{})
	check(err)
	check(lg.CreateTopic(ctx, "holds", log.TopicConfig{}))
	bridge, err := natsbridge.Open(ctx, lg, natsbridge.Options{StoreDir: filepath.Join(dir, "nats")})
	check(err)
	done := make(chan error)
	go func() { done <- bridge.Run(ctx) }()

	_, err = bridge.After(ctx, 20*time.Millisecond, log.Record{Topic: "holds", Key: []byte("hotel-1"), Value: []byte("hold 17 expires")})
	check(err)
	found, err := lg.Fetch(ctx, log.FetchRequest{TopicPartition: log.TopicPartition{Topic: "holds"}, MaxWait: time.Minute})
	check(err)
	fmt.Println(string(found.Records[0].Value))

	stop()
	check(<-done)
	check(bridge.Close())
	check(lg.Close())
	// Output: hold 17 expires
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
