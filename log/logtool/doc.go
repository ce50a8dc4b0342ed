// Package logtool looks at a log from outside, for people: `lodge log dump`, `verify` and `repair` are thin shells around it. It reads a
// broker's folder through a vfs.FS, without a broker.
//
//	parts, err := logtool.Partitions(vfs.Default, "data/log")
//	for _, p := range parts {
//		report, err := logtool.Verify(vfs.Default, p)
//		...
//	}
//
// Dump and Verify change nothing. Repair changes something only when told to apply, never drops a byte without keeping it in a
// side file, and never gives a lost offset to another record.
//
// It does not lock: the caller makes sure that no broker has the folder open (by taking the broker's own lock). Of a folder in
// use, Verify may call batches torn that are just being written.
package logtool
