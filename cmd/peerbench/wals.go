package main

import (
	"context"
	"path/filepath"
	"sync"

	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	tidwall "github.com/tidwall/wal"
	etcdwal "go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// raftWAL is hashicorp/raft-wal. It has one writer at a time.
type raftWAL struct {
	mu   sync.Mutex
	wal  *raftwal.WAL
	next uint64
}

func openRaftWAL(dir string, _ bool) (store, error) {
	w, err := raftwal.Open(dir)
	if err != nil {
		return nil, err
	}
	last, err := w.LastIndex()
	return &raftWAL{wal: w, next: last + 1}, err
}

func (s *raftWAL) append(_ context.Context, records [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	logs := make([]*raft.Log, len(records))
	for i, r := range records {
		logs[i] = &raft.Log{Index: s.next + uint64(i), Data: r}
	}
	s.next += uint64(len(records))
	return s.wal.StoreLogs(logs)
}

func (s *raftWAL) readAll(context.Context) (n int, err error) {
	first, err := s.wal.FirstIndex()
	if err != nil {
		return 0, err
	}
	var l raft.Log
	for i := first; i < s.next; i++ {
		if err := s.wal.GetLog(i, &l); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (s *raftWAL) close() error { return s.wal.Close() }

// tidwallWAL is tidwall/wal.
type tidwallWAL struct {
	mu   sync.Mutex
	wal  *tidwall.Log
	next uint64
}

func openTidwall(dir string, durable bool) (store, error) {
	o := *tidwall.DefaultOptions
	o.NoSync = !durable
	w, err := tidwall.Open(dir, &o)
	if err != nil {
		return nil, err
	}
	last, err := w.LastIndex()
	return &tidwallWAL{wal: w, next: last + 1}, err
}

func (s *tidwallWAL) append(_ context.Context, records [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var batch tidwall.Batch
	for _, r := range records {
		batch.Write(s.next, r)
		s.next++
	}
	return s.wal.WriteBatch(&batch)
}

func (s *tidwallWAL) readAll(context.Context) (n int, err error) {
	first, err := s.wal.FirstIndex()
	if err != nil {
		return 0, err
	}
	for i := first; i < s.next; i++ {
		if _, err := s.wal.Read(i); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (s *tidwallWAL) close() error { return s.wal.Close() }

// etcdWAL is etcd's wal. It is read once, when it is opened.
type etcdWAL struct {
	mu   sync.Mutex
	dir  string
	wal  *etcdwal.WAL
	next uint64
}

func openEtcd(dir string, durable bool) (store, error) {
	s := &etcdWAL{dir: filepath.Join(dir, "wal"), next: 1}
	var err error
	if etcdwal.Exist(s.dir) {
		_, err = s.read()
	} else {
		s.wal, err = etcdwal.Create(zap.NewNop(), s.dir, []byte("bench"))
	}
	if err != nil {
		return nil, err
	}
	if !durable {
		s.wal.SetUnsafeNoFsync()
	}
	return s, nil
}

// read opens the wal and reads it to its end, which is what makes it ready for appending.
func (s *etcdWAL) read() (n int, err error) {
	if s.wal, err = etcdwal.Open(zap.NewNop(), s.dir, &walpb.Snapshot{Index: new(uint64), Term: new(uint64)}); err != nil {
		return 0, err
	}
	_, _, entries, err := s.wal.ReadAll()
	s.next = uint64(len(entries)) + 1
	return len(entries), err
}

func (s *etcdWAL) append(_ context.Context, records [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries := make([]*raftpb.Entry, len(records))
	for i, r := range records {
		entries[i] = &raftpb.Entry{Term: new(uint64(1)), Index: new(s.next + uint64(i)), Data: r}
	}
	s.next += uint64(len(records))
	return s.wal.Save(&raftpb.HardState{Term: new(uint64(1)), Vote: new(uint64), Commit: new(s.next - 1)}, entries)
}

func (s *etcdWAL) readAll(context.Context) (int, error) {
	if err := s.wal.Close(); err != nil {
		return 0, err
	}
	return s.read()
}

func (s *etcdWAL) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wal.Close()
}
