package projections

import (
	"lodge/domain/event"
	"lodge/log"
)

// Event is one event and where it was found.
type Event struct {
	Position log.Position
	Envelope *event.Envelope
}

// Projector turns events into rows. One value serves all shards, from several goroutines at
// once: it must keep nothing between calls of Apply.
type Projector interface {
	// Name is the projection's name and folder: lower-case letters, digits, hyphens.
	Name() string

	// Schema holds the CREATE TABLE and CREATE INDEX statements, separated by semicolons; no
	// literal may contain one. Every table has a primary key. When the text changes, the projection
	// is rebuilt. After a bulk load the indexes are created last.
	Schema() string

	// Topics lists what the projector reads. There is no order between topics: columns that one
	// topic's events write must not depend on another's.
	Topics() []log.Topic

	// Apply writes what the events say. They come from one topic and partition, in order, each of them for the
	// first time as far as the rows in tx can tell. The rows must depend only on the sequence of events, not on how it was
	// cut into batches: a batch should be merged by key and written in key order. An error rolls all back.
	Apply(tx *Tx, events []Event) error
}

// Weigher is a Projector whose events write very different numbers of rows.
type Weigher interface {
	// Weight estimates the rows that one event writes. Batches are cut so that a transaction stays
	// near Options.TransactionRows; otherwise every event weighs one.
	Weight(e *Event) int
}

// Step names a moment at which a test may make the store fail, see Options.Fault.
type Step string

// The steps, in the order in which a store passes them.
const (
	StepFetch     Step = "fetch"     // before a fetch
	StepApply     Step = "apply"     // transaction begun, nothing written
	StepApplied   Step = "applied"   // rows written, checkpoint not
	StepCommit    Step = "commit"    // checkpoint written, not committed
	StepCommitted Step = "committed" // committed, not yet known to waiters
	StepCreate    Step = "create"    // before a version's files are made
	StepIndex     Step = "index"     // bulk load done, no indexes yet
	StepSeal      Step = "seal"      // indexes made, not yet durable
	StepAttach    Step = "attach"    // before a shard joins the live feed
	StepSwap      Step = "swap"      // before CURRENT is replaced
	StepSwapped   Step = "swapped"   // CURRENT replaced, the old version still in service
	StepRetire    Step = "retire"    // before the old version's files go
)

// RebuildSteps returns the steps that every rebuild passes when there is something in the log and tables in service.
func RebuildSteps() []Step {
	return []Step{StepCreate, StepFetch, StepApply, StepApplied, StepCommit, StepCommitted, StepIndex, StepSeal, StepAttach,
		StepSwap, StepSwapped, StepRetire}
}
