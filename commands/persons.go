package commands

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"slices"

	"google.golang.org/protobuf/proto"

	"lodge/commands/persons"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

// seal seals who the guests of a command are and what people wrote in it, on the goroutine of whoever gives it. The fingerprint is of what was asked for, so that a retry is one, but
// blinded: together with what an event says in clear it would confirm a guess of who the guest was.
func (e *Engine) seal(p *Pending) error {
	if e.opts.Persons == nil {
		if forgets(p.command.Body) {
			return log.NewError(log.Unavailable, "forget a guest", "there are no keys of persons: guests are in the events as they were given")
		}
		return nil
	}
	if forgets(p.command.Body) {
		return e.checkForget(p.command.Body)
	}
	if err := e.sealGuests(p); err != nil {
		return err
	}
	return e.sealWords(p)
}

func (e *Engine) sealGuests(p *Pending) error {
	var scratch [1]*hotel.Guest
	guests := hotel.GuestsOf(p.command.Body, scratch[:0])
	p.seals = p.first[:0]
	named := false
	for i, g := range guests {
		if !g.Personal() {
			p.seals = append(p.seals, hotel.Seal{})
			continue
		}
		if i >= hotel.GroupMax { // which is refused anyway
			break
		}
		if err := g.Check(); err != nil {
			return err
		}
		id, sealed, err := e.opts.Persons.Seal(persons.Person{DisplayName: g.DisplayName, Email: g.Email})
		if err != nil {
			return err
		}
		p.seals, named = append(p.seals, hotel.Seal{Key: uint64(id), Sealed: sealed}), true
	}
	if named {
		p.finger = e.opts.Persons.Blind(p.plain)
	}
	return nil
}

// sealWords seals what people wrote in a command of a guest's booking, and why they give it.
func (e *Engine) sealWords(p *Pending) (err error) {
	body := p.command.Body
	if topic := body.Topic(); topic != event.BookingsTopic && topic != event.PaymentsTopic {
		return nil
	}
	words := persons.Words(hotel.WordsOf(body))
	if n := len(words[0]) + len(words[1]); n > 0 && n <= persons.WordsMax { // longer ones are refused anyway
		if p.words, err = e.sealText(words); err != nil {
			return err
		}
		p.finger = e.opts.Persons.Blind(p.plain)
	}
	if p.command.Reason != "" {
		p.reason, err = e.sealText(persons.Words{p.command.Reason})
	}
	return err
}

func (e *Engine) sealText(words persons.Words) (hotel.Seal, error) {
	id, sealed, err := e.opts.Persons.SealWords(words)
	return hotel.Seal{Key: uint64(id), Sealed: sealed}, err
}

// checkForget refuses to forget by a key that there is not: the event would stay.
func (e *Engine) checkForget(body hotel.Command) error {
	var keys []uint64
	switch c := body.(type) {
	case *hotel.ForgetGuest:
		keys = c.Keys
	case *hotel.ForgetWaiter:
		keys = c.Keys
	}
	for _, key := range keys {
		if !e.opts.Persons.Has(persons.KeyID(key)) {
			return domain.Errorf(domain.InvalidArgument, "keys", "there is no key %d", key)
		}
	}
	return nil
}

// unseal takes back the keys of a command whose seals nobody has seen.
func (e *Engine) unseal(p *Pending) {
	if !p.exposed {
		e.release(p.seals...)
	}
	if !p.told {
		e.release(p.words, p.reason)
	}
}

func (e *Engine) release(seals ...hotel.Seal) {
	for _, s := range seals {
		if s.Key != 0 {
			e.opts.Persons.Release(persons.KeyID(s.Key))
		}
	}
}

// Asked reports whether an event with this fingerprint came from a command that asks for the same as body.
func (e *Engine) Asked(body hotel.Command, fingerprint [16]byte) bool {
	plain := body.Fingerprint()
	return fingerprint == plain || e.opts.Persons != nil && fingerprint == e.opts.Persons.Blind(plain)
}

// turnsAway reports whether the events of a command are rejections, which say of nobody who they are.
func turnsAway(events []proto.Message) bool {
	_, rejected := events[0].(*eventpb.ReservationRejected)
	return rejected
}

func forgets(body hotel.Command) bool {
	switch body.(type) {
	case *hotel.ForgetGuest, *hotel.ForgetWaiter:
		return true
	}
	return false
}

// forgottenKeys appends the keys of those whom an event forgets.
func forgottenKeys(keys []persons.KeyID, m proto.Message) []persons.KeyID {
	if of, ok := m.(interface{ GetKeys() []uint64 }); ok {
		for _, key := range of.GetKeys() {
			keys = append(keys, persons.KeyID(key))
		}
	}
	return keys
}

// forget erases the keys of those whom events forget.
func (e *Engine) forget(events []*event.Envelope) error {
	var keys []persons.KeyID
	for _, e := range events {
		keys = forgottenKeys(keys, e.Message)
	}
	if len(keys) == 0 || e.opts.Persons == nil {
		return nil
	}
	return e.opts.Persons.Erase(keys...)
}

// forget erases the keys of those whom committed commands forget, before these are answered. A crash before it is mended by openPersons; after an error the caller, who may
// have the first answer again, tries it again.
func (p *pipe) forget(group []*Pending) {
	for _, c := range group {
		if c.look != nil || c.err != nil || !forgets(c.command.Body) {
			continue
		}
		var keys []persons.KeyID
		for _, e := range c.result.Events {
			keys = forgottenKeys(keys, e.Message)
		}
		if err := p.keys.Erase(keys...); err != nil {
			c.refuse(err)
		}
	}
}

// The types of events that say who somebody is, or what people wrote of a stay, and that somebody is forgotten.
var (
	sealedTags = tagsOf(&eventpb.ReservationPlaced{}, &eventpb.ReservationModified{}, &eventpb.WaitingListJoined{},
		&eventpb.ReservationCanceled{}, &eventpb.RefundGranted{}, &eventpb.GuestMoved{}, &eventpb.GuestWalked{})
	forgottenTags = tagsOf(&eventpb.GuestForgotten{}, &eventpb.WaiterForgotten{})
)

func tagsOf(messages ...proto.Message) (tags []string) {
	for _, m := range messages {
		tags = append(tags, event.TypeOf(m))
	}
	return tags
}

// openPersons sees to it that the keys are those of the log, and erases what a crash, or a copy of an older folder of keys, has left of those who
// were forgotten.
func openPersons(ctx context.Context, lg log.Reader, opts Options) error {
	swept, err := readSwept(opts)
	if err != nil {
		return err
	}
	changed := false
	for n := range opts.Partitions {
		tp := bookingsPartition(n)
		_, end, err := lg.Offsets(ctx, tp)
		if err != nil {
			return err
		}
		if swept[n] > end { // of another log
			swept[n] = 0
		}
		if err := checkKeys(ctx, lg, tp, swept[n], opts.Persons); err != nil {
			return err
		}
		if err := checkLatest(ctx, lg, paymentsPartition(n), opts.Persons); err != nil {
			return err
		}
		if swept[n] == end {
			continue
		}
		if err := sweep(ctx, lg, tp, swept[n], end, opts.Persons); err != nil {
			return err
		}
		swept[n], changed = end, true
	}
	if !changed {
		return nil
	}
	return writeSwept(opts, swept)
}

// checkLatest refuses keys that do not open what is sealed in the latest events of a partition.
func checkLatest(ctx context.Context, lg log.Reader, tp log.TopicPartition, keys *persons.Keys) error {
	start, end, err := lg.Offsets(ctx, tp)
	if err != nil || start >= end {
		return err
	}
	return eachTagged(ctx, lg, tp, max(start, end-checkEvents), end, nil, openSeals(keys, new(bool)))
}

// How far before its end a partition is looked through for something whose key must be there: where nothing is, ten times as far, and so on. Of what the keys' folder has been opened with
// before, no more than checkEventsMax is looked through again: all of a log without names, each time, took 38 s for 20 million events.
const (
	checkEvents    = 1_000
	checkEventsMax = 10_000
)

// checkKeys refuses keys that are not the log's: those of another folder would open nobody, and older ones would seal two persons with one key.
// Events from swept on are new to the folder, and are all of those that an older copy of it lacks keys for. Before them only those are looked at whose types say that something may be sealed:
// of others it is but the reason.
func checkKeys(ctx context.Context, lg log.Reader, tp log.TopicPartition, swept log.Offset, keys *persons.Keys) error {
	start, end, err := lg.Offsets(ctx, tp)
	if err != nil {
		return err
	}
	found := false
	var tags []string
	for window := log.Offset(checkEvents); !found && start < end && (window <= checkEventsMax || end > swept); window *= 10 {
		from := max(start, end-window)
		if err := eachTagged(ctx, lg, tp, from, end, tags, openSeals(keys, &found)); err != nil {
			return err
		}
		if end = from; end <= swept {
			tags = sealedTags
		}
	}
	return nil
}

// openSeals returns a function that opens what is sealed in an event, and sets found when anything is.
func openSeals(keys *persons.Keys, found *bool) func(*log.Record, *event.Envelope) error {
	return func(r *log.Record, e *event.Envelope) error {
		for _, s := range hotel.SealsOf(e) {
			*found = true
			if _, err := keys.OpenWords(persons.KeyID(s.Key), s.Sealed); err != nil && !errors.Is(err, persons.ErrForgotten) {
				return fmt.Errorf("what is sealed in %s: %w", r.Position(), err)
			}
		}
		return nil
	}
}

// sweep erases the keys of those who are forgotten in [from, end).
func sweep(ctx context.Context, lg log.Reader, tp log.TopicPartition, from, end log.Offset, keys *persons.Keys) error {
	return eachTagged(ctx, lg, tp, from, end, forgottenTags, func(r *log.Record, e *event.Envelope) error {
		there := slices.DeleteFunc(forgottenKeys(nil, e.Message), func(id persons.KeyID) bool { return !keys.Has(id) })
		if err := keys.Erase(there...); err != nil {
			return fmt.Errorf("forget whom %s names: %w", r.Position(), err)
		}
		return nil
	})
}

// eachTagged calls f for the events of some types, or of all when none is named, in [from, end).
func eachTagged(ctx context.Context, lg log.Reader, tp log.TopicPartition, from, end log.Offset, tags []string, f func(*log.Record, *event.Envelope) error) error {
	req := log.FetchRequest{TopicPartition: tp, Offset: from, MaxBytes: replayBytes}
	if len(tags) > 0 {
		req.Filter = &log.Filter{Tags: tags}
	}
	for req.Offset < end {
		got, err := lg.Fetch(ctx, req)
		if err != nil {
			return err
		}
		for i := range got.Records {
			r := &got.Records[i]
			e, err := decodeRecord(r)
			if err != nil {
				return err
			}
			if err := f(r, e); err != nil {
				return err
			}
		}
		if got.Next <= req.Offset {
			return nil
		}
		req.Offset = got.Next
	}
	return nil
}

// The file beside the keys that says how far the log was looked through for those who are forgotten, so that a copy of older keys is, too: "LODGESWP", the count of
// partitions, the offset of each, and a CRC-32C of it all.
const (
	sweptFile  = "swept"
	sweptMagic = "LODGESWP"
)

// readSwept returns the offsets; zeros when there is no file, or one that cannot be used: then all is looked through again.
func readSwept(opts Options) ([]log.Offset, error) {
	swept := make([]log.Offset, opts.Partitions)
	b, err := opts.Persons.ReadSmall(sweptFile, sweptMagic, 4+8*opts.Partitions)
	switch {
	case errors.Is(err, persons.ErrDamaged):
		opts.Logger.Warn("look through the whole log for persons to forget", "file", path.Join(opts.Persons.Dir(), sweptFile))
		return swept, nil
	case err != nil || b == nil:
		return swept, err
	}
	for i := range swept {
		swept[i] = log.Offset(binary.BigEndian.Uint64(b[4+8*i:]))
	}
	return swept, nil
}

func writeSwept(opts Options, swept []log.Offset) error {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(swept)))
	for _, offset := range swept {
		b = binary.BigEndian.AppendUint64(b, uint64(offset))
	}
	return opts.Persons.WriteSmall(sweptFile, sweptMagic, b)
}
