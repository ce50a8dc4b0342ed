// Package platform opens the parts of Lodge in one process and runs them as one: the log, the command engine, the
// projections, the bridge to NATS for schedules, the process managers, and the API on a TCP port and on a Unix socket in the data folder.
//
//	p, err := platform.Open(ctx, dir, platform.Options{Addr: "localhost:8080"})
//	err = p.Run(ctx)     // serves until ctx ends, then finishes what is in flight
//	err = p.Close()
//
// The data folder:
//
//	DIR/log          the broker's: the only truth
//	DIR/snapshots    of the engine; disposable
//	DIR/projections  SQLite databases; disposable
//	DIR/nats         of the embedded NATS server; disposable
//	DIR/*.key, *.keys what quotes and sessions are signed with
//	DIR/lodge.sock   the API for tools on this machine, while it runs
//
// It reads no flags, files or environment: cmd/lodge does. It makes no decision of its own but the order in which parts start and stop.
package platform
