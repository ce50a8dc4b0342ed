package importer

import (
	"errors"
	"fmt"
)

// Reason says why a row became no booking, or not quite the booking that it says. Reasons are part of the JSON summary.
type Reason string

// The reasons. Rows with one of the first group are skipped; the second group names rows that were
// imported with one value put right; the third, rows that the platform refused.
const (
	NoNights      Reason = "no_nights"       // day use: a stay without a night is no stay
	FieldCount    Reason = "field_count"     // too few or too many fields; the file may be cut off here
	BadQuote      Reason = "bad_quote"       // quotes that do not close
	Missing       Reason = "missing_value"   // a value that is needed is empty, NULL or NA
	BadNumber     Reason = "bad_number"      // not a number, or one that cannot be
	BadDate       Reason = "bad_date"        // not a date, or not in the file's own order of day and month
	BadValue      Reason = "bad_value"       // a word that the column does not have
	Contradiction Reason = "contradiction"   // two columns of the row exclude each other
	StayTooLong   Reason = "stay_too_long"   // more nights than a reservation may have
	TooFarAhead   Reason = "too_far_ahead"   // booked longer ahead than nights may be sold
	LineTooLong   Reason = "line_too_long"   // beyond LineBytesMax
	NegativeRate  Reason = "negative_rate"   // imported at 0.00
	AbsurdRate    Reason = "absurd_rate"     // imported at the room type's base rate
	StatusTooSoon Reason = "status_too_soon" // imported with the status change on the first day on which it could happen
	StatusTooLate Reason = "status_too_late" // imported with the status change on the last day on which it could happen
	Refused       Reason = "refused"         // the platform refused the command
)

// Problem is something about one line that the person who imports should know.
type Problem struct {
	Line   int    `json:"line"` // in the file, from 1, the header included
	Reason Reason `json:"reason"`
	Text   string `json:"text"` // what is wrong, with column and value
}

// String returns "line 17: bad_number: lead_time …".
func (p Problem) String() string { return fmt.Sprintf("line %d: %s: %s", p.Line, p.Reason, p.Text) }

// problemError carries a Problem without its line through the parsing functions.
type problemError struct{ Problem }

func (e *problemError) Error() string { return e.Problem.Text }

func problemf(reason Reason, format string, args ...any) error {
	return &problemError{Problem{Reason: reason, Text: fmt.Sprintf(format, args...)}}
}

// problemAt returns err as the Problem of a line.
func problemAt(line int, err error) Problem {
	var p *problemError
	if errors.As(err, &p) {
		p.Problem.Line = line
		return p.Problem
	}
	return Problem{Line: line, Reason: BadValue, Text: err.Error()}
}
