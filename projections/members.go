package projections

import (
	"context"
	"fmt"
	"slices"

	"lodge/log"
)

// MembersMax bounds the members that one store has in its group.
const MembersMax = 64

// MemberStatus describes one of the store's members of the group.
type MemberStatus struct {
	Name       string          // as RemoveMember takes it, and ClientID of the group's own description
	ID         log.MemberID    // in the group; "" while it is not in it
	Generation log.Generation  // NoGeneration while it is not in it
	Partitions []log.Partition // numbers that it reads, ascending
	Err        string          // why it is not in the group or does not apply what it has, or ""
}

// AddMember has one more member of the group read, and returns its name as soon as it has begun to join. Errors: Unavailable (Run is not running, or ends),
// InvalidArgument (the store is in no group), LimitReached.
func (s *Store) AddMember() (name string, err error) {
	r, err := s.membership("add a member")
	if err != nil {
		return "", err
	}
	return r.add()
}

// RemoveMember ends a member: it finishes the batches under way and leaves the group, which gives its partitions to the others. When ctx
// ends first the member goes all the same. With the last one gone nobody reads, until there is another. Errors: ctx's; Unavailable (Run is not running);
// InvalidArgument (the store is in no group); UnknownMember.
func (s *Store) RemoveMember(ctx context.Context, name string) error {
	r, err := s.membership("remove member " + name)
	if err != nil {
		return err
	}
	m := r.remove(name)
	if m == nil {
		return log.NewError(log.UnknownMember, "remove member "+name, "the store has no such member")
	}
	m.stop()
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("remove member %s: %w", name, ctx.Err())
	}
}

// Members describes the store's members of the group in the order in which they were added; none when Run is not running.
func (s *Store) Members() []MemberStatus {
	r := s.current.Load()
	if r == nil {
		return nil
	}
	r.mu.Lock()
	members := slices.Clone(r.members)
	r.mu.Unlock()
	all := make([]MemberStatus, 0, len(members))
	for _, m := range members {
		all = append(all, m.status())
	}
	return all
}

func (m *member) status() MemberStatus {
	st := MemberStatus{Name: m.name}
	st.ID, st.Generation = m.consumer.Member()
	for _, f := range m.run.store.feeds {
		if m.run.heldBy(f, m.name) != nil {
			st.Partitions = append(st.Partitions, f.partition)
		}
	}
	if err := m.trouble(); err != nil {
		st.Err = err.Error()
	}
	return st
}

// trouble says why the member is not in the group, or does not apply all that it has.
func (m *member) trouble() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, err := range m.strange {
		return err
	}
	return m.err
}

func (s *Store) membership(op string) (*run, error) {
	if s.opts.Group == "" {
		return nil, log.NewError(log.InvalidArgument, op, "the projections are in no group")
	}
	r := s.current.Load()
	if r == nil {
		return nil, log.NewError(log.Unavailable, op, "the projections are not running")
	}
	return r, nil
}

func (r *run) add() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return "", log.NewError(log.Unavailable, "add a member", "the projections are about to stop")
	}
	if len(r.members) >= MembersMax {
		return "", log.NewError(log.LimitReached, "add a member", "there are %d", MembersMax)
	}
	r.counter++
	m, err := newMember(r, fmt.Sprintf("%s-%d", r.store.opts.Group, r.counter))
	if err != nil {
		return "", err
	}
	ctx, stop := context.WithCancel(r.ctx)
	m.stop = stop
	r.members = append(r.members, m)
	r.group.Go(func() error {
		defer stop()
		return m.live(ctx)
	})
	return m.name, nil
}

// remove takes a member out of the list and returns it, or nil.
func (r *run) remove(name string) *member {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.members, func(m *member) bool { return m.name == name })
	if i < 0 {
		return nil
	}
	m := r.members[i]
	r.members = slices.Delete(r.members, i, i+1)
	return m
}
