package natsbridge

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/logtest"
)

// These tests run without NATS, on a clock of their own: what is due is known to the millisecond.

// lazy has the broker look around seldom: tests let days pass.
var lazy = broker.Options{FlushInterval: time.Hour, HousekeepingInterval: time.Hour, CheckpointInterval: time.Hour}

func plain(topic log.Topic, key, value string) log.Record {
	r := log.Record{Topic: topic, Value: []byte(value)}
	if key != "" {
		r.Key = []byte(key)
	}
	return r
}

func mustSchedule(t *testing.T, b *Bridge, s log.Schedule) log.Schedule {
	t.Helper()
	kept, err := b.Schedule(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// values joins the values of all records of a partition.
func values(lg *logtest.Log, tp log.TopicPartition) string {
	var all []string
	for _, r := range lg.Records(tp) {
		all = append(all, string(r.Value))
	}
	return strings.Join(all, " ")
}

func TestFiresWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := logtest.Open(t, lazy)
		tp := lg.Topic("t", 1)[0]
		b, _ := start(t, lg, Options{clockless: true})
		due := time.Now().Add(time.Hour + 1234567*time.Nanosecond)
		want := log.Record{
			Topic: "t", Key: []byte("k"), Value: []byte("v"),
			Headers: []log.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}, {Key: log.ScheduleIDHeader, Value: []byte("mine")}},
		}
		s := mustSchedule(t, b, log.Schedule{ID: "x", At: due, Record: want})
		if s.ID != "x" || !s.Due.Equal(due) || !s.At.Equal(due) || !s.CreateTime.Equal(time.Now()) || s.Generation <= 0 {
			t.Fatalf("kept as %+v", s)
		}
		got, err := b.GetSchedule(t.Context(), "x")
		if err != nil || !same(got, s) || !got.Record.Same(&want) || got.Record.Topic != "t" {
			t.Fatalf("%+v %v, not %+v", got, err, s)
		}
		time.Sleep(time.Until(due) - 1)
		synctest.Wait()
		if found := values(lg, tp); found != "" {
			t.Fatalf("early: %s", found)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		records := lg.Records(tp)
		if len(records) != 1 {
			t.Fatalf("%d records", len(records))
		}
		r := records[0]
		headers := append(want.Headers, scheduleHeaders("x", strconv.FormatInt(s.Generation, 10), due, due)...)
		if string(r.Key) != "k" || string(r.Value) != "v" || fmt.Sprint(r.Headers) != fmt.Sprint(headers) {
			t.Fatalf("published %+v, headers not %v", r, headers)
		}
		if _, err := b.GetSchedule(t.Context(), "x"); log.CodeOf(err) != log.UnknownSchedule {
			t.Fatal(err)
		}
		if err := b.CancelSchedule(t.Context(), "x"); log.CodeOf(err) != log.UnknownSchedule {
			t.Fatal(err)
		}
	})
}

func TestPastFiresAtOnceAndAfterADelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := logtest.Open(t, lazy)
		tp := lg.Topic("t", 1)[0]
		b, _ := start(t, lg, Options{clockless: true})
		mustSchedule(t, b, log.Schedule{At: time.Now().Add(-time.Hour), Record: plain("t", "", "past")})
		s, err := b.After(t.Context(), time.Minute, plain("t", "", "later"))
		if err != nil || s.ID == "" || !s.Due.Equal(time.Now().Add(time.Minute)) {
			t.Fatal(s, err)
		}
		synctest.Wait()
		if found := values(lg, tp); found != "past" {
			t.Fatalf("found %q", found)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if found := values(lg, tp); found != "past later" {
			t.Fatalf("found %q", found)
		}
	})
}

// TestOrderOfKeys schedules in random order, with many due at the same time, over restarts.
func TestOrderOfKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := logtest.Open(t, lazy)
		tps := lg.Topic("t", 3)
		b, stop := start(t, lg, Options{clockless: true})
		rng := rand.New(rand.NewPCG(1, 2))
		begin := time.Now()
		const n = 3000
		for i := range n {
			at := begin.Add(time.Duration(rng.IntN(200)) * 50 * time.Millisecond)
			mustSchedule(t, b, log.Schedule{ID: strconv.Itoa(i), At: at, Record: plain("t", fmt.Sprint("k", rng.IntN(20)), "v")})
		}
		for range 4 {
			time.Sleep(1700 * time.Millisecond)
			stop()
			time.Sleep(500 * time.Millisecond)
			b, stop = start(t, lg, Options{clockless: true})
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		count := 0
		for _, tp := range tps {
			lastDue, lastGen := map[string]time.Time{}, map[string]int64{}
			for _, r := range lg.Records(tp) {
				due, key := stamp(t, &r, log.ScheduleDueHeader), string(r.Key)
				v, _ := r.Header(log.ScheduleGenerationHeader)
				gen, _ := strconv.ParseInt(string(v), 10, 64)
				if due.Before(lastDue[key]) || due.Equal(lastDue[key]) && gen < lastGen[key] {
					t.Fatalf("%s: due %v generation %d after %v %d", key, due, gen, lastDue[key], lastGen[key])
				}
				lastDue[key], lastGen[key] = due, gen
				count++
			}
		}
		if count != n || b.Stats().Pending != 0 {
			t.Fatalf("%d of %d, %+v", count, n, b.Stats())
		}
	})
}

func TestReplaceAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := logtest.Open(t, lazy)
		tp := lg.Topic("t", 1)[0]
		b, stop := start(t, lg, Options{clockless: true})
		at := time.Now().Add(time.Minute)
		first := mustSchedule(t, b, log.Schedule{ID: "a", At: at, Record: plain("t", "", "old")})
		second := mustSchedule(t, b, log.Schedule{ID: "a", At: at.Add(time.Minute), Record: plain("t", "", "new")})
		if second.Generation <= first.Generation {
			t.Fatalf("generation %d after %d", second.Generation, first.Generation)
		}
		mustSchedule(t, b, log.Schedule{ID: "b", At: at, Record: plain("t", "", "canceled")})
		mustSchedule(t, b, log.Schedule{ID: "c", At: at, Record: plain("t", "", "kept")})
		if err := b.CancelSchedule(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		stop()
		b, _ = start(t, lg, Options{clockless: true})
		if b.Stats().Pending != 2 {
			t.Fatalf("%+v", b.Stats())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if found := values(lg, tp); found != "kept new" {
			t.Fatalf("found %q", found)
		}
		third := mustSchedule(t, b, log.Schedule{ID: "a", At: time.Now().Add(time.Minute), Record: plain("t", "", "again")})
		if third.Generation <= second.Generation {
			t.Fatalf("generation %d was used before %d", third.Generation, second.Generation)
		}
	})
}

func TestCron(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := logtest.Open(t, lazy)
		tp := lg.Topic("t", 1)[0]
		b, stop := start(t, lg, Options{clockless: true}) // it is 2000-01-01T00:00:00Z
		s := mustSchedule(t, b, log.Schedule{ID: "c", Cron: "0 9 * * *", TimeZone: "Asia/Tokyo", Record: plain("t", "k", "tick")})
		if want := time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC); !s.Due.Equal(want) || !s.At.IsZero() {
			t.Fatalf("due %v, not %v", s.Due, want)
		}
		time.Sleep(49 * time.Hour)
		synctest.Wait()
		stop()
		time.Sleep(72 * time.Hour) // misses three: one of them comes when it is open again
		b, _ = start(t, lg, Options{clockless: true})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		var dues []string
		gens := map[string]bool{}
		for _, r := range lg.Records(tp) {
			dues = append(dues, stamp(t, &r, log.ScheduleDueHeader).Format("02"))
			g, _ := r.Header(log.ScheduleGenerationHeader)
			gens[string(g)] = true
		}
		if got := strings.Join(dues, " "); got != "02 03 04 07" || len(gens) != 4 {
			t.Fatalf("fired on %s, generations %v", got, gens)
		}
		got, err := b.GetSchedule(t.Context(), "c")
		if err != nil || got.Generation <= s.Generation || !got.CreateTime.Equal(s.CreateTime) || got.Cron != s.Cron || string(got.Record.Value) != "tick" {
			t.Fatalf("%+v %v", got, err)
		}
		if err := b.CancelSchedule(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(72 * time.Hour)
		synctest.Wait()
		if n := len(lg.Records(tp)); n != 4 {
			t.Fatalf("%d records after it was canceled", n)
		}
	})
}

func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := logtest.Open(t, lazy)
		lg.Topic("t", 1)
		b, _ := start(t, lg, Options{clockless: true})
		const n = 2300
		for i := range n {
			mustSchedule(t, b, log.Schedule{ID: fmt.Sprintf("%04d", i*7%n), At: time.Now().Add(time.Hour), Record: plain("t", "", "v")})
		}
		after, seen := "", 0
		for {
			page, err := b.ListSchedules(t.Context(), after, 5000)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, s := range page {
				if s.ID != fmt.Sprintf("%04d", seen) || string(s.Record.Value) != "v" {
					t.Fatalf("%d: %+v", seen, s)
				}
				seen++
			}
			after = page[len(page)-1].ID
		}
		if seen != n {
			t.Fatalf("%d of %d", seen, n)
		}
		if _, err := b.ListSchedules(t.Context(), "", 0); log.CodeOf(err) != log.InvalidArgument {
			t.Fatal(err)
		}
		big := log.Record{Topic: "t", Value: make([]byte, 1<<19)}
		for i := range 40 {
			mustSchedule(t, b, log.Schedule{ID: fmt.Sprintf("big-%02d", i), At: time.Now().Add(time.Hour), Record: big})
		}
		page, err := b.ListSchedules(t.Context(), "9", 100)
		if err != nil || len(page) == 0 || len(page)*len(big.Value) > listBytesMax {
			t.Fatal(len(page), err)
		}
	})
}

func TestRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := logtest.Open(t, lazy)
		lg.TopicWith("t", log.TopicConfig{RecordBytesMax: 1000})
		b, stop := start(t, lg, Options{clockless: true, SchedulesMax: 2})
		at, ok := time.Now().Add(time.Hour), plain("t", "", "v")
		for name, c := range map[string]struct {
			s    log.Schedule
			code log.Code
			text string
		}{
			"no time":       {log.Schedule{ID: "a", Record: ok}, log.InvalidArgument, "exactly one"},
			"both":          {log.Schedule{ID: "a", At: at, Cron: "@daily", Record: ok}, log.InvalidArgument, "exactly one"},
			"zone of time":  {log.Schedule{ID: "a", At: at, TimeZone: "UTC", Record: ok}, log.InvalidArgument, "time zone"},
			"far away":      {log.Schedule{ID: "a", At: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC), Record: ok}, log.InvalidArgument, "2262"},
			"long ago":      {log.Schedule{ID: "a", At: time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), Record: ok}, log.InvalidArgument, "1970"},
			"bad cron":      {log.Schedule{ID: "a", Cron: "every day", Record: ok}, log.InvalidArgument, "every day"},
			"bad zone":      {log.Schedule{ID: "a", Cron: "@daily", TimeZone: "Mars", Record: ok}, log.InvalidArgument, "Mars"},
			"never":         {log.Schedule{ID: "a", Cron: "0 0 30 2 *", Record: ok}, log.InvalidArgument, "never"},
			"slash in id":   {log.Schedule{ID: "a/b", At: at, Record: ok}, log.InvalidArgument, "a/b"},
			"unprintable":   {log.Schedule{ID: "a\xff", At: at, Record: ok}, log.InvalidArgument, "character"},
			"long id":       {log.Schedule{ID: strings.Repeat("x", 129), At: at, Record: ok}, log.InvalidArgument, "128"},
			"no topic":      {log.Schedule{ID: "a", At: at, Record: plain("u", "", "v")}, log.UnknownTopic, "u"},
			"internal":      {log.Schedule{ID: "a", At: at, Record: plain("__schedules", "", "v")}, log.InvalidArgument, "__schedules"},
			"large":         {log.Schedule{ID: "a", At: at, Record: plain("t", "", strings.Repeat("x", 900))}, log.RecordTooLarge, "1000"},
			"unnamed value": {log.Schedule{ID: "a", At: at, Record: log.Record{Topic: "t", Headers: []log.Header{{}}}}, log.InvalidArgument, "header 0"},
		} {
			if _, err := b.Schedule(t.Context(), c.s); log.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := b.Stats().Pending; n != 0 {
			t.Fatalf("%d pending", n)
		}
		mustSchedule(t, b, log.Schedule{ID: "a", At: at, Record: ok})
		mustSchedule(t, b, log.Schedule{ID: "b", At: at, Record: ok})
		if _, err := b.Schedule(t.Context(), log.Schedule{ID: "c", At: at, Record: ok}); log.CodeOf(err) != log.LimitReached {
			t.Fatal(err)
		}
		mustSchedule(t, b, log.Schedule{ID: "b", At: at, Record: ok}) // replacing is no growth
		if _, err := Open(t.Context(), lg, Options{clockless: true, SchedulesMax: 1}); log.CodeOf(err) != log.LimitReached {
			t.Fatal(err)
		}
		stop()
		for _, err := range []error{
			second(b.Schedule(t.Context(), log.Schedule{ID: "c", At: at, Record: ok})), b.CancelSchedule(t.Context(), "a"),
			second(b.GetSchedule(t.Context(), "a")), second(b.ListSchedules(t.Context(), "", 1)),
		} {
			if log.CodeOf(err) != log.Closed {
				t.Fatal(err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestOptionsRefuse(t *testing.T) {
	for _, o := range []Options{
		{}, {StoreDir: "a", URL: "b"}, {StoreDir: "a", Credentials: "c"}, {StoreDir: "a", SchedulesMax: -1},
		{StoreDir: "a", SchedulesMax: log.SchedulesMax + 1}, {StoreDir: "a", SyncInterval: -1},
	} {
		if _, err := Open(t.Context(), nil, o); log.CodeOf(err) != log.InvalidArgument {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestRefusedTargets deletes a target and narrows another while schedules for them are pending.
func TestRefusedTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lg := logtest.Open(t, broker.Options{BatchBytesMax: 20_000, FlushInterval: time.Hour})
		lg.Topic("gone", 1)
		tp := lg.Topic("t", 1)[0]
		b, stop := start(t, lg, Options{clockless: true})
		at := time.Now().Add(time.Minute)
		mustSchedule(t, b, log.Schedule{ID: "lost", At: at, Record: plain("gone", "k", "v")})
		mustSchedule(t, b, log.Schedule{ID: "cron", Cron: "@hourly", Record: plain("gone", "", "again")})
		for i := range 5 { // together they are no batch
			mustSchedule(t, b, log.Schedule{ID: fmt.Sprint("big", i), At: at, Record: plain("t", "k", strings.Repeat(strconv.Itoa(i), 9000))})
		}
		mustSchedule(t, b, log.Schedule{ID: "huge", At: at, Record: plain("t", "k", strings.Repeat("x", 19_800))})
		if err := lg.DeleteTopic(t.Context(), "gone"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Minute)
		synctest.Wait()
		records := lg.Records(tp)
		if len(records) != 5 {
			t.Fatalf("%d records", len(records))
		}
		for i, r := range records {
			if string(r.Value[:1]) != strconv.Itoa(i) {
				t.Errorf("record %d is %.1s", i, r.Value)
			}
		}
		failed := lg.Records(log.TopicPartition{Topic: FailedTopic})
		if len(failed) != 2 {
			t.Fatalf("%d failed, %+v, %+v", len(failed), b.Stats(), b.Failures())
		}
		for i, want := range []string{"v", "again"} {
			r := failed[i]
			topic, _ := r.Header(FailedTopicHeader)
			why, _ := r.Header(FailedErrorHeader)
			if string(topic) != "gone" || !strings.Contains(string(why), "UNKNOWN_TOPIC") || string(r.Value) != want {
				t.Errorf("%s of %s: %s", r.Value, topic, why)
			}
		}
		s, f := b.Stats(), b.Failures()
		if s.Failed != 2 || s.Fired != 5 || s.Held != 1 || len(f) != 3 { // huge fits no batch of this broker, not even there
			t.Fatalf("%+v %+v", s, f)
		}
		if s.Pending != 2 {
			t.Fatalf("%d pending: the cron goes on, huge is held", s.Pending)
		}
		if err := b.CancelSchedule(t.Context(), "huge"); log.CodeOf(err) != log.Unavailable {
			t.Fatal(err)
		}
		stop()
	})
}

// TestCancelRacesFiring cancels schedules at about the time when they are due: each has fired or was canceled, never both.
func TestCancelRacesFiring(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	tp := lg.Topic("t", 1)[0]
	b, stop := start(t, lg, Options{clockless: true})
	const n = 400
	begin := time.Now()
	canceled := make([]bool, n)
	type result struct {
		i   int
		err error
	}
	results := make(chan result)
	for i := range n {
		mustSchedule(t, b, log.Schedule{ID: strconv.Itoa(i), At: begin.Add(300*time.Millisecond + time.Duration(i)*time.Millisecond), Record: plain("t", "", strconv.Itoa(i))})
	}
	for i := range n {
		time.AfterFunc(time.Until(begin.Add(300*time.Millisecond+time.Duration(i)*time.Millisecond)), func() {
			results <- result{i, b.CancelSchedule(context.Background(), strconv.Itoa(i))}
		})
	}
	left := n
	for range n {
		r := <-results
		switch {
		case r.err == nil:
			canceled[r.i] = true
			left--
		case log.CodeOf(r.err) != log.UnknownSchedule:
			t.Fatal(r.err)
		}
	}
	records := awaitRecords(t, lg, tp, left)
	stop()
	seen := map[string]bool{}
	for _, r := range records {
		if i, _ := strconv.Atoi(string(r.Value)); canceled[i] || seen[string(r.Value)] {
			t.Errorf("%s was canceled: %t, seen before: %t", r.Value, canceled[i], seen[string(r.Value)])
		}
		seen[string(r.Value)] = true
	}
	if len(records) != left {
		t.Errorf("%d records, %d were not canceled", len(records), left)
	}
	t.Logf("%d of %d canceled", n-left, n)
}
