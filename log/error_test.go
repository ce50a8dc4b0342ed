package log_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"lodge/log"
)

func TestError(t *testing.T) {
	err := fmt.Errorf("place reservation: %w",
		log.NewError(log.Corrupt, "read bookings/3", "at offset %d: %w", 7, io.ErrUnexpectedEOF))
	if got := err.Error(); got != "place reservation: read bookings/3: at offset 7: unexpected EOF (CORRUPT)" {
		t.Errorf("text %q", got)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if log.CodeOf(err) != log.Corrupt {
		t.Errorf("code %v", log.CodeOf(err))
	}
	var e *log.Error
	if !errors.As(err, &e) || e.Op != "read bookings/3" || e.Retriable() {
		t.Errorf("error %+v", e)
	}
}

func TestErrorWithoutCause(t *testing.T) {
	err := log.NewError(log.LimitReached, "append", "full")
	if err.Unwrap() != nil || err.Error() != "append: full (LIMIT_REACHED)" || !err.Retriable() {
		t.Errorf("error %+v", err)
	}
	if log.CodeOf(nil) != log.Unknown || log.CodeOf(io.EOF) != log.Unknown {
		t.Error("a foreign error has no code")
	}
}

// Every code has a name of its own; only what may pass by itself is retriable.
func TestCodes(t *testing.T) {
	seen := map[string]bool{}
	for c := log.Unknown; c <= log.UnsupportedFormat; c++ {
		name := c.String()
		if seen[name] || strings.HasPrefix(name, "CODE_") || strings.ToUpper(name) != name {
			t.Errorf("code %d is called %q", c, name)
		}
		seen[name] = true
		if want := c == log.LimitReached || c == log.Unavailable; c.Retriable() != want {
			t.Errorf("%v retriable: %v", c, c.Retriable())
		}
	}
	if got := log.Code(200).String(); got != "CODE_200" {
		t.Errorf("unknown code is called %q", got)
	}
}
