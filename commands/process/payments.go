package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"

	"lodge/commands"
	"lodge/commands/payment"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/log/watermill"
)

// Executor gives commands. *commands.Engine is one.
type Executor interface {
	Execute(ctx context.Context, c commands.Command) (commands.Result, error)
}

// PaymentsOptions sets up Payments. The zero value of a field means its default.
type PaymentsOptions struct {
	CallTimeout time.Duration // of one call of a provider: default 13 s. Two of them must fit into the router's AttemptTimeout
	CallsMax    int           // charges of one partition at a time, and as many refunds and as many look-ups: default 32. Those of a reservation come one after the other
	RecheckMin  time.Duration // before what is unknown is looked up for the first time, doubling with each: default 5 s
	RecheckMax  time.Duration // between look-ups at most: default 1 h
	KeyAge      time.Duration // for how long a provider surely remembers a key: default 12 h. What was requested earlier is looked up before it is sent again
	ProofAge    time.Duration // after the last attempt, when a provider that finds no charge proves that there is none: default 10 min
	GiveUpAfter time.Duration // when what is still unknown is given to people: default 30 days
	Clock       func() time.Time
	Tracer      trace.Tracer // tells in which traces providers were asked; nil: none
	Logger      *slog.Logger // default: discard
}

func (o PaymentsOptions) withDefaults() PaymentsOptions {
	o.CallTimeout = cmp.Or(o.CallTimeout, 13*time.Second)
	o.CallsMax = cmp.Or(o.CallsMax, 32)
	o.RecheckMin = cmp.Or(o.RecheckMin, 5*time.Second)
	o.RecheckMax = cmp.Or(o.RecheckMax, max(time.Hour, o.RecheckMin))
	o.KeyAge = cmp.Or(o.KeyAge, 12*time.Hour)
	o.ProofAge = cmp.Or(o.ProofAge, 10*time.Minute)
	o.GiveUpAfter = cmp.Or(o.GiveUpAfter, 30*24*time.Hour)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Validate returns an error for a setting that is out of its range. Zero values are defaults and valid.
func (o PaymentsOptions) Validate() error {
	o = o.withDefaults()
	if o.CallsMax < 1 || o.CallsMax > watermill.ParallelMax {
		return invalid("payments: option CallsMax: %d is not in [1, %d]", o.CallsMax, watermill.ParallelMax)
	}
	for _, r := range []struct {
		name             string
		value, low, high time.Duration
	}{
		{"CallTimeout", o.CallTimeout, time.Millisecond, time.Hour},
		{"RecheckMin", o.RecheckMin, time.Millisecond, 24 * time.Hour},
		{"RecheckMax", o.RecheckMax, o.RecheckMin, 7 * 24 * time.Hour},
		{"KeyAge", o.KeyAge, time.Minute, 24 * time.Hour},
		{"ProofAge", o.ProofAge, 2 * o.CallTimeout, 24 * time.Hour},
		{"GiveUpAfter", o.GiveUpAfter, 24 * time.Hour, 10 * 365 * 24 * time.Hour},
	} {
		if r.value < r.low || r.value > r.high {
			return invalid("payments: option %s: %s is not in [%s, %s]", r.name, r.value, r.low, r.high)
		}
	}
	return nil
}

// Payments is the payment saga: the steps between a reservation that is to be paid and one that is settled. What links them is events alone, so the saga has no
// state of its own; commands/DESIGN.md has a table of what it does when something fails.
//
//	payment requested ──► the provider is asked ──► captured ──► the reservation is confirmed, or the money goes back
//	                                            ├─► declined ──► the reservation is declined, its rooms are free
//	                                            └─► unknown  ──► looked up later, until it is known
//	reservation canceled, modified, … ──► what is owed is requested back ──► the provider is asked ──► given back ──► the reservation is refunded
//
// Before money moves the state is asked whether it still should (CheckPayment, CheckRefund), and it moves under the id of the payment or refund as the provider's
// idempotency key: a step that is done again, after a crash or by a message that comes twice, moves nothing.
type Payments struct {
	engine    Executor
	scheduler log.Scheduler // nil: there is none
	opts      PaymentsOptions
	first     string // the name of the provider that new payments go to
	providers map[string]payment.Provider
}

// NewPayments makes the saga. New payments go to the first provider; the others are there for what was begun with them. Without a scheduler what is unknown is
// asked for again in place, and holds up those behind it.
func NewPayments(engine Executor, scheduler log.Scheduler, opts PaymentsOptions, first payment.Provider, others ...payment.Provider) (*Payments, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	p := &Payments{engine: engine, scheduler: scheduler, opts: opts.withDefaults(), first: first.Name(), providers: map[string]payment.Provider{}}
	for _, provider := range append(others, first) {
		p.providers[provider.Name()] = provider
	}
	return p, nil
}

// Provider is the name of the provider that new payments go to.
func (p *Payments) Provider() string { return p.first }

// The names of the saga's handlers.
const (
	chargeHandler      = "payment-charge"
	confirmHandler     = "payment-confirm"
	declineHandler     = "payment-decline"
	settleHandler      = "payment-settle"
	refundHandler      = "payment-refund"
	completeHandler    = "payment-complete"
	refundFailsHandler = "payment-refund-failed"
	recheckHandler     = "payment-recheck"
)

// Handlers returns the saga's handlers, for Router.Register.
func (p *Payments) Handlers() []Handler {
	return []Handler{
		p.calling(onEvents(chargeHandler, p.charge, &eventpb.PaymentRequested{}), reservationOfEvent),
		onEvents(confirmHandler, p.confirm, &eventpb.PaymentCaptured{}),
		onEvents(declineHandler, p.decline, &eventpb.PaymentDeclined{}),
		onEvents(settleHandler, p.settle, &eventpb.ReservationCanceled{}, &eventpb.ReservationNoShow{}, &eventpb.ReservationModified{},
			&eventpb.ReservationDeclined{}, &eventpb.GuestWalked{}, &eventpb.RefundGranted{}),
		p.calling(onEvents(refundHandler, p.refund, &eventpb.RefundRequested{}), reservationOfEvent),
		onEvents(completeHandler, p.complete, &eventpb.RefundSucceeded{}),
		onEvents(refundFailsHandler, p.refundFailed, &eventpb.RefundFailed{}),
		p.calling(Handler{Name: recheckHandler, Topic: TimersTopic, Types: []string{paymentTimer, refundTimer}, HandleRecord: p.recheck}, reservationOfTimer),
	}
}

// calling has a handler call a provider for several reservations at a time: a slow one keeps nobody else waiting.
func (p *Payments) calling(h Handler, reservation func(*log.Record) string) Handler {
	h.Parallel, h.OrderKey = p.opts.CallsMax, reservation
	return h
}

// reservationOfEvent is what the calls of a provider are in order for. Of what cannot be read it is nothing: the handler says what is wrong.
func reservationOfEvent(r *log.Record) string {
	e, err := event.Decode(r.Value, r.HeaderValue)
	if err != nil {
		return ""
	}
	m, ok := e.Message.(ofReservation)
	if !ok {
		return ""
	}
	return m.GetHotelId() + "/" + m.GetReservationId()
}

// ofReservation is an event of a reservation.
type ofReservation interface {
	GetHotelId() string
	GetReservationId() string
}

// onEvents makes a handler of events that lie in one topic.
func onEvents(name string, handle func(context.Context, *event.Envelope) error, messages ...proto.Message) Handler {
	h := Handler{Name: name, Topic: log.Topic(event.TopicOf(messages[0])), Handle: handle}
	for _, m := range messages {
		h.Types = append(h.Types, event.TypeOf(m))
	}
	return h
}

// cause is what a command of the saga follows from.
type cause struct {
	id          string // of the event
	correlation string
}

func causeOf(e *event.Envelope) cause { return cause{e.ID, e.CorrelationID} }

// give executes a command of the saga that changes nothing when it is given again.
func (p *Payments) give(ctx context.Context, c cause, body hotel.Command) (commands.Result, error) {
	r, err := p.engine.Execute(ctx, commands.Command{Internal: true, CorrelationID: c.correlation, CausationID: c.id, Body: body})
	return r, unlessEnded(ctx, err)
}

// giveOnce executes a command under a request id that follows from the event, for those whose events have ids of their own.
func (p *Payments) giveOnce(ctx context.Context, e *event.Envelope, handler, step string, body hotel.Command) (commands.Result, error) {
	r, err := p.engine.Execute(ctx, commands.Command{
		RequestID: RequestID(e, handler, step), Internal: true, CorrelationID: e.CorrelationID, CausationID: e.ID, Body: body,
	})
	return r, unlessEnded(ctx, err)
}

// derivedID returns an id for what a step of a handler makes of an event: the same for the same event.
func derivedID(e *event.Envelope, handler, step string) string {
	return uuid.NewSHA1(derivedSpace, []byte(RequestID(e, handler, step).String())).String()
}

var derivedSpace = uuid.MustParse("0198f3c1-9a44-7be3-8f21-c6d2e1a07b95")

// isRule reports whether a command was refused by a rule of the domain, which will not change by giving it again.
func isRule(err error) bool { return domain.ReasonOf(err) != "" }

// unlessRule drops the refusal of a rule: what was to be done does not make sense any more.
func (p *Payments) unlessRule(err error, what string, c cause) error {
	if !isRule(err) {
		return err
	}
	p.opts.Logger.Debug("payments: "+what+" is not called for", "cause", c.id, "reason", domain.ReasonOf(err), "error", err)
	return nil
}

// forPeople makes the refusal of a rule final: money has moved and the state does not want to know of it.
func forPeople(err error, what string) error {
	if !isRule(err) {
		return err
	}
	return Permanent(fmt.Errorf("%s: %w", what, err))
}

// provider returns the one that a payment was or is to be made with.
func (p *Payments) provider(name string) (payment.Provider, error) {
	if provider := p.providers[name]; provider != nil {
		return provider, nil
	}
	return nil, Permanent(fmt.Errorf("there is no payment provider %.40q here: start with it and handle this again", name))
}

// call bounds a call of a provider. It returns ctx's own error when that has ended: then nothing is known and the message comes again.
func (p *Payments) call(ctx context.Context, operation string, provider payment.Provider, f func(context.Context) (payment.Outcome, error)) (payment.Outcome, error) {
	bounded, cancel := context.WithTimeout(ctx, p.opts.CallTimeout)
	defer cancel()
	bounded, end := p.asking(bounded, operation, provider)
	outcome, err := f(bounded)
	end(outcome, err)
	if ctx.Err() != nil {
		return payment.Outcome{}, Transient(context.Cause(ctx))
	}
	if code, ok := payment.Permanent(err); ok {
		return payment.Outcome{Status: payment.Declined, Code: code}, nil
	}
	if err != nil {
		p.opts.Logger.Warn("a payment provider did not answer", "error", err)
		return payment.Outcome{Status: payment.Pending, Code: err.Error()}, nil
	}
	return outcome, nil
}

// lookUp is call for a question. That a provider refuses to look says nothing of the money: it may have moved.
func (p *Payments) lookUp(ctx context.Context, operation string, provider payment.Provider, f func(context.Context) (payment.Outcome, error)) (payment.Outcome, error) {
	return p.call(ctx, operation, provider, func(ctx context.Context) (payment.Outcome, error) {
		o, err := f(ctx)
		if _, ok := payment.Permanent(err); ok {
			err = errors.New(err.Error())
		}
		return o, err
	})
}

// textMax bounds what events keep of a provider's words.
const textMax = 200

// plain makes a provider's words fit for an event: a refusal because of its spelling would lose what became of the money.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return strings.ToValidUTF8(s[:min(len(s), textMax)], "")
}
