package api

import (
	"errors"

	"google.golang.org/protobuf/proto"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands/persons"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
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

// openEvent puts into an event who its guest is, as if it had never been sealed; one who is forgotten has a key and no name. The event must be the caller's own.
func (a *API) openEvent(m proto.Message) error {
	of, ok := m.(interface{ GetGuest() *eventpb.Guest })
	if !ok || len(of.GetGuest().GetSealed()) == 0 {
		return nil
	}
	g := of.GetGuest()
	p, _, err := a.person(g.GetKey(), g.GetSealed())
	if err != nil {
		return err
	}
	g.DisplayName, g.Email, g.Sealed = p.DisplayName, p.Email, nil
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

func fromGuest(g *lodgev1.Guest) hotel.Guest {
	return hotel.Guest{
		ID: g.GetGuestId(), DisplayName: g.GetDisplayName(), Email: g.GetEmail(),
		Adults: g.GetAdults(), Children: g.GetChildren(), Infants: g.GetInfants(),
	}
}
