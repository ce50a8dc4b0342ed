package importer

import (
	"cmp"
	"slices"
	"time"

	"lodge/commands"
	"lodge/domain"
)

// Options say what the file does not.
type Options struct {
	Capacity Capacity // default: derived from peak demand
	TimeZone string   // of the hotels; default Europe/Lisbon, where those of the data are
	Currency string   // of adr; default EUR, as in the data
}

func (o Options) withDefaults() Options {
	o.TimeZone = cmp.Or(o.TimeZone, "Europe/Lisbon")
	o.Currency = cmp.Or(o.Currency, "EUR")
	return o
}

// Validate returns an error for a time zone or currency that does not exist.
func (o Options) Validate() error {
	o = o.withDefaults()
	if _, err := domain.LoadTimeZone(o.TimeZone); err != nil {
		return err
	}
	return domain.ValidateCurrency(o.Currency, "currency")
}

// Kind says what a step is to its row.
type Kind string

// The kinds of steps.
const (
	SetUp  Kind = "set up" // a hotel, a rate plan, a room type, its inventory or a room; no row's own
	Place  Kind = "place"
	Change Kind = "change"
	Pay    Kind = "pay"
	Leave  Kind = "leave"
	Arrive Kind = "arrive"
	Cancel Kind = "cancel"
	Miss   Kind = "miss"
)

// changes reports whether the step changes a reservation that another step places.
func (k Kind) changes() bool { return k != SetUp && k != Place }

// rank orders what happens on one day: bookings come first, and guests leave before others arrive.
func (k Kind) rank() int {
	return slices.Index([]Kind{SetUp, Place, Change, Pay, Leave, Arrive, Cancel, Miss}, k)
}

// Step is one command of the history.
type Step struct {
	Kind    Kind
	Row     int // into Plan.Rows; of no meaning for SetUp
	Line    int // of the file
	Command commands.Command

	day domain.Date
}

// PlannedHotel is a hotel that the file names.
type PlannedHotel struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	RoomTypes []PlannedRoomType `json:"room_types"` // by id
}

// PlannedRoomType is a room type that was reserved, with the rooms that it has.
type PlannedRoomType struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Capacity int    `json:"capacity"` // that can be booked; 0: guests were only given its rooms
	Rooms    int    `json:"rooms"`    // as many as guests were ever in at once

	baseRate int64 // median of the plausible rates
	nights   domain.Stay
}

// Plan is the history that a file tells.
type Plan struct {
	Rows     []Row // those that are imported
	Hotels   []PlannedHotel
	Steps    []Step // in order of time
	Problems []Problem
	Lines    int // data lines of the file

	opts     Options
	place    *time.Location
	rooms    []string // by row: the room that its guest gets, if any
	skipped  map[Reason]int
	adjusted map[Reason]int
}

// NewPlan makes the history of rows as Read returns them. The same arguments make the same plan.
func NewPlan(rows []Row, problems []Problem, lines int, opts Options) (*Plan, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	zone, err := domain.LoadTimeZone(opts.TimeZone)
	if err != nil {
		return nil, err
	}
	p := &Plan{Lines: lines, opts: opts, place: zone, skipped: map[Reason]int{}, adjusted: map[Reason]int{}}
	for _, problem := range problems {
		p.skip(problem)
	}
	p.choose(rows)
	events := p.history()
	p.Hotels = p.hotels(events)
	p.Steps = append(p.setUp(events), p.steps(events)...)
	slices.SortStableFunc(p.Steps, func(a, b Step) int { return cmp.Compare(a.day, b.day) })
	p.setTimes()
	sortedByLine(p.Problems)
	return p, nil
}

// Competing reports whether rooms were given, so that bookings may compete for them and their order decides who is
// turned away. With derived capacity there are rooms for all.
func (p *Plan) Competing() bool { return p.opts.Capacity.given() }

func (p *Plan) skip(problem Problem) {
	p.Problems = append(p.Problems, problem)
	p.skipped[problem.Reason]++
}

func (p *Plan) adjust(line int, err error) {
	problem := problemAt(line, err)
	p.Problems = append(p.Problems, problem)
	p.adjusted[problem.Reason]++
}

// choose keeps the rows that can be reservations.
func (p *Plan) choose(rows []Row) {
	p.Rows = make([]Row, 0, len(rows))
	for _, row := range rows {
		if err := bookable(&row); err != nil {
			p.skip(problemAt(row.Line, err))
			continue
		}
		p.Rows = append(p.Rows, row)
	}
}

// summary returns a summary with what is known before anything was run.
func (p *Plan) summary() *Summary {
	s := &Summary{Rows: p.Lines, Skipped: p.skipped, Adjusted: p.adjusted, Hotels: p.Hotels}
	for _, problem := range p.Problems {
		if len(s.Problems) < ProblemsShown && problem.Reason != NoNights {
			s.Problems = append(s.Problems, problem)
		}
	}
	return s
}

// workday is when a day's first command is given; the others follow a second apart as long as the day allows.
const (
	workday    = 8 * time.Hour
	daySeconds = 15 * 60 * 60
)

// setTimes gives every command its moment on its day: in order, and in the hotels' own time zone.
func (p *Plan) setTimes() {
	var today domain.Date
	n := 0
	for i := range p.Steps {
		step := &p.Steps[i]
		if i == 0 || step.day != today {
			today, n = step.day, 0
		}
		step.Command.Time = today.Time(p.place).Add(workday + time.Duration(min(n, daySeconds))*time.Second)
		n++
	}
}
