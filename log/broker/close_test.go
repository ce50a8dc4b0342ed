package broker

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/log"
	"lodge/log/vfs"
)

// TestEndUnderLoad closes the broker, or deletes the topic, while writers and long polls are at it: all of them are told,
// and what was acknowledged before a Close is there after it.
func TestEndUnderLoad(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*Broker) error
		code log.Code
	}{
		{"close", (*Broker).Close, log.Closed},
		{"delete", func(b *Broker) error { return b.DeleteTopic(ctx, "t") }, log.UnknownTopic},
	} {
		t.Run(test.name, func(t *testing.T) {
			mem := vfs.NewMem()
			b := open(t, mem, Options{})
			create(t, b, "t", log.TopicConfig{SegmentBytes: 64 << 10})
			stop := running(t, b)
			var wg sync.WaitGroup
			var mu sync.Mutex
			acked := map[log.Offset]string{}
			const enough = 500
			started := make(chan struct{})
			for w := range 8 {
				wg.Go(func() {
					for i := 0; ; i++ {
						value := fmt.Sprintf("%d.%d", w, i)
						offset, err := b.Append(ctx, tp0, batchOf(value))
						if err != nil {
							if log.CodeOf(err) != test.code {
								t.Errorf("%v, want code %v", err, test.code)
							}
							return
						}
						mu.Lock()
						acked[offset] = value
						if len(acked) == enough {
							close(started)
						}
						mu.Unlock()
					}
				})
				wg.Go(func() {
					for at := log.Offset(0); ; {
						found, err := b.Fetch(ctx, fetchFrom(at, time.Hour))
						if err != nil {
							if log.CodeOf(err) != test.code {
								t.Errorf("%v, want code %v", err, test.code)
							}
							return
						}
						at = found.Next
					}
				})
			}
			<-started
			if err := test.end(b); err != nil {
				t.Error(err)
			}
			wg.Wait()
			stop()
			b.Close()
			b = open(t, mem, Options{})
			if test.code == log.UnknownTopic {
				_, err := b.DescribeTopic(ctx, "t")
				wantCode(t, err, log.UnknownTopic)
				return
			}
			found := strings.Split(values(t, b, tp0), ",")
			for offset, value := range acked {
				if int(offset) >= len(found) || found[offset] != value {
					t.Fatalf("acknowledged %s at %d is not there", value, offset)
				}
			}
		})
	}
}

func TestIdentityIsChecked(t *testing.T) {
	for contents, code := range map[string]log.Code{
		"":                               log.Corrupt,
		`{"format":1,"leader_ep`:         log.Corrupt,
		`{"format":1,"leader_epoch":-1}`: log.Corrupt,
		`{"format":1,"leader_epoch":1,"producer_ids":-1}`: log.Corrupt,
		`{"format":2,"leader_epoch":1,"producer_ids":0}`:  log.UnsupportedFormat,
	} {
		fs := vfs.NewMem()
		open(t, fs, Options{}).Close()
		if err := vfs.AtomicWriteFile(fs, "dir/"+identityFile, []byte(contents)); err != nil {
			t.Fatal(err)
		}
		_, err := Open("dir", Options{FS: fs})
		wantCode(t, err, code)
	}
}

func pid() int { return os.Getpid() }
