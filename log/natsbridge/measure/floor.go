package measure

import (
	"context"
	"fmt"
	"time"

	"lodge/log/vfs"
)

// FloorLateness is what the disk alone makes of a load: each time something is due, all that is due is written to a zero-filled file and synced.
// No scheduler that publishes durably can be earlier. The file is made in dir, which is there, and removed.
func FloorLateness(ctx context.Context, dir string, load Load) (late Lateness, err error) {
	load = load.withDefaults()
	name := dir + "/floor"
	f, err := vfs.Default.Create(name)
	if err != nil {
		return late, fmt.Errorf("floor: %w", err)
	}
	defer func() {
		if e := vfs.Default.Remove(name); err == nil {
			err = e
		}
	}()
	defer f.Close()
	const size = 64 << 20
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros, at); err != nil {
			return late, fmt.Errorf("floor: %w", err)
		}
	}
	if err := f.Sync(); err != nil {
		return late, fmt.Errorf("floor: %w", err)
	}
	begin := time.Now()
	due := func(i int) time.Time { return begin.Add(load.Spread * time.Duration(i) / time.Duration(load.Count)) }
	var lateness []time.Duration
	timer := time.NewTimer(0)
	defer timer.Stop()
	for at := int64(0); len(lateness) < load.Count; {
		timer.Reset(time.Until(due(len(lateness))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return late, ctx.Err()
		}
		n := 0
		for now := time.Now(); len(lateness)+n < load.Count && !due(len(lateness)+n).After(now); n++ {
		}
		bytes := min(n*(load.ValueSize+300), len(zeros))
		if at+int64(bytes) > size {
			at = 0
		}
		if _, err := f.WriteAt(zeros[:bytes], at); err != nil {
			return late, fmt.Errorf("floor: %w", err)
		}
		if err := f.SyncData(); err != nil {
			return late, fmt.Errorf("floor: %w", err)
		}
		at += int64(bytes)
		for now := time.Now(); n > 0; n-- {
			lateness = append(lateness, now.Sub(due(len(lateness))))
		}
	}
	late.Count = len(lateness)
	late.Fired.P50, late.Fired.P99, late.Fired.Max = percentiles(lateness)
	late.Readable = late.Fired
	return late, nil
}
