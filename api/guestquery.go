package api

import (
	"slices"
	"strings"
	"unicode"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/projections/fold"
	"lodge/projections/reservations"
)

// queryWordsMax is the most words of a guest_query.
const queryWordsMax = 8

// guestQuery is what a guest is found by, folded: each is a part of the name, or of the e-mail address.
type guestQuery struct{ names, emails []string }

// parseGuestQuery reads the words of a guest_query.
func parseGuestQuery(text string) (q guestQuery, err error) {
	for _, word := range strings.Fields(fold.Name(text)) {
		if strings.Contains(word, "@") {
			q.emails = append(q.emails, word)
			continue
		}
		q.names = append(q.names, strings.FieldsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })...)
	}
	switch n := len(q.names) + len(q.emails); {
	case n == 0:
		return q, domain.Errorf(domain.InvalidArgument, "guest_query", "there is no letter and no digit in it")
	case n > queryWordsMax:
		return q, domain.Errorf(domain.InvalidArgument, "guest_query", "%d words are more than %d", n, queryWordsMax)
	}
	return q, nil
}

// finds reports whether a guest is found.
func (q *guestQuery) finds(g *reservations.Guest) bool {
	return partsOf(g.DisplayName, q.names) && partsOf(g.Email, q.emails)
}

// partsOf reports whether each of some folded words is a part of a text.
func partsOf(text string, words []string) bool {
	if len(words) == 0 {
		return true
	}
	text = fold.Name(text)
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
}

// keeper returns what leaves out of a list whatever its statuses and guest_query do, or nil. Guests are opened in memory, and their names are kept nowhere; one who is forgotten
// has none.
func (a *API) keeper(req *lodgev1.ListReservationsRequest) (reservations.Keep, error) {
	statuses, search := req.GetStatuses(), req.GetGuestQuery() != ""
	if len(statuses) == 0 && !search {
		return nil, nil
	}
	var query guestQuery
	if search {
		var err error
		if query, err = parseGuestQuery(req.GetGuestQuery()); err != nil {
			return nil, err
		}
	}
	return func(r *reservations.Reservation) (bool, error) {
		if len(statuses) > 0 && !slices.Contains(statuses, lodgev1.ReservationStatus(r.Status)) {
			return false, nil
		}
		if !search {
			return true, nil
		}
		if err := a.openGuest(&r.Guest); err != nil {
			return false, err
		}
		return query.finds(&r.Guest), nil
	}, nil
}

// searchedFrom returns the first day of arrival that a search for a guest looks at which names no other list: who has come since may still be there.
func searchedFrom(today domain.Date) domain.Date { return today.AddDays(-domain.StayNightsMax) }

// searchesAll reports whether a request searches for a guest and names no other list.
func searchesAll(req *lodgev1.ListReservationsRequest) bool {
	return req.GetGuestQuery() != "" && req.GetGuestId() == "" && req.GetGroupId() == "" && req.GetStayList() == 0 && !byArrival(req)
}
