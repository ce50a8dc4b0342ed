// Package commitlog keeps one partition on disk: an append-only row of record batches in segment files, with sparse indexes, recovery
// after a crash, and retention. It starts no goroutine and knows no topics, waiters or clients: package broker does.
//
//	l, err := commitlog.Open(dir, tp, opts, replay, restore)
//	err = l.Append(group)                       // one write
//	err = l.Sync()                              // one fdatasync; what was appended is durable
//	batches, err := l.Read(dst, from, l.NextOffset(), 1<<20)
//	err = l.Close(blob)
//
// One writer calls Append, Sync, Checkpoint and Close; any number of readers and one background caller of Preallocate, SyncFull and
// ApplyRetention, one of Clean, and any number of DeleteRecords run beside it. Readers work on an immutable list of segments and never wait for the writer's I/O.
//
// # Files
//
//	00000000000000000000.log        batches (package record), back to back; the name is the base offset
//	00000000000000000000.index      sparse offset index  ┐ of full segments only, written when a segment is
//	00000000000000000000.timeindex  sparse time index    ┘ full; disposable: see index.go for the bytes
//	00000000000000000000.tagindex   which keys and tags are where; as disposable: see tagindex.go, and tagfile.go for the bytes
//	checkpoint                      what is durable, and the caller's blob: see checkpoint.go for the bytes
//	start                           where the log starts, once DeleteRecords moved that: see start.go for the bytes
//	*.cleaned                       a segment on its way to replace others: see compact_swap.go
//	*.cut                           bytes that a repair took out; never read
//
// Only the last segment, the active one, grows. It may be longer than its batches: zeros follow that Preallocate wrote, so that a
// sync need not update metadata. They are cut off when the segment is full or the log closed. Base offsets have no gap, within
// a segment and between segments, and every reader checks that they go on (they lie before what the CRC covers). That holds in compacted
// segments too: records are missing there, but an empty batch takes the offsets of all batches that went. See compact.go.
//
// # What survives a power loss
//
// Acknowledged means: Append and then Sync returned nil. Open keeps every acknowledged record, and removes only a torn tail. To tell the
// one from the other it needs to know of a damaged stretch whether it had ever been durable. "Valid batches follow, so it was" would be
// wrong: one group commit writes many batches with one write, and of its sectors a power loss keeps any subset. So the writer leaves barriers:
//
//	The first batch written after everything before it became durable carries the barrier flag.
//
//	    ┌──────────┬─────────┬─────────┐┌──────────┬─────────┐┌──────────┬ ─ ─ ─ ─
//	    │ barrier  │         │         ││ barrier  │ damaged ││ barrier  │
//	    └──────────┴─────────┴─────────┘└──────────┴─────────┘└──────────┴ ─ ─ ─ ─
//	     one group                  Sync  one group        Sync
//
// Let P be the first place, from where verification begins, that holds no valid batch with the offset that is due.
//
//   - A valid batch with the flag lies behind P, in this segment or a later one: P was durable, and is damaged. Open refuses, code
//     log.Corrupt, names file, byte, offset and remedy, and changes nothing.
//   - P lies below the end that the checkpoint names: the same.
//   - Otherwise everything from P on was written after the last completed sync, hence never acknowledged: it is cut off.
//
// Zeros to the end of the file are no damage. Behind P the search goes byte by byte for a plausible header with a right CRC and
// an offset that is not below what is due. A record's value that holds a forged batch can therefore make Open refuse where it
// could have cut; never the other way round.
//
// Two limits are inherent. Damage to the very last synced group, with nothing behind it and no checkpoint since, looks like a torn tail. And with
// durability interval or none what was not synced yet is not acknowledged in this sense.
//
// Verified at Open are the active segment and all segments behind the checkpoint's blob. Full segments before that are trusted to have the
// right size; every Read checks what it reads, and `lodge log verify` everything.
//
// # Order of operations
//
//   - Roll: cut the full segment to its batches; sync it (durability sync; else it joins a list of at most 16 that Sync and SyncFull
//     work off); create the next; sync the folder; write batches there. So a segment that holds anything durable is there.
//   - Checkpoint: sync; write to a temporary name, sync, rename, sync the folder. It names all full segments that are durable, with
//     their sizes, and the one that follows: a missing or shortened one is noticed.
//   - Retention: the checkpoint with the new start is durable before the first file is removed, the oldest first. Open removes what is
//     below the start and misses what is not there above it.
//   - Compaction: the new segment is durable before the checkpoint names it, and the checkpoint before the old ones are replaced. See compact_swap.go.
//   - DeleteRecords: the records are durable before the start moves, so that a log never ends before it starts.
//   - Torn tail: later segments are removed, the newest first, the folder synced, then the last one cut and synced.
//   - Open writes what is behind the last barrier (or the checkpoint) once more and syncs it, because after a failed sync, or a killed
//     process, the page cache may hold as clean what is on no disk. Only then may it be read, and the next batch carry a barrier.
//   - A failed write or sync poisons the Log: no sync is ever tried again. Only opening it anew finds out what is there.
//
// # Assumptions
//
// A 512-byte sector is written whole or not at all. What fdatasync and fsync acknowledged is on stable storage, including a file's size. Rename is
// atomic. Unwritten space of a file that grew reads as zeros. Nobody else writes to the folder (the broker holds a lock). The leader epoch and
// base offset of a batch are not covered by its CRC: damage to the offset is found, damage to the epoch is not.
//
// # Limits
//
// A segment has at most 1 GiB of batches, or one batch, and 2^31 offsets. 32 files of full segments are kept open per Log.
package commitlog
