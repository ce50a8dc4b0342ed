package api_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/commands/process"
	"lodge/log"
)

// processHouse is a surface with a process manager that fails until it is mended.
type processHouse struct {
	*stack
	url    string
	client lodgev1connect.ProcessServiceClient
	mended atomic.Bool
}

func newProcessHouse(t *testing.T) *processHouse {
	t.Helper()
	h := &processHouse{stack: newStack(t, api.Options{})}
	router, err := process.Open(t.Context(), h.broker, process.Options{Retries: 1, RetryInterval: time.Millisecond, Clock: h.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	handle := func(context.Context, *log.Record) error {
		if h.mended.Load() {
			return nil
		}
		return errors.New("no such account")
	}
	if err := router.Register(
		process.Handler{Name: "refunds", Topic: process.TimersTopic, Types: []string{"retry"}, HandleRecord: handle},
		process.Handler{Name: "charges", Topic: process.TimersTopic, Types: []string{"retry"}, HandleRecord: handle}); err != nil {
		t.Fatal(err)
	}
	a, err := api.New(api.Deps{Engine: h.engine, Log: h.broker, Store: h.store, Processes: router, Trail: h.trail}, api.Options{Clock: h.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(a)
	h.url, h.client = server.URL, lodgev1connect.NewProcessServiceClient(server.Client(), server.URL)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- router.Run(ctx) }()
	t.Cleanup(func() {
		server.Close()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h
}

// letters waits until there are so many letters, and returns them.
func (h *processHouse) letters(n int) []*lodgev1.Letter {
	h.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		res, err := h.client.ListLetters(ctx, connect.NewRequest(&lodgev1.ListLettersRequest{}))
		if err != nil {
			h.Fatal(err)
		}
		if len(res.Msg.GetLetters()) == n {
			return res.Msg.GetLetters()
		}
		<-tick.C
	}
}

// poison has a record of a hotel given up by both process managers.
func (h *processHouse) poison(hotel string) {
	h.Helper()
	r := log.Record{Key: []byte(hotel), Value: []byte("v"), Headers: []log.Header{{Key: "ce_type", Value: []byte("retry")}}}
	if _, err := h.broker.Append(context.Background(), log.TopicPartition{Topic: process.TimersTopic}, &log.Batch{Records: []log.Record{r}}); err != nil {
		h.Fatal(err)
	}
}

func TestLettersOfProcesses(t *testing.T) {
	h, ctx := newProcessHouse(t), t.Context()
	h.poison("grand")
	h.poison("plaza")
	all := h.letters(4)
	first := all[0]
	if first.GetName() != "letters/charges.timers.0.0" || first.GetState() != lodgev1.Letter_STATE_WAITING || first.GetProcess() != "processes/charges" || first.GetPosition() != "timers/0@0" ||
		first.GetEventType() != "retry" || string(first.GetKey()) != "grand" || string(first.GetValue()) != "v" || first.GetError() != "no such account" ||
		first.GetAttemptCount() != 2 || !first.GetFailureTime().AsTime().Equal(h.clock.now()) || len(first.GetHeaders()) != 1 {
		t.Errorf("letter %v", first)
	}
	var paged []string
	for token := ""; ; {
		res, _ := must[lodgev1.ListLettersResponse](t)(h.client.ListLetters(ctx, connect.NewRequest(&lodgev1.ListLettersRequest{Process: "processes/refunds", PageSize: 1, PageToken: token})))
		for _, l := range res.GetLetters() {
			paged = append(paged, l.GetName())
		}
		if token = res.GetNextPageToken(); token == "" {
			break
		}
	}
	if got := strings.Join(paged, " "); got != "letters/refunds.timers.0.0 letters/refunds.timers.0.1" {
		t.Errorf("paged %s", got)
	}
	list, _ := must[lodgev1.ListProcessesResponse](t)(h.client.ListProcesses(ctx, connect.NewRequest(&lodgev1.ListProcessesRequest{})))
	if p := list.GetProcesses()[0]; len(list.GetProcesses()) != 2 || p.GetName() != "processes/charges" || p.GetTopic() != "timers" || p.GetPoisonedCount() != 2 ||
		p.GetRetriedCount() != 2 || p.GetHandledCount() != 0 || p.GetLastError() != "no such account" || p.GetGroup() != "process.charges" || p.GetEventTypes()[0] != "retry" {
		t.Errorf("processes %v", list)
	}
	must[emptypb.Empty](t)(h.client.DeleteLetter(ctx, connect.NewRequest(&lodgev1.DeleteLetterRequest{Name: all[3].GetName()})))
	h.letters(3)
	h.mended.Store(true)
	l, _ := must[lodgev1.Letter](t)(h.client.RequeueLetter(ctx, connect.NewRequest(&lodgev1.RequeueLetterRequest{Name: first.GetName()})))
	if l.GetState() != lodgev1.Letter_STATE_REQUEUED {
		t.Errorf("requeued %v", l)
	}
	left := h.letters(2)
	if left[0].GetName() != "letters/charges.timers.0.1" || left[1].GetName() != "letters/refunds.timers.0.0" {
		t.Errorf("left %v", left)
	}
}

func TestLettersOverREST(t *testing.T) {
	h := newProcessHouse(t)
	h.poison("grand")
	h.letters(2)
	h.mended.Store(true)
	call := func(method, path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if method == http.MethodGet || method == http.MethodDelete {
			req.Body = http.NoBody
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var body bytes.Buffer
		if _, err := body.ReadFrom(res.Body); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, body.String()
	}
	for _, c := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/v1/processes", 200, `"processes/refunds"`},
		{"GET", "/v1/letters?process=processes/refunds&pageSize=7", 200, `"letters/refunds.timers.0.0"`},
		{"GET", "/v1/letters/refunds.timers.0.0", 200, `"no such account"`},
		{"POST", "/v1/letters/refunds.timers.0.0:requeue", 200, `"STATE_REQUEUED"`},
		{"DELETE", "/v1/letters/charges.timers.0.0", 200, "{}"},
		{"GET", "/v1/letters/charges.timers.0.0", 404, "LETTER_NOT_FOUND"},
	} {
		if status, body := call(c.method, c.path); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
		}
	}
	h.letters(0)
	http.DefaultClient.CloseIdleConnections()
}

func TestProcessMistakes(t *testing.T) {
	h, ctx := newProcessHouse(t), t.Context()
	_, err := h.client.GetLetter(ctx, connect.NewRequest(&lodgev1.GetLetterRequest{Name: "letters/a.b.0.0"}))
	expect(t, err, connect.CodeNotFound, api.ReasonLetterNotFound, "")
	_, err = h.client.GetLetter(ctx, connect.NewRequest(&lodgev1.GetLetterRequest{Name: "a.b.0.0"}))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ID", "name")
	_, err = h.client.DeleteLetter(ctx, connect.NewRequest(&lodgev1.DeleteLetterRequest{Name: "letters/a.b.0.0"}))
	expect(t, err, connect.CodeNotFound, api.ReasonLetterNotFound, "")
	_, err = h.client.RequeueLetter(ctx, connect.NewRequest(&lodgev1.RequeueLetterRequest{Name: "letters/a.b.0.0"}))
	expect(t, err, connect.CodeNotFound, api.ReasonLetterNotFound, "")
	_, err = h.client.ListLetters(ctx, connect.NewRequest(&lodgev1.ListLettersRequest{Process: "refunds"}))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ID", "process")
	without := lodgev1connect.NewProcessServiceClient(h.stack.client, h.server.URL)
	_, err = without.ListProcesses(ctx, connect.NewRequest(&lodgev1.ListProcessesRequest{}))
	expect(t, err, connect.CodeUnavailable, api.ReasonUnavailable, "")
	_, err = h.messages.Produce(ctx, connect.NewRequest(&lodgev1.ProduceRequest{Topic: "timers", Records: []*lodgev1.ProduceRequest_NewRecord{{Value: []byte("x")}}}))
	expect(t, err, connect.CodeFailedPrecondition, api.ReasonTopicProtected, "")
	_, err = h.queues.CreateQueue(ctx, connect.NewRequest(&lodgev1.CreateQueueRequest{QueueId: "process.refunds", Queue: &lodgev1.Queue{Topics: []string{"timers"}}}))
	expect(t, err, connect.CodeFailedPrecondition, api.ReasonGroupProtected, "")
}
