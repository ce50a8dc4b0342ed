package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// several makes the request for several hotels of one for the first.
func (c *simulateCommand) several(one *lodgev1.SimulateOverbookingRequest) (*lodgev1.SimulateHotelsRequest, error) {
	switch {
	case c.All && len(c.Hotels) > 0:
		return nil, errors.New("--all goes without hotels")
	case !c.All && len(c.Hotels) == 0:
		return nil, errors.New("name a hotel, several, or --all")
	case c.RoomType != "":
		return nil, errors.New("--room-type goes with one hotel: the types of others are others")
	}
	req := &lodgev1.SimulateHotelsRequest{
		All: c.All, Cancellation: one.GetCancellation(), WalkCost: one.GetWalkCost(), Upgrades: one.GetUpgrades(), Period: one.GetPeriod(),
		StartDate: one.GetStartDate(), EndDate: one.GetEndDate(),
	}
	for _, id := range c.Hotels {
		req.Hotels = append(req.Hotels, "hotels/"+id)
	}
	switch o := one.GetOverbooking().(type) {
	case *lodgev1.SimulateOverbookingRequest_OverbookingLimit:
		req.Overbooking = &lodgev1.SimulateHotelsRequest_OverbookingLimit{OverbookingLimit: o.OverbookingLimit}
	case *lodgev1.SimulateOverbookingRequest_OverbookingPercent:
		req.Overbooking = &lodgev1.SimulateHotelsRequest_OverbookingPercent{OverbookingPercent: o.OverbookingPercent}
	}
	return req, nil
}

// runSeveral simulates several hotels: a line of each as it is there, and the sums.
func (c *simulateCommand) runSeveral(ctx context.Context, m *Main, s *server, req *lodgev1.SimulateHotelsRequest) error {
	start := time.Now()
	stream, err := lodgev1connect.NewProofServiceClient(s.client, s.url).SimulateHotels(ctx, connect.NewRequest(req))
	if err != nil {
		return err
	}
	progress := newBar(m.Stderr, -1, "simulating", "hotels")
	defer progress.finish()
	answers, table := newTable(m.Stdout, true), newSimulationTable(m.Stdout)
	failed := 0
	for stream.Receive() {
		res := stream.Msg()
		progress.to(int64(res.GetDoneCount()), int64(res.GetHotelCount()))
		if res.GetHotel().GetFailureReason() != "" {
			failed++
		}
		if c.JSON {
			answers.row(res)
		} else {
			table.add(res)
		}
	}
	if err := errors.Join(stream.Err(), stream.Close()); err != nil {
		return err
	}
	if c.JSON {
		err = answers.flush()
	} else {
		err = table.flush(time.Since(start))
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d hotels could not be simulated", failed)
	}
	return err
}

// simulationTable is for people: two lines for each hotel, and for the sum of each currency.
type simulationTable struct {
	out    io.Writer
	w      *tabwriter.Writer
	events int64
	hotels int32
}

func newSimulationTable(out io.Writer) *simulationTable {
	return &simulationTable{out: out, w: newFiguresWriter(out, "HOTEL")}
}

func (t *simulationTable) add(res *lodgev1.SimulateHotelsResponse) {
	t.hotels = res.GetHotelCount()
	if h := res.GetHotel(); h != nil {
		if h.GetResult() == nil {
			fmt.Fprintf(t.w, "%s\t%s: %s\n", h.GetHotel(), h.GetFailureReason(), h.GetFailureText())
			return
		}
		t.pair(h.GetHotel(), h.GetResult().GetBaseline().GetTotal(), h.GetResult().GetScenario().GetTotal())
	}
	for _, sum := range res.GetSums() {
		t.pair(fmt.Sprintf("all %d in %s", sum.GetHotelCount(), sum.GetCurrencyCode()), sum.GetBaseline(), sum.GetScenario())
		t.events += sum.GetEventCount()
	}
}

func (t *simulationTable) pair(name string, was, policy *lodgev1.SimulationFigures) {
	writeFigures(t.w, name, "as it was", was)
	writeFigures(t.w, "", "policy", policy)
}

func (t *simulationTable) flush(took time.Duration) error {
	if err := t.w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.out, "\n%d events of %d hotels replayed twice in %.1f s\n", t.events, t.hotels, took.Seconds())
	return err
}
