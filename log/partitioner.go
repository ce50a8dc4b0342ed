package log

// PartitionForKey returns the partition of n that records with this key go to: murmur2 of the key
// as Kafka's default partitioner computes it, so that other clients of such logs agree. n must be positive.
func PartitionForKey(key []byte, n int) Partition {
	return Partition((murmur2(key) & 0x7fffffff) % uint32(n))
}

// murmur2 is Austin Appleby's MurmurHash2 (32 bits) with the seed that Kafka uses.
func murmur2(data []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := uint32(seed) ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h = h*m ^ k
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(data[0])) * m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}
