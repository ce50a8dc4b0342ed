// Package log is the vocabulary of Lodge's partitioned, append-only commit log: topics and
// partitions, offsets and positions, records and batches, acknowledgements, typed errors, and
// the small interfaces through which the rest of the platform sees a log.
//
// It does no I/O and starts no goroutine. A program that wants a log opens one with
// lodge/log/broker and talks to it through lodge/log/client, or through the interfaces here:
//
//	Writer  Enqueue and Append one atomic batch to one partition
//	Reader  Fetch batches or records by offset, and find offsets by time
//	Admin   create, describe, list and delete topics
//
// What it does not do: it does not know what the records mean, where they are stored, or how
// many machines there are.
package log
