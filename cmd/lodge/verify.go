package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"lodge/cmd/internal/platform"
	"lodge/commands/audit"
)

// verifyCommand audits the log.
type verifyCommand struct {
	dataFlag
	JSON bool `help:"Write the whole report as one JSON object."`
}

// Help shows examples.
func (verifyCommand) Help() string {
	return `Reads every event again, counts for itself, and demands that no night of any room type was ever sold past what was sellable at
the moment of the decision: physical rooms - out of order + overbooking limit. It also checks prices, status changes, turnaways and
request ids. Exit code 0: everything holds. 1: something does not, or the log could not be read.

Examples:
  lodge verify
  lodge verify --data /var/lib/lodge --json`
}

// Run implements the command.
func (c *verifyCommand) Run(ctx context.Context, m *Main) error {
	return withServer(ctx, c.Data, func(s *server) error {
		report, err := audited(ctx, m, c.Data)
		if err != nil {
			return err
		}
		if c.JSON {
			err = json.NewEncoder(m.Stdout).Encode(report)
		} else {
			err = writeReport(m.Stdout, report)
		}
		if err == nil && !report.OK() {
			err = exitError{codeFailed}
		}
		return err
	})
}

// audited asks whoever serves the folder for an audit and shows how it goes.
func audited(ctx context.Context, m *Main, dir string) (*audit.Report, error) {
	client, ok := platform.Dial(ctx, dir)
	if !ok {
		return nil, errors.New("the server has gone")
	}
	defer client.CloseIdleConnections()
	progress := newBar(m.Stderr, -1, "verifying", "events")
	defer progress.finish()
	return platform.Audit(ctx, client, func(p audit.Progress) { progress.to(p.Records, p.Total) })
}

// writeReport writes peak against capacity of every hotel, and the verdict.
func writeReport(out io.Writer, r *audit.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOTEL\tPLACED\tPAID\tCANCELED\tNO-SHOW\tREJECTED\tROOM NIGHTS\tFULLEST NIGHT\tROOM TYPE\tPEAK / SELLABLE\tPHYSICAL")
	for _, h := range r.Hotels {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", h.HotelID, h.Placed, h.Paid, h.Canceled, h.NoShows, h.Rejected, h.RoomNights, peak(h.Fullest))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, v := range r.Violations {
		fmt.Fprintf(out, "%s at %s (hotel %s): %s\n", v.Kind, v.Position, v.HotelID, v.Text)
	}
	if n := r.ViolationCount - int64(len(r.Violations)); n > 0 {
		fmt.Fprintf(out, "and %d more\n", n)
	}
	fmt.Fprintf(out, "\n%d events of %d hotels read again, %d requests, %d reservations placed\n", r.EventCount(), len(r.Hotels), r.Requests, r.Placed)
	if r.OK() {
		fmt.Fprintln(out, "PASSED: no night of any hotel was ever sold past sellable")
		return nil
	}
	fmt.Fprintf(out, "NOT PASSED: %d violations\n", r.ViolationCount)
	return nil
}

func peak(p audit.Peak) string {
	if p.RoomTypeID == "" && p.Sold == 0 {
		return "-\t-\t-\t-"
	}
	return fmt.Sprintf("%s\t%s\t%d / %d\t%d", p.Night, p.RoomTypeID, p.Sold, p.Sellable, p.Physical)
}
