// Package trail is the audit trail: what events do not tell, because nothing came of it or because it is not about a hotel. Calls that were refused, and changes
// of topics, tokens, queues and the like lie in a topic of the log, one record each:
//
//	t, err := trail.Open(ctx, lg, trail.Options{})
//	go t.Run(ctx)             // writes what is put aside; at its end everything
//	err = t.Record(ctx, e)    // returns when it is on disk: for what was changed
//	t.Refused(e)              // returns at once: for what was refused
//	t.Counted(e)              // likewise: for what is too ordinary for a record each
//
// What nobody waits for is written together a moment later, in order of time. Of what is refused over and over only the first of a minute are records of their own, the
// rest becomes one that says how many; in the long run a few records a second are written whatever is asked. What could not be kept is counted, and
// the count is a record too.
//
// An entry has names, codes and paths of fields, and the reason that a caller gave. What was in a request is never in it.
package trail
