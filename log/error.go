package log

import (
	"errors"
	"fmt"
)

// Code says what went wrong, for callers that act on it.
type Code uint8

// The codes. Retriable ones are marked (r): the same call may succeed later.
const (
	Unknown               Code = iota
	InvalidArgument            // a request that can never succeed
	InvalidTopic               // not a legal topic name or setting
	UnknownTopic               // no such topic or partition
	TopicExists                // create of a topic that is there
	OffsetOutOfRange           // below the log start or above the log end
	OffsetMismatch             // conditional append: the log's end is elsewhere
	FencedEpoch                // append with an epoch that is not the leader's
	OutOfOrderSequence         // idempotent append: a gap in the producer's sequence
	InvalidProducerEpoch       // idempotent append: an epoch older than the one seen
	DuplicateSequence          // idempotent append: a batch older than those remembered
	RecordTooLarge             // a record or batch beyond the topic's limit
	Corrupt                    // stored bytes that are not what was written
	Poisoned                   // an earlier write or sync failed: reopen the partition
	Closed                     // the log is closed or closing
	Locked                     // another process has the folder
	LimitReached               // (r) a queue or table is full
	Unavailable                // (r) not now
	UnsupportedFormat          // written by something newer or foreign
	InvalidGroup               // not a legal group name
	UnknownGroup               // no such group
	GroupNotEmpty              // the group has members
	GroupFull                  // the group has as many members as it may
	UnknownMember              // not a member of the group, or not any more
	IllegalGeneration          // from an earlier generation of the group
	RebalanceInProgress        // (r) the group is forming anew: join again
	FencedInstance             // another member has taken over this static instance
	InconsistentProtocol       // no assignor in common with the group
	InvalidSessionTimeout      // outside what the coordinator permits
	StaleLayout                // (r) routed by a layout of the topic that is no longer the current one: refresh and route again
	Draining                   // the partition takes no more records: it is being retired
	VoidReceipt                // queue: the delivery is acknowledged, timed out or replaced by another
	UnknownSchedule            // no such pending schedule
)

var codeNames = [...]string{
	"UNKNOWN", "INVALID_ARGUMENT", "INVALID_TOPIC", "UNKNOWN_TOPIC_OR_PARTITION", "TOPIC_ALREADY_EXISTS",
	"OFFSET_OUT_OF_RANGE", "OFFSET_MISMATCH", "FENCED_LEADER_EPOCH", "OUT_OF_ORDER_SEQUENCE_NUMBER",
	"INVALID_PRODUCER_EPOCH", "DUPLICATE_SEQUENCE_NUMBER", "RECORD_TOO_LARGE", "CORRUPT", "POISONED", "CLOSED",
	"LOCKED", "LIMIT_REACHED", "UNAVAILABLE", "UNSUPPORTED_FORMAT", "INVALID_GROUP_ID", "GROUP_ID_NOT_FOUND", "NON_EMPTY_GROUP",
	"GROUP_MAX_SIZE_REACHED", "UNKNOWN_MEMBER_ID", "ILLEGAL_GENERATION", "REBALANCE_IN_PROGRESS", "FENCED_INSTANCE_ID",
	"INCONSISTENT_GROUP_PROTOCOL", "INVALID_SESSION_TIMEOUT", "STALE_LAYOUT", "DRAINING", "VOID_RECEIPT", "SCHEDULE_NOT_FOUND",
}

// String returns the code's name, as in OFFSET_MISMATCH.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("CODE_%d", uint8(c))
}

// Retriable reports whether the same call may succeed later without any change.
func (c Code) Retriable() bool {
	return c == LimitReached || c == Unavailable || c == RebalanceInProgress || c == StaleLayout
}

// Error is what the log's functions return where a caller may act on the cause.
type Error struct {
	Code Code
	Op   string // the operation and its object: "append bookings/3"
	Text string // what is wrong, for a person
	Err  error  // the cause, or nil
}

// NewError makes an Error whose text is formatted. A %w in format also sets the cause.
func NewError(code Code, op, format string, args ...any) *Error {
	wrapped := fmt.Errorf(format, args...)
	return &Error{Code: code, Op: op, Text: wrapped.Error(), Err: errors.Unwrap(wrapped)}
}

// Error returns "op: text (CODE)".
func (e *Error) Error() string { return e.Op + ": " + e.Text + " (" + e.Code.String() + ")" }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retriable reports whether the same call may succeed later.
func (e *Error) Retriable() bool { return e.Code.Retriable() }

// CodeOf returns the code of the first Error in err's chain, or Unknown.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Unknown
}
