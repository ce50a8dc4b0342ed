// Package bench measures Lodge beside floors that it measures itself, in the same run and folder: what the disk and
// the page cache give a plain loop that does nothing but the system calls. A figure without its floor says more about the machine than
// about the program.
//
//	floor         plain loops: 512 B written to a zero-filled file + fdatasync, page-cache write and read, group commit
//	append, read  the broker
//	reserve       reservations, durable, through the partition processor
//	connect       the same over Connect on loopback, the server in this process, the client in one of its own (Options.ClientCommand)
//	project       projections and availability queries
//
// Every section makes its own folder below Options.Dir and removes it. Nothing else may run on the machine meanwhile; the package cannot check that.
package bench
