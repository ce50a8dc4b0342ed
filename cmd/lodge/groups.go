package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
)

// groupsCommand looks after consumer groups.
type groupsCommand struct {
	List     groupsList     `cmd:"" default:"withargs" help:"List consumer groups with their lag."`
	Describe groupsDescribe `cmd:"" help:"Show members, assignment, committed offsets and lag of a group."`
	Reset    groupsReset    `cmd:"" help:"Set where a group without members goes on."`
	Delete   groupsDelete   `cmd:"" help:"Forget a group without members."`
}

// Help shows examples.
func (groupsCommand) Help() string {
	return `Examples:
  lodge groups
  lodge groups describe billing
  lodge groups reset billing --to beginning --dry-run
  lodge groups delete billing`
}

// groups calls f with the groups' service of a data folder's server.
func groups(ctx context.Context, dir string, f func(lodgev1connect.GroupServiceClient) error) error {
	return withServer(ctx, dir, func(s *server) error { return f(lodgev1connect.NewGroupServiceClient(s.client, s.url)) })
}

type groupsList struct {
	dataFlag
	JSON bool `help:"One JSON object a line."`
}

// Help shows examples.
func (groupsList) Help() string {
	return `Examples:
  lodge groups
  lodge groups --json`
}

// Run implements the command.
func (c *groupsList) Run(ctx context.Context, m *Main) error {
	return groups(ctx, c.Data, func(client lodgev1connect.GroupServiceClient) error {
		t := newTable(m.Stdout, c.JSON, "GROUP", "STATE", "MEMBERS", "GENERATION", "ASSIGNOR", "LAG")
		return t.flushed(eachPage(func(token string) (string, error) {
			res, err := client.ListGroups(ctx, connect.NewRequest(&lodgev1.ListGroupsRequest{PageSize: 1000, PageToken: token}))
			if err != nil {
				return "", err
			}
			for _, g := range res.Msg.GetGroups() {
				t.row(g, lastPart(g.GetName()), g.GetState(), g.GetMemberCount(), g.GetGeneration(), dash(g.GetProtocol()), g.GetLag())
			}
			return res.Msg.GetNextPageToken(), nil
		}))
	})
}

// dash stands for nothing in a table.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type groupsDescribe struct {
	dataFlag
	Group string `arg:"" help:"The group."`
	JSON  bool   `help:"Print the group as JSON."`
}

// Help shows examples.
func (groupsDescribe) Help() string {
	return `Examples:
  lodge groups describe billing`
}

// Run implements the command.
func (c *groupsDescribe) Run(ctx context.Context, m *Main) error {
	return groups(ctx, c.Data, func(client lodgev1connect.GroupServiceClient) error {
		res, err := client.GetGroup(ctx, connect.NewRequest(&lodgev1.GetGroupRequest{Name: "groups/" + c.Group}))
		if err != nil {
			return err
		}
		if c.JSON {
			t := newTable(m.Stdout, true)
			t.row(res.Msg)
			return t.flush()
		}
		return c.show(m, res.Msg)
	})
}

func (c *groupsDescribe) show(m *Main, g *lodgev1.Group) error {
	fmt.Fprintf(m.Stdout, "%s: %s, generation %d, %d members, lag %d\n\n", lastPart(g.GetName()), g.GetState(), g.GetGeneration(), g.GetMemberCount(), g.GetLag())
	owners := map[string]string{}
	members := newTable(m.Stdout, false, "MEMBER", "CLIENT", "INSTANCE", "SESSION", "PARTITIONS")
	for _, member := range g.GetMembers() {
		name := member.GetMemberId()
		if name == g.GetLeader() {
			name += " (leader)"
		}
		for _, tp := range member.GetAssignment() {
			owners[tp] = member.GetMemberId()
		}
		members.row(member, name, dash(member.GetClientId()), dash(member.GetInstanceId()), member.GetSessionTimeout().AsDuration(),
			dash(strings.Join(member.GetAssignment(), " ")))
	}
	if err := members.flush(); err != nil {
		return err
	}
	fmt.Fprintln(m.Stdout)
	offsets := newTable(m.Stdout, false, "TOPIC", "PARTITION", "COMMITTED", "HIGH WATERMARK", "LAG", "COMMIT TIME", "MEMBER")
	for _, o := range g.GetOffsets() {
		tp := fmt.Sprintf("%s/%d", o.GetTopic(), o.GetPartition())
		offsets.row(o, o.GetTopic(), o.GetPartition(), o.GetCommittedOffset(), o.GetHighWatermark(), o.GetLag(),
			o.GetCommitTime().AsTime().Format(time.RFC3339), dash(owners[tp]))
		delete(owners, tp)
	}
	for _, tp := range slices.Sorted(maps.Keys(owners)) { // assigned, and nothing is committed yet
		topic, number, _ := strings.Cut(tp, "/")
		offsets.row(nil, topic, number, "-", "-", "-", "-", owners[tp])
	}
	return offsets.flush()
}

type groupsReset struct {
	dataFlag
	Group     string   `arg:"" help:"The group. One that is not there is made, if --topic or --partition says for what."`
	To        string   `help:"Where to go on: beginning, end, a time (2026-07-01T00:00:00Z), a duration back (24h) or an offset (1024)." required:""`
	Topic     []string `help:"All partitions of these topics; without --topic and --partition all that the group has committed something for." placeholder:"TOPIC"`
	Partition []string `help:"These partitions: TOPIC/NUMBER." placeholder:"TOPIC/NUMBER"`
	DryRun    bool     `help:"Change nothing; show what would be."`
	JSON      bool     `help:"One JSON object a line."`
}

// Help shows examples.
func (groupsReset) Help() string {
	return `The group must have no members: stop its consumers first.

Examples:
  lodge groups reset billing --to beginning --dry-run
  lodge groups reset billing --to 24h --topic orders
  lodge groups reset billing --to 1024 --partition orders/0`
}

// Run implements the command.
func (c *groupsReset) Run(ctx context.Context, m *Main) error {
	req := &lodgev1.ResetGroupOffsetsRequest{Name: "groups/" + c.Group, Topics: c.Topic, Partitions: c.Partition, ValidateOnly: c.DryRun}
	if err := c.to(req, time.Now()); err != nil {
		return err
	}
	return groups(ctx, c.Data, func(client lodgev1connect.GroupServiceClient) error {
		res, err := client.ResetGroupOffsets(ctx, connect.NewRequest(req))
		if err != nil {
			return err
		}
		t := newTable(m.Stdout, c.JSON, "TOPIC", "PARTITION", "OLD", "NEW")
		for _, r := range res.Msg.GetResets() {
			old := "-"
			if r.OldOffset != nil {
				old = strconv.FormatInt(r.GetOldOffset(), 10)
			}
			t.row(r, r.GetTopic(), r.GetPartition(), old, r.GetNewOffset())
		}
		if err := t.flush(); err != nil || !c.DryRun || c.JSON {
			return err
		}
		_, err = fmt.Fprintln(m.Stdout, "nothing was changed: without --dry-run it is")
		return err
	})
}

// to says where the group is to go on.
func (c *groupsReset) to(req *lodgev1.ResetGroupOffsetsRequest, now time.Time) error {
	switch c.To {
	case "beginning":
		req.To = &lodgev1.ResetGroupOffsetsRequest_Beginning_{Beginning: &lodgev1.ResetGroupOffsetsRequest_Beginning{}}
		return nil
	case "end":
		req.To = &lodgev1.ResetGroupOffsetsRequest_End_{End: &lodgev1.ResetGroupOffsetsRequest_End{}}
		return nil
	}
	if offset, err := strconv.ParseInt(c.To, 10, 64); err == nil {
		req.To = &lodgev1.ResetGroupOffsetsRequest_Offset{Offset: offset}
		return nil
	}
	t, err := parseTime(c.To, now)
	if err != nil {
		return fmt.Errorf("--to %q is no beginning, end, time, duration or offset", c.To)
	}
	req.To = &lodgev1.ResetGroupOffsetsRequest_Time{Time: timestamppb.New(t)}
	return nil
}

// parseTime reads a time or a duration back from now, which is not negative.
func parseTime(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Parse(time.RFC3339, s)
}

type groupsDelete struct {
	dataFlag
	Group string `arg:"" help:"The group."`
}

// Help shows examples.
func (groupsDelete) Help() string {
	return `Its committed offsets are forgotten: consumers that join again begin as in a new group.

Examples:
  lodge groups delete billing`
}

// Run implements the command.
func (c *groupsDelete) Run(ctx context.Context, m *Main) error {
	return groups(ctx, c.Data, func(client lodgev1connect.GroupServiceClient) error {
		if _, err := client.DeleteGroup(ctx, connect.NewRequest(&lodgev1.DeleteGroupRequest{Name: "groups/" + c.Group})); err != nil {
			return err
		}
		_, err := fmt.Fprintln(m.Stdout, "deleted", c.Group)
		return err
	})
}
