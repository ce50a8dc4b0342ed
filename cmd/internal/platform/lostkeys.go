package platform

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"lodge/api"
	"lodge/api/trail"
	"lodge/commands"
	"lodge/commands/persons"
	"lodge/log/vfs"
)

// folderActor is who changes a folder that no server has: somebody whom the system lets write there.
const folderActor = "local:folder"

// LostKeys is what a data folder has lost of its keys.
type LostKeys struct {
	commands.LostKeys
	Refused error // what else is missing, whether the log names it or not: see persons.Survey
}

// Any reports whether anything is lost.
func (l *LostKeys) Any() bool { return l.Lost > 0 || l.Refused != nil }

// GiveUpKeys holds the keys of persons in a stopped data folder against its log, and, if give is set, puts erased ones where some are lost, so that the folder opens
// again: whoever was sealed with them is forgotten. That is put on record, with the reason. Progress is told in events. Errors: *InUseError; those of persons.Look, commands.FindLostKeys
// and persons.Survey.GiveUp.
func GiveUpKeys(ctx context.Context, dir string, give bool, reason string, progress func(done, total int64)) (found LostKeys, err error) {
	if !Exists(dir) {
		return found, fmt.Errorf("%s is not a data folder", dir)
	}
	if err := api.CheckReason(reason); err != nil {
		return found, fmt.Errorf("the reason %w", err)
	}
	p := &Platform{dir: dir, opts: Options{}.withDefaults()}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.openLog(ctx); err != nil {
		return found, err
	}
	keys, err := persons.Look(vfs.Private, filepath.Join(dir, keysFolder))
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, keys.Close()) }()
	found.Refused = keys.Refused()
	if found.LostKeys, err = commands.FindLostKeys(ctx, p.Broker, p.Partitions, keys, progress); err != nil || !give || !found.Any() {
		return found, err
	}
	if err := keys.GiveUp(found.End); err != nil {
		return found, err
	}
	return found, p.recordGivenUp(ctx, &found, reason)
}

func (p *Platform) recordGivenUp(ctx context.Context, found *LostKeys, reason string) error {
	t, err := trail.Open(ctx, p.Broker, trail.Options{Clock: p.opts.Clock, Logger: p.opts.Logger})
	if err == nil {
		err = t.Record(ctx, trail.Entry{
			Actor: folderActor, Method: "lodge guests give-up-keys", Resource: fmt.Sprintf("keys of %d of %d texts", found.Lost, found.Sealed), Reason: reason, Outcome: trail.Done, Count: 1,
		})
	}
	if err != nil {
		return fmt.Errorf("what is lost is given up, and that is not on record: %w", err)
	}
	return nil
}
