package client

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lodge/log"
)

// intent says what is about to be done with a range of an input partition, which begins at the offset that the intent is committed with. It is
// the metadata of that commit, as JSON for people to read.
type intent struct {
	Version  int        `json:"v"`
	Producer int64      `json:"producer"` // -1: none yet
	Epoch    int16      `json:"epoch"`    // one for each range; sequences begin at 0 in every target partition
	End      log.Offset `json:"end"`      // of the range; not above its beginning: there is no range
	Routes   []routing  `json:"routes,omitempty"`
}

// routing says by which layouts the output for a topic is routed: by the first, and what the log no longer took by that one by the next.
type routing struct {
	Topic   log.Topic      `json:"topic"`
	Layouts []intentLayout `json:"layouts"`
}

type intentLayout struct {
	Number int32  `json:"n"`
	Active string `json:"active"` // as in "0-7,9"

	// Producer is what appends by this layout, with epoch 0, when it is not the topic's first: with the range's own producer a batch that the
	// layout before refused could not be told from the one that took its sequence.
	Producer *int64 `json:"producer,omitempty"`
}

const (
	intentVersion    = 1
	intentLayoutsMax = 8 // layouts of one topic that may begin while one range is under way
)

// encode returns the metadata. Error: InvalidArgument, it is longer than metadata may be.
func (in intent) encode() (string, error) {
	in.Version = intentVersion
	b, err := json.Marshal(in)
	if err != nil {
		return "", err
	}
	if len(b) > log.OffsetMetadataMax {
		return "", log.NewError(log.InvalidArgument, "intent", "%d bytes are more than %d: too many targets, with too many gaps between their active partitions",
			len(b), log.OffsetMetadataMax)
	}
	return string(b), nil
}

// done returns the metadata of a commit behind the range.
func (in intent) done(at log.Offset) string {
	in.End, in.Routes = at, nil
	s, err := in.encode()
	if err != nil {
		panic("an intent without routes fits: " + err.Error())
	}
	return s
}

// parseIntent reads metadata. None at all is an administrator's commit, or a plain consumer's: nothing is under way. Errors: UnsupportedFormat,
// InvalidArgument.
func parseIntent(metadata string) (intent, error) {
	if metadata == "" {
		return intent{Producer: -1}, nil
	}
	var in intent
	if err := json.Unmarshal([]byte(metadata), &in); err != nil {
		return in, invalid("intent", "the commit's metadata is none: %w", err)
	}
	if in.Version != intentVersion {
		return in, log.NewError(log.UnsupportedFormat, "intent", "version %d, known is %d", in.Version, intentVersion)
	}
	for _, r := range in.Routes {
		for _, l := range r.Layouts {
			if _, err := parseRuns(l.Active); err != nil {
				return in, err
			}
		}
	}
	return in, nil
}

// formatRuns writes ascending numbers as runs, as in "0-7,9".
func formatRuns(ps []log.Partition) string {
	var runs []string
	for len(ps) > 0 {
		n := 1
		for n < len(ps) && ps[n] == ps[n-1]+1 {
			n++
		}
		run := strconv.Itoa(int(ps[0]))
		if n > 1 {
			run = fmt.Sprintf("%d-%d", ps[0], ps[n-1])
		}
		runs, ps = append(runs, run), ps[n:]
	}
	return strings.Join(runs, ",")
}

// parseRuns reads what formatRuns wrote.
func parseRuns(s string) (ps []log.Partition, err error) {
	for run := range strings.SplitSeq(s, ",") {
		from, to, ranged := strings.Cut(run, "-")
		if !ranged {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 31)
		last, err2 := strconv.ParseUint(to, 10, 31)
		if err1 != nil || err2 != nil || last < first || last-first >= log.PartitionsMax || len(ps) > log.PartitionsMax {
			return nil, invalid("intent", "%q is no list of partitions", s)
		}
		for p := first; p <= last; p++ {
			ps = append(ps, log.Partition(p))
		}
	}
	if !slices.IsSorted(ps) {
		return nil, invalid("intent", "%q is not in order", s)
	}
	return ps, nil
}
