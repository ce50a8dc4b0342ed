package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"lodge/commands"
	"lodge/domain/event"
	"lodge/domain/hotel"
	"lodge/log"
)

// execute carries out a change and says in the answer's headers where the log has it.
func (a *API) execute(ctx context.Context, c call, body hotel.Command, answer http.Header) (commands.Result, error) {
	result, err := a.do(ctx, c, body)
	if err == nil {
		say(answer, result)
	}
	return result, err
}

// do carries out a change.
func (a *API) do(ctx context.Context, c call, body hotel.Command) (commands.Result, error) {
	return a.deps.Engine.Execute(ctx, commands.Command{
		RequestID:     c.requestID,
		Time:          c.time,
		CorrelationID: c.correlationID,
		Actor:         c.actor,
		Reason:        c.reason,
		Body:          body,
	})
}

// say puts into the answer's headers where the log has a change, and whether it was answered before.
func say(answer http.Header, result commands.Result) {
	answer[HeaderPosition] = []string{positionText(result.Position)} // the names are canonical
	if result.Replayed {
		answer[HeaderReplayed] = []string{"true"}
	}
}

// positionText is Position.String without its formatting machinery, for every change has one.
func positionText(p log.Position) string {
	b := append(make([]byte, 0, 48), p.Topic...)
	b = append(b, '/')
	b = strconv.AppendInt(b, int64(p.Partition), 10)
	b = append(b, '@')
	return string(strconv.AppendInt(b, int64(p.Offset), 10))
}

// lastEvent returns the last event of a result, or nil when the command changed nothing.
func lastEvent(r commands.Result) *event.Envelope {
	if len(r.Events) == 0 {
		return nil
	}
	return r.Events[len(r.Events)-1]
}

// only returns the event that a command must have led to, and what it says.
func only[M any](r commands.Result) (e *event.Envelope, m M, err error) {
	if e = lastEvent(r); e == nil {
		return nil, m, fmt.Errorf("a command that leads to a %T gave no event", m)
	}
	m, ok := e.Message.(M)
	if !ok {
		return nil, m, fmt.Errorf("a command that leads to a %T gave a %s at %s", m, e.Type, r.Position)
	}
	return e, m, nil
}
