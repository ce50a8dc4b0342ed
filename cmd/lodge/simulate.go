package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// simulateCommand replays the history of a hotel, or of several, under another policy.
type simulateCommand struct {
	dataFlag
	Hotels      []string `arg:"" optional:"" name:"hotel" help:"The hotels' ids: one is shown by periods, several with their sums."`
	All         bool     `help:"All hotels that are not archived."`
	Overbooking string   `help:"Rooms sold beyond those that exist: a number, or per cent as in 10%. Default: as it was." placeholder:"ROOMS"`
	RoomType    string   `help:"The overbooking is of this room type only." placeholder:"ID"`
	Fee         string   `help:"What a late cancellation costs instead of what was agreed: 1n (nights), 50%, or 80.00." placeholder:"FEE"`
	NoShowFee   string   `help:"What a no-show costs, written so too. Default: as --fee." placeholder:"FEE"`
	FreeDays    int32    `help:"With --fee: cancellations are free until so many days before arrival." default:"0"`
	FreeUntil   int32    `help:"With --fee: at this hour, of the hotel's time." default:"18" placeholder:"HOUR"`
	NeverFree   bool     `help:"With --fee: they are never free."`
	WalkCost    string   `help:"What a walked guest costs, for each room, as in 120.00." placeholder:"AMOUNT"`
	Upgrades    bool     `help:"Guests get rooms of other types before they are walked."`
	Period      string   `help:"day, week, month or year." enum:"day,week,month,year" default:"month"`
	Start       string   `help:"First day to report, as in 2026-07-01. Default: the first." placeholder:"DATE"`
	End         string   `help:"Day behind the last one. Default: the latest event's." placeholder:"DATE"`
	Currency    string   `help:"Of amounts." default:"EUR"`
	JSON        bool     `help:"Write the answer as one JSON object."`
}

// Help shows examples.
func (simulateCommand) Help() string {
	return `Replays what was asked of a hotel, turnaways included, under another overbooking limit or other cancellation terms, beside the same replay of what
was in force. Guests cancel, stay away and leave as they did; of those who were turned away nobody knows, so they do what the one placed last before them in the same
room type did. Other terms change what a cancellation costs, not who cancels. The same log and question give the same answer.

Examples:
  lodge simulate resort-hotel --overbooking 5% --walk-cost 150.00
  lodge simulate resort-hotel --overbooking 3 --room-type a --upgrades --period week
  lodge simulate resort-hotel --fee 1n --free-days 2
  lodge simulate resort-hotel city-hotel --overbooking 10%
  lodge simulate --all --overbooking 10%`
}

// Run implements the command.
func (c *simulateCommand) Run(ctx context.Context, m *Main) error {
	req, err := c.request()
	if err != nil {
		return err
	}
	if c.All || len(c.Hotels) != 1 {
		all, err := c.several(req)
		if err != nil {
			return err
		}
		return withServer(ctx, c.Data, func(s *server) error { return c.runSeveral(ctx, m, s, all) })
	}
	return withServer(ctx, c.Data, func(s *server) error {
		start := time.Now()
		res, err := lodgev1connect.NewProofServiceClient(s.client, s.url).SimulateOverbooking(ctx, connect.NewRequest(req))
		if err != nil {
			return err
		}
		if c.JSON {
			t := newTable(m.Stdout, true)
			t.row(res.Msg)
			return t.flush()
		}
		return writeSimulation(m.Stdout, res.Msg, time.Since(start))
	})
}

func (c *simulateCommand) request() (*lodgev1.SimulateOverbookingRequest, error) {
	req := &lodgev1.SimulateOverbookingRequest{
		Upgrades: c.Upgrades,
		Period:   lodgev1.SimulationPeriod(lodgev1.SimulationPeriod_value["SIMULATION_PERIOD_"+strings.ToUpper(c.Period)]),
	}
	if len(c.Hotels) == 1 {
		req.Name = "hotels/" + c.Hotels[0]
	}
	if c.RoomType != "" {
		req.RoomType = req.GetName() + "/roomTypes/" + c.RoomType
	}
	if c.Overbooking != "" {
		text, percent := strings.CutSuffix(c.Overbooking, "%")
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("--overbooking %q is neither a number of rooms nor per cent, such as 3 or 10%%", c.Overbooking)
		}
		req.Overbooking = &lodgev1.SimulateOverbookingRequest_OverbookingLimit{OverbookingLimit: int32(n)}
		if percent {
			req.Overbooking = &lodgev1.SimulateOverbookingRequest_OverbookingPercent{OverbookingPercent: int32(n)}
		}
	}
	var err error
	if req.WalkCost, err = c.amount("--walk-cost", c.WalkCost); err != nil {
		return nil, err
	}
	if req.Cancellation, err = c.terms(); err != nil {
		return nil, err
	}
	if req.StartDate, err = dayOf("--start", c.Start); err != nil {
		return nil, err
	}
	req.EndDate, err = dayOf("--end", c.End)
	return req, err
}

// terms returns nil when no fee is given.
func (c *simulateCommand) terms() (*lodgev1.CancellationTerms, error) {
	if c.Fee == "" {
		if c.NoShowFee != "" || c.NeverFree || c.FreeDays != 0 {
			return nil, fmt.Errorf("terms need a --fee")
		}
		return nil, nil //nolint:nilnil // a nil message is one without values
	}
	fee, err := c.fee("--fee", c.Fee)
	if err != nil {
		return nil, err
	}
	noShow, err := c.fee("--no-show-fee", c.NoShowFee)
	return &lodgev1.CancellationTerms{FreeDays: c.FreeDays, FreeUntilHour: c.FreeUntil, NeverFree: c.NeverFree, Fee: fee, NoShowFee: noShow}, err
}

// fee reads 1n, 50% or 80.00; nil when there is none.
func (c *simulateCommand) fee(flag, text string) (*lodgev1.CancellationFee, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // a nil message is one without values
	}
	if number, ok := strings.CutSuffix(text, "n"); ok {
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s %q is no number of nights, such as 1n", flag, text)
		}
		return &lodgev1.CancellationFee{Fee: &lodgev1.CancellationFee_Nights{Nights: int32(n)}}, nil
	}
	if number, ok := strings.CutSuffix(text, "%"); ok {
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || n < 0 || n > 100 {
			return nil, fmt.Errorf("%s %q is not from 0%% to 100%%", flag, text)
		}
		return &lodgev1.CancellationFee{Fee: &lodgev1.CancellationFee_PercentThousandths{PercentThousandths: int32(n*1000 + 0.5)}}, nil
	}
	amount, err := c.amount(flag, text)
	return &lodgev1.CancellationFee{Fee: &lodgev1.CancellationFee_Amount{Amount: amount}}, err
}

// amount reads 120 or 120.50; nil when there is none.
func (c *simulateCommand) amount(flag, text string) (*money.Money, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // a nil message is one without values
	}
	units, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(units, 10, 64)
	if err != nil || n < 0 || len(fraction) > 9 {
		return nil, fmt.Errorf("%s %q is no amount, such as 120.00", flag, text)
	}
	nanos, err := strconv.ParseUint(fraction+strings.Repeat("0", 9-len(fraction)), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%s %q is no amount, such as 120.00", flag, text)
	}
	return &money.Money{CurrencyCode: c.Currency, Units: n, Nanos: int32(nanos)}, nil
}

func dayOf(flag, text string) (*date.Date, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // a nil message is one without values
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return nil, fmt.Errorf("%s %q is no day, such as 2026-07-01", flag, text)
	}
	return &date.Date{Year: int32(day.Year()), Month: int32(day.Month()), Day: int32(day.Day())}, nil
}

func dayText(d *date.Date) string {
	return fmt.Sprintf("%04d-%02d-%02d", d.GetYear(), d.GetMonth(), d.GetDay())
}

// newFiguresWriter begins a table of figures, whose first column is named so.
func newFiguresWriter(out io.Writer, first string) *tabwriter.Writer {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, first+"\t\tREQUESTS\tTURNAWAYS\tCANCELED\tNO-SHOWS\tWALKS\tROOM NIGHTS\tOCCUPANCY\tROOMS\tFEES\tWALK COSTS\tREVENUE\t")
	return w
}

func writeFigures(w io.Writer, from, what string, f *lodgev1.SimulationFigures) {
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%.1f%%\t%s\t%s\t%s\t%s\t\n", from, what, f.GetRequestCount(), f.GetTurnawayCount(), f.GetCanceledCount(),
		f.GetNoShowCount(), f.GetWalkedRoomCount(), f.GetOccupiedRoomNights(), 100*f.GetOccupancyRate(), amountOf(f.GetRoomRevenue()),
		amountOf(f.GetFeeRevenue()), amountOf(f.GetWalkCosts()), amountOf(f.GetRevenue()))
}

// writeSimulation writes the two replays side by side.
func writeSimulation(out io.Writer, res *lodgev1.SimulateOverbookingResponse, took time.Duration) error {
	w := newFiguresWriter(out, "FROM")
	scenario := res.GetScenario().GetPeriods()
	for i, p := range res.GetBaseline().GetPeriods() {
		writeFigures(w, dayText(p.GetStartDate()), "as it was", p.GetFigures())
		if i < len(scenario) {
			writeFigures(w, "", "policy", scenario[i].GetFigures())
		}
	}
	writeFigures(w, "all", "as it was", res.GetBaseline().GetTotal())
	writeFigures(w, "", "policy", res.GetScenario().GetTotal())
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%d events from %s to %s replayed twice in %.1f s\n", res.GetEventCount(), dayText(res.GetStartDate()), dayText(res.GetEndDate()), took.Seconds())
	if n := res.GetDivergenceCount(); n > 0 {
		fmt.Fprintf(out, "%d decisions of the replay as it was are not those of the log\n", n)
	}
	return nil
}
