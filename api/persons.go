package api

import (
	"errors"

	"google.golang.org/protobuf/proto"

	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands/persons"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections/payments"
	"lodge/projections/reservations"
)

// person opens who was sealed by a key.
func (a *API) person(key uint64, sealed []byte) (p persons.Person, forgotten bool, err error) {
	if a.deps.Persons == nil {
		return p, false, log.NewError(log.Unavailable, "open a person", "the keys of persons are not here")
	}
	p, err = a.deps.Persons.Open(persons.KeyID(key), sealed)
	if errors.Is(err, persons.ErrForgotten) {
		return persons.Person{}, true, nil
	}
	return p, false, err
}

// openGuest puts into the guest of a row who it is.
func (a *API) openGuest(g *reservations.Guest) error {
	if g.Key == 0 {
		return nil
	}
	p, forgotten, err := a.person(g.Key, []byte(g.Sealed))
	g.DisplayName, g.Email, g.Forgotten = p.DisplayName, p.Email, forgotten
	return err
}

// toGuest makes the API's form of an event's guest.
func (a *API) toGuest(g *eventpb.Guest) (*lodgev1.Guest, error) {
	if g == nil {
		return nil, nil
	}
	out := &lodgev1.Guest{
		GuestId: g.GetGuestId(), DisplayName: g.GetDisplayName(), Email: g.GetEmail(),
		Adults: g.GetAdults(), Children: g.GetChildren(), Infants: g.GetInfants(),
	}
	if g.GetKey() == 0 {
		return out, nil
	}
	p, forgotten, err := a.person(g.GetKey(), g.GetSealed())
	out.DisplayName, out.Email, out.Forgotten = p.DisplayName, p.Email, forgotten
	return out, err
}

// answerGuest is toGuest for the answer to a command: who asks just now has said who it is, and who asks again is told what is known by now.
func (a *API) answerGuest(g *eventpb.Guest, asked *hotel.Guest, replayed bool) (*lodgev1.Guest, error) {
	if g == nil || replayed {
		return a.toGuest(g)
	}
	return &lodgev1.Guest{
		GuestId: g.GetGuestId(), DisplayName: asked.DisplayName, Email: asked.Email,
		Adults: g.GetAdults(), Children: g.GetChildren(), Infants: g.GetInfants(),
	}, nil
}

// openEvent puts into an event who its guest is and what people wrote, as if it had never been sealed; what is forgotten has a key and no text. The event must be the caller's own.
func (a *API) openEvent(e *event.Envelope) error {
	if of, ok := e.Message.(interface{ GetGuest() *eventpb.Guest }); ok && len(of.GetGuest().GetSealed()) > 0 {
		g := of.GetGuest()
		p, _, err := a.person(g.GetKey(), g.GetSealed())
		if err != nil {
			return err
		}
		g.DisplayName, g.Email, g.Sealed = p.DisplayName, p.Email, nil
	}
	if note, beside, sealed := hotel.WordsIn(e.Message); note != nil && len((*sealed).GetSealed()) > 0 {
		words, err := a.words((*sealed).GetKey(), (*sealed).GetSealed())
		if err != nil {
			return err
		}
		if *note = words[0]; beside != nil {
			*beside = words[1]
		}
		(*sealed).Sealed = nil
	}
	return a.openReason(e)
}

// openReason puts into an event why its command was given; nothing when that is forgotten. The event must be the caller's own.
func (a *API) openReason(e *event.Envelope) error {
	if e.SealedReason.Key == 0 {
		return nil
	}
	words, err := a.words(e.SealedReason.Key, e.SealedReason.Sealed)
	if err != nil {
		return err
	}
	e.Reason, e.SealedReason = words[0], event.Seal{}
	return nil
}

// words opens what people wrote that a key has sealed; nothing when it is forgotten.
func (a *API) words(key uint64, sealed []byte) (w persons.Words, err error) {
	if a.deps.Persons == nil {
		return w, log.NewError(log.Unavailable, "open what was written", "the keys of persons are not here")
	}
	w, err = a.deps.Persons.OpenWords(persons.KeyID(key), sealed)
	if errors.Is(err, persons.ErrForgotten) {
		return w, nil
	}
	return w, err
}

// wordsIn returns what people wrote in an event, which stays as it is: a note, and what else they wrote beside it.
func (a *API) wordsIn(m proto.Message) (w persons.Words, err error) {
	note, beside, sealed := hotel.WordsIn(m)
	switch {
	case note == nil:
		return w, nil
	case (*sealed).GetKey() != 0:
		return a.words((*sealed).GetKey(), (*sealed).GetSealed())
	}
	if w[0] = *note; beside != nil {
		w[1] = *beside
	}
	return w, nil
}

// openReservation puts into a row who the guest is and what people wrote.
func (a *API) openReservation(r *reservations.Reservation) error {
	if err := a.openGuest(&r.Guest); err != nil || r.Words.Key == 0 {
		return err
	}
	words, err := a.words(r.Words.Key, []byte(r.Words.Sealed))
	r.Note, r.RelocatedTo = words[0], words[1]
	return err
}

// openPayment puts into a row what people wrote of its refunds.
func (a *API) openPayment(p *payments.Payment) error {
	for i := range p.Refunds {
		r := &p.Refunds[i]
		if r.Words.Key == 0 {
			continue
		}
		words, err := a.words(r.Words.Key, []byte(r.Words.Sealed))
		if err != nil {
			return err
		}
		r.Note, r.Reference = words[0], words[1]
	}
	return nil
}

func guestRow(g *reservations.Guest) *lodgev1.Guest {
	if *g == (reservations.Guest{}) {
		return nil
	}
	return &lodgev1.Guest{
		GuestId: g.GuestID, DisplayName: g.DisplayName, Email: g.Email, Forgotten: g.Forgotten,
		Adults: int32(g.Adults), Children: int32(g.Children), Infants: int32(g.Infants),
	}
}

// fromGuest reads the guest that lies at path in a request. The address opens the booking (HeaderGuestEmail), so it is one that an account could have, or none.
func fromGuest(g *lodgev1.Guest, path string) (hotel.Guest, error) {
	guest := hotel.Guest{
		ID: g.GetGuestId(), DisplayName: g.GetDisplayName(), Email: g.GetEmail(),
		Adults: g.GetAdults(), Children: g.GetChildren(), Infants: g.GetInfants(),
	}
	if guest.Email == "" {
		return guest, nil
	}
	return guest, access.CheckEmail(guest.Email, path+".email")
}
