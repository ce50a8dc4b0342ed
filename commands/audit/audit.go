package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lodge/domain/event"
	"lodge/log"
)

// Options sets up Run. The zero value of a field means its default.
type Options struct {
	Partitions    int           // of each topic: required
	RequestTTL    time.Duration // how long request ids are remembered: default 24 hours
	IDsMax        int           // ids in memory at one time: default 2,000,000
	ViolationsMax int           // that are kept for the report: default 100

	// Dir is the folder where Run remembers what it has proved and goes on from: default none, so that everything is read. It is made when it is
	// missing. One Run at a time uses it.
	Dir string
	// Full reads everything again although Dir remembers.
	Full bool

	// Progress, when not nil, is called now and then from Run's goroutine.
	Progress func(Progress)
}

// Progress says how far an audit has got. Records counts those looked at in all partitions and passes; Total those to be looked at.
type Progress struct {
	Partition  log.Partition // at work
	Partitions int
	Records    int64
	Total      int64
}

const (
	hotelsTopic = iota
	inventoryTopic
	bookingsTopic
	paymentsTopic
	topicCount
)

var topicNames = [topicCount]log.Topic{event.HotelsTopic, event.InventoryTopic, event.BookingsTopic, event.PaymentsTopic}

// Run audits all partitions, one after the other, up to what is committed when it begins. Findings are in the report; an
// error says that the log could not be read or ctx has ended, so that nothing is proved.
func Run(ctx context.Context, reader log.Reader, opts Options) (*Report, error) {
	a, err := newAuditor(reader, opts)
	if err != nil {
		return nil, err
	}
	if err := a.remember(ctx); err != nil {
		return nil, err
	}
	if err := a.measure(ctx); err != nil {
		return nil, err
	}
	return a.run(ctx)
}

func newAuditor(reader log.Reader, opts Options) (*auditor, error) {
	if opts.Partitions < 1 || opts.Partitions > log.PartitionsMax {
		return nil, log.NewError(log.InvalidArgument, "audit", "%d partitions is not in [1, %d]", opts.Partitions, log.PartitionsMax)
	}
	setDefaults(&opts)
	return &auditor{reader: reader, opts: opts, report: &Report{Partitions: opts.Partitions}, money: make(map[string]Money)}, nil
}

func setDefaults(opts *Options) {
	if opts.RequestTTL <= 0 {
		opts.RequestTTL = 24 * time.Hour
	}
	if opts.IDsMax <= 0 {
		opts.IDsMax = 2_000_000
	}
	if opts.ViolationsMax <= 0 {
		opts.ViolationsMax = violationsDefault
	}
}

type auditor struct {
	reader   log.Reader
	opts     Options
	report   *Report
	cuts     []cut // by partition
	money    map[string]Money
	memory   *memory // nil: nothing is remembered
	progress Progress
}

// cut is the stretch of one partition number that is read.
type cut struct {
	from [topicCount]log.Offset // behind what was read before
	ends [topicCount]log.Offset // what was committed at the beginning
	// Payments below it were committed before ends of the bookings were measured: what they give back, bookings that are read allow.
	settled log.Offset
	shares  int // passes: a power of two
	chains  [topicCount]chain

	mark   log.Offset // of the inventory, where the next run goes on: behind what the latest decision rested on
	marked chain      // of the inventory, there
}

func (c *cut) records() (all, fresh int64) {
	for topic := range c.ends {
		all += int64(c.ends[topic])
		fresh += int64(c.ends[topic] - c.from[topic])
	}
	return all, fresh
}

// measure notes where each partition ends. Payments are measured first and last, bookings between them, then what bookings rest on: so of each event that
// is looked at, what it rests on is read as well.
func (a *auditor) measure(ctx context.Context) error {
	if a.cuts == nil {
		a.cuts = make([]cut, a.opts.Partitions)
	}
	for n := range a.cuts {
		c := &a.cuts[n]
		for i, topic := range [...]int{paymentsTopic, bookingsTopic, inventoryTopic, hotelsTopic, paymentsTopic} {
			_, high, err := a.reader.Offsets(ctx, log.TopicPartition{Topic: topicNames[topic], Partition: log.Partition(n)})
			if err != nil && (topic != paymentsTopic || log.CodeOf(err) != log.UnknownTopic) {
				return fmt.Errorf("audit: %w", err)
			}
			c.ends[topic] = high
			if i == 0 {
				c.settled = max(high, c.from[paymentsTopic])
			}
		}
	}
	return nil
}

// run reads what was measured.
func (a *auditor) run(ctx context.Context) (*Report, error) {
	a.progress.Partitions = a.opts.Partitions
	if a.memory != nil {
		if err := a.memory.begin(a); err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
	}
	for n := range a.cuts {
		c := &a.cuts[n]
		all, fresh := c.records()
		c.shares = a.shares(all, c.shares)
		a.progress.Total += fresh * int64(c.shares)
		for topic, end := range c.ends {
			a.report.Events[topic] += int64(end)
			a.report.Read += int64(end - c.from[topic])
		}
	}
	for n := range a.cuts {
		if err := a.partition(ctx, log.Partition(n)); err != nil {
			return nil, fmt.Errorf("audit partition %d: %w", n, err)
		}
	}
	a.tell()
	slices.SortFunc(a.report.Hotels, func(a, b Hotel) int { return strings.Compare(a.HotelID, b.HotelID) })
	a.report.Money = a.money
	a.report.Certificate = a.certify()
	if a.memory != nil && a.report.OK() {
		if err := a.memory.commit(a); err != nil {
			return nil, fmt.Errorf("remember what was proved: %w", err)
		}
	}
	return a.report, nil
}

// shares returns how often a partition is read, so that no pass meets more ids than fit. A record has at most two ids. A power of two, so that what
// was remembered of one share is of one share of the fewer.
func (a *auditor) shares(records int64, before int) int {
	shares := max(before, 1)
	for int64(shares)*int64(a.opts.IDsMax) < 2*records {
		shares *= 2
	}
	return shares
}

// partition audits one partition number: nights in the first pass, ids in shares over all of them.
func (a *auditor) partition(ctx context.Context, n log.Partition) error {
	a.progress.Partition = n
	c := &a.cuts[n]
	for i := range c.shares {
		p := &pass{auditor: a, n: n, cut: c, ids: newIdentities(a.opts, i, c.shares)}
		if i == 0 {
			p.nights = newOccupancy()
		}
		if err := p.run(ctx); err != nil {
			return err
		}
		a.report.Requests += p.ids.applied
		if !p.ids.sum(a.money) {
			p.found(BadPayment, p.end(paymentsTopic), "", "sums of money do not fit into 64 bits")
		}
		if p.nights != nil {
			a.collect(n, p.nights)
		}
	}
	return nil
}

func (a *auditor) collect(n log.Partition, o *occupancy) {
	for id, h := range o.hotels {
		h.report.HotelID = id
		h.report.RoomTypes = len(h.roomTypes)
		a.report.Totals.add(h.report.Totals)
		a.report.Hotels = append(a.report.Hotels, h.report)
		for roomType, c := range h.roomTypes {
			a.worst(n, id, roomType, c)
		}
	}
}

func (a *auditor) tell() {
	if a.opts.Progress != nil {
		a.opts.Progress(a.progress)
	}
}

func (a *auditor) violation(v Violation) {
	a.report.ViolationCount++
	if len(a.report.Violations) < a.opts.ViolationsMax {
		a.report.Violations = append(a.report.Violations, v)
	}
}
