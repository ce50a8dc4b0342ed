package natsbridge

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest/leaktest"
)

// The test binary is also the processes that tests kill.
const (
	roleEnv = "LODGE_NATSBRIDGE_ROLE"
	argEnv  = "LODGE_NATSBRIDGE_ARG"
)

var killsFlag = flag.Int("kills", 20, "how often TestKill kills")

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleEnv); role {
	case "":
		os.Exit(m.Run())
	case "bridge":
		bridgeProcess(os.Getenv(argEnv))
	case "nats":
		natsProcess(os.Getenv(argEnv))
	default:
		panic(role)
	}
}

// process is another process, and the lines that it prints.
type process struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// spawn starts the test binary in a role. It is killed at the end of the test at the latest.
func spawn(t *testing.T, role, arg string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role, argEnv+"="+arg)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, lines: bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	return p
}

// kill is kill -9. It may be called again.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// await reads lines until one is this.
func (p *process) await(t *testing.T, line string) {
	t.Helper()
	for p.lines.Scan() {
		if p.lines.Text() == line {
			return
		}
	}
	t.Fatalf("the process ended before it said %q", line)
}

// natsProcess is a NATS server on the loopback address; arg is its port and its store.
func natsProcess(arg string) {
	port, dir, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(port)
	if err != nil {
		panic(err)
	}
	s, err := server.NewServer(&server.Options{
		Host: natsHost(os.Getppid()), Port: n, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true,
	})
	if err != nil {
		panic(err)
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		panic("not ready")
	}
	fmt.Println(s.Addr().(*net.TCPAddr).Port)
	s.WaitForShutdown()
}

// natsHost is the address of the servers that a test process starts: where the system has all of 127.0.0.0/8, one of its own, so that nobody takes their port while they are away.
func natsHost(pid int) string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	return fmt.Sprintf("127.%d.%d.%d", 64+pid>>16&63, pid>>8&255, 1+pid&127)
}

func natsURL(port int) string { return fmt.Sprintf("nats://%s:%d", natsHost(os.Getpid()), port) }

// natsServer starts a server process. Port 0 is any.
func natsServer(t *testing.T, port int, dir string) (*process, int) {
	t.Helper()
	p := spawn(t, "nats", fmt.Sprintf("%d %s", port, dir))
	if !p.lines.Scan() {
		t.Fatal("the NATS server does not start")
	}
	port, err := strconv.Atoi(p.lines.Text())
	if err != nil {
		t.Fatal(err)
	}
	return p, port
}

var killTopic = log.Topic("t")

const killPartitions = 2

// openOnDisk opens a log and its bridge in a folder.
func openOnDisk(dir string, opts Options) (*broker.Broker, *Bridge, error) {
	lg, err := broker.Open(filepath.Join(dir, "log"), broker.Options{})
	if err != nil {
		return nil, nil, err
	}
	err = lg.CreateTopic(context.Background(), killTopic, log.TopicConfig{Partitions: killPartitions})
	if err != nil && log.CodeOf(err) != log.TopicExists {
		return nil, nil, err
	}
	if opts.URL == "" {
		opts.StoreDir = filepath.Join(dir, "nats")
	}
	b, err := Open(context.Background(), lg, opts)
	return lg, b, err
}

// bridgeProcess schedules and fires until it is killed, and says what it begins and what is acknowledged. arg is the folder, the URL if any, and a prefix of ids.
func bridgeProcess(arg string) {
	part := strings.Split(arg, " ")
	lg, b, err := openOnDisk(part[0], Options{URL: part[1]})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	go func() { panic(lg.Run(ctx)) }()
	go func() { panic(b.Run(ctx)) }()
	fmt.Println("ready")
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() { live(ctx, b, fmt.Sprint(part[2], ".", w)) })
	}
	wg.Wait()
}

// live schedules, replaces and cancels for ever.
func live(ctx context.Context, b *Bridge, prefix string) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	for i := 0; ; i++ {
		id := fmt.Sprint(prefix, ".", i)
		schedule := func() int64 {
			in := time.Duration(rand.IntN(300)) * time.Millisecond
			if rand.IntN(3) == 0 {
				in += nearMin // through NATS
			}
			s, err := b.Schedule(ctx, log.Schedule{ID: id, At: time.Now().Add(in), Record: plain(killTopic, fmt.Sprint("k", i%5), id)})
			must(err)
			return s.Generation
		}
		fmt.Println("begin", id)
		fmt.Println("first", id, schedule())
		switch rand.IntN(6) {
		case 0:
			fmt.Println("replace", id)
			fmt.Println("second", id, schedule())
		case 1:
			fmt.Println("cancel", id)
			switch err := b.CancelSchedule(ctx, id); log.CodeOf(err) {
			case log.UnknownSchedule:
				fmt.Println("late", id)
			default:
				must(err)
				fmt.Println("canceled", id)
			}
		}
	}
}

// note takes in what a bridge process said.
func (l *ledger) note(line string) {
	word := strings.Fields(line)
	if len(word) < 2 {
		return
	}
	l.change(word[1], func(v *life) {
		switch word[0] {
		case "first":
			v.first, _ = strconv.ParseInt(word[2], 10, 64)
		case "second":
			v.second, _ = strconv.ParseInt(word[2], 10, 64)
		case "replace", "cancel":
			v.did = word[0]
		case "canceled":
			v.canceled = true
		case "late":
			v.late = true
		}
	})
}

// killBridges runs bridge processes in a folder, one after the other, and kills each at some moment. What they said is in the ledger.
func killBridges(t *testing.T, l *ledger, dir, url string, kills int, between func(i int)) {
	t.Helper()
	for i := range kills {
		p := spawn(t, "bridge", fmt.Sprint(dir, " ", url, " run", i))
		p.await(t, "ready")
		timer := time.AfterFunc(time.Duration(rand.IntN(400))*time.Millisecond, func() { _ = p.cmd.Process.Kill() })
		for p.lines.Scan() {
			l.note(p.lines.Text())
		}
		timer.Stop()
		p.kill()
		between(i)
	}
}

// finish opens the folder in this process, lets all fire and compares.
func (l *ledger) finish(t *testing.T, dir string, opts Options) Stats {
	t.Helper()
	opts.Logger = testLogger(t)
	lg, b, err := openOnDisk(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- lg.Run(ctx) }()
	go func() { done <- b.Run(ctx) }()
	awaitStats(t, b, func(s Stats) bool { return s.Pending == 0 })
	fired := map[string]map[int64]bool{}
	for p := range killPartitions {
		if err := collect(ctx, lg, log.TopicPartition{Topic: killTopic, Partition: log.Partition(p)}, fired, false); err != nil {
			t.Error(err)
		}
	}
	for id, v := range l.snapshot() {
		if err := v.compare(fired[id], v); err != nil {
			t.Errorf("schedule %s: %v: %+v, fired %v", id, err, v, fired[id])
		}
	}
	stats := b.Stats()
	cancel()
	for _, err := range []error{<-done, <-done, b.Close(), lg.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
	return stats
}

// awaitStats waits until what is said of b holds.
func awaitStats(t *testing.T, b *Bridge, holds func(Stats) bool) {
	t.Helper()
	end := time.Now().Add(60 * time.Second)
	for ticks := time.Tick(time.Millisecond); !holds(b.Stats()); <-ticks {
		if time.Now().After(end) {
			t.Fatalf("%+v", b.Stats())
		}
	}
}

// killTimes is what -kills says, or a fifth of it with -short.
func killTimes() int {
	if testing.Short() {
		return max(1, *killsFlag/5)
	}
	return *killsFlag
}

// TestKill kills the process of a log and its bridge again and again, with the embedded server.
func TestKill(t *testing.T) {
	leaktest.VerifyNone(t)
	dir, l := t.TempDir(), &ledger{lives: map[string]*life{}}
	killBridges(t, l, dir, "", killTimes(), func(i int) {
		if i%7 == 3 { // and the NATS store is lost
			if err := os.RemoveAll(filepath.Join(dir, "nats")); err != nil {
				t.Fatal(err)
			}
		}
	})
	s := l.finish(t, dir, Options{})
	t.Logf("%d schedules, %+v", len(l.lives), s)
}

// TestKillBothSides kills bridge processes and the NATS server that they share by URL, by turns and together.
func TestKillBothSides(t *testing.T) {
	leaktest.VerifyNone(t)
	dir, store, l := t.TempDir(), t.TempDir(), &ledger{lives: map[string]*life{}}
	nats, port := natsServer(t, 0, store)
	url := natsURL(port)
	killBridges(t, l, dir, url, max(1, killTimes()/4), func(i int) {
		if i%2 == 0 {
			nats.kill()
			nats, _ = natsServer(t, port, store)
		}
	})
	s := l.finish(t, dir, Options{URL: url})
	t.Logf("%d schedules, %+v", len(l.lives), s)
}
