package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// What one request carries, within the server's 1 MiB for a message.
const (
	lineBytesMax    = 768 << 10
	produceLinesMax = 1000
	produceBytesMax = 128 << 10
)

// produceCommand appends lines of standard input to a topic.
type produceCommand struct {
	dataFlag
	Topic        string   `arg:"" help:"The topic."`
	KeySeparator string   `help:"Each line is a key, this, and a value; without it records have no key." placeholder:"TEXT"`
	Null         *string  `help:"A value that is this text is a tombstone." placeholder:"TEXT"`
	Header       []string `help:"A header of every record." placeholder:"NAME=VALUE" sep:"none"`
	Partition    *int32   `help:"Produce to this partition; without it by key, or to any."`
	Acks         string   `help:"What to wait for: all, leader or none." enum:"all,leader,none" default:"all"`
	JSON         bool     `help:"Print the position of each record, one JSON object a line."`
}

// Help shows examples.
func (produceCommand) Help() string {
	return `Each line of standard input is a record. Lines that are there together go together; each is answered for before the command ends. When it ends with an error, the lines
of the last request may be in the topic or not.

Examples:
  echo hello | lodge produce orders
  printf 'ada:1\nbob:2\n' | lodge produce orders --key-separator : --header ce_type=order.placed --json`
}

// Run implements the command.
func (c *produceCommand) Run(ctx context.Context, m *Main) error {
	headers, err := parseHeaders(c.Header)
	if err != nil {
		return err
	}
	if closer, ok := m.Stdin.(io.Closer); ok {
		defer context.AfterFunc(ctx, func() { _ = closer.Close() })() // ends a read that waits
	}
	return withServer(ctx, c.Data, func(s *server) error {
		p := &producer{c: c, m: m, headers: headers, client: lodgev1connect.NewMessageServiceClient(s.client, s.url)}
		err := p.run(ctx, bufio.NewReaderSize(m.Stdin, 64<<10))
		if !c.JSON {
			fmt.Fprintf(m.Stdout, "%d records to %s\n", p.acknowledged, c.Topic)
		}
		if ctx.Err() != nil { // interrupted: that is how typing ends
			err = nil
		}
		return err
	})
}

// parseHeaders reads NAME=VALUE.
func parseHeaders(all []string) (headers []*lodgev1.Header, err error) {
	for _, text := range all {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--header %q is not NAME=VALUE", text)
		}
		headers = append(headers, &lodgev1.Header{Key: name, Value: []byte(value)})
	}
	return headers, nil
}

// producer sends lines.
type producer struct {
	c       *produceCommand
	m       *Main
	headers []*lodgev1.Header
	client  lodgev1connect.MessageServiceClient

	line         int // number of the last one read
	pending      []*lodgev1.ProduceRequest_NewRecord
	bytes        int // of pending
	acknowledged int
}

func (p *producer) run(ctx context.Context, in *bufio.Reader) error {
	for {
		line, err := p.read(in)
		if err == nil || errors.Is(err, io.EOF) && line != "" {
			if addErr := p.add(line); addErr != nil {
				return addErr
			}
		}
		if err != nil || in.Buffered() == 0 || len(p.pending) >= produceLinesMax || p.bytes >= produceBytesMax {
			if sendErr := p.send(ctx); sendErr != nil {
				return sendErr
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// read returns the next line without its end.
func (p *producer) read(in *bufio.Reader) (string, error) {
	p.line++
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > lineBytesMax {
			return "", fmt.Errorf("line %d is longer than %d bytes", p.line, lineBytesMax)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r"), err
		}
	}
}

// add makes a record of a line.
func (p *producer) add(line string) error {
	r := &lodgev1.ProduceRequest_NewRecord{Headers: p.headers}
	if p.c.KeySeparator != "" {
		key, value, ok := strings.Cut(line, p.c.KeySeparator)
		if !ok {
			return fmt.Errorf("line %d has no key: no %q in it", p.line, p.c.KeySeparator)
		}
		r.Key, line = []byte(key), value
	}
	if p.c.Null == nil || line != *p.c.Null {
		r.Value = []byte(line)
	}
	p.pending = append(p.pending, r)
	p.bytes += len(line) + len(r.Key)
	for _, h := range p.headers {
		p.bytes += len(h.GetKey()) + len(h.GetValue())
	}
	return nil
}

// send produces what is pending.
func (p *producer) send(ctx context.Context) error {
	if len(p.pending) == 0 {
		return nil
	}
	acks := map[string]lodgev1.Acks{"all": lodgev1.Acks_ACKS_ALL, "leader": lodgev1.Acks_ACKS_LEADER, "none": lodgev1.Acks_ACKS_NONE}[p.c.Acks]
	res, err := p.client.Produce(ctx, connect.NewRequest(&lodgev1.ProduceRequest{
		Topic: p.c.Topic, Records: p.pending, Acks: acks, Partition: p.c.Partition,
	}))
	if err != nil {
		if len(p.pending) == 1 {
			return fmt.Errorf("line %d: %w", p.line, err)
		}
		return fmt.Errorf("lines %d to %d: %w", p.line-len(p.pending)+1, p.line, err)
	}
	p.acknowledged += len(p.pending)
	p.pending, p.bytes = nil, 0
	if p.c.JSON {
		for _, position := range res.Msg.GetPositions() {
			if _, err := fmt.Fprintf(p.m.Stdout, "{\"position\":%q}\n", position); err != nil {
				return err
			}
		}
	}
	return nil
}
