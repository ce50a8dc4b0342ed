package api

import (
	"encoding/binary"

	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/log"
)

// toRecord makes the API's form of a record that was read.
func toRecord(r *log.Record) *lodgev1.Record {
	return &lodgev1.Record{
		Topic: string(r.Topic), Partition: int32(r.Partition), Offset: int64(r.Offset), Key: r.Key, Value: r.Value,
		Headers: toHeaders(r.Headers), Timestamp: timestamppb.New(r.Timestamp),
	}
}

func toHeaders(headers []log.Header) []*lodgev1.Header {
	all := make([]*lodgev1.Header, len(headers))
	for i := range headers {
		all[i] = &lodgev1.Header{Key: headers[i].Key, Value: headers[i].Value}
	}
	return all
}

func fromHeaders(headers []*lodgev1.Header) []log.Header {
	all := make([]log.Header, len(headers))
	for i, h := range headers {
		all[i] = log.Header{Key: h.GetKey(), Value: h.GetValue()}
	}
	return all
}

// fromFilter makes the log's form of a filter, or nil when it chooses everything.
func fromFilter(tags []string, keys [][]byte) (*log.Filter, error) {
	f := &log.Filter{Tags: tags, Keys: keys}
	if f.All() {
		return nil, nil
	}
	return f, f.Validate()
}

// recordSize returns the bytes of a record in Kafka's format, uncompressed, as the limits of topics count them.
func recordSize(r *log.Record) int {
	n := 3 + bytesSize(r.Key) + bytesSize(r.Value) + varintSize(len(r.Headers)) // attributes, and differences of time and offset that are 0
	for i := range r.Headers {
		n += varintSize(len(r.Headers[i].Key)) + len(r.Headers[i].Key) + bytesSize(r.Headers[i].Value)
	}
	return varintSize(n) + n
}

func bytesSize(b []byte) int {
	if b == nil {
		return 1
	}
	return varintSize(len(b)) + len(b)
}

func varintSize(n int) int {
	var b [binary.MaxVarintLen64]byte
	return binary.PutVarint(b[:], int64(n))
}
