package client_test

import (
	"context"
	"fmt"
	"testing"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
)

// BenchmarkProducer sends records of 512 bytes as fast as they are taken, to a broker in a folder.
func BenchmarkProducer(b *testing.B) {
	for _, durability := range []log.Durability{log.Sync, log.None} {
		for _, keyed := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/keyed %v", durability, keyed), func(b *testing.B) {
				lg := benchBroker(b, log.TopicConfig{Partitions: 4, Durability: durability})
				p, err := client.NewProducer(lg, client.ProducerOptions{})
				if err != nil {
					b.Fatal(err)
				}
				r := log.Record{Topic: "bookings", Value: make([]byte, 512)}
				keys := make([][]byte, 1000)
				for i := range keys {
					keys[i] = fmt.Append(nil, "hotel-", i)
				}
				b.SetBytes(512)
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					if keyed {
						r.Key = keys[i%len(keys)]
					}
					if _, err := p.Produce(context.Background(), r); err != nil {
						b.Fatal(err)
					}
				}
				if err := p.Close(context.Background()); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// BenchmarkConsumer polls four partitions of records of 512 bytes from the beginning.
func BenchmarkConsumer(b *testing.B) {
	lg := benchBroker(b, log.TopicConfig{Partitions: 4, Durability: log.None})
	batch := &log.Batch{}
	for range 100 {
		batch.Records = append(batch.Records, log.Record{Value: make([]byte, 512)})
	}
	var tps []log.TopicPartition
	for n := range log.Partition(4) {
		tp := log.TopicPartition{Topic: "bookings", Partition: n}
		tps = append(tps, tp)
		for range 500 {
			if _, err := lg.Append(context.Background(), tp, batch); err != nil {
				b.Fatal(err)
			}
		}
	}
	c, err := client.NewConsumer(lg, client.ConsumerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := c.Assign(context.Background(), client.AtBeginning(), tps...); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(512)
	b.ReportAllocs()
	b.ResetTimer()
	for left, n := 4*50_000, 0; n < b.N; {
		if left == 0 {
			left = 4 * 50_000
			if err := c.Seek(context.Background(), client.AtBeginning()); err != nil {
				b.Fatal(err)
			}
		}
		records, err := c.Poll(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		n += len(records)
		left -= len(records)
	}
}

func benchBroker(b *testing.B, config log.TopicConfig) *broker.Broker {
	b.Helper()
	lg, err := broker.Open(b.TempDir(), broker.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := lg.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := lg.CreateTopic(context.Background(), "bookings", config); err != nil {
		b.Fatal(err)
	}
	return lg
}
