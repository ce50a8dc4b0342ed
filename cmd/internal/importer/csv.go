package importer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits on what is read.
const (
	LineBytesMax = 64 << 10
	RowsMax      = 10_000_000
)

// Read reads a whole file. Lines that are no booking come back as problems, in order; the error is for a file that is not
// this kind of file at all, or cannot be read. lines is the number of data lines: len(rows) + len(problems).
//
// A record is one line: none of the columns can hold a line break, and so a quote that never closes costs one line, not
// the rest of the file.
func Read(r io.Reader) (rows []Row, problems []Problem, lines int, err error) {
	text, err := readLines(r)
	if err != nil {
		return nil, nil, 0, err
	}
	if len(text) == 0 {
		return nil, nil, 0, errors.New("the file is empty")
	}
	head, err := parseHeader(text[0].text)
	if err != nil {
		return nil, nil, 0, err
	}
	fields := make([]fieldsAt, 0, len(text)-1)
	for _, line := range text[1:] {
		f, err := head.split(line)
		if err != nil {
			problems = append(problems, problemAt(line.number, err))
			continue
		}
		fields = append(fields, fieldsAt{line.number, f})
	}
	style := detectDateStyle(head, fields)
	for _, f := range fields {
		row, err := head.parse(f, style)
		if err != nil {
			problems = append(problems, problemAt(f.line, err))
			continue
		}
		rows = append(rows, row)
	}
	return rows, sortedByLine(problems), len(text) - 1, nil
}

type textLine struct {
	number int
	text   string
	long   bool // longer than LineBytesMax; text is its beginning
	cut    bool // the file ends without a line break here
}

// readLines returns the lines that are not blank. A UTF-8 byte order mark and carriage returns are taken off.
func readLines(r io.Reader) ([]textLine, error) {
	in := bufio.NewReaderSize(r, LineBytesMax)
	var lines []textLine
	for number := 1; ; number++ {
		line, err := readLine(in)
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return nil, fmt.Errorf("read line %d: %w", number, err)
		}
		line.number = number
		if number == 1 {
			line.text = strings.TrimPrefix(line.text, "\ufeff")
		}
		if strings.TrimSpace(line.text) != "" {
			lines = append(lines, line)
		}
		if len(lines) > RowsMax+1 {
			return nil, fmt.Errorf("the file has more than %d rows", RowsMax)
		}
		if last {
			return lines, nil
		}
	}
}

// readLine reads to the next line break. The error is io.EOF behind the last line.
func readLine(in *bufio.Reader) (textLine, error) {
	b, err := in.ReadSlice('\n')
	line := textLine{text: string(bytes.TrimRight(b, "\r\n"))}
	for errors.Is(err, bufio.ErrBufferFull) {
		line.long = true
		_, err = in.ReadSlice('\n')
	}
	line.cut = errors.Is(err, io.EOF)
	return line, err
}

type fieldsAt struct {
	line   int
	fields []string // as many as the header has
}

// split cuts a line into as many fields as the header has.
func (h *header) split(line textLine) ([]string, error) {
	if line.long {
		return nil, problemf(LineTooLong, "the line is longer than %d bytes", LineBytesMax)
	}
	fields, err := splitLine(line.text, h.comma)
	if err != nil {
		return nil, err
	}
	if len(fields) == h.fields {
		return fields, nil
	}
	hint := ""
	if line.cut {
		hint = "; the file ends in the middle of this line"
	}
	return nil, problemf(FieldCount, "the line has %d fields, the header has %d%s", len(fields), h.fields, hint)
}

// splitLine cuts one line at its separators, minding quotes.
func splitLine(line string, comma byte) ([]string, error) {
	if !strings.Contains(line, `"`) {
		return strings.Split(line, string(comma)), nil
	}
	r := csv.NewReader(strings.NewReader(line))
	r.Comma = rune(comma)
	r.FieldsPerRecord = -1
	fields, err := r.Read()
	if err != nil {
		return nil, problemf(BadQuote, "the quotes of the line do not match: %v", errors.Unwrap(err))
	}
	return fields, nil
}
