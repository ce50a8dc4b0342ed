package main

import "context"

// lodgeName is the store that the others are compared with.
const lodgeName = "lodge"

// store is an open log.
type store interface {
	append(ctx context.Context, records [][]byte) error // safe for concurrent use; answered as open was told
	readAll(ctx context.Context) (n int, err error)     // from the first record to the last
	close() error
}

// candidate is a kind of store.
type candidate struct {
	name     string
	sync     string // how a durable append is made durable
	unsynced string // how the others are written
	durable  bool   // it can be
	reopens  bool   // in the same process
	open     func(dir string, durable bool) (store, error)
}

var stores = []candidate{
	{lodgeName, "durability sync: one fdatasync for all that wait", "durability none", true, true, openLodge},
	{"nats-jetstream", "file store, sync_interval: always", "file store, sync_interval: 2m (its default)", true, true, openNATS},
	// Close of raft-wal v0.4.0 leaves its metadata file locked, so that the same process waits for ever when it opens it again.
	{"raft-wal", "StoreLogs: fsync each call; writers take turns", "StoreLogs: fsync each call (there is no other mode)", true, false, openRaftWAL},
	{"tidwall-wal", "Write/WriteBatch: fsync each call; writers take turns", "NoSync", true, true, openTidwall},
	{"etcd-wal", "Save: fdatasync each call; writers take turns", "UnsafeNoFsync", true, true, openEtcd},
}

func storeNamed(name string) *candidate {
	for i := range stores {
		if stores[i].name == name {
			return &stores[i]
		}
	}
	return nil
}
