package client_test

import (
	"context"
	"fmt"
	"sort"
	"sync"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/vfs"
)

// Two members of a group share the partitions of a topic.
func ExampleConsumer_group() {
	ctx := context.Background()
	lg, err := broker.Open("log", broker.Options{FS: vfs.NewMem()}) // in memory; a program gives a folder
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lg.Close()
	running, stop := context.WithCancel(ctx)
	var server sync.WaitGroup
	server.Go(func() { _ = lg.Run(running) })
	defer server.Wait()
	defer stop()
	if err := fillForGroup(ctx, lg); err != nil {
		fmt.Println(err)
		return
	}

	sent := make(chan string)
	var members sync.WaitGroup
	reading, enough := context.WithCancel(ctx)
	for range 2 {
		members.Go(func() { mailer(reading, lg, sent) })
	}
	var mails []string
	for range 4 {
		mails = append(mails, <-sent)
	}
	enough()
	members.Wait()
	sort.Strings(mails)
	fmt.Println(mails)
	// Output:
	// [confirm astoria confirm bristol confirm carlton confirm dorint]
}

func fillForGroup(ctx context.Context, lg *broker.Broker) error {
	if err := lg.CreateTopic(ctx, "bookings", log.TopicConfig{Partitions: 4}); err != nil {
		return err
	}
	producer, err := client.NewProducer(lg, client.ProducerOptions{})
	if err != nil {
		return err
	}
	for _, hotel := range []string{"astoria", "bristol", "carlton", "dorint"} {
		if _, err := producer.Produce(ctx, log.Record{Topic: "bookings", Key: []byte(hotel), Value: []byte("placed")}); err != nil {
			return err
		}
	}
	return producer.Close(ctx)
}

// mailer is one member: what Poll returned is done with when Poll is called again, and committed then.
func mailer(ctx context.Context, lg log.Reader, sent chan<- string) {
	consumer, err := client.NewConsumer(lg, client.ConsumerOptions{Group: "mailer"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer consumer.Close() // leaves the group
	if err := consumer.Subscribe("bookings"); err != nil {
		fmt.Println(err)
		return
	}
	for {
		records, err := consumer.Poll(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, r := range records {
			sent <- "confirm " + string(r.Key)
		}
		if err := consumer.Commit(ctx, nil); err != nil && ctx.Err() == nil {
			fmt.Println(err)
		}
	}
}
