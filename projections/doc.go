// Package projections keeps read models: tables in SQLite that projectors make from the events of
// the log, one database per projection and partition number.
//
// A read model gives a Projector; a Store opens or creates its databases and runs it:
//
//	store, err := projections.Open(dir, lg, []projections.Projector{hotels.New(), ...},
//		projections.Options{Partitions: 8, Group: projections.GroupName})
//	go store.Run(ctx)                              // follows the log until ctx ends, as two members of the group
//	name, err := store.AddMember()                 // and one more
//	err = store.WaitFor(ctx, "hotels", position)   // read your writes
//	err = store.View(ctx, "hotels", partition, func(c *projections.Conn) error { ... })
//
// Each transaction holds the rows of a batch of events and the offset behind it, and a shard
// refuses what it has and what would leave a gap: whatever happens, an event is applied exactly once. So the group only says who
// reads which partitions; without Options.Group a store reads all of them itself, from any log.Reader.
//
// Files lie in DIR/<projection>/v<k>/shard-<p>.db; DIR/<projection>/CURRENT names the version in
// service. Rebuild makes the next version beside it and swaps; queries go on meanwhile. A projection
// whose files are missing, damaged, of another schema or ahead of the log is rebuilt by Run.
//
// What it does not do: it knows no read model (see the packages below it), writes nothing to the
// log, and does not share its folder with another store, which Open refuses.
package projections
