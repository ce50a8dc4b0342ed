package broker

import (
	"context"
	"errors"
	"fmt"
	"path"

	"lodge/log"
	"lodge/log/vfs"
)

// How a topic changes
//
// What a topic is, its definition, is one file that is replaced by one rename. A change writes the new file first and takes
// effect in memory when that is durable. When the write fails nobody knows which of the two files a crash would leave, so the old one is
// written again; if that fails too the topic is unsettled: it goes on by the old definition, takes no appends that are routed
// by a layout (should the file on disk have the new one, they would count as that one's), and every housekeeping tries to write the old file again.

// AlterTopic implements log.TopicChanger. change is called once, with other topics' changes waiting: it must not call
// the broker. A zero field gets its default. The settings are in force for all appends that begin after it returned, and for those under way at their next commit.
// After a change to durability sync everything acknowledged before is on disk too.
//
// Codes: UnknownTopic, InvalidTopic, Closed: nothing was changed. Poisoned: the settings were changed, but in a partition what was there
// before could not be synced, which takes no more appends.
func (b *Broker) AlterTopic(_ context.Context, name log.Topic, change func(*log.TopicConfig)) error {
	op := "alter topic " + string(name)
	b.admin.Lock()
	defer b.admin.Unlock()
	t, err := b.changeable(name, op)
	if err != nil {
		return err
	}
	def := t.state.Load().definition
	config := def.config
	change(&config)
	config = config.WithDefaults()
	switch {
	case config.Partitions != def.config.Partitions:
		return log.NewError(log.InvalidTopic, op, "the number of partitions is no setting: add or retire some")
	case config.PointToPoint != def.config.PointToPoint:
		return log.NewError(log.InvalidTopic, op, "a topic is point-to-point from its creation on or never")
	}
	if err := validateConfig(config); err != nil {
		return err
	}
	def.config = config
	if err := b.redefine(t, def, t.state.Load().partitions); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := t.alterPartitions(&config); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// changeable returns the topic of this name. admin must be held.
func (b *Broker) changeable(name log.Topic, op string) (*topic, error) {
	t := (*b.topics.Load())[name]
	switch {
	case b.closed.Load():
		return nil, errClosed(op)
	case t == nil:
		return nil, log.NewError(log.UnknownTopic, op, "no such topic")
	}
	return t, nil
}

// redefine makes def and partitions the topic's, or leaves the old ones. Then all appends go by what the topic is. admin must be held.
func (b *Broker) redefine(t *topic, def definition, partitions []*partition) error {
	defer t.resume()
	err := b.writeDefinition(t, def)
	if err == nil {
		t.unsettled = nil
		t.state.Store(newTopicState(def, partitions))
		return nil
	}
	if t.unsettled = b.writeDefinition(t, t.state.Load().definition); t.unsettled != nil {
		b.opts.Logger.Error("a topic's file may be the old or the new one", "topic", string(t.name), "error", t.unsettled)
	}
	return err
}

func (b *Broker) writeDefinition(t *topic, def definition) error {
	contents, err := encodeSettings(t.name, t.created, def)
	if err != nil {
		return err
	}
	return vfs.AtomicWriteFile(b.opts.FS, path.Join(t.dir, settingsFile), contents)
}

// alterPartitions puts settings in force in all partitions. admin must be held.
func (t *topic) alterPartitions(config *log.TopicConfig) error {
	partitions := t.live()
	errs := make([]error, len(partitions))
	each(partitions, func(n int, p *partition) { errs[n] = p.alter(config) })
	return errors.Join(errs...)
}

// alter puts settings in force, between two commits.
func (p *partition) alter(config *log.TopicConfig) error {
	p.acquire()
	defer p.release()
	before := p.settings.Swap(config)
	if err := p.refusal(); err != nil {
		if log.CodeOf(err) == log.Poisoned && before.Durability != log.Sync && config.Durability == log.Sync {
			return err
		}
		return nil // it takes no more appends, under any settings
	}
	if err := p.log.SetConfig(*config, p.zeroFilled()); err != nil {
		p.noticePoison("sync", err)
		return err
	}
	if config.Durability == log.Sync {
		p.unsynced.Store(0)
	}
	return nil
}
