package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"path"
	"sync"

	"lodge/log"
	"lodge/log/vfs"
)

// identityFile keeps what must never go back: the leader epoch and the producer ids handed out.
const (
	identityFile   = "broker.json"
	identityFormat = 1
)

// producerIDsReserved is how many producer ids one write of the identity file reserves. A restart
// forgets those not yet handed out.
const producerIDsReserved = 1000

// identity is the broker's memory of numbers that are used once.
type identity struct {
	fs   vfs.FS
	file string

	mu     sync.Mutex // held across the write of a reservation: allocation is rare
	closed bool       // the file is another process's, or may soon be
	stored storedIdentity
	next   int64 // the next producer id; below stored.ProducerIDs
}

type storedIdentity struct {
	Format      int             `json:"format"`
	LeaderEpoch log.LeaderEpoch `json:"leader_epoch"`
	ProducerIDs int64           `json:"producer_ids"` // reserved: all ids below
}

// openIdentity reads the identity file and begins a new leader epoch. A missing file is the
// beginning of a new log, unless there are topics: then numbers that were in use would come again, and it is refused as Corrupt.
func openIdentity(fs vfs.FS, dir string, topics bool) (*identity, error) {
	id := &identity{fs: fs, file: path.Join(dir, identityFile), stored: storedIdentity{Format: identityFormat, LeaderEpoch: -1}}
	b, err := vfs.ReadFile(fs, id.file)
	switch {
	case errors.Is(err, iofs.ErrNotExist) && !topics:
	case err != nil && !errors.Is(err, iofs.ErrNotExist):
		return nil, fmt.Errorf("open %s: %w", id.file, err)
	case err != nil:
		return nil, log.NewError(log.Corrupt, "open "+id.file, "%w; write "+
			`{"format":1,"leader_epoch":E,"producer_ids":P} with an epoch and a producer id above all that were used`, err)
	default:
		if err := id.parse(b); err != nil {
			return nil, err
		}
	}
	id.stored.LeaderEpoch++
	id.next = id.stored.ProducerIDs
	return id, id.store(id.stored)
}

func (id *identity) parse(b []byte) error {
	if err := json.Unmarshal(b, &id.stored); err != nil {
		return log.NewError(log.Corrupt, "open "+id.file, "%w", err)
	}
	if id.stored.Format != identityFormat {
		return log.NewError(log.UnsupportedFormat, "open "+id.file, "format %d, known is %d", id.stored.Format, identityFormat)
	}
	if id.stored.LeaderEpoch < 0 || id.stored.ProducerIDs < 0 {
		return log.NewError(log.Corrupt, "open "+id.file, "a number is negative")
	}
	return nil
}

func (id *identity) store(s storedIdentity) error {
	b, err := json.Marshal(s)
	if err == nil {
		err = vfs.AtomicWriteFile(id.fs, id.file, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", id.file, err)
	}
	id.stored = s
	return nil
}

// producerID hands out an id that was never handed out before.
func (id *identity) producerID() (int64, error) {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.closed {
		return 0, errClosed("allocate producer id")
	}
	if id.next == id.stored.ProducerIDs {
		s := id.stored
		s.ProducerIDs += producerIDsReserved
		if err := id.store(s); err != nil {
			return 0, err
		}
	}
	id.next++
	return id.next - 1, nil
}

// close waits for a reservation that is being written and allows no other.
func (id *identity) close() {
	id.mu.Lock()
	defer id.mu.Unlock()
	id.closed = true
}

// AllocateProducerID returns an id for a new idempotent producer, unique in this log for ever. Its
// first batch to each partition has epoch 0 and sequence 0.
func (b *Broker) AllocateProducerID(context.Context) (int64, error) {
	return b.identity.producerID()
}
