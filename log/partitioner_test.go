package log_test

import (
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"lodge/log"
)

// The hashes that Apache Kafka's UtilsTest.testMurmur2 publishes for its clients.
func TestPartitionForKeyAgreesWithKafka(t *testing.T) {
	for key, hash := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		for _, n := range []int{1, 2, 7, 8, 100, 1024, 1<<31 - 1} {
			want := log.Partition(int64(hash&0x7fffffff) % int64(n))
			if got := log.PartitionForKey([]byte(key), n); got != want {
				t.Errorf("%s of %d: partition %d, want %d", key, n, got, want)
			}
		}
	}
}

// An independent client of Kafka sends every key where Lodge does.
func TestPartitionForKeyAgreesWithFranz(t *testing.T) {
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic("bookings")
	rng := rand.New(rand.NewPCG(1, 2))
	for length := range 200 {
		key := make([]byte, length)
		for i := range key {
			key[i] = byte(rng.Uint32())
		}
		n := 1 + rng.IntN(1024)
		want := partitioner.Partition(&kgo.Record{Key: key}, n)
		if got := log.PartitionForKey(key, n); int(got) != want {
			t.Errorf("%x of %d: partition %d, franz-go says %d", key, n, got, want)
		}
	}
}

func BenchmarkPartitionForKey(b *testing.B) {
	key := []byte("018bcfe5-687b-7000-8000-000000000001")
	for b.Loop() {
		log.PartitionForKey(key, 8)
	}
}
