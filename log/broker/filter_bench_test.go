package broker

import (
	"fmt"
	"sync/atomic"
	"testing"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// BenchmarkFilteredFetch reads a partition of 500,000 records (about 250 B, with key and three headers) from its beginning to its end: unfiltered,
// by tags of which one record in 10,000, 100 or every one has, and by a key that occurs once in 10,000. It reports the records passed in a second
// and the part of the partition's bytes that was read.
func BenchmarkFilteredFetch(b *testing.B) {
	const records = 500_000
	read := new(atomic.Int64)
	fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.ReadAt {
			read.Add(int64(op.Bytes))
		}
		return nil
	}))
	br, err := Open(b.TempDir(), Options{FS: fs})
	if err != nil {
		b.Fatal(err)
	}
	defer br.Close()
	create(b, br, "t", log.TopicConfig{Durability: log.None})
	for i := 0; i < records; {
		batch := &log.Batch{}
		for range 100 {
			batch.Records = append(batch.Records, filterRecord(i))
			i++
		}
		mustAppend(b, br, tp0, batch)
	}
	for _, c := range []struct {
		name   string
		filter *log.Filter
	}{
		{"unfiltered", nil},
		{"tag=1 in 10000", &log.Filter{Tags: []string{"seldom"}}},
		{"tag=1 in 100", &log.Filter{Tags: []string{"at times"}}},
		{"tag=all", &log.Filter{Tags: []string{"often", "at times", "seldom"}}},
		{"key=1 in 10000", &log.Filter{Keys: [][]byte{[]byte("the one")}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			before := read.Load()
			for b.Loop() {
				readThrough(b, br, c.filter)
			}
			info, err := br.DescribeTopic(ctx, "t")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "rec/s")
			b.ReportMetric(100*float64(read.Load()-before)/float64(b.N)/float64(info.Partitions[0].Bytes), "%read")
		})
	}
}

func filterRecord(i int) log.Record {
	key, tag := fmt.Appendf(nil, "hotel-%d", i%5000), "often"
	switch {
	case i%10_000 == 5000:
		key, tag = []byte("the one"), "seldom"
	case i%100 == 50:
		tag = "at times"
	}
	return log.Record{Key: key, Value: make([]byte, 120), Headers: []log.Header{
		{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: make([]byte, 36)}, {Key: "ce_type", Value: []byte(tag)},
	}}
}

func readThrough(b *testing.B, br *Broker, f *log.Filter) {
	req := log.FetchRequest{TopicPartition: tp0, Filter: f}
	for {
		got, err := br.Fetch(ctx, req)
		if err != nil {
			b.Fatal(err)
		}
		if req.Offset = got.Next; got.Next >= got.HighWatermark {
			return
		}
	}
}
