package importer

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Summary is what an import did. Imported again, the same file gives the same numbers with Replayed for all
// commands and no events appended. On the first import rows = placed + rejected + refused placements + skipped.
type Summary struct {
	File     string         `json:"file,omitempty"`
	Rows     int            `json:"rows"`     // data lines of the file
	Placed   int            `json:"placed"`   // reservations
	Rejected int            `json:"rejected"` // a night was full
	Canceled int            `json:"canceled"`
	NoShows  int            `json:"no_shows"`
	Kept     int            `json:"kept"`    // paid and stayed
	Changes  int            `json:"changes"` // of which the data says how many there were, not what
	Skipped  map[Reason]int `json:"skipped"` // rows that are no stay or that are broken, by reason
	Adjusted map[Reason]int `json:"adjusted"`
	Refused  int            `json:"refused"` // commands that the platform refused; see problems

	RoomNights     int   `json:"room_nights"` // of all placed, canceled ones included
	EventsAppended int64 `json:"events_appended"`
	Commands       int   `json:"commands"`
	Replayed       int   `json:"replayed"` // commands that had been carried out before

	Hotels   []PlannedHotel `json:"hotels"`
	Problems []Problem      `json:"problems,omitempty"` // at most ProblemsShown

	Seconds         float64 `json:"seconds"`
	EventsPerSecond float64 `json:"events_per_second"`

	Verified *bool `json:"verified,omitempty"` // verify's verdict; nil: not asked
}

// ProblemsShown bounds the problems in a summary; all of them are counted.
const ProblemsShown = 1000

// SkippedTotal returns how many rows were skipped.
func (s *Summary) SkippedTotal() int {
	n := 0
	for _, count := range s.Skipped {
		n += count
	}
	return n
}

// took notes how long the commands took.
func (s *Summary) took(d time.Duration) {
	s.Seconds = d.Seconds()
	if s.Seconds > 0 {
		s.EventsPerSecond = float64(s.EventsAppended) / s.Seconds
	}
}

// WriteText writes the summary for a person.
func (s *Summary) WriteText(w io.Writer) {
	line := func(name string, value int, note string) {
		fmt.Fprintf(w, "  %-14s %9d  %s\n", name, value, note)
	}
	fmt.Fprintln(w)
	line("rows", s.Rows, "")
	line("placed", s.Placed, fmt.Sprintf("%d room nights", s.RoomNights))
	line("kept", s.Kept, "")
	line("changes", s.Changes, "of something that the data does not say")
	line("canceled", s.Canceled, "")
	line("no-shows", s.NoShows, "")
	line("rejected", s.Rejected, "a night was full")
	line("skipped", s.SkippedTotal(), reasons(s.Skipped))
	if len(s.Adjusted) > 0 {
		line("adjusted", total(s.Adjusted), reasons(s.Adjusted))
	}
	if s.Refused > 0 {
		line("refused", s.Refused, "commands that the platform refused")
	}
	if s.Replayed > 0 {
		line("known before", s.Replayed, fmt.Sprintf("of %d commands: nothing was added for them", s.Commands))
	}
	line("events", int(s.EventsAppended), fmt.Sprintf("appended in %.1f s, %.0f/s", s.Seconds, s.EventsPerSecond))
	s.writeHotels(w)
}

func (s *Summary) writeHotels(w io.Writer) {
	fmt.Fprintln(w)
	for _, h := range s.Hotels {
		var rooms []string
		for _, t := range h.RoomTypes {
			rooms = append(rooms, fmt.Sprintf("%s %d", t.ID, t.Capacity))
		}
		fmt.Fprintf(w, "  hotels/%s, rooms by type: %s\n", h.ID, strings.Join(rooms, ", "))
	}
}

func reasons(counts map[Reason]int) string {
	var parts []string
	for _, r := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", r, counts[r]))
	}
	return strings.Join(parts, ", ")
}

func total(counts map[Reason]int) int {
	n := 0
	for _, count := range counts {
		n += count
	}
	return n
}
