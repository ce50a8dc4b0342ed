package broker

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"lodge/log"
	"lodge/log/vfs"
)

// How a partition is retired
//
// A draining partition is retired when nothing is left in it or its time is over. The topic's file without it comes first: that is the
// retirement, and its number is never given out again. Then its files are closed, its folder is renamed to <number>.retired, so that tools take
// it for what it is, and removed. Open does what a crash left undone.

// retiredSuffix ends the name of a retired partition's folder.
const retiredSuffix = ".retired"

// retireDrained retires draining partitions that are due, and settles topics. It leaves that to the next time when topics are
// being changed or the broker is being closed, since closing waits for it.
func (b *Broker) retireDrained(ctx context.Context) {
	for _, t := range *b.topics.Load() {
		if ctx.Err() != nil || !b.admin.TryLock() {
			return
		}
		if (*b.topics.Load())[t.name] == t && !b.closed.Load() { // not deleted meanwhile
			b.resettle(t)
			if err := b.retireDue(t); err != nil {
				b.opts.Logger.Error("retire partitions", "topic", string(t.name), "error", err)
			}
		}
		b.admin.Unlock()
	}
}

// retireDue retires the partitions of one topic that are due. admin must be held.
func (b *Broker) retireDue(t *topic) error {
	state := t.state.Load()
	var due []log.Partition
	for n, until := range state.draining {
		if state.partitions[n].drained() || !until.IsZero() && !b.opts.Clock().Before(until) {
			due = append(due, n)
		}
	}
	if len(due) == 0 {
		return nil
	}
	def := state.without(due...)
	partitions := slices.Clone(state.partitions)
	for _, n := range due {
		partitions[n] = nil
	}
	if err := b.redefine(t, def, partitions); err != nil {
		return err
	}
	var errs []error
	for _, n := range due {
		errs = append(errs, b.removeRetired(t, state.partitions[n]))
	}
	return errors.Join(errs...)
}

// drained reports whether nothing is left in p.
func (p *partition) drained() bool {
	end := p.end()
	p.files.RLock()
	defer p.files.RUnlock()
	return p.gone == nil && p.log.StartOffset() >= end && log.Offset(p.highWatermark.Load()) >= end
}

// removeRetired closes and deletes a partition that the topic's file does not name any more.
func (b *Broker) removeRetired(t *topic, p *partition) error {
	if err := p.closeFor(errDraining(p.tp, "is retired"), errRetired("read", p.tp)); err != nil {
		b.opts.Logger.Warn("closing a retired partition", "partition", p.tp.String(), "error", err)
	}
	b.opts.Logger.Info("partition retired", "partition", p.tp.String())
	return b.clearRetired(t.dir, p.tp.Partition)
}

// clearRetired removes a retired partition's folder.
func (b *Broker) clearRetired(topicDir string, n log.Partition) error {
	fs, dir := b.opts.FS, path.Join(topicDir, strconv.Itoa(int(n)))
	aside := dir + retiredSuffix
	there, err := vfs.Exists(fs, aside)
	if err == nil && !there {
		if err = fs.Rename(dir, aside); errors.Is(err, iofs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = fs.SyncDir(topicDir)
		}
	}
	if err == nil {
		err = fs.RemoveAll(aside)
	}
	if err == nil {
		err = fs.SyncDir(topicDir)
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}

// clearPast removes from a topic's folder what is left of retired partitions, and of partitions that were never added. It
// is refused with code Corrupt where a partition holds records and the topic's file does not know its number.
func (b *Broker) clearPast(dir string, def *definition) error {
	names, err := b.opts.FS.List(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, name := range names {
		number, retired := strings.CutSuffix(name, retiredSuffix)
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil || n < 0 || strconv.FormatInt(n, 10) != number {
			continue
		}
		switch {
		case !def.isMade(log.Partition(n)):
			err = b.clearUnused(path.Join(dir, name))
		case retired || def.stateOf(log.Partition(n)) == log.StateRetired:
			err = b.clearRetired(dir, log.Partition(n))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// clearUnused removes the folder of a partition that the topic's file does not know, unless there are records in it: then the file
// is older than the folder, and that is somebody's accident.
func (b *Broker) clearUnused(dir string) error {
	fs := b.opts.FS
	names, err := fs.List(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		if written, err := beginsWritten(fs, path.Join(dir, name)); err != nil || written {
			return errors.Join(err, log.NewError(log.Corrupt, "open "+dir, "%s holds records but the topic's %s does not know the partition: "+
				"restore the newest copy of that file, or remove the folder if its records are not wanted", name, settingsFile))
		}
	}
	if err := fs.RemoveAll(dir); err != nil {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	return fs.SyncDir(path.Dir(dir))
}

// beginsWritten reports whether there is anything but zeros where a segment's first batch would be.
func beginsWritten(fs vfs.FS, name string) (bool, error) {
	const header = 61
	f, err := fs.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return false, err
	}
	head := make([]byte, min(size, header))
	if _, err := f.ReadAt(head, 0); err != nil && size >= header {
		return false, err
	}
	return strings.Trim(string(head), "\x00") != "", nil
}

// errDraining is what appends to a partition get that is draining or retired.
func errDraining(tp log.TopicPartition, what string) error {
	return log.NewError(log.Draining, "append "+tp.String(), "the partition %s: it takes no more records", what)
}
