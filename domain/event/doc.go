// Package event is the registry of the events that Lodge stores, and their form as log records: a protobuf
// message as the value, CloudEvents attributes as headers (the Kafka binding's binary mode).
//
//	header               content
//	ce_specversion       1.0
//	ce_id                UUID of the event
//	ce_type              lodge.<thing>.<what happened>.v<version>: the tag that subscriptions filter by
//	ce_source            which program wrote it
//	ce_time              RFC 3339 with nanoseconds, UTC: the time of the command
//	ce_correlationid     optional: what the event belongs to
//	ce_causationid       optional: what caused it
//	ce_traceparent       optional: the W3C trace context of the command, where its trace is sampled
//	lodge_command        the name of the command, such as cancel_reservation; events of before it was kept have none
//	lodge_actor          optional: who gave the command, as role:id
//	lodge_reason         optional: why, in their words
//	lodge_request_id     optional, 16 bytes: the request id of the command
//	lodge_request_fp     optional, 16 bytes: the fingerprint of the command
//
// The writer calls Encode, a reader Decode. A stored event decodes for ever: when a message must change its meaning it becomes a new message
// and type, and the old one is registered with an upcaster that makes the new one of it.
//
// The package does no I/O, and it does not know the log: headers pass through callbacks.
package event
