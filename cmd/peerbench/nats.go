package main

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsStore is a JetStream stream in a server in this process, reached without a port.
type natsStore struct {
	server *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
}

const (
	natsStream  = "bench"
	natsSubject = "bench.records"
	natsReady   = 10 * time.Second
)

func openNATS(dir string, durable bool) (store, error) {
	srv, err := server.NewServer(&server.Options{DontListen: true, JetStream: true, StoreDir: dir, SyncAlways: durable, NoSigs: true, NoLog: true})
	if err != nil {
		return nil, err
	}
	srv.Start()
	s := &natsStore{server: srv}
	if !srv.ReadyForConnections(natsReady) {
		return nil, errors.Join(errors.New("the NATS server is not ready"), s.close())
	}
	if s.conn, err = nats.Connect("", nats.InProcessServer(srv)); err == nil {
		s.js, err = jetstream.New(s.conn)
	}
	if err == nil {
		_, err = s.js.CreateOrUpdateStream(context.Background(), jetstream.StreamConfig{Name: natsStream, Subjects: []string{natsSubject}})
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *natsStore) append(ctx context.Context, records [][]byte) error {
	if len(records) == 1 {
		_, err := s.js.Publish(ctx, natsSubject, records[0])
		return err
	}
	acks := make([]jetstream.PubAckFuture, len(records))
	for i, r := range records {
		var err error
		if acks[i], err = s.js.PublishAsync(natsSubject, r); err != nil {
			return err
		}
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *natsStore) readAll(ctx context.Context) (n int, err error) {
	stream, err := s.js.Stream(ctx, natsStream)
	if err != nil {
		return 0, err
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return 0, err
	}
	consumer, err := s.js.OrderedConsumer(ctx, natsStream, jetstream.OrderedConsumerConfig{})
	for err == nil && n < int(info.State.Msgs) {
		var batch jetstream.MessageBatch
		if batch, err = consumer.Fetch(5000, jetstream.FetchMaxWait(time.Second)); err != nil {
			break
		}
		for range batch.Messages() {
			n++
		}
		err = batch.Error()
	}
	return n, err
}

func (s *natsStore) close() error {
	if s.conn != nil {
		s.conn.Close()
	}
	s.server.Shutdown()
	s.server.WaitForShutdown()
	return nil
}
