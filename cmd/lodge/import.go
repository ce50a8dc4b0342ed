package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"lodge/cmd/internal/importer"
	"lodge/cmd/internal/platform"
)

// importCommand imports a hotel booking demand CSV.
type importCommand struct {
	dataFlag
	File     string `arg:"" help:"CSV with the 32 columns of the hotel booking demand data; - for standard input." placeholder:"FILE"`
	Capacity string `help:"Rooms by type, such as 50 or A=120,D=60 or resort-hotel/A=120. Default: as many as were ever taken at once." placeholder:"ROOMS"`
	TimeZone string `help:"Time zone of the hotels." default:"Europe/Lisbon"`
	Currency string `help:"Currency of adr." default:"EUR"`
	Problems string `help:"Write every problem, day-use rows included, to this file as JSON lines." placeholder:"FILE" type:"path"`
	JSON     bool   `help:"Write the summary as one JSON object, the last line on standard output."`
	NoVerify bool   `help:"Do not audit the log afterwards."`
}

// Help shows examples.
func (importCommand) Help() string {
	return `Each row is a small story: a booking made lead_time days before arrival, and kept, canceled or missed on reservation_status_date.
Guests arrive in a room of the type that they were assigned, deposits are rate plans, changes are counted. The import tells all stories in the order of their days, each
command at its own time in the past. Dates may be written 2015-07-01,
01-07-15 or 7/1/2015; missing values NULL, NA or nothing. Importing the same rows again adds nothing. Rows that are no booking are
reported with line and reason, and counted. The data folder may be served by another process meanwhile.

Examples:
  lodge import hotel_bookings.csv
  lodge import --data /var/lib/lodge --capacity A=120,D=60 hotel_bookings.csv
  lodge import --json hotel_bookings.csv | tail -1`
}

// Run implements the command.
func (c *importCommand) Run(ctx context.Context, m *Main) error {
	plan, err := c.plan()
	if err != nil {
		return err
	}
	if err := c.reportProblems(m, plan); err != nil {
		return err
	}
	summary, err := c.carryOut(ctx, m, plan)
	if summary != nil {
		summary.File = filepath.Base(c.File)
		err = errors.Join(err, c.writeSummary(m, summary))
	}
	if err == nil && summary.Verified != nil && !*summary.Verified {
		return errors.New("the log does not pass: lodge verify says why")
	}
	return err
}

// plan reads the file and makes its history.
func (c *importCommand) plan() (*importer.Plan, error) {
	capacity, err := importer.ParseCapacity(c.Capacity)
	if err != nil {
		return nil, err
	}
	in := io.NopCloser(os.Stdin)
	if c.File != "-" {
		if in, err = os.Open(c.File); err != nil {
			return nil, err
		}
	}
	defer in.Close()
	rows, problems, lines, err := importer.Read(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	return importer.NewPlan(rows, problems, lines, importer.Options{Capacity: capacity, TimeZone: c.TimeZone, Currency: c.Currency})
}

// dayUseShown is how many rows without a night are listed one by one; there are hundreds in the data.
const dayUseShown = 3

// reportProblems writes problems for a person, and all of them to a file if asked.
func (c *importCommand) reportProblems(m *Main, plan *importer.Plan) error {
	dayUse, shown := 0, 0
	for _, p := range plan.Problems {
		if p.Reason == importer.NoNights {
			if dayUse++; dayUse > dayUseShown {
				continue
			}
		}
		if shown++; shown <= importer.ProblemsShown {
			fmt.Fprintf(m.Stderr, "%s: %s\n", c.File, p)
		}
	}
	if dayUse > dayUseShown {
		fmt.Fprintf(m.Stderr, "%s: and %d more rows without a night\n", c.File, dayUse-dayUseShown)
	}
	if shown > importer.ProblemsShown {
		fmt.Fprintf(m.Stderr, "%s: and %d more problems: --problems FILE writes all\n", c.File, shown-importer.ProblemsShown)
	}
	if c.Problems == "" {
		return nil
	}
	return writeProblems(c.Problems, plan.Problems)
}

func writeProblems(name string, problems []importer.Problem) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	for _, p := range problems {
		if err := enc.Encode(p); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// carryOut runs the plan on a running server or on the stopped folder, and audits the log.
func (c *importCommand) carryOut(ctx context.Context, m *Main, plan *importer.Plan) (*importer.Summary, error) {
	if client, ok := platform.Dial(ctx, c.Data); ok {
		defer client.CloseIdleConnections()
		to, err := importer.NewRemote(ctx, client, platform.SocketURL, plan.Competing())
		if err != nil {
			return nil, err
		}
		defer to.Close()
		return c.run(ctx, m, plan, to)
	}
	r, err := start(ctx, c.Data, platform.Options{NoSchedules: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	if err := r.until(ctx, r.WaitCaughtUp); err != nil {
		return nil, err
	}
	client := platform.Client(c.Data)
	summary, err := c.run(ctx, m, plan, importer.InProcess{Engine: r.Engine, Records: importer.NewRecords(client, platform.SocketURL)})
	client.CloseIdleConnections()
	return summary, errors.Join(err, r.stop())
}

func (c *importCommand) run(ctx context.Context, m *Main, plan *importer.Plan, to importer.Commander) (*importer.Summary, error) {
	total := int64(len(plan.Steps))
	progress := newBar(m.Stderr, total, "importing", "commands")
	summary, err := importer.Run(ctx, plan, to, func(answered int) { progress.to(int64(answered), total) })
	progress.finish()
	if err != nil || c.NoVerify {
		return summary, err
	}
	report, err := audited(ctx, m, c.Data)
	if err != nil {
		return summary, err
	}
	ok := report.GetPassed()
	summary.Verified = &ok
	return summary, nil
}

func (c *importCommand) writeSummary(m *Main, s *importer.Summary) error {
	if !c.JSON {
		s.WriteText(m.Stdout)
		if s.Verified != nil {
			fmt.Fprintf(m.Stdout, "\n  verify: %s\n", map[bool]string{true: "no night was ever oversold", false: "NOT PASSED"}[*s.Verified])
		}
		return nil
	}
	line, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	fmt.Fprintln(m.Stdout, string(line))
	return nil
}
