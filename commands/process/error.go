package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"lodge/log"
)

type transientError struct{ error }

func (e transientError) Unwrap() error { return e.error }

type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Transient says that err will pass: the handler is called again, without limit.
func Transient(err error) error { return transientError{err} }

// Permanent says that err will not pass: the record goes to the poison queue at once.
func Permanent(err error) error { return permanentError{err} }

// IsTransient reports whether a handler that failed with err is tried again without limit: Transient has said so, or it is an error of the log or the engine whose
// code is Retriable, or Closed.
func IsTransient(err error) bool {
	var said transientError
	var logged *log.Error
	switch {
	case isPermanent(err):
		return false
	case errors.As(err, &said):
		return true
	case errors.As(err, &logged):
		return logged.Retriable() || logged.Code == log.Closed
	}
	return false
}

// unlessEnded makes err, which whoever was asked has answered with, Transient when ctx has ended: there was no time for another answer. What a rule
// refuses stays refused.
func unlessEnded(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || isRule(err) {
		return err
	}
	return Transient(err)
}

func isPermanent(err error) bool {
	var said permanentError
	return errors.As(err, &said)
}

// isPanic reports whether a handler has panicked.
func isPanic(err error) (middleware.RecoveredPanicError, bool) {
	var p middleware.RecoveredPanicError
	return p, errors.As(err, &p)
}

// errorTextMax bounds what a letter says of an error.
const errorTextMax = 4 << 10

// errorText returns what people are told about err.
func errorText(err error) string {
	text := err.Error()
	if p, ok := isPanic(err); ok {
		text = fmt.Sprintf("panic: %v\n%s", p.V, p.Stacktrace)
	}
	return text[:min(len(text), errorTextMax)]
}
