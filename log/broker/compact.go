package broker

import (
	"context"
	"errors"
	"time"

	"lodge/log"
	"lodge/log/internal/commitlog"
)

// errStopped ends a compaction because the broker or the partition is being closed.
var errStopped = errors.New("compaction stopped")

// compact compacts what is due, one partition after the other: there is one map of keys at a time.
func (b *Broker) compact(ctx context.Context) {
	b.partitions(ctx, func(p *partition) {
		done, err := p.compact(ctx, b.opts.Clock())
		if err != nil {
			b.opts.Logger.Error("compaction", "partition", p.tp.String(), "error", err)
		}
		if done.Segments > 0 {
			b.opts.Logger.Info("compacted", "partition", p.tp.String(), "passes", done.Passes, "segments", done.Segments,
				"bytes_before", done.BytesBefore, "bytes_after", done.BytesAfter, "records_removed", done.RecordsRemoved)
		}
	})
}

// compacts reports whether the settings have p compacted.
func (p *partition) compacts() bool {
	c := p.config().Cleanup
	return c == log.CleanupCompact || c == log.CleanupCompactAndDelete
}

// compact compacts p beside its writer if enough of it is dirty. It ends early when ctx does or p is being closed, which waits for it.
func (p *partition) compact(ctx context.Context, now time.Time) (commitlog.Cleaned, error) {
	if !p.compacts() {
		return commitlog.Cleaned{}, nil
	}
	p.files.RLock()
	defer p.files.RUnlock()
	if p.gone != nil || !p.usable() {
		return commitlog.Cleaned{}, nil
	}
	done, err := p.log.Clean(commitlog.CleanOptions{
		Now: now, HighWatermark: log.Offset(p.highWatermark.Load()), MapBytes: p.b.opts.CompactionBytes, Newest: p.newestOf,
		Stop: func() error {
			if ctx.Err() != nil || !p.usable() {
				return errStopped
			}
			return nil
		},
	})
	p.noticePoison("compaction", err)
	if errors.Is(err, errStopped) {
		err = nil
	}
	return done, err
}

// newestOf returns where an idempotent producer's last batch is, or log.NoOffset when it is forgotten.
func (p *partition) newestOf(producerID int64) log.Offset {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, base := p.producers.Last(producerID)
	return base
}

// checkKeys refuses records without a key where only keys say what is kept.
func (p *partition) checkKeys(batch *log.Batch) error {
	if !p.compacts() {
		return nil
	}
	for i := range batch.Records {
		if batch.Records[i].Key == nil {
			return log.NewError(log.InvalidArgument, "append "+p.tp.String(), "record %d has no key, and the topic is compacted by key", i)
		}
	}
	return nil
}
