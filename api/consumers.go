package api

import (
	"context"
	"fmt"
	"sync"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
)

// consumers are the Consume streams that may commit, by name. At most as many as there are streams.
type consumers struct {
	mu   sync.Mutex
	open map[string]*consuming
}

// add enters a stream. The caller calls the result when the stream ends.
func (s *consumers) add(c *consuming) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]*consuming{}
	}
	s.open[c.name] = c
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, c.name)
	}
}

func (s *consumers) get(name string) *consuming {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[name]
}

// Commit stores how far a stream's caller has got.
func (s *messageService) Commit(ctx context.Context, req *connect.Request[lodgev1.CommitRequest]) (*connect.Response[lodgev1.CommitResponse], error) {
	c := s.consumers.get(req.Msg.GetConsumer())
	if c == nil {
		return nil, domain.Errorf(ReasonConsumerNotFound, "consumer", "no stream that commits is called %.80q, or it has ended", req.Msg.GetConsumer())
	}
	offsets, err := c.offsets(req.Msg.GetPositions())
	if err != nil {
		return nil, err
	}
	if err := c.consumer.Commit(ctx, offsets); err != nil {
		return nil, err
	}
	c.noteCommitted(offsets)
	return connect.NewResponse(&lodgev1.CommitResponse{}), nil
}

// offsets reads positions. None may lie behind what was sent: that would leave records out.
func (c *consuming) offsets(positions []string) (map[log.TopicPartition]log.Offset, error) {
	offsets := make(map[log.TopicPartition]log.Offset, len(positions))
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, text := range positions {
		field := fmt.Sprintf("positions[%d]", i)
		pos, ok, err := parsePosition(text, field)
		if err != nil {
			return nil, err
		}
		tp := pos.TopicPartition()
		if _, twice := offsets[tp]; twice || !ok {
			return nil, domain.Errorf(ReasonInvalidPosition, field, "%.300q is empty, or its partition is named twice", text)
		}
		if sent, ok := c.sent[tp]; ok && pos.Offset > sent {
			return nil, domain.Errorf(ReasonInvalidPosition, field, "%s has been sent up to %d only", tp, sent)
		}
		offsets[tp] = pos.Offset
	}
	return offsets, nil
}

func (c *consuming) noteCommitted(offsets map[log.TopicPartition]log.Offset) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for tp, o := range offsets {
		c.committed[tp] = max(c.committed[tp], o)
	}
	close(c.progress)
	c.progress = make(chan struct{})
}
