package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lodge/log/logtest/leaktest"
)

var (
	seed  = flag.Uint64("seed", 0, "seed of random tests; 0: from the clock")
	kills = flag.Int("kills", 5, "how often TestKill kills the server")
)

// asLodge makes the test binary be the program: end-to-end tests run it again with this set.
const asLodge = "LODGE_TEST_AS_LODGE"

func TestMain(m *testing.M) {
	if os.Getenv(asLodge) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		lodge := Main{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
		os.Exit(lodge.Run(ctx, os.Args[1:]))
	}
	leaktest.VerifyTestMain(m)
}

// testSeed returns the seed to use and prints it.
func testSeed(t *testing.T) uint64 {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("replay with: go test ./cmd/lodge -run %s -args -seed=%d -kills=%d", t.Name(), s, *kills)
	return s
}

// limit is how long one process may take before the test gives up on it.
const limit = 2 * time.Minute

// lodge runs the program to its end.
func lodge(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// mustLodge runs the program, which must end well, and returns its standard output.
func mustLodge(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, code := lodge(t, args...)
	if code != 0 {
		t.Fatalf("lodge %s: exit code %d\n%s\n%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

func command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asLodge+"=1")
	return cmd
}

// process is a program that goes on.
type process struct {
	cmd    *exec.Cmd
	first  string // what it wrote up to the line that was waited for
	stderr *lockedBuffer
	ended  chan struct{} // closed when its output is at an end
}

// launch starts the program and waits until it has written a line that contains ready.
func launch(t *testing.T, ready string, args ...string) *process {
	t.Helper()
	p := &process{cmd: command(context.WithoutCancel(t.Context()), args...), stderr: &lockedBuffer{}, ended: make(chan struct{})}
	p.cmd.Stderr = p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t, syscall.SIGKILL) })
	in := bufio.NewReader(out)
	for !strings.Contains(p.first, ready) {
		line, err := in.ReadString('\n')
		p.first += line
		if err != nil {
			_ = p.cmd.Wait()
			t.Fatalf("lodge %s ended: %v\n%s%s", strings.Join(args, " "), err, p.first, p.stderr)
		}
	}
	go func() {
		defer close(p.ended)
		_, _ = io.Copy(io.Discard, in)
	}()
	return p
}

// end signals the process, if it still runs, waits and returns its exit code.
func (p *process) end(t *testing.T, sig os.Signal) int {
	t.Helper()
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(sig) // it may have ended already
		<-p.ended
		_ = p.cmd.Wait() // the exit code says it
		if p.cmd.ProcessState.ExitCode() > 0 {
			t.Logf("what %s wrote before it failed:\n%s", strings.Join(p.cmd.Args[1:], " "), p.stderr)
		}
	}
	return p.cmd.ProcessState.ExitCode()
}

// serve starts a server on a folder and returns it with its address.
func serve(t *testing.T, dir string, args ...string) (*process, string) {
	t.Helper()
	p := launch(t, "http://", append([]string{"serve", "--data", dir, "--addr", "localhost:0", "--log-level", "warn", "--fresh-timeout", "25s"}, args...)...)
	_, rest, _ := strings.Cut(p.first, "http://")
	addr, _, _ := strings.Cut(rest, " ")
	return p, "http://" + addr
}

// lockedBuffer is a buffer that a process writes to while the test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
