package audit

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"lodge/log"
)

// certificateFormat is raised when a certificate's content changes its meaning.
const certificateFormat = 1

// Certificate says what was proved of a log, so that somebody else who has the log can prove it again: same log, same certificate, byte for byte, however often
// the audits before it stopped and went on. It is no signature: who has no log to check it against learns from it only that somebody made it.
type Certificate struct {
	Format     int   `json:"format"`
	Passed     bool  `json:"passed"`
	Violations int64 `json:"violations"`

	Partitions []Covered `json:"partitions"` // by number
	Events     int64     `json:"events"`     // without payments: those of hotels, inventory and bookings
	Requests   int64     `json:"requests"`
	Hotels     int       `json:"hotels"`
	Totals     Totals    `json:"totals"`

	Money map[string]Money `json:"money"` // by currency

	Nights int64   `json:"nights"` // of room types, of which anything was ever sold
	Worst  []Worst `json:"worst"`  // the fullest of them, at most WorstMax

	Digest string `json:"digest"` // SHA-256 of the certificate as JSON without white space, with an empty digest
}

// Covered is what was read of one partition number.
type Covered struct {
	Partition int            `json:"partition"`
	Topics    []CoveredTopic `json:"topics"` // hotels, inventory, bookings, payments
	// SettledBefore is the offset of the payments below which what they give back was held against the bookings.
	SettledBefore int64 `json:"settled_before"`
}

// CoveredTopic is what was read of one partition: all records below End.
type CoveredTopic struct {
	Topic string `json:"topic"`
	End   int64  `json:"end"`
	Head  string `json:"head"` // of the hash chain over all of its records; see the package's comment
}

// Worst is a night of a room type at its fullest.
type Worst struct {
	HotelID    string `json:"hotel"`
	RoomTypeID string `json:"room_type"`
	Night      string `json:"night"`
	Sold       int64  `json:"sold"`
	Sellable   int64  `json:"sellable"` // at that moment
	Position   string `json:"position"` // of the booking that made it so
}

// WorstMax is how many nights a certificate lists.
const WorstMax = 50

// certificateBytesMax bounds a certificate that is read: of the most partitions that there can be.
const certificateBytesMax = 16 << 20

func (a *auditor) certify() *Certificate {
	r := a.report
	c := &Certificate{
		Format: certificateFormat, Passed: r.OK(), Violations: r.ViolationCount, Events: r.EventCount() - r.Events[paymentsTopic], Requests: r.Requests,
		Hotels: len(r.Hotels), Totals: r.Totals, Money: a.money, Nights: r.nights, Worst: r.worst,
	}
	c.Worst = fullest(c.Worst)
	for n := range a.cuts {
		cut := &a.cuts[n]
		covered := Covered{Partition: n, SettledBefore: int64(cut.settled)}
		for topic := range cut.ends {
			covered.Topics = append(covered.Topics, CoveredTopic{
				Topic: string(topicNames[topic]), End: int64(cut.ends[topic]), Head: cut.chains[topic].head.String(),
			})
		}
		c.Partitions = append(c.Partitions, covered)
	}
	c.Digest = c.digest()
	return c
}

// worst takes the nights of a room type into account.
func (a *auditor) worst(n log.Partition, hotelID, roomTypeID string, c *calendar) {
	r := a.report
	for i := range c.nights {
		night := &c.nights[i]
		if night.peak == 0 {
			continue
		}
		r.nights++
		r.worst = append(r.worst, Worst{
			HotelID: hotelID, RoomTypeID: roomTypeID, Night: c.base.AddDays(i).String(), Sold: int64(night.peak), Sellable: int64(night.peakSellable),
			Position: log.Position{Topic: topicNames[bookingsTopic], Partition: n, Offset: night.peakAt}.String(),
		})
		if len(r.worst) >= 16*WorstMax {
			r.worst = fullest(r.worst)
		}
	}
}

// fullest returns the fullest nights, by share of what was sellable, then by rooms.
func fullest(nights []Worst) []Worst {
	slices.SortFunc(nights, func(a, b Worst) int {
		return cmp.Or(cmp.Compare(b.Sold*a.Sellable, a.Sold*b.Sellable), cmp.Compare(b.Sold, a.Sold),
			cmp.Compare(a.HotelID, b.HotelID), cmp.Compare(a.RoomTypeID, b.RoomTypeID), cmp.Compare(a.Night, b.Night))
	})
	return nights[:min(len(nights), WorstMax)]
}

func (c *Certificate) digest() string {
	bare := *c
	bare.Digest = ""
	text, err := json.Marshal(&bare)
	if err != nil {
		panic(err) // numbers and text
	}
	return Hash(sha256.Sum256(text)).String()
}

// Write writes the certificate as one JSON document.
func (c *Certificate) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(c)
}

// ReadCertificate reads what Write wrote. The error says what of it is no certificate, or that it was changed since.
func ReadCertificate(r io.Reader) (*Certificate, error) {
	text, err := io.ReadAll(io.LimitReader(r, certificateBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	if len(text) > certificateBytesMax {
		return nil, fmt.Errorf("read the certificate: it is longer than %d bytes", certificateBytesMax)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	c := new(Certificate)
	if err := dec.Decode(c); err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	return c, nil
}

func (c *Certificate) validate() error {
	switch {
	case c.Format != certificateFormat:
		return fmt.Errorf("its format is %d, not %d", c.Format, certificateFormat)
	case c.Digest != c.digest():
		return fmt.Errorf("its digest is %.64s and its content's %s: it was changed", c.Digest, c.digest())
	case len(c.Partitions) < 1 || len(c.Partitions) > log.PartitionsMax:
		return fmt.Errorf("it covers %d partitions", len(c.Partitions))
	}
	for n, p := range c.Partitions {
		if p.Partition != n || len(p.Topics) != topicCount {
			return fmt.Errorf("partition %d is not covered as it should be", n)
		}
		for topic, t := range p.Topics {
			if t.Topic != string(topicNames[topic]) || t.End < 0 {
				return fmt.Errorf("topic %.64q of partition %d ends at %d", t.Topic, n, t.End)
			}
		}
		if p.SettledBefore < 0 || p.SettledBefore > p.Topics[paymentsTopic].End {
			return fmt.Errorf("the payments of partition %d are settled before %d", n, p.SettledBefore)
		}
	}
	return nil
}

// Check proves a certificate again: it reads everything that it covers, whatever is remembered, and returns how what it finds differs from it; nothing when
// it is exactly as it says. Options.Partitions and Dir are of no meaning.
func Check(ctx context.Context, reader log.Reader, c *Certificate, opts Options) (differences []string, report *Report, err error) {
	if err := c.validate(); err != nil {
		return nil, nil, log.NewError(log.InvalidArgument, "check the certificate", "%v", err)
	}
	opts.Partitions, opts.Dir = len(c.Partitions), ""
	a, err := newAuditor(reader, opts)
	if err != nil {
		return nil, nil, err
	}
	if err := a.measure(ctx); err != nil {
		return nil, nil, err
	}
	for n := range a.cuts {
		cut, said := &a.cuts[n], &c.Partitions[n]
		for topic := range cut.ends {
			end := log.Offset(said.Topics[topic].End)
			if end > cut.ends[topic] {
				differences = append(differences, fmt.Sprintf("%s/%d has %d records, the certificate covers %d", topicNames[topic], n, cut.ends[topic], end))
			}
			cut.ends[topic] = min(cut.ends[topic], end)
		}
		cut.settled = min(log.Offset(said.SettledBefore), cut.ends[paymentsTopic])
	}
	if report, err = a.run(ctx); err != nil {
		return nil, nil, err
	}
	return append(differences, c.differences(report.Certificate)...), report, nil
}

// differences says how other differs from c.
func (c *Certificate) differences(other *Certificate) (out []string) {
	differ := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for n := range c.Partitions {
		for topic, said := range c.Partitions[n].Topics {
			if is := other.Partitions[n].Topics[topic]; is.Head != said.Head {
				differ("%s/%d: the hash of the %d records covered is %s, the certificate says %s", said.Topic, n, said.End, is.Head, said.Head)
			}
		}
	}
	for _, number := range []struct {
		name     string
		said, is any
	}{
		{"violations", c.Violations, other.Violations}, {"events", c.Events, other.Events}, {"requests", c.Requests, other.Requests},
		{"hotels", c.Hotels, other.Hotels}, {"totals", c.Totals, other.Totals}, {"nights", c.Nights, other.Nights}, {"passed", c.Passed, other.Passed},
	} {
		if number.said != number.is {
			differ("%s: %v, the certificate says %v", number.name, number.is, number.said)
		}
	}
	if !maps.Equal(c.Money, other.Money) {
		differ("money: %v, the certificate says %v", other.Money, c.Money)
	}
	if !slices.Equal(c.Worst, other.Worst) {
		differ("the fullest nights are not those that the certificate lists")
	}
	if len(out) == 0 && c.Digest != other.Digest {
		differ("the digest is %s, the certificate says %s", other.Digest, c.Digest)
	}
	return out
}
