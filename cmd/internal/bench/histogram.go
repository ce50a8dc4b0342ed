package bench

import (
	"math/bits"
	"time"
)

// subBits is the precision of a histogram: a bucket is 1/2^subBits of its value wide, which is 1.6 %.
const subBits = 6

// histogram counts durations. Not safe for concurrent use: each worker has its own and they are merged.
type histogram struct {
	counts [(64 - subBits + 1) << subBits]int64
	n      int64
	max    time.Duration
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.n++
	h.max = max(h.max, d)
}

func (h *histogram) merge(other *histogram) {
	for i, c := range other.counts {
		h.counts[i] += c
	}
	h.n += other.n
	h.max = max(h.max, other.max)
}

// quantile returns the value below which the share q of all values lies, at most one bucket too high.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int64(q * float64(h.n))
	for i, c := range h.counts {
		rank -= c
		if rank < 0 {
			return min(time.Duration(bucketTop(i)), h.max)
		}
	}
	return h.max
}

// bucket numbers are the value itself below 2^subBits, then 2^subBits buckets for each power of two.
func bucket(v uint64) int {
	exponent := bits.Len64(v) - subBits - 1
	if exponent <= 0 {
		return int(v)
	}
	return exponent<<subBits + int(v>>exponent)
}

func bucketTop(i int) uint64 {
	exponent := i>>subBits - 1
	if exponent <= 0 {
		return uint64(i)
	}
	return uint64(i-exponent<<subBits+1)<<exponent - 1
}
