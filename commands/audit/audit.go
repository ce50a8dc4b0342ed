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
	topicCount
)

var topicNames = [topicCount]log.Topic{event.HotelsTopic, event.InventoryTopic, event.BookingsTopic}

// Run audits all partitions, one after the other, up to what is committed when it begins. Findings are in the report; an
// error says that the log could not be read or ctx has ended, so that nothing is proved.
func Run(ctx context.Context, reader log.Reader, opts Options) (*Report, error) {
	if opts.Partitions < 1 || opts.Partitions > log.PartitionsMax {
		return nil, log.NewError(log.InvalidArgument, "audit", "%d partitions is not in [1, %d]", opts.Partitions, log.PartitionsMax)
	}
	setDefaults(&opts)
	a := &auditor{reader: reader, opts: opts, report: &Report{Partitions: opts.Partitions}}
	if err := a.measure(ctx); err != nil {
		return nil, err
	}
	for n := range a.ends {
		if err := a.partition(ctx, log.Partition(n)); err != nil {
			return nil, fmt.Errorf("audit partition %d: %w", n, err)
		}
	}
	a.tell()
	slices.SortFunc(a.report.Hotels, func(a, b Hotel) int { return strings.Compare(a.HotelID, b.HotelID) })
	return a.report, nil
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
	ends     [][topicCount]log.Offset // by partition: what was committed at the beginning
	progress Progress
}

// measure notes where each partition ends. Bookings are measured first: what they rest on was committed before them.
func (a *auditor) measure(ctx context.Context) error {
	a.progress.Partitions = a.opts.Partitions
	for n := range a.opts.Partitions {
		var ends [topicCount]log.Offset
		for topic := topicCount - 1; topic >= 0; topic-- {
			_, high, err := a.reader.Offsets(ctx, log.TopicPartition{Topic: topicNames[topic], Partition: log.Partition(n)})
			if err != nil {
				return fmt.Errorf("audit: %w", err)
			}
			ends[topic] = high
			a.report.Events[topic] += int64(high)
		}
		a.ends = append(a.ends, ends)
		a.progress.Total += records(ends) * int64(a.passes(ends))
	}
	return nil
}

func records(ends [topicCount]log.Offset) int64 {
	return int64(ends[hotelsTopic] + ends[inventoryTopic] + ends[bookingsTopic])
}

// passes returns how often a partition is read, so that no pass meets more ids than fit. A record has at most two ids.
func (a *auditor) passes(ends [topicCount]log.Offset) int {
	return int((2*records(ends)+int64(a.opts.IDsMax)-1)/int64(a.opts.IDsMax)) + boolToInt(records(ends) == 0)
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// partition audits one partition number: nights in the first pass, ids in shares over all of them.
func (a *auditor) partition(ctx context.Context, n log.Partition) error {
	a.progress.Partition = n
	ends := a.ends[n]
	count := a.passes(ends)
	for i := range count {
		p := &pass{auditor: a, n: n, ends: ends, ids: newIdentities(a.opts, i, count)}
		if i == 0 {
			p.nights = newOccupancy(ends[inventoryTopic])
		}
		if err := p.run(ctx); err != nil {
			return err
		}
		a.report.Requests += p.ids.applied
		if p.nights != nil {
			a.collect(p.nights)
		}
	}
	return nil
}

func (a *auditor) collect(o *occupancy) {
	for id, h := range o.hotels {
		h.report.HotelID = id
		h.report.RoomTypes = len(h.roomTypes)
		a.report.Totals.add(h.report.Totals)
		a.report.Hotels = append(a.report.Hotels, h.report)
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
