package broker

import (
	"context"
	"fmt"
	"testing"

	"lodge/log"
	"lodge/log/vfs"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	fs := vfs.NewMem()
	b, err := Open("d", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	tp := log.TopicPartition{Topic: "t"}
	if err := b.CreateTopic(ctx, "t", log.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		o, err := b.Append(ctx, tp, &log.Batch{Records: []log.Record{{Value: []byte(fmt.Sprint(i))}}})
		if err != nil || o != log.Offset(i) {
			t.Fatal(o, err)
		}
	}
	r, err := b.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: 3})
	if err != nil || len(r.Records) != 7 || r.Next != 10 {
		t.Fatal(r, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err = Open("d", Options{FS: fs}); err != nil {
		t.Fatal(err)
	}
	r, err = b.Fetch(ctx, log.FetchRequest{TopicPartition: tp, Offset: 3})
	if err != nil || len(r.Records) != 7 || r.Next != 10 {
		t.Fatal(r, err)
	}
}
