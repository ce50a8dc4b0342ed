// Package record is the record batch codec: Kafka's RecordBatch v2, byte for byte. It encodes,
// decodes and checks batches in memory; it does no I/O, keeps no state that a caller can see and is
// safe for concurrent use.
//
// A batch is a header of 61 bytes and its records, which may be compressed as one block
// (source: https://kafka.apache.org/documentation/#recordbatch; integers are big endian):
//
//	 0  int64   base offset          ┐ not covered by the CRC: the broker
//	 8  int32   length of what follows │ sets the place of a batch that a
//	12  int32   partition leader epoch │ producer encoded, see SetPlace
//	16  int8    magic = 2            │
//	17  uint32  CRC-32C of all below ┘
//	21  int16   attributes           0-2 compression, 3 log append time, 4 transactional,
//	                                 5 control, 6 delete horizon, 15 barrier
//	23  int32   last offset delta
//	27  int64   base timestamp       milliseconds since 1970
//	35  int64   max timestamp
//	43  int64   producer id          -1: not idempotent
//	51  int16   producer epoch
//	53  int32   base sequence
//	57  int32   record count
//	61          records
//
// A record is made of zigzag varints and bytes:
//
//	length, attributes int8, timestamp delta, offset delta, key length (-1: nil) and key,
//	value length (-1: nil) and value, header count, then for each header: name length and name,
//	value length (-1: nil) and value
//
// Attribute bit 15, which Kafka leaves unused, is Lodge's barrier: the first batch that was written
// after everything before it had been made durable carries it. Recovery tells by it corruption from a torn
// tail. Readers of the format ignore the bit.
//
// Everything read is untrusted: what is wrong is answered with a log.Error of code Corrupt, and no
// input makes the decoder use more memory than BodyBytesMax and RecordsMax allow.
package record
