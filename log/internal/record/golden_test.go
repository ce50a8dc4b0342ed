package record_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lodge/log"
	"lodge/log/internal/record"
)

var update = flag.Bool("update", false, "write the golden batches anew")

// goldenRecords are what every golden batch in testdata holds.
func goldenRecords() []log.Record { return batches()["many"].Records[:40] }

// Batches that kgo and Lodge once wrote, in every codec, must be readable for ever.
func TestGoldenBatches(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	names, err := filepath.Glob("testdata/*.batch")
	if err != nil || len(names) != 8 {
		t.Fatalf("%d golden batches, want 8: %v", len(names), err)
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := record.Verify(raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, err := record.Decode(nil, raw, tp, 0)
		if err != nil || len(got) != 40 {
			t.Errorf("%s: %d records, error %v", name, len(got), err)
			continue
		}
		for i, want := range goldenRecords() {
			if !got[i].Same(&want) || got[i].Offset != log.Offset(i) {
				t.Errorf("%s: record %d is %+v, want %+v", name, i, got[i], want)
			}
		}
	}
}

func writeGolden(t *testing.T) {
	t.Helper()
	write := func(name string, raw []byte) {
		if err := os.WriteFile(filepath.Join("testdata", name+".batch"), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range written {
		write(fmt.Sprintf("lodge-%d", c), encode(t, &log.Batch{Records: goldenRecords(), Compression: c}))
	}
	for c, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		client := kafka(t, kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(50*time.Millisecond))
		var sent []*kgo.Record
		for _, r := range goldenRecords() {
			sent = append(sent, toKafka(&r))
		}
		if err := client.ProduceSync(deadline(t), sent...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		write(fmt.Sprintf("kafka-%d", c), fetchRaw(deadline(t), t, client))
	}
}
