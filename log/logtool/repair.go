package logtool

import (
	"fmt"
	"io"

	"lodge/log/internal/commitlog"
	"lodge/log/vfs"
)

// Plan is what a repair does, or would do.
type Plan struct {
	Partition
	Cuts    []Cut
	Applied bool
}

// Cut is one step of a repair: what is taken out of which file, and the side file that keeps it.
type Cut = commitlog.Cut

// Repair mends a partition that refuses to open: damaged stretches are cut out and kept in side files next to the segment, lost offsets are
// taken by empty batches, and every sound batch stays. With apply false it only says what it would do. A torn tail is not its business: opening the log cuts it.
// When an error ends an applied repair it can be run again.
func Repair(fsys vfs.FS, p Partition, apply bool) (*Plan, error) {
	cuts, err := commitlog.Repair(fsys, p.Dir, apply)
	if err != nil {
		return nil, err
	}
	return &Plan{Partition: p, Cuts: cuts, Applied: apply && len(cuts) > 0}, nil
}

// Print writes the plan for a person.
func (p *Plan) Print(w io.Writer) error {
	if len(p.Cuts) == 0 {
		_, err := fmt.Fprintf(w, "%s: nothing to repair\n", p.TP)
		return err
	}
	verb := "would cut"
	if p.Applied {
		verb = "cut"
	}
	var err error
	for _, c := range p.Cuts {
		_, err = fmt.Fprintf(w, "%s: %s %s\n", p.TP, verb, c.Damage)
		if c.SideFile != "" {
			_, err = fmt.Fprintf(w, "  bytes kept in %s\n", c.SideFile)
		}
		if lost := c.To - c.From; lost > 0 {
			_, err = fmt.Fprintf(w, "  offsets lost: %d (%d to %d), taken by an empty batch\n", lost, c.From, c.To-1)
		}
	}
	return err
}
