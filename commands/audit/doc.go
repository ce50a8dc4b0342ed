// Package audit proves from the log alone that nothing was ever oversold, and that no money went astray.
//
//	report, err := audit.Run(ctx, reader, audit.Options{Partitions: 8, Dir: "proof"})
//	if err == nil && report.OK() { report.Certificate.Write(file) }
//
// It shares no code with the deciders: it reads the events of each partition number again and counts for itself. Every reservation that is placed or
// modified carries the inventory offset that it was decided at; the audit brings the
// inventory up to there, and no further, and then demands that each night of the stay had room for it. It also demands that
//
//   - a rejection names exactly the nights that were full and the restrictions that the stay breaks, no placed stay breaks any, and a group is turned away only
//     when one of its reservations could not be had;
//   - versions of rate plans, in their order, explain all decisions about fewest and most nights, in theirs;
//   - the inventory offset of decisions never goes back, and never lies beyond what was committed;
//   - prices of nights, one for each, and the taxes and fees on top of them sum to the total;
//   - no reservation of a hotel was placed twice, each status follows from the one before, and what a reservation took is released once and no more than that: by
//     cancellation, no-show, walk or declined payment the whole stay, by check-out the nights that are left, by modification the old stay for the new;
//   - guests are checked in to as many rooms as they reserved, which exist and where nobody is;
//   - what counts as paid was captured, once; each payment is captured once with what was asked for; refunds never exceed captures, nor what is owed by the
//     bookings; what is kept and given back sums to what was captured. So in each currency, captured = refunded + being refunded + owed + kept;
//   - no request id was applied twice within the time for which request ids are remembered;
//   - every event lies at the partition of its hotel, since otherwise two writers could have sold the same night.
//
// # Certificate
//
// A Certificate names, for each partition of the four topics, how many records were read and the head of a hash chain over them: each link is SHA-256 over the link
// before it (32 zero bytes at first) and the record as signed varint of its offset, signed varint of its time in milliseconds, key, value, unsigned varint of the number of
// headers, and of each header name and value; bytes as unsigned varint of their length plus one and the bytes, 0 for those that are absent. Batches and compression are no part of it. Whoever
// audits the same records makes the same certificate; Check reads what a certificate covers and says in what it is not so. A certificate is not signed: keep it where
// those who can write the log cannot.
//
// # Going on
//
// With Options.Dir a run that found nothing wrong remembers what it counted, and the next one goes on behind it. It trusts the log below for what it was:
// only the last record of each partition is looked at again. Options.Full, and Check, read everything. Of requests only those are remembered that came within
// RequestTTL of the newest.
//
// Memory: one partition at a time; of it 32 bytes for each night of each room type (some 150 more for one with restrictions), and at most Options.IDsMax reservation and request
// ids (about 120 bytes each, more where money moved). A partition with more records than that is read several times, each time for another
// share of the ids. The log is streamed. Dir takes about as much.
//
// What it does not do: it does not check that the log's bytes are intact beyond what reading checks (log verify does), nor that
// inventory was wise: setting it below what is sold is a fact of life and no oversell. It does not know what only the time of a decision tells: whether a rate
// plan's terms were those of the moment, a cancellation within its free time, a room out of service.
package audit
