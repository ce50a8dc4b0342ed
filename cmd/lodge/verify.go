package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/money"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/cmd/internal/platform"
	"lodge/domain"
)

// verifyCommand audits the log.
type verifyCommand struct {
	dataFlag
	Full        bool   `help:"Read everything, whatever was proved before."`
	Certificate string `help:"Write the certificate to this file; - for standard output, and nothing else there." placeholder:"FILE"`
	Check       string `help:"Prove this certificate again: read what it covers, and say in what the log differs from it; - for standard input." placeholder:"FILE"`
	JSON        bool   `help:"Write the whole report as one JSON object."`
}

// Help shows examples.
func (verifyCommand) Help() string {
	return `Reads the events, counts for itself, and demands that no night of any room type was ever sold past what was sellable at
the moment of the decision: physical rooms - out of order + overbooking limit. It also checks prices, status changes, turnaways, releases,
rooms, payments, refunds and request ids. It goes on from what it proved before; --full and --check read everything. The certificate names
positions, hashes of all that was read, and the fullest nights: whoever has the log can check it. Exit code 0: everything holds. 1: something
does not, or the log could not be read.

Examples:
  lodge verify
  lodge verify --certificate proof.json
  lodge verify --check proof.json
  lodge verify --data /var/lib/lodge --json`
}

// Run implements the command.
func (c *verifyCommand) Run(ctx context.Context, m *Main) error {
	if c.Check != "" && (c.Certificate != "" || c.Full) {
		return errors.New("--check reads everything that a certificate covers: --full and --certificate do not go with it")
	}
	document, err := c.document(m)
	if err != nil {
		return err
	}
	return withServer(ctx, c.Data, func(s *server) error {
		report, err := proved(ctx, m, s, c.Full, document)
		if err != nil {
			return err
		}
		if err := c.write(m, report); err != nil {
			return err
		}
		if !report.GetPassed() || len(report.GetDifferences()) > 0 {
			return exitError{codeFailed}
		}
		return nil
	})
}

// document reads the certificate that is to be checked, if any.
func (c *verifyCommand) document(m *Main) (string, error) {
	if c.Check == "" {
		return "", nil
	}
	read := os.ReadFile
	if c.Check == "-" {
		read = func(string) ([]byte, error) { return io.ReadAll(m.Stdin) }
	}
	text, err := read(c.Check)
	if err == nil && len(text) == 0 {
		err = fmt.Errorf("%s is empty", c.Check)
	}
	return string(text), err
}

// proved has a server prove its log, or check a certificate against it, and shows how it goes.
func proved(ctx context.Context, m *Main, s *server, full bool, certificate string) (*lodgev1.ProofReport, error) {
	client := lodgev1connect.NewProofServiceClient(s.client, s.url)
	var stream *connect.ServerStreamForClient[lodgev1.VerifyNoOversellResponse]
	var err error
	if certificate == "" {
		stream, err = client.VerifyNoOversell(ctx, connect.NewRequest(&lodgev1.VerifyNoOversellRequest{Full: full}))
	} else {
		stream, err = client.CheckCertificate(ctx, connect.NewRequest(&lodgev1.CheckCertificateRequest{Certificate: certificate}))
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = stream.Close() }() // what it says was said by Err
	progress := newBar(m.Stderr, -1, "verifying", "events")
	defer progress.finish()
	var report *lodgev1.ProofReport
	for stream.Receive() {
		progress.to(stream.Msg().GetRecordsRead(), stream.Msg().GetRecordsTotal())
		report = stream.Msg().GetReport()
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	if report == nil {
		return nil, errors.New("the server ended before it was done")
	}
	return report, nil
}

// audited asks whoever serves the folder for a proof.
func audited(ctx context.Context, m *Main, dir string) (*lodgev1.ProofReport, error) {
	client, ok := platform.Dial(ctx, dir)
	if !ok {
		return nil, errors.New("the server has gone")
	}
	defer client.CloseIdleConnections()
	return proved(ctx, m, &server{client: client, url: platform.SocketURL}, false, "")
}

// write writes the report and the certificate to where they were asked for.
func (c *verifyCommand) write(m *Main, r *lodgev1.ProofReport) error {
	switch c.Certificate {
	case "":
	case "-":
		_, err := io.WriteString(m.Stdout, r.GetCertificate())
		return err
	default:
		if err := os.WriteFile(c.Certificate, []byte(r.GetCertificate()), 0o644); err != nil {
			return err
		}
	}
	if c.JSON {
		t := newTable(m.Stdout, true)
		t.row(r)
		return t.flush()
	}
	return writeReport(m.Stdout, r)
}

// writeReport writes peak against capacity of every hotel, the money, and the verdict.
func writeReport(out io.Writer, r *lodgev1.ProofReport) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOTEL\tPLACED\tPAID\tCANCELED\tNO-SHOW\tREJECTED\tROOM NIGHTS\tFULLEST NIGHT\tROOM TYPE\tPEAK / SELLABLE\tPHYSICAL")
	for _, h := range r.GetHotels() {
		n := h.GetCounts()
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", lastPart(h.GetHotel()), n.GetPlaced(), n.GetPaid(), n.GetCanceled(), n.GetNoShows(), n.GetRejected(),
			n.GetRoomNights(), peak(h.GetFullest()))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, sum := range r.GetMoney() {
		fmt.Fprintf(out, "%s: %s captured = %s refunded + %s being refunded + %s owed + %s kept\n", sum.GetCaptured().GetCurrencyCode(), amountOf(sum.GetCaptured()),
			amountOf(sum.GetRefunded()), amountOf(sum.GetRefunding()), amountOf(sum.GetOwed()), amountOf(sum.GetKept()))
	}
	for _, v := range r.GetViolations() {
		fmt.Fprintf(out, "%s at %s (hotel %s): %s\n", v.GetKind(), v.GetPosition(), lastPart(v.GetHotel()), v.GetText())
	}
	if n := r.GetViolationCount() - int64(len(r.GetViolations())); n > 0 {
		fmt.Fprintf(out, "and %d more\n", n)
	}
	for _, difference := range r.GetDifferences() {
		fmt.Fprintln(out, "not as certified:", difference)
	}
	writeVerdict(out, r)
	return nil
}

func writeVerdict(out io.Writer, r *lodgev1.ProofReport) {
	fmt.Fprintf(out, "\n%d events of %d hotels, %d of them read now, %d requests, %d reservations placed\n",
		r.GetEventCount(), len(r.GetHotels()), r.GetEventReadCount(), r.GetRequestCount(), r.GetCounts().GetPlaced())
	if r.GetRestartCause() != "" {
		fmt.Fprintf(out, "everything was read: %s\n", r.GetRestartCause())
	}
	switch {
	case len(r.GetDifferences()) > 0:
		fmt.Fprintf(out, "NOT AS CERTIFIED: %d differences\n", len(r.GetDifferences()))
	case r.GetPassed():
		fmt.Fprintln(out, "PASSED: no night of any hotel was ever sold past sellable")
	default:
		fmt.Fprintf(out, "NOT PASSED: %d violations\n", r.GetViolationCount())
	}
}

func peak(n *lodgev1.ProofNight) string {
	if n == nil {
		return "-\t-\t-\t-"
	}
	return fmt.Sprintf("%s\t%s\t%d / %d\t%d", dayText(n.GetNight()), lastPart(n.GetRoomType()), n.GetSoldCount(), n.GetSellableCount(), n.GetPhysicalCount())
}

// amountOf writes an amount with as many digits behind the point as its currency has, or more where it needs them.
func amountOf(m *money.Money) string {
	sign, units, nanos := "", m.GetUnits(), m.GetNanos()
	if units < 0 || nanos < 0 {
		sign, units, nanos = "-", -units, -nanos
	}
	fraction := strings.TrimRight(fmt.Sprintf("%09d", nanos), "0")
	if missing := domain.MinorDigits(m.GetCurrencyCode()) - len(fraction); missing > 0 {
		fraction += strings.Repeat("0", missing)
	}
	if fraction == "" {
		return fmt.Sprintf("%s%d", sign, units)
	}
	return fmt.Sprintf("%s%d.%s", sign, units, fraction)
}
