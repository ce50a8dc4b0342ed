package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// processesCommand looks after process managers and what they gave up on.
type processesCommand struct {
	List    processesList    `cmd:"" default:"withargs" help:"List process managers with their counts and lags."`
	Letters processesLetters `cmd:"" help:"List the letters: records that process managers gave up on."`
	Show    processesShow    `cmd:"" help:"Show letters in full, as JSON."`
	Requeue processesRequeue `cmd:"" help:"Have letters handled again by the process managers that gave up."`
	Discard processesDiscard `cmd:"" help:"Drop letters."`
}

// Help shows examples.
func (processesCommand) Help() string {
	return `Process managers answer events with commands: they charge payments, give refunds, end holds. What fails is tried again for a while; then it is a
letter, which waits for you, and those behind it go on.

Examples:
  lodge processes
  lodge processes letters
  lodge processes requeue payment-charge.payments.3.1742
  lodge processes requeue --all --process payment-charge`
}

// processes calls f with the service of process managers of a data folder's server.
func processes(ctx context.Context, dir string, f func(lodgev1connect.ProcessServiceClient) error) error {
	return withServer(ctx, dir, func(s *server) error { return f(lodgev1connect.NewProcessServiceClient(s.client, s.url)) })
}

type processesList struct {
	dataFlag
	JSON bool `help:"One JSON object a line."`
}

// Help shows examples.
func (processesList) Help() string {
	return `Counts are since the server began. LAG counts the records of the topic that are not looked at yet, whether they are for the process manager or not.

Examples:
  lodge processes
  lodge processes --json`
}

// Run implements the command.
func (c *processesList) Run(ctx context.Context, m *Main) error {
	return processes(ctx, c.Data, func(client lodgev1connect.ProcessServiceClient) error {
		res, err := client.ListProcesses(ctx, connect.NewRequest(&lodgev1.ListProcessesRequest{}))
		if err != nil {
			return err
		}
		t := newTable(m.Stdout, c.JSON, "PROCESS", "TOPIC", "LAG", "HANDLED", "RETRIED", "POISONED", "PANICS", "FAILING SINCE", "LAST ERROR")
		for _, p := range res.Msg.GetProcesses() {
			failing := "-"
			if p.GetFailingSinceTime() != nil {
				failing = p.GetFailingSinceTime().AsTime().Format(time.RFC3339)
			}
			t.row(p, lastPart(p.GetName()), p.GetTopic(), p.GetLag(), p.GetHandledCount(), p.GetRetriedCount(), p.GetPoisonedCount(), p.GetPanicCount(), failing,
				dash(firstLine(p.GetLastError())))
		}
		return t.flush()
	})
}

// firstLine returns the beginning of a text that may have many lines.
func firstLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	const most = 120
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// lettersOf are the flags that say whose letters are meant.
type lettersOf struct {
	Process string `help:"Only those of this process manager." placeholder:"NAME"`
	Hotel   string `help:"Only those about this hotel." placeholder:"HOTEL"`
}

type processesLetters struct {
	dataFlag
	lettersOf
	JSON bool `help:"One JSON object a line; keys and values in base64."`
}

// Help shows examples.
func (processesLetters) Help() string {
	return `Examples:
  lodge processes letters
  lodge processes letters --hotel grand
  lodge processes letters --process payment-charge --json`
}

// Run implements the command.
func (c *processesLetters) Run(ctx context.Context, m *Main) error {
	return processes(ctx, c.Data, func(client lodgev1connect.ProcessServiceClient) error {
		t := newTable(m.Stdout, c.JSON, "LETTER", "STATE", "FAILED", "ATTEMPTS", "EVENT", "KEY", "ERROR")
		return t.flushed(eachLetter(ctx, client, c.lettersOf, func(l *lodgev1.Letter) error {
			t.row(l, lastPart(l.GetName()), strings.ToLower(strings.TrimPrefix(l.GetState().String(), "STATE_")), l.GetFailureTime().AsTime().Format(time.RFC3339), l.GetAttemptCount(),
				dash(l.GetEventType()), plain(l.GetKey()), firstLine(l.GetError()))
			return nil
		}))
	})
}

// eachLetter calls f with the letters that are meant until there is an error.
func eachLetter(ctx context.Context, client lodgev1connect.ProcessServiceClient, of lettersOf, f func(*lodgev1.Letter) error) error {
	if of.Process != "" {
		of.Process = "processes/" + of.Process
	}
	if of.Hotel != "" {
		of.Hotel = "hotels/" + strings.TrimPrefix(of.Hotel, "hotels/")
	}
	return eachPage(func(token string) (string, error) {
		res, err := client.ListLetters(ctx, connect.NewRequest(&lodgev1.ListLettersRequest{Process: of.Process, Hotel: of.Hotel, PageSize: 1000, PageToken: token}))
		if err != nil {
			return "", err
		}
		for _, l := range res.Msg.GetLetters() {
			if err := f(l); err != nil {
				return "", err
			}
		}
		return res.Msg.GetNextPageToken(), nil
	})
}

type processesShow struct {
	dataFlag
	Letters []string `arg:"" name:"letter" help:"Names of letters."`
}

// Help shows examples.
func (processesShow) Help() string {
	return `Examples:
  lodge processes show payment-charge.payments.3.1742`
}

// Run implements the command.
func (c *processesShow) Run(ctx context.Context, m *Main) error {
	return processes(ctx, c.Data, func(client lodgev1connect.ProcessServiceClient) error {
		t := newTable(m.Stdout, true)
		for _, id := range c.Letters {
			res, err := client.GetLetter(ctx, connect.NewRequest(&lodgev1.GetLetterRequest{Name: "letters/" + id}))
			if err != nil {
				return errors.Join(fmt.Errorf("show %s: %w", id, err), t.flush())
			}
			t.row(res.Msg)
		}
		return t.flush()
	})
}

// letterChoice are the flags of commands that do something with letters.
type letterChoice struct {
	Letters []string `arg:"" optional:"" name:"letter" help:"Names of letters."`
	All     bool     `help:"All letters that wait; or with --process or --hotel those of them."`
	lettersOf
}

// each calls f with the names that were chosen.
func (c *letterChoice) each(ctx context.Context, client lodgev1connect.ProcessServiceClient, f func(name string) error) error {
	switch {
	case c.All == (len(c.Letters) > 0):
		return errors.New("which letters? give names or --all")
	case !c.All && c.lettersOf != (lettersOf{}):
		return errors.New("--process and --hotel are for --all")
	case !c.All:
		for _, id := range c.Letters {
			if err := f("letters/" + id); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
		}
		return nil
	}
	return eachLetter(ctx, client, c.lettersOf, func(l *lodgev1.Letter) error {
		if l.GetState() != lodgev1.Letter_STATE_WAITING {
			return nil
		}
		err := f(l.GetName())
		if connect.CodeOf(err) == connect.CodeNotFound { // somebody else was faster
			return nil
		}
		return err
	})
}

type processesRequeue struct {
	dataFlag
	letterChoice
}

// Help shows examples.
func (processesRequeue) Help() string {
	return `A letter is handled again by the process manager that gave up, and by no other. If that fails again it waits again.

Examples:
  lodge processes requeue payment-charge.payments.3.1742
  lodge processes requeue --all --process payment-charge`
}

// Run implements the command.
func (c *processesRequeue) Run(ctx context.Context, m *Main) error {
	return processes(ctx, c.Data, func(client lodgev1connect.ProcessServiceClient) error {
		return c.each(ctx, client, func(name string) error {
			if _, err := client.RequeueLetter(ctx, connect.NewRequest(&lodgev1.RequeueLetterRequest{Name: name})); err != nil {
				return err
			}
			_, err := fmt.Fprintln(m.Stdout, "requeued", lastPart(name))
			return err
		})
	})
}

type processesDiscard struct {
	dataFlag
	letterChoice
}

// Help shows examples.
func (processesDiscard) Help() string {
	return `Nobody handles a letter that is discarded. The record that it was made of stays in its topic.

Examples:
  lodge processes discard payment-charge.payments.3.1742`
}

// Run implements the command.
func (c *processesDiscard) Run(ctx context.Context, m *Main) error {
	return processes(ctx, c.Data, func(client lodgev1connect.ProcessServiceClient) error {
		return c.each(ctx, client, func(name string) error {
			if _, err := client.DeleteLetter(ctx, connect.NewRequest(&lodgev1.DeleteLetterRequest{Name: name})); err != nil {
				return err
			}
			_, err := fmt.Fprintln(m.Stdout, "discarded", lastPart(name))
			return err
		})
	})
}
