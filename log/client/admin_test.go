package client_test

import (
	"slices"
	"testing"

	"lodge/log"
	"lodge/log/broker"
	"lodge/log/client"
	"lodge/log/logtest"
)

func TestAdmin(t *testing.T) {
	lg := logtest.Open(t, broker.Options{})
	admin := client.NewAdmin(lg)
	for range 2 {
		if err := admin.EnsureTopic(t.Context(), "bookings", log.TopicConfig{Partitions: 3}); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, "other partitions", admin.EnsureTopic(t.Context(), "bookings", log.TopicConfig{Partitions: 4}), log.TopicExists)
	wantCode(t, "bad name", admin.EnsureTopic(t.Context(), "a/b", log.TopicConfig{}), log.InvalidTopic)
	if err := admin.EnsureTopic(t.Context(), "hotels", log.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	got, err := admin.Partitions(t.Context(), "hotels", "bookings")
	want := []log.TopicPartition{{Topic: "hotels"}, {Topic: "bookings"}, {Topic: "bookings", Partition: 1}, {Topic: "bookings", Partition: 2}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("partitions %v, error %v", got, err)
	}
	_, err = admin.Partitions(t.Context(), "nothing")
	wantCode(t, "unknown topic", err, log.UnknownTopic)
}
