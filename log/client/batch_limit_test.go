package client_test

import (
	"testing"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// TestLargestBatchIsTaken lets the log judge the largest batch that the options permit: of the most records, which take
// the most beside their sizes.
func TestLargestBatchIsTaken(t *testing.T) {
	const bytesMax = 64 << 20
	opts := client.ProducerOptions{BatchBytesMax: bytesMax, BatchRecordsMax: record.RecordsMax}
	if err := opts.Validate(); err != nil {
		t.Fatal(err)
	}
	opts.BatchBytesMax++
	wantCode(t, "more", opts.Validate(), log.InvalidArgument)

	records := make([]log.Record, record.RecordsMax)
	value := make([]byte, 56)
	size := 0
	for i := range records {
		records[i].Value = value
		size += record.RecordSize(&records[i])
	}
	if size > bytesMax || size < bytesMax-4*len(records) {
		t.Fatalf("records of %d bytes do not fill %d", size, bytesMax)
	}
	lg, err := broker.Open("log", broker.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer lg.Close()
	if err := lg.CreateTopic(t.Context(), "large", log.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	if _, err := lg.Append(t.Context(), log.TopicPartition{Topic: "large"}, &log.Batch{Records: records}); err != nil {
		t.Error(err)
	}
}
