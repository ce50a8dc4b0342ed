package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lodge/cmd/internal/platform"
)

// guestsGiveUpKeys is the way out for whoever has lost the keys of names and notes, and has no copy.
type guestsGiveUpKeys struct {
	dataFlag
	Yes bool `help:"Do it. Without it nothing changes, and it is said what is lost."`
}

// Help says when.
func (guestsGiveUpKeys) Help() string {
	return `Names and e-mail addresses are sealed with keys in DIR/keys, and a folder whose keys are missing, or older than its log, does not open. First stop the server and put the latest
copy of DIR/keys back, whole or file by file: nobody is lost whose key is in it. What is missing then, this gives up: whoever was sealed with it is forgotten for good, stays, prices
and payments remain, and the folder opens. A key that is there and is damaged or another log's is given up only when its file is taken away. Where the identity was lost, a request
from before that named somebody and is sent again is refused, not answered again.

Examples:
  lodge guests give-up-keys          # what is lost
  lodge guests give-up-keys --yes --reason "disk of 2 July"`
}

// Run implements the command.
func (c *guestsGiveUpKeys) Run(ctx context.Context, m *Main) error {
	progress := newBar(m.Stderr, -1, "looking for names and notes", "events")
	reason, _ := ctx.Value(reasonKey{}).(string)
	found, err := platform.GiveUpKeys(ctx, c.Data, c.Yes, reason, progress.to)
	progress.finish()
	switch {
	case err != nil:
		return err
	case !found.Any():
		fmt.Fprintf(m.Stdout, "nothing is lost: the log has %s, and the keys of all are there\n", count(found.Sealed, "sealed text"))
		return nil
	}
	if found.Refused != nil {
		fmt.Fprintln(m.Stdout, found.Refused)
	}
	during := ""
	if found.Lost > 0 {
		during = fmt.Sprintf(", given from %s to %s", found.From.UTC().Format(time.RFC3339), found.To.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(m.Stdout, "the log has %s; the keys of %d are lost%s\n", count(found.Sealed, "sealed text"), found.Lost, during)
	if !c.Yes {
		return errors.New("nothing was changed: put back a copy of the keys, or give up what is lost with --yes")
	}
	fmt.Fprintln(m.Stdout, "given up: the folder opens again, and whoever they were of is forgotten")
	return nil
}
