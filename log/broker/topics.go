package broker

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"lodge/log"
	"lodge/log/vfs"
)

// How a topic comes and goes
//
// A topic is its topic file: the folder without one is no topic. Create makes and syncs the folders first
// and writes the file last, with one rename; Delete renames the file first, which is the deletion, and removes
// the rest from the leaves up. A crash in between leaves a folder that the next Open clears, but only
// where it may: an unfinished create holds no segments yet, an unfinished delete holds the renamed file until all else is
// gone. A folder with segments and neither file is somebody's accident and is refused.

// CreateTopic implements log.Admin. Codes: InvalidTopic, InvalidArgument (a point-to-point topic that several queue groups wait for), TopicExists,
// LimitReached (TopicsMax), Closed.
func (b *Broker) CreateTopic(_ context.Context, name log.Topic, config log.TopicConfig) error {
	if err := name.Validate(); err != nil {
		return err
	}
	config = config.WithDefaults()
	if err := validateConfig(config); err != nil {
		return err
	}
	if config.PointToPoint { // before admin, as CreateQueue does
		b.queues.making.Lock()
		defer b.queues.making.Unlock()
	}
	b.admin.Lock()
	defer b.admin.Unlock()
	topics := *b.topics.Load()
	switch {
	case b.closed.Load():
		return errClosed("create topic " + string(name))
	case topics[name] != nil:
		return log.NewError(log.TopicExists, "create topic "+string(name), "the topic is there")
	case len(topics) >= log.TopicsMax:
		return log.NewError(log.LimitReached, "create topic "+string(name), "there are %d topics", len(topics))
	}
	if config.PointToPoint {
		if b.queues.err != nil {
			return b.queues.err
		}
		if of := b.sharing(name); len(of) > 1 {
			return log.NewError(log.InvalidArgument, "create topic "+string(name), "a point-to-point topic has one queue group, and %q are there", of)
		}
	}
	t, err := b.createTopic(name, config)
	if err != nil {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	b.replaceTopics(func(m map[log.Topic]*topic) { m[name] = t })
	return nil
}

// createTopic makes the topic on disk and opens it.
func (b *Broker) createTopic(name log.Topic, config log.TopicConfig) (*topic, error) {
	fs, dir, created := b.opts.FS, b.topicDir(name), b.opts.Clock()
	if err := b.clearTopicDir(dir); err != nil { // what an earlier attempt left
		return nil, err
	}
	for n := range config.Partitions {
		if err := fs.MkdirAll(path.Join(dir, strconv.Itoa(n))); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(fs.SyncDir(dir), fs.SyncDir(path.Dir(dir))); err != nil {
		return nil, err
	}
	contents, err := encodeSettings(name, created, newDefinition(config))
	if err != nil {
		return nil, err
	}
	if err := vfs.AtomicWriteFile(fs, path.Join(dir, settingsFile), contents); err != nil {
		return nil, err
	}
	t := b.openTopic(name, newDefinition(config), created)
	for _, p := range t.live() {
		if p.gone != nil {
			return nil, errors.Join(p.gone, closeTopics(map[log.Topic]*topic{name: t}), b.bury(dir))
		}
	}
	return t, nil
}

// bury makes a folder's topic a deleted one, durably.
func (b *Broker) bury(dir string) error {
	err := b.opts.FS.Rename(path.Join(dir, settingsFile), path.Join(dir, tombstoneFile))
	if err != nil {
		return err
	}
	return b.opts.FS.SyncDir(dir)
}

// DeleteTopic implements log.Admin. Waiting appends and fetches, and those that come, return UnknownTopic. When it
// fails at its first step the topic stays; when it fails later the topic is gone, and the next Open or
// CreateTopic of the name removes what is left. What groups have committed for the topic is forgotten with it, durably when it returns: it goes on
// when ctx ends. (So a power loss behind a deletion that failed to be synced may bring the topic back without that.) Where groups cannot be read no topic but the log's own is deleted.
func (b *Broker) DeleteTopic(ctx context.Context, name log.Topic) error {
	op := "delete topic " + string(name)
	b.admin.Lock()
	defer b.admin.Unlock()
	t := (*b.topics.Load())[name]
	switch {
	case b.closed.Load():
		return errClosed(op)
	case t == nil:
		return log.NewError(log.UnknownTopic, op, "no such topic")
	case b.consumers.lost != nil && !name.Internal(): // one that is made anew under the name would get their offsets
		return fmt.Errorf("%s: %w", op, b.consumers.lost)
	}
	buryErr := b.bury(t.dir)
	if there, err := vfs.Exists(b.opts.FS, path.Join(t.dir, settingsFile)); buryErr != nil && there && err == nil {
		return fmt.Errorf("%s: %w", op, buryErr)
	}
	b.replaceTopics(func(m map[log.Topic]*topic) { delete(m, name) })
	for _, p := range t.live() {
		gone := log.NewError(log.UnknownTopic, "partition "+p.tp.String(), "the topic was deleted")
		if err := p.close(gone); err != nil {
			b.opts.Logger.Warn("closing a deleted partition", "partition", p.tp.String(), "error", err)
		}
	}
	err := errors.Join(buryErr, b.consumers.forgetTopic(context.WithoutCancel(ctx), name))
	if buryErr == nil { // else its files stay until the deletion is known to be durable
		err = errors.Join(err, b.clearTopicDir(t.dir))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// replaceTopics changes a copy of the map and puts it in the map's place. admin must be held.
func (b *Broker) replaceTopics(change func(map[log.Topic]*topic)) {
	topics := maps.Clone(*b.topics.Load())
	change(topics)
	b.topics.Store(&topics)
}

// clearTopicDir removes a folder that is not a topic, or not any more. It is refused with code Corrupt
// where the folder looks like a topic whose file was lost.
func (b *Broker) clearTopicDir(dir string) error {
	fs := b.opts.FS
	names, err := fs.List(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	if slices.Contains(names, settingsFile) {
		return log.NewError(log.TopicExists, "clear "+dir, "the folder holds a topic that is not open: open the log anew")
	}
	deleted := slices.Contains(names, tombstoneFile)
	if err := fs.SyncDir(dir); err != nil { // the deletion first: a power loss must not bring back a topic without its records
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	for _, name := range names {
		if name == tombstoneFile {
			continue
		}
		if err := b.clearPartitionDir(path.Join(dir, name), deleted); err != nil {
			return err
		}
	}
	if err := fs.SyncDir(dir); err != nil {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	if err := fs.RemoveAll(dir); err != nil {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	return fs.SyncDir(path.Dir(dir))
}

// clearPartitionDir removes one entry of a topic's folder.
func (b *Broker) clearPartitionDir(dir string, deleted bool) error {
	fs := b.opts.FS
	if info, err := fs.Stat(dir); err != nil || !info.Dir {
		return errors.Join(err, fs.Remove(dir))
	}
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".log") && !deleted {
			return log.NewError(log.Corrupt, "open "+dir, "%s is there but the topic's %s is missing: restore that file, "+
				"or remove the folder if the topic is not wanted", name, settingsFile)
		}
	}
	for _, name := range names {
		if err := fs.Remove(path.Join(dir, name)); err != nil {
			return fmt.Errorf("clear %s: %w", dir, err)
		}
	}
	if err := fs.SyncDir(dir); err != nil {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	return fs.RemoveAll(dir)
}

// DescribeTopic implements log.Admin. While a layout is being begun it waits until that has begun, or has failed to.
func (b *Broker) DescribeTopic(ctx context.Context, name log.Topic) (log.TopicInfo, error) {
	if t := (*b.topics.Load())[name]; t != nil {
		if begun := t.changing.Load(); begun != nil {
			select {
			case <-*begun:
			case <-ctx.Done():
				return log.TopicInfo{}, ctx.Err()
			}
		}
		return t.info(), nil
	}
	return log.TopicInfo{}, log.NewError(log.UnknownTopic, "describe topic "+string(name), "no such topic")
}

// ListTopics implements log.Admin.
func (b *Broker) ListTopics(context.Context) ([]log.TopicInfo, error) {
	topics := *b.topics.Load()
	infos := make([]log.TopicInfo, 0, len(topics))
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		infos = append(infos, topics[name].info())
	}
	return infos, nil
}

func (t *topic) info() log.TopicInfo {
	state := t.state.Load()
	earlier := len(state.layouts) - 1
	info := log.TopicInfo{
		Name: t.name, Config: state.config, CreateTime: t.created.Truncate(time.Microsecond),
		Layout: state.layout(), Earlier: state.layouts[:earlier:earlier],
	}
	for n, p := range state.partitions {
		if p != nil {
			of := p.info()
			of.State = state.stateOf(log.Partition(n))
			info.Partitions = append(info.Partitions, of)
		}
	}
	return info
}
