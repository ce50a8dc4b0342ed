// Package producerstate remembers, for one partition, what its idempotent producers appended last,
// so that a retried batch is recognized instead of being stored twice.
//
// It is Kafka's scheme (KIP-98): a producer has an id, an epoch and a sequence number that counts
// its records; the last five batches of each producer are remembered with the offset each went to.
//
//	Check    what to make of a batch: new, a duplicate of offset n, or an error
//	Record   a new batch got its offset
//	Append   the table as bytes, for a checkpoint; Load reads them back
//	Replay   a batch that was found in the log behind the checkpoint
//
// The table is bounded: it remembers at most max producers and forgets the one whose last batch lies
// furthest back in the log. A producer is thus forgotten only after max others have appended behind it.
// What is kept depends on the log's contents only, never on a clock, so replaying a log rebuilds the
// same table.
//
// A table is not safe for concurrent use; the partition's lock guards it.
package producerstate
