package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"
)

// edge is the one interceptor: it gives every unary call a deadline, checks the shape of what comes in, turns a panic
// into an error, translates errors, and counts. One layer instead of four, because it runs for every call.
type edge struct {
	validator protovalidate.Validator
	logger    *slog.Logger
	timeout   time.Duration
	calls     *calls
	tracing   *tracing
	gate      *gate    // nil: everybody may do everything
	audit     *auditor // nil: nothing is recorded
}

// incoming is a call as it came in.
type incoming struct {
	procedure string
	header    http.Header
	addr      string        // of the caller, as in net.Addr.String
	msg       proto.Message // nil: it has not been read
	stream    bool
	span      trace.Span // nil: nobody follows it
}

var _ connect.Interceptor = (*edge)(nil)

// WrapUnary implements connect.Interceptor.
func (e *edge) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (res connect.AnyResponse, err error) {
		ctx, span := e.tracing.begin(ctx, req.Spec().Procedure, req.Peer().Protocol, req.Header())
		msg, _ := req.Any().(proto.Message)
		in := incoming{procedure: req.Spec().Procedure, header: req.Header(), addr: req.Peer().Addr, msg: msg, span: span}
		e.audit.reached(ctx)
		err = e.guard(ctx, in, func(ctx context.Context) (err error) {
			if e.gate != nil {
				if ctx, err = e.gate.enter(ctx, in.procedure, in.header, in.addr, msg); err != nil {
					return err
				}
			}
			return e.audit.around(ctx, &in, func() (any, error) {
				if res, err = next(ctx, req); err != nil {
					return nil, err
				}
				return res.Any(), nil
			})
		})
		if err != nil {
			if req.Peer().Protocol == connect.ProtocolConnect {
				challenge(err)
			}
			return nil, err
		}
		return res, nil
	}
}

// guard does one call: deadline, shape, the call itself; what comes out is nil or a *connect.Error. It ends the call's span, if there is one.
func (e *edge) guard(ctx context.Context, in incoming, do func(context.Context) error) (err error) {
	began := e.calls.begin()
	defer func() {
		if r := recover(); r != nil {
			err = e.recovered(ctx, in, r)
		}
		e.calls.end(in.procedure, began, in.span, err)
		e.tracing.end(in.span, err)
	}()
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.timeout)
		defer cancel()
	}
	rest := restOf(ctx)
	if rest != nil {
		defer rest.release() // before anything of the answer is written: who has it all may send the request again at once
		err = rest.begin(in.procedure, in.msg)
	}
	if update, ok := in.msg.(masked); ok {
		nameMask(update)
	}
	if err == nil && !plainShape(in.msg) {
		err = e.validator.Validate(in.msg)
	}
	if err == nil {
		err = do(ctx)
	}
	if err == nil {
		return nil
	}
	if rest != nil {
		rest.ended(err)
	}
	answer := translate(ctx, e.logger, in.procedure, in.msg, err)
	e.audit.refused(ctx, in, err, answer)
	return answer
}

// WrapStreamingClient implements connect.Interceptor. The edge is the server's.
func (e *edge) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements connect.Interceptor.
func (e *edge) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) (err error) {
		ctx, span := e.tracing.begin(ctx, conn.Spec().Procedure, conn.Peer().Protocol, conn.RequestHeader())
		in := incoming{procedure: conn.Spec().Procedure, header: conn.RequestHeader(), addr: conn.Peer().Addr, stream: true, span: span}
		e.audit.reached(ctx)
		defer func() {
			if r := recover(); r != nil {
				err = e.recovered(ctx, in, r)
			}
			e.calls.endStream(in.procedure, err)
			e.tracing.end(span, err)
		}()
		err = e.stream(ctx, &in, conn, next)
		if err != nil {
			answer := translate(ctx, e.logger, in.procedure, nil, err)
			e.audit.refused(ctx, in, err, answer)
			return answer
		}
		return nil
	}
}

// recovered logs a panic and makes it an internal error, except for the one by which net/http aborts a response.
func (e *edge) recovered(ctx context.Context, in incoming, r any) error {
	if r == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so too: it is never wrapped
		panic(r)
	}
	e.logger.ErrorContext(ctx, "call panicked", "procedure", in.procedure, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
	answer := newError(connect.CodeInternal, ReasonInternal, "something is wrong on our side; it has been logged", nil)
	e.audit.refused(ctx, in, answer, answer)
	return answer
}

// checkedConn checks the shape of each message that comes in on a stream.
type checkedConn struct {
	connect.StreamingHandlerConn
	validator protovalidate.Validator
	in        *incoming                 // whose msg is the first message
	enter     func(proto.Message) error // of the first message; nil: nothing is asked
}

// Receive implements connect.StreamingHandlerConn.
func (c *checkedConn) Receive(message any) error {
	if err := c.StreamingHandlerConn.Receive(message); err != nil {
		return err
	}
	m, ok := message.(proto.Message)
	if !ok {
		return nil
	}
	if c.in.msg == nil {
		c.in.msg = m
	}
	if err := c.validator.Validate(m); err != nil || c.enter == nil {
		return err
	}
	enter := c.enter
	c.enter = nil
	return enter(m)
}

// stream does one stream: what is asked is in its first message.
func (e *edge) stream(ctx context.Context, in *incoming, conn connect.StreamingHandlerConn, next connect.StreamingHandlerFunc) error {
	checked := &checkedConn{StreamingHandlerConn: conn, validator: e.validator, in: in}
	do := func(ctx context.Context) error {
		return e.audit.around(ctx, in, func() (any, error) { return nil, next(ctx, checked) })
	}
	if e.gate == nil {
		return do(ctx)
	}
	c, err := e.gate.identify(ctx, conn.RequestHeader(), conn.Peer().Addr)
	if err != nil {
		return err
	}
	if !e.gate.required {
		return do(ctx)
	}
	checked.enter = func(msg proto.Message) error { return e.gate.authorize(ctx, c, conn.Spec().Procedure, msg) }
	return e.gate.while(ctx, c, do)
}
