package commands

import (
	"fmt"

	"lodge/domain/event"
	"lodge/domain/hotel"
	"lodge/log"
)

// state is what one partition number's events amount to. It is a fold over the topics: as long as each event comes after what it rests on, events of different topics commute, so that it depends
// on how many of each were applied and not on how they were interleaved.
type state struct {
	hotels   map[string]*hotel.State
	requests *requests
	next     [topicCount]log.Offset // of each topic, all events before it are applied
}

func newState(opts Options) *state {
	return &state{
		hotels: make(map[string]*hotel.State),
		requests: newRequests(requestLimits{
			ttl:  uint32(opts.RequestTTL.Seconds()),
			kept: opts.RequestsKept,
			most: opts.RequestsMax,
		}),
	}
}

// events returns how many events were applied.
func (s *state) events() (n int64) {
	for _, next := range s.next {
		n += int64(next)
	}
	return n
}

// hotel returns the state of a hotel for deciding. That of an unknown hotel is blank and not kept.
func (s *state) hotel(id string) *hotel.State {
	if h := s.hotels[id]; h != nil {
		return h
	}
	return hotel.New()
}

// apply evolves the hotel of an event that is the next of its topic.
func (s *state) apply(topic int, e *event.Envelope) error {
	h := s.hotels[e.HotelID]
	if h == nil {
		h = hotel.New()
		s.hotels[e.HotelID] = h
	}
	if err := h.Evolve(e.Message); err != nil {
		return fmt.Errorf("apply %s at %s@%d to hotel %s: %w", e.Type, topicNames[topic], s.next[topic], e.HotelID, err)
	}
	s.next[topic]++
	return nil
}

// remember keeps the request of a command whose count events begin at base.
func (s *state) remember(e *event.Envelope, topic int, base log.Offset, count int) {
	if e.RequestID == (zeroID) {
		return
	}
	s.requests.put(requestEntry{
		id: e.RequestID, ref: newRequestRef(topic, base, count), time: unixSeconds(e.Time), fp: requestFP(e.RequestFingerprint),
	})
}
