package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"text/template"
	"time"

	"github.com/google/uuid"

	"lodge/cmd/internal/demo"
	"lodge/cmd/internal/platform"
	"lodge/domain"
)

// demoCommand starts everything with something in it.
type demoCommand struct {
	Data    string        `help:"Data folder; default: a temporary one, removed at the end." placeholder:"DIR" type:"path"`
	Addr    string        `help:"Host and port of the API; when the port is taken, any free one." default:"localhost:8080"`
	Seed    uint64        `help:"Another seed gives other bookings." default:"1"`
	For     time.Duration `help:"Stop after this long (0: serve until interrupted)."`
	Race    bool          `help:"Let clients race for the last room over the API, print the verdict and stop."`
	Clients int           `help:"Clients in a race." default:"100"`
	Rounds  int           `help:"Races, one after the other." default:"5"`
}

// Help shows examples.
func (demoCommand) Help() string {
	return `One process with everything: hotels on three continents, a year of rooms and prices from today on, and four weeks of bookings up to this
moment. It prints what to try and goes on serving.

With --race, 100 clients ask for the only room of the same night at the same moment. Exit code 0: exactly one got it, the others were told
that the night is full, and the winner's request sent again gave the same reservation.

Examples:
  lodge demo
  lodge demo --data /tmp/lodge --addr localhost:9000
  lodge demo --race`
}

// Run implements the command.
func (c *demoCommand) Run(ctx context.Context, m *Main) (err error) {
	if c.Data == "" {
		if c.Data, err = os.MkdirTemp("", "lodge-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.Data)) }() // it was only for this
	}
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	r, err := c.start(ctx, m)
	if err != nil {
		return err
	}
	if err := c.fill(ctx, m, r); err != nil {
		return errors.Join(err, r.stop())
	}
	if c.Race {
		return errors.Join(c.race(ctx, m, r), r.stop())
	}
	err = r.wait()
	fmt.Fprintln(m.Stdout, "lodge has stopped")
	return err
}

// start opens the platform, on a free port when the wanted one is taken.
func (c *demoCommand) start(ctx context.Context, m *Main) (*running, error) {
	opts := platform.Options{Addr: c.Addr, NoSchedules: c.Race, Traces: true, Logger: slog.New(slog.NewTextHandler(m.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	l, err := net.Listen("tcp", c.Addr)
	if err == nil {
		err = l.Close()
	} else if host, _, splitErr := net.SplitHostPort(c.Addr); splitErr == nil {
		opts.Addr, err = net.JoinHostPort(host, "0"), nil
	}
	if err != nil {
		return nil, err
	}
	return start(ctx, c.Data, opts)
}

// fill seeds the platform and says what is there.
func (c *demoCommand) fill(ctx context.Context, m *Main, r *running) error {
	began := time.Now()
	world := demo.NewWorld(c.Seed, began)
	result, err := demo.Seed(ctx, r.Engine, world)
	if err != nil {
		return err
	}
	if c.Race {
		return nil
	}
	if err := r.WaitCaughtUp(ctx); err != nil {
		return err
	}
	return c.welcome(m.Stdout, r, world, result, time.Since(began))
}

// race runs the races and judges them.
func (c *demoCommand) race(ctx context.Context, m *Main, r *running) error {
	track, err := demo.NewRacetrack(ctx, "http://"+r.Addr().String(), c.Clients, domain.Today(time.Now(), time.UTC).AddDays(1))
	if err != nil {
		return err
	}
	defer track.Close()
	ok := true
	for round := range c.Rounds {
		v := track.Race(ctx, round)
		ok = ok && v.OK()
		fmt.Fprintf(m.Stdout, "race %d: %d clients, %d got the room, %d were told that the night is full, in %s; the winner's request again: %s\n",
			round+1, v.Clients, v.Winners, v.SoldOut, v.Took.Round(10*time.Microsecond), map[bool]string{true: "the same reservation", false: "ANOTHER ANSWER"}[v.Replayed])
		for _, err := range v.Other {
			fmt.Fprintln(m.Stdout, "  another answer:", err)
		}
	}
	if !ok {
		fmt.Fprintln(m.Stdout, "VERDICT: NOT exactly one client won")
		return exitError{codeFailed}
	}
	fmt.Fprintln(m.Stdout, "VERDICT: exactly one client won, every time")
	return nil
}

// self is how a person runs this program.
func self() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/lodge"
	}
	return os.Args[0]
}

var welcomeText = template.Must(template.New("welcome").Parse(`
Lodge is running: {{.Result.Hotels}} hotels, {{.Result.RoomTypes}} room types, {{.Result.Events}} events in {{.Took}}.
{{.Result.Placed}} reservations: {{.Result.Paid}} paid, {{.Result.Pending}} pending, {{.Result.Canceled}} canceled, {{.Result.NoShows}} no-shows; {{.Result.Rejected}} turned away.

  hotels   {{range .Hotels}}{{.ID}} ({{.City}})  {{end}}
  pages    {{.URL}}/
  data     {{.Data}}

Try next, in another terminal:

  # rooms in Lisbon next weekend
  curl -s '{{.URL}}/v1/hotels:search?city=Lisbon&{{.StayQuery}}'

  # reserve one
  curl -s {{.URL}}/lodge.v1.ReservationService/CreateReservation -H 'Content-Type: application/json' -d '{"parent":"hotels/{{.Hotel}}","reservation_id":"{{.ID}}","request_id":"{{.Request}}","reservation":{"room_type":"hotels/{{.Hotel}}/roomTypes/double","quantity":1,{{.StayJSON}},"guest":{"guest_id":"you","display_name":"You","adults":2}}}'

  # its history, from the log
  {{.Self}} events --data {{.Data}} hotels/{{.Hotel}}/reservations/{{.ID}}

  {{.Self}} events --data {{.Data}} -f --from latest     # what happens, as it happens
  {{.Self}} verify --data {{.Data}}                      # no night was ever oversold
  {{.Self}} projections rebuild --data {{.Data}}         # all tables again from the log
  {{.Self}} demo --race                                  # 100 clients, one room

Stop with Ctrl-C.
`))

// welcome says what is there and what to try.
func (c *demoCommand) welcome(w io.Writer, r *running, world *demo.World, result *demo.Result, took time.Duration) error {
	checkIn := world.Today.AddDays(1)
	for checkIn.Weekday() != time.Friday {
		checkIn++
	}
	checkOut := checkIn.AddDays(2)
	return welcomeText.Execute(w, map[string]any{
		"Result": result, "Hotels": demo.Hotels, "URL": "http://" + r.Addr().String(), "Data": c.Data, "Self": self(),
		"Took": took.Round(10 * time.Millisecond), "Hotel": demo.Hotels[0].ID, "ID": uuid.NewString(), "Request": uuid.NewString(),
		"StayQuery": dateQuery("check_in_date", checkIn) + "&" + dateQuery("check_out_date", checkOut),
		"StayJSON":  dateJSON("check_in_date", checkIn) + "," + dateJSON("check_out_date", checkOut),
	})
}

func dateQuery(name string, d domain.Date) string {
	t := d.Time(time.UTC)
	return fmt.Sprintf("%s.year=%d&%s.month=%d&%s.day=%d", name, t.Year(), name, t.Month(), name, t.Day())
}

func dateJSON(name string, d domain.Date) string {
	t := d.Time(time.UTC)
	return fmt.Sprintf(`"%s":{"year":%d,"month":%d,"day":%d}`, name, t.Year(), t.Month(), t.Day())
}
