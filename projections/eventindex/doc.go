// Package eventindex is the read model that finds events: by their id, by time over all hotels, and by hotel, whatever their topic.
//
// A row holds where an event lies, its type, its ids and its time, about 160 bytes with its places in the indexes; never its payload, which is read from the log.
// So the index grows with the log but stays a fraction of it.
//
// Projector fills it; Queries answers from it. It reads every topic of the domain.
package eventindex
