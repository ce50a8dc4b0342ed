package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"lodge/api/access"
	"lodge/api/openid"
	"lodge/commands"
	"lodge/domain"
	"lodge/log"
)

// ErrorDomain is the domain of every ErrorInfo.
const ErrorDomain = "lodge"

// The reasons that the edge itself gives; the others are domain.Reason.
const (
	ReasonInvalidPageToken   = "INVALID_PAGE_TOKEN"
	ReasonInvalidPosition    = "INVALID_POSITION"
	ReasonAsOfUnsupported    = "AS_OF_UNSUPPORTED" // the question is answered of the present only
	ReasonInvalidFieldMask   = "INVALID_FIELD_MASK"
	ReasonTopicNotFound      = "TOPIC_NOT_FOUND"
	ReasonTopicProtected     = "TOPIC_PROTECTED" // the topic has a single writer: the log itself or the platform
	ReasonTopicExists        = "TOPIC_EXISTS"
	ReasonEventNotFound      = "EVENT_NOT_FOUND"
	ReasonGroupNotFound      = "GROUP_NOT_FOUND"
	ReasonGroupNotEmpty      = "GROUP_NOT_EMPTY"
	ReasonGroupProtected     = "GROUP_PROTECTED" // it is a process manager's
	ReasonQueueNotFound      = "QUEUE_NOT_FOUND"
	ReasonQueueExists        = "QUEUE_EXISTS"
	ReasonScheduleNotFound   = "SCHEDULE_NOT_FOUND"
	ReasonConsumerNotFound   = "CONSUMER_NOT_FOUND" // the stream that it names has ended
	ReasonPartitionLost      = "PARTITION_LOST"     // the group has given the partition to another member
	ReasonPartitionDraining  = "PARTITION_DRAINING"
	ReasonOffsetMismatch     = "OFFSET_MISMATCH"
	ReasonProjectionNotFound = "PROJECTION_NOT_FOUND"
	ReasonPositionNotReached = "POSITION_NOT_REACHED" // the read model did not get to min_position in time
	ReasonQueueFull          = "QUEUE_FULL"
	ReasonUnavailable        = "UNAVAILABLE"
	ReasonRecordTooLarge     = "RECORD_TOO_LARGE"
	ReasonRateLimited        = "RATE_LIMITED"
	ReasonRoleDenied         = "ROLE_DENIED"  // not for this role
	ReasonHotelDenied        = "HOTEL_DENIED" // not for this hotel
	ReasonTopicDenied        = "TOPIC_DENIED"
	ReasonNotYours           = "NOT_YOURS"    // or there is no such thing
	ReasonCrossOrigin        = "CROSS_ORIGIN" // a page of another site asks
	ReasonOffsetOutOfRange   = "OFFSET_OUT_OF_RANGE"
	ReasonForbiddenHeader    = "FORBIDDEN_HEADER"
	ReasonForbiddenField     = "FORBIDDEN_FIELD"
	ReasonInternal           = "INTERNAL"
	ReasonDeadlineExceeded   = "DEADLINE_EXCEEDED" // the caller's, or the surface's own
	ReasonCanceled           = "CANCELED"          // the caller has gone
	ReasonRequestTooLarge    = "REQUEST_TOO_LARGE" // its limit_bytes say what there may be
	ReasonAuditUnavailable   = "AUDIT_UNAVAILABLE" // what is to be on record before it is answered cannot be

	// Over REST only.
	ReasonRequestInProgress = "IDEMPOTENCY_KEY_IN_PROGRESS" // the first request with the key has no answer yet
	ReasonRouteNotFound     = "ROUTE_NOT_FOUND"
	ReasonMethodNotAllowed  = "METHOD_NOT_ALLOWED"
	ReasonUnsupportedMedia  = "UNSUPPORTED_MEDIA_TYPE"
)

// retryDelay is what RetryInfo proposes: queues drain within milliseconds.
const retryDelay = 50 * time.Millisecond

// domainCodes says which code each broken rule is answered with.
var domainCodes = map[domain.Reason]connect.Code{
	domain.HotelNotFound:         connect.CodeNotFound,
	domain.RoomTypeNotFound:      connect.CodeNotFound,
	domain.ReservationNotFound:   connect.CodeNotFound,
	domain.HotelExists:           connect.CodeAlreadyExists,
	domain.RoomTypeExists:        connect.CodeAlreadyExists,
	domain.ReservationExists:     connect.CodeAlreadyExists,
	domain.InvalidArgument:       connect.CodeInvalidArgument,
	domain.InvalidID:             connect.CodeInvalidArgument,
	domain.InvalidDates:          connect.CodeInvalidArgument,
	domain.StayTooLong:           connect.CodeInvalidArgument,
	domain.PastDate:              connect.CodeInvalidArgument,
	domain.InvalidQuantity:       connect.CodeInvalidArgument,
	domain.TooFarAhead:           connect.CodeInvalidArgument,
	domain.CurrencyMismatch:      connect.CodeInvalidArgument,
	domain.EtagMismatch:          connect.CodeAborted,
	domain.HotelArchived:         connect.CodeFailedPrecondition,
	domain.RoomTypeArchived:      connect.CodeFailedPrecondition,
	domain.StatusConflict:        connect.CodeFailedPrecondition,
	domain.GuestExpected:         connect.CodeFailedPrecondition,
	domain.GuestNotSealed:        connect.CodeFailedPrecondition,
	domain.BooksClosed:           connect.CodeFailedPrecondition,
	domain.SoldOut:               connect.CodeFailedPrecondition,
	domain.Restricted:            connect.CodeFailedPrecondition,
	domain.NotPriced:             connect.CodeFailedPrecondition,
	domain.RateChanged:           connect.CodeFailedPrecondition,
	domain.QuoteExpired:          connect.CodeFailedPrecondition,
	ReasonInvalidQuote:           connect.CodeInvalidArgument,
	domain.RatePlanNotFound:      connect.CodeNotFound,
	domain.RatePlanExists:        connect.CodeAlreadyExists,
	domain.RatePlanArchived:      connect.CodeFailedPrecondition,
	domain.OccupancyExceeded:     connect.CodeFailedPrecondition,
	domain.PaymentNotFound:       connect.CodeNotFound,
	domain.PaymentExists:         connect.CodeAlreadyExists,
	domain.PaymentInProgress:     connect.CodeFailedPrecondition,
	domain.NothingDue:            connect.CodeFailedPrecondition,
	domain.BalanceDue:            connect.CodeFailedPrecondition,
	domain.RefundTooLarge:        connect.CodeFailedPrecondition,
	domain.RoomNotFound:          connect.CodeNotFound,
	domain.RoomExists:            connect.CodeAlreadyExists,
	domain.RoomArchived:          connect.CodeFailedPrecondition,
	domain.RoomUnavailable:       connect.CodeFailedPrecondition,
	domain.WaiterNotFound:        connect.CodeNotFound,
	domain.WaiterExists:          connect.CodeAlreadyExists,
	domain.RoomsAvailable:        connect.CodeFailedPrecondition,
	commands.ReasonRequestReused: connect.CodeFailedPrecondition,
	domain.LimitReached:          connect.CodeResourceExhausted,
	ReasonInvalidPageToken:       connect.CodeInvalidArgument,
	ReasonInvalidPosition:        connect.CodeInvalidArgument,
	ReasonAsOfUnsupported:        connect.CodeInvalidArgument,
	ReasonInvalidFieldMask:       connect.CodeInvalidArgument,
	ReasonTopicNotFound:          connect.CodeNotFound,
	ReasonProjectionNotFound:     connect.CodeNotFound,
	ReasonTopicProtected:         connect.CodeFailedPrecondition,
	ReasonEventNotFound:          connect.CodeNotFound,
	ReasonGroupNotFound:          connect.CodeNotFound,
	ReasonGroupNotEmpty:          connect.CodeFailedPrecondition,
	ReasonGroupProtected:         connect.CodeFailedPrecondition,
	ReasonQueueNotFound:          connect.CodeNotFound,
	ReasonQueueExists:            connect.CodeAlreadyExists,
	ReasonConsumerNotFound:       connect.CodeNotFound,
	ReasonLetterNotFound:         connect.CodeNotFound,
	ReasonProcessNotFound:        connect.CodeFailedPrecondition,
	ReasonRecordTooLarge:         connect.CodeInvalidArgument,
	ReasonForbiddenHeader:        connect.CodePermissionDenied,
	ReasonForbiddenField:         connect.CodePermissionDenied,
	ReasonRoleDenied:             connect.CodePermissionDenied,
	ReasonHotelDenied:            connect.CodePermissionDenied,
	ReasonTopicDenied:            connect.CodePermissionDenied,
	ReasonNotYours:               connect.CodePermissionDenied,
	access.ReasonTokenRequired:   connect.CodeUnauthenticated,
	access.ReasonTokenMalformed:  connect.CodeUnauthenticated,
	access.ReasonTokenUnknown:    connect.CodeUnauthenticated,
	access.ReasonTokenExpired:    connect.CodeUnauthenticated,
	access.ReasonTokenRevoked:    connect.CodeUnauthenticated,
	access.ReasonTokenNotFound:   connect.CodeNotFound,
	ReasonCrossOrigin:            connect.CodePermissionDenied,

	access.ReasonAccountNotFound:    connect.CodeNotFound,
	access.ReasonAccountExists:      connect.CodeAlreadyExists,
	access.ReasonAccountDisabled:    connect.CodePermissionDenied,
	access.ReasonEmailUnavailable:   connect.CodeAlreadyExists,
	access.ReasonCredentialsInvalid: connect.CodeUnauthenticated,
	access.ReasonPasswordWeak:       connect.CodeInvalidArgument,
	access.ReasonInvitationUnknown:  connect.CodeNotFound,
	access.ReasonSessionNotFound:    connect.CodeNotFound,
	access.ReasonSessionEnded:       connect.CodeUnauthenticated,
	access.ReasonRefreshUnknown:     connect.CodeUnauthenticated,
	access.ReasonRefreshReused:      connect.CodeUnauthenticated,
	openid.ReasonSignInFailed:       connect.CodeUnauthenticated,
}

// translate makes of any error what a caller may see. It is the only place where codes are chosen. What is not meant for
// callers is logged here, in full, and answered without a word of it.
// req is what was asked, or nil.
func translate(ctx context.Context, logger *slog.Logger, procedure string, req proto.Message, err error) *connect.Error {
	var (
		already *connect.Error
		broken  *domain.Error
		invalid *protovalidate.ValidationError
		logged  *log.Error
		often   *access.TooManyError
	)
	switch {
	case errors.As(err, &already):
		return already
	case errors.As(err, &broken):
		return ruleError(broken, requestField(req, broken.Field))
	case errors.As(err, &often):
		return limited("too many calls", often.Wait)
	case errors.As(err, &invalid):
		return shapeError(invalid)
	case errors.Is(err, context.Canceled):
		return newError(connect.CodeCanceled, ReasonCanceled, "the caller has gone", nil)
	case errors.Is(err, context.DeadlineExceeded):
		return newError(connect.CodeDeadlineExceeded, ReasonDeadlineExceeded, "the time for this call is over; a change may have been made all the same", nil)
	case errors.As(err, &logged):
		if answer := logError(logged); answer != nil {
			return answer
		}
	}
	logger.ErrorContext(ctx, "call failed", "procedure", procedure, "error", err)
	return newError(connect.CodeInternal, ReasonInternal, "something is wrong on our side; it has been logged", nil)
}

// ruleError answers a broken rule; field is the request's field at fault, or empty.
func ruleError(e *domain.Error, field string) *connect.Error {
	code, ok := domainCodes[e.Reason]
	if !ok {
		code = connect.CodeInvalidArgument
	}
	metadata := map[string]string{}
	if field != "" {
		metadata["field"] = field
	}
	if len(e.Nights) > 0 {
		metadata["nights"] = joinDates(e.Nights)
	}
	answer := newError(code, string(e.Reason), e.Text, metadata)
	if field != "" && code == connect.CodeInvalidArgument {
		attach(answer, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: field, Description: e.Text, Reason: string(e.Reason)},
		}})
	}
	return answer
}

// shapeError answers a message that breaks the rules written in its proto.
func shapeError(e *protovalidate.ValidationError) *connect.Error {
	bad := &errdetails.BadRequest{}
	texts := make([]string, 0, len(e.Violations))
	for _, v := range e.Violations {
		field, text := protovalidate.FieldPathString(v.Proto.GetField()), v.Proto.GetMessage()
		texts = append(texts, field+": "+text)
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field: field, Description: text, Reason: strings.ToUpper(strings.ReplaceAll(v.Proto.GetRuleId(), ".", "_")),
		})
	}
	answer := newError(connect.CodeInvalidArgument, string(domain.InvalidArgument), strings.Join(texts, "; "), nil)
	attach(answer, bad)
	return answer
}

// logCodes says how errors of the log are answered whose text is meant for callers. Without a reason of its own an error has the name of
// its code, which is Kafka's.
var logCodes = map[log.Code]struct {
	code   connect.Code
	reason string
}{
	log.UnknownTopic:          {connect.CodeNotFound, ReasonTopicNotFound},
	log.TopicExists:           {connect.CodeAlreadyExists, ReasonTopicExists},
	log.InvalidTopic:          {connect.CodeInvalidArgument, string(domain.InvalidArgument)},
	log.InvalidArgument:       {connect.CodeInvalidArgument, string(domain.InvalidArgument)},
	log.InvalidGroup:          {connect.CodeInvalidArgument, string(domain.InvalidID)},
	log.RecordTooLarge:        {connect.CodeInvalidArgument, ReasonRecordTooLarge},
	log.InvalidSessionTimeout: {connect.CodeInvalidArgument, ""},
	log.OffsetOutOfRange:      {connect.CodeOutOfRange, ReasonOffsetOutOfRange},
	log.OffsetMismatch:        {connect.CodeAborted, ReasonOffsetMismatch},
	log.UnknownGroup:          {connect.CodeNotFound, ReasonGroupNotFound},
	log.GroupNotEmpty:         {connect.CodeFailedPrecondition, ReasonGroupNotEmpty},
	log.GroupFull:             {connect.CodeResourceExhausted, "GROUP_FULL"},
	log.InconsistentProtocol:  {connect.CodeFailedPrecondition, ""},
	log.UnknownMember:         {connect.CodeAborted, ReasonPartitionLost},
	log.IllegalGeneration:     {connect.CodeAborted, ReasonPartitionLost},
	log.FencedInstance:        {connect.CodeAborted, "FENCED_INSTANCE"},
	log.Draining:              {connect.CodeFailedPrecondition, ReasonPartitionDraining},
	log.VoidReceipt:           {connect.CodeFailedPrecondition, ""},
	log.UnknownSchedule:       {connect.CodeNotFound, ReasonScheduleNotFound},
}

// logError answers an error of the log, or returns nil for one that is nobody's business.
func logError(e *log.Error) *connect.Error {
	switch e.Code {
	case log.LimitReached:
		return retriable(newError(connect.CodeResourceExhausted, ReasonQueueFull, "too much is waiting; send the same request again", nil))
	case log.Unavailable, log.Closed, log.Poisoned, log.RebalanceInProgress, log.StaleLayout:
		return retriable(newError(connect.CodeUnavailable, ReasonUnavailable, "not now; send the same request again", nil))
	}
	if answer, ok := logCodes[e.Code]; ok {
		return newError(answer.code, cmp.Or(answer.reason, e.Code.String()), logText(e), nil)
	}
	return nil
}

// logText is an error's text, with the operation and its object where the text alone would leave open which of several it is about.
func logText(e *log.Error) string {
	switch e.Code {
	case log.UnknownTopic, log.TopicExists, log.UnknownGroup, log.GroupNotEmpty, log.Draining:
		if e.Op != "" {
			return e.Op + ": " + e.Text
		}
	}
	return e.Text
}

// final makes of an error that a table is full one that does not go away by waiting, for calls about what stays.
func final(err error) error {
	var e *log.Error
	if errors.As(err, &e) && e.Code == log.LimitReached {
		return domain.Errorf(domain.LimitReached, "", "%s", e.Text)
	}
	return err
}

func newError(code connect.Code, reason, text string, metadata map[string]string) *connect.Error {
	answer := connect.NewError(code, errors.New(text))
	attach(answer, &errdetails.ErrorInfo{Reason: reason, Domain: ErrorDomain, Metadata: metadata})
	return answer
}

func retriable(e *connect.Error) *connect.Error {
	attach(e, &errdetails.RetryInfo{RetryDelay: durationpb.New(retryDelay)})
	return e
}

func attach(e *connect.Error, detail proto.Message) {
	if d, err := connect.NewErrorDetail(detail); err == nil {
		e.AddDetail(d)
	}
}

func joinDates(dates []domain.Date) string {
	b := make([]byte, 0, len(dates)*11)
	for i, d := range dates {
		if i > 0 {
			b = append(b, ',')
		}
		b = d.AppendTo(b)
	}
	return string(b)
}

// notReached answers a query whose read model is behind the position that it must have seen.
func notReached(pos log.Position) error {
	return retriable(newError(connect.CodeUnavailable, ReasonPositionNotReached,
		"the read model has not got to "+pos.String()+" yet; ask again", map[string]string{"position": pos.String()}))
}

func isDeadline(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
