package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"lodge/domain"
)

// The headers that Lodge reads and writes beside those of HTTP, Connect and gRPC.
const (
	// HeaderIdempotencyKey carries the request id of a change when the message's request_id does not. A key that is not a UUID stands for one.
	HeaderIdempotencyKey = "Idempotency-Key"
	// HeaderPosition carries, in an answer, the position of the last event of a change.
	HeaderPosition = "Lodge-Position"
	// HeaderReplayed is "true" in an answer that was given before to the same request id.
	HeaderReplayed = "Lodge-Replayed"
	// HeaderCommandTime, in RFC 3339, sets a change's time. Only local callers may send it: see ConnContext.
	HeaderCommandTime = "Lodge-Command-Time"
	// HeaderCorrelationID goes into the events of a change as it is.
	HeaderCorrelationID = "Lodge-Correlation-Id"
	// HeaderReason says why a change is made, in the caller's words: into its events, sealed where they are of a booking, or into the audit trail.
	HeaderReason = "Lodge-Reason"
	// HeaderPrefer with return=minimal asks for an answer that does not wait for read models.
	HeaderPrefer = "Prefer"
)

const (
	correlationMax = 128
	preferMinimal  = "return=minimal"
)

// call is what the headers and the request_id say of a change.
type call struct {
	requestID     uuid.UUID
	named         bool // the caller gave the request id
	time          time.Time
	correlationID string
	actor         string // who gives it; empty: nobody is asked
	reason        string // why, in their words
}

func newCall(ctx context.Context, header http.Header, requestID string) (call, error) {
	c := call{correlationID: header.Get(HeaderCorrelationID), actor: actor(ctx)}
	if len(c.correlationID) > correlationMax {
		return c, domain.Errorf(domain.InvalidArgument, HeaderCorrelationID, "the header %s is longer than %d bytes", HeaderCorrelationID, correlationMax)
	}
	var err error
	if header[HeaderReason] != nil {
		if c.reason, err = parseReason(header); err != nil {
			return c, err
		}
	}
	if c.requestID, c.named, err = parseRequestID(requestID, header); err != nil {
		return c, err
	}
	if c.named {
		err = claim(ctx, c.requestID)
	} else {
		c.requestID, err = uuid.NewRandom()
	}
	if err != nil {
		return c, err
	}
	c.time, err = commandTime(ctx, header.Get(HeaderCommandTime))
	return c, err
}

// parseRequestID takes the field, or else the header; when both are there they must agree.
func parseRequestID(field string, header http.Header) (id uuid.UUID, named bool, err error) {
	key, keyed, err := parseKey(header)
	if err != nil || field == "" {
		return key, keyed, err
	}
	id, err = uuid.Parse(field)
	if err != nil || len(field) != 36 || id == uuid.Nil {
		return id, false, domain.Errorf(domain.InvalidID, "request_id", "%.80q is not a UUID", field)
	}
	if keyed && key != id {
		return id, false, domain.Errorf(domain.InvalidArgument, "request_id", "request_id and the header %s differ", HeaderIdempotencyKey)
	}
	return id, true, nil
}

func commandTime(ctx context.Context, value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	if !local(ctx) {
		return time.Time{}, domain.Errorf(ReasonForbiddenHeader, "", "the header %s is for the local socket only", HeaderCommandTime)
	}
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return time.Time{}, domain.Errorf(domain.InvalidArgument, HeaderCommandTime, "%.80q is not a time after RFC 3339", value)
	}
	return t, nil
}

// minimal reports whether the caller does not want to wait for read models.
func minimal(header http.Header) bool {
	return header[HeaderPrefer] != nil && strings.Contains(header.Get(HeaderPrefer), preferMinimal)
}
