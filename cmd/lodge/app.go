package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"
)

// Main is the program without its process: what the end-to-end tests run as well.
type Main struct {
	Stdin  io.Reader // records to be produced
	Stdout io.Writer // results
	Stderr io.Writer // progress, logs, errors
}

// commands is the command line.
type commandLine struct {
	Serve       serveCommand       `cmd:"" help:"Serve a data folder."`
	Demo        demoCommand        `cmd:"" help:"Start everything with sample hotels and bookings."`
	Import      importCommand      `cmd:"" help:"Import bookings from a hotel booking demand CSV."`
	Topics      topicsCommand      `cmd:"" help:"List, create, change, grow and delete topics."`
	Produce     produceCommand     `cmd:"" help:"Append lines of standard input to a topic."`
	Consume     consumeCommand     `cmd:"" help:"Show the records of topics, alone or as a member of a group."`
	Groups      groupsCommand      `cmd:"" help:"List, describe, reset and delete consumer groups."`
	Queues      queuesCommand      `cmd:"" help:"Look after queues, and take records out of them."`
	Schedules   schedulesCommand   `cmd:"" help:"Publish records later: list, create and cancel schedules."`
	Tokens      tokensCommand      `cmd:"" help:"Make, list and revoke the tokens by which callers say who they are."`
	Accounts    accountsCommand    `cmd:"" help:"Look after the accounts of people who sign in, and their sessions."`
	Guests      guestsCommand      `cmd:"" help:"Find guests, and forget who they are."`
	Processes   processesCommand   `cmd:"" help:"Look after process managers, and what they gave up on."`
	Log         logCommand         `cmd:"" help:"Look into the files of the log, and mend them."`
	Events      eventsCommand      `cmd:"" help:"Show events, and follow them."`
	Audit       auditCommand       `cmd:"" help:"Show who did what, when and why, and what was refused."`
	Projections projectionsCommand `cmd:"" help:"List and rebuild read models."`
	Verify      verifyCommand      `cmd:"" help:"Prove from the log that no night was ever oversold."`
	Simulate    simulateCommand    `cmd:"" help:"Replay a hotel's history under another overbooking limit or other cancellation terms."`
	Bench       benchCommand       `cmd:"" help:"Measure this machine and Lodge on it."`
	BenchClient benchClientCommand `cmd:"" hidden:"" help:"Drive a server for bench."`
	Version     versionCommand     `cmd:"" help:"Print the version."`

	Reason string `help:"Why: goes into the audit trail with whatever the command changes." placeholder:"TEXT"`
}

// dataFlag is the flag that every command has.
type dataFlag struct {
	Data string `help:"Data folder (default: ${data})." placeholder:"DIR" default:"lodge-data" env:"LODGE_DATA" type:"path"`
}

const description = `A hotel reservation platform whose only truth is a log of events that it keeps itself.

Start with:  lodge demo`

// exitCode is a program's end, thrown through kong.
type exitCode int

// exitError ends the program with a code; its text has been written already.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// Exit codes: 0 done; 1 it did not work; 2 not a command line.
const (
	codeFailed = 1
	codeUsage  = 2
)

// Run parses the command line, does what it says and returns the exit code. It returns when ctx ends, after finishing what must
// be finished.
func (m *Main) Run(ctx context.Context, args []string) (code int) {
	defer func() {
		if exit, ok := recover().(exitCode); ok {
			code = int(exit)
		}
	}()
	var line commandLine
	parser, err := kong.New(&line, kong.Name("lodge"), kong.Description(description), kong.Writers(m.Stdout, m.Stderr),
		kong.Exit(func(code int) { panic(exitCode(code)) }), kong.Vars{"data": "lodge-data"},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}), kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		fmt.Fprintln(m.Stderr, "lodge:", err)
		return codeUsage
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(m.Stderr, "lodge: %v\nlodge --help shows what there is.\n", err)
		return codeUsage
	}
	parsed.BindTo(context.WithValue(ctx, reasonKey{}, line.Reason), (*context.Context)(nil))
	return m.report(parsed.Run(m))
}

// report writes an error for a person and returns the exit code.
func (m *Main) report(err error) int {
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.code
	}
	fmt.Fprintln(m.Stderr, "lodge:", err)
	return codeFailed
}
