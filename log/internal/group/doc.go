// Package group coordinates consumer groups as Kafka's classic group protocol does, as a pure state machine: requests,
// ticks and time go in, replies and what is to be stored come out. There is no clock, no goroutine and no I/O in it.
//
// A Group is one group. Its caller gives every method the time, carries the Effects out in order, and calls Tick at NextDeadline or
// soon after:
//
//	g := group.New("billing", group.Config{})
//	effects := g.Join(now, call, freshID, request)
//	if effects.Store { /* make g.MetadataRecord() durable, then */ }
//	for _, reply := range effects.Replies { /* answer the call reply.Call */ }
//	at, ok := g.NextDeadline()
//
// # States
//
//	Empty                no members; there may be offsets
//	PreparingRebalance   members join; ends when all have, or when the rebalance timeout removes those that have not
//	CompletingRebalance  all have the new generation; the leader makes the plan
//	Stable               the plan is known; members fetch and commit
//	Dead                 deleted: nothing may be done with it any more
//
// The same package holds the formats, all of them Kafka's: what members tell the leader and get from it (Subscription,
// Assignment), and what lies in the topic __consumer_offsets (Metadata, offset records, Saved). Who gets which partition is
// package assignor's.
//
// Not safe for concurrent use: one Group belongs to one lock or one goroutine.
package group
