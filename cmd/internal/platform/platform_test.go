package platform

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/log"
	"lodge/log/logtest/leaktest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// runIn opens and runs a platform until the test or stop ends it.
func runIn(t *testing.T, dir string, opts Options) (p *Platform, stop func()) {
	t.Helper()
	opts.FreshTimeout = cmp.Or(opts.FreshTimeout, 25*time.Second) // for machines that stand still for a while
	p, err := Open(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := errors.Join(<-done, p.Close()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	if err := p.WaitCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p, stop
}

func TestASecondOpenIsRefusedByFolderAndProcess(t *testing.T) {
	dir := t.TempDir()
	_, stop := runIn(t, dir, Options{})
	_, err := Open(t.Context(), dir, Options{})
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.Dir != dir || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v", err)
	}
	if _, err := Lock(dir); !errors.As(err, &inUse) {
		t.Errorf("the lock was given: %v", err)
	}
	stop()
	lock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
}

func TestSocketAndPortServeTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("a-long-name/", 12)) // longer than a socket's path may be
	if Exists(dir) {
		t.Error("a folder that is not there is a data folder")
	}
	if _, ok := Dial(t.Context(), dir); ok {
		t.Error("somebody serves a folder that is not there")
	}
	p, stop := runIn(t, dir, Options{Addr: "127.0.0.1:0", Partitions: 3})
	name, err := SocketPath(dir)
	if err != nil || len(name) > socketPathMax {
		t.Fatal(name, err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	client, ok := Dial(t.Context(), dir)
	if !ok {
		t.Fatal("the socket does not answer")
	}
	port := &http.Client{Transport: &http.Transport{}}
	for _, c := range []struct {
		client *http.Client
		url    string
	}{{client, SocketURL}, {port, "http://" + p.Addr().String()}} {
		res, err := lodgev1connect.NewAdminServiceClient(c.client, c.url).ListTopics(t.Context(), connect.NewRequest(&lodgev1.ListTopicsRequest{}))
		if err != nil || len(res.Msg.GetTopics()) != 6 || res.Msg.GetTopics()[0].GetPartitionCount() != 3 {
			t.Errorf("%s: %v %v", c.url, res, err)
		}
	}
	proof, err := lodgev1connect.NewProofServiceClient(client, SocketURL).VerifyNoOversell(t.Context(), connect.NewRequest(&lodgev1.VerifyNoOversellRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	var report *lodgev1.ProofReport
	for proof.Receive() {
		report = proof.Msg().GetReport()
	}
	if !report.GetPassed() || strings.Count(report.GetCertificate(), `"partition":`) != 3 {
		t.Errorf("audit: %+v %v", report, proof.Err())
	}
	if err := proof.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "proof", "verified.json")); err != nil {
		t.Errorf("the audit does not remember: %v", err)
	}
	client.CloseIdleConnections()
	port.CloseIdleConnections()
	stop()
	if _, ok := Dial(t.Context(), dir); ok {
		t.Error("the socket answers after the end")
	}
	if q, _ := runIn(t, dir, Options{Partitions: 5}); q.Partitions != 3 {
		t.Errorf("the folder came back with %d partitions", q.Partitions)
	}
}

func TestProfilesAreOnTheAdminPortOnly(t *testing.T) {
	p, _ := runIn(t, t.TempDir(), Options{Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", NoSocket: true})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for i, want := range []int{http.StatusNotFound, http.StatusOK} {
		res, err := client.Get("http://" + p.servers[i].Addr().String() + "/debug/pprof/")
		if err != nil || res.StatusCode != want {
			t.Errorf("server %d: %v %v", i, res, err)
		}
		res.Body.Close()
	}
}

func TestSchedulesAreAPartOfTheHealth(t *testing.T) {
	for _, without := range []bool{false, true} {
		dir := t.TempDir()
		p, _ := runIn(t, dir, Options{NoSchedules: without})
		client := Client(dir)
		defer client.CloseIdleConnections()
		res, err := lodgev1connect.NewAdminServiceClient(client, SocketURL).GetHealth(t.Context(), connect.NewRequest(&lodgev1.GetHealthRequest{}))
		if err != nil || !res.Msg.GetHealthy() {
			t.Fatal(res, err)
		}
		told := slices.ContainsFunc(res.Msg.GetParts(), func(part *lodgev1.Health_Part) bool { return part.GetName() == "schedules" })
		if _, err := os.Stat(filepath.Join(dir, natsFolder)); told == without || (err == nil) == without || (p.Bridge == nil) != without {
			t.Errorf("without schedules %t: %v %v", without, res.Msg, err)
		}
	}
}

// TestAnUnreachableNATS: schedules fire by the bridge's own timers, and the health says why NATS is not there.
func TestAnUnreachableNATS(t *testing.T) {
	p, _ := runIn(t, t.TempDir(), Options{NATSURL: "nats://127.0.0.1:1"})
	if err := p.Broker.CreateTopic(t.Context(), "t", log.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Bridge.After(t.Context(), time.Millisecond, log.Record{Topic: "t", Value: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	got, err := p.Broker.Fetch(t.Context(), log.FetchRequest{TopicPartition: log.TopicPartition{Topic: "t"}, MaxWait: time.Minute})
	if err != nil || len(got.Records) != 1 {
		t.Errorf("%v %v", got, err)
	}
	if healthy, message := p.schedulesHealth(); !healthy || !strings.Contains(message, "without NATS") {
		t.Errorf("%t %s", healthy, message)
	}
}

func TestATakenPortReleasesTheFolder(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	if _, err := Open(t.Context(), dir, Options{Addr: l.Addr().String()}); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("got %v", err)
	}
	runIn(t, dir, Options{})
}

func TestAFailingPartStopsTheOthers(t *testing.T) {
	p, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context()) }()
	if err := p.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.servers[0].Close(); err != nil { // the server cannot accept any more
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestOptionsAreValidated(t *testing.T) {
	for _, o := range []Options{{Partitions: -1}, {Partitions: log.PartitionsMax + 1}, {ShutdownTimeout: -1}, {NATSCredentials: "file"}} {
		if _, err := Open(t.Context(), t.TempDir(), o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
