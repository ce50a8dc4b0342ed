package group

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/log"
)

var update = flag.Bool("update", false, "write what the transcripts' commands bring about into testdata")

// A transcript is commands and what they bring about: lines with a command each, "----", the answers (to each behind its ">" when there are
// several), an empty line. Blocks that begin with # are for the reader. Of a group it shows, after each command that changed it: state, generation, protocol, leader, and the members,
// with j or s behind one whose join or sync waits; then when Tick is due next.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			contents, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replayTranscript(t, string(contents))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(contents) {
				t.Errorf("%s says something else than what happens; rewrite it with -update and look at the difference:\n%s", file, firstDifference(string(contents), got))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\nfile: %s\nnow:  %s", i+1, w[i], g[i])
		}
	}
	return "one is longer"
}

// replayTranscript runs a transcript's commands and returns it with the answers of now.
func replayTranscript(t *testing.T, contents string) string {
	var out strings.Builder
	s := &script{t: t, g: New("g", Config{})}
	for block := range strings.SplitSeq(strings.TrimSpace(contents), "\n\n") {
		question, _, isCommand := strings.Cut(block, "\n----")
		if !isCommand {
			fmt.Fprintf(&out, "%s\n\n", block)
			continue
		}
		fmt.Fprintf(&out, "%s\n----\n", question)
		several := strings.Contains(question, "\n")
		for line := range strings.SplitSeq(question, "\n") {
			if several {
				fmt.Fprintf(&out, "> %s\n", line)
			}
			out.WriteString(s.command(line))
		}
		out.WriteString("\n")
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// script is a transcript in progress.
type script struct {
	t     *testing.T
	g     *Group
	now   time.Duration
	calls Call
	shown string // the group as it was shown last
	args  map[string]string
	words []string // arguments without =
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (s *script) moment() Moment { return Moment{Elapsed: s.now, Wall: epoch.Add(s.now)} }

// command runs one command and returns what is to be shown.
func (s *script) command(line string) string {
	fields := strings.Fields(line)
	s.args, s.words = map[string]string{}, nil
	for _, f := range fields[1:] {
		if k, v, ok := strings.Cut(f, "="); ok {
			s.args[k] = v
		} else {
			s.words = append(s.words, f)
		}
	}
	run := map[string]func() string{
		"new": s.new, "at": s.at, "join": s.join, "sync": s.sync, "heartbeat": s.heartbeat, "leave": s.leave, "abandon": s.abandon,
		"tick": s.tick, "commit": s.commit, "offsets": s.offsets, "expire": s.expire, "kill": s.kill, "restart": s.restart,
	}[fields[0]]
	if run == nil {
		s.t.Fatalf("unknown command %q", line)
	}
	out := run()
	if now := s.show(); now != s.shown {
		out += now
		s.shown = now
	}
	return out
}

func (s *script) duration(key string, otherwise time.Duration) time.Duration {
	if s.args[key] == "" {
		return otherwise
	}
	d, err := time.ParseDuration(s.args[key])
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *script) number(key string, otherwise int) int {
	if s.args[key] == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s.args[key])
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *script) word(i int) string {
	if i < len(s.words) {
		return s.words[i]
	}
	return ""
}

func (s *script) new() string {
	s.g = New("g", Config{
		SessionTimeoutMin: s.duration("min", 0), SessionTimeoutMax: s.duration("max", 0), InitialRebalanceDelay: s.duration("delay", 0),
		MembersMax: s.number("members", 0), StateBytesMax: s.number("bytes", 0), OffsetsMax: s.number("offsets", 0),
	})
	s.g.generation = log.Generation(s.number("generation", 0))
	return ""
}

func (s *script) at() string {
	d, err := time.ParseDuration(s.word(0))
	if err != nil {
		s.t.Fatal(err)
	}
	s.now = d
	return ""
}

// join: the words are the id that a new member gets, or "as" and the id that it has.
func (s *script) join() string {
	s.calls++
	req := log.JoinRequest{
		Group: "g", Instance: s.args["instance"], ClientID: "c", ProtocolType: "consumer",
		SessionTimeout: s.duration("session", 10*time.Second), RebalanceTimeout: s.duration("rebalance", time.Minute),
	}
	fresh := log.MemberID(s.word(0))
	if fresh == "as" {
		fresh, req.Member = "", log.MemberID(s.word(1))
	}
	if kind, ok := s.args["type"]; ok {
		req.ProtocolType = kind
	}
	subscription := Subscription{Topics: []log.Topic{"t"}, Generation: log.NoGeneration}
	if topics, ok := s.args["topics"]; ok {
		subscription.Topics = nil
		for topic := range strings.SplitSeq(topics, ",") {
			subscription.Topics = append(subscription.Topics, log.Topic(topic))
		}
	}
	if owned, ok := s.args["owned"]; ok {
		subscription.Owned = []log.TopicPartition{s.partition(owned)}
	}
	metadata, err := subscription.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	protocols := "range"
	if p, ok := s.args["protocols"]; ok {
		protocols = p
	}
	for name := range strings.SplitSeq(protocols, ",") {
		if protocols != "" {
			req.Protocols = append(req.Protocols, log.GroupProtocol{Name: name, Metadata: metadata})
		}
	}
	return s.effects(s.g.Join(s.moment(), s.calls, fresh, req))
}

// sync: the word is the member; plan=a:p,b:q is the leader's.
func (s *script) sync() string {
	s.calls++
	req := log.SyncRequest{Group: "g", Generation: s.generation(), Member: log.MemberID(s.word(0)), Instance: s.args["instance"]}
	if plan, ok := s.args["plan"]; ok {
		req.Assignments = map[log.MemberID][]byte{}
		for entry := range strings.SplitSeq(plan, ",") {
			member, assignment, _ := strings.Cut(entry, ":")
			req.Assignments[log.MemberID(member)] = []byte(assignment)
		}
	}
	return s.effects(s.g.Sync(s.moment(), s.calls, req))
}

func (s *script) generation() log.Generation {
	return log.Generation(s.number("gen", int(s.g.generation)))
}

func (s *script) heartbeat() string {
	return s.outcome(s.g.Heartbeat(s.moment(), log.HeartbeatRequest{
		Generation: s.generation(), Member: log.MemberID(s.word(0)), Instance: s.args["instance"],
	}))
}

func (s *script) leave() string {
	var members []log.HeartbeatRequest
	for _, w := range s.words {
		members = append(members, log.HeartbeatRequest{Member: log.MemberID(w)})
	}
	if instance, ok := s.args["instance"]; ok {
		members = append(members, log.HeartbeatRequest{Instance: instance, Member: log.MemberID(s.args["member"])})
	}
	e, err := s.g.Leave(s.moment(), members)
	return s.outcome(err) + s.effects(e)
}

func (s *script) abandon() string {
	return s.effects(s.g.Abandon(s.moment(), Call(s.number("call", 0))))
}

func (s *script) tick() string { return s.effects(s.g.Tick(s.moment())) }

func (s *script) partition(text string) log.TopicPartition {
	topic, number, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(number)
	if err != nil {
		s.t.Fatal(err)
	}
	return log.TopicPartition{Topic: log.Topic(topic), Partition: log.Partition(n)}
}

// commit: the word is the member, none for an administrator; t/0=5 is an offset.
func (s *script) commit() string {
	req := log.CommitRequest{
		Generation: s.generation(), Member: log.MemberID(s.word(0)), Instance: s.args["instance"],
		Offsets: map[log.TopicPartition]log.CommittedOffset{},
	}
	if req.Member == "" {
		req.Generation = log.NoGeneration
	}
	for key := range s.args {
		if strings.Contains(key, "/") {
			req.Offsets[s.partition(key)] = log.CommittedOffset{
				Offset: log.Offset(s.number(key, 0)), CommitTime: s.moment().Wall, Metadata: strings.Repeat("m", s.number("metadata", 0)),
			}
		}
	}
	err := s.g.CheckCommit(s.moment(), req)
	if err == nil {
		s.g.SetOffsets(req.Offsets)
	}
	return s.outcome(err)
}

func (s *script) offsets() string {
	var lines []string
	for tp, c := range s.g.Offsets(nil) {
		lines = append(lines, fmt.Sprintf("%s at %d\n", tp, c.Offset))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (s *script) expire() string {
	out := ""
	for _, tp := range s.g.Expire(s.moment(), s.duration("after", 7*24*time.Hour)) {
		out += fmt.Sprintf("%s expired\n", tp)
	}
	if s.g.Expired(s.moment()) {
		out += "nothing is left\n"
	}
	return out
}

func (s *script) kill() string { return s.outcome(s.g.Kill(s.moment())) }

// restart stores the group and reads it back, as a process that was killed and started again.
func (s *script) restart() string {
	var replay Replay
	records := []log.Record{s.g.MetadataRecord()}
	for tp, c := range s.g.Offsets(nil) {
		records = append(records, OffsetRecord("g", tp, c))
	}
	for i := range records {
		if err := replay.Apply(&records[i]); err != nil {
			s.t.Fatal(err)
		}
	}
	var changed bool
	s.g, changed = Restore("g", s.g.config, s.moment(), replay.Groups["g"])
	if changed {
		return "changed, to be stored\n"
	}
	return ""
}

func (s *script) outcome(err error) string {
	if err == nil {
		return "ok\n"
	}
	return fmt.Sprintf("%v\n", err)
}

func (s *script) effects(e Effects) (out string) {
	if e.Store {
		out = "store\n"
	}
	for _, r := range e.Replies {
		switch {
		case r.Err != nil:
			out += fmt.Sprintf("#%d %v\n", r.Call, r.Err)
		case r.Join.Member != "":
			out += fmt.Sprintf("#%d joined generation %d as %s, %s, leader %s", r.Call, r.Join.Generation, r.Join.Member, r.Join.Protocol, r.Join.Leader)
			for i, m := range r.Join.Members {
				out += pick(i == 0, ", of ", " ") + string(m.Member) + pick(m.Instance != "", "("+m.Instance+")", "")
			}
			out += pick(r.Join.SkipAssignment, ", the plan stays", "") + "\n"
		default:
			out += fmt.Sprintf("#%d assigned %q\n", r.Call, r.Sync)
		}
	}
	return out
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// show describes the group.
func (s *script) show() string {
	g := s.g
	out := fmt.Sprintf("%s generation %d", g.state, g.generation)
	if g.protocol != "" {
		out += " " + g.protocol
	}
	if g.leader != "" {
		out += " leader " + string(g.leader)
	}
	for i, m := range g.members {
		out += pick(i == 0, ": ", " ") + string(m.id) + pick(m.join != 0, "/j", "") + pick(m.sync != 0, "/s", "")
	}
	if at, ok := g.NextDeadline(); ok {
		out += fmt.Sprintf("; due %v", at)
	}
	return out + "\n"
}
