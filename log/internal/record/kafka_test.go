package record_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lodge/log"
	"lodge/log/internal/record"
)

// kmsg's generated parsers read what Lodge writes, field by field.
func TestKafkaParsesLodge(t *testing.T) {
	forEach(t, func(t *testing.T, b *log.Batch) {
		enc := encode(t, b)
		record.SetPlace(enc, 77, 5)
		var got kmsg.RecordBatch
		if err := got.ReadFrom(enc); err != nil {
			t.Fatal(err)
		}
		h, _ := record.ParseHeader(enc)
		parsed := record.Header{
			BaseOffset: log.Offset(got.FirstOffset), Length: got.Length, Epoch: log.LeaderEpoch(got.PartitionLeaderEpoch),
			Magic: got.Magic, CRC: uint32(got.CRC), Attributes: record.Attributes(got.Attributes), LastOffsetDelta: got.LastOffsetDelta,
			BaseTimestamp: got.FirstTimestamp, MaxTimestamp: got.MaxTimestamp, ProducerID: got.ProducerID,
			ProducerEpoch: got.ProducerEpoch, BaseSequence: got.FirstSequence, Count: got.NumRecords,
		}
		if h != parsed {
			t.Errorf("header %+v, kmsg reads %+v", h, parsed)
		}
		if crc := crc32.Checksum(enc[21:], crc32.MakeTable(crc32.Castagnoli)); crc != uint32(got.CRC) {
			t.Errorf("CRC %08x, want %08x", uint32(got.CRC), crc)
		}
		plain := got.Records
		if b.Compression != log.Uncompressed {
			var err error
			if plain, err = kgo.DefaultDecompressor().Decompress(plain, kgo.CompressionCodecType(b.Compression)); err != nil {
				t.Fatal(err)
			}
		}
		compareParsed(t, b, got.FirstTimestamp, plain)
		if again := got.AppendTo(nil); !bytes.Equal(again, enc) {
			t.Errorf("kmsg writes %x, Lodge wrote %x", again, enc)
		}
	})
}

func compareParsed(t *testing.T, b *log.Batch, base int64, plain []byte) {
	t.Helper()
	for i := range b.Records {
		var r kmsg.Record
		if err := r.ReadFrom(plain); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		got := log.Record{Key: r.Key, Value: r.Value, Timestamp: time.UnixMilli(base + r.TimestampDelta64)}
		for _, h := range r.Headers {
			got.Headers = append(got.Headers, log.Header{Key: h.Key, Value: h.Value})
		}
		if w := want(b.Records[i]); !got.Same(w) || r.OffsetDelta != int32(i) {
			t.Fatalf("record %d: kmsg reads %+v with delta %d, want %+v", i, got, r.OffsetDelta, w)
		}
		_, n := binary.Varint(plain)
		plain = plain[n+int(r.Length):]
	}
	if len(plain) != 0 {
		t.Errorf("%d bytes behind the last record", len(plain))
	}
}

// kgo's own fetch parser, as used by its consumer, reads several Lodge batches in a row.
func TestKafkaFetchesLodge(t *testing.T) {
	forEach(t, func(t *testing.T, b *log.Batch) {
		n := log.Offset(len(b.Records))
		var fetched kmsg.FetchResponseTopicPartition
		for i := range log.Offset(3) {
			enc := encode(t, b)
			record.SetPlace(enc, 10+i*n, 2)
			if i == 1 {
				record.MarkBarrier(enc)
			}
			fetched.RecordBatches = append(fetched.RecordBatches, enc...)
		}
		fetched.HighWatermark = int64(10 + 3*n)
		opts := kgo.ProcessFetchPartitionOpts{Topic: "bookings", Partition: 3, Offset: 10}
		got, next := kgo.ProcessFetchPartition(opts, &fetched, kgo.DefaultDecompressor(), nil)
		if got.Err != nil || len(got.Records) != 3*int(n) || next != int64(10+3*n) {
			t.Fatalf("%d records, next %d, error %v", len(got.Records), next, got.Err)
		}
		for i, r := range got.Records {
			w := want(b.Records[i%int(n)])
			if converted := fromKafka(r); !converted.Same(w) || r.Offset != int64(10+i) || r.LeaderEpoch != 2 {
				t.Fatalf("record %d: kgo reads %+v, want %+v", i, converted, w)
			}
		}
	})
}

// kgo's fetch parser reads what compaction leaves: batches with fewer records than offsets, with a delete horizon, and without any.
func TestKafkaFetchesCompacted(t *testing.T) {
	for name, keep := range thinnings {
		t.Run(name, func(t *testing.T) {
			forEach(t, func(t *testing.T, b *log.Batch) {
				enc := encode(t, b)
				record.SetPlace(enc, 10, 2)
				h, _ := record.ParseHeader(enc)
				out, did := rewrite(t, enc, keep, now.UnixMilli()+1000)
				switch {
				case did.Kept == 0:
					out = record.AppendEmpty(nil, h)
				case !did.Changed:
					out = enc
				}
				next := int64(10 + len(b.Records))
				fetched := kmsg.FetchResponseTopicPartition{RecordBatches: out, HighWatermark: next}
				opts := kgo.ProcessFetchPartitionOpts{Topic: "bookings", Partition: 3, Offset: 10}
				got, after := kgo.ProcessFetchPartition(opts, &fetched, kgo.DefaultDecompressor(), nil)
				if got.Err != nil || len(got.Records) != did.Kept || after != next {
					t.Fatalf("%d records of %+v, next %d of %d, error %v", len(got.Records), did, after, next, got.Err)
				}
				for i := range b.Records {
					if !keep(i) {
						continue
					}
					if r := got.Records[0]; !fromKafka(r).Same(want(b.Records[i])) || r.Offset != int64(10+i) {
						t.Fatalf("record %d: kgo reads %+v", i, r)
					}
					got.Records = got.Records[1:]
				}
			})
		})
	}
}

// Batches that Kafka's clients wrote in any codec can be rewritten in it, and kgo reads them.
func TestKafkaReadsRewrittenCodecs(t *testing.T) {
	b := batches()["many"]
	for _, c := range []log.Compression{log.Gzip, log.Snappy, log.LZ4, log.Zstd} {
		enc := encode(t, b)
		compressed, _ := kgo.DefaultCompressor(map[log.Compression]kgo.CompressionCodec{log.Gzip: kgo.GzipCompression(), log.Snappy: kgo.SnappyCompression(),
			log.LZ4: kgo.Lz4Compression(), log.Zstd: kgo.ZstdCompression()}[c])
		body, _ := compressed.Compress(new(bytes.Buffer), enc[record.HeaderSize:])
		enc = withBody(enc, c, body)
		out, did := rewrite(t, enc, thinnings["odd"], 0)
		subset(t, enc, out, thinnings["odd"])
		fetched := kmsg.FetchResponseTopicPartition{RecordBatches: out, HighWatermark: 300}
		got, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Topic: "bookings"}, &fetched, kgo.DefaultDecompressor(), nil)
		h, _ := record.ParseHeader(out)
		if got.Err != nil || len(got.Records) != did.Kept || h.Attributes.Compression() != c {
			t.Fatalf("codec %d: %d records, %v", c, len(got.Records), got.Err)
		}
	}
}

func sorted() (out []*log.Batch) {
	named := batches()
	for _, name := range slices.Sorted(maps.Keys(named)) {
		out = append(out, named[name])
	}
	return out
}

func fromKafka(r *kgo.Record) *log.Record {
	out := &log.Record{Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, log.Header{Key: h.Key, Value: h.Value})
	}
	return out
}

func toKafka(r *log.Record) *kgo.Record {
	out := &kgo.Record{Topic: "bookings", Key: r.Key, Value: r.Value, Timestamp: want(*r).Timestamp}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return out
}

// kafka starts an in-process Kafka broker that checks what it is sent and keeps it as it is.
func kafka(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "bookings"),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "10000000"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(5_000_000), kgo.Dialer(new(net.Dialer).DialContext))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// A broker accepts what Lodge writes in a produce request, and kgo's consumer reads it from there.
func TestKafkaConsumesLodge(t *testing.T) {
	ctx := deadline(t)
	client := kafka(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"bookings": {0: kgo.NewOffset().AtStart()}}))
	var wanted []*log.Record
	for _, b := range sorted() {
		for _, c := range written {
			copied := *b
			copied.Compression = c
			if p := b.Producer; p != nil {
				copied.Producer = &log.ProducerSequence{ID: p.ID + int64(c), Epoch: p.Epoch, Sequence: p.Sequence}
			}
			produceRaw(ctx, t, client, encode(t, &copied))
			for i := range b.Records {
				wanted = append(wanted, want(b.Records[i]))
			}
		}
	}
	var got []*kgo.Record
	for len(got) < len(wanted) {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		got = append(got, fetches.Records()...)
	}
	for i, w := range wanted {
		if r := fromKafka(got[i]); !r.Same(w) {
			t.Fatalf("record %d: kgo consumes %+v, want %+v", i, r, w)
		}
	}
}

func produceRaw(ctx context.Context, t *testing.T, client *kgo.Client, batch []byte) {
	t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = batch
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.TopicID = "bookings", topicID(ctx, t, client)
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("produce: %v", err)
	}
}

func topicID(ctx context.Context, t *testing.T, client *kgo.Client) [16]byte {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr("bookings")
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		t.Fatalf("metadata: %v", err)
	}
	return resp.Topics[0].TopicID
}

// What kgo's producer writes, in each of Kafka's codecs and with its idempotent sequences, Lodge reads.
func TestLodgeReadsKafka(t *testing.T) {
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	for codec := range codecs {
		for _, idempotent := range []bool{true, false} {
			t.Run(fmt.Sprintf("codec %d/idempotent %v", codec, idempotent), func(t *testing.T) {
				opts := []kgo.Opt{kgo.ProducerBatchCompression(codecs[codec]), kgo.ProducerLinger(50 * time.Millisecond)}
				if !idempotent {
					opts = append(opts, kgo.DisableIdempotentWrite())
				}
				testLodgeReadsKafka(t, log.Compression(codec), idempotent, kafka(t, opts...))
			})
		}
	}
}

func testLodgeReadsKafka(t *testing.T, codec log.Compression, idempotent bool, client *kgo.Client) {
	ctx := deadline(t)
	var wanted []*log.Record
	for _, b := range sorted() {
		sent := make([]*kgo.Record, len(b.Records))
		for i := range b.Records {
			sent[i] = toKafka(&b.Records[i])
			wanted = append(wanted, want(b.Records[i]))
		}
		if err := client.ProduceSync(ctx, sent...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	got, headers := decodeAll(t, fetchRaw(ctx, t, client))
	if len(got) != len(wanted) {
		t.Fatalf("%d records, want %d", len(got), len(wanted))
	}
	for i, w := range wanted {
		if !got[i].Same(w) || got[i].Offset != log.Offset(i) {
			t.Fatalf("record %d: got %+v, want %+v", i, got[i], w)
		}
	}
	checkSequences(t, headers, idempotent)
	compressed := 0
	for _, h := range headers {
		if h.Attributes.Compression() == codec {
			compressed++
		}
	}
	if compressed == 0 { // kgo leaves a batch plain when compression does not make it smaller
		t.Errorf("no batch came in codec %d: nothing was tested", codec)
	}
}

func checkSequences(t *testing.T, headers []record.Header, idempotent bool) {
	t.Helper()
	var next int32
	for _, h := range headers {
		p, ok := h.Producer()
		if ok != idempotent {
			t.Fatalf("batch at %d has producer %+v", h.BaseOffset, p)
		}
		if ok && p.Sequence != next {
			t.Fatalf("batch at %d has sequence %d, want %d", h.BaseOffset, p.Sequence, next)
		}
		next += h.Count
	}
}

func decodeAll(t *testing.T, raw []byte) (records []log.Record, headers []record.Header) {
	t.Helper()
	for len(raw) > 0 {
		h, rest, err := record.Next(raw)
		if err != nil {
			t.Fatal(err)
		}
		if records, err = record.Decode(records, raw, tp, 0); err != nil {
			t.Fatal(err)
		}
		headers, raw = append(headers, h), rest
	}
	return records, headers
}

// fetchRaw returns all batches of the partition as the broker keeps them.
func fetchRaw(ctx context.Context, t *testing.T, client *kgo.Client) []byte {
	t.Helper()
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MinBytes, req.SessionEpoch = 50_000_000, 1, -1
	part := kmsg.NewFetchRequestTopicPartition()
	part.PartitionMaxBytes = 50_000_000
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = "bookings", topicID(ctx, t, client)
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("fetch: %v", err)
	}
	return resp.Topics[0].Partitions[0].RecordBatches
}

// Java clients frame snappy as xerial's library does, in blocks behind a header of 16 bytes. The
// frame is made here by hand; that it is one, kgo confirms.
func TestXerialSnappy(t *testing.T) {
	b := batches()["many"]
	enc := encode(t, b)
	framed := append([]byte(nil), 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1)
	for plain := enc[record.HeaderSize:]; len(plain) > 0; {
		n := min(4096, len(plain))
		block := snappy.Encode(nil, plain[:n])
		framed = append(binary.BigEndian.AppendUint32(framed, uint32(len(block))), block...)
		plain = plain[n:]
	}
	if plain, err := kgo.DefaultDecompressor().Decompress(framed, kgo.CodecSnappy); err != nil || !bytes.Equal(plain, enc[record.HeaderSize:]) {
		t.Fatalf("kgo does not read the frame: %v", err)
	}
	got, err := record.Decode(nil, withBody(enc, log.Snappy, framed), tp, 0)
	if err != nil || len(got) != len(b.Records) {
		t.Fatalf("%d records, error %v", len(got), err)
	}
	for i := range got {
		if !got[i].Same(&b.Records[i]) {
			t.Fatalf("record %d: %+v", i, got[i])
		}
	}
	for cut := range framed { // every truncated frame is found out
		if _, err := record.Decode(nil, withBody(enc, log.Snappy, framed[:cut]), tp, 0); log.CodeOf(err) != log.Corrupt {
			t.Fatalf("%d of %d bytes: error %v", cut, len(framed), err)
		}
	}
}

// withBody returns batch with another body and codec, its length and CRC right.
func withBody(batch []byte, c log.Compression, body []byte) []byte {
	out := append(bytes.Clone(batch[:record.HeaderSize]), body...)
	binary.BigEndian.PutUint32(out[8:], uint32(len(out)-12))
	binary.BigEndian.PutUint16(out[21:], uint16(c))
	binary.BigEndian.PutUint32(out[17:], crc32.Checksum(out[21:], crc32.MakeTable(crc32.Castagnoli)))
	return out
}
