package commitlog

import (
	"fmt"
	"testing"

	"lodge/log"
	"lodge/log/internal/record"
)

// BenchmarkAppendTagged appends batches of 100 records of about 250 B without syncing them, with and without the writer's tag index: the
// difference is what the index costs. The records have key and tag, or neither.
func BenchmarkAppendTagged(b *testing.B) {
	for _, tagged := range []bool{true, false} {
		for _, indexed := range []bool{true, false} {
			b.Run(fmt.Sprintf("tagged=%t/indexed=%t", tagged, indexed), func(b *testing.B) {
				l := mustOpen(b, onDisk(b, log.None, false))
				group := taggedGroup(b, tagged)
				for b.Loop() {
					record.SetPlace(group, l.NextOffset(), 0)
					if !indexed {
						l.opts.Tags.drop(l.active)
					}
					if err := l.Append(group); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/record")
			})
		}
	}
}

func taggedGroup(b *testing.B, tagged bool) []byte {
	batch := &log.Batch{}
	for i := range 100 {
		r := log.Record{Value: make([]byte, 240)}
		if tagged {
			r = log.Record{Key: fmt.Appendf(nil, "hotel-%d", i), Value: make([]byte, 120), Headers: []log.Header{
				{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: make([]byte, 36)}, {Key: "ce_type", Value: []byte("lodge.reservation.placed.v1")},
			}}
		}
		batch.Records = append(batch.Records, r)
	}
	group, err := record.AppendBatch(nil, batch, testTime)
	if err != nil {
		b.Fatal(err)
	}
	return group
}
