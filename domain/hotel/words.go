package hotel

import (
	"google.golang.org/protobuf/proto"

	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// WordsOf returns what people wrote in a command of whoever stays: a note, and what else they wrote beside it. Whoever seals them gives the seal to Decide in At.Words.
//
// One seal is in all events of the command: what was written once, of a group say, is readable until the first of those whom it was written of is forgotten.
func WordsOf(c Command) [2]string {
	switch c := c.(type) {
	case *CancelReservation:
		return [2]string{c.Note}
	case *CancelGroup:
		return [2]string{c.Note}
	case *GrantRefund:
		return [2]string{c.Note}
	case *MoveGuest:
		return [2]string{c.Note}
	case *Walk:
		return [2]string{c.Note, c.RelocatedTo}
	case *SettleRefund:
		return [2]string{c.Note, c.Reference}
	}
	return [2]string{}
}

// WordsIn returns the fields of an event for what WordsOf its command were, and of their seal; nil when its type has none. The second text is nil where there is only a note.
func WordsIn(m proto.Message) (note, beside *string, sealed **eventpb.SealedWords) {
	switch m := m.(type) {
	case *eventpb.ReservationCanceled:
		return &m.Note, nil, &m.Words
	case *eventpb.RefundGranted:
		return &m.Note, nil, &m.Words
	case *eventpb.GuestMoved:
		return &m.Note, nil, &m.Words
	case *eventpb.GuestWalked:
		return &m.Note, &m.RelocatedTo, &m.Words
	case *eventpb.RefundSucceeded:
		return &m.Note, &m.Reference, &m.Words
	}
	return nil, nil, nil
}

// SealsOf returns all that is sealed in an event: its guest, what people wrote, and why they gave the command.
func SealsOf(e *event.Envelope) (seals []Seal) {
	if of, ok := e.Message.(interface{ GetGuest() *eventpb.Guest }); ok && of.GetGuest().GetKey() != 0 {
		seals = append(seals, Seal{Key: of.GetGuest().GetKey(), Sealed: of.GetGuest().GetSealed()})
	}
	if of, ok := e.Message.(interface{ GetWords() *eventpb.SealedWords }); ok && of.GetWords().GetKey() != 0 {
		seals = append(seals, Seal{Key: of.GetWords().GetKey(), Sealed: of.GetWords().GetSealed()})
	}
	if e.SealedReason.Key != 0 {
		seals = append(seals, e.SealedReason)
	}
	return seals
}

// sealWords puts the seal of what was written into events in place of it.
func sealWords(events []proto.Message, seal Seal) {
	if seal.Key == 0 {
		return
	}
	for _, m := range events {
		SealWordsIn(m, seal)
	}
}

// SealWordsIn puts a seal into an event in place of what WordsIn it are, if its type has any.
func SealWordsIn(m proto.Message, seal Seal) {
	note, beside, sealed := WordsIn(m)
	if note == nil {
		return
	}
	*note, *sealed = "", &eventpb.SealedWords{Key: seal.Key, Sealed: seal.Sealed}
	if beside != nil {
		*beside = ""
	}
}
