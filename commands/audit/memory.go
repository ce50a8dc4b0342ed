package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lodge/log"
	"lodge/log/vfs"
)

// memory is what Run keeps in Options.Dir between two runs:
//
//	verified.json      how far, and the files below with their SHA-256; itself with a checksum
//	state-<n>/         one file for each partition and share of ids, as encode.go writes them
//
// verified.json is replaced when a run has passed and its files are there, durably, in a new folder; then the old folder goes. So whatever happens, there is one
// whole memory or none. What is not whole, or not of this log, is not believed: everything is read again.
type memory struct {
	dir   string
	old   index
	next  index
	usage bool // old is gone on from
}

// memoryFormat is raised when what is remembered changes its form or what it must hold, so that it is made anew.
const memoryFormat = 1

// index is verified.json.
type index struct {
	Format     int              `json:"format"`
	Run        int64            `json:"run"`
	Partitions []rememberedPart `json:"partitions"`
	Checksum   string           `json:"checksum"` // SHA-256 of the rest
}

type rememberedPart struct {
	Topics []rememberedTopic `json:"topics"`
	Files  []string          `json:"files"` // SHA-256, by share
}

// rememberedTopic says up to where a partition was read, and the last two links of its chain.
type rememberedTopic struct {
	End    int64  `json:"end"`
	Before string `json:"before"`
	Head   string `json:"head"`
}

const indexName = "verified.json"

func (x *index) checksum() string {
	bare := *x
	bare.Checksum = ""
	text, err := json.Marshal(&bare)
	if err != nil {
		panic(err) // numbers and text
	}
	return Hash(sha256.Sum256(text)).String()
}

// remember reads what is remembered, and sets up the cuts to go on from it.
func (a *auditor) remember(ctx context.Context) error {
	if a.opts.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(a.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	a.memory = &memory{dir: a.opts.Dir}
	a.cuts = make([]cut, a.opts.Partitions)
	text, err := os.ReadFile(filepath.Join(a.opts.Dir, indexName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if err := a.memory.read(ctx, a, text); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		a.report.Restarted = err.Error()
	}
	return nil
}

// read takes over an index. The error says why it is of no use.
func (m *memory) read(ctx context.Context, a *auditor, text []byte) error {
	var x index
	if err := json.Unmarshal(text, &x); err != nil {
		return fmt.Errorf("%s is damaged: %w", indexName, err)
	}
	if x.Format != memoryFormat || x.Checksum != x.checksum() {
		return fmt.Errorf("%s is damaged, or of another version", indexName)
	}
	m.old = index{Run: x.Run}
	if a.opts.Full {
		return nil
	}
	if len(x.Partitions) != a.opts.Partitions {
		return fmt.Errorf("%d partitions are remembered, there are %d", len(x.Partitions), a.opts.Partitions)
	}
	cuts := make([]cut, len(x.Partitions))
	for n := range x.Partitions {
		if err := x.Partitions[n].into(&cuts[n]); err != nil {
			return err
		}
		if err := m.same(ctx, a.reader, log.Partition(n), &cuts[n]); err != nil {
			return err
		}
		if err := m.whole(&x, n); err != nil {
			return err
		}
	}
	m.old, m.usage, a.cuts = x, true, cuts
	return nil
}

// into sets up the cut that goes on from here.
func (r *rememberedPart) into(c *cut) error {
	c.shares = len(r.Files)
	if len(r.Topics) != topicCount || c.shares < 1 || c.shares&(c.shares-1) != 0 {
		return fmt.Errorf("%s is of another version", indexName)
	}
	for topic, t := range r.Topics {
		c.from[topic] = log.Offset(t.End)
		if _, err := hex.Decode(c.chains[topic].head[:], []byte(t.Head)); err != nil {
			return fmt.Errorf("%s: %w", indexName, err)
		}
		if _, err := hex.Decode(c.chains[topic].before[:], []byte(t.Before)); err != nil {
			return fmt.Errorf("%s: %w", indexName, err)
		}
	}
	return nil
}

// same demands that the last record which was read of each topic is still the one that it was: otherwise it is another log.
func (m *memory) same(ctx context.Context, reader log.Reader, n log.Partition, c *cut) error {
	for topic, from := range c.from {
		if from == 0 {
			continue
		}
		tp := log.TopicPartition{Topic: topicNames[topic], Partition: n}
		_, high, err := reader.Offsets(ctx, tp)
		if err != nil {
			return err
		}
		if high < from {
			return fmt.Errorf("%s has %d records and %d were verified: it is another log", tp, high, from)
		}
		last := cursor{reader: reader, tp: tp, next: from - 1}
		r, err := last.read(ctx)
		if err != nil {
			return err
		}
		link := chain{head: c.chains[topic].before}
		if link.add(r); link.head != c.chains[topic].head {
			return fmt.Errorf("%s is not the record that was verified", r.Position())
		}
	}
	return nil
}

// whole demands that the files of a partition are what they were.
func (m *memory) whole(x *index, n int) error {
	for share, want := range x.Partitions[n].Files {
		b, err := os.ReadFile(m.file(x, n, share))
		if err != nil {
			return err
		}
		if sum := Hash(sha256.Sum256(b)); sum.String() != want {
			return fmt.Errorf("%s is damaged", m.file(x, n, share))
		}
	}
	return nil
}

func (m *memory) folder(x *index) string { return filepath.Join(m.dir, fmt.Sprintf("state-%d", x.Run)) }

func (m *memory) file(x *index, n, share int) string {
	return filepath.Join(m.folder(x), fmt.Sprintf("%d-%d", n, share))
}

// begin makes the folder of the run that is to be remembered, without what a run that did not end may have left there.
func (m *memory) begin(a *auditor) error {
	m.next = index{Format: memoryFormat, Run: m.old.Run + 1, Partitions: make([]rememberedPart, len(a.cuts))}
	if err := os.RemoveAll(m.folder(&m.next)); err != nil {
		return err
	}
	return os.MkdirAll(m.folder(&m.next), 0o700)
}

// restore gives a pass what is remembered of its share.
func (m *memory) restore(p *pass) error {
	if !m.usage {
		return nil
	}
	files := m.old.Partitions[p.n].Files
	share := int(p.ids.share) % len(files)
	name := m.file(&m.old, int(p.n), share)
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	d := &decoder{b: b}
	p.restore(d, int(p.ids.share) == share)
	if err := d.end(); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// save writes what is to be remembered of a pass.
func (m *memory) save(p *pass) error {
	e := new(encoder)
	p.save(e)
	part := &m.next.Partitions[p.n]
	part.Files = append(part.Files, Hash(sha256.Sum256(e.b)).String())
	return vfs.AtomicWriteFile(vfs.Default, m.file(&m.next, int(p.n), int(p.ids.share)), e.b)
}

// commit makes what was saved what is remembered.
func (m *memory) commit(a *auditor) error {
	for n := range a.cuts {
		c := &a.cuts[n]
		for topic := range c.ends {
			end, link := c.ends[topic], &c.chains[topic]
			if topic == inventoryTopic {
				end, link = c.mark, &c.marked
			}
			m.next.Partitions[n].Topics = append(m.next.Partitions[n].Topics,
				rememberedTopic{End: int64(end), Before: link.before.String(), Head: link.head.String()})
		}
	}
	m.next.Checksum = m.next.checksum()
	text, err := json.Marshal(&m.next)
	if err != nil {
		return err
	}
	if err := vfs.AtomicWriteFile(vfs.Default, filepath.Join(m.dir, indexName), text); err != nil {
		return err
	}
	return os.RemoveAll(m.folder(&m.old))
}
