package main

import (
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// bar is a progress bar on a terminal, and nothing anywhere else.
type bar struct{ b *progressbar.ProgressBar }

// newBar shows progress towards a total, of which -1 says that it is not known yet.
func newBar(w io.Writer, total int64, what, unit string) bar {
	if !terminal(w) {
		return bar{}
	}
	return bar{progressbar.NewOptions64(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit),
		progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(65*time.Millisecond),
		progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())}
}

// to says how far it is, and of how much.
func (b bar) to(done, total int64) {
	if b.b == nil {
		return
	}
	if total != b.b.GetMax64() {
		b.b.ChangeMax64(total)
	}
	_ = b.b.Set64(done) // it says that the terminal is gone, or that done is beyond the total
}

// finish takes the bar away.
func (b bar) finish() {
	if b.b != nil {
		_ = b.b.Clear()
	}
}

// terminal reports whether a person watches w.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}
