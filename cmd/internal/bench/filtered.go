package bench

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"lodge/log"
	"lodge/log/broker"
)

// sparse is how many records there are for each one that the filtered reader wants.
const sparse = 10_000

// filtered measures a reader that wants one record in 10,000, beside one that gets all and looks itself.
func (b *run) filtered(ctx context.Context) error {
	if !b.wants("read/filtered") && !b.wants("read/unfiltered") {
		return nil
	}
	dir, done, err := b.folder("filtered")
	if err != nil {
		return err
	}
	defer done()
	lg, err := broker.Open(dir, broker.Options{})
	if err != nil {
		return err
	}
	records, err := fillTagged(ctx, lg, int(b.bytes()/4/recordBytes))
	if err == nil {
		var all Result
		err = b.one(ctx, "read/unfiltered", "", nil, func() (Result, error) {
			var err error
			all, err = b.scan(ctx, lg, nil, records)
			return all, err
		})
		b.floorBy["read/unfiltered"] = all
	}
	if err == nil {
		err = b.one(ctx, "read/filtered", "read/unfiltered", nil, func() (Result, error) {
			return b.scan(ctx, lg, &log.Filter{Tags: []string{"rare"}}, records)
		})
	}
	return firstError(func() error { return err }, lg.Close)
}

// fillTagged appends records of which one in 10,000 has the tag "rare".
func fillTagged(ctx context.Context, lg *broker.Broker, n int) (int, error) {
	const batch = 256
	if err := lg.CreateTopic(ctx, benchPartition.Topic, log.TopicConfig{Durability: log.None}); err != nil {
		return 0, err
	}
	for i := 0; i < n; i += batch {
		out := newBatch(batch)
		for j := range out.Records {
			tag := "common-" + strconv.Itoa(j%8)
			if (i+j)%sparse == sparse/2 {
				tag = "rare"
			}
			out.Records[j].Headers = []log.Header{{Key: "ce_type", Value: []byte(tag)}}
		}
		if _, err := lg.Append(ctx, benchPartition, out); err != nil {
			return 0, err
		}
	}
	return (n + batch - 1) / batch * batch, nil
}

// scan reads from the beginning to the end, as often as there is time, and counts the records that it passed.
func (b *run) scan(ctx context.Context, lg *broker.Broker, filter *log.Filter, records int) (Result, error) {
	h, start, passes, found := new(histogram), time.Now(), 0, 0
	for ; time.Since(start) < b.Duration || passes == 0; passes++ {
		found = 0
		for next := log.Offset(0); int(next) < records; {
			before := time.Now()
			result, err := lg.Fetch(ctx, log.FetchRequest{TopicPartition: benchPartition, Offset: next, MaxBytes: pageCacheStep, Filter: filter})
			if err != nil {
				return Result{}, err
			}
			h.add(time.Since(before))
			next, found = result.Next, found+len(result.Records)
		}
	}
	took := time.Since(start)
	what := fmt.Sprintf("1 reader passes %d records of 512 B, fetches of 1 MiB, page cache: all are decoded", records)
	if filter != nil {
		what = fmt.Sprintf("1 reader passes %d records of 512 B and gets the %d with a tag, fetches of 1 MiB, page cache", records, found)
		if found != (records+sparse/2)/sparse {
			return Result{}, fmt.Errorf("found %d records with the tag among %d", found, records)
		}
	}
	return Result{Value: float64(records*passes) / took.Seconds(), Unit: "records/s", Count: int64(records * passes), What: what,
		P50: h.quantile(0.5), P99: h.quantile(0.99)}, nil
}
