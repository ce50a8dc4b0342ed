package reservations_test

import (
	"cmp"
	"errors"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/projectiontest"
	"lodge/projections/reservations"
)

// model is what the read model should say, made the obvious way.
type model struct {
	status  map[string]eventpb.ReservationStatus
	placed  map[string]*eventpb.ReservationPlaced
	history map[string][]log.Position
	all     []listed
}

type listed struct {
	checkIn          domain.Date
	hotel, id, guest string
}

func modelOf(t *testing.T, l *projectiontest.Log, events []*event.Envelope) *model {
	m := &model{map[string]eventpb.ReservationStatus{}, map[string]*eventpb.ReservationPlaced{}, map[string][]log.Position{}, nil}
	for _, e := range events {
		pos := l.Append(e)
		r, ok := e.Message.(interface {
			GetReservationId() string
			GetStay() *eventpb.Stay
		})
		if !ok {
			continue
		}
		id := r.GetReservationId()
		m.history[id] = append(m.history[id], pos)
		switch x := e.Message.(type) {
		case *eventpb.ReservationPlaced:
			m.status[id], m.placed[id] = eventpb.ReservationStatus_RESERVATION_STATUS_PENDING, x
			m.list(t, x.GetHotelId(), id, x.GetGuest(), x.GetStay())
		case *eventpb.ReservationRejected:
			m.status[id] = eventpb.ReservationStatus_RESERVATION_STATUS_REJECTED
			m.list(t, x.GetHotelId(), id, x.GetGuest(), x.GetStay())
		case *eventpb.ReservationPaid:
			m.status[id] = eventpb.ReservationStatus_RESERVATION_STATUS_PAID
		default:
			m.status[id] = eventpb.ReservationStatus_RESERVATION_STATUS_CANCELED
		}
	}
	slices.SortFunc(m.all, func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.checkIn, b.checkIn), cmp.Compare(a.hotel, b.hotel), cmp.Compare(a.id, b.id))
	})
	return m
}

func (m *model) list(t *testing.T, hotel, id string, g *eventpb.Guest, s *eventpb.Stay) {
	in, err := domain.ParseDate(s.GetCheckInDate())
	if err != nil {
		t.Fatal(err)
	}
	m.all = append(m.all, listed{in, hotel, id, g.GetGuestId()})
}

func (m *model) ids(want func(listed) bool) (ids []string) {
	for _, l := range m.all {
		if want(l) {
			ids = append(ids, l.id)
		}
	}
	return ids
}

func TestQueries(t *testing.T) {
	l, h := projectiontest.NewLog(3), projectiontest.NewHistory(projectiontest.Seed(t), 6)
	m := modelOf(t, l, append(h.Hotels(5), h.Next(500)...))
	b := projectiontest.NewBench(t, l, func() projections.Projector { return reservations.New() })
	b.Start()
	defer b.Close()
	q := reservations.NewQueries(b.Store)
	for _, x := range m.all {
		checkReservation(t, q, m, x)
	}
	if _, err := q.Get(t.Context(), "nowhere", "nobody"); !errors.Is(err, domain.ReservationNotFound) {
		t.Errorf("unknown reservation: %v", err)
	}
	for _, limit := range []int{1, 3, 1000} {
		checkLists(t, q, m, limit)
	}
}

func checkReservation(t *testing.T, q *reservations.Queries, m *model, x listed) {
	t.Helper()
	r, err := q.Get(t.Context(), x.hotel, x.id)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != m.status[x.id] || r.Stay.CheckIn != x.checkIn || r.Guest.GuestID != x.guest {
		t.Errorf("%s: %+v, want status %s", x.id, r, m.status[x.id])
	}
	if p := m.placed[x.id]; p != nil {
		checkPlaced(t, &r, p)
	}
	if rejected := m.placed[x.id] == nil; rejected != (len(r.FullNights) > 0) {
		t.Errorf("%s: full nights %v", x.id, r.FullNights)
	}
	history, more, err := q.History(t.Context(), x.hotel, x.id, 0, 0)
	if err != nil || more || len(history) != len(m.history[x.id]) {
		t.Fatalf("%s: history %v, error %v", x.id, history, err)
	}
	for i, e := range history {
		if e.Position != m.history[x.id][i] {
			t.Errorf("%s: history %v, want %v", x.id, e.Position, m.history[x.id][i])
		}
	}
	if first := history[0]; first.Position.Offset != r.Created || !first.Time.Equal(r.CreateTime) {
		t.Errorf("%s: first %+v, reservation %+v", x.id, first, r)
	}
	if last := history[len(history)-1]; last.Status != r.Status || last.Position.Offset != r.Updated || !last.Time.Equal(r.UpdateTime) {
		t.Errorf("%s: last %+v, reservation %+v", x.id, last, r)
	}
}

// checkPlaced compares all that a reservation keeps from its first event, and what its last event leaves behind.
func checkPlaced(t *testing.T, r *reservations.Reservation, p *eventpb.ReservationPlaced) {
	t.Helper()
	stay, err := domain.ParseStay(p.GetStay().GetCheckInDate(), p.GetStay().GetCheckOutDate())
	if err != nil {
		t.Fatal(err)
	}
	g := p.GetGuest()
	want := reservations.Reservation{
		HotelID: p.GetHotelId(), ReservationID: p.GetReservationId(), RoomTypeID: p.GetStay().GetRoomTypeId(),
		Quantity: int(p.GetStay().GetQuantity()), Stay: stay,
		Guest: reservations.Guest{GuestID: g.GetGuestId(), DisplayName: g.GetDisplayName(), Email: g.GetEmail(), Adults: int(g.GetAdults())},
		Total: domain.Money{Currency: p.GetCurrencyCode(), MinorUnits: p.GetTotalMinorUnits()}, Nightly: p.GetNightlyMinorUnits(),
		Channel: p.GetChannel(), ExternalReference: p.GetExternalReference(),
		Status: r.Status, Reason: r.Reason, Note: r.Note, CreateTime: r.CreateTime, UpdateTime: r.UpdateTime, Created: r.Created, Updated: r.Updated,
	}
	if hold := p.GetHoldExpireTime(); hold != nil {
		want.HoldExpireTime = hold.AsTime()
	}
	if !proto.Equal(r.Terms, p.GetTerms()) {
		t.Errorf("terms %v, want %v", r.Terms, p.GetTerms())
	}
	want.Terms, want.Money = r.Terms, r.Money
	if !reflect.DeepEqual(*r, want) {
		t.Errorf("got  %+v\nwant %+v", *r, want)
	}
	asked := r.Reason == eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST
	if (r.Note == "plans changed") != asked || r.CreateTime.IsZero() || r.UpdateTime.Before(r.CreateTime) || r.Updated < r.Created {
		t.Errorf("reason %v, note %q, created %s at %d, updated %s at %d", r.Reason, r.Note, r.CreateTime, r.Created, r.UpdateTime, r.Updated)
	}
}

func checkLists(t *testing.T, q *reservations.Queries, m *model, limit int) {
	t.Helper()
	hotel, guest, from, to := projectiontest.HotelID(3), "guest-7", projectiontest.Day.AddDays(5), projectiontest.Day.AddDays(15)
	for _, c := range []struct {
		name string
		list func(after reservations.Cursor) ([]reservations.Reservation, *reservations.Cursor, error)
		want func(listed) bool
	}{
		{"hotel", func(after reservations.Cursor) ([]reservations.Reservation, *reservations.Cursor, error) {
			return q.ListByHotel(t.Context(), hotel, after, limit)
		}, func(l listed) bool { return l.hotel == hotel }},
		{"arrival", func(after reservations.Cursor) ([]reservations.Reservation, *reservations.Cursor, error) {
			return q.ListByArrival(t.Context(), hotel, from, to, after, limit)
		}, func(l listed) bool { return l.hotel == hotel && from <= l.checkIn && l.checkIn < to }},
		{"guest at hotel", func(after reservations.Cursor) ([]reservations.Reservation, *reservations.Cursor, error) {
			return q.ListByGuestAtHotel(t.Context(), guest, hotel, after, limit)
		}, func(l listed) bool { return l.hotel == hotel && l.guest == guest }},
		{"guest", func(after reservations.Cursor) ([]reservations.Reservation, *reservations.Cursor, error) {
			page, err := q.ListByGuest(t.Context(), guest, after, limit)
			return page.Items, page.Next, err
		}, func(l listed) bool { return l.guest == guest }},
		{"no guest", func(after reservations.Cursor) ([]reservations.Reservation, *reservations.Cursor, error) {
			page, err := q.ListByGuest(t.Context(), "", after, limit)
			return page.Items, page.Next, err
		}, func(listed) bool { return false }},
	} {
		var got []string
		for next := (&reservations.Cursor{}); next != nil; {
			items, more, err := c.list(*next)
			if err != nil || len(items) > limit {
				t.Fatalf("%s: %d items, error %v", c.name, len(items), err)
			}
			for _, r := range items {
				got = append(got, r.ReservationID)
			}
			next = more
		}
		if want := m.ids(c.want); !slices.Equal(got, want) {
			t.Errorf("%s by %d: %v, want %v", c.name, limit, got, want)
		}
	}
}
