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
	"lodge/api/access"
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

func newProcessHouse(t *testing.T, opts api.Options) *processHouse {
	t.Helper()
	h := &processHouse{stack: newStack(t, opts)}
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
	deps := h.deps
	deps.Processes, opts.Clock = router, h.clock.now
	a, err := api.New(deps, patient(opts))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(a)
	h.url, h.client = server.URL, lodgev1connect.NewProcessServiceClient(h.stack.client, server.URL)
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

// poison has a record of a hotel, or of none, given up by both process managers.
func (h *processHouse) poison(hotel string) {
	h.Helper()
	r := log.Record{Key: []byte(hotel), Value: []byte("v"), Headers: []log.Header{{Key: "ce_type", Value: []byte("retry")}}}
	if hotel == "" {
		r.Key = nil
	}
	if _, err := h.broker.Append(context.Background(), log.TopicPartition{Topic: process.TimersTopic}, &log.Batch{Records: []log.Record{r}}); err != nil {
		h.Fatal(err)
	}
}

func TestLettersOfProcesses(t *testing.T) {
	h, ctx := newProcessHouse(t, api.Options{}), t.Context()
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
	var list *lodgev1.ListProcessesResponse
	for list.GetProcesses() == nil || list.GetProcesses()[0].GetPoisonedCount() < 2 { // what is in the queue may not be counted yet
		list, _ = must[lodgev1.ListProcessesResponse](t)(h.client.ListProcesses(ctx, connect.NewRequest(&lodgev1.ListProcessesRequest{})))
	}
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
	h := newProcessHouse(t, api.Options{})
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

// TestLettersOfTheirHotels: staff see, requeue and settle the letters of their hotels. Others are not there for them.
func TestLettersOfTheirHotels(t *testing.T) {
	h, ctx := newProcessHouse(t, api.Options{AuthRequired: true}), t.Context()
	h.poison("ritz")
	h.poison("savoy")
	h.poison("") // of the platform
	h.letters(6)
	of := func(wish access.Token) lodgev1connect.ProcessServiceClient {
		return lodgev1connect.NewProcessServiceClient(&http.Client{Transport: &bearer{h.stack.client.Transport.(*bearer).RoundTripper, h.token(wish)}}, h.url)
	}
	list := func(c lodgev1connect.ProcessServiceClient, m *lodgev1.ListLettersRequest) (names []string, reason string) {
		for {
			res, err := c.ListLetters(ctx, connect.NewRequest(m))
			if err != nil {
				return nil, reasonOf(err)
			}
			for _, l := range res.Msg.GetLetters() {
				names = append(names, l.GetName())
			}
			if m.PageToken = res.Msg.GetNextPageToken(); m.PageToken == "" {
				return names, ""
			}
		}
	}
	each := map[string]func(c lodgev1connect.ProcessServiceClient, name string) error{
		"get": func(c lodgev1connect.ProcessServiceClient, name string) error {
			_, err := c.GetLetter(ctx, connect.NewRequest(&lodgev1.GetLetterRequest{Name: name}))
			return err
		},
		"requeue": func(c lodgev1connect.ProcessServiceClient, name string) error {
			_, err := c.RequeueLetter(ctx, connect.NewRequest(&lodgev1.RequeueLetterRequest{Name: name}))
			return err
		},
		"delete": func(c lodgev1connect.ProcessServiceClient, name string) error {
			_, err := c.DeleteLetter(ctx, connect.NewRequest(&lodgev1.DeleteLetterRequest{Name: name}))
			return err
		},
	}
	staff := of(access.Token{Role: access.Staff, Hotels: []string{"ritz"}})
	for _, c := range []struct {
		req          *lodgev1.ListLettersRequest
		want, reason string
	}{
		{&lodgev1.ListLettersRequest{Hotel: "hotels/ritz", PageSize: 1}, "letters/charges.timers.0.0 letters/refunds.timers.0.0", ""},
		{&lodgev1.ListLettersRequest{Hotel: "hotels/ritz", Process: "processes/refunds"}, "letters/refunds.timers.0.0", ""},
		{&lodgev1.ListLettersRequest{Hotel: "hotels/savoy"}, "", "HOTEL_DENIED"},
		{&lodgev1.ListLettersRequest{}, "", "HOTEL_DENIED"},
	} {
		if names, reason := list(staff, c.req); strings.Join(names, " ") != c.want || reason != c.reason {
			t.Errorf("%v: %v %s", c.req, names, reason)
		}
	}
	for what, call := range each {
		absent := call(staff, "letters/refunds.timers.0.9")
		expect(t, absent, connect.CodeNotFound, api.ReasonLetterNotFound, "")
		for _, name := range []string{"letters/refunds.timers.0.1", "letters/refunds.timers.0.2"} {
			err := call(staff, name)
			if err == nil || err.Error() != strings.Replace(absent.Error(), "refunds.timers.0.9", strings.TrimPrefix(name, "letters/"), 1) {
				t.Errorf("%s %s by staff: %v", what, name, err)
			}
		}
		expect(t, call(staff, "refunds.timers.0.0"), connect.CodeInvalidArgument, "INVALID_ID", "name")
		for _, wish := range []access.Token{{Role: access.Guest, GuestID: "ada"}, {Role: access.Service}} {
			if got := reasonOf(call(of(wish), "letters/refunds.timers.0.0")); got != "ROLE_DENIED" {
				t.Errorf("%s by %s: %q", what, wish.Role, got)
			}
		}
	}
	for _, wish := range []access.Token{{Role: access.Guest, GuestID: "ada"}, {Role: access.Service}} {
		if _, reason := list(of(wish), &lodgev1.ListLettersRequest{Hotel: "hotels/ritz"}); reason != "ROLE_DENIED" {
			t.Errorf("a list by %s: %q", wish.Role, reason)
		}
	}
	if err := each["get"](staff, "letters/charges.timers.0.0"); err != nil {
		t.Error(err)
	}
	if err := each["delete"](staff, "letters/charges.timers.0.0"); err != nil {
		t.Error(err)
	}
	h.mended.Store(true)
	if err := each["requeue"](staff, "letters/refunds.timers.0.0"); err != nil {
		t.Error(err)
	}
	left := h.letters(4) // an admin's list
	if names, reason := list(h.client, &lodgev1.ListLettersRequest{Hotel: "hotels/savoy"}); strings.Join(names, " ") != left[0].GetName()+" "+left[2].GetName() || reason != "" {
		t.Errorf("%v %s of %v", names, reason, left)
	}
	_, err := h.client.ListLetters(ctx, connect.NewRequest(&lodgev1.ListLettersRequest{Hotel: "savoy"}))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ID", "hotel")
}

func TestProcessMistakes(t *testing.T) {
	h, ctx := newProcessHouse(t, api.Options{}), t.Context()
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
