package broker

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/vfs"
	"lodge/log/vfs/errorfs"
)

// queueModel is a consumer of a queue group, what it was told, and a log that loses power, is opened anew, and whose topic and group go and come back. It checks what is
// promised: what was acknowledged does not come again, unless to a group that was made anew; all else that the log still has comes; counts never go back; and a receipt
// answers for its own record alone.
type queueModel struct {
	*testing.T
	rng      *rand.Rand
	now      time.Time
	mem      *vfs.MemFS
	b        *Broker
	topic    log.TopicConfig
	appended int
	held     []log.Delivery
	acked    map[string]bool // by value: each is appended once
	seen     map[string]int  // deliveries
}

var modelQueue = log.QueueConfig{DeliveriesMax: -1, Visibility: time.Second}

func (m *queueModel) options() Options { return Options{Clock: func() time.Time { return m.now }} }

// at returns the value that lies at a place, or "".
func (m *queueModel) at(tp log.TopicPartition, offset log.Offset) string {
	m.Helper()
	found, err := m.b.Fetch(m.Context(), log.FetchRequest{TopicPartition: tp, Offset: offset})
	if err != nil && log.CodeOf(err) != log.OffsetOutOfRange {
		m.Fatal(err)
	}
	if len(found.Records) == 0 || found.Records[0].Offset != offset {
		return ""
	}
	return string(found.Records[0].Value)
}

func (m *queueModel) append() {
	mustAppend(m, m.b, job(log.Partition(m.rng.IntN(2))), batchOf(fmt.Sprint(m.appended)))
	m.appended++
}

func (m *queueModel) take(n int) (some bool) {
	m.Helper()
	got := receive(m, m.b, n)
	for _, d := range got {
		v := string(d.Record.Value)
		if m.acked[v] || d.Deliveries <= m.seen[v] {
			m.Fatalf("%s comes again, acknowledged: %v; delivery %d after %d", v, m.acked[v], d.Deliveries, m.seen[v])
		}
		m.seen[v] = d.Deliveries
	}
	m.held = append(m.held, got...)
	return len(got) > 0
}

// answer says something of a delivery, and reports whether that counts.
func (m *queueModel) answer(d log.Delivery, err error) bool {
	m.Helper()
	if err != nil {
		wantCode(m, err, log.VoidReceipt)
		return false
	}
	if is := m.at(d.Receipt.TopicPartition, d.Receipt.Offset); is != string(d.Record.Value) {
		m.Fatalf("the receipt of %s answers for %q", d.Record.Value, is)
	}
	return true
}

func (m *queueModel) ack(d log.Delivery) {
	m.Helper()
	if m.answer(d, m.b.Ack(m.Context(), "workers", d.Receipt)) {
		m.acked[string(d.Record.Value)] = true
	}
}

func (m *queueModel) nack(d log.Delivery) {
	m.answer(d, m.b.Nack(m.Context(), "workers", time.Duration(m.rng.IntN(3))*time.Second, "x", d.Receipt))
}

// share gives the group its topics, making it when it is missing.
func (m *queueModel) share(topic log.Topic) {
	m.Helper()
	if err := m.b.CreateQueue(m.Context(), "workers", []log.Topic{topic}, modelQueue); err != nil {
		m.Fatal(err)
	}
}

// lose is a power loss, before which something is given back, and behind which the process may die while it opens the log.
func (m *queueModel) lose() {
	if len(m.held) > 0 {
		m.nack(m.held[len(m.held)-1])
	}
	m.mem = m.mem.CrashClone(vfs.Randomly(m.rng))
	for range m.rng.IntN(3) {
		left := m.rng.IntN(12)
		opts := m.options()
		opts.FS = errorfs.Wrap(m.mem, mutations(func(errorfs.Op) error {
			if left--; left < 0 {
				return errorfs.ErrInjected
			}
			return nil
		}))
		if b, err := Open("dir", opts); err == nil {
			m.b = b
		}
		m.mem = m.mem.CrashClone(vfs.Randomly(m.rng))
	}
	m.b = open(m, m.mem, m.options())
}

func (m *queueModel) reopen() {
	if err := m.b.Close(); err != nil {
		m.Fatal(err)
	}
	m.b = open(m, m.mem, m.options())
}

func (m *queueModel) topicAnew() {
	m.now = m.now.Add(time.Millisecond)
	if err := m.b.DeleteTopic(m.Context(), "jobs"); err != nil {
		m.Fatal(err)
	}
	create(m, m.b, "jobs", m.topic)
}

func (m *queueModel) groupAnew() {
	if err := m.b.DeleteQueue(m.Context(), "workers"); err != nil {
		m.Fatal(err)
	}
	clear(m.acked)
	clear(m.seen)
	m.share("jobs")
}

// step does something.
func (m *queueModel) step() {
	holds := len(m.held) > 0
	switch k := m.rng.IntN(60); {
	case k < 15:
		m.append()
	case k < 24:
		m.take(1 + m.rng.IntN(3))
	case k < 36 && holds:
		m.ack(m.held[m.rng.IntN(len(m.held))])
	case k < 42 && holds:
		m.nack(m.held[m.rng.IntN(len(m.held))])
	case k < 45:
		m.now = m.now.Add(time.Duration(m.rng.IntN(1500)) * time.Millisecond)
	case k < 48:
		m.lose()
	case k < 51:
		m.reopen()
	case k == 51:
		m.topicAnew()
	case k == 52:
		m.groupAnew()
	case k == 53:
		m.share("others")
	case k < 60:
		m.share("jobs")
	}
}

// finish takes what is left, and checks that nothing stays.
func (m *queueModel) finish() {
	m.share("jobs")
	for some := true; some; {
		m.now = m.now.Add(3 * time.Second) // beyond every delay and deadline
		m.held = nil
		some = m.take(log.ReceiveMax)
		for _, d := range m.held {
			m.ack(d)
		}
	}
	for p := range log.Partition(2) {
		start, end, err := m.b.Offsets(m.Context(), job(p))
		if err != nil {
			m.Fatal(err)
		}
		for o := start; o < end; o++ {
			if v := m.at(job(p), o); v != "" && !m.acked[v] {
				m.Errorf("%s at %s@%d never came", v, job(p), o)
			}
		}
	}
}

// TestQueueAgainstModel lets a consumer work amid power losses, restarts, and topics and groups that are made anew.
func TestQueueAgainstModel(t *testing.T) {
	seeds(t, 300, func(t *testing.T, rng *rand.Rand) {
		m := &queueModel{T: t, rng: rng, now: time.UnixMilli(1_700_000_000_000), mem: vfs.NewMem(), acked: map[string]bool{}, seen: map[string]int{}}
		m.topic = log.TopicConfig{Partitions: 2, SegmentBytes: 4 << 10, Durability: []log.Durability{log.None, log.Interval, log.Sync}[rng.IntN(3)]}
		m.b = open(t, m.mem, m.options())
		create(t, m.b, "jobs", m.topic)
		create(t, m.b, "others", log.TopicConfig{})
		m.share("jobs")
		for range 150 {
			m.step()
		}
		m.finish()
	})
}
