package record_test

import (
	"testing"

	"lodge/log"
	"lodge/log/internal/record"
)

// TestLargestBatch encodes batches around the limit: what is accepted can be read back.
func TestLargestBatch(t *testing.T) {
	const half, overhead, tries = record.BodyBytesMax / 2, 13, 10
	first := log.Record{Value: make([]byte, half)}
	exact := record.BodyBytesMax - record.RecordSize(&first) - overhead
	room := make([]byte, 0, record.HeaderSize+record.BodyBytesMax+64)
	accepted := 0
	for n := exact - tries/2; n < exact+tries/2; n++ {
		last := log.Record{Value: first.Value[:n]}
		b, err := record.AppendBatch(room, &log.Batch{Records: []log.Record{first, last}}, now)
		if log.CodeOf(err) == log.RecordTooLarge {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		accepted++
		if _, err := record.ParseHeader(b); err != nil {
			t.Errorf("%d bytes of records were accepted, %d can be read: %v", len(b)-record.HeaderSize, record.BodyBytesMax, err)
		}
	}
	if accepted != tries/2+1 {
		t.Errorf("%d of %d were accepted, want those up to the limit", accepted, tries)
	}
}
