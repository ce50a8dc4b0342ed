package watermill

import (
	"context"
	"sync"

	"lodge/log"
)

// topics makes topics that are missing, if it may.
type topics struct {
	admin  log.Admin
	config *log.TopicConfig // nil: it may not
	there  sync.Map         // log.Topic
}

// ensure returns nil when the topic is there, or when whoever uses it is to find out.
func (t *topics) ensure(ctx context.Context, name log.Topic) error {
	if t.config == nil {
		return nil
	}
	if _, known := t.there.Load(name); known {
		return nil
	}
	err := t.admin.CreateTopic(ctx, name, *t.config)
	if err != nil && log.CodeOf(err) != log.TopicExists {
		return err
	}
	t.there.Store(name, true)
	return nil
}
