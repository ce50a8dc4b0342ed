// Package audit proves from the log alone that nothing was ever oversold.
//
//	report, err := audit.Run(ctx, reader, audit.Options{Partitions: 8})
//	if err == nil && report.OK() { ... }
//
// It shares no code with the deciders: it reads the events of each partition number again and counts for itself. Every placed
// reservation carries the inventory offset that it was decided at; the audit brings the
// inventory up to there, and no further, and then demands that each night of the stay had room for it. It also demands that
//
//   - a rejection names exactly the nights that were full and the restrictions that the stay breaks, and no placed stay breaks any;
//   - the inventory offset of decisions never goes back, and never lies beyond what was committed;
//   - prices of nights, one for each, and the taxes and fees on top of them sum to the total;
//   - no reservation of a hotel was placed twice, and each was paid, canceled or missed only once, from a status that allows it, releasing exactly what it took;
//   - no request id was applied twice within the time for which request ids are remembered;
//   - every event lies at the partition of its hotel, since otherwise two writers could have sold the same night.
//
// Memory: one partition at a time; of it 16 bytes for each night of each room type (some 150 for one with restrictions), and at most Options.IDsMax reservation and request
// ids (about 100 bytes each). A partition with more records than that is read several times, each time for another
// share of the ids. The log is streamed.
//
// What it does not do: it does not check that the log's bytes are intact beyond what reading checks (log verify does), nor that
// inventory was wise: setting it below what is sold is a fact of life and no oversell.
package audit
