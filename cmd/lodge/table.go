package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// table writes rows for a person or messages for a program.
type table struct {
	out  io.Writer
	tabs *tabwriter.Writer // nil: JSON
	err  error
}

func newTable(out io.Writer, json bool, columns ...any) *table {
	t := &table{out: out}
	if !json {
		t.tabs = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		t.row(nil, columns...)
	}
	return t
}

// row writes one line: the message as JSON, or the cells.
func (t *table) row(msg proto.Message, cells ...any) {
	if t.tabs == nil {
		line, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(msg)
		if err != nil {
			t.err = err
		}
		fmt.Fprintln(t.out, string(line))
		return
	}
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(t.tabs, "\t")
		}
		fmt.Fprint(t.tabs, harmless(fmt.Sprint(cell)))
	}
	fmt.Fprintln(t.tabs)
}

// harmless makes of a cell text that a terminal only shows: names, labels and paths are what anybody has written, who might have it move the cursor, write over other rows or change its title.
func harmless(cell string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, cell)
}

// eachPage calls read for each page of a list, with the token of the next one, until that is empty or there is an error.
func eachPage(read func(token string) (next string, err error)) error {
	for token := ""; ; {
		next, err := read(token)
		if err != nil || next == "" {
			return err
		}
		token = next
	}
}

// flushed flushes unless there was an error before.
func (t *table) flushed(err error) error {
	if err != nil {
		return err
	}
	return t.flush()
}

func (t *table) flush() error {
	if t.tabs != nil {
		return t.tabs.Flush()
	}
	return t.err
}

// lastPart returns a resource name without its collection: bookings of topics/bookings.
func lastPart(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			return name[i+1:]
		}
	}
	return name
}
