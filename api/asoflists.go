package api

import (
	"cmp"
	"context"
	"slices"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/hotels"
	"lodge/projections/reservations"
)

// reservationsAsOf returns one page of a list of a hotel's reservations as it was. Which ones are in it is folded from the hotel's bookings; what each of them was is told as
// GetReservation tells it.
func (s *reservationService) reservationsAsOf(ctx context.Context, m *moment, req *lodgev1.ListReservationsRequest, after reservations.Cursor) (answer []*lodgev1.Reservation, next *reservations.Cursor, err error) {
	err = s.readPast(ctx, m, func(p *past) error {
		house, err := p.house()
		if err != nil {
			return err
		}
		h, err := house.Get(p.hotelID)
		if err != nil {
			return err
		}
		list := reservations.NewPastList()
		keep, err := s.keeper(req)
		if err != nil {
			return err
		}
		list.Only(keep, s.opts.ListLookMax)
		if err := p.each(event.BookingsTopic, list.Take); err != nil {
			return err
		}
		var ids []string
		if ids, next, err = pageOfPast(list, &h, m, req, after); err != nil {
			return err
		}
		for _, id := range ids {
			r, err := s.accountAsOf(p.ctx, m, id)
			if err != nil {
				return err
			}
			answer = append(answer, r.message())
		}
		return nil
	})
	return answer, next, err
}

// pageOfPast asks for the list that fits the filter, as reservationService.list does of the present.
func pageOfPast(list *reservations.PastList, h *hotels.Hotel, m *moment, req *lodgev1.ListReservationsRequest, after reservations.Cursor) (ids []string, next *reservations.Cursor, err error) {
	limit := pageSize(req.GetPageSize())
	switch {
	case byArrival(req):
		from, to, err := arrivals(req)
		if err != nil {
			return nil, nil, err
		}
		return list.ListByArrival(from, to, after, limit)
	case req.GetGuestId() != "":
		return list.ListByGuestAtHotel(req.GetGuestId(), after, limit)
	case req.GetGroupId() != "":
		return list.ListByGroup(req.GetGroupId(), after, limit)
	case req.GetStayList() == 0 && !searchesAll(req):
		return list.ListByHotel(after, limit)
	}
	day, err := dayAt(h, m.time)
	if err != nil {
		return nil, nil, err
	}
	if d := req.GetStayDate(); d != nil {
		if day, err = fromDate(d, "stay_date"); err != nil {
			return nil, nil, err
		}
	}
	switch req.GetStayList() {
	case lodgev1.StayList_STAY_LIST_ARRIVALS:
		return list.Arrivals(day, after, limit)
	case lodgev1.StayList_STAY_LIST_DEPARTURES:
		return list.Departures(day, after, limit)
	case lodgev1.StayList_STAY_LIST_IN_HOUSE:
		return list.InHouse(day, after, limit)
	}
	return list.ListByArrival(searchedFrom(day), domain.DateMax, after, limit)
}

// hotelsAsOf returns one page of all hotels as they were at a time.
func (s *hotelService) hotelsAsOf(ctx context.Context, req *lodgev1.ListHotelsRequest, filter hotels.Filter) (rows []hotels.Hotel, next *string, err error) {
	m := new(moment)
	if m.time, err = s.pastTime(req.GetAsOfTime()); err != nil {
		return nil, nil, err
	}
	err = s.readPast(ctx, m, func(p *past) error {
		all := hotels.NewPast()
		over := map[string]bool{} // hotels whose past ends with what was read of them
		until := p.until(event.HotelsTopic)
		for partition := range s.deps.Store.Partitions() {
			tp := log.TopicPartition{Topic: event.HotelsTopic, Partition: log.Partition(partition)}
			err := p.scan(tp, nil, func(r *log.Record) (bool, error) {
				e, err := decodeRecord(r)
				if err != nil {
					return false, err
				}
				if over[e.HotelID] = over[e.HotelID] || !until.Has(r.Offset, e.Time); over[e.HotelID] {
					return false, nil
				}
				if _, ok := e.Message.(interface{ GetHotel() *eventpb.Hotel }); ok { // what hotels have is not listed
					all.Take(projections.Event{Position: r.Position(), Envelope: e})
				}
				return false, p.count("the hotels")
			})
			if err != nil {
				return err
			}
		}
		var more bool
		if rows, more = pageOf(all.List(filter), filter.After, filter.Limit, func(h *hotels.Hotel) string { return h.HotelID }); more {
			next = &rows[len(rows)-1].HotelID
		}
		return nil
	})
	return rows, next, err
}

// pageOf cuts a page out of rows in order of their ids.
func pageOf[R any](rows []R, after string, limit int, id func(*R) string) (page []R, more bool) {
	from, found := slices.BinarySearchFunc(rows, after, func(r R, after string) int { return cmp.Compare(id(&r), after) })
	if found {
		from++
	}
	rows = rows[from:]
	return rows[:min(limit, len(rows))], len(rows) > limit
}
