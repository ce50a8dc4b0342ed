package api

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/log"
)

// eventFilter says which records of a topic a reader wants. It looks at headers and keys, never into values. The log does the choosing,
// by its tag indexes, where a topic's tags are the types of events.
type eventFilter struct {
	types map[string]bool // nil: all
	keys  map[string]bool // nil: all
	local bool            // a topic's tags are something else: types are looked at here
}

// request returns the filter for the log, or nil when it is to send all.
func (f *eventFilter) request() *log.Filter {
	var r log.Filter
	if !f.local {
		r.Tags = slices.Sorted(maps.Keys(f.types))
	}
	for _, key := range slices.Sorted(maps.Keys(f.keys)) {
		r.Keys = append(r.Keys, []byte(key))
	}
	if r.All() {
		return nil
	}
	return &r
}

// newEventFilter refuses types that do not exist, because waiting for one would be in vain.
func newEventFilter(types, keys []string) (eventFilter, error) {
	f := eventFilter{types: setOf(types), keys: setOf(keys)}
	for i, t := range types {
		if event.Default().Kind(t) == nil {
			return f, domain.Errorf(domain.InvalidArgument, fmt.Sprintf("types[%d]", i), "%.80q is not a type of event", t)
		}
	}
	if err := f.request().Validate(); err != nil {
		return f, domain.Errorf(domain.InvalidArgument, "keys", "there are more of them than %d, or more than %d bytes", log.FilterKeysMax, log.FilterBytesMax)
	}
	return f, nil
}

func setOf(values []string) map[string]bool {
	if len(values) == 0 {
		return nil
	}
	set := make(map[string]bool, len(values))
	for _, v := range values {
		set[v] = true
	}
	return set
}

func (f eventFilter) match(r *log.Record) bool {
	if f.keys != nil && !f.keys[string(r.Key)] {
		return false
	}
	if f.types == nil {
		return true
	}
	t, _ := r.Header(event.HeaderType)
	return f.types[string(t)]
}

// partitions returns the partitions of a topic that may hold what the filter wants, of those asked for (none: all), in order. It
// notes in the filter when the topic's tags are not types.
func (a *API) partitions(ctx context.Context, topic string, asked []int32, f *eventFilter) ([]log.TopicPartition, error) {
	info, err := a.topic(ctx, topic)
	if err != nil {
		return nil, err
	}
	f.local = f.local || info.Config.TagHeader != event.HeaderType
	n := len(info.Partitions)
	homes := map[log.Partition]bool{}
	for key := range f.keys {
		homes[log.PartitionForKey([]byte(key), n)] = true
	}
	var chosen []log.TopicPartition
	for i := range log.Partition(n) {
		if (len(asked) == 0 || slices.Contains(asked, int32(i))) && (f.keys == nil || homes[i]) {
			chosen = append(chosen, log.TopicPartition{Topic: info.Name, Partition: i})
		}
	}
	for i, p := range asked {
		if int(p) >= n {
			return nil, domain.Errorf(domain.InvalidArgument, fmt.Sprintf("partitions[%d]", i), "topic %s has partitions 0 to %d", topic, n-1)
		}
	}
	return chosen, nil
}

// topic describes one of the topics that may be read from outside.
func (a *API) topic(ctx context.Context, name string) (log.TopicInfo, error) {
	topic := log.Topic(name)
	if topic.Validate() != nil {
		return log.TopicInfo{}, domain.Errorf(ReasonTopicNotFound, "topic", "there is no topic %.250q", name)
	}
	info, err := a.deps.Log.DescribeTopic(ctx, topic)
	if log.CodeOf(err) == log.UnknownTopic {
		return info, domain.Errorf(ReasonTopicNotFound, "topic", "there is no topic %s", name)
	}
	return info, err
}

// toEvent makes the API's form of a record.
func (a *API) toEvent(r *log.Record) (*lodgev1.Event, error) {
	e, err := decodeRecord(r)
	if err != nil && !platformTopic(r.Topic) {
		return nil, domain.Errorf(domain.InvalidArgument, "topic",
			"the record at %s is no event of the platform; events lie in the topics %v, other records are read by MessageService", r.Position(), commands.Topics())
	}
	if err != nil {
		return nil, err
	}
	return a.eventOf(e, r.Position())
}

func decodeRecord(r *log.Record) (*event.Envelope, error) {
	e, err := event.Decode(r.Value, r.HeaderValue)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.Position(), err)
	}
	return e, nil
}

// eventOf makes the API's form of an event.
func (a *API) eventOf(e *event.Envelope, at log.Position) (*lodgev1.Event, error) {
	if err := a.openEvent(e); err != nil {
		return nil, fmt.Errorf("open %s: %w", at, err)
	}
	data, err := anypb.New(e.Message)
	if err != nil {
		return nil, fmt.Errorf("pack %s of %s: %w", e.Type, at, err)
	}
	answer := &lodgev1.Event{
		Id:            e.ID,
		Type:          e.Type,
		Source:        e.Source,
		Time:          timestamppb.New(e.Time),
		CorrelationId: e.CorrelationID,
		CausationId:   e.CausationID,
		Command:       e.Command,
		Actor:         e.Actor,
		Reason:        e.Reason,
		Hotel:         hotelName(e.HotelID),
		Position:      at.String(),
		Data:          data,
	}
	if e.RequestID != uuid.Nil {
		answer.RequestId = uuid.UUID(e.RequestID).String()
	}
	return answer, nil
}
