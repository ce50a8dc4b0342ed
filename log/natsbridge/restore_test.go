package natsbridge

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"lodge/log"
	"lodge/log/logtest"
)

// TestForgottenProducer opens after a crash between publishing and concluding, where the partition remembers one producer only: the bridge's, or one
// that appended behind it.
func TestForgottenProducer(t *testing.T) {
	for name, forgotten := range map[string]bool{"known": false, "forgotten": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := lazy
				opts.ProducersMax = 1
				lg := logtest.Open(t, opts)
				tp := lg.Topic("t", 1)[0]
				b, err := Open(t.Context(), lg, Options{clockless: true})
				if err != nil {
					t.Fatal(err)
				}
				var generations []log.Offset
				var published []log.Record
				for i := range 3 {
					s := mustSchedule(t, b, log.Schedule{ID: strconv.Itoa(i), At: time.Now(), Record: plain("t", "k", strconv.Itoa(i))})
					if i == 2 {
						break // not in the batch
					}
					generations = append(generations, log.Offset(s.Generation))
					r := s.Record
					r.Headers = scheduleHeaders(s.ID, strconv.FormatInt(s.Generation, 10), s.Due, s.Due)
					published = append(published, r)
				}
				m := encodeMark(&mark{tp: tp, from: 0, generations: generations})
				appendTo := func(tp log.TopicPartition, producer *log.ProducerSequence, records ...log.Record) {
					if _, err := lg.Append(t.Context(), tp, &log.Batch{Records: records, Producer: producer}); err != nil {
						t.Fatal(err)
					}
				}
				appendTo(home, nil, m)
				appendTo(tp, &log.ProducerSequence{ID: b.identity.producer}, published...)
				if forgotten {
					appendTo(tp, &log.ProducerSequence{ID: b.identity.producer + 1}, plain("t", "", "other"))
				}
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				lg.Restart()
				b, _ = start(t, lg, Options{clockless: true})
				synctest.Wait()
				want := "0 1 2"
				if forgotten {
					want = "0 1 other 2"
				}
				if found := values(lg, tp); found != want || b.Stats().Pending != 0 {
					t.Fatalf("found %q, %+v", found, b.Stats())
				}
			})
		})
	}
}

// TestDamagedSchedules refuses to open over records that are not the bridge's.
func TestDamagedSchedules(t *testing.T) {
	for name, c := range map[string]struct {
		r    log.Record
		code log.Code
	}{
		"schedule": {log.Record{Key: []byte("a"), Value: []byte{formatVersion, 1}}, log.Corrupt},
		"empty":    {log.Record{Key: []byte("a"), Value: []byte{}}, log.Corrupt},
		"newer":    {log.Record{Key: []byte("a"), Value: []byte{formatVersion + 1}}, log.UnsupportedFormat},
		"mark":     {log.Record{Key: []byte(markPrefix + "t"), Value: []byte{formatVersion, 0, 0}}, log.Corrupt},
		"identity": {log.Record{Key: []byte(bridgeKey), Value: []byte{formatVersion, 0}}, log.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			lg := logtest.Open(t, lazy)
			lg.TopicWith(SchedulesTopic, homeConfig)
			if _, err := lg.Append(t.Context(), home, &log.Batch{Records: []log.Record{c.r}}); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), lg, Options{clockless: true}); log.CodeOf(err) != c.code {
				t.Fatal(err)
			}
		})
	}
}
