package commands

import (
	"lodge/domain"
	"lodge/log"
)

// ReasonRequestReused is the reason of ErrRequestReused.
//
//nolint:errname // a domain.Reason is an error so that errors.Is can ask for it; it is named as the other reasons are
const ReasonRequestReused domain.Reason = "IDEMPOTENCY_KEY_REUSED"

// ErrRequestReused says that a request id was used before, at the same partition, for a command that says something else.
// Nothing was changed. Compare with errors.Is.
var ErrRequestReused error = &domain.Error{
	Reason: ReasonRequestReused,
	Field:  "request_id",
	Text:   "this request id was used for another request",
}

// errNoRequestID refuses a command from outside that could not be retried safely.
var errNoRequestID error = &domain.Error{
	Reason: domain.InvalidArgument,
	Field:  "request_id",
	Text:   "a mutating request needs a request id (UUID)",
}

// closedError answers a command that came after the end.
func closedError(op string) error {
	return log.NewError(log.Closed, op, "the engine has stopped")
}

// unavailable answers a command whose fate is open: its events were not acknowledged. The same request may be sent again.
func unavailable(op string, cause error) error {
	if cause == nil {
		return log.NewError(log.Unavailable, op, "not now")
	}
	return log.NewError(log.Unavailable, op, "%w", cause)
}

var errNoBody error = &domain.Error{Reason: domain.InvalidArgument, Field: "body", Text: "the command is empty"}

// errLostGround says that the state a command was decided on was not committed.
var errLostGround = log.NewError(log.Unavailable, "decide", "an earlier append failed")
