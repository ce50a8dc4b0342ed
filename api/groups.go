package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/log"
)

// groupService serves consumer groups.
type groupService struct{ *API }

// resetPartitionsMax bounds the partitions of one reset.
const resetPartitionsMax = 4096

// ListGroups lists groups by name.
func (s *groupService) ListGroups(ctx context.Context, req *connect.Request[lodgev1.ListGroupsRequest]) (*connect.Response[lodgev1.ListGroupsResponse], error) {
	after, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 1)
	if err != nil {
		return nil, err
	}
	all, err := s.deps.Log.ListGroups(ctx)
	if err != nil {
		return nil, err
	}
	if after != nil {
		all = slices.DeleteFunc(all, func(g log.GroupInfo) bool { return string(g.Group) <= after[0] })
	}
	res := &lodgev1.ListGroupsResponse{}
	for i := range min(len(all), pageSize(req.Msg.GetPageSize())) {
		g, err := s.summary(ctx, &all[i])
		if err != nil {
			return nil, err
		}
		if g != nil {
			res.Groups = append(res.Groups, g)
		}
		if i == pageSize(req.Msg.GetPageSize())-1 && i < len(all)-1 {
			res.NextPageToken = newPageToken(req.Msg, string(all[i].Group))
		}
	}
	return connect.NewResponse(res), nil
}

// summary is a group as lists have it: with its lag, but without what that is made of. nil: it was deleted meanwhile.
func (s *groupService) summary(ctx context.Context, info *log.GroupInfo) (*lodgev1.Group, error) {
	full, err := s.deps.Log.DescribeGroup(ctx, info.Group)
	if log.CodeOf(err) == log.UnknownGroup {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	g := toGroup(&full)
	g.Members, g.Offsets = nil, nil
	return g, nil
}

// GetGroup returns one group.
func (s *groupService) GetGroup(ctx context.Context, req *connect.Request[lodgev1.GetGroupRequest]) (*connect.Response[lodgev1.Group], error) {
	name, err := parseGroup(req.Msg.GetName(), groupsPrefix, "name")
	if err != nil {
		return nil, err
	}
	info, err := s.deps.Log.DescribeGroup(ctx, name)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(toGroup(&info)), nil
}

func toGroup(info *log.GroupInfo) *lodgev1.Group {
	g := &lodgev1.Group{
		Name: groupsPrefix + string(info.Group), State: string(info.State), Generation: int32(info.Generation),
		Protocol: info.Protocol, Leader: string(info.Leader), MemberCount: int32(len(info.Members)),
	}
	for i := range info.Members {
		m := &info.Members[i]
		member := &lodgev1.GroupMember{
			MemberId: string(m.Member), InstanceId: m.Instance, ClientId: m.ClientID,
			SessionTimeout: durationpb.New(m.SessionTimeout), RebalanceTimeout: durationpb.New(m.RebalanceTimeout),
			Assignment: partitionNames(m.Assignment),
		}
		for _, topic := range m.Topics {
			member.Topics = append(member.Topics, string(topic))
		}
		g.Members = append(g.Members, member)
	}
	for i := range info.Offsets {
		o := &info.Offsets[i]
		g.Lag += o.Lag
		g.Offsets = append(g.Offsets, &lodgev1.GroupOffset{
			Topic: string(o.Topic), Partition: int32(o.Partition), CommittedOffset: int64(o.Offset), HighWatermark: int64(o.HighWatermark),
			Lag: o.Lag, Metadata: o.Metadata, CommitTime: timestamppb.New(o.CommitTime),
		})
	}
	return g
}

func partitionNames(tps []log.TopicPartition) []string {
	names := make([]string, len(tps))
	for i, tp := range tps {
		names[i] = tp.String()
	}
	return names
}

// ResetGroupOffsets sets where a group goes on, or says where that would be.
func (s *groupService) ResetGroupOffsets(ctx context.Context, req *connect.Request[lodgev1.ResetGroupOffsetsRequest]) (*connect.Response[lodgev1.ResetGroupOffsetsResponse], error) {
	name, err := parseGroup(req.Msg.GetName(), groupsPrefix, "name")
	if err != nil {
		return nil, err
	}
	committed, err := s.resettable(ctx, name, req.Msg)
	if err != nil {
		return nil, err
	}
	tps, err := s.resetPartitions(ctx, req.Msg, committed)
	if err != nil {
		return nil, err
	}
	to := make(map[log.TopicPartition]log.Offset, len(tps))
	for _, tp := range tps {
		if to[tp], err = s.resetOffset(ctx, req.Msg, tp); err != nil {
			return nil, err
		}
	}
	if !req.Msg.GetValidateOnly() {
		if err := s.deps.Log.ResetOffsets(ctx, name, to); err != nil {
			return nil, err
		}
	}
	res := &lodgev1.ResetGroupOffsetsResponse{}
	for _, tp := range tps {
		reset := &lodgev1.ResetGroupOffsetsResponse_OffsetReset{Topic: string(tp.Topic), Partition: int32(tp.Partition), NewOffset: int64(to[tp])}
		if old, ok := committed[tp]; ok {
			reset.OldOffset = new(int64(old))
		}
		res.Resets = append(res.Resets, reset)
	}
	return connect.NewResponse(res), nil
}

// resettable returns what a group has committed, if it has no members.
func (s *groupService) resettable(ctx context.Context, name log.Group, req *lodgev1.ResetGroupOffsetsRequest) (map[log.TopicPartition]log.Offset, error) {
	info, err := s.deps.Log.DescribeGroup(ctx, name)
	if log.CodeOf(err) == log.UnknownGroup && len(req.GetTopics())+len(req.GetPartitions()) > 0 {
		err = nil // it is made
	}
	if err != nil {
		return nil, err
	}
	if len(info.Members) > 0 {
		return nil, domain.Errorf(ReasonGroupNotEmpty, "name", "group %s has %d members: stop them first", name, len(info.Members))
	}
	committed := make(map[log.TopicPartition]log.Offset, len(info.Offsets))
	for _, o := range info.Offsets {
		if o.HighWatermark != log.NoOffset { // the partition is there
			committed[o.TopicPartition] = o.Offset
		}
	}
	return committed, nil
}

// resetPartitions returns which partitions to reset, in order.
func (s *groupService) resetPartitions(ctx context.Context, req *lodgev1.ResetGroupOffsetsRequest, committed map[log.TopicPartition]log.Offset) ([]log.TopicPartition, error) {
	chosen := map[log.TopicPartition]bool{}
	if len(req.GetTopics())+len(req.GetPartitions()) == 0 {
		for tp := range committed {
			chosen[tp] = true
		}
	}
	for _, topic := range req.GetTopics() {
		info, err := s.topic(ctx, topic)
		if err != nil {
			return nil, err
		}
		for i := range info.Partitions {
			chosen[log.TopicPartition{Topic: info.Name, Partition: info.Partitions[i].Partition}] = true
		}
	}
	for i, text := range req.GetPartitions() {
		tp, err := parseTopicPartition(text, fmt.Sprintf("partitions[%d]", i))
		if err != nil {
			return nil, err
		}
		chosen[tp] = true
	}
	if len(chosen) > resetPartitionsMax {
		return nil, domain.Errorf(domain.InvalidArgument, "topics", "%d partitions are more than %d at a time", len(chosen), resetPartitionsMax)
	}
	return slices.SortedFunc(maps.Keys(chosen), log.TopicPartition.Compare), nil
}

// resetOffset returns where the group is to go on in one partition.
func (s *groupService) resetOffset(ctx context.Context, req *lodgev1.ResetGroupOffsetsRequest, tp log.TopicPartition) (log.Offset, error) {
	start, end, err := s.deps.Log.Offsets(ctx, tp)
	if err != nil {
		return 0, err
	}
	switch to := req.GetTo().(type) {
	case *lodgev1.ResetGroupOffsetsRequest_Beginning_:
		return start, nil
	case *lodgev1.ResetGroupOffsetsRequest_End_:
		return end, nil
	case *lodgev1.ResetGroupOffsetsRequest_Time:
		return s.deps.Log.OffsetForTime(ctx, tp, to.Time.AsTime())
	case *lodgev1.ResetGroupOffsetsRequest_Offset:
		if o := log.Offset(to.Offset); o < start || o > end {
			return 0, log.NewError(log.OffsetOutOfRange, "reset", "%s@%d is not in [%d, %d]", tp, o, start, end)
		}
		return log.Offset(to.Offset), nil
	}
	return 0, errors.New("a reset to nowhere has passed the shape rules")
}

// DeleteGroup forgets a group.
func (s *groupService) DeleteGroup(ctx context.Context, req *connect.Request[lodgev1.DeleteGroupRequest]) (*connect.Response[emptypb.Empty], error) {
	name, err := parseGroup(req.Msg.GetName(), groupsPrefix, "name")
	if err != nil {
		return nil, err
	}
	if err := s.deps.Log.DeleteGroup(ctx, name); err != nil {
		return nil, err
	}
	return connect.NewResponse(&emptypb.Empty{}), nil
}
